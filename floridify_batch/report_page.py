"""A report as one HTML page that needs nothing else: no network, no script, no font but the reader's own.

Every text that comes from elsewhere (words, reasons, names) is escaped by the template engine, and the page forbids
itself to load anything.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

from floridify_batch.frames import plain
from floridify_batch.plots import every
from floridify_batch.report import Bar, Look, Price, Report
from floridify_batch.wording import count, dollars, percent, span, stamp

if TYPE_CHECKING:
    from jinja2 import Environment

FIRST_LINE = "<!doctype html><!-- a report of batch-synth -->"
"""How a report begins, so that it can be told from every other file."""

_ROW, _TALLEST, _LABEL = 20.0, 460.0, 17.0
"""Pixels: a row of the time line where there is room, the whole time line at the most, and a row's label."""

_TABLE_ROWS = 500
"""Chunks that the table behind the time line lists; more would make the page slow to open."""


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
    rows = _row_height(report.bars)
    return (
        _environment()
        .get_template("report.html")
        .render(
            first_line=FIRST_LINE,
            report=report,
            totals=report.totals,
            headline=_headline(report),
            saved=_saved(report),
            chunk="chunk" if report.settings.immediate else "batch",
            chunks="chunks" if report.settings.immediate else "batches",
            shares=_shares(report),
            dearest=_dearest(report.prices),
            row=rows,
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
        so_far = f"Under way: {count(done)} of {_things(totals.words, 'word')} settled so far."
        return so_far if done else "Just begun: no word is settled yet."
    if not totals.failed:
        return "Finished: every word has everything that was asked."
    return f"Finished: {count(totals.processed)} of {_things(totals.words, 'word')} have everything that was asked."


def _things(number: int, name: str) -> str:
    return f"{count(number)} {name}" if number == 1 else f"{count(number)} {name}s"


def _shares(report: Report) -> list[tuple[str, int, float, float]]:
    """The words' fates with their numbers, each from where to where in percent of the list."""
    totals, place = report.totals, 0.0
    shares = []
    for name, number in (("processed", totals.processed), ("failed", totals.failed), ("open", totals.open_words)):
        width = 100 * number / totals.words if totals.words else 0.0
        shares.append((name, number, place, width))
        place += width
    return shares


def _saved(report: Report) -> str:
    """What batches have saved against asking at once; "" where it is unknown or nothing was spent."""
    paid, other = (price.amount for price in (report.prices[0], report.prices[-1]))
    if report.settings.immediate or paid is None or not other:
        return ""
    return f"{dollars(other - paid)} less than at once ({percent(float((other - paid) / other))})"


def _dearest(prices: Iterable[Price]) -> Decimal:
    amounts = [each for price in prices for each in (price.amount, price.high) if each is not None]
    return max(amounts, default=Decimal(0))


def _row_height(bars: tuple[Bar, ...]) -> float:
    return min(_ROW, _TALLEST / len(bars)) if bars else _ROW


# ── the template ───────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("floridify_batch", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=count, dollars=dollars, span=span, stamp=stamp, plain=plain, things=_things, at=_at
    )
    return environment


def _at(share: float) -> str:
    """A share in percent as SVG takes it."""
    return f"{share:.3f}%"
