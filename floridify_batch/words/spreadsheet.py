"""Excel files: the rows of a first sheet, through openpyxl where it is installed."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from floridify_batch.errors import UsageError


def sheet_rows(path: Path, *, formulas: bool = False, kind: str = "a spreadsheet") -> Iterator[tuple[Any, ...]]:
    """The rows of a file's first sheet; a cell with a formula has its last result, or the formula itself.

    Raises `UsageError` without openpyxl, and for a file that it cannot read, which the message calls no `kind`.
    """
    try:
        openpyxl = import_module("openpyxl")
    except ImportError:
        raise UsageError(
            f"Reading {path} needs openpyxl, which the extra xlsx of batch-synth installs; or save the sheet as CSV."
        ) from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=not formulas)
        try:
            yield from book.worksheets[0].iter_rows(values_only=True)
        finally:
            book.close()
    except Exception as error:  # openpyxl raises whatever a damaged file makes fail
        raise UsageError(f"{path} cannot be read as {kind}: {error}.") from None
