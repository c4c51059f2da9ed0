"""Tables of measurements for a terminal."""

import pstats
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts.benchmarks.stage import Part, Stage

_MEGABYTE = 1e6
_TOP = 15
_GROUPS = 8

type Result = Mapping[str, Any]


def report(result: Result) -> str:
    """Return stages, memory, counts, and the estimate compared with the cost."""
    sections = (_stages(result), _memory(result), _counts(result), _money(result))
    return "\n\n".join("\n".join(lines) for lines in sections)


# ── stages ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _stages(result: Result) -> Iterator[str]:
    yield f"{'stage':<22}{'wall s':>9}{'CPU s':>9}{'CPU µs/request':>16}{'requests/s':>13}{'rise MB':>9}"
    for stage in Stage:
        rows = [row for row in result["rows"] if row["stage"] == stage]
        if rows:
            yield _row(stage, _total(rows), result)
            yield from (_row(f"  {row['part']}", row, result) for row in rows if row["part"] != Part.OWN)
    whole = _total(result["rows"])
    yield _row("start to stored", whole, result)
    waited = _total([row for row in result["rows"] if row["stage"] == Stage.WAITING])
    yield _row("  without waiting", {name: whole[name] - waited[name] for name in whole}, result)


def stage_cpu(result: Result, stage: Stage) -> float:
    """CPU microseconds per request that a stage took."""
    seconds: float = sum(row["cpu"] for row in result["rows"] if row["stage"] == stage)
    return seconds / float(result["requests"]) * 1e6


def _total(rows: list[Mapping[str, Any]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) for name in ("wall", "cpu", "rise")}


def _row(name: str, spent: Mapping[str, Any], result: Result) -> str:
    requests = result["requests"]
    each = spent["cpu"] / requests * 1e6 if requests else 0.0
    pace = requests / spent["wall"] if spent["wall"] else 0.0
    rise = spent["rise"] / _MEGABYTE
    return f"{name:<22}{spent['wall']:9.2f}{spent['cpu']:9.2f}{each:16.1f}{pace:13,.0f}{rise:9.0f}"


# ── the rest ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _memory(result: Result) -> Iterator[str]:
    for label, name in (("after imports", "imported"), ("ready, ranks loaded", "ready"), ("at its peak", "peak")):
        yield f"memory {label:<24}{result[name] / _MEGABYTE:9.0f} MB"


def _counts(result: Result) -> Iterator[str]:
    for name in ("words", "requests", "answered", "failed", "processed_words", "failed_words", "chunks"):
        yield f"{name.replace('_', ' '):<31}{result[name]:>12,}"
    for name in ("batches_created", "files_uploaded", "lines_answered"):
        yield f"{name.replace('_', ' '):<31}{result['service'][name]:>12,}"
    for name, count in result["documents"].items():
        yield f"documents: {name:<20}{count:>12,}"


def _money(result: Result) -> Iterator[str]:
    yield f"{'':<16}{'estimated':>16}{'billed':>16}{'difference':>12}"
    for name in ("requests", "input", "output"):
        label = name if name == "requests" else f"{name} tokens"
        estimated, billed = result["estimated"][name], result["billed"][name]
        yield f"{label:<16}{estimated:>16,}{billed:>16,}{_difference(estimated, billed):>12}"
    estimated, billed = result["estimated_cost"], result["billed_cost"]
    if estimated is not None and billed is not None:
        yield f"{'cost, $':<16}{estimated:>16.4f}{billed:>16.4f}{_difference(estimated, billed):>12}"


def _difference(estimated: float, billed: float) -> str:
    """Return the relative difference between the cost and the estimate."""
    return f"{billed / estimated - 1:+.2%}" if estimated else "-"


# ── profiles ───────────────────────────────────────────────────────────────────────────────────────────────────────


def profile_report(paths: Mapping[str, Path], requests: int) -> str:
    """Return the most expensive modules and functions of each stage, in µs per request.

    Profiling makes calls slower, by about half. The profile's clock includes waiting: most of `poll`, `recv_into`,
    `acquire` and `sleep` is waiting, some of it in the database driver's threads.
    """
    each = 1e6 / max(1, requests)
    sections = [_profile(stage, path, each) for stage, path in paths.items() if path.exists()]
    return "\n\n".join("\n".join(lines) for lines in sections)


def _profile(stage: str, path: Path, each: float) -> Iterator[str]:
    found: Any = pstats.Stats(str(path))
    stats = {key: (count, own, whole) for key, (_, count, own, whole, _) in found.stats.items()}
    modules: dict[str, float] = defaultdict(float)
    for (file, _, _), (_, own, _) in stats.items():
        modules[_module(file)] += own
    ranked = sorted(modules.items(), key=lambda pair: -pair[1])[:_GROUPS]
    yield f"── {stage}: own time by module ── " + ", ".join(f"{name} {own * each:.1f}" for name, own in ranked)
    for title, index in (("own", 1), ("cumulative", 2)):
        yield f"{'calls':>10}{'own µs':>10}{'cum. µs':>10}  by {title} time"
        for (file, line, name), figures in sorted(stats.items(), key=lambda pair: -pair[1][index])[:_TOP]:
            count, own, whole = figures
            yield f"{count:>10,}{own * each:10.1f}{whole * each:10.1f}  {_module(file)}:{line} {name}"


def _module(file: str) -> str:
    """Return the last two parts of a file's path."""
    if file.startswith(("~", "<")):
        return "built in"
    return "/".join(Path(file).with_suffix("").parts[-2:])
