"""The decisions in a review file, as a person's spreadsheet has saved it.

Columns may be reordered, added or, except for the key and the decision, missing; so may rows. A row that cannot be
read, or that contradicts another one, is named, and the others go on.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, time
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from floridify_batch.components.change import Collection
from floridify_batch.errors import UsageError
from floridify_batch.export.document_reader import clean
from floridify_batch.formatting import counted
from floridify_batch.review.field import BY_NAME, DEFINITION, is_visible
from floridify_batch.review.row import DECISION, EDITED, KEY, RowKey
from floridify_batch.words.entry import DocId
from floridify_batch.words.spreadsheet import sheet_rows


class Verdict(StrEnum):
    """A decision about a value."""

    ACCEPT = "accept"
    EDIT = "edit"
    REJECT = "reject"


class DecidedRow(NamedTuple):
    """A row with a decision; `number` is its number in a spreadsheet, `edited` replaces the stored value.

    A `repeated` row has the key and the decision of a row above.
    """

    number: int
    key: RowKey
    verdict: Verdict
    edited: str = ""
    repeated: bool = False


class RefusedRow(NamedTuple):
    """A row that is not applied, with the reason."""

    number: int
    reason: str


type ReadRow = DecidedRow | RefusedRow | None
"""A row as read; None for one without a decision."""


class DecisionFile:
    """A review file with its decisions; those that contradict each other are refused. Raises `UsageError` for another
    file.

    The file is read once for its contradictions, once more for the numbers of their rows if it has any, since these may
    be far from each other, and then each time that the rows are wanted.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._decisions = path, _Decisions()
        for row in self._decided():
            self._decisions.add(row)
        if self._decisions.are_contradictory:
            for row in self._decided():
                self._decisions.name(row)

    def rows(self) -> Iterator[ReadRow]:
        """The rows in their order."""
        seen = set[int]()
        for each in _rows(self._path):
            yield self._decisions.resolved(each, seen) if isinstance(each, DecidedRow) else each

    @property
    def rejected_definitions(self) -> frozenset[DocId]:
        """The definitions that the file rejects."""
        return self._decisions.rejected_definitions

    def _decided(self) -> Iterator[DecidedRow]:
        return (row for row in _rows(self._path) if isinstance(row, DecidedRow))


def _rows(path: Path) -> Iterator[ReadRow]:
    """The rows of a review file, each by itself."""
    with _records(path) as records:
        head = [_folded(each) for each in next(records, ())]
        if KEY.casefold() not in head or DECISION not in head:
            raise UsageError(
                f"{path} is not a review file: its first row has no columns {KEY!r} and {DECISION!r}. "
                "Create one with: batch-synth review WORDS --out review.csv"
            )
        places = {name: head.index(name.casefold()) for name in (KEY, DECISION, EDITED) if name.casefold() in head}
        if twice := [name for name in places if head.count(name.casefold()) > 1]:
            raise UsageError(
                f"{path} has two columns {twice[0]!r}, which may differ; rename the one that does not count."
            )
        for number, record in enumerate(records, 2):
            fault = _fault(record, len(head))
            yield RefusedRow(number, fault) if fault else _row(number, record, places)


def _row(number: int, record: Sequence[Any], places: Mapping[str, int]) -> ReadRow:
    cells = {name: record[place] if place < len(record) else "" for name, place in places.items()}
    text, edited = _folded(cells[DECISION]), cells.get(EDITED, "")
    if not text:
        stray = not isinstance(edited, str) or is_visible(edited)
        return RefusedRow(number, "an edited value without a decision; write edit") if stray else None
    verdict = _VERDICTS.get(text)
    key = RowKey.read(str(cells[KEY] or ""))
    if verdict is None:
        return RefusedRow(number, f"the decision “{text[:_LONGEST]}” is none of {', '.join(Verdict)}")
    if key is None:
        return RefusedRow(number, "its row ID is missing or damaged")
    if reason := _odd_edit(verdict, edited):
        return RefusedRow(number, reason)
    return DecidedRow(number, key, verdict, str(edited))


def _fault(record: Sequence[Any], columns: int) -> str:
    """The reason why a record is no row; "" if it is one."""
    if record and isinstance(record[0], csv.Error):
        return f"it cannot be read as CSV ({record[0]})"
    if swallowed := _swallowed(record):
        rows = counted(swallowed, "row")
        return f"a quotation mark in it is not closed, so that {rows} below cannot be separated"
    if any(str(each).strip() for each in record[columns:]):
        return "it has more cells than the first row; put a text with a separator in it in quotation marks"
    return ""


def _swallowed(record: Sequence[Any]) -> int:
    """The number of rows that an unclosed quotation mark has joined to a record, by the row IDs in its cells."""
    found = 0
    for each in filter(_HAS_ROW_ID, map(str, record)):
        has_lines = "\n" in each or "\r" in each
        found += len(_ROW_ID.findall(each)) if has_lines else bool(_ROW_ID.fullmatch(each.strip(_AROUND)))
    return max(0, found - 1)


def _odd_edit(verdict: Verdict, edited: Any) -> str:
    """The reason why an edited value does not go with a decision; "" if it does."""
    if not isinstance(edited, str):
        kind = "a truth value" if isinstance(edited, bool) else "a date"
        return f"the spreadsheet has turned the edited value into {kind} ({edited}); format its column as text"
    if verdict is Verdict.EDIT and not is_visible(edited):
        return "the decision is edit, and the edited value is empty; write reject to remove the value"
    if verdict is not Verdict.EDIT and is_visible(edited):
        return f"the decision is {verdict}, and there is an edited value; write edit, or clear it"
    if verdict is Verdict.EDIT and (error := _CELL_ERROR.search(edited)):
        return f"the spreadsheet has replaced the edited value by an error ({error[0]}); format its column as text"
    return "" if _is_unicode(edited) else "its edited value is not in UTF-8; save the file as CSV UTF-8"


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in text)


_LONGEST = 40
_CELL_ERROR = re.compile(r"^[ \t]*(?:#{3,}|#(?:[A-ZÄÖÜÉ0-9_/]{3,}[!?]|N/A|NV|DIV/0)|Err:\d{3})[ \t]*$", re.MULTILINE)
"""An error of a formula, as spreadsheets in several languages write it, or a number without the room to show it."""

_FIELD_NAMES = "|".join(sorted({re.escape(name) for _, name in BY_NAME}, key=len, reverse=True))
_ROW_ID = re.compile(rf"(?:definitions|entries)/[^/\s]+/(?:{_FIELD_NAMES})/(?:[^/\s]+/)?[0-9a-f]{{8}}(?![0-9a-f])")
_HAS_ROW_ID = re.compile("(?:definitions|entries)/").search
_VERDICTS = {form: verdict for verdict in Verdict for form in (str(verdict), verdict[0], f"{verdict}ed", f"{verdict}s")}


_AROUND = " \t\r\n\xa0\ufeff\"'.\u201c\u201d\u201e\u2018\u2019"


def _folded(cell: Any) -> str:
    """A cell without case, spaces and the quotation marks that a spreadsheet may have put around it."""
    return " ".join(str("" if cell is None else cell).strip(_AROUND).casefold().split())


# ── contradictions ─────────────────────────────────────────────────────────────────────────────────────────────────

_MOST_NAMED = 5


@dataclass(slots=True)
class _Decisions:
    """The decisions of a file by subject: a row's key, or the value that a row's value belongs to.

    Subjects and decisions are kept as hashes, so that a row takes little memory.
    """

    by_key: dict[int, int] = field(default_factory=dict)
    different: set[int] = field(default_factory=set)
    """The keys of rows with different decisions."""
    repeated: set[int] = field(default_factory=set)
    """The keys of several rows."""
    kept: set[int] = field(default_factory=set)
    rejected: set[int] = field(default_factory=set)
    """The values that are rejected as a whole; of a kept one, at least a part is to stay."""
    senses: dict[int, DocId] = field(default_factory=dict)
    """The definitions of rows that reject them, by the keys of the rows."""
    numbers: dict[int, list[int]] = field(default_factory=dict)
    """The numbers of rows that contradict each other, by subject."""

    @property
    def are_contradictory(self) -> bool:
        """Whether any rows contradict each other."""
        return bool(self.different) or not self.kept.isdisjoint(self.rejected)

    @property
    def rejected_definitions(self) -> frozenset[DocId]:
        """The definitions that rows reject which contradict no other row."""
        contested = self.kept & self.rejected
        sound = ((key, holder) for key, holder in self.senses.items() if hash(holder) not in contested)
        return frozenset(holder for key, holder in sound if key not in self.different)

    def add(self, row: DecidedRow) -> None:
        """Take account of a row's decision."""
        key, decision = _hashed(row.key), hash((row.verdict, clean(row.edited)))
        if key in self.by_key:
            self.repeated.add(key)
        if self.by_key.setdefault(key, decision) != decision:
            self.different.add(key)
        if row.verdict is Verdict.REJECT and row.key.field is DEFINITION:
            self.senses[key] = row.key.holder
        if whole := _whole(row):
            (self.rejected if row.verdict is Verdict.REJECT else self.kept).add(whole)

    def name(self, row: DecidedRow) -> None:
        """Take account of a row's number."""
        for subject in self._contradictions(row):
            self.numbers.setdefault(subject, []).append(row.number)

    def resolved(self, row: DecidedRow, seen: set[int]) -> ReadRow:
        """The row; refused if it contradicts another one, and marked if it repeats one that was `seen`."""
        numbers = {number for subject in self._contradictions(row) for number in self.numbers.get(subject, ())}
        if numbers:
            return RefusedRow(row.number, f"{_listed(sorted(numbers))} contradict each other")
        if not self.repeated or (key := _hashed(row.key)) not in self.repeated:
            return row
        is_repeated = key in seen
        seen.add(key)
        return row._replace(repeated=is_repeated)

    def _contradictions(self, row: DecidedRow) -> Iterator[int]:
        """The subjects of the contradictions that a row takes part in."""
        if self.different and (key := _hashed(row.key)) in self.different:
            yield key
        if (whole := _whole(row)) in self.kept and whole in self.rejected:
            yield whole


def _hashed(key: RowKey) -> int:
    return hash(str(key))


def _whole(row: DecidedRow) -> int:
    """The value that a decision rejects as a whole, or of which it keeps a part; 0 if there is none.

    A definition takes everything along that belongs to it, and the essential part of a mapping the other parts.
    """
    each, holder = row.key.field, row.key.holder
    if row.verdict is Verdict.REJECT and each is not DEFINITION and not each.essential:
        return 0
    if row.key.collection == Collection.DEFINITIONS:
        return hash(holder)
    return hash((holder, each.stored)) if each.part else 0


def _listed(numbers: Sequence[int]) -> str:
    """Row numbers as people list them, at most a few."""
    named = [f"{each:,}" for each in numbers[:_MOST_NAMED]]
    if rest := numbers[_MOST_NAMED:]:
        named.append(f"{len(rest):,} more")
    return f"rows {', '.join(named[:-1])} and {named[-1]}"


# ── files ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _records(path: Path) -> Iterator[Iterator[Sequence[Any]]]:
    """The records of a file, the header first."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise UsageError(f"The file {path} cannot be read: {error.strerror}.") from None
    if start.startswith(b"PK\x03\x04"):
        sheet = sheet_rows(path, formulas=True, kind="an Excel file")
        yield ([_text_of(cell) for cell in row] for row in sheet)
        return
    encoding = "utf-16" if start.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as text:
        yield _csv_records(text)


_DELIMITERS = ",;\t|"


def _csv_records(text: TextIO) -> Iterator[Sequence[Any]]:
    """The records of CSV with whichever delimiter its header has."""
    csv.field_size_limit(2**31 - 1)
    first = text.readline(1 << 16)
    if first.lower().startswith("sep="):
        first = text.readline(1 << 16)
    delimiter = max(_DELIMITERS, key=first.count)
    return _sound(csv.reader(chain([first], text), delimiter=delimiter))


def _sound(records: Iterator[list[str]]) -> Iterator[Sequence[Any]]:
    """The records; one that cannot be read has its error in place of its cells, and so has each swallowed row."""
    while True:
        try:
            yield (record := next(records))
            for _ in range(_swallowed(record)):
                yield (csv.Error("a quotation mark in a row above is not closed"),)
        except StopIteration:
            return
        except csv.Error as error:
            yield (error,)


def _text_of(value: Any) -> Any:
    """The text of a cell; a date or a truth value is none, since it is not known which text became it."""
    if value is None:
        return ""
    if isinstance(value, bool | date | time):
        return value
    return f"{value:.15g}" if isinstance(value, float) else str(value)
