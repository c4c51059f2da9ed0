"""The `clean` command: remove the files of finished runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floridify_batch.cli import completion
from floridify_batch.cli.context import (
    DEFAULT_DATABASE,
    ExitCode,
    checkpoint_or_only,
    in_terminal,
    missing_words,
    table_console,
)
from floridify_batch.cli.options import CleanYesOption
from floridify_batch.errors import CheckpointError
from floridify_batch.formatting import count, counted, megabytes

if TYPE_CHECKING:
    from floridify_batch.run.checkpoint import Checkpoint

RENAMED = "*.checkpoint.*.json"
"""Checkpoints of finished runs that a later run has renamed."""


@dataclass(frozen=True, slots=True)
class Remains:
    """The files of a run. `kept`: why they are not removed; empty for those of a finished run.

    `missing`: the words of a finished run that can be retried: such a run is removed only if the user names it.
    """

    checkpoint: "Checkpoint"
    words: int
    saved: str
    size: int
    kept: str
    missing: str = ""
    undone: bool = False
    database: str = ""

    @property
    def state(self) -> str:
        """The state of the run, and whether its files are kept."""
        ended = "undone" if self.undone else f"ended, words: {self.missing}" if self.missing else "finished"
        return f"kept: {self.kept}" if self.kept else ended


_BY_NAME = "words: {}; resume --retry-failed may complete them; clean CHECKPOINT removes the run"


def clean(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Checkpoints or word lists (default: all here).",
            rich_help_panel="Content",
            autocompletion=completion.checkpoints,
        ),
    ] = None,
    yes: CleanYesOption = False,
) -> None:
    """Remove the files of finished runs."""
    from floridify_batch.cli.confirmation import agreed
    from floridify_batch.display.console import say

    found = [remains_of(checkpoint) for checkpoint in _checkpoints(runs or ())]
    if not runs:
        found = [replace(each, kept=_BY_NAME.format(each.missing)) if _retriable(each) else each for each in found]
    if not found:
        say("No checkpoint in this folder.")
        return
    _print(found)
    removed = [each for each in found if not each.kept]
    total = f"{_runs(removed)} ({megabytes(sum(each.size for each in removed))})"
    stay = _entries_stay(removed)
    if not removed:
        say("No finished run; nothing to remove.")
        return
    if not yes and not in_terminal():
        say(f"{total} can be removed; pass --yes to remove them. {stay}")
        return
    if not agreed(f"Remove {total}? {stay}", yes=yes):
        say("Nothing was removed.")
        raise typer.Exit(ExitCode.STOPPED)
    for each in removed:
        _remove(each.checkpoint)
    say(f"Removed {total}. {stay}")


def _runs(removed: Sequence[Remains]) -> str:
    """The number of finished and undone runs: "2 finished runs and 1 undone run"."""
    undone = sum(each.undone for each in removed)
    finished = len(removed) - undone
    parts = [counted(number, f"{name} run") for number, name in ((finished, "finished"), (undone, "undone")) if number]
    return " and ".join(parts)


def _entries_stay(removed: Sequence[Remains]) -> str:
    """The databases in which the entries of removed runs stay, and how `show` and `export` find them."""
    names = sorted({each.database for each in removed if not each.undone})
    if not names:
        return "The database is not changed."
    places = f"database{'s' * (len(names) > 1)} {', '.join(names)}"
    option = "" if names == [DEFAULT_DATABASE] else "; show, check and export need --database NAME"
    return f"The entries stay in the {places}{option}."


def _retriable(remains: Remains) -> bool:
    return bool(remains.missing) and not remains.kept


def _checkpoints(runs: Sequence[Path]) -> "list[Checkpoint]":
    """The given checkpoints, else all in the current folder, renamed ones included."""
    from floridify_batch.run.checkpoint import Checkpoint

    if runs:
        return [checkpoint_or_only(path) for path in runs]
    paths = {path for pattern in (completion.CHECKPOINTS, RENAMED) for path in Path().glob(pattern)}
    return [Checkpoint(path) for path in sorted(paths) if path.is_file()]


def remains_of(checkpoint: "Checkpoint") -> Remains:
    """The files of a run, and whether it is finished: no batch in flight, no answer that is not stored."""
    try:
        ledger = checkpoint.load()
    except CheckpointError:
        return Remains(checkpoint, 0, "", checkpoint.size(), "not readable")
    if ledger is None:
        missing = "contains no run" if checkpoint.path.exists() else "not found"
        return Remains(checkpoint, 0, "", checkpoint.size(), missing)
    kept = ""
    if checkpoint.is_held():
        kept = "in use"
    elif not ledger.finished:
        from floridify_batch.run.ledger import COMMITTED

        batches = len(list(ledger.in_state(*COMMITTED)))
        unstored = f", {counted(batches, 'batch', 'batches')} in flight or not stored" if batches else ""
        kept = f"unfinished{unstored}"
    saved = ledger.timestamp[:16].replace("T", " ")
    missing = "" if ledger.undone else missing_words(ledger)
    database = ledger.run.settings.database
    return Remains(checkpoint, ledger.run.words, saved, checkpoint.size(), kept, missing, ledger.undone, database)


def _print(found: Sequence[Remains]) -> None:
    """Print the runs with their sizes."""
    from floridify_batch.display.text import cell, listing, whole, wrapped

    table = wrapped(listing("checkpoint", "words", "saved (UTC)", "size", "", right=("words", "size")), 0, 4)
    for each in found:
        row = (count(each.words), each.saved or "-", megabytes(each.size))
        table.add_row(whole(str(each.checkpoint.path)), *map(cell, row), whole(each.state))
    table_console().print(table)


def _remove(checkpoint: "Checkpoint") -> None:
    """Remove a run's files under its lock, if it is still finished. Raises `CheckpointError`."""
    with checkpoint.locked():
        ledger = checkpoint.load()
        if ledger is None or not ledger.finished:
            raise CheckpointError(f"{checkpoint.path} has been resumed meanwhile; its files are unchanged.")
        checkpoint.remove()
