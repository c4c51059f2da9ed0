"""Input: word lists, dictionary files, and the values that the other packages work on (words, definitions, entries).

`words` reads files and normalises text; it knows no components, prices or databases.
"""
