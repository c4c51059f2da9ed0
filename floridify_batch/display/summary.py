"""The panel at the end of a session: outcome, figures, and the next commands."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from floridify_batch.costs.usage import Forecast
from floridify_batch.display.live_screen import KINDS_SHOWN, failures_part
from floridify_batch.display.text import framed, plain
from floridify_batch.display.view import RunView, requests_expected, verdict
from floridify_batch.formatting import count, counted, dollar_range, dollars, span
from floridify_batch.run.event import Totals

WIDEST = 100
"""Maximum width of the panel."""

type Row = tuple[str, str, str]
"""The name of a figure, its change in this session, and its value for the whole run."""


@dataclass(frozen=True, slots=True)
class NextCommands:
    """Commands to suggest after a session; the panel shows those that apply to its outcome."""

    show: str | None = None
    report: str | None = None
    failures: str | None = None
    retry: str | None = None


def summary_panel(
    view: RunView,
    now: datetime,
    *,
    width: int = 80,
    forecast: Forecast | None = None,
    commands: NextCommands = NextCommands(),
) -> RenderableType:
    """The figures of the run, and of this session if there were others; the title is the outcome.

    `forecast`: the estimate that the user confirmed. The commands below the panel are not wrapped, so that they can be
    copied: print it without cropping.
    """
    inner = min(width, WIDEST) - 4
    parts: list[RenderableType] = [_figures(view, now)]
    parts += [Text(line) for line in _against(view, forecast)]
    troubles = failures_part(view, inner, KINDS_SHOWN)
    if troubles.lines:
        parts += [Text(), *troubles.contents]
    panel = framed(Group(*parts), verdict(view))
    panel.width = inner + 4 if troubles.lines else None
    return Group(panel, *(_command(name, command, width) for name, command in _suggested(view, commands)))


def _suggested(view: RunView, commands: NextCommands) -> Iterator[tuple[str, str]]:
    totals = view.totals
    suggestions = (
        ("show an entry", commands.show, totals.processed),
        ("see failures", commands.failures, totals.failed or totals.incomplete),
        ("retry them", commands.retry, view.complete and (totals.failed or totals.incomplete)),
        ("report", commands.report, view.complete),
    )
    return ((name, command) for name, command, applies in suggestions if command and applies)


def _command(name: str, command: str, width: int) -> Text:
    """A command beside its purpose, or below it where one line is too short for both."""
    label, text = f"  {name:<14}", plain(command)
    label = label if cell_len(label) + cell_len(text) <= width else f"  {name}\n    "
    return Text.assemble((label, "dim"), text, no_wrap=True, overflow="ignore")


def _figures(view: RunView, now: datetime) -> Table:
    """One line per figure, with a column for this session if the run was resumed."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    if view.resumed:
        grid.add_column(justify="right", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    if view.resumed:
        grid.add_row("", Text("this session", "bold"), Text("whole run", "bold"))
    for name, session, whole in _rows(view, now):
        grid.add_row(name, *([session] if view.resumed else []), whole)
    return grid


def _rows(view: RunView, now: datetime) -> Iterator[Row]:
    totals, start, elapsed = view.totals, view.start, view.elapsed(now)
    since = view.since or view.started_at
    yield (
        "time",
        "-" if elapsed is None else span(elapsed),
        "-" if since is None else span((view.ended_at or now) - since),
    )
    yield "words processed", count(totals.processed - start.processed), _of(totals.processed, totals.words)
    yield from _if_any("words incomplete", totals.incomplete, start.incomplete)
    yield from _if_any("words failed", totals.failed, start.failed)
    yield from _if_any("words remaining", totals.open_words, None)
    yield (
        "requests answered",
        count(totals.answered - start.answered),
        f"{count(totals.answered)} of {requests_expected(totals)}",
    )
    yield from _if_any("requests retried", totals.retried, start.retried)
    yield from _if_any("answers outdated", totals.outdated, start.outdated)
    yield from _if_any("failed for good", totals.without_answer, start.without_answer)
    yield from _if_any("requests pending", totals.pending, None)
    yield "input tokens", count(totals.usage.input - start.usage.input), count(totals.usage.input)
    yield "output tokens", count(totals.usage.output - start.usage.output), count(totals.usage.output)
    yield "cost", dollars(_more(totals, start)), dollars(totals.cost)


def _of(part: int, whole: int) -> str:
    return f"{count(part)} of {count(whole)}"


def _if_any(name: str, number: int, before: int | None) -> Iterator[Row]:
    """A line only for a figure above zero; pending figures have no value per session."""
    if number:
        yield name, "" if before is None else count(number - before), count(number)


def _more(totals: Totals, start: Totals) -> Decimal | None:
    return None if totals.cost is None or start.cost is None else totals.cost - start.cost


def _against(view: RunView, forecast: Forecast | None) -> Iterator[str]:
    """Answers that the cost leaves out, and the cost compared with the estimate; nothing if either is unknown."""
    cost, uncounted = view.totals.cost, 0 if view.complete else view.answers_in_flight
    if uncounted:
        yield f"not counted yet: {counted(uncounted, 'answer')}, stored on resume"
    if forecast is None or not forecast.expected or cost is None:
        return
    spread = ""
    if forecast.low is not None and forecast.high is not None:
        between = dollar_range(forecast.low, forecast.high)
        spread = f", range {between}" if between else ""
    estimate = f"({dollars(forecast.expected)}{spread})"
    part = cost / forecast.expected
    if not view.complete:
        so_far = (
            f"estimate: {estimate[1:-1]}" if uncounted and not cost else f"{part:.0%} of the estimate so far {estimate}"
        )
        yield so_far
        return
    yield f"{abs(part - 1):.0%} {'below' if part < 1 else 'above'} the estimate {estimate}"
