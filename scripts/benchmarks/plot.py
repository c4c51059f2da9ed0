"""The SVG chart of time and memory against the number of requests, for light and dark backgrounds."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, log10
from typing import NamedTuple

_WIDTH, _HEIGHT = 340, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 16, 30, 34
_GAP = 20

_STYLE = """
text { font: 11px system-ui, sans-serif; fill: #333; }
.title { font-weight: 600; font-size: 12px; }
.grid { stroke: #ddd; }
.line { fill: none; stroke: #2563eb; stroke-width: 2; }
.dot { fill: #2563eb; }
.goal { stroke: #b45309; stroke-dasharray: 5 4; }
.goal-label { fill: #b45309; }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd; } .grid { stroke: #444; } .line { stroke: #7aa2f7; } .dot { fill: #7aa2f7; }
  .goal { stroke: #e0af68; } .goal-label { fill: #e0af68; }
}
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: CPU microseconds per request, and megabytes of memory at the peak."""

    requests: int
    cpu: float
    peak_mb: float


class _Panel(NamedTuple):
    title: str
    value: Callable[[Measured], float]
    goal: float


_PANELS = (
    _Panel("CPU µs per request", lambda each: each.cpu, 100),
    _Panel("peak memory, MB", lambda each: each.peak_mb, 200),
)


def plot(runs: Sequence[Measured]) -> str:
    """Both panels side by side."""
    width = 2 * _WIDTH + _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" role="img">',
        "<title>CPU time per request and peak memory against the number of requests</title>",
        f"<style>{_STYLE}</style>",
    ]
    for place, panel in enumerate(_PANELS):
        parts += [f'<g transform="translate({place * (_WIDTH + _GAP)} 0)">', *_panel(panel, runs), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: _Panel, runs: Sequence[Measured]) -> Iterator[str]:
    values = [panel.value(run) for run in runs]
    top = _round_up(1.1 * max(*values, panel.goal))
    first, last = log10(runs[0].requests), log10(runs[-1].requests)

    def across(requests: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (log10(requests) - first) / max(last - first, 1e-9)

    def up(value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / top

    yield f'<text class="title" x="{_LEFT}" y="16">{panel.title}</text>'
    for step in range(5):
        value = top * step / 4
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up(value):.1f}" y2="{up(value):.1f}"/>'
        yield f'<text x="{_LEFT - 6}" y="{up(value) + 4:.1f}" text-anchor="end">{value:,.0f}</text>'
    goal = up(panel.goal)
    yield f'<line class="goal" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{goal:.1f}" y2="{goal:.1f}"/>'
    yield f'<text class="goal-label" x="{_LEFT + 4}" y="{goal - 4:.1f}">goal</text>'
    points = [(across(run.requests), up(value)) for run, value in zip(runs, values, strict=True)]
    yield f'<polyline class="line" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'
    for run, value, (x, y) in zip(runs, values, points, strict=True):
        yield f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
        anchor = "start" if run is runs[0] else "end" if run is runs[-1] else "middle"
        yield f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="{anchor}">{value:,.0f}</text>'
        yield f'<text x="{x:.1f}" y="{_HEIGHT - 14}" text-anchor="{anchor}">{run.requests:,}</text>'


def _round_up(value: float) -> float:
    unit = 10 ** ceil(log10(value) - 1)
    return ceil(value / (4 * unit)) * 4 * unit if value > unit else value
