"""Throughput of the pure stages with worker pools, from files to files, without servers.

The first file holds pages of words with their entries; planning turns them into the lines of a batch file. Settling
turns answers to these lines into changes. This process and pools of one, two … processes read the same files and write
identical ones, which is checked.
"""

import asyncio
import os
import pickle
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import batched
from pathlib import Path
from time import perf_counter, process_time

import orjson

from floridify_batch.components.failure import FailureReason, Unanswered
from floridify_batch.costs.price import Bills
from floridify_batch.files import ChunkFolder
from floridify_batch.pipeline.change_derivation import Origin, PageToSettle, settle_words
from floridify_batch.pipeline.chunk import Planned, expected_pages, lines_of
from floridify_batch.pipeline.plan import PAGE_WORDS, PageToPlan, WordToPlan, plan_words
from floridify_batch.pipeline.settlement import AnswerIndex
from floridify_batch.run.result_collection import STORE_PAGE_WORDS, indexed
from floridify_batch.run.run_settings import RunInfo, RunSettings, brief_of
from floridify_batch.run.worker import (
    ExecutorPool,
    InProcess,
    LocalProcesses,
    WorkerPool,
    map_in_order,
    tune_garbage_collection,
)
from floridify_batch.sandbox.reply import completion, reply
from floridify_batch.words.entry import Definition, Entry, Word, derived_id
from scripts.benchmarks.data import COMPONENTS, REQUESTS_PER_WORD, senses, word

_RUN = "benchmark"
_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_ORIGIN = Origin(_RUN, "batch_1", _NOON, _NOON, "gpt-6-luna", "batch", "en")
_REST = Unanswered(FailureReason.MISSING, "no answer file of the batch holds it")


@dataclass(frozen=True, slots=True)
class Pace:
    """Speed of a pool: wall-clock seconds, and CPU seconds of the driver."""

    workers: int
    requests: int
    planning: float
    settling: float
    driver: float
    digest: str

    @property
    def total(self) -> float:
        """Seconds by the clock."""
        return self.planning + self.settling


def measure(folder: Path, words: int, workers: Sequence[int]) -> list[Pace]:
    """Measure each number of workers; 0 stands for this process."""
    info = _info()
    tune_garbage_collection()
    _write_entries(folder / "entries.pickle", words)
    paces = [asyncio.run(_measured(folder, info, 0, InProcess(brief_of(info.settings, _RUN))))]
    pools = ((count, ExecutorPool(info, LocalProcesses(count))) for count in workers)
    return [*paces, *(asyncio.run(_measured(folder, info, count, pool)) for count, pool in pools)]


def pace_report(paces: Sequence[Pace]) -> str:
    """Return the speeds as a table, relative to the first row, which is `--workers 1`."""
    head = f"{'workers':<10}{'requests/s':>12}{'times':>8}{'plan µs':>10}{'settle µs':>11}{'driver CPU µs':>15}"
    lines = [head]
    for pace in paces:
        each = pace.requests / 10**6
        lines.append(
            f"{pace.workers or 1:<10}{pace.requests / pace.total:>12,.0f}{paces[0].total / pace.total:>8.2f}"
            f"{pace.planning / each:>10.1f}{pace.settling / each:>11.1f}{pace.driver / each:>15.1f}"
        )
    same = len({pace.digest for pace in paces}) == 1
    return "\n".join([*lines, f"The same files, byte for byte: {'yes' if same else 'NO'}"])


def settings_of_benchmark() -> RunSettings:
    """The settings of every run that is measured here."""
    return RunSettings(
        words_file="words.txt",
        components=COMPONENTS,
        model=_ORIGIN.model,
        language="en",
        force=False,
        immediate=False,
        batch_size=None,
        max_attempts=3,
        poll_interval=60,
        database="",
        mongo_url=None,
        base_url=None,
        sandbox=False,
    )


def _info() -> RunInfo:
    settings = settings_of_benchmark()
    digest = brief_of(settings, _RUN).template_digest
    return RunInfo(id=_RUN, settings=settings, words=0, list_digest="", template_digest=digest)


# ── the files ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _write_entries(path: Path, words: int) -> None:
    with path.open("wb") as out:
        for page in batched(range(words), STORE_PAGE_WORDS):
            pickle.dump([(number, [_entry(number)]) for number in page], out)


def _entry(number: int) -> Entry:
    text = word(number)
    definitions = tuple(
        Definition(derived_id("definition", number, part_of_speech), part_of_speech, sense, providers=["wiktionary"])
        for part_of_speech, sense in senses(text)
    )
    return Entry(Word(derived_id("word", number), text, "en"), definitions, sources=definitions)


def pages(path: Path) -> Iterator[list[tuple[int, list[Entry]]]]:
    """The pages of words, each with its number and its entries."""
    with path.open("rb") as pages:
        while pages.peek(1):
            yield pickle.load(pages)  # noqa: S301  written by this script a moment ago


def _write_answers(requests: Path, output: Path) -> None:
    """Answers as the service writes them."""
    if output.exists():
        return
    with requests.open("rb") as lines, output.open("wb") as out:
        for number, line in enumerate(lines):
            request = orjson.loads(line)
            body = completion(request["body"], reply(request["body"], 300, fast=True), str(number), 0)
            response = {"status_code": 200, "request_id": f"req_{number}", "body": body}
            answer = {"id": f"batch_req_{number}", "custom_id": request["custom_id"], "response": response}
            out.write(orjson.dumps(answer | {"error": None}) + b"\n")


# ── the walk ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def _measured(folder: Path, info: RunInfo, workers: int, pool: WorkerPool) -> Pace:
    await _warmed_up(folder, workers, pool)
    wall, cpu = perf_counter(), process_time()
    requests = await _plan(folder, pool)
    planned = perf_counter()
    driver = process_time() - cpu
    _write_answers(folder / "requests.jsonl", folder / "output.jsonl")
    settling, cpu = perf_counter(), process_time()
    await _settle(folder, info, pool)
    ended = perf_counter()
    driver += process_time() - cpu
    pool.close()
    names = ("requests.jsonl", "expected.jsonl", "writes.jsonl", "failures.jsonl")
    digest = blake2b(b"".join(blake2b((folder / name).read_bytes()).digest() for name in names)).hexdigest()
    return Pace(workers, requests, planned - wall, ended - settling, driver, digest)


async def _warmed_up(folder: Path, workers: int, pool: WorkerPool) -> None:
    """Start all workers and load their data before the measurement."""
    words = [WordToPlan(0, [_entry(0)], {})] * 200
    for _ in range(1 + workers):
        begun = [pool.begin(plan_words, PageToPlan(words, str(folder))) for _ in range(1 + 2 * workers)]
        for page in await asyncio.gather(*begun):
            os.unlink(page.piece)  # noqa: PTH108  the clock does not run yet


async def _plan(folder: Path, pool: WorkerPool) -> int:
    async def given() -> AsyncIterator[PageToPlan]:
        per_piece = PAGE_WORDS // STORE_PAGE_WORDS
        for some in batched(pages(folder / "entries.pickle"), per_piece):
            words = [WordToPlan(ordinal, entries, {}) for page in some for ordinal, entries in page]
            yield PageToPlan(words, str(folder))

    requests = 0
    with (folder / "requests.jsonl").open("wb") as lines, (folder / "expected.jsonl").open("wb") as expected:
        async with aclosing(map_in_order(pool, plan_words, given())) as planned:
            async for page in planned:
                piece = Path(page.piece)
                for each in page.words:
                    if not isinstance(each, Planned):
                        raise TypeError(f"word {each.ordinal} has nothing to ask")
                    lines.write(lines_of(each, piece))
                    expected.write(each.expected)
                    requests += each.size.requests
                os.unlink(piece)  # noqa: PTH108  a moment, and not worth a thread
    return requests


async def _settle(folder: Path, info: RunInfo, pool: WorkerPool) -> None:
    paths = [folder / "output.jsonl"]
    index = await indexed(pool, paths, Bills(info.settings.model, batch=True))
    with (folder / "writes.jsonl").open("wb") as out, (folder / "failures.jsonl").open("wb") as failures:
        async with aclosing(map_in_order(pool, settle_words, _answered(folder, paths, index))) as settled:
            async for page in settled:
                out.write(orjson.dumps(page.writes, default=tuple, option=_LINE))
                failures.write(page.failures)


_LINE = orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE


async def _answered(folder: Path, paths: Sequence[Path], index: AnswerIndex) -> AsyncIterator[PageToSettle]:
    asked = zip(expected_pages(ChunkFolder(folder), STORE_PAGE_WORDS), pages(folder / "entries.pickle"), strict=True)
    for page, stored in asked:
        yield PageToSettle(
            page.expected,
            [index.places.get(each.custom_id) for each in page.expected],
            [str(path) for path in paths],
            [entries for _, entries in stored],
            _REST,
            _ORIGIN,
        )


if __name__ == "__main__":
    import sys
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        count = int(sys.argv[1]) // REQUESTS_PER_WORD
        print(pace_report(measure(Path(name), count, [2])))
