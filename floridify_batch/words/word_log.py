"""An append-only list of words, kept in the checkpoint's JSON encoding.

The list of processed words grows to a dictionary's size and is written with every save. As JSON text it takes a fifth
of the memory and is written at the speed of the disk.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import orjson

_BETWEEN = b",\n    "
"""Separator of an indented JSON array; never part of a word, since JSON escapes line breaks."""

_READ = 1 << 16


class WordLog(Sequence[str]):
    """An append-only sequence of words."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._text = bytearray()
        self._count = 0
        for word in words:
            self.append(word)

    @classmethod
    def of(cls, words: Any) -> "WordLog":
        """Convert a list of strings. Raises `ValueError` for anything else."""
        if isinstance(words, cls):
            return words
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError("not a list of words")
        log = cls()
        # Inside a word, JSON has a backslash before every quote, so that these three bytes occur between words only.
        log._text += orjson.dumps(words)[1:-1].replace(b'","', b'"' + _BETWEEN + b'"')
        log._count = len(words)
        return log

    def append(self, word: str) -> None:
        """Append a word."""
        if self._count:
            self._text += _BETWEEN
        self._text += orjson.dumps(word)
        self._count += 1

    def json(self) -> bytes:
        """Encode as a JSON array, indented one level."""
        return b"".join((b"[\n    ", self._text, b"\n  ]")) if self._count else b"[]"

    def __len__(self) -> int:
        """The number of words."""
        return self._count

    def __iter__(self) -> Iterator[str]:
        """Iterate in order, decoding a few words at a time."""
        start = 0
        while start < len(self._text):
            end = self._text.find(_BETWEEN, start + _READ)
            end = len(self._text) if end < 0 else end
            yield from orjson.loads(b"".join((b"[", self._text[start:end], b"]")))
            start = end + len(_BETWEEN)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        """A word, or a slice; decodes all words."""
        return list(self)[place]

    def __eq__(self, other: object) -> bool:
        """Equal to any sequence of the same words."""
        return isinstance(other, Sequence) and len(self) == len(other) and list(self) == list(other)

    def __hash__(self) -> int:
        """The hash of the words so far."""
        return hash(bytes(self._text))

    def __repr__(self) -> str:
        """The representation of a list."""
        return repr(list(self))
