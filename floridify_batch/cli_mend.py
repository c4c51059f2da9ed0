"""The command that makes up for a lost checkpoint: recover."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from floridify_batch.cli_options import (
    BaseUrlOption,
    ConfigOption,
    DatabaseOption,
    MongoOption,
    PollOption,
    SandboxOption,
    TemplatesOption,
)
from floridify_batch.cli_parts import STOPPED, place_of, sandbox_seconds, secrets_of


def recover(
    run: Annotated[str | None, typer.Option("--run", help="Only this run, by its id.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow what is still going.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    poll_interval: PollOption = None,
    templates: TemplatesOption = None,
    mongo_url: MongoOption = None,
    database: DatabaseOption = None,
    base_url: BaseUrlOption = None,
    sandbox: SandboxOption = False,
    floridify_config: ConfigOption = None,
) -> None:
    """Store what was paid for, without a checkpoint."""
    from floridify_batch import recovering
    from floridify_batch.floridify import read_config

    interval = poll_interval or (1.0 if sandbox else 60.0)
    search = recovering.Search(run, yes=yes, wait=interval if wait else None, templates=templates)
    place = place_of(mongo_url, database, floridify_config)
    source = recovering.Source(
        secrets_of(None, read_config(floridify_config)), base_url, Path() if sandbox else None, sandbox_seconds()
    )
    try:
        code = asyncio.run(recovering.recover_batches(place, search, source))
    except KeyboardInterrupt:
        typer.echo("Stopped. What was stored stays; the same command goes on.", err=True)
        code = STOPPED
    raise typer.Exit(code)
