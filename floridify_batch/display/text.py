"""The blocks that screens and panels are built of: harmless text, cells, tables, frames, bars.

All text that was not written here passes `plain` and becomes a `Text`, so that neither escape codes nor markup in a
word or a service's message is ever obeyed.
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
"""Characters of a text from elsewhere that are looked at: no cell is wider."""

_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # control sequences: colours, movements
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # strings: titles, links
    r"|\x1b[ -/]*[0-~]?"
)
_JOINERS = "\u200c\u200d"  # between letters of Persian and Hindi words; all other format characters only mislead


WIDE = 120
"""Columns from which there is room for more than the most needed."""


def plain(text: str) -> str:
    """Text from elsewhere as one line that can do nothing to a terminal."""
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
    """Text from elsewhere, for a cell that is cut with an ellipsis where it is too narrow."""
    return Text(plain(text[:TEXT_SHOWN]), style, no_wrap=True, overflow="ellipsis")


def shorten(text: str, cells: int) -> str:
    """An id cut in its middle, so that both of its ends can be recognised."""
    if cell_len(text) <= cells:
        return text
    head = (cells - 1) // 2
    tail = text[-cells:]
    while cell_len(tail) > cells - 1 - head:
        tail = tail[1:]
    return f"{set_cell_size(text, head).rstrip()}…{tail}"


def lines_of(text: str, width: int, most: int | None = None) -> list[str]:
    """A sentence in lines that break between its words; of more than `most` lines, the last ends in an ellipsis.

    A word that is wider than a line is not broken: an address or a command can still be copied.
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
    """A sentence in lines; a command at its end is for copying, and has a line of its own where it would be broken."""
    told, found, command = sentence.rpartition(": batch-synth ")
    if not found or cell_len(sentence) <= width:
        return lines_of(sentence, width)
    return [*lines_of(f"{told}:", width), f"  batch-synth {command}"]


def listing(*columns: str, right: Iterable[str] = (), wide: str | None = None, ruled: bool = True) -> Table:
    """A table with a line under its heads; numbers stand to the right, `wide` takes the room that is left."""
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


def facts(rows: Iterable[tuple[str, str]]) -> Table:
    """Names with what they stand for, one below the other."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, Text(plain(value)))
    return grid


def framed(content: RenderableType, title: str, style: str = "") -> Panel:
    """A panel as wide as it must be."""
    return Panel(
        content, title=Text(title, "bold"), title_align="left", box=box.ROUNDED, border_style=style, expand=False
    )


def or_dash(number: int) -> str:
    return count(number) if number else "-"


@dataclass(frozen=True, slots=True)
class Bar:
    """How much of something is done, as a bar whose two parts differ in shape, not in colour alone."""

    done: int
    total: int
    width: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Fill the bar from the left; it is only full where all is done."""
        filled = min(self.width, self.width * self.done // self.total) if self.total > 0 else 0
        full, rest = ("#", "-") if options.ascii_only else ("━", "─")
        yield Segment(full * filled, console.get_style("green"))
        yield Segment(rest * (self.width - filled), console.get_style("dim"))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """It is as wide as it was made."""
        return Measurement(self.width, self.width)
