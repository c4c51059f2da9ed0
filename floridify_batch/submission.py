"""Stations 6 to 8: a chunk becomes a batch, and is paid for once.

The intent is on disk before the deed. Whenever it is not certain whether a batch was made, the service's list is looked
through for the submission's label, twice, since the list may lag; only then is it made again, under the same label, so
that a batch that shows itself even later is recognised and cancelled.
"""

from floridify_batch.batches import BatchJob
from floridify_batch.errors import ServiceUncertain, UnknownBatch
from floridify_batch.events import Waiting
from floridify_batch.ledger import ChunkRecord, ChunkState
from floridify_batch.run import Run

LIST_LAG = 2.0
"""Seconds after which a new batch is expected to be in the service's list."""

MAX_TRIES = 5
"""How often an upload or a creation that comes to nothing is tried in a row before the run stops."""

_METADATA_LENGTH = 512


async def submit(run: Run, record: ChunkRecord) -> ChunkRecord:
    """Bring a PLANNED or SUBMITTING chunk to SUBMITTED. Raises `ServiceError`, leaving a state to resume from."""
    job = None
    if record.state is ChunkState.SUBMITTING:
        job = await _look(run, record)
    else:
        record = run.move(record, ChunkState.SUBMITTING, submission=max(1, record.submission))
    tries = 0
    if job is None:
        job, tries = await _make(run, record)
    return run.move(
        record,
        ChunkState.SUBMITTED,
        batch_id=job.id,
        created_at=job.created_at.timestamp(),
        alone=not run.in_flight(),
        doubtful=tries > 1 or record.doubtful,
    )


async def look_again(run: Run, record: ChunkRecord) -> None:
    """Cancel what shows itself late under the label of a chunk that was created more than once."""
    await run.batches.find(record.label(run.ledger.run.id), run.started, keep=record.batch_id)


async def _look(run: Run, record: ChunkRecord) -> BatchJob | None:
    """The batch of a submission, looked for twice."""
    label = record.label(run.ledger.run.id)
    job = await run.batches.find(label, run.started)
    if job is None:
        await run.sleep(LIST_LAG)
        job = await run.batches.find(label, run.started)
    return job


async def _make(run: Run, record: ChunkRecord) -> tuple[BatchJob, int]:
    """The batch of a submission, and how often it was created until that was certain."""
    file_id = record.file_id or await _upload(run, record)
    metadata = _metadata(run)
    for tries in range(1, MAX_TRIES + 1):
        try:
            return await run.batches.create(file_id, record.label(run.ledger.run.id), metadata), tries
        except UnknownBatch:  # the uploaded file is gone: a month has passed, or somebody deleted it
            if tries == MAX_TRIES:
                raise
            file_id = await _upload(run, record)
        except ServiceUncertain as error:
            run.observer.notify(Waiting(f"{error} Looking whether chunk {record.number} became a batch."))
            job = await _look(run, record)
            if job is not None:
                return job, tries
            if tries == MAX_TRIES:
                raise
            await run.sleep(LIST_LAG**tries)
    raise AssertionError("unreachable: the last try returns or raises")


async def _upload(run: Run, record: ChunkRecord) -> str:
    """Hand the chunk's file over. Doing so twice costs nothing: only a batch is paid for."""
    file_id = ""
    for tries in range(1, MAX_TRIES + 1):
        try:
            file_id = await run.batches.upload(run.folder(record) / "requests.jsonl")
            break
        except ServiceUncertain as error:
            if tries == MAX_TRIES:
                raise
            run.observer.notify(Waiting(f"{error} Uploading chunk {record.number} again."))
            await run.sleep(LIST_LAG**tries)
    run.ledger.note(record.number, file_id=file_id)
    run.save()
    return file_id


def _metadata(run: Run) -> dict[str, str]:
    """What a look at the service's own list should tell: the run, the templates, and what is asked."""
    return {
        "run": run.ledger.run.id,
        "templates": run.ledger.run.template_digest,
        "components": ",".join(run.ledger.run.settings.components)[:_METADATA_LENGTH],
    }
