"""Missing batches: batches or answer files that the service reports as unknown (404), refuses, or answers with another
reply than the one requested, although they should exist.

A single denial has no consequence: the batch is polled again with a backoff while the run continues. The run stops
only when nothing else is left to do, with every state unchanged; only the user gives a batch up. A page in place of the
batch is a denial as well. An outage of the service is none: the run waits for its end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from floridify_batch.errors import ServiceError, ServiceUncertain, UnknownBatch, concerns_one_batch
from floridify_batch.providers.batch_identity import is_polled_as
from floridify_batch.providers.error import Unreadable
from floridify_batch.providers.interface import BatchJob
from floridify_batch.retry import MISSING_BATCH, UNSEEN_PATIENCE
from floridify_batch.run.event import Notice
from floridify_batch.run.ledger import ChunkRecord
from floridify_batch.run.state import Run
from floridify_batch.run.submission import note_duplicates, submission_of


async def polled_batch(run: Run, record: ChunkRecord) -> BatchJob:
    """Retrieve the batch of a chunk. Raises `ServiceError` if the service returns another one instead."""
    batch_id = record.batch_id or ""
    job = await run.batches.retrieve(batch_id)
    if is_polled_as(submission_of(run, record), batch_id, job):
        return job
    other = f"{job.id} ({job.label})" if job.label else job.id
    raise ServiceError(f"The service returned batch {other} in place of batch {batch_id}.")


async def adopt_renamed(run: Run, record: ChunkRecord) -> str | None:
    """Adopt the id under which the list shows the batch of a chunk, if it is another one than that of its creation.

    Further batches of the chunk are duplicates, which the search has cancelled.
    """
    found = await run.batches.find(submission_of(run, record))
    renamed = found.job.id if found.job is not None and found.job.id != record.batch_id else None
    if renamed is not None:
        run.observer.notify(
            Notice(
                f"Batch {record.number}: the service lists the batch as {renamed}, not as {record.batch_id}, the id "
                "that it stated at the creation. It is polled by that id."
            )
        )
        run.record(record, batch_id=renamed)
    note_duplicates(run, run.ledger.chunk(record.number), found.duplicates)
    return renamed


def reconciled(job: BatchJob, earlier: BatchJob | None) -> BatchJob:
    """Return the state of a batch with what an earlier poll stated, where it has ended without any of its answers.

    A batch that was completed, or had finished requests, has answers, which are billed. Counts of a batch in progress
    are estimates at some services: those of its end replace them.
    """
    if earlier is None or not job.terminal or job.has_answers:
        return job
    if not earlier.terminal:
        stands = job.total or job.status == "failed"
        return job if stands else replace(job, total=earlier.total, done=earlier.done, failed=earlier.failed)
    counted = max(job, earlier, key=lambda each: each.done + each.failed)
    return replace(
        earlier, usage=earlier.usage or job.usage, total=counted.total, done=counted.done, failed=counted.failed
    )


def is_denial(error: ServiceError) -> bool:
    """Whether an error is a reply about one batch, and not due to an outage."""
    return concerns_one_batch(error) and (isinstance(error, Unreadable) or not isinstance(error, ServiceUncertain))


@dataclass(slots=True)
class _MissingBatch:
    """A denied batch: the time of the first denial and of the next request; `final` if this session makes no further
    one.
    """

    reason: str
    since: float
    due: float = 0.0
    attempts: int = 0
    final: bool = False


class MissingBatches:
    """The denied batches of a session. `waits`: whether the session keeps requesting them."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._denied: dict[int, _MissingBatch] = {}
        self._seen: set[str] = set()
        self._stated: dict[str, BatchJob] = {}
        self.waits = True

    def note_found(self, batch_id: str) -> None:
        """Record that the service has returned a batch to this session."""
        self._seen.add(batch_id)

    def reconciled(self, record: ChunkRecord, job: BatchJob) -> BatchJob:
        """Return the state of a chunk's batch, with what an earlier poll, maybe of another session, stated."""
        recorded = replace(job, status="completed", done=record.finished, failed=0) if record.finished else None
        job = reconciled(job, self._stated.get(job.id, recorded))
        if job.terminal or job.done + job.failed:
            self._stated[job.id] = job
        return job

    def note_end(self, record: ChunkRecord, job: BatchJob) -> None:
        """Record for later sessions that a batch has answers, which are denied."""
        finished = job.done + job.failed or (record.lines if job.status == "completed" else 0)
        if finished > record.finished:
            self._run.record(record, finished=finished)

    def clear(self, record: ChunkRecord) -> None:
        """Clear the denials of a chunk's batch."""
        self._denied.pop(record.number, None)

    def is_due(self, record: ChunkRecord) -> bool:
        """Whether a chunk's batch may be requested now."""
        denial = self._denied.get(record.number)
        return denial is None or (not denial.final and denial.due <= self._now())

    def next_due(self) -> float | None:
        """Return the seconds until the next request for a denied batch; None if there is none."""
        return min((max(0.0, each.due - self._now()) for each in self._denied.values() if not each.final), default=None)

    def is_final(self, record: ChunkRecord) -> bool:
        """Whether this session no longer requests a chunk's batch."""
        denial = self._denied.get(record.number)
        return denial is not None and denial.final

    @property
    def final(self) -> int:
        """The number of batches that this session no longer requests."""
        return sum(each.final for each in self._denied.values())

    def note_denial(self, record: ChunkRecord, error: ServiceError) -> None:
        """Record a denial; the first one is reported at once, with its likely cause."""
        now = self._now()
        denial = self._denied.setdefault(record.number, _MissingBatch(str(error), now))
        if not denial.attempts:
            self._run.observer.notify(Notice(f"Batch {record.number}: {_likely_cause(record, error)}"))
        denial.reason = str(error)
        denial.attempts += 1
        patience = MISSING_BATCH.patience if record.batch_id in self._seen else UNSEEN_PATIENCE
        is_over = not self.waits or now - denial.since >= patience
        denial.final = is_over and is_denial(error)
        interval = self._run.ledger.run.settings.poll_interval
        denial.due = now + min(MISSING_BATCH.pause(denial.attempts), max(1.0, 5 * interval))

    def _now(self) -> float:
        return self._run.clock().timestamp()

    def error(self) -> ServiceError:
        """Return the error of a run in which only denied batches remain."""
        run = self._run.ledger.run.id
        batches = "; ".join(self._reasons())
        return ServiceError(
            f"The service does not return batches or answers that should exist: {batches}. Nothing was changed, and "
            "nothing is requested again. Check that the API key belongs to the project that created the batches, then "
            f"resume. `batch-synth recover --run {run}` stores the results that the service still has; "
            "`batch-synth resume --give-up BATCH` gives a batch up."
        )

    def _reasons(self) -> Iterator[str]:
        for number, denial in self._denied.items():
            yield f"batch {self._run.ledger.chunk(number).batch_id}: {denial.reason.rstrip('.')}"


def uncancelled(record: ChunkRecord, error: ServiceError) -> ServiceError:
    """Return the error of a batch whose cancellation the service refuses."""
    return ServiceError(
        f"Batch {record.number} ({record.batch_id}) cannot be cancelled, and continues: {error} Its answers are "
        "billed; resume stores them, and cancel tries again."
    )


def _likely_cause(record: ChunkRecord, error: ServiceError) -> str:
    """Return the sentence on a first denial."""
    if isinstance(error, UnknownBatch):
        return (
            f"this API key has no access to batch {record.batch_id} or its files; does it belong to another project? "
            f"({str(error).rstrip('.')})"
        )
    return str(error)
