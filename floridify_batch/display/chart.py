"""The geometry of a report's charts: where everything lies, as shares of a chart's width and height, in percent.

Shares, not pixels: the page decides how large a chart is, so that a phone's is narrower and its letters are no smaller.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from floridify_batch.formatting import count, span

FULL = 100.0

_DAY = 86400
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, _DAY, 2 * _DAY)
_TICKS_AT_MOST = 5
"""As many as fit beside each other on a phone."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis, in percent from its start, with what is written there."""

    at: float
    label: str

    @property
    def anchor(self) -> str:
        """Which end of the label stands at the tick, so that none leaves the chart."""
        if self.at < 5:  # noqa: PLR2004  percent
            return "start"
        return "end" if self.at > 92 else "middle"  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The time from `start` to `end`, from left to right."""

    start: datetime
    end: datetime

    def at(self, time: datetime) -> float:
        """Where a moment lies; what is outside lies at the edge."""
        whole = (self.end - self.start).total_seconds()
        share = (time - self.start).total_seconds() / whole if whole else 1.0
        return FULL * min(1.0, max(0.0, share))

    def ticks(self) -> list[Tick]:
        """Round times since the start."""
        whole = (self.end - self.start).total_seconds()
        step = next((step for step in _STEPS if whole / step < _TICKS_AT_MOST), None)
        step = step or _DAY * int(whole / _TICKS_AT_MOST / _DAY + 1)
        passed = [timedelta(seconds=number * step) for number in range(int(whole // step) + 1)]
        return [Tick(self.at(self.start + each), span(each) if each else "start") for each in passed]


@dataclass(frozen=True, slots=True)
class CountAxis:
    """Numbers from 0 to `top`, from the bottom up."""

    top: int
    step: int

    @classmethod
    def up_to(cls, highest: int) -> "CountAxis":
        """An axis that ends at a round number above the highest."""
        step = next(step for step in _round_numbers() if step * 4 >= highest)
        return cls(step * (highest // step + 1), step)

    def at(self, number: int) -> float:
        """Where a number lies, from the top of the chart down."""
        return FULL - FULL * number / self.top

    def ticks(self) -> list[Tick]:
        """Round numbers, zero included."""
        return [Tick(self.at(number), count(number)) for number in range(0, self.top + 1, self.step)]


def _round_numbers() -> Iterator[int]:
    power = 1
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10


@dataclass(frozen=True, slots=True)
class Deed:
    """At some moment, so many requests were asked, answered, or failed."""

    time: datetime
    asked: int = 0
    answered: int = 0
    failed: int = 0

    def __add__(self, other: "Deed") -> "Deed":
        return Deed(other.time, self.asked + other.asked, self.answered + other.answered, self.failed + other.failed)


@dataclass(frozen=True, slots=True)
class ProgressPlot:
    """Requests against time, as SVG paths in a square of 100 by 100: asked, answered, and failed on top of these."""

    times: list[Tick]
    counts: list[Tick]
    asked: str
    answered: str
    failed: str


def progress_plot(deeds: Iterable[Deed], axis: TimeAxis) -> ProgressPlot:
    """How many requests had been asked, answered and failed at every moment, up to the end of the axis."""
    sums = list(accumulate(sorted(deeds, key=lambda deed: deed.time), initial=Deed(axis.start)))
    counts = CountAxis.up_to(max(sums[-1].asked, sums[-1].answered + sums[-1].failed))
    places = [axis.at(each.time) for each in sums]
    asked, answered, settled = (
        _steps([(place, counts.at(height)) for place, height in zip(places, heights, strict=True)])
        for heights in (
            [each.asked for each in sums],
            [each.answered for each in sums],
            [each.answered + each.failed for each in sums],
        )
    )
    below = " ".join(f"L{x:.2f} {y:.2f}" for x, y in reversed(answered))
    return ProgressPlot(
        axis.ticks(),
        counts.ticks(),
        _path(asked),
        f"{_path(answered)} L100 100 L0 100 Z",
        f"{_path(settled)} {below} Z",
    )


def _steps(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The corners of a line that keeps its height until the next point, and to the end."""
    corners = [points[0]]
    for x, y in points[1:]:
        if y != corners[-1][1]:
            corners += [(x, corners[-1][1]), (x, y)]
    return [*corners, (FULL, corners[-1][1])]


def _path(corners: Sequence[tuple[float, float]]) -> str:
    return "M" + " L".join(f"{x:.2f} {y:.2f}" for x, y in corners)


def every(rows: int, labels: int) -> int:
    """Of so many rows, every how many gets one of at most so many labels: 1, 2, 5, 10, 20 …"""
    return next(step for step in _round_numbers() if rows <= step * labels)
