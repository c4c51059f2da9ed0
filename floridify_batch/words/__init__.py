"""Input: word lists, dictionary files, and the values that the other packages work on (words, definitions, entries).

`words` reads files and normalises text; it knows no components, prices or databases. It exports the reader of word
lists, which is imported on first use.
"""

from typing import Any

__all__ = ["read_word_list"]


def __getattr__(name: str) -> Any:
    if name != "read_word_list":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from floridify_batch.words.word_list import read_word_list

    return read_word_list
