"""Dictionary files of any size, read line by line: plain or gzip-compressed, from a disk or a pipe."""

import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from floridify_batch.errors import UsageError
from floridify_batch.words.article import OF_LINES, Article, Asked, BadArticle, Left, checked_provider, read_article
from floridify_batch.words.word_list import BadLine

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_LINE_BYTES = 8_000_000
"""A longer line is no article: the longest of Wiktionary's have under a million. A document takes 16 MB."""

BAD_LINES_NAMED = 5

_BUFFER = 1 << 20
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Reading:
    """How far a file has been read, and what was in it. `lines` = `articles` + those left out + `bad`."""

    size: int
    done: int = 0
    lines: int = 0
    articles: int = 0
    bad: int = 0
    bad_lines: list[BadLine] = field(default_factory=list)
    left: Counter[Left] = field(default_factory=Counter)
    damaged: str = ""
    """Where a compressed file breaks off."""

    @property
    def lines_left(self) -> int:
        """Lines that are in order, and of no use here."""
        return sum(self.left[why] for why in OF_LINES)

    def note_bad(self, number: int, reason: str) -> None:
        """A line is no article. The first few are kept."""
        self.bad += 1
        if len(self.bad_lines) < BAD_LINES_NAMED:
            self.bad_lines.append(BadLine(number, reason))


@contextmanager
def opened_dictionary(path: Path, asked: Asked) -> Iterator[tuple[Reading, Iterator[Article]]]:
    """A file's articles, read as they are taken; the reading counts along.

    Raises `UsageError` where the file cannot be read, or has nothing for us: before anything is done with it.
    """
    if asked.provider is not None:
        _check_provider(asked.provider)
    try:
        raw = path.open("rb", buffering=0)
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}; give JSON lines, plain or gzip-compressed.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    with raw:
        reading = Reading(path.stat().st_size)
        articles = _articles(_stream(raw, reading), asked, reading)
        first = next(articles, None)
        if first is None:
            raise UsageError(_nothing_in(path, asked, reading))
        yield reading, chain([first], articles)


def _check_provider(name: str) -> None:
    try:
        checked_provider(name)
    except BadArticle as error:
        raise UsageError(f"--provider {name!r} will not do: {error}.") from None


def _nothing_in(path: Path, asked: Asked, reading: Reading) -> str:
    if reading.damaged:
        return f"{path} is {reading.damaged}."
    if not reading.lines:
        return f"{path} is empty; give JSON lines, plain or gzip-compressed."
    if reading.bad:
        return f"There is no article in {path} ({reading.bad_lines[0]}). Give kaikki's JSON lines, or plain ones."
    why = listed(reading.left)
    return f"There is nothing in {path} to import for --language {asked.language}: {reading.lines:,} lines, {why}."


def listed(left: Counter[Left], of: Iterable[Left] = tuple(Left)) -> str:
    """What was left out, and why, for a sentence."""
    return ", ".join(f"{left[why]:,} {why}" for why in of if left[why])


class _Counted(io.RawIOBase):
    """A file that notes how much of it has been read; a pipe could not tell."""

    def __init__(self, raw: io.RawIOBase | io.FileIO, reading: Reading) -> None:
        self._raw = raw
        self._reading = reading

    def readable(self) -> bool:
        """Reading is what it is for."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        """Read, and note how much."""
        length = self._raw.readinto(buffer)
        self._reading.done += length or 0
        return length


class _Lines(Protocol):
    """What lines can be read from."""

    def readline(self, size: int, /) -> bytes:
        """The next line, or as much of it as is asked for."""
        ...


def _stream(raw: io.FileIO, reading: Reading) -> _Lines:
    """The file's contents. Whether it is compressed is seen by its first bytes, whatever its name says."""
    buffered = io.BufferedReader(_Counted(raw, reading), _BUFFER)
    if buffered.peek(len(_GZIP))[: len(_GZIP)] == _GZIP:
        return gzip.GzipFile(fileobj=buffered)
    return buffered


def _articles(stream: _Lines, asked: Asked, reading: Reading) -> Iterator[Article]:
    for number, line in _lines(stream, reading):
        reading.lines += 1
        if line is None:
            reading.note_bad(number, f"it has over {MAX_LINE_BYTES // 10**6} MB")
            continue
        try:
            article = read_article(line, asked, reading.left)
        except BadArticle as error:
            reading.note_bad(number, str(error))
            continue
        if article:
            reading.articles += 1
            yield article


def _lines(stream: _Lines, reading: Reading) -> Iterator[tuple[int, bytes | None]]:
    """The lines that hold something, numbered as an editor would; None for one that is far too long."""
    number = 0
    try:
        while line := stream.readline(MAX_LINE_BYTES):
            number += 1
            if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                _skip_rest(stream)
                yield number, None
            elif text := line.removeprefix(_BOM).strip() if number == 1 else line.strip():
                yield number, text
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        reading.damaged = f"damaged after line {number:,} ({error})".replace("\n", " ")


def _skip_rest(stream: _Lines) -> None:
    while rest := stream.readline(MAX_LINE_BYTES):
        if rest.endswith(b"\n"):
            return
