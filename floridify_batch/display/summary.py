"""The panel at the end of a sitting: how the run stands, what this sitting added, and what to type next."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from floridify_batch.costs.usage import Forecast
from floridify_batch.display.live_screen import KINDS_SHOWN, troubles_of
from floridify_batch.display.text import framed, plain
from floridify_batch.display.view import RunView, verdict
from floridify_batch.formatting import count, dollars, span
from floridify_batch.run.event import Totals

WIDEST = 100
"""Columns that the panel takes at most."""

type Row = tuple[str, str, str]
"""What a figure is called, what this sitting added to it, and what it is of the whole run."""


def summary_panel(
    view: RunView,
    now: datetime,
    *,
    width: int = 80,
    forecast: Forecast | None = None,
    next_command: str | None = None,
    failures_command: str | None = None,
    retry_command: str | None = None,
) -> RenderableType:
    """The figures of the whole run, and of this sitting where there were others; its title says how the run stands.

    `forecast` is what the user was shown before they agreed. The commands stand below the panel, unbroken, so that
    they can be copied: print it without cropping.
    """
    inner = min(width, WIDEST) - 4
    parts: list[RenderableType] = [_figures(view, now)]
    parts += [Text(line) for line in _against(view, forecast)]
    troubles = troubles_of(view, inner, KINDS_SHOWN)
    if troubles.lines:
        parts += [Text(), *troubles.contents]
    panel = framed(Group(*parts), verdict(view))
    panel.width = inner + 4 if troubles.lines else None
    failed = view.totals.failed or view.totals.failed_requests
    again = retry_command if view.complete and view.totals.failed else None
    commands = (("what failed", failures_command if failed else None), ("try again", again), ("next", next_command))
    return Group(panel, *(_command(name, command) for name, command in commands if command))


def _command(name: str, command: str) -> Text:
    return Text.assemble((f"  {name:<13}", "dim"), plain(command), no_wrap=True, overflow="ignore")


def _figures(view: RunView, now: datetime) -> Table:
    """A line for every figure; a run that was never interrupted has no sittings to tell apart."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    if view.resumed:
        grid.add_column(justify="right", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    if view.resumed:
        grid.add_row("", Text("this sitting", "bold"), Text("whole run", "bold"))
    for name, sitting, whole in _rows(view, now):
        grid.add_row(name, *([sitting] if view.resumed else []), whole)
    return grid


def _rows(view: RunView, now: datetime) -> Iterator[Row]:
    totals, start, elapsed = view.totals, view.start, view.elapsed(now)
    since = view.since or view.began_at
    yield (
        "time",
        "-" if elapsed is None else span(elapsed),
        "-" if since is None else span((view.ended_at or now) - since),
    )
    yield "words processed", count(totals.processed - start.processed), _of(totals.processed, totals.words)
    yield from _if_any("words failed", totals.failed, start.failed)
    yield from _if_any("words left", totals.open_words, None)
    yield "requests answered", count(totals.answered - start.answered), _of(totals.answered, totals.requests)
    yield from _if_any("requests failed", totals.failed_requests, start.failed_requests)
    yield from _if_any("asked again", totals.retried, start.retried)
    yield from _if_any("requests open", totals.open_requests, None)
    yield "tokens in", count(totals.usage.input - start.usage.input), count(totals.usage.input)
    yield "tokens out", count(totals.usage.output - start.usage.output), count(totals.usage.output)
    yield "cost", dollars(_more(totals, start)), dollars(totals.cost)


def _of(part: int, whole: int) -> str:
    return f"{count(part)} of {count(whole)}"


def _if_any(name: str, number: int, before: int | None) -> Iterator[Row]:
    """A line for what is only of interest where there is any; what is left or open is of no sitting."""
    if number:
        yield name, "" if before is None else count(number - before), count(number)


def _more(totals: Totals, start: Totals) -> Decimal | None:
    return None if totals.cost is None or start.cost is None else totals.cost - start.cost


def _against(view: RunView, forecast: Forecast | None) -> Iterator[str]:
    """The cost beside what was expected of it; nothing where one of the two is not known."""
    cost = view.totals.cost
    if forecast is None or not forecast.expected or cost is None:
        return
    between = ""
    if forecast.low is not None and forecast.high is not None:
        between = f", between {dollars(forecast.low)} and {dollars(forecast.high)}"
    part = cost / forecast.expected
    told = f"{part:.0%} of it so far"
    if view.complete:
        told = f"{abs(part - 1):.0%} {'less' if part < 1 else 'more'} was paid"
    yield f"expected {dollars(forecast.expected)}{between}: {told}"
