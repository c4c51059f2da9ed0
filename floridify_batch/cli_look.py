"""The commands that look at a run from outside: status, failures, report, components."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from floridify_batch.cli_options import BaseUrlOption, CheckpointOption, RequiredCheckpointOption
from floridify_batch.cli_parts import checkpoint_at, sandbox_seconds, secrets_of


def status(
    batch_id: Annotated[str | None, typer.Argument(help="A batch's id; without it, all of a checkpoint.")] = None,
    checkpoint: CheckpointOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Say how a batch, or every batch of a checkpoint, stands."""
    from floridify_batch import inspection

    place = checkpoint_at(checkpoint) if checkpoint else None
    asked = inspection.status(batch_id, place, secrets_of(None), base_url, sandbox_seconds())
    raise typer.Exit(asyncio.run(asked))


def failures(
    checkpoint: RequiredCheckpointOption,
) -> None:
    """List the failed words of a checkpoint, with reasons."""
    from floridify_batch import inspection

    raise typer.Exit(inspection.failures(checkpoint_at(checkpoint)))


def report(
    checkpoint: CheckpointOption = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Where it goes (beside the checkpoint).", dir_okay=False)
    ] = None,
) -> None:
    """Write a page about a run: progress, money, failures, batches."""
    from floridify_batch import reporting

    raise typer.Exit(reporting.report(checkpoint_at(checkpoint) if checkpoint else None, html))


def components() -> None:
    """List what can be synthesised."""
    from floridify_batch import inspection

    raise typer.Exit(inspection.components())
