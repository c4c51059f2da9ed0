"""The geometry of a report's charts, in percent of a chart's width and height.

Percent, not pixels: the page sets the size, so that a chart is narrower on a phone and its text no smaller.
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
"""As many as fit on a phone."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled position on an axis, in percent from its start."""

    at: float
    label: str

    @property
    def anchor(self) -> str:
        """The text anchor that keeps the label inside the chart."""
        if self.at < 5:  # noqa: PLR2004  percent
            return "start"
        return "end" if self.at > 92 else "middle"  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """A horizontal time axis."""

    start: datetime
    end: datetime

    def at(self, time: datetime) -> float:
        """The position of a time, clamped to the axis."""
        whole = (self.end - self.start).total_seconds()
        share = (time - self.start).total_seconds() / whole if whole else 1.0
        return FULL * min(1.0, max(0.0, share))

    def ticks(self) -> list[Tick]:
        """Ticks at round durations since the start."""
        whole = (self.end - self.start).total_seconds()
        step = next((step for step in _STEPS if whole / step < _TICKS_AT_MOST), None)
        step = step or _DAY * int(whole / _TICKS_AT_MOST / _DAY + 1)
        passed = [timedelta(seconds=number * step) for number in range(int(whole // step) + 1)]
        return [Tick(self.at(self.start + each), span(each) if each else "start") for each in passed]


@dataclass(frozen=True, slots=True)
class CountAxis:
    """A vertical axis from 0 to `top`."""

    top: int
    step: int

    @classmethod
    def up_to(cls, highest: int) -> "CountAxis":
        """An axis that ends at a round number above the maximum."""
        step = next(step for step in _round_numbers() if step * 4 >= highest)
        return cls(step * (highest // step + 1), step)

    def at(self, number: int) -> float:
        """The position of a number, from the top of the chart."""
        return FULL - FULL * number / self.top

    def ticks(self) -> list[Tick]:
        """Ticks at round numbers, zero included."""
        return [Tick(self.at(number), count(number)) for number in range(0, self.top + 1, self.step)]


def _round_numbers() -> Iterator[int]:
    power = 1
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10


@dataclass(frozen=True, slots=True)
class Step:
    """Requests sent, answered or failed at one time."""

    time: datetime
    sent: int = 0
    answered: int = 0
    failed: int = 0

    def __add__(self, other: "Step") -> "Step":
        return Step(other.time, self.sent + other.sent, self.answered + other.answered, self.failed + other.failed)


@dataclass(frozen=True, slots=True)
class ProgressPlot:
    """Requests over time as SVG paths in a 100 by 100 square: sent, answered, and failed stacked on answered."""

    times: list[Tick]
    counts: list[Tick]
    sent: str
    answered: str
    failed: str


def progress_plot(steps: Iterable[Step], axis: TimeAxis) -> ProgressPlot:
    """The cumulative numbers of requests sent, answered and failed, up to the end of the axis."""
    sums = list(accumulate(sorted(steps, key=lambda step: step.time), initial=Step(axis.start)))
    counts = CountAxis.up_to(max(sums[-1].sent, sums[-1].answered + sums[-1].failed))
    places = [axis.at(each.time) for each in sums]
    sent, answered, settled = (
        _steps([(place, counts.at(height)) for place, height in zip(places, heights, strict=True)])
        for heights in (
            [each.sent for each in sums],
            [each.answered for each in sums],
            [each.answered + each.failed for each in sums],
        )
    )
    below = " ".join(f"L{x:.2f} {y:.2f}" for x, y in reversed(answered))
    return ProgressPlot(
        axis.ticks(),
        counts.ticks(),
        _path(sent),
        f"{_path(answered)} L100 100 L0 100 Z",
        f"{_path(settled)} {below} Z",
    )


def _steps(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The corners of a step line through the points, extended to the end."""
    corners = [points[0]]
    for x, y in points[1:]:
        if y != corners[-1][1]:
            corners += [(x, corners[-1][1]), (x, y)]
    return [*corners, (FULL, corners[-1][1])]


def _path(corners: Sequence[tuple[float, float]]) -> str:
    return "M" + " L".join(f"{x:.2f} {y:.2f}" for x, y in corners)


def every(rows: int, labels: int) -> int:
    """The interval of labelled rows for at most `labels` labels: 1, 2, 5, 10, 20 …"""
    return next(step for step in _round_numbers() if rows <= step * labels)
