"""Review files as they are written."""

import asyncio
import csv
from collections.abc import AsyncIterator, Sequence
from importlib import import_module
from pathlib import Path

import orjson
import pytest

from floridify_batch.errors import UsageError
from floridify_batch.review.decision import DecisionFile
from floridify_batch.review.review_file import write_review
from floridify_batch.review.row import COLUMNS, LONGEST_CELL, SheetRow

TEXTS = ("=1+1", "-ing", 'a "b", c;\td', "one\ntwo", "</script><!-- rows -->", "\u200fשמע", "x" * 2 * LONGEST_CELL)
ROWS = [
    SheetRow(f"entries/{'0' * 24}/phrases/{at:08x}", "bank", "", "f", each, "", "d") for at, each in enumerate(TEXTS)
]


async def rows(listed: Sequence[SheetRow]) -> AsyncIterator[SheetRow]:
    for each in listed:
        yield each


def values(path: Path) -> list[str]:
    """Write all rows; return the values as a program reads them."""
    counts = asyncio.run(write_review(rows(ROWS), path))
    assert (counts.rows, counts.doubtful, counts.long) == (len(ROWS), len(ROWS), 1)
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [row["value"] for row in csv.DictReader(file)]
    if path.suffix == ".xlsx":
        cells = import_module("openpyxl").load_workbook(path).active.iter_rows(min_row=2, values_only=True)
        return [row[COLUMNS.index("value")] for row in cells]
    data = path.read_text(encoding="utf-8").partition('id="data">')[2].partition("</script>")[0]
    return [row[COLUMNS.index("value")] for row in orjson.loads(data)[1]]


def test_texts(tmp_path: Path) -> None:
    """A page has every text as it is, a CSV file guards formulas, and an Excel file cuts what no cell holds."""
    assert values(tmp_path / "review.html") == list(TEXTS)
    assert values(tmp_path / "review.csv") == ["'=1+1", "'-ing", *TEXTS[2:]]
    assert values(tmp_path / "review.xlsx") == [*TEXTS[:-1], "x" * LONGEST_CELL]


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_files_without_decisions(tmp_path: Path, suffix: str) -> None:
    """A file as it is written is a review file, in which nothing is decided."""
    path = tmp_path / f"review.{suffix}"
    asyncio.run(write_review(rows(ROWS), path))
    assert list(DecisionFile(path).rows()) == [None] * len(ROWS)


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "html"])
def test_nothing_to_review(tmp_path: Path, suffix: str) -> None:
    """Without a row there is an error, and no file."""
    with pytest.raises(UsageError, match="nothing to review"):
        asyncio.run(write_review(rows([]), tmp_path / f"review.{suffix}"))
    assert list(tmp_path.iterdir()) == []
