"""A run seen from another shell: the run's own screen, from its checkpoint and from what the service says.

Nothing is locked and nothing is written, so that watching disturbs nobody.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from rich.console import Console

from floridify_batch.cli.status import batches_of, flying, ledger_of
from floridify_batch.components.failure import Failure
from floridify_batch.display.output import LiveDisplay
from floridify_batch.display.summary import summary_panel
from floridify_batch.display.view import FINISHED_SHOWN, WORDS_SHOWN, Flight, RunView, Work, verdict
from floridify_batch.errors import BatchSynthError, UsageError
from floridify_batch.formatting import counted, to_type
from floridify_batch.providers.interface import BatchJob
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.driver import polled
from floridify_batch.run.event import Noticed, RunBegan, WordFailed
from floridify_batch.run.ledger import ChunkRecord, ChunkState, Ledger
from floridify_batch.run.resources import Secrets
from floridify_batch.timing import Clock, Sleep, utc_now

LOOK_EVERY = 2.0
"""Seconds between two looks at the checkpoint."""

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
    """A run as its ledger and the service's word on its batches show it.

    `before` is the view of the look before this one: rates are between two looks. `idle` is said where no process works
    on the run.
    """
    since = datetime.fromtimestamp(ledger.start_time, UTC)
    settings, samples = ledger.run.settings, tuple((examples or {}).values())
    mode = "immediate" if settings.immediate else "batch"
    began = RunBegan(ledger.run.id, settings.model, mode, False, ledger.totals(), ledger.failures(), samples, since)
    failed = list(ledger.failed_words.items())[-WORDS_SHOWN:]
    known = before.flights if before else {}
    view = replace(
        RunView().apply(began, since),
        watched=True,
        flights={each.number: _flight(each, known, jobs, now) for each in ledger.in_state(*_OPEN)},
        finished=tuple(map(_finished, [each for each in ledger.chunks if each.state not in _OPEN][-FINISHED_SHOWN:])),
        failed_words=tuple(WordFailed(*each) for each in failed),
    )
    if ledger.finished:
        ended = replace(view, complete=True, ended_at=datetime.fromisoformat(ledger.timestamp))
        return ended.doing(verdict(ended))
    return view.doing(idle) if idle else _busy(view, ledger)


def _flight(record: ChunkRecord, known: Mapping[int, Flight], jobs: Mapping[str, BatchJob], now: datetime) -> Flight:
    flight = known.get(record.number) or Flight(record.number, record.state)
    if flight.batch_id != record.batch_id:
        flight = Flight(record.number, record.state)
    flight = replace(flight, state=record.state, words=record.words, requests=record.requests, batch_id=record.batch_id)
    job = jobs.get(record.batch_id or "")
    return flight.poll(polled(record, job), now) if job else flight


def _finished(record: ChunkRecord) -> Flight:
    outcome = (record.answered, record.failed)
    return Flight(record.number, record.state, record.words, record.requests, record.batch_id, outcome=outcome)


def _busy(view: RunView, ledger: Ledger) -> RunView:
    """What the process that works on it is about, as far as its checkpoint tells."""
    for flight in view.flights.values():
        if flight.state == ChunkState.ANSWERED:
            return view.doing(f"Storing the answers of chunk {flight.chunk}")
        if flight.state == ChunkState.SUBMITTING:
            return view.doing(f"Sending chunk {flight.chunk}")
    if view.in_flight:
        return view.doing(f"Waiting for {counted(len(view.in_flight), 'batch', 'batches')}")
    return view.doing("Planning the list", Work(ledger.list_cursor, ledger.run.words, "words"))


# ── looking again and again ────────────────────────────────────────────────────────────────────────────────────────


class Watch:
    """A look at a checkpoint and its batches, repeated."""

    def __init__(self, checkpoint: Checkpoint, clock: Clock = utc_now) -> None:
        self._checkpoint = checkpoint
        self._clock = clock
        self._seen: object = None
        self._asked_at: datetime | None = None
        self._jobs: dict[str, BatchJob] = {}
        self._ledger = ledger_of(checkpoint)
        self._examples: Mapping[str, Failure] = {}
        self.view = RunView()

    @property
    def ledger(self) -> Ledger:
        """What the checkpoint held at the last look."""
        return self._ledger

    async def look(self, batches: OpenAIBatches | None) -> RunView:
        """The run as it is now; the service is asked at the run's own pace. Raises `CheckpointError`."""
        self._read()
        if batches is not None:
            await self._ask(batches)
        idle = f"Nobody is working on it; go on with: {to_type('resume', self._checkpoint.path)}"
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
        """Read the checkpoint again if it has been written since."""
        stat = self._checkpoint.path.stat()
        if (stat.st_mtime_ns, stat.st_ino) != self._seen:
            self._seen = (stat.st_mtime_ns, stat.st_ino)
            self._ledger = ledger_of(self._checkpoint)
            if self._ledger.failures().keys() - self._examples.keys():
                self._examples = {
                    kind: failure for kind, (_, failure) in self._checkpoint.failure_samples(self._ledger).items()
                }

    async def _ask(self, batches: OpenAIBatches) -> None:
        """Ask how the batches in flight stand; a service that does not answer is no reason to stop looking."""
        now, pace = self._clock(), max(LOOK_EVERY, self._ledger.run.settings.poll_interval)
        if self._asked_at is not None and (now - self._asked_at).total_seconds() < pace:
            return
        self._asked_at = now
        try:
            self._jobs = {each: await batches.retrieve(each) for each in flying(self._ledger)}
        except BatchSynthError:
            self._jobs = {}


async def watch(
    checkpoint: Checkpoint, secrets: Secrets, base_url: str | None, seconds: float, *, sleep: Sleep = asyncio.sleep
) -> int:
    """Show a run's own screen until the run has ended. Raises `UsageError` where there is no terminal."""
    console = Console()
    if not console.is_terminal:
        raise UsageError("There is no terminal to watch on; batch-synth status says once how things stand.")
    watched = Watch(checkpoint)
    async with _service(watched.ledger, checkpoint, secrets, base_url, seconds) as (batches, why_not):
        view = await watched.look(batches)
        with LiveDisplay(console, utc_now, view) as display:
            if why_not:
                display.notify(Noticed(f"Without the service's word on the batches in flight: {why_not}"))
            while display.view.ended_at is None:
                await sleep(LOOK_EVERY)
                display.show(await watched.look(batches))
    console.print(summary_panel(watched.view, utc_now(), width=console.width, forecast=watched.ledger.estimate))
    return 0


@asynccontextmanager
async def _service(
    ledger: Ledger, checkpoint: Checkpoint, secrets: Secrets, base_url: str | None, seconds: float
) -> AsyncIterator[tuple[OpenAIBatches | None, str | None]]:
    """The service, where the run uses one and it can be asked; else None, and why."""
    async with AsyncExitStack() as stack:
        if ledger.finished or ledger.run.settings.immediate:
            yield None, None
            return
        try:
            service = batches_of(ledger, checkpoint, secrets, base_url, seconds)
            batches = await stack.enter_async_context(service)
        except BatchSynthError as error:
            yield None, str(error)
            return
        yield batches, None
