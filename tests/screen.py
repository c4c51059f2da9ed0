"""A terminal emulator that keeps the lines of a screen, also after it was made narrower."""

import io
import re
from itertools import batched

from rich.cells import cell_len

_PIECES = re.compile(r"\x1b\[(?P<how>[0-?]*)(?P<what>[@-~])|(?P<move>[\r\n])|(?P<text>[^\x1b\r\n])")


class Screen(io.StringIO):
    """A stream that keeps the lines that a terminal shows, including those scrolled away.

    It supports carriage returns, newlines, cursor up, erasing and line wrapping.
    """

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns
        self.log = ""
        self._rows: list[list[str]] = [[]]
        self._row = self._column = 0

    @property
    def lines(self) -> list[str]:
        """Return the lines without trailing blanks."""
        return ["".join(row).rstrip() for row in self._rows]

    def write(self, text: str) -> int:
        """Interpret text and control sequences."""
        self.log += text
        for piece in _PIECES.finditer(text):
            if piece["text"]:
                self._put(piece["text"])
            elif piece["move"]:
                self._move(piece["move"])
            elif piece["what"] == "A":
                self._row = max(0, self._row - int(piece["how"] or 1))
            elif piece["what"] == "K":
                self._rows[self._row] = []
            elif piece["what"] == "J":
                del self._rows[self._row + 1 :]
                del self._rows[self._row][self._column :]
        return len(text)

    def narrow(self, columns: int) -> None:
        """Make the terminal narrower and wrap the lines."""
        rows: list[list[str]] = []
        for row in self._rows:
            rows += [list(part) for part in batched(row, columns)] or [[]]
        self._rows = rows
        self._row, self._column, self.columns = len(rows) - 1, len(rows[-1]), columns

    def _move(self, how: str) -> None:
        self._column = 0
        if how == "\n":
            self._row += 1
            if self._row == len(self._rows):
                self._rows.append([])

    def _put(self, character: str) -> None:
        if self._column + cell_len(character) > self.columns:
            self._move("\n")
        row = self._rows[self._row]
        row += [" "] * (self._column - len(row))
        row[self._column : self._column + 1] = [character]
        self._column += 1
        if cell_len(character) == 2:
            row[self._column : self._column + 1] = [""]
            self._column += 1
