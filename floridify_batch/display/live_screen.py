"""What a run looks like while it goes on, on a screen of any size.

`render` turns a view into a screen and knows nothing else. The order is that of the eye: what is happening now, how
far and how long and how much, what went wrong. Every figure has a place of its own, wide enough for the largest run,
so that nothing moves sideways as figures grow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import nlargest, nsmallest

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from floridify_batch.components.failure import Failure
from floridify_batch.display.text import WIDE, Bar, cell, lines_of, listing, or_dash, plain, shorten
from floridify_batch.display.view import Flight, RunView
from floridify_batch.formatting import STATES, brief, count, counted, dollars, percent, progress, share, span

WIDEST = 160
"""Columns that are used at most: farther apart, figures no longer belong together for the eye."""

BATCHES_SHOWN, KINDS_SHOWN = 8, 5
_LOW = 32  # lines of a screen under which the tables go without rules and with fewer rows
_GAP = 2  # columns between those of a table
_OUTLOOK = 32  # columns that the longest outlook takes


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the screen, and how many lines it takes."""

    contents: Sequence[RenderableType]
    lines: int


def render(view: RunView, width: int, now: datetime, height: int | None = None) -> RenderableType:
    """The screen of a run, within `width` columns and, where it is given, `height` lines."""
    columns = min(width, WIDEST)
    low = height is not None and height < _LOW
    run = _run(view, columns, now)
    troubles = troubles_of(view, columns, 2 if low else KINDS_SHOWN, low=low)
    rows = BATCHES_SHOWN
    if height is not None:
        above_and_below = 1 + run.lines + 1 + (troubles.lines + 1 if troubles.lines else 0)
        rows = max(1, min(rows, height - above_and_below - (2 if low else 3)))
    parts: list[RenderableType] = [*run.contents]
    for part in (_batches(view, columns, now, rows, low), troubles):
        parts += [Text(), *part.contents] if part.contents else []
    return Group(*parts)


# ── what is happening, how far, how much ───────────────────────────────────────────────────────────────────────────


def _run(view: RunView, width: int, now: datetime) -> _Part:
    name = " · ".join(plain(part) for part in (view.run, view.model, view.mode) if part)
    inner = width - 4
    activity = _activity(view, inner)
    content = Group(*activity, _distances(view, inner, now), _figures(view, inner, now))
    title = cell(name or "batch-synth")
    title.truncate(max(1, width - 8), overflow="ellipsis")
    panel = Panel(content, title=title, title_align="left", box=box.ROUNDED, width=width, border_style="dim")
    return _Part([panel], len(activity) + 9)


def _activity(view: RunView, width: int) -> Sequence[RenderableType]:
    """What the run does, with a bar where it is known how far that is; a long reason to wait takes two lines."""
    if view.work is None:
        return [cell(line, "bold") for line in lines_of(plain(view.activity), width, 2)]
    work, row = view.work, Table.grid(padding=(0, _GAP, 0, 0))
    how_far = Text(progress(work.done, work.total, work.unit), no_wrap=True, overflow="ellipsis")
    room = width - len(view.activity) - how_far.cell_len - 6 - 3 * _GAP
    parts: list[RenderableType] = [cell(view.activity, "bold")]
    if work.total and room >= _LEAST_BAR:
        parts.append(Bar(work.done, work.total, min(_BAR, room)))
    row.add_row(*parts, share(work.done, work.total), how_far)
    return [row]


def _distances(view: RunView, width: int, now: datetime) -> Table:
    """How much of the words and of the requests so far is done, and how long that took and will take."""
    totals, elapsed = view.totals, view.elapsed(now)
    since = "since it began" if view.watched else "in this sitting"
    passed = "" if elapsed is None else f"{span(elapsed)} {since}"
    ahead = view.outlook(now) if view.ended_at else f"ETA: {view.outlook(now)}"
    bar = max(4, min(60, width - 10 - 6 - _GAP - len("ETA: ") - _OUTLOOK))
    table = Table.grid(padding=0)
    table.add_column(width=10, style="dim", no_wrap=True)
    table.add_column(width=bar)
    table.add_column(width=6, justify="right", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for name, done, total, text in (
        ("words", totals.processed + totals.failed, totals.words, passed),
        ("requests", view.ended_requests, totals.requests, ahead),
    ):
        table.add_row(name, Bar(done, total, bar), share(done, total), Text(f"  {text}"))
    return table


type Figures = Sequence[tuple[str, str]]

_WIDTHS = ((9, 9), (11, 10), (11, 13))
"""Columns for the names and the figures of each group: a million words, 18 million requests, billions of tokens."""


def _figures(view: RunView, width: int, now: datetime) -> Table:
    needed = sum(map(sum, _WIDTHS)) + len(_WIDTHS)
    gap = max(_GAP, min(10, (width - needed) // 2))
    roomy = width >= needed + 2 * _GAP
    grid = Table.grid(padding=0)
    for number, (name, figure) in enumerate(_WIDTHS):
        grid.add_column(style="dim", no_wrap=True, min_width=name + 1 if roomy else None)
        grid.add_column(justify="right", no_wrap=True, min_width=figure if roomy else None)
        if number < len(_WIDTHS) - 1:
            grid.add_column(width=gap)
    for words, requests, means in zip(_words(view, now), _requests(view), _means(view), strict=True):
        names = [Text(f"{name} ") for name, _ in (words, requests, means)]
        grid.add_row(names[0], words[1], "", names[1], requests[1], "", names[2], means[1])
    return grid


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
    totals = view.totals
    return (
        ("requests", count(totals.requests)),
        ("answered", count(totals.answered)),
        ("failed", count(totals.failed_requests)),
        ("open", count(totals.open_requests)),
        ("asked again", count(totals.retried)),
    )


def _means(view: RunView) -> Figures:
    totals, rate = view.totals, view.success_rate
    return (
        ("tokens in", count(totals.usage.input)),
        ("tokens out", count(totals.usage.output)),
        ("cost so far", dollars(totals.cost)),
        ("success", "-" if rate is None else percent(rate)),
        ("in flight", count(len(view.in_flight))),
    )


# ── the batches ────────────────────────────────────────────────────────────────────────────────────────────────────

_COLUMNS = {"chunk": 5, "batch": 0, "state": 11, "": 0, "done": 13, "failed": 6, "age": 5, "expires in": 10}
"""How wide a column always is; the bar and the batch's id share what is left of the line."""

_ID, _LEAST_ID, _BAR, _LEAST_BAR = 38, 15, 24, 8


def _batches(view: RunView, width: int, now: datetime, rows: int, low: bool) -> _Part:
    """The batches, those first that are through; what is only ready to be sent is counted, not listed."""
    flights = [flight for flight in view.flights.values() if flight.state != "PLANNED"]
    ready = len(view.flights) - len(flights)
    shown = [*view.finished, *nsmallest(rows, flights, key=lambda each: each.chunk)][:rows]
    hidden = len(view.finished) + len(flights) - len(shown)
    notes = [f"and {count(hidden)} more"] * (hidden > 0)
    notes += [f"{counted(ready, 'chunk')} ready to be sent"] * (ready > 0)
    contents: list[RenderableType] = [_table_of(shown, width, now, low)] if shown else []
    contents += [Text("; ".join(notes), "dim")] if notes else []
    return _Part(contents, len(shown) + 2 + len(notes))


def _table_of(flights: Sequence[Flight], width: int, now: datetime, low: bool) -> Table:
    heads = [head for head in _COLUMNS if head != "age" or width >= WIDE]
    left = width - sum(_COLUMNS[head] for head in heads) - _GAP * (len(heads) - 1)
    bar = max(_LEAST_BAR, min(_BAR, left - _ID))
    longest = max(len(plain(flight.batch_id or "")) for flight in flights)
    batch_id = min(left - bar, max(_LEAST_ID, longest))
    if batch_id < _LEAST_ID:  # a very narrow screen: the figures matter more than the name
        heads.remove("batch")
    table = listing(*heads, right={*heads} - {"batch", "state", ""}, ruled=not low)
    widths = _COLUMNS | {"batch": batch_id, "": bar}
    for column, head in zip(table.columns, heads, strict=True):
        column.min_width = widths[head]
    for flight in flights:
        cells = _cells(flight, now, bar, batch_id)
        table.add_row(*(cells[head] for head in heads))
    return table


def _cells(flight: Flight, now: datetime, bar: int, batch_id: int) -> Mapping[str, Text | Bar]:
    polled = flight.polled
    over = flight.state != "SUBMITTED"
    state = flight.state if over or polled is None else polled.status
    deadline = None if polled is None or over else polled.expires_at
    return {
        "chunk": Text(count(flight.chunk)),
        "batch": cell(shorten(plain(flight.batch_id or "-"), max(1, batch_id))),
        "state": cell(STATES.get(state, state.replace("_", " "))),
        "": Bar(flight.done, flight.total, bar),
        "done": Text(f"{count(flight.done)}/{count(flight.total)}"),
        "failed": Text(or_dash(flight.failed)),
        "age": Text("-" if polled is None else brief(now - polled.created_at)),
        "expires in": Text("-" if deadline is None else (brief(deadline - now) if deadline > now else "overdue")),
    }


# ── what went wrong ────────────────────────────────────────────────────────────────────────────────────────────────


def troubles_of(view: RunView, width: int, kinds: int, *, low: bool = False) -> _Part:
    """What went wrong: failures by kind, how many there are and one of each; nothing where nothing did."""
    parts: list[RenderableType] = []
    lines = 0
    if view.failures:
        table = listing("failed", "why", "for example", right=("failed",), wide="for example", ruled=not low)
        table.width = width
        ordered = nlargest(kinds, view.failures.items(), key=lambda each: each[1])
        for kind, number in ordered:
            table.add_row(count(number), cell(kind, "bold red"), cell(_example(view.examples.get(kind))))
        parts.append(table)
        lines += len(ordered) + (1 if low else 2)
        if len(view.failures) > kinds:
            parts.append(Text(f"and {counted(len(view.failures) - kinds, 'more kind')}", "dim"))
    if view.dropped:
        parts.append(cell(f"left out of lists: {counted(view.dropped, 'bad item')}, the answers are stored without"))
    if view.failed_words:
        words = ((shorten(plain(each.word), 24), each.reason) for each in reversed(view.failed_words))
        last = "; ".join(f"{word} ({reason})" for word, reason in words)
        parts.append(cell(f"last failed words: {last}"))
    return _Part(parts, lines + len(parts) - bool(view.failures))


def _example(failure: Failure | None) -> str:
    if failure is None:
        return "-"
    slug, _, rest = failure.custom_id.partition("-")
    return f"{slug} {rest.partition('-')[2]}: {failure.detail}".strip()
