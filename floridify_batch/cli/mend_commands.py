"""The commands that end a run, or make up for its lost checkpoint: cancel and recover."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from floridify_batch.cli.context import (
    STOPPED,
    checkpoint_or_only,
    dies_at,
    finish,
    given,
    output_named,
    place_of,
    poll_interval_of,
    sandbox_seconds,
    secrets_of,
)
from floridify_batch.cli.options import (
    BaseUrlOption,
    CancelledArgument,
    ConfigOption,
    DatabaseOption,
    MongoOption,
    OnlyCheckpointOption,
    OutputOption,
    PollOption,
    PriceOption,
    QuietOption,
    SandboxOption,
    TemplatesOption,
)
from floridify_batch.errors import UsageError


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
    """Cancel a run's batches, and store what they finished."""
    from floridify_batch.cli import cancel as cancelling
    from floridify_batch.cli.floridify_config import read_config
    from floridify_batch.cli.session import Scene

    if batch_id and checkpoint:
        raise UsageError("Name either a batch or a --checkpoint to cancel.")
    shown = output_named(output, quiet=quiet)
    secrets = secrets_of(mongo_url, read_config(floridify_config))
    if batch_id:
        raise typer.Exit(asyncio.run(cancelling.cancel_batch(batch_id, secrets, base_url)))
    pace = given(poll_interval=poll_interval)
    place = checkpoint_or_only(checkpoint)
    scene = Scene(place, secrets, sandbox_seconds(), yes=True, wait=True, pace=pace, dies_at=dies_at(), output=shown)
    finish(lambda: asyncio.run(cancelling.cancel_run(scene)), place)


def recover(
    run: Annotated[
        str | None, typer.Option("--run", metavar="ID", help="Only this run.", rich_help_panel="What")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow what is still going.", rich_help_panel="Pace")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask before storing.", rich_help_panel="Pace")
    ] = False,
    price: PriceOption = None,
    poll_interval: PollOption = None,
    templates: TemplatesOption = None,
    mongo_url: MongoOption = None,
    database: DatabaseOption = None,
    base_url: BaseUrlOption = None,
    sandbox: SandboxOption = False,
    floridify_config: ConfigOption = None,
) -> None:
    """Store what was paid for, without a checkpoint."""
    from floridify_batch.cli import recover as recovering
    from floridify_batch.cli.floridify_config import read_config
    from floridify_batch.costs.price import price_named

    config = read_config(floridify_config)
    interval = poll_interval_of(poll_interval, near=sandbox)
    rates = price_named(price) if price is not None else None
    search = recovering.Search(run, yes=yes, wait=interval if wait else None, templates=templates, price=rates)
    place = place_of(mongo_url, database, config)
    source = recovering.Source(secrets_of(mongo_url, config), base_url, Path() if sandbox else None, sandbox_seconds())
    try:
        code = asyncio.run(recovering.recover_batches(place, search, source))
    except KeyboardInterrupt:
        typer.echo("Stopped. What was stored stays; the same command goes on.", err=True)
        code = STOPPED
    raise typer.Exit(code)
