"""Submission: a batch is created exactly once per chunk, by write-ahead and look-up.

The state SUBMITTING is saved before the call. After an ambiguous reply the service's list is searched several times
before the batch is created again; meanwhile other chunks are submitted. A batch that appears later is a duplicate: it
is cancelled, and its cost is part of the bill.
"""

from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf

from floridify_batch.costs.usage import Usage
from floridify_batch.errors import (
    FileDamaged,
    QueueFull,
    ServiceBusy,
    ServiceError,
    ServiceRefused,
    ServiceUncertain,
    UnknownBatch,
    concerns_one_batch,
)
from floridify_batch.formatting import stamp
from floridify_batch.pipeline.chunk import whole_requests
from floridify_batch.providers.interface import BatchJob, Submission
from floridify_batch.providers.transfer import METADATA_LENGTH, created_for, look_up, upload
from floridify_batch.retry import DOUBTFUL_CREATIONS, LONG_PAUSE, SUBMISSION, lookup_pauses
from floridify_batch.run.budget import chunk_rate
from floridify_batch.run.chunk_split import full_queue, split
from floridify_batch.run.event import Notice, Waiting
from floridify_batch.run.form_refusal import model_option
from floridify_batch.run.ledger import ChunkRecord, ChunkState, Duplicate
from floridify_batch.run.state import Run


@dataclass(slots=True)
class _Lookup:
    """The search for a batch after a creation without a clear reply: the pauses between looks, and the next one.

    `in_doubt`: the batch may exist; without it, the service did not accept the creation. `attempts` counts all
    creations of this session, `doubtful` those whose outcome is unknown; `conclusive`: whether the last look could
    show the batch.
    """

    in_doubt: bool
    due: float
    pauses: deque[float] = field(default_factory=deque)
    attempts: int = 0
    doubtful: int = 0
    conclusive: bool = True


class Submitter:
    """Submits the chunks of a run, and remembers those whose creation has no clear outcome yet."""

    def __init__(self, run: Run, in_flight: Callable[[], int]) -> None:
        """Take `in_flight`: the number of batches in flight that this session still polls."""
        self._in_flight = in_flight
        self._run = run
        self._lookups: dict[int, _Lookup] = {}
        self._unlabelled = False

    @property
    def waiting(self) -> int:
        """The number of chunks whose creation has no clear outcome yet."""
        return len(self._lookups)

    def due(self, left: Container[int] = ()) -> ChunkRecord | None:
        """Return a SUBMITTING chunk that is new to this session, or whose next look is due, but none that is `left`."""
        submitting = (each for each in self._run.ledger.in_state(ChunkState.SUBMITTING) if each.number not in left)
        return next(filter(self._is_due, submitting), None)

    def _is_due(self, record: ChunkRecord) -> bool:
        lookup = self._lookups.get(record.number)
        return lookup is None or lookup.due <= self._now()

    def next_due(self) -> float | None:
        """Return the seconds until the next look is due; None if none is planned."""
        return min((max(0.0, each.due - self._now()) for each in self._lookups.values()), default=None)

    def _now(self) -> float:
        return self._run.clock().timestamp()

    async def submit(self, record: ChunkRecord) -> None:
        """Bring a PLANNED or SUBMITTING chunk a step further: to SUBMITTED, or to its next look.

        Raises `ServiceError`, leaving a state to resume from.
        """
        run = self._run
        if record.state is ChunkState.PLANNED:
            record = run.move(record, ChunkState.SUBMITTING, submission=max(1, record.submission))
            # An older checkpoint that was restored does not know that this chunk was sent.
            if not await self._find(record):
                await self._create(record)
        elif record.number not in self._lookups:  # a process that died may have created the batch
            pauses = lookup_pauses(run.ledger.run.settings.lookup_seconds)
            self._wait(record, in_doubt=True, pauses=pauses, unknown=True)
        elif not await self._find(record):
            await self._look_again(record)

    async def _look_again(self, record: ChunkRecord) -> None:
        lookup = self._lookups[record.number]
        if lookup.pauses:
            lookup.due = self._now() + lookup.pauses.popleft()
            return
        if self._run.ledger.is_outdated(record):
            self._split(record)
            return
        if lookup.in_doubt:
            if lookup.doubtful >= DOUBTFUL_CREATIONS and not lookup.conclusive:
                raise _undecidable(record, lookup.doubtful)
            record = self._run.ledger.note(record.number, creation_in_doubt=True)
        await self._create(record)

    def _wait(self, record: ChunkRecord, *, in_doubt: bool, pauses: tuple[float, ...], unknown: bool = False) -> None:
        """Plan the looks for a batch. `unknown`: the outcome of the last creation is."""
        before = self._lookups.get(record.number)
        attempts, doubtful = (before.attempts, before.doubtful) if before else (0, 0)
        rest = deque(pauses)
        due = self._now() + rest.popleft()
        self._lookups[record.number] = _Lookup(in_doubt, due, rest, attempts + 1, doubtful + unknown)

    async def _find(self, record: ChunkRecord) -> bool:
        """Adopt the batch of a chunk if the service lists it."""
        found = await self._run.batches.find(self._submission(record))
        if found.job is None:
            if lookup := self._lookups.get(record.number):
                lookup.conclusive = found.conclusive
            return False
        record = self._submitted(record, found.job)
        note_duplicates(self._run, record, found.duplicates)
        return True

    async def _create(self, record: ChunkRecord) -> None:
        run = self._run
        seconds = run.ledger.run.settings.lookup_seconds
        try:
            job = await self._created(record)
        except ServiceBusy as error:
            pause = SUBMISSION.pause(self._attempts(record)) if error.retry_after is None else error.retry_after
            self._report(record, f"{error} Retrying in {pause:,.0f} s{self._at(pause)}.")
            self._wait(record, in_doubt=self._is_in_doubt(record), pauses=(pause,))
        except QueueFull as error:
            self._lookups.pop(record.number, None)
            if await full_queue(run, run.ledger.chunk(record.number), str(error), alone=not self._in_flight()) is None:
                run.move(run.ledger.chunk(record.number), ChunkState.PLANNED)
                raise
        except ServiceUncertain as error:
            self._report(record, f"{error} Checking whether the batch was created.")
            self._wait(record, in_doubt=True, pauses=lookup_pauses(seconds), unknown=True)
        except FileDamaged:
            self._split(record)  # there is no batch of it: its requests are made again
        except ServiceRefused:  # the account's affair, not the chunk's: no state is changed
            raise
        except ServiceError as error:
            self._lookups.pop(record.number, None)
            run.move(run.ledger.chunk(record.number), ChunkState.PLANNED)
            raise self._refused(record, error) from error
        else:
            self._submitted(run.ledger.chunk(record.number), job)

    def _split(self, record: ChunkRecord) -> None:
        """Plan the words of a chunk again of which the service has no batch."""
        self._lookups.pop(record.number, None)
        split(self._run, self._run.ledger.chunk(record.number))

    def _refused(self, record: ChunkRecord, error: ServiceError) -> ServiceError:
        """Return the error of a finally refused creation, with a remedy if nothing was sent yet."""
        if not self._run.ledger.nothing_sent:
            return ServiceError(str(error))
        return ServiceError(
            f"{error} Nothing of this run has been sent: start it again with other options, or resume with another "
            f"model ({model_option(self._run.ledger, record)})."
        )

    def _at(self, pause: float) -> str:
        """Return the time after a long pause, as a part of a sentence."""
        return f", at {stamp(self._run.clock() + timedelta(seconds=pause))}" if pause >= LONG_PAUSE else ""

    def _attempts(self, record: ChunkRecord) -> int:
        lookup = self._lookups.get(record.number)
        return lookup.attempts + 1 if lookup else 1

    def _is_in_doubt(self, record: ChunkRecord) -> bool:
        lookup = self._lookups.get(record.number)
        return lookup is not None and lookup.in_doubt

    async def _created(self, record: ChunkRecord) -> BatchJob:
        if record.file_id is not None:
            try:
                return await self._created_with(self._submission(record))
            except UnknownBatch:  # the file is gone: it has expired, or was deleted
                pass
        return await self._created_with(self._submission(await self._uploaded(record)))

    async def _created_with(self, submission: Submission) -> BatchJob:
        return created_for(submission, await self._run.batches.create(submission))

    async def _uploaded(self, record: ChunkRecord) -> ChunkRecord:
        run = self._run
        requests = whole_requests(run.folder(record), record.bytes)
        backoff = SUBMISSION.up_to(inf)
        file_id = await upload(run.batches, requests, run.sleep, lambda reason: self._report(record, reason), backoff)
        return run.record(record, file_id=file_id)

    def _submitted(self, record: ChunkRecord, job: BatchJob) -> ChunkRecord:
        """Enter a chunk's batch into the ledger."""
        self._lookups.pop(record.number, None)
        self._notice_label(job)
        run = self._run
        return run.move(
            record,
            ChunkState.SUBMITTED,
            batch_id=job.id,
            created_at=job.created_at.timestamp(),
            queue_was_empty=not self._in_flight(),
            creation_in_doubt=record.creation_in_doubt,
        )

    def _notice_label(self, job: BatchJob) -> None:
        """Report once that the service keeps no labels."""
        if job.label is None and self._run.batches.capabilities.labels and not self._unlabelled:
            self._unlabelled = True
            self._run.observer.notify(
                Notice(
                    f"The service returned batch {job.id} without its label; batches of this run are identified by "
                    "their input files instead."
                )
            )

    def _report(self, record: ChunkRecord, reason: str) -> None:
        self._run.observer.notify(Waiting(f"Batch {record.number}: {reason}"))

    def _submission(self, record: ChunkRecord) -> Submission:
        return submission_of(self._run, record)

    async def adopt(self, record: ChunkRecord) -> None:
        """Bring a SUBMITTING chunk to SUBMITTED if its batch exists; nothing is created."""
        run = self._run
        seconds = run.ledger.run.settings.lookup_seconds
        found = await look_up(run.batches, self._submission(record), run.sleep, seconds)
        if found.job is not None:
            record = run.ledger.note(record.number, creation_in_doubt=True)
            note_duplicates(run, self._submitted(record, found.job), found.duplicates)


def _undecidable(record: ChunkRecord, creations: int) -> ServiceError:
    """Return the error of a chunk whose creations have an unknown outcome that no list decides."""
    return ServiceError(
        f"Batch {record.number}: {creations} creations in a row had an unknown outcome, and the service's list of "
        f"batches, which names no batch with its label or input file, does not show whether they succeeded. None is "
        f"repeated, since each may be billed. Check at the service whether there are batches of the file "
        f"{record.file_id}, then resume, which looks again before it creates another one."
    )


def submission_of(run: Run, record: ChunkRecord) -> Submission:
    """Return the identity of a chunk's batch at the service."""
    label = record.model_copy(update={"submission": max(1, record.submission)}).label(run.ledger.run.id)
    return Submission(
        label,
        record.file_id or "",
        _metadata(run, record),
        frozenset(_other_batches(record)) - {record.batch_id},
        _taken(run, record),
        preflight=record.preflight,
    )


def _other_batches(record: ChunkRecord) -> tuple[str, ...]:
    """Return the ids of the former and the duplicate batches of a chunk."""
    return (*record.former_batches, *(each.batch_id for each in record.duplicates))


def _taken(run: Run, record: ChunkRecord) -> frozenset[str]:
    """Return the ids of the batches of all other chunks."""
    others = (each for each in run.ledger.chunks if each.number != record.number)
    return frozenset(
        identity for other in others for identity in (other.batch_id, *_other_batches(other)) if identity is not None
    )


# ── duplicates ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def look_for_duplicates(run: Run, record: ChunkRecord) -> None:
    """Cancel a batch that appears late beside the one of a chunk, and enter it into the ledger."""
    found = await run.batches.find(submission_of(run, record), keep=record.batch_id)
    note_duplicates(run, run.ledger.chunk(record.number), found.duplicates)


async def follow_duplicates(run: Run) -> None:
    """Retrieve the usage of duplicates that had not ended."""
    for record in run.ledger.chunks:
        for each in record.duplicates:
            if not each.ended:
                await _follow(run, record, each)


async def _follow(run: Run, record: ChunkRecord, duplicate: Duplicate) -> None:
    try:
        job = await run.batches.retrieve(duplicate.batch_id)
    except ServiceError as error:
        if not concerns_one_batch(error):
            raise
        return  # its usage stays unknown
    if job.terminal and job.id == duplicate.batch_id:
        note_duplicates(run, run.ledger.chunk(record.number), (job,))


_CANCELLED = {"cancelling": "was cancelled", "cancelled": "was cancelled", "finalizing": "is about to end"}
_UNCANCELLED = "could not be cancelled"


def note_duplicates(run: Run, record: ChunkRecord, jobs: tuple[BatchJob, ...]) -> None:
    """Enter the duplicates of a chunk's batch into the ledger, and report those that are new."""
    known = {each.batch_id: each for each in record.duplicates}
    for job in jobs:
        if job.id not in known:
            outcome = f"has ended ({job.status})" if job.terminal else _CANCELLED.get(job.status, _UNCANCELLED)
            run.observer.notify(
                Notice(
                    f"Batch {record.number}: {job.id} is a duplicate of {record.batch_id} and {outcome}; "
                    "its cost is included in the bill."
                )
            )
        known[job.id] = _duplicate(run, record, job)
    if tuple(known.values()) != record.duplicates:
        run.record(record, duplicates=tuple(known.values()))


def _duplicate(run: Run, record: ChunkRecord, job: BatchJob) -> Duplicate:
    """Return the ledger's entry for a duplicate; its cost is unknown while its usage is."""
    rate = chunk_rate(run.ledger, record)
    usage = job.usage or (Usage() if job.terminal and not job.done + job.failed else None)
    return Duplicate(
        batch_id=job.id,
        status=job.status,
        ended=job.terminal,
        usage=usage,
        cost=rate.cost(usage) if rate and usage is not None and job.terminal else None,
    )


def _metadata(run: Run, record: ChunkRecord) -> dict[str, str]:
    """Return a batch's metadata: the run, and all that `recover` needs to store its answers."""
    settings = run.ledger.run.settings
    counts = ",".join(f"{component}={count}" for component, count in settings.counts.items())
    values = {
        "run": run.ledger.run.id,
        "templates": (record.form or run.ledger.form).template_digest,
        "components": ",".join(settings.components)[:METADATA_LENGTH],
        "language": settings.language,
        "gloss_language": settings.gloss_language or "",
        "frequency_scale": settings.frequency_scale or "",
        "counts": counts[:METADATA_LENGTH],
        "judge_sample": str(settings.judge_sample) if settings.judge_sample < 1 else "",
        "replaces": "all" if settings.force else "stale" if settings.stale else "",
        "replaces_edited": "yes" if settings.replace_edited else "",
    }
    return {name: value for name, value in values.items() if value}
