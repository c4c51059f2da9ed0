"""The `undo` command: remove what a run wrote, unless it was edited."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from floridify_batch.cli import completion
from floridify_batch.cli.context import (
    ExitCode,
    check_exists,
    checkpoint_at,
    checkpoint_or_only,
    checkpoints_here,
    config_at,
    ledger_of,
    place_of,
    place_of_run,
)
from floridify_batch.cli.options import ConfigOption, ConfirmedOption, DatabaseOption, MongoOption
from floridify_batch.errors import CheckpointError, UsageError
from floridify_batch.formatting import counted
from floridify_batch.timing import utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from floridify_batch.database.connection import Place
    from floridify_batch.database.store import MongoStore
    from floridify_batch.database.undo import Counts
    from floridify_batch.run.checkpoint import Checkpoint


def undo(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Checkpoint, word list or ID of the run.",
            rich_help_panel="Content",
            autocompletion=completion.checkpoints,
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the table only.", rich_help_panel="Control")
    ] = False,
    yes: ConfirmedOption = False,
    mongo_url: MongoOption = None,
    database: DatabaseOption = None,
    floridify_config: ConfigOption = None,
) -> None:
    """Remove the values that a run wrote."""
    config = config_at(floridify_config)
    path = Path(run)
    by_id = not (path.exists() or path.suffix == ".json")
    checkpoint = checkpoint_of_run(run) if by_id else checkpoint_or_only(path)
    if checkpoint is None:
        place = place_of(mongo_url, database, config)
        raise typer.Exit(asyncio.run(undo_run(run, place, dry_run=dry_run, yes=yes)))
    ledger = ledger_of(checkpoint)
    if checkpoint.is_held():
        raise CheckpointError("The run is active in another process; stop it first.")
    if not ledger.finished and not dry_run and not by_id:
        raise CheckpointError(
            f"The run of {checkpoint.path} is not finished: its next session would store the same answers again. "
            "Resume it or cancel its batches (`batch-synth cancel`) first, or name the run by its ID, "
            f"{ledger.run.id}, to undo what it has stored so far."
        )
    place = place_of_run(ledger, checkpoint, config.mongo_url_or(mongo_url), database)
    undone = partial(mark_undone, checkpoint)
    raise typer.Exit(asyncio.run(undo_run(ledger.run.id, place, dry_run=dry_run, yes=yes, undone=undone)))


def checkpoint_of_run(run: str) -> "Checkpoint | None":
    """The checkpoint here of the only run whose ID begins with a text."""
    found = []
    for path in checkpoints_here():
        try:
            checkpoint = checkpoint_at(path)
            found += [checkpoint] if ledger_of(checkpoint).run.id.startswith(run) else []
        except CheckpointError:
            continue  # damaged, or without a run
    return found[0] if len(found) == 1 else None


def mark_undone(checkpoint: "Checkpoint") -> None:
    """Note in a checkpoint that its run was undone."""
    with checkpoint.locked():
        ledger = ledger_of(checkpoint)
        ledger.undone = True
        checkpoint.save(ledger)


async def undo_run(
    run: str, place: "Place", *, dry_run: bool = False, yes: bool = False, undone: Callable[[], None] = lambda: None
) -> ExitCode:
    """Count the values of a run, ask, remove them, and call `undone`. Raises `UsageError` for an unknown run."""
    from rich.console import Console

    from floridify_batch.cli.confirmation import agreed
    from floridify_batch.database.connection import opened
    from floridify_batch.database.undo import Undo
    from floridify_batch.display.console import say
    from floridify_batch.display.table import undo_table

    check_exists(place)
    async with opened(place, say) as store:
        undoing = Undo(store, await _the_run(store, run, place), utc_now())
        counts = await undoing.count()
        removed = _removed(counts)
        if counts:
            Console(highlight=False).print(undo_table(counts))
        for line in _lines(counts):
            say(line)
        if dry_run or not removed:
            say(f"Database: {place}. Nothing was removed.")
            return ExitCode.SUCCESS
        if not agreed(f"Remove these values from {place}?", yes=yes, alternative=", or --dry-run for the table only"):
            say("Nothing was removed.")
            return ExitCode.STOPPED
        await store.check_writable()
        async with store.locked(f"undo {uuid4().hex}"):
            results = await undoing.write()
        undone()
    stayed = removed - _removed(results)
    if stayed > 0:
        say(f"{counted(stayed, 'value')} edited meanwhile: kept.")
    say(f"{counted(_removed(results), 'value')} removed from {place}.")
    return ExitCode.SUCCESS


def _removed(counts: "Counts") -> int:
    return sum(number for (_, result), number in counts.items() if result == "removed")


_REASONS: Mapping[str, str] = {
    "edited": "edited since: kept",
    "in use": "used by other runs or entries: kept",
    "not recorded": "of earlier versions, which did not record what they wrote: kept (see mend --adopt)",
}


def _lines(counts: "Counts") -> Iterator[str]:
    """The reasons why values stay."""
    if not counts:
        yield "Nothing to undo."
    for result, reason in _REASONS.items():
        if number := sum(each for (_, found), each in counts.items() if found == result):
            yield f"{counted(number, 'value')} {reason}."


async def _the_run(store: "MongoStore", text: str, place: "Place") -> str:
    """The only run whose id begins with a text."""
    from floridify_batch.database.undo import runs_named

    found: Sequence[str] = await runs_named(store, text)
    if text in found:
        return text
    if not found:
        raise UsageError(f"The database {place} has no stored answer of a run {text}.")
    if len(found) > 1:
        raise UsageError(f"Several runs begin with {text}: {', '.join(found)}. Name one of them.")
    return found[0]
