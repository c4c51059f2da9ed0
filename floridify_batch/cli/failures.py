"""The `failures` command: failed words and failed requests of a run."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from floridify_batch.cli.context import (
    ExitCode,
    checkpoint_or_only,
    config_at,
    ledger_of,
    name_of_run,
    place_of_run,
    say_if_sandbox,
    table_console,
)
from floridify_batch.cli.options import ConfigOption, JsonOption, MongoOption, OnlyCheckpointOption
from floridify_batch.formatting import to_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from floridify_batch.components.failure import Failure
    from floridify_batch.display.table import FailureRow
    from floridify_batch.run.checkpoint import Checkpoint
    from floridify_batch.run.ledger import Ledger


def failures(
    checkpoint: OnlyCheckpointOption = None,
    words: Annotated[
        bool, typer.Option("--words", help="Print the words alone, one per line.", rich_help_panel="Output")
    ] = False,
    mongo_url: MongoOption = None,
    floridify_config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List failed and incomplete words with the reasons."""
    from floridify_batch.display.console import say, say_json
    from floridify_batch.display.json_output import object_of
    from floridify_batch.display.table import failures_shown, failures_table

    place = checkpoint_or_only(checkpoint)
    ledger = ledger_of(place)
    if words:
        for word in ledger.missing:
            say(word)
        return
    rows = list(failure_rows(ledger, place))
    console = table_console()
    height = console.height - 1 if console.is_terminal else None
    shown = rows if json else failures_shown(rows, height)
    senses = asyncio.run(_senses(shown, ledger, place, config_at(floridify_config).mongo_url_or(mongo_url)))
    if senses is not None:
        rows = [replace(row, sense=senses.get(row.document or "", "")) for row in rows]
    if json:
        listed = [object_of(replace(row, sense=row.sense or None)) for row in rows if row.custom_id]
        reasons = {"failed_words": ledger.failed_words, "incomplete_words": ledger.incomplete_words}
        say_json({**reasons, "failures": listed})
        raise typer.Exit(ExitCode.SUCCESS)
    say(name_of_run(place, ledger))
    console.print(failures_table(rows, console.width, height))
    say_if_sandbox(ledger)
    if rows:
        say(f"Retry them with: {to_type('resume', place.path)} --retry-failed")


async def _senses(
    rows: "Sequence[FailureRow]", ledger: "Ledger", checkpoint: "Checkpoint", mongo_url: str | None
) -> dict[str, str] | None:
    """The texts of the senses that failures are about, by document; None where the database is not available."""
    from floridify_batch.database.connection import opened_database
    from floridify_batch.display.console import say_on_stderr
    from floridify_batch.errors import DatabaseError
    from floridify_batch.timing import ignore

    words = list(dict.fromkeys(row.word for row in rows if row.document))
    place = place_of_run(ledger, checkpoint, mongo_url, None)
    if not words or not place.exists:
        return None
    try:
        async with opened_database(place, ignore, ignore, _PATIENCE) as store:
            entries = await store.entries(words, ledger.run.settings.language)
    except DatabaseError as error:
        say_on_stderr(f"Senses are shown by their IDs: {error}")
        return None
    definitions = (each for found in entries.values() for entry in found for each in entry.definitions)
    return {str(each.id): each.text for each in definitions}


_PATIENCE = 5.0
"""Seconds to wait for a database that only adds texts to the list."""


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
        packed=failure.packed,
    )
