"""The `resume` command: continue a run from its checkpoint."""

import asyncio

from floridify_batch.cli.context import (
    ExitCode,
    check_name,
    checkpoint_or_only,
    config_at,
    crash_point,
    given,
    output_named,
    sandbox_seconds,
    secrets_of,
)
from floridify_batch.cli.options import (
    GiveUpOption,
    ModelForOption,
    MovedTemplatesOption,
    NextModelOption,
    OnlyCheckpointOption,
    RetryFailedOption,
    RunArgument,
    YesOption,
)
from floridify_batch.cli.run_options import RunOptions, with_run_options
from floridify_batch.cli.session_end import exit_with
from floridify_batch.errors import UsageError


@with_run_options
def resume(
    run: RunArgument = None,
    checkpoint: OnlyCheckpointOption = None,
    retry_failed: RetryFailedOption = False,
    give_up: GiveUpOption = None,
    model: NextModelOption = None,
    templates: MovedTemplatesOption = None,
    model_for: ModelForOption = None,
    yes: YesOption = False,
    *,
    options: RunOptions,
) -> None:
    """Resume a run from its checkpoint."""
    from floridify_batch.cli import session
    from floridify_batch.components.registry import models_named

    output = output_named(options.output, quiet=options.quiet)
    config = config_at(options.floridify_config)
    if run and checkpoint:
        raise UsageError("Pass either a run or --checkpoint, not both.")
    if templates:
        check_name(templates)
    place = checkpoint_or_only(run or checkpoint)
    changes = options.execution_settings() | given(poll_interval=options.poll_interval) | options.cost_settings()
    changes |= given(models=models_named(model_for) if model_for else None)
    changes |= given(model=model, templates=str(templates.absolute()) if templates else None)
    present = session.Session(
        place,
        secrets_of(options.mongo_url, config),
        sandbox_seconds(),
        yes=yes,
        wait=not options.no_wait,
        changes=changes,
        retry_failed=retry_failed,
        give_up=tuple(give_up or ()),
        accept_database=options.accept_database,
        crash_point=crash_point(),
        details=options.details,
        in_flight=ExitCode.IN_FLIGHT,
        output=output,
        log_file=options.log_file,
        faults=options.faults(),
    )
    exit_with(lambda: asyncio.run(session.resume(present)), place, options.notify)
