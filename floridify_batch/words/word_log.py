"""Words in the order in which something became true of them, kept as the text in which a checkpoint holds them.

A run's list of finished words grows to that of a dictionary, and is written whole with every save. As text it takes a
fifth of the memory, and is on the disk as fast as the disk takes it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import orjson

_BETWEEN = b",\n    "
"""Stands between two words in an indented list of JSON; no word does, since JSON writes a new line as two others."""

_READ = 1 << 16


class WordLog(Sequence[str]):
    """Words that are added at the end, and never taken out."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._text = bytearray()
        self._count = 0
        for word in words:
            self.append(word)

    @classmethod
    def of(cls, words: Any) -> "WordLog":
        """The words of a list. Raises `ValueError` for anything else."""
        if isinstance(words, cls):
            return words
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError("it is no list of words")
        log = cls()
        # Inside a word, JSON has a backslash before every quote, so that these three bytes stand between words only.
        log._text += orjson.dumps(words)[1:-1].replace(b'","', b'"' + _BETWEEN + b'"')
        log._count = len(words)
        return log

    def append(self, word: str) -> None:
        """Add a word."""
        if self._count:
            self._text += _BETWEEN
        self._text += orjson.dumps(word)
        self._count += 1

    def json(self) -> bytes:
        """The words as an indented list of JSON, one level deep."""
        return b"".join((b"[\n    ", self._text, b"\n  ]")) if self._count else b"[]"

    def __len__(self) -> int:
        """How many words there are."""
        return self._count

    def __iter__(self) -> Iterator[str]:
        """The words in their order, a few of them in memory."""
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
        """A word by its place, or some; all of them are read for it."""
        return list(self)[place]

    def __eq__(self, other: object) -> bool:
        """Whether the other sequence has the same words."""
        return isinstance(other, Sequence) and len(self) == len(other) and list(self) == list(other)

    def __hash__(self) -> int:
        """Equal logs have equal hashes, as long as nothing is added."""
        return hash(bytes(self._text))

    def __repr__(self) -> str:
        """As a list shows itself."""
        return repr(list(self))
