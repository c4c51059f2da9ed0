"""The review of stored entries in a file: its rows, its formats, and the decisions in it.

A row is one field of a definition, an example, or of the word as a whole. `field` names the fields, and writes and
parses their values; `sheet` derives the rows of an entry, with doubts and origin; `review_file` writes them as CSV,
Excel file or HTML page. `decision` reads the rows that a person has decided; `revision` derives the changes from these
and the stored documents, without I/O; `storage` writes them as values of a person.
"""
