"""The driver of a run: plans, submits, polls and collects until nothing remains or it is stopped.

It is control flow only: `pipeline.plan` decides on the requests, `pipeline.settlement` on their outcomes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from enum import Enum, auto
from functools import partial
from math import inf
from typing import NoReturn

from floridify_batch.errors import FileDamaged, ServiceError, UnknownBatch, concerns_one_batch
from floridify_batch.providers.interface import BatchJob
from floridify_batch.providers.transfer import refusal
from floridify_batch.retry import FULL_QUEUE, UNSENT_PATIENCE
from floridify_batch.run.budget import CostLimit, cost_limit_of, limit_reached
from floridify_batch.run.chunk_split import split
from floridify_batch.run.event import BatchPolled, Notice, RunEnded, RunStarted
from floridify_batch.run.feeder import Feeder
from floridify_batch.run.isolation import Isolation
from floridify_batch.run.ledger import ChunkRecord, ChunkState
from floridify_batch.run.missing_batch import MissingBatches, adopt_renamed, is_denial, polled_batch, uncancelled
from floridify_batch.run.preflight import preflight
from floridify_batch.run.result_collection import fetch, give_up_batch, store
from floridify_batch.run.state import Run
from floridify_batch.run.submission import Submitter, follow_duplicates, look_for_duplicates, submission_of

GRACE = 10.0
"""Seconds for which a stopped driver continues a submission before it leaves the batch to be found by `resume`."""

STORE_GRACE = 1.0
"""Seconds for which a driver that is stopped goes on storing a batch; the next session stores the rest."""

_CANCEL_TIMEOUT = 1.0
"""Seconds that a cancelled operation has to close its files."""

_REMINDER = 3600.0
"""Seconds between two notices of an undocumented status."""


class StopReason(Enum):
    """The reason why a driver returned."""

    FINISHED = auto()
    """Every word of the list is processed or failed."""
    IN_FLIGHT = auto()
    """Batches are in flight, and the driver was not to wait."""
    STOPPED = auto()
    """Stopped on request; everything is on disk."""
    CANCELLED = auto()
    """Cancelled on request: nothing is in flight any more, and words remain."""
    COST_LIMIT = auto()
    """The next chunk would exceed `--max-cost`; everything before it is stored."""


class Driver:
    """Drives a run to its end, from any state of its ledger."""

    def __init__(self, run: Run, *, grace: float = GRACE) -> None:
        self._run = run
        self._submitter = Submitter(run, self._in_flight)
        self._grace = grace
        settings = run.ledger.run.settings
        # One file at a time in immediate mode: the connector keeps enough requests in flight.
        self._max_batches = 1 if settings.immediate else settings.max_batches
        self._max_queued_tokens = None if settings.immediate else settings.max_queued_tokens
        self._cancelling = False
        self._denials = MissingBatches(run)
        self._isolation = Isolation(run)
        self._noticed: dict[tuple[str, str], float] = {}
        self._stop = asyncio.Event()
        self._queue_is_full = False
        self._full = self._rested = 1
        self._over_limit = self._limit_reported = False

    def stop(self) -> None:
        """Request a graceful stop: the driver finishes its present step and returns."""
        self._stop.set()

    async def process(self, *, wait: bool = True, give_up: Collection[str] = ()) -> StopReason:
        """Run until all words are finished; without `wait`, make one pass. `give_up`: ids of batches to give up.

        Raises `ServiceError`, `DatabaseError`, `CheckpointError` or `PartialFailure`, each with a ledger that can be
        resumed from.
        """
        self._denials.waits = wait
        return await self._run_session(partial(self._work, wait=wait, give_up=give_up))

    async def cancel_batches(self) -> StopReason:
        """Cancel the batches in flight, wait until they have ended, and store their finished answers; submit nothing.

        Raises what `process` raises.
        """
        return await self._run_session(self._cancel_all)

    async def _run_session(self, work: Callable[[Feeder], Awaitable[StopReason]]) -> StopReason:
        """Run, from the first event to the last."""
        run = self._run
        run.observer.notify(
            RunStarted(
                run.ledger.run.id,
                run.ledger.run.settings.model,
                run.mode,
                bool(run.ledger.chunks),
                run.ledger.totals(),
                run.ledger.failures(),
                tuple(failure for _, failure in run.checkpoint.failure_samples(run.ledger).values()),
                run.started,
                run.ledger.run.settings.in_sandbox,
            )
        )
        feeder = Feeder(run, self._stop.is_set, self._isolation)
        try:
            reason = await work(feeder)
        finally:
            feeder.close()
        run.save()
        run.checkpoint.tidy(run.ledger)
        run.observer.notify(RunEnded(reason is StopReason.FINISHED, reason is StopReason.STOPPED, run.ledger.totals()))
        return reason

    async def _work(self, feeder: Feeder, *, wait: bool, give_up: Collection[str]) -> StopReason:
        await self._store_answered(feeder)
        await self._give_up(feeder, give_up)
        await self._unless_stopped(preflight(self._run, feeder))
        await self._poll(feeder)
        until = self._now() + UNSENT_PATIENCE
        while not self._stop.is_set():
            await self._submit_what_fits(feeder)
            if self._stop.is_set():
                break
            if not (self._is_unfinished() or self._isolation):
                return StopReason.FINISHED
            if self._is_stuck():
                await feeder.finish_returned()
                self._raise_deferred()
            if self._over_limit and not self._in_flight() and not self._submitter.waiting:
                await feeder.finish_returned()
                return StopReason.COST_LIMIT
            if not wait and not self._creates_by(until):
                return StopReason.IN_FLIGHT
            await self._pause()
            self._try_again()
            await self._poll(feeder)
        return StopReason.STOPPED

    async def _cancel_all(self, feeder: Feeder) -> StopReason:
        self._cancelling = True
        await self._store_answered(feeder)
        for record in list(self._run.ledger.in_state(ChunkState.SUBMITTING)):
            await self._unless_stopped(self._submitter.adopt(record))
        refusals = [await self._cancel(record) for record in list(self._run.ledger.in_state(ChunkState.SUBMITTED))]
        refused = next(filter(None, refusals), None)
        await self._poll(feeder)
        while self._in_flight() and not self._stop.is_set() and refused is None:
            await self._pause()
            await self._poll(feeder)
        await feeder.finish_returned()
        if self._stop.is_set():
            return StopReason.STOPPED
        if self._in_flight() and refused is not None:
            raise refused
        if self._denials.final or self._isolation:
            self._raise_deferred()
        return StopReason.FINISHED if self._run.ledger.finished else StopReason.CANCELLED

    def _in_flight(self) -> int:
        """The number of batches in flight that this session still polls."""
        return self._run.in_flight() - self._denials.final - self._isolation.in_flight

    async def _cancel(self, record: ChunkRecord) -> ServiceError | None:
        """Cancel the batch of a chunk; return the error if the service refuses that."""
        try:
            await self._unless_stopped(self._run.batches.cancel(record.batch_id or ""))
        except UnknownBatch:  # the next poll handles it
            return None
        except ServiceError as error:
            if not concerns_one_batch(error):
                raise
            return uncancelled(record, error)
        return None

    def _is_unfinished(self) -> bool:
        """Whether any chunk still awaits its outcome."""
        return any(record.state is not ChunkState.DONE for record in self._run.ledger.chunks)

    async def _store_answered(self, feeder: Feeder) -> None:
        """Store chunks whose answers an earlier session had downloaded."""
        for record in list(self._run.ledger.in_state(ChunkState.ANSWERED, ChunkState.LOST)):
            if self._stop.is_set():
                return
            await self._stored(feeder, record, store(self._run, record))

    async def _stored(self, feeder: Feeder, record: ChunkRecord, storing: Awaitable[ChunkRecord]) -> ChunkRecord | None:
        """Store a chunk and return its words to the feeder; None if it is left for later, or the driver is stopped."""
        try:
            after = await self._unless_stopped(storing, STORE_GRACE)
        except Exception as error:
            if self._run.ledger.chunk(record.number).state not in (ChunkState.ANSWERED, ChunkState.LOST):
                raise
            self._isolation.defer_chunk(record, error)
            return None
        if after is not None:
            self._isolation.succeeded(record)
            feeder.return_chunk(after)
        return after

    async def _submit_what_fits(self, feeder: Feeder) -> None:
        """Submit chunks while the limits on batches in flight allow it and requests remain."""
        run = self._run
        while not self._stop.is_set():
            begun = self._submitter.due(self._isolation)
            if begun is None and (
                self._queue_is_full or self._in_flight() + self._submitter.waiting >= self._max_batches
            ):
                return
            record = begun or await self._next(feeder)
            if record is None:
                return
            try:
                await self._submit(record)
            except FileDamaged as error:
                self._isolation.defer_chunk(record, error)
                continue
            after = run.ledger.chunk(record.number)
            if after.state is ChunkState.SUBMITTED:
                self._denials.note_found(after.batch_id or "")
            elif after.state is ChunkState.PLANNED:
                self._queue_is_full = True
            elif after.state is ChunkState.SPLIT:
                feeder.return_chunk(after)

    async def _submit(self, record: ChunkRecord) -> None:
        """Submit a chunk, with retries through outages of any length; a stopped driver leaves it unchanged on disk."""
        await self._unless_stopped(self._submitter.submit(record), self._grace)

    async def _next(self, feeder: Feeder) -> ChunkRecord | None:
        """Return the next chunk if the limits on queued tokens and cost admit it."""
        run, cost_limit = self._run, cost_limit_of(self._run.ledger)
        self._over_limit = False
        planned = (each for each in run.ledger.in_state(ChunkState.PLANNED) if each.number not in self._isolation)
        record = next(planned, None)
        if record and await self._must_be_replanned(record, cost_limit):
            try:
                feeder.return_chunk(split(run, record))
            except FileDamaged as error:
                self._isolation.defer_chunk(record, error)
            return await self._next(feeder)
        if record is None:
            if cost_limit and cost_limit.nearly_spent and self._in_flight():
                return None  # batches in flight may cost less than expected and leave enough budget for a chunk
            run.budget = cost_limit.budget() if cost_limit else None
            record = await feeder.next_chunk(alone=not self._in_flight())
        if record is None or not self._may_queue(record):
            return None
        self._over_limit = cost_limit is not None and not cost_limit.admits(record)
        if self._over_limit:
            self._report_cost_limit()
            return None
        return record

    async def _must_be_replanned(self, record: ChunkRecord, cost_limit: CostLimit | None) -> bool:
        """Whether to plan a chunk without a batch again, for a changed model, cost limit or token limit."""
        run, limit = self._run, self._run.ledger.token_limit
        too_long = limit is not None and record.input_tokens > limit
        dear = cost_limit is not None and not (self._in_flight() or record.submission or cost_limit.would_cut(record))
        if not run.ledger.is_outdated(record) and (record.words == 1 or not (too_long or dear)):
            return False
        # After an older checkpoint was restored, this chunk may have been sent before.
        return (await run.batches.find(submission_of(run, record))).job is None

    def _report_cost_limit(self) -> None:
        sentence = limit_reached(self._run.ledger)
        if sentence and not self._limit_reported:
            self._run.observer.notify(Notice(sentence))
        self._limit_reported = True

    def _may_queue(self, record: ChunkRecord) -> bool:
        """Whether the limit on queued tokens admits a chunk; a chunk alone is always admitted, since none is made
        smaller.
        """
        if self._max_queued_tokens is None or not self._in_flight():
            return True
        return self._run.queued_tokens() + record.input_tokens <= self._max_queued_tokens

    async def _poll(self, feeder: Feeder) -> None:
        """Retrieve every batch in flight, and collect those that have ended."""
        for record in list(self._run.ledger.in_state(ChunkState.SUBMITTED)):
            if self._stop.is_set():
                return
            if self._denials.is_due(record) and record.number not in self._isolation:
                await self._poll_one(feeder, record)
        await self._unless_stopped(follow_duplicates(self._run))

    async def _poll_one(self, feeder: Feeder, record: ChunkRecord) -> None:
        try:
            job = await self._unless_stopped(polled_batch(self._run, record))
        except ServiceError as error:
            if not (isinstance(error, UnknownBatch) and await self._is_renamed(record)):
                self._note_denial(record, error)
            return
        if job is None:
            return
        job = self._denials.reconciled(record, job)
        self._denials.note_found(record.batch_id or "")
        self._run.observer.notify(polled(record, job))
        self._notice_status(job)
        if record.creation_in_doubt:
            await self._unless_stopped(look_for_duplicates(self._run, record))
        if not job.terminal:
            self._denials.clear(record)
        elif await self._collect_batch(feeder, self._run.ledger.chunk(record.number), job):
            # Checked here, too: many batches may end together, and each takes a while to store.
            await (feeder.finish_returned() if self._cancelling else self._submit_what_fits(feeder))

    async def _is_renamed(self, record: ChunkRecord) -> bool:
        """Whether the service lists a denied batch under another id, which is adopted then."""
        adopted = await self._unless_stopped(adopt_renamed(self._run, record))
        if adopted is not None:
            self._denials.note_found(adopted)
        return adopted is not None

    def _note_denial(self, record: ChunkRecord, error: ServiceError) -> None:
        """Note an error about one batch; raise one that affects the run."""
        if not concerns_one_batch(error):
            raise error
        self._denials.note_denial(record, error)
        self._queue_is_full = self._queue_is_full and not self._denials.is_final(record)

    def _notice_status(self, job: BatchJob) -> None:
        """Report a status that the Batch API does not document, once and then every hour."""
        now = self._now()
        if job.known or now - self._noticed.get((job.id, job.status), -inf) < _REMINDER:
            return
        self._noticed[job.id, job.status] = now
        self._run.observer.notify(
            Notice(f'The service reports an unknown status for batch {job.id}: "{job.status}". Polling continues.')
        )

    async def _collect_batch(self, feeder: Feeder, record: ChunkRecord, job: BatchJob) -> bool:
        """Collect a batch that has ended; False if the driver was stopped before its answers were stored."""
        try:
            after = await self._unless_stopped(fetch(self._run, record, job))
        except FileDamaged as error:
            self._isolation.defer_chunk(record, error)
            return True
        except ServiceError as error:
            self._note_denial(record, error)
            self._denials.note_end(record, job)
            return False
        if after is None:
            return False
        self._denials.clear(record)
        # A full queue accepts another batch only when one of ours has left it; until then every submission is rejected.
        self._queue_is_full = after.state is ChunkState.PLANNED
        if after.state is not ChunkState.PLANNED:
            self._full = self._rested = 1
        if after.state is ChunkState.ANSWERED:
            await self._stored(feeder, after, store(self._run, after))
            if refused := refusal(job):
                raise refused
        elif after.state is ChunkState.SPLIT:
            feeder.return_chunk(after)
        return True

    def _is_stuck(self) -> bool:
        """Whether every unfinished chunk is left for later, or its batch is denied by the service."""
        if not (self._denials.final or self._isolation):
            return False
        open_chunks = (each for each in self._run.ledger.chunks if each.state is not ChunkState.DONE)
        return all(self._denials.is_final(each) or self._isolation.holds(each) for each in open_chunks)

    def _raise_deferred(self) -> NoReturn:
        """Raise the error of a run in which only missing batches and deferred chunks or words remain."""
        if not self._isolation:
            raise self._denials.error()
        self._isolation.raise_error(self._denials.error() if self._denials.final else None)

    async def _give_up(self, feeder: Feeder, batch_ids: Collection[str]) -> None:
        """Give up batches that the user names, or those of their answers that the database refuses."""
        for record in list(self._run.ledger.in_state(ChunkState.ANSWERED)):
            if record.batch_id in batch_ids:
                await self._stored(feeder, record, store(self._run, record, skip_refused=True))
        for record in list(self._run.ledger.in_state(ChunkState.SUBMITTED)):
            if record.batch_id in batch_ids:
                try:
                    job: BatchJob | None = await polled_batch(self._run, record)
                except ServiceError as error:
                    if not is_denial(error):
                        raise
                    job = None
                await self._stored(feeder, record, give_up_batch(self._run, record, job))

    def _try_again(self) -> None:
        """Retry a submission into a queue that only other clients fill, with a backoff in poll intervals."""
        if not self._queue_is_full or self._in_flight():
            return
        self._rested -= 1
        if not self._rested:
            self._queue_is_full = False
            self._full += 1
            self._rested = round(FULL_QUEUE.pause(self._full))

    def _creates_by(self, until: float) -> bool:
        """Whether a creation that had no clear outcome is continued before that time."""
        due = self._submitter.next_due()
        return due is not None and self._now() + due <= until

    def _now(self) -> float:
        return self._run.clock().timestamp()

    async def _pause(self) -> None:
        """Wait for the poll interval, or less if the run is stopped."""
        due = (self._run.ledger.run.settings.poll_interval, self._submitter.next_due(), self._denials.next_due())
        await self._unless_stopped(self._run.sleep(min(each for each in due if each is not None)))

    async def _unless_stopped[T](self, operation: Awaitable[T], grace: float = 0.0) -> T | None:
        """Await an interruptible operation, such as a call to a service that is down; None if the driver is stopped.

        `grace`: seconds that the operation has to finish after the stop.
        """
        doing = asyncio.ensure_future(operation)
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((doing, stopped), return_when=asyncio.FIRST_COMPLETED)
            if grace:
                await asyncio.wait((doing,), timeout=grace)
            return doing.result() if doing.done() else None
        finally:
            stopped.cancel()
            if doing.cancel():
                await asyncio.wait((doing,), timeout=_CANCEL_TIMEOUT)


def polled(record: ChunkRecord, job: BatchJob) -> BatchPolled:
    """Return the service's state of a batch as an event; of its lines, which may be packs, as many requests."""
    total, done, failed = (each * record.requests // max(1, record.lines) for each in (job.total, job.done, job.failed))
    return BatchPolled(record.number, job.id, job.status, total, done, failed, job.created_at, job.expires_at)
