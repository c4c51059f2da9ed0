"""The `report` command: write an HTML report of a run."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from floridify_batch.cli.context import (
    check_exists,
    checkpoint_or_only,
    ledger_of,
    place_of_run,
    progress_bar,
    say_if_sandbox,
)
from floridify_batch.cli.options import MongoOption, OnlyCheckpointOption
from floridify_batch.errors import UsageError

if TYPE_CHECKING:
    from floridify_batch.components.failure import Failure
    from floridify_batch.database.value_count import ValueCounts
    from floridify_batch.display.report import Example
    from floridify_batch.run.checkpoint import Checkpoint
    from floridify_batch.run.ledger import Ledger


def report(
    checkpoint: OnlyCheckpointOption = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Output file (default: beside the checkpoint).",
            dir_okay=False,
            rich_help_panel="Output",
        ),
    ] = None,
    provenance: Annotated[
        bool,
        typer.Option(
            "--provenance",
            help="Count stored values by model and by person.",
            rich_help_panel="Output",
        ),
    ] = False,
    mongo_url: MongoOption = None,
) -> None:
    """Write an HTML report of a run."""
    from floridify_batch.display.console import say

    place = checkpoint_or_only(checkpoint)
    name = place.path.name.removesuffix(".json").removesuffix(".checkpoint")
    target = html or place.path.with_name(f"{name}.report.html")
    ledger = ledger_of(place)
    values = asyncio.run(_stored_values(ledger, place, mongo_url)) if provenance else None
    write_report(ledger, place, target, values)
    say_if_sandbox(ledger)
    say(f"Report written to {target}.")


async def _stored_values(ledger: "Ledger", checkpoint: "Checkpoint", mongo_url: str | None) -> "ValueCounts":
    """The counts of the values that are stored for the words of a run."""
    from rich.progress import MofNCompleteColumn

    from floridify_batch.cli.checkpoint_policy import kept_words
    from floridify_batch.database.connection import opened
    from floridify_batch.database.value_count import value_counts
    from floridify_batch.display.console import say_on_stderr

    words = kept_words(ledger, checkpoint)
    place = place_of_run(ledger, checkpoint, mongo_url, None)
    check_exists(place)
    async with opened(place, say_on_stderr) as store:
        with progress_bar("Counting", MofNCompleteColumn()) as progress:
            return await value_counts(store, words, ledger.run.settings.language, progress)


def write_report(ledger: "Ledger", checkpoint: "Checkpoint", target: Path, values: "ValueCounts | None" = None) -> None:
    """Write the report with private permissions, replacing an earlier report.

    Raises `UsageError` where the target is another kind of file, or cannot be written.
    """
    from floridify_batch.display.report import report_of
    from floridify_batch.display.report_page import page
    from floridify_batch.files import replace_file

    _check_target(target)
    content = report_of(ledger, examples(ledger, checkpoint), quote(checkpoint.path.name), values)
    try:
        replace_file(target, page(content).encode(errors="replace"))
    except OSError as error:
        raise _unwritable(target, error) from None


def _check_target(target: Path) -> None:
    """Refuse to overwrite anything but a report: a typo must not cost a word list or a checkpoint."""
    from floridify_batch.display.report_page import FIRST_LINE

    if target.exists() and not (target.is_file() or target.is_dir()):
        raise UsageError(f"{target} is no file, and would be replaced; choose another --html.")
    try:
        with target.open("rb") as file:
            start = file.read(len(FIRST_LINE))
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unwritable(target, error) from None
    if start and start != FIRST_LINE.encode():
        raise UsageError(f"{target} exists and is not a batch-synth report; choose another --html.")


def _unwritable(target: Path, error: OSError) -> UsageError:
    return UsageError(f"The report {target} cannot be written: {error.strerror}.")


def examples(ledger: "Ledger", checkpoint: "Checkpoint") -> "dict[str, Example]":
    """The first failure of each kind in the chunks' files, with its word."""
    found = checkpoint.failure_samples(ledger)
    words = _words(checkpoint) if found else ()
    return {kind: _example(words, ordinal, failure) for kind, (ordinal, failure) in found.items()}


def _example(words: Sequence[str], ordinal: int, failure: "Failure") -> "Example":
    from floridify_batch.components.requests import parse_custom_id
    from floridify_batch.display.report import Example

    word = words[ordinal] if ordinal < len(words) else ""
    parts = parse_custom_id(failure.custom_id)
    return Example(word, parts.component if parts else "", failure.detail)


def _words(checkpoint: "Checkpoint") -> Sequence[str]:
    from floridify_batch.words.word_list import read_normalised

    try:
        return read_normalised(checkpoint.words_path)
    except (OSError, UnicodeDecodeError):  # the checkpoint was moved without its folder
        return ()
