"""What a run looks like while it goes on, on a screen of any size.

`render` turns a view into a screen and knows nothing else. The order is that of the eye: what is happening now, how
far and how long and how much, what went wrong.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from floridify_batch.failures import Failure
from floridify_batch.frames import WIDE, Bar, cell, listing, or_dash, plain, shorten
from floridify_batch.run_view import Flight, RunView
from floridify_batch.wording import brief, count, dollars, percent, span

WIDEST = 160
"""Columns that are used at most: farther apart, figures no longer belong together for the eye."""

BATCHES_SHOWN, KINDS_SHOWN = 8, 5
_LOW = 32  # lines of a screen under which the tables go without rules and with fewer rows


def render(view: RunView, width: int, now: datetime, height: int | None = None) -> RenderableType:
    """The screen of a run, within `width` columns and, where it is given, `height` lines."""
    columns = min(width, WIDEST)
    low = height is not None and height < _LOW
    batches = BATCHES_SHOWN if height is None or not low else max(2, min(BATCHES_SHOWN, height - 19))
    parts: list[RenderableType] = [_run(view, columns, now)]
    for part in (_batches(view, columns, now, batches, low), _troubles(view, columns, 2 if low else KINDS_SHOWN, low)):
        parts += [Text(), *part] if part else []
    return Group(*parts)


def _run(view: RunView, width: int, now: datetime) -> Panel:
    name = " · ".join(plain(part) for part in (view.run, view.model, view.mode) if part)
    content = Group(cell(view.activity, "bold"), _distance(view, width - 4, now), _figures(view, now))
    title = cell(name or "batch-synth")
    title.truncate(max(1, width - 8), overflow="ellipsis")
    return Panel(content, title=title, title_align="left", box=box.ROUNDED, width=width, border_style="dim")


def _distance(view: RunView, width: int, now: datetime) -> Table:
    totals = view.totals
    settled = totals.processed + totals.failed
    share = f"{settled * 100 // totals.words}%" if totals.words else "-"
    label = "" if view.ended_at else "ETA: "
    outlook = Text(f"  {share}   {label}{view.outlook(now)}", no_wrap=True, overflow="ellipsis")
    row = Table.grid()
    row.add_row(Bar(settled, totals.words, max(4, min(width, 100) - outlook.cell_len)), outlook)
    return row


def _figures(view: RunView, now: datetime) -> Table:
    grid = Table.grid(padding=(0, 1), expand=True)
    for _ in range(3):
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(justify="right", no_wrap=True)
        grid.add_column(ratio=1)
    for row in zip(_words(view, now), _requests(view), _means(view, now), strict=True):
        grid.add_row(*(text for pair in row for text in (*pair, "")))
    return grid


type Figures = Sequence[tuple[str, str]]


def _words(view: RunView, now: datetime) -> Figures:
    totals, pace = view.totals, view.words_per_minute(now)
    return (
        ("words", count(totals.words)),
        ("processed", count(totals.processed)),
        ("failed", count(totals.failed)),
        ("left", count(totals.open_words)),
        ("words/min", "-" if pace is None else f"{pace:,.1f}"),
    )


def _requests(view: RunView) -> Figures:
    totals, rate = view.totals, view.success_rate
    return (
        ("requests", count(totals.requests)),
        ("answered", count(totals.answered)),
        ("failed", count(totals.failed_requests)),
        ("open", count(totals.open_requests)),
        ("success", "-" if rate is None else percent(rate)),
    )


def _means(view: RunView, now: datetime) -> Figures:
    totals, elapsed = view.totals, view.elapsed(now)
    return (
        ("tokens in", count(totals.usage.input)),
        ("tokens out", count(totals.usage.output)),
        ("cost so far", dollars(totals.cost)),
        ("elapsed", "-" if elapsed is None else span(elapsed)),
        ("in flight", count(len(view.in_flight))),
    )


def _batches(view: RunView, width: int, now: datetime, rows: int, low: bool) -> Sequence[RenderableType]:
    """The batches, those first that are through; what is only ready to be sent is counted, not listed."""
    ready = sum(flight.state == "PLANNED" for flight in view.flights.values())
    going = sorted((each for each in view.flights.values() if each.state != "PLANNED"), key=lambda each: each.chunk)
    flights = [*view.finished, *going]
    heads = [head for head in _HEADS if head != "failed" or width >= WIDE]
    table = listing(*heads, right={*heads} - {"batch", "state"}, ruled=not low)
    lines = [_cells(flight, now, max(10, min(24, width // 4 - 14))) for flight in flights[:rows]]
    others = sum(max([len(head), *(_width(line[head]) for line in lines)]) + 2 for head in heads if head != "batch")
    for line in lines:
        batch_id = shorten(str(line["batch"]), max(9, width - others))
        table.add_row(*(cell(batch_id) if head == "batch" else line[head] for head in heads))
    hidden = len(flights) - len(lines)
    notes = [f"and {count(hidden)} more"] * (hidden > 0) + [f"{count(ready)} ready to be sent"] * (ready > 0)
    return [*([table] if lines else []), *([Text("; ".join(notes), "dim")] if notes else [])]


def _width(content: Text | Bar) -> int:
    return content.width if isinstance(content, Bar) else content.cell_len


_HEADS = ("chunk", "batch", "state", "", "done", "failed", "age", "expires in")


def _cells(flight: Flight, now: datetime, bar: int) -> Mapping[str, Text | Bar]:
    polled = flight.polled
    over = flight.state != "SUBMITTED"
    state = flight.state if over or polled is None else polled.status
    deadline = None if polled is None or over else polled.expires_at
    return {
        "chunk": Text(count(flight.chunk)),
        "batch": cell(flight.batch_id or "-"),
        "state": cell(_STATES.get(state, state.replace("_", " "))),
        "": Bar(flight.done, flight.total, bar),
        "done": Text(f"{count(flight.done)}/{count(flight.total)}"),
        "failed": Text(or_dash(polled.failed if polled else 0)),
        "age": Text("-" if polled is None else brief(now - polled.created_at)),
        "expires in": Text("-" if deadline is None else (brief(deadline - now) if deadline > now else "overdue")),
    }


_STATES = {
    "PLANNED": "ready",
    "SUBMITTING": "sending",
    "SUBMITTED": "sent",
    "ANSWERED": "reading",
    "STORED": "stored",
} | {state: state.lower() for state in ("DONE", "SPLIT", "LOST")}


def _troubles(view: RunView, width: int, kinds: int, low: bool) -> Sequence[RenderableType]:
    parts: list[RenderableType] = []
    if view.failures:
        table = listing("failed", "why", "for example", right=("failed",), wide="for example", ruled=not low)
        table.width = width
        ordered = Counter(view.failures).most_common()
        for kind, number in ordered[:kinds]:
            table.add_row(count(number), cell(kind, "yellow"), cell(_example(view.examples.get(kind))))
        parts.append(table)
        if len(ordered) > kinds:
            parts.append(Text(f"and {count(len(ordered) - kinds)} more kinds", "dim"))
    if view.dropped:
        parts.append(cell(f"left out of lists: {count(view.dropped)} bad items, whose answers are stored without them"))
    if view.failed_words:
        words = ((shorten(plain(each.word), 24), each.reason) for each in reversed(view.failed_words))
        last = "; ".join(f"{word} ({reason})" for word, reason in words)
        parts.append(cell(f"last failed words: {last}"))
    return parts


def _example(failure: Failure | None) -> str:
    if failure is None:
        return "-"
    slug, _, rest = failure.custom_id.partition("-")
    return f"{slug} {rest.partition('-')[2]}: {failure.detail}".strip()
