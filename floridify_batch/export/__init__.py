"""Dictionaries as files: stored entries, written in the formats of lexicographers, dictionary readers and flashcards.

`entry` has the content of an entry as plain values, `document_reader` reads these from documents and counts values that
it cannot read, and `entry_source` reads the entries of a list, a language or a whole database page by page. Each family
of formats is one module, which writes entries one by one; `format` names them, and `file` writes a whole file.
"""
