"""Stations 6 to 8: a chunk becomes a batch, and is paid for once: the intent is on disk before the deed."""

from floridify_batch.errors import UnknownBatch
from floridify_batch.pipeline.chunk import whole_requests
from floridify_batch.providers.interface import BatchJob
from floridify_batch.providers.transfer import METADATA_LENGTH, Submission, create_once, look_twice, upload
from floridify_batch.retry import SUBMISSION
from floridify_batch.run.event import Waiting
from floridify_batch.run.ledger import ChunkRecord, ChunkState
from floridify_batch.run.state import Run
from floridify_batch.timing import Notify


async def submit(run: Run, record: ChunkRecord) -> ChunkRecord:
    """Bring a PLANNED or SUBMITTING chunk to SUBMITTED. Raises `ServiceError`, leaving a state to resume from."""
    doubtful = record.creation_in_doubt
    if record.state is ChunkState.SUBMITTING:
        job = await look_twice(run.batches, _submission(run, record), run.sleep)
        doubtful = True  # a process that ended may have created more than the one that shows
    else:
        record = run.move(record, ChunkState.SUBMITTING, submission=max(1, record.submission))
        # Whoever restored an older checkpoint may have sent this chunk before.
        job = await run.batches.find(record.label(run.ledger.run.id), run.started)
    if job is None:
        job, again = await _made(run, record)
        doubtful = doubtful or again
    return run.move(
        record,
        ChunkState.SUBMITTED,
        batch_id=job.id,
        created_at=job.created_at.timestamp(),
        queue_was_empty=not run.in_flight(),
        creation_in_doubt=doubtful,
    )


async def adopt(run: Run, record: ChunkRecord) -> ChunkRecord:
    """Bring a SUBMITTING chunk to SUBMITTED if its batch shows itself; nothing is made."""
    job = await look_twice(run.batches, _submission(run, record), run.sleep)
    if job is None:
        return record
    return run.move(
        record, ChunkState.SUBMITTED, batch_id=job.id, created_at=job.created_at.timestamp(), creation_in_doubt=True
    )


async def look_again(run: Run, record: ChunkRecord) -> None:
    """Cancel what shows itself late under the label of a chunk that was created more than once."""
    await run.batches.find(record.label(run.ledger.run.id), run.started, keep=record.batch_id)


async def _made(run: Run, record: ChunkRecord) -> tuple[BatchJob, bool]:
    try:
        return await _created(run, record, record.file_id or await _uploaded(run, record))
    except UnknownBatch:  # the file that was uploaded is gone: a month has passed, or somebody deleted it
        return await _created(run, record, await _uploaded(run, record))


async def _created(run: Run, record: ChunkRecord, file_id: str) -> tuple[BatchJob, bool]:
    submission, notify = _submission(run, record), _teller(run, record)
    return await create_once(run.batches, file_id, submission, run.sleep, notify, SUBMISSION.endless())


def _submission(run: Run, record: ChunkRecord) -> Submission:
    return Submission(record.label(run.ledger.run.id), run.started, _metadata(run))


async def _uploaded(run: Run, record: ChunkRecord) -> str:
    requests = whole_requests(run.folder(record), record.bytes)
    file_id = await upload(run.batches, requests, run.sleep, _teller(run, record), SUBMISSION.endless())
    run.record(record, file_id=file_id)
    return file_id


def _teller(run: Run, record: ChunkRecord) -> Notify:
    """Tells whoever watches why a chunk has to wait."""
    return lambda why: run.observer.notify(Waiting(f"Chunk {record.number}: {why}"))


def _metadata(run: Run) -> dict[str, str]:
    """What a look at the service's own list should tell: the run, and all that its answers need to be stored."""
    settings = run.ledger.run.settings
    counts = ",".join(f"{component}={count}" for component, count in settings.counts.items())
    told = {
        "run": run.ledger.run.id,
        "templates": run.ledger.run.template_digest,
        "components": ",".join(settings.components)[:METADATA_LENGTH],
        "language": settings.language,
        "frequency_scale": settings.frequency_scale,
        "counts": counts[:METADATA_LENGTH],
        "replaces": "all" if settings.force else "stale" if settings.stale else "",
    }
    return {name: value for name, value in told.items() if value}
