"""The `resume` command: continue a run from its checkpoint."""

import asyncio

from floridify_batch.cli.context import (
    checkpoint_at,
    crash_point,
    exit_with,
    given,
    output_named,
    sandbox_seconds,
    secrets_of,
)
from floridify_batch.cli.options import RequiredCheckpointOption, RetryFailedOption
from floridify_batch.cli.run_options import RunOptions, with_run_options


@with_run_options
def resume(checkpoint: RequiredCheckpointOption, options: RunOptions, retry_failed: RetryFailedOption = False) -> None:
    """Resume a run from its checkpoint."""
    from floridify_batch.cli import session
    from floridify_batch.cli.floridify_config import read_config

    output = output_named(options.output, quiet=options.quiet)
    config = read_config(options.floridify_config)
    place = checkpoint_at(checkpoint)
    changes = options.execution_settings() | given(poll_interval=options.poll_interval) | options.cost_settings()
    present = session.Session(
        place,
        secrets_of(options.mongo_url, config),
        sandbox_seconds(),
        yes=True,
        wait=not options.no_wait,
        changes=changes,
        retry_failed=retry_failed,
        crash_point=crash_point(),
        output=output,
    )
    exit_with(lambda: asyncio.run(session.resume(present)), place)
