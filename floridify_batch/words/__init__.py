"""Input: word lists, dictionary files, and the values that the other packages work on (words, definitions, entries).

`words` reads files and normalises text; it knows no components, prices or databases.
"""

from floridify_batch.words.word_list import WordList, read_word_list

__all__ = ["WordList", "read_word_list"]
