"""Building blocks of screens and panels: sanitised text, cells, tables, frames, bars.

External text passes `plain` and becomes a `Text`, so that no escape code or markup in a word or a service's message
takes effect.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.panel import Panel
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from floridify_batch.formatting import count

TEXT_SHOWN = 400
"""Maximum characters of external text in a cell."""

_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # control sequences: colours, cursor movement
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # control strings: titles, links
    r"|\x1b[ -/]*[0-~]?"
)
_JOINERS = "\u200c\u200d"  # part of the spelling of Persian and Hindi words; other format characters can only mislead

WIDE = 120
"""Columns from which a screen shows its optional columns."""

NARROW = 72
"""Columns below which it leaves out ids, tokens and names that the rest does not need."""


def plain(text: str) -> str:
    """Sanitise external text: one line without escape codes or control characters."""
    kept = (_harmless(character) for character in _ESCAPE.sub("", text))
    return " ".join("".join(kept).split())


def _harmless(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":
        return character if character in _JOINERS else ""
    if category == "Cs":
        return "\N{REPLACEMENT CHARACTER}"
    return " " if category in ("Cc", "Zl", "Zp") else character


def cell(text: str, style: str = "") -> Text:
    """Sanitised text for a table cell, truncated with an ellipsis."""
    return Text(plain(text[:TEXT_SHOWN]), style, no_wrap=True, overflow="ellipsis")


def whole(text: str, style: str = "") -> Text:
    """Sanitised text for a cell that continues on further lines."""
    return Text(plain(text), style, no_wrap=False, overflow="fold")


def shorten(text: str, cells: int) -> str:
    """Truncate an id in its middle, so that both ends stay recognisable."""
    if cell_len(text) <= cells:
        return text
    head = (cells - 1) // 2
    tail = text[-cells:]
    while cell_len(tail) > cells - 1 - head:
        tail = tail[1:]
    return f"{set_cell_size(text, head).rstrip()}…{tail}"


def lines_of(text: str, width: int, most: int | None = None) -> list[str]:
    """Wrap a sentence between words; beyond `most` lines, the last one ends in an ellipsis.

    A word wider than a line is kept whole, so that an address or a command can be copied.
    """
    lines: list[str] = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and cell_len(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    if most is not None and len(lines) > most:
        lines[most - 1 :] = [set_cell_size(f"{lines[most - 1]} {lines[most]}", width - 1).rstrip() + "…"]
    return lines


def sentence_lines(sentence: str, width: int) -> list[str]:
    """Wrap a sentence; a command at its end that would be broken is put on a separate line."""
    prefix, found, command = sentence.rpartition(": batch-synth ")
    if not found or cell_len(sentence) <= width:
        return lines_of(sentence, width)
    return [*lines_of(f"{prefix}:", width), f"  batch-synth {command}"]


def listing(*columns: str, right: Iterable[str] = (), wide: str | None = None, ruled: bool = True) -> Table:
    """A table with a rule under its header; columns in `right` are right-aligned, `wide` takes the remaining width."""
    table = Table(
        box=box.SIMPLE_HEAD if ruled else None,
        header_style="bold",
        border_style="dim",
        padding=(0, 1 if ruled else 2, 0, 0),
        pad_edge=False,
        show_edge=False,
        expand=wide is not None,
    )
    for name in columns:
        table.add_column(
            name,
            justify="right" if name in right else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if name == wide else None,
        )
    return table


def wrapped(table: Table, *places: int) -> Table:
    """The table with columns whose text continues on further lines, instead of being cut."""
    for place in places:
        table.columns[place].no_wrap = False
        table.columns[place].overflow = "fold"
    return table


def facts(rows: Iterable[tuple[str, str]]) -> Table:
    """A two-column grid of names and values."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, Text(plain(value)))
    return grid


def framed(content: RenderableType, title: str, style: str = "") -> Panel:
    """A titled panel, as wide as its content."""
    return Panel(
        content, title=Text(title, "bold"), title_align="left", box=box.ROUNDED, border_style=style, expand=False
    )


def or_dash(number: int) -> str:
    return count(number) if number else "-"


@dataclass(frozen=True, slots=True)
class Bar:
    """A progress bar whose two parts differ in shape, so that it is readable without colour."""

    done: int
    total: int
    width: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Fill the bar from the left; it is full only at 100 %."""
        filled = min(self.width, self.width * self.done // self.total) if self.total > 0 else 0
        full, rest = ("#", "-") if options.ascii_only else ("━", "─")
        yield Segment(full * filled, console.get_style("green"))
        yield Segment(rest * (self.width - filled), console.get_style("dim"))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """A fixed width."""
        return Measurement(self.width, self.width)
