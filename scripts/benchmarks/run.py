"""`scripts/benchmark --one`: CPU time and memory per request, from the word list to the database.

The sandbox, the MongoDB server and this script are separate processes, so that the figures are those of the run alone.
The requests are real ones, except that the sandbox answers them, immediately and free of charge.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from secrets import token_hex
from time import perf_counter
from typing import Any

import httpx2
import orjson

from floridify_batch.costs.answer_length import AnswerShape
from floridify_batch.database.server import local_mongod
from floridify_batch.sandbox.process import running_sandbox
from scripts.benchmarks.data import COMPONENTS, DEFINITIONS_PER_WORD, REQUESTS_PER_WORD, counts, drop, seed, write_list
from scripts.benchmarks.measurement import Order
from scripts.benchmarks.report import profile_report, report
from scripts.benchmarks.stage import Stage

_MODEL = "gpt-6-luna"
_PROFILED = (Stage.ESTIMATING, Stage.BUILDING, Stage.DOWNLOADING, Stage.STORING, Stage.RETURNING)
"""The stages that take longer the more requests there are."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    say = (lambda _: None) if options.json else print
    with _folder(options.keep, say) as folder, _mongo(options.mongo_url, folder) as mongo_url:
        order, result = _run(options, folder, mongo_url, say)
        _show(order, result, as_json=options.json)
    return 0 if result["answered"] == result["requests"] else 1


def measured_run(requests: int, mongo_url: str, *more: str) -> dict[str, Any]:
    """Measure a run with a number of requests, and with more of the options of `--one`."""
    with _folder(None, print) as folder:
        options = _parser().parse_args([f"--requests={requests}", *more])
        _, result = _run(options, folder, mongo_url, lambda _: None)
    return result


def _run(options: Any, folder: Path, mongo_url: str, say: Any) -> tuple[Order, dict[str, Any]]:
    """Measure one run in its own database; return its parameters and its result."""
    words = max(1, -(-options.requests // (DEFINITIONS_PER_WORD * options.components)))
    database = f"benchmark_{token_hex(4)}_sandbox"
    write_list(folder / "words.txt", words)
    seed(mongo_url, database, words)
    say(f"{words:,} words, {DEFINITIONS_PER_WORD} definitions each, {options.components} components of each:")
    try:
        with running_sandbox(folder / "sandbox", seconds=0, validating_seconds=0, fast=True) as service_url:
            order = _order(options, folder, mongo_url, database, service_url)
            result = _measured(order) | {"service": _stats(service_url), "documents": counts(mongo_url, database)}
    finally:
        if not options.keep:
            drop(mongo_url, database)
    return order, result


def _order(options: Any, folder: Path, mongo_url: str, database: str, service_url: str) -> Order:
    return Order(
        folder=str(folder),
        began=perf_counter(),
        mongo_url=mongo_url,
        database=database,
        service_url=service_url,
        components=COMPONENTS[: options.components],
        answers=options.answers,
        pack=options.pack,
        model=_MODEL,
        batch_size=options.batch_size,
        workers=options.workers,
        profiled=options.profile,
    )


def _measured(order: Order) -> dict[str, Any]:
    """Return the measurements of a fresh process."""
    command = [sys.executable, "-m", "scripts.benchmarks.measurement", orjson.dumps(asdict(order)).decode()]
    subprocess.run(command, check=True)
    found: dict[str, Any] = orjson.loads(order.result_file.read_bytes())
    return found


def _stats(service_url: str) -> dict[str, Any]:
    """Return the sandbox's counts."""
    reply = httpx2.get(service_url.removesuffix("/v1") + "/sandbox/stats", timeout=60).raise_for_status()
    stats: dict[str, Any] = reply.json()
    return stats


def _show(order: Order, result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(orjson.dumps(result).decode())
        return
    print(report(result))
    if order.profiled:
        profiles = {str(stage): order.profile_file(stage) for stage in _PROFILED}
        print("\n" + profile_report(profiles, result["requests"]))


# ── what it needs ──────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _folder(keep: Path | None, say: Any) -> Iterator[Path]:
    """Yield the working folder: a given one, or a temporary one."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="batch-synth-benchmark-") as name:
            yield Path(name)
        return
    keep.mkdir(parents=True, exist_ok=True)
    yield Path(tempfile.mkdtemp(prefix="benchmark-", dir=keep))
    say(f"Everything is kept in {keep}.")


@contextmanager
def _mongo(url: str | None, folder: Path) -> Iterator[str]:
    """Yield the address of a MongoDB server: a given one, or a local one."""
    if url is not None:
        yield url
        return
    with local_mongod(folder / "mongodb") as server:
        yield server.url


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/benchmark --one", description=__doc__)
    add = parser.add_argument
    add("--requests", type=int, default=30_000, help=f"{REQUESTS_PER_WORD} per word (default %(default)s)")
    add("--components", type=int, default=len(COMPONENTS), metavar="N", help="of each definition (default %(default)s)")
    add("--answers", choices=list(AnswerShape), default=AnswerShape.FULL, help="their shape (default %(default)s)")
    add("--pack", type=int, default=1, metavar="N", help="definitions per request (default %(default)s)")
    add("--batch-size", type=int, help="words per batch (default: as many as the service takes)")
    add("--workers", type=int, default=1, help="for the pure stages; the CPU time of processes is not counted")
    add("--profile", action="store_true", help="profile each stage; the times are longer then")
    add("--keep", type=Path, metavar="FOLDER", help="keep the database and all files in a new folder inside this one")
    add("--mongo-url", help="use this server, and remove the database afterwards (default: one of its own)")
    add("--json", action="store_true", help="print everything that was measured as one line of JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
