"""Access to the batches at the service, for commands that work on a run from outside."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from floridify_batch.cli.context import checkpoint_or_only, checkpoints_here
from floridify_batch.errors import CheckpointError, ServiceError, UsageError
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.retry import POLL_ATTEMPTS
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import ChunkState, Ledger
from floridify_batch.run.resources import Resources, Secrets, required_key
from floridify_batch.timing import Notify, ignore

PATIENCE = 10.0
"""Seconds for which requests to an unreachable service are retried while a user waits."""


def batches_in_flight(ledger: Ledger) -> list[str]:
    """The IDs of a run's batches in flight."""
    return [
        record.batch_id for record in ledger.in_state(ChunkState.SUBMITTED) if record.batch_id and not record.preflight
    ]


@dataclass(frozen=True, slots=True)
class FoundBatch:
    """A batch given by its ID or a prefix of it, with the checkpoint that has it, if any."""

    id: str
    checkpoint: Checkpoint | None = None
    ledger: Ledger | None = None


def find_batch(given: str, checkpoint: Path | None) -> FoundBatch:
    """Look a batch ID, or its beginning, up in a checkpoint, or in all checkpoints of the current folder.

    A batch that none of them has is returned as given, with the given checkpoint. Raises `UsageError` where several
    batches begin so.
    """
    found: dict[str, FoundBatch] = {}
    for path in [checkpoint] if checkpoint else checkpoints_here():
        place = checkpoint_or_only(path)
        for batch_id, ledger in _batches_in(place, damaged_is_error=checkpoint is not None):
            if batch_id == given:
                return FoundBatch(batch_id, place, ledger)
            if batch_id.startswith(given):
                found[batch_id] = FoundBatch(batch_id, place, ledger)
    if len(found) > 1:
        raise UsageError(f"Several batch IDs begin with {given}: {', '.join(sorted(found))}.")
    if found:
        return next(iter(found.values()))
    if checkpoint is None:
        return FoundBatch(given)
    place = checkpoint_or_only(checkpoint)
    return FoundBatch(given, place, place.load())


def _batches_in(checkpoint: Checkpoint, *, damaged_is_error: bool) -> Iterator[tuple[str, Ledger]]:
    """The IDs of a checkpoint's batches, each with the ledger."""
    try:
        ledger = checkpoint.load()
    except CheckpointError:
        if damaged_is_error:
            raise
        return
    for record in ledger.chunks if ledger else ():
        if record.batch_id and ledger:
            yield record.batch_id, ledger


@contextmanager
def _sandbox_of(resources: Resources) -> Iterator[tuple[str, str | None]]:
    """The sandbox of a run: the running one, or one started on its data for this command.

    Raises `ServiceError`, so that a command that only adds the sandbox's figures goes on without them.
    """
    folder = resources.sandbox_folder
    if not folder.is_dir():
        raise ServiceError(f"The sandbox's folder {folder} does not exist.")
    with ExitStack() as stack:
        try:
            served = stack.enter_context(resources.service(join=True))
        except OSError as error:
            raise ServiceError(f"The sandbox cannot be started in {folder}: {error.strerror}.") from None
        yield served


@asynccontextmanager
async def opened_batches_of(
    ledger: Ledger | None,
    checkpoint: Checkpoint | None,
    secrets: Secrets,
    base_url: str | None,
    seconds: float,
    notify: Notify = ignore,
) -> AsyncIterator[OpenAIBatches]:
    """A connection to the service of a checkpoint's run, or else to that of `base_url`.

    The key of a run never goes to another address than the run's. `notify` gets the reason of each wait.
    """
    settings = ledger.run.settings if ledger else None
    if settings and settings.immediate:
        raise UsageError("This run uses --immediate; it has no batches at the service.")
    with ExitStack() as stack:
        if settings and checkpoint and settings.sandbox:
            key, url = stack.enter_context(_sandbox_of(Resources(settings, secrets, checkpoint, seconds)))
        else:
            key, url = required_key(secrets), settings.base_url if settings else base_url
        batches = OpenAIBatches(key, base_url=url, patience=PATIENCE, waiting=notify)
        batches.poll_attempts = POLL_ATTEMPTS
        try:
            yield batches
        finally:
            await batches.close()
