"""Word lists: their reader, and the form in which a run keeps the words of one."""

import csv
import re
from array import array
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, overload

from floridify_batch.errors import UsageError
from floridify_batch.files import replacing
from floridify_batch.words.entry import clean_word

LIST_MAX_BYTES = 500_000_000
"""A larger file is no word list: the largest in use has 1.7 million lines, some 25 MB."""

_MAX_LINE = 100_000

_SAMPLE_LINES = 1000
"""How many lines are looked at to tell whether a list has a count column."""


class Words(Sequence[str]):
    """Words in a row, as one text and the places where they begin: a tenth of the memory that a list would take."""

    def __init__(self, words: Iterable[str]) -> None:
        ends, parts = array("Q", [0]), bytearray()
        for word in words:
            parts += word.encode()
            ends.append(len(parts))
        self._text, self._ends = bytes(parts), ends

    def __len__(self) -> int:
        """How many words there are."""
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        """A word by its place, or the words of some places."""
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        place %= len(self)
        return self._text[self._ends[place] : self._ends[place + 1]].decode()

    def __iter__(self) -> Iterator[str]:
        """The words in their order."""
        start, text = 0, self._text
        for end in islice(self._ends, 1, None):
            yield text[start:end].decode()
            start = end

    def __eq__(self, other: object) -> bool:
        """Whether the other sequence has the same words."""
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(str.__eq__, self, other))

    def __hash__(self) -> int:
        """Equal words have equal hashes."""
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that holds no word, and why."""

    number: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.reason}"


@dataclass(frozen=True, slots=True)
class WordList:
    """The distinct words of a list in their order, what was left out, and how the list was read."""

    words: Words
    digest: str
    bad_lines: tuple[BadLine, ...] = ()
    duplicates: int = 0
    readings: tuple[str, ...] = ()

    def without(self, done: Container[str]) -> Words:
        """The words but those that are done."""
        return Words(word for word in self.words if word not in done) if done else self.words


class _Line(NamedTuple):
    number: int
    text: str


def read_word_list(path: Path) -> WordList:
    """Read a list: one entry a line, `#` comments, an optional count column, or CSV with a `word` header.

    A line that cannot be a word is left out and reported by its number; a file in which no word is left, that is
    binary or cannot be read, raises `UsageError`.
    """
    raw = _read(path)
    bad: list[BadLine] = []
    words: dict[str, None] = {}
    readings: list[str] = []
    duplicates = 0
    for line in _cells(_lines(raw, bad), path.suffix.lower() == ".csv", readings):
        word, reason = clean_word(line.text)
        if reason:
            bad.append(BadLine(line.number, reason))
        elif word in words:
            duplicates += 1
        else:
            words[word] = None
    bad.sort(key=lambda line: line.number)
    if not words:
        because = f" ({bad[0]})" if bad else ""
        raise UsageError(f"There is no word in {path}{because}. Give a text file with one word a line.")
    return WordList(Words(words), digest_of(words), tuple(bad), duplicates, tuple(readings))


def read_normalised(path: Path) -> Words:
    """Read back a list that `write_normalised` wrote. Raises `OSError`."""
    with path.open(encoding="utf-8", newline="\n") as lines:
        return Words(line.removesuffix("\n") for line in lines)


def digest_of(words: Iterable[str]) -> str:
    """What two equal lists share: 16 bytes of BLAKE2b, in hex, over the words as they are written down."""
    state = blake2b(digest_size=16)
    for word in words:
        state.update(word.encode() + b"\n")
    return state.hexdigest()


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder; give a text file with one word a line.")
        if path.stat().st_size > LIST_MAX_BYTES:
            raise UsageError(f"{path} has over {LIST_MAX_BYTES // 10**6} MB and is hardly a word list.")
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}; give a text file with one word a line.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _from_utf16(raw, path)
    if b"\0" in raw:
        raise UsageError(f"{path} is a binary file; give a text file (UTF-8) with one word a line.")
    return raw


def _from_utf16(raw: bytes, path: Path) -> bytes:
    try:
        return raw.decode("utf-16").encode()
    except UnicodeError:
        raise UsageError(f"{path} is neither UTF-8 nor UTF-16 text; save it as UTF-8.") from None


def _lines(raw: bytes, bad: list[BadLine]) -> Iterator[_Line]:
    """The lines that say something; those that are no UTF-8 go to `bad`."""
    for number, found in enumerate(_LINE.finditer(raw.removeprefix(b"\xef\xbb\xbf")), 1):
        line = found[0]
        if len(line) > _MAX_LINE:
            bad.append(BadLine(number, f"it has {len(line):,} bytes, more than a line with a word can have"))
            continue
        try:
            text = line.decode().strip()
        except UnicodeDecodeError:
            bad.append(BadLine(number, "it is not UTF-8; save the list as UTF-8"))
            continue
        if "#" in text:
            text = _COMMENT.sub("", text)
        if text:
            yield _Line(number, text)


def _cells(lines: Iterator[_Line], is_csv: bool, readings: list[str]) -> Iterator[_Line]:
    """The words' own cells: of the `word` column, or of lines without their counts; `readings` gets what is assumed."""
    sample = list(islice(lines, _SAMPLE_LINES))
    lines = chain(sample, lines)
    header = _header(sample[0].text, is_csv) if sample else None
    readings += _readings(sample, header, is_csv)
    if header:
        delimiter, column = header
        for line in islice(lines, 1, None):
            row = next(csv.reader([line.text], delimiter=delimiter))
            yield _Line(line.number, row[column] if column < len(row) else "")
        return
    pattern = _COUNT if _has_counts(sample) else _TAB_COUNT
    for line in lines:
        counted = line.text[-1].isdecimal() or line.text[-1] in ".,"
        yield _Line(line.number, pattern.sub("", line.text)) if counted else line


_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_COMMENT = re.compile(r"(?:^|\s+)#.*$")  # "C#" is a word, "wind # air" is one with a comment
_COUNT = re.compile(r"\s+\d[\d.,]*$")
_TAB_COUNT = re.compile(r"\t+\d[\d.,]*$")


def _readings(sample: Sequence[_Line], header: tuple[str, int] | None, is_csv: bool) -> Iterator[str]:
    """How the list is read where that is not plain, so that a wrong guess is seen before it is paid for."""
    if header:
        yield f"Read the column {header[1] + 1} of the list, which its first line calls `word`."
        return
    numbered = sum(_COUNT.search(line.text) is not None for line in sample)
    if _has_counts(sample):
        yield "Every line ends with a number: it was read as a count, and left out."
    elif numbered * 2 >= len(sample) > 1:
        yield (
            f"{numbered:,} of the first {len(sample):,} lines end with a number, but not all: these were read as parts "
            "of words. Give every line a count, or a tab before each."
        )
    for name, delimiter in (("commas", ","), ("semicolons", ";"), ("tabs", "\t")):
        parted = sum(delimiter in _TAB_COUNT.sub("", line.text) for line in sample)
        if parted * 2 > len(sample) or (is_csv and parted):
            yield f"Lines have {name}, but no column is called `word`: each line was read as one entry."


def _has_counts(sample: Sequence[_Line]) -> bool:
    """Whether a number ends every line looked at. "catch 22" alone is a word; among counts it is one with a count."""
    return len(sample) > 1 and all(_COUNT.search(line.text) for line in sample)


def _header(text: str, is_csv: bool) -> tuple[str, int] | None:
    """The delimiter and the position of the `word` column, if the first line is such a header."""
    for delimiter in ",;\t":
        names = [name.strip().casefold() for name in next(csv.reader([text], delimiter=delimiter))]
        if "word" in names and (is_csv or len(names) > 1):
            return delimiter, names.index("word")
    return None


def write_normalised(words: Iterable[str], path: Path) -> None:
    """Write the words one per line, as a run keeps them."""
    with replacing(path) as out:
        out.writelines(word.encode() + b"\n" for word in words)
