"""The `mend` command: migrate data that earlier versions of batch-synth stored."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from floridify_batch.cli.context import ExitCode, check_exists, config_at, place_of
from floridify_batch.cli.options import ConfigOption, ConfirmedOption, DatabaseOption, MongoOption
from floridify_batch.formatting import counted
from floridify_batch.timing import utc_now

if TYPE_CHECKING:
    from floridify_batch.database.connection import Place
    from floridify_batch.database.migration import Migrated


def mend(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count the changes only.", rich_help_panel="Control")
    ] = False,
    yes: ConfirmedOption = False,
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="Let runs replace earlier versions' values.", rich_help_panel="Control"),
    ] = False,
    mongo_url: MongoOption = None,
    database: DatabaseOption = None,
    floridify_config: ConfigOption = None,
) -> None:
    """Update documents that earlier versions wrote."""
    place = place_of(mongo_url, database, config_at(floridify_config))
    raise typer.Exit(asyncio.run(mend_database(place, dry_run=dry_run, yes=yes, adopt=adopt)))


async def mend_database(place: "Place", *, dry_run: bool = False, yes: bool = False, adopt: bool = False) -> ExitCode:
    """Count the changes, ask, and make them."""
    from floridify_batch.cli.confirmation import agreed
    from floridify_batch.database.adoption import Adoption
    from floridify_batch.database.connection import opened
    from floridify_batch.database.migration import Migration
    from floridify_batch.display.console import say

    check_exists(place)
    async with opened(place, say) as store:
        due = await Migration(store, utc_now(), write=False).migrate()
        adopted = await Adoption(store, utc_now(), write=False).adopt() if adopt else Counter[str]()
        for line in (*_lines(due), *_adopted_lines(adopted)):
            say(line)
        if dry_run or not (due.total or adopted.total()):
            return ExitCode.SUCCESS
        if not agreed("Write these changes?", yes=yes):
            say("Nothing was written.")
            return ExitCode.STOPPED
        async with store.locked(f"mend {uuid4().hex}"):
            done = await Migration(store, utc_now(), write=True).migrate()
            adopted = await Adoption(store, utc_now(), write=True).adopt() if adopt else adopted
    say(f"{counted(done.total + adopted.total(), 'change')} written.")
    return ExitCode.SUCCESS


def _adopted_lines(adopted: Counter[str]) -> Iterator[str]:
    """The values of earlier versions that become this tool's own."""
    if adopted:
        names = ", ".join(f"{number} {name}" for name, number in adopted.most_common())
        yield f"{counted(adopted.total(), 'value')} of earlier versions that runs may replace from now on: {names}."


def _lines(due: "Migrated") -> Iterator[str]:
    """The changes, a kind on each line."""
    if not due.total:
        yield "Nothing to migrate."
    if due.definitions:
        copies = counted(due.definitions, "copy", "copies")
        entries = counted(due.entries, "synthesis entry", "synthesis entries")
        yield f"{copies} of providers' definitions for {entries} without their own."
    for number, one, many, fault in (
        (due.temperatures, "model", "models", "without a temperature"),
        (due.references, "definition", "definitions", "with references of an older form"),
        (due.relevances, "cluster", "clusters", "without a relevance"),
        (due.models, "synthesis entry", "synthesis entries", "without a model"),
    ):
        if number:
            yield f"{counted(number, one, many)} {fault}."
