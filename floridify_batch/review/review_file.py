"""Review files as they are written: CSV, Excel files and HTML pages, row by row."""

import csv
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Protocol

from floridify_batch.errors import UsageError
from floridify_batch.export.file import complete_only
from floridify_batch.export.table import cell
from floridify_batch.review.row import COLUMNS, SheetRow

LONGEST_CELL = 32_767
"""The most characters of a cell in Excel."""


class Writer(Protocol):
    """Writes the rows of a review file."""

    def write(self, row: SheetRow) -> None:
        """Write a row."""
        ...

    def finish(self) -> None:
        """Write the end of the file."""
        ...


@dataclass(slots=True)
class ReviewCounts:
    """The numbers of rows and of rows with doubts."""

    rows: int = 0
    doubtful: int = 0


async def write_review(rows: AsyncIterator[SheetRow], path: Path) -> ReviewCounts:
    """Write rows to a file in the format of its suffix; it has its name only when it is complete."""
    counts, make_writer = ReviewCounts(), writer_of(path)
    with complete_only(path) as out:
        writer = make_writer(out)
        async for row in rows:
            writer.write(row)
            counts.rows += 1
            counts.doubtful += bool(row.doubts)
        writer.finish()
    return counts


def writer_of(path: Path) -> Callable[[IO[bytes]], Writer]:
    """The writer of a file with this suffix. Raises `UsageError`."""
    try:
        return _WRITERS[path.suffix.lower()]
    except KeyError:
        raise UsageError(f"The suffix of {path.name} is none of {', '.join(_WRITERS)}; choose another --out.") from None


# ── CSV ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class CsvTable:
    """CSV in UTF-8 with a byte order mark, by which Excel recognises the encoding."""

    def __init__(self, out: IO[bytes]) -> None:
        self._text = TextIOWrapper(out, encoding="utf-8-sig", errors="replace", newline="")
        self._rows = csv.writer(self._text, lineterminator="\r\n")
        self._rows.writerow(COLUMNS)

    def write(self, row: SheetRow) -> None:
        """Write a row; no cell begins like a formula."""
        self._rows.writerow(map(cell, row.cells))

    def finish(self) -> None:
        """Write what is buffered."""
        self._text.flush()
        self._text.detach()


_WRITERS: Mapping[str, Callable[[IO[bytes]], Writer]] = {".csv": CsvTable}
