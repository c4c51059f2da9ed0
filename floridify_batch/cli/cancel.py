"""The command that ends batches: one of the service's, or all that a run has in flight, storing what they hold."""

from dataclasses import replace

from floridify_batch.cli.checkpoint_policy import PROCESSED
from floridify_batch.cli.session import Scene, resume
from floridify_batch.cli.status import batches_of, flying, ledger_of
from floridify_batch.display.console import say, say_aside
from floridify_batch.errors import CheckpointLocked, UnknownBatch, UsageError
from floridify_batch.providers.interface import Batches, BatchJob
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import ChunkState, Ledger
from floridify_batch.run.resources import Secrets

_OPEN = (ChunkState.SUBMITTING, ChunkState.SUBMITTED, ChunkState.ANSWERED, ChunkState.LOST)
"""The states of chunks of which something may be at the service, or not yet in the database."""


async def cancel_batch(batch_id: str, secrets: Secrets, base_url: str | None) -> int:
    """Cancel one batch, whoever made it. Raises `UnknownBatch`."""
    async with batches_of(None, None, secrets, base_url, 0.0, say_aside) as batches:
        job = await batches.cancel(batch_id)
    say(f"{batch_id}: {_outcome(job)}")
    return PROCESSED


async def cancel_run(scene: Scene) -> int:
    """Cancel what a run has in flight, wait until it has ended, and store what was finished; nothing further is sent.

    While another process works on the run, that process stores it. Raises `ServiceError`, `DatabaseError` or
    `CheckpointError`, each with a checkpoint that can be gone on from.
    """
    ledger = ledger_of(scene.checkpoint)
    if ledger.run.settings.immediate:
        raise UsageError("This run asks at once; it has no batches at the service.")
    if not any(ledger.in_state(*_OPEN)):
        say("No batch is in flight; there is nothing to cancel.")
        return PROCESSED
    try:
        return await resume(replace(scene, cancels=True))
    except CheckpointLocked as error:
        return await _cancel_for_others(scene, scene.checkpoint, ledger, str(error))


async def _cancel_for_others(scene: Scene, checkpoint: Checkpoint, ledger: Ledger, why: str) -> int:
    """Cancel the batches of a run that another process works on: what they have finished comes to that process."""
    async with batches_of(ledger, checkpoint, scene.secrets, None, scene.sandbox_seconds, say_aside) as batches:
        for batch_id in flying(ledger):
            say(f"{batch_id}: {await _cancelled(batches, batch_id)}")
    say(
        f"{why.split(';', maxsplit=1)[0]}: that process stores what is finished, and asks the rest again. "
        "To end the run, stop it (Ctrl-C) and cancel once more."
    )
    return PROCESSED


async def _cancelled(batches: Batches, batch_id: str) -> str:
    """Cancel a batch and say how it stands; one that the service no longer knows keeps nobody from the others."""
    try:
        return _outcome(await batches.cancel(batch_id))
    except UnknownBatch as error:
        return str(error)


def _outcome(job: BatchJob) -> str:
    return f"{job.status}, {job.done:,} of {job.total:,} requests done"
