"""Access to the batches at the service, for commands that work on a run from outside."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from floridify_batch.display.console import say
from floridify_batch.errors import UsageError
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import ChunkState, Ledger
from floridify_batch.run.resources import Resources, Secrets, required_key
from floridify_batch.timing import Notify, ignore

PATIENCE = 10.0
"""Seconds for which requests to an unreachable service are retried while a user waits."""


def batches_in_flight(ledger: Ledger) -> list[str]:
    """The IDs of a run's batches in flight."""
    return [record.batch_id for record in ledger.in_state(ChunkState.SUBMITTED) if record.batch_id]


@asynccontextmanager
async def opened_batches_of(
    ledger: Ledger | None,
    checkpoint: Checkpoint | None,
    secrets: Secrets,
    base_url: str | None,
    seconds: float,
    notify: Notify = ignore,
) -> AsyncIterator[OpenAIBatches]:
    """A connection to the service of a checkpoint's run, or else to the one of the environment.

    `notify` gets the reason of each wait.
    """
    settings = ledger.run.settings if ledger else None
    if settings and settings.immediate:
        raise UsageError("This run uses --immediate; it has no batches at the service.")
    with ExitStack() as stack:
        if settings and checkpoint and settings.sandbox:
            key, url = stack.enter_context(Resources(settings, secrets, checkpoint, seconds, say).service(join=True))
        else:
            key, url = required_key(secrets), base_url or (settings.base_url if settings else None)
        batches = OpenAIBatches(key, base_url=url, patience=PATIENCE, waiting=notify)
        try:
            yield batches
        finally:
            await batches.close()
