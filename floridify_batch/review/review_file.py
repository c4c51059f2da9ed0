"""Review files as they are written: CSV, Excel files and HTML pages, row by row."""

import csv
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, Protocol

import orjson

from floridify_batch.errors import UsageError
from floridify_batch.export.document_reader import clean
from floridify_batch.export.file import complete_only
from floridify_batch.export.table import cell
from floridify_batch.review.decision import Verdict
from floridify_batch.review.row import COLUMNS, DECISION, LONGEST_CELL, SheetRow


class Writer(Protocol):
    """Writes the rows of a review file."""

    def write(self, row: SheetRow) -> None:
        """Write a row."""
        ...

    def finish(self) -> None:
        """Write the end of the file."""
        ...

    def close(self) -> None:
        """Release what the writer holds, whether it has finished or not."""
        ...


@dataclass(slots=True)
class ReviewCounts:
    """The numbers of rows, of rows with doubts, and of rows with a value that is longer than a cell of Excel."""

    rows: int = 0
    doubtful: int = 0
    long: int = 0


async def write_review(rows: AsyncIterator[SheetRow], path: Path, delimiter: str = ",") -> ReviewCounts:
    """Write rows to a file in the format of its suffix; it has its name only when it is complete.

    `delimiter`: that of a csv.

    Raises `UsageError` where there is no row.
    """
    counts, make_writer = ReviewCounts(), writer_of(path, delimiter)
    with complete_only(path) as out:
        writer = make_writer(out)
        try:
            async for row in rows:
                writer.write(row)
                counts.rows += 1
                counts.doubtful += bool(row.doubts)
                counts.long += len(row.value) > LONGEST_CELL
            if not counts.rows:
                raise UsageError("There is nothing to review: the database has no value of these words.")
            writer.finish()
        finally:
            writer.close()
    return counts


def writer_of(path: Path, delimiter: str = ",") -> Callable[[IO[bytes]], Writer]:
    """The writer of a file with this suffix. Raises `UsageError`."""
    if is_csv(path):
        return partial(CsvTable, delimiter=delimiter)
    try:
        return _WRITERS[path.suffix.lower()]
    except KeyError:
        raise UsageError(
            f"The suffix of {path.name} is none of {', '.join(_SUFFIXES)}; choose another --out."
        ) from None


def is_csv(path: Path) -> bool:
    """Whether a review file has the format csv."""
    return path.suffix.lower() == _CSV


# ── CSV ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class CsvTable:
    """CSV in UTF-8 with a byte order mark, by which Excel recognises the encoding."""

    def __init__(self, out: IO[bytes], delimiter: str = ",") -> None:
        self._text = TextIOWrapper(out, encoding="utf-8-sig", errors="replace", newline="")
        self._rows = csv.writer(self._text, delimiter=delimiter, lineterminator="\r\n")
        self._rows.writerow(COLUMNS)

    def write(self, row: SheetRow) -> None:
        """Write a row; no cell begins like a formula."""
        self._rows.writerow(map(cell, row.cells))

    def finish(self) -> None:
        """Write what is buffered."""
        self._text.flush()

    def close(self) -> None:
        """Leave the file to its owner."""
        self._text.detach()


# ── Excel ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_MOST_ROWS = 1_048_576
_WIDTHS = (12, 16, 40, 18, 60, 24, 40, 8, 12, 60)


class ExcelTable:
    """An Excel file whose cells are texts, so that none is taken for a formula or a date."""

    def __init__(self, out: IO[bytes]) -> None:
        try:
            self._openpyxl = import_module("openpyxl")
        except ImportError:
            raise UsageError(
                "Excel files need openpyxl, which the extra xlsx of batch-synth installs; or choose .csv or .html."
            ) from None
        self._out = out
        self._book = self._openpyxl.Workbook(write_only=True)
        self._sheet = self._book.create_sheet("Review")
        self._sheet.freeze_panes = "A2"
        for number, width in enumerate(_WIDTHS, 1):
            letter = self._openpyxl.utils.get_column_letter(number)
            self._sheet.column_dimensions[letter].width = width
        self._wrapped = self._openpyxl.styles.Alignment(wrap_text=True, vertical="top")
        self._rows = 1
        self._append(COLUMNS)

    def write(self, row: SheetRow) -> None:
        """Write a row; a text that is longer than a cell is cut. Raises `UsageError` where the sheet is full."""
        if self._rows == _MOST_ROWS:
            raise UsageError(f"An Excel file has at most {_MOST_ROWS:,} rows; pass fewer words, or choose .csv.")
        self._append(row.cells)
        self._rows += 1

    def finish(self) -> None:
        """Offer the decisions in their column, and write the file."""
        column = self._openpyxl.utils.get_column_letter(COLUMNS.index(DECISION) + 1)
        choice = f'"{",".join(Verdict)}"'
        offered = self._openpyxl.worksheet.datavalidation.DataValidation(type="list", formula1=choice, allow_blank=True)
        offered.add(f"{column}2:{column}{max(self._rows, 2)}")
        self._sheet.data_validations.append(offered)
        self._sheet.auto_filter.ref = f"A1:{self._openpyxl.utils.get_column_letter(len(COLUMNS))}{self._rows}"
        self._book.save(self._out)

    def close(self) -> None:
        """Close the temporary file of a book that was not saved."""
        if not self._sheet.closed:
            self._sheet.close()

    def _append(self, cells: Iterable[str]) -> None:
        self._sheet.append([self._cell(each) for each in cells])

    def _cell(self, text: str) -> Any:
        made = self._openpyxl.cell.WriteOnlyCell(self._sheet, clean(text)[:LONGEST_CELL])
        made.data_type, made.number_format, made.alignment = "s", "@", self._wrapped
        return made


# ── HTML ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class HtmlPage:
    """A page that works from a file: it filters the rows, takes the decisions, and saves these as CSV."""

    def __init__(self, out: IO[bytes]) -> None:
        page = (Path(__file__).parent / "pages" / "review.html").read_bytes()
        head, _, self._tail = page.partition(_ROWS)
        self._out, self._separator = out, b"\n"
        self._out.write(head + b"[" + orjson.dumps(COLUMNS) + b",[")

    def write(self, row: SheetRow) -> None:
        """Write a row; no text ends the script that holds it."""
        self._out.write(self._separator + orjson.dumps(row.cells).replace(b"<", b"\\u003c"))
        self._separator = b",\n"

    def finish(self) -> None:
        """Write the end of the page."""
        self._out.write(b"\n]]" + self._tail)

    def close(self) -> None:
        """Hold nothing."""


_ROWS = b"<!-- rows -->"
_CSV = ".csv"
_WRITERS: Mapping[str, Callable[[IO[bytes]], Writer]] = {".xlsx": ExcelTable, ".html": HtmlPage}
_SUFFIXES = (_CSV, *_WRITERS)
