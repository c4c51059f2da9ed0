"""`scripts/benchmark`: the cost of a run on this side at three sizes, compared with lower bounds.

One run each of a hundredth, a tenth and all of the requests, from the word list to the database, against a sandbox and
a MongoDB server in processes of their own; then the stages alone with one and more workers, the ledger of a whole
dictionary, and immediate mode compared with a plain script. `scripts/benchmark --one --help` lists the options of a
single run.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from secrets import token_hex
from typing import Any

from floridify_batch.database.server import local_mongod
from floridify_batch.sandbox.process import running_sandbox
from scripts.benchmarks import ledger as benchmark_ledger, run as benchmark_run, workers as benchmark_workers
from scripts.benchmarks.data import REQUESTS_PER_WORD
from scripts.benchmarks.floor import Floors, floors
from scripts.benchmarks.immediate import race, race_report
from scripts.benchmarks.plot import Measured, plot
from scripts.benchmarks.report import report, stage_cpu
from scripts.benchmarks.stage import Stage

_STATION_REQUESTS = 150_000
_RACE_REQUESTS, _SMALL_RACE = 2_000, 60
_CONCURRENCY = 32
_ROUNDS = 3
_LEDGER = (600_000, 400)

_FORMS = {
    "one component": ("--components=1",),
    "--answers stored": ("--answers=stored",),
    "--answers stored --pack 6": ("--answers=stored", "--pack=6"),
}
"""Requests of other kinds than the usual ten components with full answers, and the options that make them."""

type Result = Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if "--one" in given:
        return benchmark_run.main([each for each in given if each != "--one"])
    options = _parser().parse_args(given)
    sizes = [options.requests] if options.small else sizes_of(options.requests)
    with tempfile.TemporaryDirectory(prefix="batch-synth-benchmark-") as name:
        folder = Path(name)
        with local_mongod(folder / "mongodb") as server:
            results = [_one(size, server.url) for size in sizes]
            print(report(results[-1]))
            _title("Three sizes")
            print(size_table(results))
            _title("Other requests")
            middle = len(sizes) // 2
            shown = list(_FORMS.items())[-1 if options.small else 0 :]
            forms = {name: _one(sizes[middle], server.url, *more) for name, more in shown}
            print(_compared({"ten components": results[middle]} | forms))
            _stages(folder / "stages", options, server.url, results[-1])
        _title("The ledger of a dictionary")
        ledger = folder / "ledger"
        ledger.mkdir()
        words, chunks = (6_000, 40) if options.small else _LEDGER
        print(benchmark_ledger.ledger_report(benchmark_ledger.measure(ledger, words, chunks), words, chunks))
    if options.plot:
        options.plot.write_text(plot([_measured(each) for each in results]), encoding="utf-8")
    return 0 if all(each["answered"] == each["requests"] for each in results) else 1


def sizes_of(requests: int) -> list[int]:
    """Return a hundredth, a tenth and all of the requests, each at least those of a word."""
    return sorted({max(REQUESTS_PER_WORD, requests // part) for part in (100, 10, 1)})


def _one(requests: int, mongo_url: str, *more: str) -> Result:
    print(f"{requests:,} requests {' '.join(more)}…", flush=True)
    return benchmark_run.measured_run(requests, mongo_url, *more)


def _title(text: str) -> None:
    print(f"\n── {text} ──")


# ── tables ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _measured(result: Result) -> Measured:
    cpu = sum(row["cpu"] for row in result["rows"]) / result["requests"] * 1e6
    return Measured(result["requests"], cpu, result["peak"] / 1e6)


def size_table(results: Sequence[Result]) -> str:
    """Return the CPU time and the memory of runs of several sizes, each with what it added to the one before."""
    head = f"{'requests':>12}{'CPU µs/request':>16}{'without start':>15}{'peak MB':>9}{'added MB':>10}"
    lines = [head]
    for before, result in zip([None, *results], results, strict=False):
        found = _measured(result)
        start = stage_cpu(result, Stage.STARTING)
        added = "" if before is None else f"{found.peak_mb - before['peak'] / 1e6:+.1f}"
        lines.append(
            f"{found.requests:>12,}{found.cpu:>16.1f}{found.cpu - start:>15.1f}{found.peak_mb:>9.0f}{added:>10}"
        )
    return "\n".join(lines)


def _compared(results: Mapping[str, Result]) -> str:
    lines = [f"{'':<26}{'CPU µs/request':>16}{'without start':>15}{'peak MB':>9}"]
    for name, result in results.items():
        found = _measured(result)
        lines.append(
            f"{name:<26}{found.cpu:>16.1f}{found.cpu - stage_cpu(result, Stage.STARTING):>15.1f}{found.peak_mb:>9.0f}"
        )
    return "\n".join(lines)


def _stages(folder: Path, options: Any, mongo_url: str, result: Result) -> None:
    folder.mkdir()
    requests = min(_STATION_REQUESTS, options.requests)
    paces = benchmark_workers.measure(folder, requests // REQUESTS_PER_WORD, [2])
    settings = benchmark_workers.settings_of_benchmark()
    entries = (entry for page in benchmark_workers.pages(folder / "entries.pickle") for _, (entry,) in page)
    bare = floors(folder, settings, entries, mongo_url, f"benchmark_{token_hex(4)}")
    _title("Beside the floor, CPU µs/request")
    print("\n".join(_beside(bare, result)))
    _title("The pure stages alone, from files to files")
    print(benchmark_workers.pace_report(paces))
    _title("Immediate mode beside a plain script")
    with running_sandbox(folder / "sandbox", seconds=0, validating_seconds=0, fast=True) as url:
        raced, rounds = (_SMALL_RACE, 1) if options.small else (_RACE_REQUESTS, _ROUNDS)
        print(race_report(race(folder, url, min(raced, requests), _CONCURRENCY, rounds)))


def _beside(bare: Floors, result: Result) -> Iterator[str]:
    yield f"{'stage':<22}{'ours':>8}{'floor':>8}{'times':>8}"
    for stage, floor in bare.items():
        ours = stage_cpu(result, stage)
        yield f"{stage:<22}{ours:>8.1f}{floor:>8.1f}{ours / floor:>8.2f}"
    others = [each for each in islice(Stage, 1, None) if each not in bare and each is not Stage.WAITING]
    yield f"{'all others':<22}{sum(stage_cpu(result, each) for each in others):>8.1f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/benchmark", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=100_000, help="of the largest run (default %(default)s)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw time and memory against the requests, as SVG")
    parser.add_argument(
        "--small", action="store_true", help="one size, and all else small: for trying the benchmark out"
    )
    parser.add_argument("--one", action="store_true", help="one run alone, with options of its own")
    return parser


if __name__ == "__main__":
    sys.exit(main())
