"""The measured process: a run assembled as the command does it, with a stopwatch.

Every measurement starts a new process, so that memory and CPU time are those of one run.
"""

import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import orjson

from scripts.benchmarks.stage import Stage, StageObserver, Stopwatch, TimedStore, peak_memory, present_memory

if TYPE_CHECKING:
    from floridify_batch.pipeline.estimate import Estimate
    from floridify_batch.run.run_settings import RunSettings
    from floridify_batch.run.state import Run

POLL_INTERVAL = 0.5
"""Seconds between polls; shorter than in a run, since waiting is not measured."""


@dataclass(frozen=True, slots=True)
class Order:
    """Parameters of a measurement. `began` is the `perf_counter` at the start, which processes share."""

    folder: str
    began: float
    mongo_url: str
    database: str
    service_url: str
    components: tuple[str, ...]
    answers: str
    pack: int
    model: str
    batch_size: int | None
    workers: int
    profiled: bool

    @property
    def words_file(self) -> Path:
        """The word list."""
        return Path(self.folder, "words.txt")

    @property
    def result_file(self) -> Path:
        """Return the path of the result."""
        return Path(self.folder, "result.json")

    def profile_file(self, stage: str) -> Path:
        """Return the path of a stage's profile."""
        return Path(self.folder, f"{stage.replace(' ', '')}.pstats")


def main(text: str) -> None:
    """Measure one run and write the result."""
    data = orjson.loads(text)
    order = Order(**data | {"components": tuple(data["components"])})
    watch = Stopwatch(order.began, order.profiled)
    with Path(order.folder, "run.log").open("w", encoding="utf-8") as log:
        found = asyncio.run(_measure(order, log, watch))
    watch.stop()
    rows = [asdict(spent) | {"stage": stage, "part": part} for (stage, part), spent in watch.spent.items()]
    order.result_file.write_bytes(orjson.dumps(found | {"rows": rows, "peak": peak_memory()}))
    for stage, profile in watch.profiles.items():
        profile.dump_stats(order.profile_file(stage))


async def _measure(order: Order, log: TextIO, watch: Stopwatch) -> dict[str, Any]:
    from floridify_batch.cli.session import Notifier, Session, opened_resources
    from floridify_batch.costs.tokenizer import count_tokens
    from floridify_batch.run.checkpoint import Checkpoint
    from floridify_batch.run.resources import Secrets

    imported = present_memory()
    place = Checkpoint(Path(order.folder, "run.checkpoint.json"))
    place.create_folder()
    session = Session(place, Secrets("sandbox"), sandbox_seconds=0, yes=True, wait=True)
    settings = _settings(order)
    async with AsyncExitStack() as stack:
        stack.enter_context(place.locked())
        resources = opened_resources(settings, session, Notifier())
        store, batches = await stack.enter_async_context(resources)
        await store.ensure_indexes()
        count_tokens("The ranks load now, so that no stage has them to its account.")
        ready = present_memory()
        run, estimate = await _prepared(settings, place, TimedStore(store, watch), batches, watch)
        await _driven(run, log, watch)
    return {"imported": imported, "ready": ready} | _figures(run, estimate)


def _settings(order: Order) -> "RunSettings":
    from floridify_batch.costs.answer_length import AnswerShape
    from floridify_batch.run.run_settings import RunSettings

    return RunSettings(
        words_file=str(order.words_file),
        components=order.components,
        answers=AnswerShape(order.answers),
        pack=order.pack,
        model=order.model,
        language="en",
        force=False,
        immediate=False,
        batch_size=order.batch_size,
        workers=order.workers,
        max_attempts=3,
        poll_interval=POLL_INTERVAL,
        database=order.database,
        mongo_url=order.mongo_url,
        base_url=order.service_url,
        sandbox=False,
    )


async def _prepared(
    settings: "RunSettings", place: Any, store: TimedStore, batches: Any, watch: Stopwatch
) -> "tuple[Run, Estimate]":
    """Perform the command's steps up to the confirmation, and return the run."""
    from floridify_batch.pipeline.chunk import Limits
    from floridify_batch.pipeline.workload import Workload
    from floridify_batch.run.run_settings import RunSpec
    from floridify_batch.run.state import begin_run
    from floridify_batch.words.word_list import read_word_list

    listed = read_word_list(Path(settings.words_file))
    spec = RunSpec.of(settings, listed.words)
    watch.at(Stage.ESTIMATING)
    survey = Workload(spec.brief, settings.language, settings.model, Limits(words=settings.batch_size))
    estimate = await survey.of(listed.words, store, lambda _, __: None)
    run = await begin_run(spec, place, batches, store)
    run.sleep = watch.sleep
    return run, estimate


async def _driven(run: "Run", log: TextIO, watch: Stopwatch) -> None:
    from floridify_batch.display.log_output import LogDisplay
    from floridify_batch.run.driver import Driver
    from floridify_batch.run.worker import opened_worker_pool
    from floridify_batch.timing import utc_now

    run.observer = StageObserver(watch, LogDisplay(log, utc_now))
    with opened_worker_pool(run.ledger.run, run.brief) as run.pool:
        await Driver(run).process()


def _figures(run: "Run", estimate: "Estimate") -> dict[str, Any]:
    totals, expected = run.ledger.totals(), estimate.total
    cost = estimate.cost(estimate.wholes(), batch=bool(run.batches.capabilities.discount))
    return {
        "words": totals.words,
        "processed_words": totals.processed,
        "failed_words": totals.failed,
        "requests": totals.requests,
        "answered": totals.answered,
        "failed": totals.failed_requests,
        "chunks": len(run.ledger.chunks),
        "estimated": {"requests": expected.requests, "input": expected.input_tokens, "output": expected.output_tokens},
        "estimated_cost": None if cost is None else float(cost),
        "billed": {"requests": totals.answered, "input": totals.usage.input, "output": totals.usage.output},
        "billed_cost": None if totals.cost is None else float(totals.cost),
    }


if __name__ == "__main__":
    main(sys.argv[1])
