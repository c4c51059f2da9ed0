"""The `failures` command: failed words and failed requests of a run."""

from typing import TYPE_CHECKING, Annotated

import typer

from floridify_batch.cli.context import ExitCode, checkpoint_or_only, ledger_of, say_if_sandbox, table_console
from floridify_batch.cli.options import JsonOption, OnlyCheckpointOption
from floridify_batch.formatting import to_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from floridify_batch.components.failure import Failure
    from floridify_batch.display.table import FailureRow
    from floridify_batch.run.checkpoint import Checkpoint
    from floridify_batch.run.ledger import Ledger


def failures(
    checkpoint: OnlyCheckpointOption = None,
    words: Annotated[
        bool, typer.Option("--words", help="Print the words alone, one per line.", rich_help_panel="Output")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List failed and incomplete words with their reasons."""
    from floridify_batch.display.console import say, say_json
    from floridify_batch.display.json_output import object_of
    from floridify_batch.display.table import failures_table

    place = checkpoint_or_only(checkpoint)
    ledger = ledger_of(place)
    if words:
        for word in ledger.missing:
            say(word)
        return
    rows = list(failure_rows(ledger, place))
    if json:
        listed = [object_of(row) for row in rows if row.custom_id]
        reasons = {"failed_words": ledger.failed_words, "incomplete_words": ledger.incomplete_words}
        say_json({**reasons, "failures": listed})
        raise typer.Exit(ExitCode.SUCCESS)
    console = table_console()
    console.print(failures_table(rows, console.width, console.height if console.is_terminal else None))
    say_if_sandbox(ledger)
    if rows:
        say(f"Retry them with: {to_type('resume', place.path)} --retry-failed")


def failure_rows(ledger: "Ledger", checkpoint: "Checkpoint") -> "Iterator[FailureRow]":
    """The failed requests of each failed or incomplete word; a word without a failed request has its reason alone.

    A word's last chunk has every request of the word that is not retried; what failed in earlier chunks has been
    answered since.
    """
    from floridify_batch.display.table import FailureRow

    last = _last_failures(ledger, checkpoint)
    for word, reason in ledger.missing.items():
        rows = [_row(word, failure) for failure in last.get(word, ())]
        known = any(reason.startswith(f"{row.component}: {row.kind}: {row.detail}") for row in rows)
        yield from rows if known else [FailureRow(word, "", "", reason)]


def _last_failures(ledger: "Ledger", checkpoint: "Checkpoint") -> "dict[str, list[Failure]]":
    """The failures of each failed or incomplete word in the last chunk that has any of it."""
    from floridify_batch.files import ChunkFolder
    from floridify_batch.pipeline.chunk import read_failures
    from floridify_batch.words.word_list import read_normalised

    words, missing = read_normalised(checkpoint.words_path), ledger.missing
    last: dict[str, list[Failure]] = {}
    for record in ledger.chunks:
        found: dict[str, list[Failure]] = {}
        for ordinal, failure in read_failures(ChunkFolder.of(checkpoint.folder, record.number).failures):
            if (word := words[ordinal]) in missing:
                found.setdefault(word, []).append(failure)
        last |= found
    return last


def _row(word: str, failure: "Failure") -> "FailureRow":
    from floridify_batch.components.requests import parse_custom_id
    from floridify_batch.display.table import FailureRow

    parts = parse_custom_id(failure.custom_id)
    return FailureRow(
        word,
        parts.component if parts else "",
        failure.kind,
        failure.detail,
        parts.document if parts else None,
        failure.custom_id,
        failure.status,
        failure.attempt,
    )
