"""The `cancel` command: cancel one batch, or all batches of a run, and store their finished answers."""

import asyncio
from typing import TYPE_CHECKING

import typer

from floridify_batch.cli.context import (
    ExitCode,
    checkpoint_or_only,
    config_at,
    crash_point,
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
    HiddenAcceptDatabaseOption,
    MongoOption,
    OnlyCheckpointOption,
    OutputOption,
    PollOption,
    QuietOption,
    YesOption,
)
from floridify_batch.cli.session_end import exit_with
from floridify_batch.errors import CheckpointLocked, UsageError
from floridify_batch.formatting import counted

if TYPE_CHECKING:
    from floridify_batch.cli.service import FoundBatch
    from floridify_batch.cli.session import Session
    from floridify_batch.providers.interface import BatchJob
    from floridify_batch.run.checkpoint import Checkpoint
    from floridify_batch.run.ledger import ChunkRecord, Ledger
    from floridify_batch.run.resources import Secrets


def cancel(
    batch_id: CancelledArgument = None,
    checkpoint: OnlyCheckpointOption = None,
    poll_interval: PollOption = None,
    mongo_url: MongoOption = None,
    accept_database: HiddenAcceptDatabaseOption = False,
    base_url: BaseUrlOption = None,
    floridify_config: ConfigOption = None,
    yes: YesOption = False,
    output: OutputOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Cancel batches and store their completed answers."""
    from floridify_batch.cli.service import find_batch
    from floridify_batch.cli.session import Session

    shown = output_named(output, quiet=quiet)
    config = config_at(floridify_config)
    secrets = secrets_of(mongo_url, config)
    if batch_id:
        found = find_batch(batch_id, checkpoint)
        asyncio.run(_cancel_batch(found, secrets, base_url or config.base_url, yes=yes))
        return
    place = checkpoint_or_only(checkpoint)
    session = Session(
        place,
        secrets,
        sandbox_seconds(),
        yes=yes,
        wait=True,
        changes=given(poll_interval=poll_interval),
        cancels=True,
        accept_database=accept_database,
        crash_point=crash_point(),
        output=shown,
    )
    exit_with(lambda: _cancel_run(session), place)


async def _cancel_batch(found: "FoundBatch", secrets: "Secrets", base_url: str | None, *, yes: bool) -> None:
    """Cancel one batch, of any run. Raises `UnknownBatch`."""
    from floridify_batch.cli.confirmation import agreed
    from floridify_batch.cli.service import opened_batches_of
    from floridify_batch.display.console import say, say_on_stderr

    if found.checkpoint:
        _refuse_beside(found.checkpoint)
    service = opened_batches_of(found.ledger, found.checkpoint, secrets, base_url, sandbox_seconds(), say_on_stderr)
    async with service as batches:
        job = await batches.retrieve(found.id)
        if not agreed(f"Cancel batch {found.id} ({_progress(job)})?", yes=yes):
            say("Nothing was cancelled.")
            raise typer.Exit(ExitCode.STOPPED)
        job = await batches.cancel(found.id)
    say(f"{found.id}: {job.status}, {_progress(job)}")


def _cancel_run(session: "Session") -> int:
    """Cancel a run's batches in flight, wait until they have ended, and store finished answers; submit nothing.

    Raises `ServiceError`, `DatabaseError` or `CheckpointError`, each with a checkpoint that can be resumed.
    """
    from floridify_batch.cli.confirmation import agreed
    from floridify_batch.cli.session import resume
    from floridify_batch.display.console import say

    checkpoint = session.checkpoint
    ledger = ledger_of(checkpoint)
    if ledger.run.settings.immediate:
        raise UsageError("This run uses --immediate; it has no batches at the service.")
    unstored = _unstored(ledger)
    if not unstored:
        say("No batch is in flight; nothing to cancel.")
        return ExitCode.SUCCESS
    _refuse_beside(checkpoint)
    batches = counted(len(unstored), "batch", "batches")
    requests = counted(sum(record.requests for record in unstored), "request")
    if not agreed(f"Cancel {batches} ({requests})?", yes=session.yes):
        say("Nothing was cancelled.")
        return ExitCode.STOPPED
    return asyncio.run(resume(session))


def _unstored(ledger: "Ledger") -> "list[ChunkRecord]":
    """The chunks that may have something at the service, or results that are not in the database yet."""
    from floridify_batch.run.ledger import ChunkState

    return list(ledger.in_state(ChunkState.SUBMITTING, ChunkState.SUBMITTED, ChunkState.ANSWERED, ChunkState.LOST))


def _refuse_beside(checkpoint: "Checkpoint") -> None:
    """Raise `CheckpointLocked` while a process works on a run: it would send the cancelled requests again."""
    if checkpoint.is_held():
        raise CheckpointLocked(
            f"A process is working on {checkpoint.path} and would send the requests again. "
            "Stop it first (Ctrl-C), then cancel."
        )


def _progress(job: "BatchJob") -> str:
    return f"{job.done:,} of {counted(job.total, 'request')} done"
