"""The commands that look at a run from outside: status, failures, costs, report, components."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floridify_batch.cli.context import checkpoint_at, checkpoint_or_only, sandbox_seconds, secrets_of
from floridify_batch.cli.options import BaseUrlOption, BatchArgument, JsonOption, OnlyCheckpointOption
from floridify_batch.errors import UsageError

if TYPE_CHECKING:
    from floridify_batch.run.checkpoint import Checkpoint


def status(
    batch_id: BatchArgument = None,
    checkpoint: OnlyCheckpointOption = None,
    base_url: BaseUrlOption = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="The run's own screen, until it has ended.", rich_help_panel="Output")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Say how a batch, or every batch of a checkpoint, stands."""
    from floridify_batch.cli import status as inspection

    if watch:
        if json:
            raise UsageError("--watch is for a terminal; --json says once how things stand.")
        _watch(batch_id, checkpoint_or_only(checkpoint), base_url)
    seconds = sandbox_seconds()
    if batch_id:
        place = checkpoint_at(checkpoint) if checkpoint else None
        asked = inspection.batch_status(batch_id, place, secrets_of(), base_url, seconds, as_json=json)
    else:
        asked = inspection.status(checkpoint_or_only(checkpoint), secrets_of(), seconds, as_json=json)
    raise typer.Exit(asyncio.run(asked))


def _watch(batch_id: str | None, place: "Checkpoint", base_url: str | None) -> None:
    """Watch a run; whoever has seen enough ends it with Ctrl-C."""
    from floridify_batch.cli import watch as watching

    if batch_id:
        raise UsageError("--watch shows a run; leave the batch's id out.")
    try:
        code = asyncio.run(watching.watch(place, secrets_of(), base_url, sandbox_seconds()))
    except KeyboardInterrupt:
        code = 0
    raise typer.Exit(code)


def failures(checkpoint: OnlyCheckpointOption = None, json: JsonOption = False) -> None:
    """List the failed words of a checkpoint, with reasons."""
    from floridify_batch.cli import status as inspection

    raise typer.Exit(inspection.failures(checkpoint_or_only(checkpoint), as_json=json))


def report(
    checkpoint: OnlyCheckpointOption = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="The page (beside the checkpoint).", dir_okay=False, rich_help_panel="Output"
        ),
    ] = None,
) -> None:
    """Write a page about a run: progress, money, failures."""
    from floridify_batch.cli import report as reporting

    raise typer.Exit(reporting.report(checkpoint_or_only(checkpoint), html))


def costs(checkpoint: OnlyCheckpointOption = None, json: JsonOption = False) -> None:
    """Say what a run has cost, on what, against the estimate."""
    from floridify_batch.cli import status as inspection

    raise typer.Exit(inspection.costs(checkpoint_or_only(checkpoint), as_json=json))


def components() -> None:
    """List what can be synthesised."""
    from floridify_batch.cli import status as inspection

    raise typer.Exit(inspection.components())
