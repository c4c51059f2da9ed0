"""A report as one HTML page that needs nothing else: no network, no script, no font but the reader's own.

Every text that comes from elsewhere (words, reasons, names) is escaped by the template engine, and the page forbids
itself to load anything.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from floridify_batch.display.chart import every
from floridify_batch.display.report import Amount, Bar, Look, Report
from floridify_batch.display.text import plain
from floridify_batch.formatting import count, counted, dollars, percent, span

if TYPE_CHECKING:
    from jinja2 import Environment

FIRST_LINE = "<!doctype html><!-- a report of batch-synth -->"
"""How a report begins, so that it can be told from every other file."""

_ROW, _TALLEST, _LABEL = 20.0, 460.0, 17.0
"""Pixels: a row of the time line where there is room, the whole time line at the most, and a row's label."""

_TABLE_ROWS = 500
"""Chunks that the table behind the time line lists; more would make the page slow to open."""

_AS_EXPECTED = 0.0005
"""A difference that reads as nothing in tenths of a percent."""

_STYLES: Mapping[Look, str] = {
    Look.STORED: "good",
    Look.LOST: "bad",
    Look.ANSWERED: "reading",
    Look.FLYING: "flying",
    Look.READY: "ready",
    Look.CUT: "cut",
}
"""The classes of the style sheet: each has a ground or an edge of its own, since colours alone tell too little."""


def page(report: Report) -> str:
    """The page, beginning with `FIRST_LINE`."""
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
            chunk="chunk" if report.settings.immediate else "batch",
            chunks="chunks" if report.settings.immediate else "batches",
            shares=_shares(report),
            amounts=amounts,
            dearest=max((each for row in amounts for each in (row.dollars, row.high) if each), default=0),
            row=_row_height(report.bars),
            label_step=every(len(report.bars), int(_TALLEST / _LABEL)) if report.bars else 1,
            listed_bars=report.bars[:_TABLE_ROWS],
            styles=_STYLES,
            Look=Look,
        )
    )


def _headline(report: Report) -> str:
    """How the run stands, in one sentence."""
    totals = report.totals
    if not report.finished:
        done = totals.processed + totals.failed
        so_far = f"Under way: {count(done)} of {counted(totals.words, 'word')} settled so far."
        return so_far if done else "Just begun: no word is settled yet."
    if not totals.failed:
        return "Finished: every word has everything that was asked."
    return f"Finished: {count(totals.processed)} of {counted(totals.words, 'word')} have everything that was asked."


def _shares(report: Report) -> list[tuple[str, int, float, float]]:
    """The words' fates with their numbers, each from where to where in percent of the list."""
    totals, place = report.totals, 0.0
    shares = []
    for name, number in (("processed", totals.processed), ("failed", totals.failed), ("open", totals.open_words)):
        width = 100 * number / totals.words if totals.words else 0.0
        shares.append((name, number, place, width))
        place += width
    return shares


def _verdict(report: Report) -> str:
    """The cost in other terms: against the estimate once there is nothing to come, and against asking at once."""
    if report.totals.cost is None:
        return f"nobody knows the price of {plain(report.settings.model)}"
    if not report.totals.usage.total:
        return "nothing was answered yet"
    told = [_against_estimate(report), "at the immediate price" if report.settings.immediate else _saved(report)]
    return ", ".join(filter(None, told))


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
    return f"{dollars(other - report.paid)} less than at once" if other and report.paid is not None else ""


def _amounts(report: Report) -> list[Amount]:
    """The money to be compared, so far as it is known."""
    paid = Amount("paid" if report.finished else "paid so far", report.paid)
    rows = (report.estimate, paid, report.other_mode)
    return [row for row in rows if row is not None and row.dollars is not None]


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
        span=span,
        moment=lambda time: f"{_second(time)} UTC",
        second=_second,
        plain=plain,
        counted=counted,
        at=_at,
    )
    return environment


def _second(time: datetime) -> str:
    """A moment in UTC, to the second, for people."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _at(share: float) -> str:
    """A share in percent as SVG takes it."""
    return f"{share:.3f}%"
