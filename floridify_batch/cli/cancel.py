"""The `cancel` command: cancel one batch, or all batches of a run, and store what they finished."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from floridify_batch.cli.context import (
    ExitCode,
    checkpoint_or_only,
    crash_point,
    exit_with,
    given,
    ledger_of,
    output_named,
    sandbox_seconds,
    secrets_of,
)
from floridify_batch.cli.options import (
    BaseUrlOption,
    CancelledArgument,
    ConfigOption,
    MongoOption,
    OnlyCheckpointOption,
    OutputOption,
    PollOption,
    QuietOption,
)
from floridify_batch.errors import CheckpointLocked, UnknownBatch, UsageError

if TYPE_CHECKING:
    from floridify_batch.cli.session import Session
    from floridify_batch.providers.interface import Batches, BatchJob
    from floridify_batch.run.ledger import Ledger
    from floridify_batch.run.resources import Secrets


def cancel(
    batch_id: CancelledArgument = None,
    checkpoint: OnlyCheckpointOption = None,
    poll_interval: PollOption = None,
    mongo_url: MongoOption = None,
    base_url: BaseUrlOption = None,
    floridify_config: ConfigOption = None,
    output: OutputOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Cancel a run's batches and store what they finished."""
    from floridify_batch.cli.floridify_config import read_config
    from floridify_batch.cli.session import Session

    if batch_id and checkpoint:
        raise UsageError("Pass either a batch ID or --checkpoint, not both.")
    shown = output_named(output, quiet=quiet)
    secrets = secrets_of(mongo_url, read_config(floridify_config))
    if batch_id:
        asyncio.run(_cancel_batch(batch_id, secrets, base_url))
        return
    place = checkpoint_or_only(checkpoint)
    session = Session(
        place,
        secrets,
        sandbox_seconds(),
        yes=True,
        wait=True,
        changes=given(poll_interval=poll_interval),
        crash_point=crash_point(),
        output=shown,
    )
    exit_with(lambda: asyncio.run(_cancel_run(session)), place)


async def _cancel_batch(batch_id: str, secrets: "Secrets", base_url: str | None) -> None:
    """Cancel one batch, of any run. Raises `UnknownBatch`."""
    from floridify_batch.cli.service import opened_batches_of
    from floridify_batch.display.console import say, say_aside

    async with opened_batches_of(None, None, secrets, base_url, 0.0, say_aside) as batches:
        job = await batches.cancel(batch_id)
    say(f"{batch_id}: {_outcome(job)}")


async def _cancel_run(session: "Session") -> int:
    """Cancel a run's batches in flight, wait until they have ended, and store what was finished; submit nothing.

    While another process works on the run, that process stores it. Raises `ServiceError`, `DatabaseError` or
    `CheckpointError`, each with a checkpoint that can be resumed.
    """
    from floridify_batch.cli.session import resume
    from floridify_batch.display.console import say
    from floridify_batch.run.ledger import ChunkState

    ledger = ledger_of(session.checkpoint)
    if ledger.run.settings.immediate:
        raise UsageError("This run uses --immediate; it has no batches at the service.")
    unstored = (ChunkState.SUBMITTING, ChunkState.SUBMITTED, ChunkState.ANSWERED, ChunkState.LOST)
    if not any(ledger.in_state(*unstored)):
        say("No batch is in flight; nothing to cancel.")
        return ExitCode.SUCCESS
    try:
        return await resume(replace(session, cancels=True))
    except CheckpointLocked as error:
        return await _cancel_beside(session, ledger, str(error))


async def _cancel_beside(session: "Session", ledger: "Ledger", lock_message: str) -> int:
    """Cancel the batches of a run that another process works on; that process collects what they finished."""
    from floridify_batch.cli.service import batches_in_flight, opened_batches_of
    from floridify_batch.display.console import say, say_aside

    service = opened_batches_of(ledger, session.checkpoint, session.secrets, None, session.sandbox_seconds, say_aside)
    async with service as batches:
        for batch_id in batches_in_flight(ledger):
            say(f"{batch_id}: {await cancelled(batches, batch_id)}")
    say(
        f"{lock_message.split(';', maxsplit=1)[0]}: that process stores what is finished, and retries the rest. "
        "To end the run, stop it (Ctrl-C) and cancel again."
    )
    return ExitCode.SUCCESS


async def cancelled(batches: "Batches", batch_id: str) -> str:
    """Cancel a batch and describe its status; a batch that the service no longer knows is not an error here."""
    try:
        return _outcome(await batches.cancel(batch_id))
    except UnknownBatch as error:
        return str(error)


def _outcome(job: "BatchJob") -> str:
    return f"{job.status}, {job.done:,} of {job.total:,} requests done"
