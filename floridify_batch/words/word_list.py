"""Word lists: the reader, and the normalised copy that a run keeps."""

import re
import sys
from array import array
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import overload

from floridify_batch.errors import UsageError
from floridify_batch.files import replacing
from floridify_batch.formatting import count, counted
from floridify_batch.words.entry import clean_word
from floridify_batch.words.list_format import parse
from floridify_batch.words.list_table import Listing, Row, Source, read_columns
from floridify_batch.words.spreadsheet import sheet_rows

LIST_MAX_BYTES = 500_000_000
"""Maximum size of a word list; the largest in use, with 1.7 million lines, has 25 MB."""

STANDARD_INPUT = Path("-")


class Words(Sequence[str]):
    """A compact sequence of words: one text and its offsets, in a tenth of the memory of a list."""

    def __init__(self, words: Iterable[str]) -> None:
        ends, parts = array("Q", [0]), bytearray()
        for word in words:
            parts += word.encode()
            ends.append(len(parts))
        self._text, self._ends = bytes(parts), ends

    def __len__(self) -> int:
        """The number of words."""
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        """A word, or a slice."""
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        place %= len(self)
        return self._text[self._ends[place] : self._ends[place + 1]].decode()

    def __iter__(self) -> Iterator[str]:
        """Iterate in order."""
        start, text = 0, self._text
        for end in islice(self._ends, 1, None):
            yield text[start:end].decode()
            start = end

    def __eq__(self, other: object) -> bool:
        """Equal to any sequence of the same words."""
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(str.__eq__, self, other))

    def __hash__(self) -> int:
        """Equal words have equal hashes."""
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line without a valid word, and the reason."""

    number: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.reason}"


@dataclass(frozen=True, slots=True)
class WordList:
    """The distinct words of a list in order, the skipped lines, and notes on the reading."""

    words: Words
    digest: str
    bad_lines: tuple[BadLine, ...] = ()
    duplicates: int = 0
    readings: tuple[str, ...] = ()
    name: str = ""
    column: str = ""

    def without(self, done: Container[str]) -> Words:
        """The words except those that are done."""
        return Words(word for word in self.words if word not in done) if done else self.words

    def in_lower_case(self) -> "WordList":
        """The list with every word in lower case."""
        words = dict.fromkeys(word.lower() for word in self.words)
        duplicates = self.duplicates + len(self.words) - len(words)
        return replace(self, words=Words(words), digest=digest_of(words), duplicates=duplicates)

    @property
    def summary(self) -> str:
        """Return a summary of the entries read and skipped, with the first and the last words."""
        source = f" from {self.name}" if self.name else ""
        column = f", column “{self.column}”" if self.column else ""
        return " ".join(
            [f"Read {counted(len(self.words), 'word')}{source}{column}: {self._shown()}.", *self._skipped()]
        )

    def _shown(self) -> str:
        first, last = self.words[:_SHOWN_FIRST], self.words[-_SHOWN_LAST:]
        if len(self.words) <= _SHOWN_FIRST + _SHOWN_LAST:
            return _quoted(self.words)
        return f"{_quoted(first)} … {_quoted(last)}"

    def _skipped(self) -> Iterator[str]:
        parts = [counted(self.duplicates, "duplicate")] if self.duplicates else []
        reasons: defaultdict[str, list[int]] = defaultdict(list)
        for bad in self.bad_lines:
            reasons[bad.reason].append(bad.number)
        for reason, numbers in islice(reasons.items(), _REASONS_SHOWN):
            shown = ", ".join(map(str, numbers[:_LINES_SHOWN])) + (" …" if len(numbers) > _LINES_SHOWN else "")
            parts.append(f"{counted(len(numbers), 'line')} with {reason} ({shown})")
        rest = sum(map(len, list(reasons.values())[_REASONS_SHOWN:]))
        if rest:
            parts.append(f"{counted(rest, 'other line')}")
        if parts:
            yield f"Skipped {', '.join(parts)}."


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"“{word}”" for word in words)


_SHOWN_FIRST, _SHOWN_LAST = 3, 2
_REASONS_SHOWN, _LINES_SHOWN = 3, 5


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_word_list(path: Path, column: str | None = None) -> WordList:
    """Read a list in any usual format; `-` is standard input. `column`: the name or number of a table's column.

    A line without a valid word is skipped and reported by its number. Raises `UsageError` where the file cannot be
    read, holds no word, or leaves open which of its columns has the words.
    """
    collected = _Collected()
    listing = _listing(path, column)
    for row in listing.rows:
        collected.add(row)
    name = "standard input" if path == STANDARD_INPUT else str(path)
    if not collected.words:
        because = f" ({min(collected.bad, key=lambda bad: bad.number)})" if collected.bad else ""
        raise UsageError(f"No word in {name}{because}. Pass a text file with one word per line.")
    return collected.result(name, listing)


@dataclass(frozen=True, slots=True)
class ListSource:
    """The word lists and the single words that a run is started with."""

    paths: tuple[Path, ...] = ()
    words: tuple[str, ...] = ()
    column: str | None = None
    lower_case: bool = False

    @property
    def name(self) -> str:
        """The name of the list in the checkpoint: its files, or its words."""
        return ", ".join([*map(str, self.paths), *self.words])

    @property
    def stem(self) -> str:
        """The default name of the run's files: that of the first list, or the first word."""
        if self.paths:
            return "stdin" if self.paths[0] == STANDARD_INPUT else self.paths[0].stem
        return re.sub(r"\W+", "-", self.words[0]).strip("-") if self.words else ""

    def read(self) -> WordList:
        """Read all lists and words as one list. Raises `UsageError`."""
        lists = [read_word_list(path, self.column) for path in self.paths]
        whole = joined([*lists, list_of(self.words)] if self.words else lists)
        return whole.in_lower_case() if self.lower_case else whole


def list_of(words: Iterable[str]) -> WordList:
    """A list of words from the command line. Raises `UsageError` for an invalid one."""
    collected = _Collected()
    for text in words:
        collected.add(Row(0, text))
        if collected.bad:
            raise UsageError(f"--word {text!r}: {collected.bad[0].reason}.")
    return collected.result("", Listing(()))


def joined(lists: Sequence[WordList]) -> WordList:
    """Several lists as one, without the words that are in an earlier one, too."""
    if len(lists) == 1:
        return lists[0]
    words = dict.fromkeys(word for each in lists for word in each.words)
    repeated = sum(len(each.words) for each in lists) - len(words)
    return WordList(
        Words(words),
        digest_of(words),
        tuple(bad for each in lists for bad in each.bad_lines),
        repeated + sum(each.duplicates for each in lists),
        tuple(note for each in lists for note in each.readings),
        ", ".join(each.name for each in lists if each.name),
    )


@dataclass(slots=True)
class _Collected:
    """The words of a list while it is read."""

    words: dict[str, None] = field(default_factory=dict)
    bad: list[BadLine] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    duplicates: int = 0

    def add(self, row: Row) -> None:
        word, reason = ("", row.reason) if row.reason else clean_word(row.text)
        if reason and not row.reason and not row.text.strip():
            reason = "an empty cell"
        if reason:
            self.bad.append(BadLine(row.line, _NOT_UTF8 if _SURROGATE.search(row.text) else reason))
        elif word in self.words:
            self.duplicates += 1
        else:
            self.words[word] = None
            if not word.isalpha() and _ODD.search(word):
                self.odd.append(word)

    def result(self, name: str, listing: Listing) -> WordList:
        bad = tuple(sorted(self.bad, key=lambda line: line.number))
        notes = [*listing.notes, *self._odd_entries()]
        return WordList(
            Words(self.words), digest_of(self.words), bad, self.duplicates, tuple(notes), name, listing.column
        )

    def _odd_entries(self) -> Iterator[str]:
        if self.odd:
            shown = _quoted(each if len(each) <= _ODD_LENGTH else f"{each[:_ODD_LENGTH]}…" for each in self.odd[:3])
            more = " …" if len(self.odd) > 3 else ""  # noqa: PLR2004
            entries = counted(len(self.odd), "entry looks", "entries look")
            them = "it" if len(self.odd) == 1 else "them"
            yield f"{entries} unlike a word: {shown}{more}. To leave {them} out, delete {them} from the list."


_NOT_UTF8 = "bytes that are not UTF-8"
_SURROGATE = re.compile(r"[\udc80-\udcff]")
_ODD_LENGTH = 40
_ODD = re.compile(
    r"""^[a-z]+://|^www\.|@\w+\.        # addresses
    |^[=+@]\w+[(:]                      # formulas of a spreadsheet
    |^[\d.,\s%$€£/:-]+$                 # numbers, dates
    |:\s*[\d.,]+$                       # sums below a table
    |^(?:\S+\s+){7}                     # sentences
    |^(?:\S+\s+){3,}\S+[.?!]$
    |[<>{}\\]|,.*,                      # markup, rows of a table
    |\s\([\w\s.,;/-]+\)$                # a word with its part of speech or a gloss
    """,
    re.VERBOSE,
)


def _listing(path: Path, column: str | None) -> Listing:
    raw, name = _read(path), "standard input" if path == STANDARD_INPUT else str(path)
    if raw.startswith(b"PK") and path.suffix.lower() in (".xlsx", ".xlsm"):
        return read_columns(Source(name, "", column=column), _spreadsheet_rows(path))
    text, note = decode(raw, name)
    listing = parse(Source(name, text, path.suffix.lower(), column))
    return Listing(listing.rows, listing.column, (*filter(None, [note]), *listing.notes))


def _read(path: Path) -> bytes:
    if path == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder. Pass a text file with one word per line.")
        if path.is_file() and path.stat().st_size > LIST_MAX_BYTES:
            raise UsageError(f"{path} has over {count(LIST_MAX_BYTES // 10**6)} MB, too much for a word list.")
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"File not found: {path}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None


def _spreadsheet_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a spreadsheet's first sheet."""
    for number, row in enumerate(sheet_rows(path), 1):
        if row:
            yield number, ["" if cell is None else str(cell) for cell in row]


# ── encodings ──────────────────────────────────────────────────────────────────────────────────────────────────────


def decode(raw: bytes, name: str) -> tuple[str, str]:
    """Decode a file: returns its text and a note on the encoding. Raises `UsageError`.

    A line that is not UTF-8 in a file that otherwise is keeps its bytes as surrogates, so that only it is skipped.
    """
    encoding = _marked(raw)
    if encoding:
        try:
            return raw.decode(encoding).removeprefix("\ufeff"), ""
        except UnicodeError:
            raise UsageError(f"{name} is neither UTF-8 nor UTF-16 text; save it as UTF-8.") from None
    if b"\0" in raw:
        raise UsageError(f"{name} is a binary file. Pass a text file with one word per line.")
    try:
        return raw.decode(), ""
    except UnicodeDecodeError:
        return _western(raw, name)


def _marked(raw: bytes) -> str:
    """The encoding by a byte order mark, or by the zero bytes of UTF-16."""
    if raw.startswith(b"\xef\xbb\xbf"):
        return "utf-8" if _is_utf8(raw) else ""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    start = raw[:200]
    if len(start) >= 4 and len(start) % 2 == 0:  # noqa: PLR2004
        for zeros, encoding in ((start[1::2], "utf-16-le"), (start[::2], "utf-16-be")):
            if not any(zeros) and start.count(0) == len(zeros):
                return encoding
    return ""


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _western(raw: bytes, name: str) -> tuple[str, str]:
    """Decode text that is not UTF-8: as Windows-1252 if it is Western European throughout."""
    text = raw.decode(errors="surrogateescape")
    if any(character.isalpha() and not character.isascii() for character in text):
        return text, ""  # some lines are UTF-8, so the others are damaged
    try:
        western = raw.decode("cp1252")
    except UnicodeDecodeError:
        return text, ""
    letters = sum(map(str.isalpha, western))
    foreign = sum(character.isalpha() and not character.isascii() for character in western)
    if not foreign or foreign * 3 > letters:
        return text, ""
    return western, f"{name} is not UTF-8; it was read as Windows-1252."


# ── the form in which a run keeps a list ───────────────────────────────────────────────────────────────────────────


def read_normalised(path: Path) -> Words:
    """Read a list written by `write_normalised`. Raises `OSError`."""
    with path.open(encoding="utf-8", newline="\n") as lines:
        return Words(line.removesuffix("\n") for line in lines)


def digest_of(words: Iterable[str]) -> str:
    """The digest of a list: BLAKE2b, 16 bytes, in hex."""
    state = blake2b(digest_size=16)
    for word in words:
        state.update(word.encode() + b"\n")
    return state.hexdigest()


def write_normalised(words: Iterable[str], path: Path) -> None:
    """Write the words one per line, as a run keeps them."""
    with replacing(path) as out:
        out.writelines(word.encode() + b"\n" for word in words)
