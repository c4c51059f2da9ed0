"""The report as one self-contained HTML page: no network requests, scripts or web fonts.

The template engine escapes all external text (words, reasons, names); a Content-Security-Policy blocks all loading.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from floridify_batch.database.value_count import ModelCount
from floridify_batch.display.chart import every
from floridify_batch.display.report import Amount, Bar, BatchStatus, Report
from floridify_batch.display.text import plain
from floridify_batch.formatting import count, counted, dollar_column, dollars, percent, span

if TYPE_CHECKING:
    from jinja2 import Environment

FIRST_LINE = "<!doctype html><!-- a report of batch-synth -->"
"""The first line of a report, by which one is recognised."""

_ROW, _TALLEST, _LABEL = 20.0, 460.0, 17.0
"""Pixels: the height of a timeline row, the maximum height of the timeline, and the height of a row label."""

_TABLE_ROWS = 500
"""Batches in the table below the timeline; more would make the page slow to open."""

_AS_EXPECTED = 0.0005
"""A relative difference that rounds to 0.0 %."""

_STYLES: Mapping[BatchStatus, str] = {
    BatchStatus.STORED: "good",
    BatchStatus.LOST: "bad",
    BatchStatus.ANSWERED: "dotted",
    BatchStatus.IN_FLIGHT: "hatched",
    BatchStatus.READY: "ready",
    BatchStatus.SPLIT: "cut",
}
"""CSS classes: each has its own pattern or edge, readable without colour."""


def page(report: Report) -> str:
    """Render the page, which starts with `FIRST_LINE`."""
    amounts = _amounts(report)
    return (
        _environment()
        .get_template("report.html")
        .render(
            first_line=FIRST_LINE,
            report=report,
            totals=report.totals,
            headline=_headline(report),
            verdict=_verdict(report),
            shares=_shares(report),
            amounts=amounts,
            provenance=_provenance(report),
            dearest=max((each for row in amounts for each in (row.dollars, row.high) if each), default=0),
            row=_row_height(report.bars),
            label_step=every(len(report.bars), int(_TALLEST / _LABEL)) if report.bars else 1,
            listed_bars=report.bars[:_TABLE_ROWS],
            styles=_STYLES,
            BatchStatus=BatchStatus,
        )
    )


def _headline(report: Report) -> str:
    """The status of the run in one sentence."""
    return f"{_SANDBOX} {_progress(report)}" if report.settings.in_sandbox else _progress(report)


_SANDBOX = "A run in the sandbox, with invented answers."


def _progress(report: Report) -> str:
    totals = report.totals
    if not report.finished:
        done = totals.words - totals.open_words
        if not done and not totals.answered:
            return "Just started: no word is done yet."
        return f"In progress, {totals.percent()}%: {count(done)} of {counted(totals.words, 'word')} done so far."
    if not totals.failed and not totals.incomplete:
        return "Finished: all requested components of every word are stored."
    return f"Finished: {count(totals.processed)} of {counted(totals.words, 'word')} have all requested components."


def _shares(report: Report) -> list[tuple[str, int, float, float]]:
    """The words by outcome with their numbers, positions and widths in percent of the list."""
    totals, place = report.totals, 0.0
    shares = []
    for name, number in (
        ("processed", totals.processed),
        ("incomplete", totals.incomplete),
        ("failed", totals.failed),
        ("remaining", totals.open_words),
    ):
        width = 100 * number / totals.words if totals.words else 0.0
        shares.append((name, number, place, width))
        place += width
    return shares


def _verdict(report: Report) -> str:
    """The cost compared with the estimate, once the run is finished, and with the other mode."""
    if report.totals.cost is None:
        return "the cost is unknown"
    if not report.totals.usage.total:
        return "no answers yet"
    parts = [_against_estimate(report), _saved(report) if report.settings.discounted else "at the standard rate"]
    return ", ".join(filter(None, parts))


def _against_estimate(report: Report) -> str:
    expected = report.estimate.dollars if report.estimate else None
    if not report.finished or not expected or report.paid is None:
        return ""
    difference = (report.paid - expected) / expected
    if abs(difference) < _AS_EXPECTED:
        return "as estimated"
    return f"{percent(float(abs(difference)))} {'above' if difference > 0 else 'below'} the estimate"


def _saved(report: Report) -> str:
    other = report.other_mode.dollars
    return f"{dollars(other - report.paid)} below the standard rate" if other and report.paid is not None else ""


def _amounts(report: Report) -> list[Amount]:
    """The known amounts to compare."""
    paid = Amount("paid" if report.finished else "paid so far", report.paid)
    rows = (report.estimate, paid, report.other_mode, report.one_by_one)
    return [row for row in rows if row is not None and row.dollars is not None]


class ProvenanceLine(NamedTuple):
    """A component's stored values: those of models and of people in words, and the number of doubtful ones."""

    component: str
    models: list[str]
    people: list[str]
    doubtful: int


def _provenance(report: Report) -> list[ProvenanceLine]:
    """The provenance of stored values by component, in alphabetical order."""
    components = report.values.components if report.values else {}
    return [
        ProvenanceLine(
            name,
            [f"{model}: {count(each.values)}{_days(each)}" for model, each in sorted(found.models.items())],
            [f"{change}: {count(number)}" for change, number in sorted(found.people.items())],
            found.doubtful,
        )
        for name, found in sorted(components.items())
    ]


def _days(values: ModelCount) -> str:
    if not values.first:
        return ""
    return f" ({values.first})" if values.first == values.last else f" ({values.first} to {values.last})"


def _row_height(bars: tuple[Bar, ...]) -> float:
    return min(_ROW, _TALLEST / len(bars)) if bars else _ROW


# ── the template ───────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("floridify_batch.display", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=count,
        dollars=dollars,
        dollar_column=dollar_column,
        span=span,
        timestamp=lambda time: f"{_second(time)} UTC",
        second=_second,
        plain=plain,
        counted=counted,
        at=_at,
    )
    return environment


def _second(time: datetime) -> str:
    """A UTC time to the second."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _at(share: float) -> str:
    """A percentage for SVG."""
    return f"{share:.3f}%"
