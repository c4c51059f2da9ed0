"""The live screen of `status --watch`: a run seen from another process, through its checkpoint and the service.

It takes no lock and writes nothing, so that it cannot disturb the run.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from rich.console import Console

from floridify_batch.cli.context import ledger_of
from floridify_batch.cli.service import batches_in_flight, opened_batches_of
from floridify_batch.components.failure import Failure
from floridify_batch.display.output import LiveDisplay
from floridify_batch.display.summary import summary_panel
from floridify_batch.display.view import FINISHED_SHOWN, WORDS_SHOWN, BatchProgress, RunView, Work, verdict
from floridify_batch.errors import BatchSynthError, UsageError
from floridify_batch.formatting import counted, to_type
from floridify_batch.providers.interface import BatchJob
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.driver import polled
from floridify_batch.run.event import Notice, RunStarted, WordFailed
from floridify_batch.run.ledger import ChunkRecord, ChunkState, Ledger
from floridify_batch.run.resources import Secrets
from floridify_batch.timing import Clock, Sleep, utc_now

POLL_SECONDS = 2.0
"""Seconds between two reads of the checkpoint."""

_OPEN = (ChunkState.PLANNED, ChunkState.SUBMITTING, ChunkState.SUBMITTED, ChunkState.ANSWERED)


def view_of(
    ledger: Ledger,
    jobs: Mapping[str, BatchJob],
    now: datetime,
    *,
    before: RunView | None = None,
    examples: Mapping[str, Failure] | None = None,
    idle: str | None = None,
) -> RunView:
    """The view of a run from its ledger and from its batches at the service.

    `before` is the previous view, from which rates follow. `idle` is the activity where no process works on the run.
    """
    since = datetime.fromtimestamp(ledger.start_time, UTC)
    settings, samples = ledger.run.settings, tuple((examples or {}).values())
    mode = "immediate" if settings.immediate else "batch"
    totals, failures = ledger.totals(), ledger.failures()
    began = RunStarted(
        ledger.run.id, settings.model, mode, False, totals, failures, samples, since, settings.in_sandbox
    )
    missing = list(ledger.missing.items())[-WORDS_SHOWN:]
    known = before.batches if before else {}
    view = replace(
        RunView().apply(began, since),
        watched=True,
        batches={each.number: _progress_of(each, known, jobs, now) for each in ledger.in_state(*_OPEN)},
        finished=tuple(map(_finished, [each for each in ledger.chunks if each.state not in _OPEN][-FINISHED_SHOWN:])),
        failed_words=tuple(WordFailed(word, why, word in ledger.incomplete_words) for word, why in missing),
    )
    view = view.advanced(before.percent if before else 0)
    if ledger.finished:
        ended = replace(view, complete=True, ended_at=datetime.fromisoformat(ledger.timestamp))
        return ended.with_activity(verdict(ended))
    return view.with_activity(idle) if idle else _busy(view, ledger)


def _progress_of(
    record: ChunkRecord, known: Mapping[int, BatchProgress], jobs: Mapping[str, BatchJob], now: datetime
) -> BatchProgress:
    batch = known.get(record.number) or BatchProgress(record.number, record.state)
    if batch.batch_id != record.batch_id:
        batch = BatchProgress(record.number, record.state)
    batch = replace(batch, state=record.state, words=record.words, requests=record.requests, batch_id=record.batch_id)
    job = jobs.get(record.batch_id or "")
    return batch.poll(polled(record, job), now) if job else batch


def _finished(record: ChunkRecord) -> BatchProgress:
    outcome = (record.answered, record.failed)
    return BatchProgress(record.number, record.state, record.words, record.requests, record.batch_id, outcome=outcome)


def _busy(view: RunView, ledger: Ledger) -> RunView:
    """The view with the activity of the run's process, as far as its checkpoint shows it."""
    for batch in view.batches.values():
        if batch.state == ChunkState.ANSWERED:
            return view.with_activity(f"Storing results of batch {batch.chunk}")
        if batch.state == ChunkState.SUBMITTING:
            return view.with_activity(f"Submitting batch {batch.chunk}")
    if view.in_flight:
        return view.with_activity(f"Waiting for {counted(len(view.in_flight), 'batch', 'batches')}")
    return view.with_activity("Planning words", Work(ledger.list_cursor, ledger.run.words, "words"))


# ── polling ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Watch:
    """A poller of a checkpoint and its batches."""

    def __init__(self, checkpoint: Checkpoint, clock: Clock = utc_now) -> None:
        self._checkpoint = checkpoint
        self._clock = clock
        self._seen: object = None
        self._polled_at: datetime | None = None
        self._jobs: dict[str, BatchJob] = {}
        self._ledger = ledger_of(checkpoint)
        self._examples: Mapping[str, Failure] = {}
        self.view = RunView()

    @property
    def ledger(self) -> Ledger:
        """The ledger at the last poll."""
        return self._ledger

    async def poll(self, batches: OpenAIBatches | None) -> RunView:
        """The present view; the service is polled at the run's own interval. Raises `CheckpointError`."""
        self._read()
        if batches is not None:
            await self._poll(batches)
        idle = f"Not running; resume with: {to_type('resume', self._checkpoint.path)}"
        self.view = view_of(
            self._ledger,
            self._jobs,
            self._clock(),
            before=self.view,
            examples=self._examples,
            idle=None if self._checkpoint.is_held() else idle,
        )
        return self.view

    def _read(self) -> None:
        """Read the checkpoint where it has changed."""
        stat = self._checkpoint.path.stat()
        if (stat.st_mtime_ns, stat.st_ino) != self._seen:
            self._seen = (stat.st_mtime_ns, stat.st_ino)
            self._ledger = ledger_of(self._checkpoint)
            if self._ledger.failures().keys() - self._examples.keys():
                self._examples = {
                    kind: failure for kind, (_, failure) in self._checkpoint.failure_samples(self._ledger).items()
                }

    async def _poll(self, batches: OpenAIBatches) -> None:
        """Poll the batches in flight; an unreachable service does not end the watch."""
        now, interval = self._clock(), max(POLL_SECONDS, self._ledger.run.settings.poll_interval)
        if self._polled_at is not None and (now - self._polled_at).total_seconds() < interval:
            return
        self._polled_at = now
        try:
            self._jobs = {each: await batches.retrieve(each) for each in batches_in_flight(self._ledger)}
        except BatchSynthError:
            self._jobs = {}


async def watch(checkpoint: Checkpoint, secrets: Secrets, seconds: float, *, sleep: Sleep = asyncio.sleep) -> None:
    """Show the live screen of a run until it ends. Raises `UsageError` outside a terminal."""
    console = Console()
    if not console.is_terminal:
        raise UsageError("--watch needs a terminal; run batch-synth status without it.")
    watched = Watch(checkpoint)
    async with _service(watched.ledger, checkpoint, secrets, seconds) as (batches, unavailable):
        view = await watched.poll(batches)
        with LiveDisplay(console, utc_now, view) as display:
            if unavailable:
                display.notify(Notice(f"The status of the batches in flight is unavailable: {unavailable}"))
            while display.view.ended_at is None:
                await sleep(POLL_SECONDS)
                display.show(await watched.poll(batches))
    console.print(summary_panel(watched.view, utc_now(), width=console.width, forecast=watched.ledger.estimate))


@asynccontextmanager
async def _service(
    ledger: Ledger, checkpoint: Checkpoint, secrets: Secrets, seconds: float
) -> AsyncIterator[tuple[OpenAIBatches | None, str | None]]:
    """The service, where the run uses one and it is reachable; else None, and the reason."""
    async with AsyncExitStack() as stack:
        if ledger.finished or ledger.run.settings.immediate:
            yield None, None
            return
        try:
            service = opened_batches_of(ledger, checkpoint, secrets, None, seconds)
            batches = await stack.enter_async_context(service)
        except BatchSynthError as error:
            yield None, str(error)
            return
        yield batches, None
