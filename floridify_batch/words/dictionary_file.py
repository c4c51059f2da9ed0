"""Reader for dictionary files: JSON lines or CSV, plain or gzip-compressed, streamed from a disk or a pipe.

A CSV file has named columns and a definition per row.
"""

import csv
import gzip
import io
import os
import re
import zlib
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from floridify_batch.errors import UsageError
from floridify_batch.words.article import (
    LINE_REASONS,
    Article,
    ImportFilter,
    InvalidArticle,
    SkipReason,
    article_of,
    checked_provider,
    clean_text,
    read_article,
)
from floridify_batch.words.list_table import COLUMN_NAMES
from floridify_batch.words.word_list import BadLine

if TYPE_CHECKING:
    from _csv import Reader

    from _typeshed import WriteableBuffer


MAX_LINE_BYTES = 8_000_000
"""Maximum length of a line: Wiktionary's longest have under a million bytes, and a document holds 16 MB."""

BAD_LINES_NAMED = 5

_BUFFER = 1 << 20
_GZIP = b"\x1f\x8b"


@dataclass(slots=True)
class ReadStats:
    """Counts of a file while it is read. `lines` = `articles` + `lines_skipped` + `bad`."""

    size: int
    done: int = 0
    lines: int = 0
    articles: int = 0
    bad: int = 0
    bad_lines: list[BadLine] = field(default_factory=list)
    skipped: Counter[SkipReason] = field(default_factory=Counter)
    damaged: str = ""
    """The position at which a compressed file breaks off, if it is damaged."""

    @property
    def lines_skipped(self) -> int:
        """Valid lines that are not imported."""
        return sum(self.skipped[reason] for reason in LINE_REASONS)

    def note_bad(self, number: int, reason: str) -> None:
        """Count a line that is not an article; keep the first few."""
        self.bad += 1
        if len(self.bad_lines) < BAD_LINES_NAMED:
            self.bad_lines.append(BadLine(number, reason))


@contextmanager
def opened_dictionary(path: Path, wanted: ImportFilter) -> Iterator[tuple[ReadStats, Iterator[Article]]]:
    """Open a file; its articles are read as they are consumed, and counted.

    Raises `UsageError`, before the first article, where the file cannot be read or holds nothing to import.
    """
    if wanted.provider is not None:
        _check_provider(wanted.provider)
    try:
        raw = path.open("rb", buffering=0)
    except FileNotFoundError:
        raise UsageError(f"File not found: {path}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    with raw:
        reading = ReadStats(path.stat().st_size)
        stream = _stream(raw, reading)
        if path.name.casefold().removesuffix(".gz").endswith((".csv", ".tsv")):
            articles = _table_articles(stream, path, wanted, reading)
        else:
            articles = _articles(stream, wanted, reading)
        first = next(articles, None)
        if first is None:
            raise UsageError(_nothing_in(path, wanted, reading))
        yield reading, chain([first], articles)


def _check_provider(name: str) -> None:
    try:
        checked_provider(name)
    except InvalidArticle as error:
        raise UsageError(f"--provider {name!r}: {error}.") from None


def _nothing_in(path: Path, wanted: ImportFilter, reading: ReadStats) -> str:
    if reading.damaged:
        return f"{path} is {reading.damaged}."
    if not reading.lines:
        return f"{path} is empty."
    if reading.bad:
        return f"No article in {path} ({reading.bad_lines[0]}). Expected JSON lines (by kaikki.org or plain) or CSV."
    why = skipped_text(reading.skipped)
    return f"Nothing to import from {path} for --language {wanted.language}: {reading.lines:,} lines, {why}."


def skipped_text(skipped: Counter[SkipReason], of: Iterable[SkipReason] = tuple(SkipReason)) -> str:
    """The skipped lines by reason, as a part of a sentence."""
    return ", ".join(f"{skipped[reason]:,} {reason}" for reason in of if skipped[reason])


class _Counted(io.RawIOBase):
    """A file that counts the bytes read; the position of a pipe is unknown."""

    def __init__(self, raw: io.RawIOBase | io.FileIO, reading: ReadStats) -> None:
        self._raw = raw
        self._reading = reading

    def readable(self) -> bool:
        """The reason for `ReadStats`."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        """Read and count."""
        length = self._raw.readinto(buffer)
        self._reading.done += length or 0
        return length


class _Lines(Protocol):
    """A stream of lines."""

    def readline(self, size: int, /) -> bytes:
        """The next line, up to `size` bytes."""
        ...


def _stream(raw: io.FileIO, reading: ReadStats) -> _Lines:
    """The file's content, decompressed if it begins with gzip's magic number."""
    buffered = io.BufferedReader(_Counted(raw, reading), _BUFFER)
    if buffered.peek(len(_GZIP))[: len(_GZIP)] == _GZIP:
        return gzip.GzipFile(fileobj=buffered)
    return buffered


def _articles(stream: _Lines, wanted: ImportFilter, reading: ReadStats) -> Iterator[Article]:
    for number, line in _lines(stream, reading):
        reading.lines += 1
        if line is None:
            reading.note_bad(number, f"over {MAX_LINE_BYTES // 10**6} MB")
            continue
        try:
            article = read_article(line, wanted, reading.skipped)
        except InvalidArticle as error:
            reading.note_bad(number, str(error))
            continue
        if article:
            reading.articles += 1
            yield article


_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "word": COLUMN_NAMES,
    "definitions": ("definition", "definitions", "meaning", "gloss", "sense"),
    "part_of_speech": ("part of speech", "pos", "wortart", "word class"),
    "provider": ("provider", "source"),
    "language": ("language", "lang"),
}
_REQUIRED = ("word", "definitions", "part_of_speech")


def _table_articles(stream: _Lines, path: Path, wanted: ImportFilter, reading: ReadStats) -> Iterator[Article]:
    """The articles of a CSV file with named columns, one definition per row."""
    lines = (line.decode(errors="surrogateescape") for line in iter(partial(stream.readline, MAX_LINE_BYTES), b""))
    first = next(lines, "").removeprefix(os.fsdecode(BOM_UTF8))
    delimiter = max("\t,;", key=first.count)
    columns = _columns_of(next(csv.reader([first], delimiter=delimiter), []), path)
    for number, row in _rows(csv.reader(lines, delimiter=delimiter), reading):
        reading.lines += 1
        try:
            article = article_of(_fields(row, columns), wanted, reading.skipped)
        except InvalidArticle as error:
            reading.note_bad(number, str(error))
            continue
        if article:
            reading.articles += 1
            yield article


def _rows(rows: "Reader", reading: ReadStats) -> Iterator[tuple[int, list[str]]]:
    """The rows after the header that are not blank, with the numbers of their first lines."""
    csv.field_size_limit(MAX_LINE_BYTES)
    number = 2
    try:
        for row in rows:
            if any(map(str.strip, row)):
                yield number, row
            number = rows.line_num + 2
    except csv.Error as error:
        reading.damaged = f"not valid CSV after line {number:,} ({error})"
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        reading.damaged = f"damaged after line {number:,} ({error})".replace("\n", " ")


def _columns_of(names: Sequence[str], path: Path) -> dict[str, int]:
    """The positions of the columns by the fields that they hold. Raises `UsageError` where one is missing."""
    known = [" ".join(clean_text(name).casefold().replace("_", " ").split()) for name in names]
    found = {
        field: known.index(next(each for each in allowed if each in known))
        for field, allowed in _COLUMNS.items()
        if set(allowed) & set(known)
    }
    missing = [field for field in _REQUIRED if field not in found]
    if missing:
        shown = ", ".join(map(clean_text, names))
        raise UsageError(
            f"{path} has columns {shown}; missing: {', '.join(missing)}. Name them word, definition, part_of_speech."
        )
    return found


def _fields(row: Sequence[str], columns: Mapping[str, int]) -> dict[str, Any]:
    if any(_SURROGATE.search(cell) for cell in row):
        raise InvalidArticle("bytes that are not UTF-8")
    return {field: row[place] for field, place in columns.items() if place < len(row) and row[place].strip()}


_SURROGATE = re.compile(r"[\udc80-\udcff]")


def _lines(stream: _Lines, reading: ReadStats) -> Iterator[tuple[int, bytes | None]]:
    """Non-blank lines with their numbers; None for a line over the maximum length."""
    number = 0
    try:
        while line := stream.readline(MAX_LINE_BYTES):
            number += 1
            if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                _skip_rest(stream)
                yield number, None
            elif text := line.removeprefix(BOM_UTF8).strip() if number == 1 else line.strip():
                yield number, text
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        reading.damaged = f"damaged after line {number:,} ({error})".replace("\n", " ")


def _skip_rest(stream: _Lines) -> None:
    while rest := stream.readline(MAX_LINE_BYTES):
        if rest.endswith(b"\n"):
            return
