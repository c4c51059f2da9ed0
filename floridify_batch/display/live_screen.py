"""The live screen of a run, for any terminal size.

`render` turns a view into a screen: current activity, progress, figures, batches, failures. Every figure has a fixed
place, wide enough for the largest run, so that nothing moves sideways as figures grow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import nsmallest

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from floridify_batch.display.table import BatchRow, example_of, failure_kinds, live_batches
from floridify_batch.display.text import NARROW, Bar, cell, lines_of, plain, shorten
from floridify_batch.display.view import BatchProgress, RunView, requests_expected, stopping_sentence
from floridify_batch.formatting import count, counted, dollars, percent, progress, share, span

WIDEST = 160
"""Maximum width: on wider lines, figures and their names no longer read together."""

BATCHES_SHOWN, KINDS_SHOWN = 8, 5
_LOW = 32  # lines of a screen below which tables have no rules and fewer rows
_GAP = 2  # columns between those of a table
_NAME, _BESIDE = 10, 46  # columns of the name and of the text beside a bar
_BAR, _LEAST_BAR = 24, 8


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the screen and its number of lines."""

    contents: Sequence[RenderableType]
    lines: int


def render(view: RunView, width: int, now: datetime, height: int | None = None) -> RenderableType:
    """The screen of a run, at most `width` columns by `height` lines."""
    columns = min(width, WIDEST)
    low = height is not None and height < _LOW
    run = _run(view, columns, now)
    troubles = failures_part(view, columns, 2 if low else KINDS_SHOWN, low=low)
    rows = BATCHES_SHOWN
    if height is not None:
        above_and_below = 1 + run.lines + 1 + (troubles.lines + 1 if troubles.lines else 0)
        rows = max(1, min(rows, height - above_and_below - (2 if low else 3)))
    parts: list[RenderableType] = [*run.contents]
    for part in (_batches(view, columns, now, rows, low), troubles):
        parts += [Text(), *part.contents] if part.contents else []
    return Group(*parts)


# ── activity, progress, figures ───────────────────────────────────────────────────────────────────────────────────


def _run(view: RunView, width: int, now: datetime) -> _Part:
    name = " · ".join(plain(part) for part in (view.run, view.model, view.mode, "sandbox" * view.sandbox) if part)
    inner = width - 4
    activity = [*_activity(view, inner), *_stopping(view, inner)]
    content = Group(*activity, _progress(view, inner, now), _figures(view, inner))
    title = cell(name or "batch-synth")
    title.truncate(max(1, width - 8), overflow="ellipsis")
    panel = Panel(content, title=title, title_align="left", box=box.ROUNDED, width=width, border_style="dim")
    return _Part([panel], len(activity) + 10)


def _activity(view: RunView, width: int) -> Sequence[RenderableType]:
    """The current activity, with a bar if its progress is known; a long reason to wait takes two lines."""
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


def _stopping(view: RunView, width: int) -> Sequence[RenderableType]:
    """The line that stays on the screen from the first Ctrl-C on."""
    lines = lines_of(stopping_sentence(view), width, 3) if view.stopping else []
    return [cell(line, "bold yellow") for line in lines]


def _progress(view: RunView, width: int, now: datetime) -> RenderableType:
    """Progress bars over the answers of the whole run and over its words, with the elapsed time and the ETA."""
    totals, elapsed, pace = view.totals, view.elapsed(now), view.words_per_minute(now)
    words = f"{count(totals.words - totals.open_words)} of {count(totals.words)}"
    since = "" if width < NARROW else " since the start" if view.watched else " this session"
    passed = "" if elapsed is None else f"{span(elapsed)}{since}"
    wave = view.wave if width >= NARROW else view.wave.partition(":")[0]
    bar = max(4, min(60, width - _NAME - 6 - _GAP - _BESIDE))
    table = Table.grid(padding=0)
    table.add_column(width=_NAME, style="dim", no_wrap=True)
    table.add_column(width=bar)
    table.add_column(width=6, justify="right", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(1, width - _NAME - bar - 6))
    for name, done, text in (
        ("answers", view.percent, _joined(_answers(view), "" if view.awaits_storage else wave)),
        ("words", _words_percent(view), _joined(words, "" if pace is None else f"{pace:,.1f} words/min")),
    ):
        table.add_row(name, Bar(done, 100, bar), f"{done}%", Text(f"  {plain(text)}"))
    time = Table.grid(padding=0)
    time.add_column(width=_NAME, style="dim", no_wrap=True)
    time.add_column(no_wrap=True, overflow="ellipsis")
    time.add_row("time", _joined(passed, view.eta_or_deadline(now)))
    return Group(table, time)


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _answers(view: RunView) -> str:
    """The answers of the run, stored or still at the service, of those expected: "697 of ~1,701"."""
    totals = view.totals
    done = totals.answered + totals.failed_for_good + view.answers_in_flight
    if totals.expected is None:
        return count(done)
    rest = ", not all stored" if view.awaits_storage else ""
    return f"{count(min(done, totals.expected))} of {requests_expected(totals)}{rest}"


def _words_percent(view: RunView) -> int:
    totals = view.totals
    done = totals.words - totals.open_words
    return 100 * done // totals.words if totals.words else 0


type Figures = Sequence[tuple[str, str]]

_WIDTHS = ((10, 9), (9, 10), (11, 13))
"""Widths of names and figures in each group, enough for 1 M words, 18 M requests and billions of tokens."""


def _figures(view: RunView, width: int) -> Table:
    needed = sum(map(sum, _WIDTHS)) + len(_WIDTHS)
    gap = max(_GAP, min(10, (width - needed) // 2))
    roomy = width >= needed + 2 * _GAP
    grid = Table.grid(padding=0)
    for number, (name, figure) in enumerate(_WIDTHS):
        grid.add_column(style="dim", no_wrap=True, min_width=name + 1 if roomy else None)
        grid.add_column(justify="right", no_wrap=True, min_width=figure if roomy else None)
        if number < len(_WIDTHS) - 1:
            grid.add_column(width=gap)
    for words, requests, means in zip(_words(view), _requests(view), _means(view), strict=True):
        names = [Text(f"{name} ") for name, _ in (words, requests, means)]
        grid.add_row(names[0], words[1], "", names[1], requests[1], "", names[2], means[1])
    return grid


def _words(view: RunView) -> Figures:
    totals = view.totals
    return (
        ("words", count(totals.words)),
        ("processed", count(totals.processed)),
        ("incomplete", count(totals.incomplete)),
        ("failed", count(totals.failed)),
        ("remaining", count(totals.open_words)),
    )


def _requests(view: RunView) -> Figures:
    totals = view.totals
    return (
        ("requests", count(totals.unique_requests)),
        ("stored", count(totals.answered)),
        ("retried", count(totals.retried)),
        *((("outdated", count(totals.outdated)),) if totals.outdated else ()),
        ("failed", count(totals.without_answer)),
        ("pending", count(totals.pending)),
    )


def _means(view: RunView) -> Figures:
    totals, rate = view.totals, view.success_rate
    return (
        ("input tok.", count(totals.usage.input)),
        ("output tok.", count(totals.usage.output)),
        ("cost so far", dollars(totals.cost)),
        ("success", "-" if rate is None else percent(rate)),
        ("in flight", count(len(view.in_flight))),
    )


# ── batches ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _batches(view: RunView, width: int, now: datetime, rows: int, low: bool) -> _Part:
    """The batches, finished ones first; those that are only ready to be submitted are counted, not listed."""
    batches = [batch for batch in view.batches.values() if batch.state != "PLANNED"]
    ready = len(view.batches) - len(batches)
    shown = [*view.finished, *nsmallest(rows, batches, key=lambda each: each.chunk)][:rows]
    hidden = len(view.finished) + len(batches) - len(shown)
    notes = [f"and {count(hidden)} more"] * (hidden > 0)
    notes += [f"{counted(ready, 'batch', 'batches')} ready to submit"] * (ready > 0)
    contents: list[RenderableType] = []
    if shown:
        contents.append(live_batches([_row(each) for each in shown], now, width, ruled=not low))
    contents += [Text("; ".join(notes), "dim")] if notes else []
    return _Part(contents, len(shown) + 2 + len(notes))


def _row(batch: BatchProgress) -> BatchRow:
    polled = batch.polled
    return BatchRow(
        chunk=batch.chunk,
        state=batch.state,
        batch_id=batch.batch_id,
        status=polled.status if polled else "",
        done=batch.done,
        total=batch.total,
        failed=batch.failed,
        words=batch.words,
        created_at=polled.created_at if polled else None,
        expires_at=polled.expires_at if polled else None,
    )


# ── failures ───────────────────────────────────────────────────────────────────────────────────────────────────────


def failures_part(view: RunView, width: int, kinds: int, *, low: bool = False) -> _Part:
    """The failures by kind with an example of each, discarded list items, and the latest failed words."""
    parts: list[RenderableType] = []
    lines = 0
    if view.failures:
        examples = {kind: example_of(failure) for kind, failure in view.examples.items()}
        table = failure_kinds(view.failures, examples, most=kinds, ruled=not low)
        table.width = width
        parts.append(table)
        lines += table.row_count + (1 if low else 2)
        if len(view.failures) > kinds:
            parts.append(Text(f"and {counted(len(view.failures) - kinds, 'more kind')}", "dim"))
    if view.dropped:
        parts.append(cell(f"{counted(view.dropped, 'invalid list item')} discarded; the rest of each list is stored"))
    if view.repaired:
        parts.append(cell(f"{counted(view.repaired, 'answer')} repaired (complete, but not plain JSON)"))
    if view.failed_words:
        words = ((shorten(plain(each.word), 24), each.reason) for each in reversed(view.failed_words))
        last = "; ".join(f"{word} ({reason})" for word, reason in words)
        parts.append(cell(f"latest incomplete or failed: {last}"))
    return _Part(parts, lines + len(parts) - bool(view.failures))
