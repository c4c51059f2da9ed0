"""The `import` command: import definitions from a dictionary file."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floridify_batch.cli.context import config_at, place_of, progress_bar
from floridify_batch.cli.options import ConfigOption, DatabaseOption, LanguageOption, MongoOption
from floridify_batch.errors import UsageError

if TYPE_CHECKING:
    from floridify_batch.database.connection import Place
    from floridify_batch.database.source_import import Tally
    from floridify_batch.words.dictionary_file import ReadStats


def import_(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="JSON Lines or CSV, plain or gzip-compressed.", rich_help_panel="Content"),
    ],
    language: LanguageOption = "en",
    provider: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Provider, if the file does not name one.", rich_help_panel="Content"),
    ] = None,
    mongo_url: MongoOption = None,
    database: DatabaseOption = None,
    floridify_config: ConfigOption = None,
) -> None:
    """Import definitions from a dictionary file."""

    place = place_of(mongo_url, database, config_at(floridify_config))
    asyncio.run(import_file(file, place, language=language, provider=provider))


async def import_file(path: Path, place: "Place", *, language: str = "en", provider: str | None = None) -> None:
    """Import a file with a progress bar, and print a summary. Raises `UsageError` after importing a truncated file."""
    from rich.progress import DownloadColumn

    from floridify_batch.database.connection import opened
    from floridify_batch.database.source_import import import_articles
    from floridify_batch.display.console import say, say_on_stderr
    from floridify_batch.words.article import ImportFilter
    from floridify_batch.words.dictionary_file import opened_dictionary

    wanted = ImportFilter(language, provider)
    try:
        with (
            opened_dictionary(path, wanted) as (reading, articles),
            progress_bar("Importing", DownloadColumn()) as progress,
        ):
            async with opened(place, say_on_stderr) as store:
                tally = await import_articles(store, articles, wanted.language, reading, progress)
    except asyncio.CancelledError:
        say_on_stderr("The part that was read has been imported; run the same command again to import the rest.")
        raise
    for line in [*_invalid_lines(reading), *summary(path.name, reading, tally)]:
        say(line)
    if reading.damaged:
        raise UsageError(
            f"{path} is {reading.damaged}: the lines before that have been imported. Get a complete file, and "
            "import it again."
        )


def summary(name: str, reading: "ReadStats", tally: "Tally") -> Iterator[str]:
    """The summary of an import: the parts of each sentence add up to its first figure."""
    from floridify_batch.words.article import DEFINITION_REASONS, LINE_REASONS
    from floridify_batch.words.dictionary_file import skipped_text

    others = [skipped_text(reading.skipped, LINE_REASONS), reading.bad and f"{reading.bad:,} invalid"]
    details = ", ".join(str(each) for each in others if each)
    yield f"Imported {reading.articles:,} of {reading.lines:,} lines of {name}{f' ({details})' if details else ''}."
    words, different = tally.words.count(), tally.definitions.count()
    yield f"Words: {words:,}: {tally.new_words:,} new, {words - tally.new_words:,} already present."
    entries = tally.entries.count()
    yield f"Entries: {entries:,}: {tally.new_entries:,} new, {entries - tally.new_entries:,} already present."
    skipped = sum(reading.skipped[reason] for reason in DEFINITION_REASONS)
    repeated = tally.definitions.occurrences() - different
    removed = tally.removed.count()
    parts = [f"{tally.new_definitions:,} new", f"{different - tally.new_definitions - removed:,} already present"]
    parts += [f"{removed:,} removed since an earlier import and not restored"] * bool(removed)
    parts += [f"{tally.odd:,} left out"] * bool(tally.odd)
    parts += [f"{repeated:,} duplicate"] * bool(repeated)
    parts += [skipped_text(reading.skipped, DEFINITION_REASONS)] * bool(skipped)
    yield f"Definitions: {tally.definitions.occurrences() + tally.odd + skipped:,}: {', '.join(parts)}."
    if tally.odd:
        yield f"Definitions were left out for entries to which nothing can be added; the first: {tally.first_odd}."


def _invalid_lines(reading: "ReadStats") -> Iterator[str]:
    from floridify_batch.words.dictionary_file import BAD_LINES_NAMED

    for line in reading.bad_lines:
        yield f"Skipped {line}."
    if reading.bad > BAD_LINES_NAMED:
        yield f"Skipped {reading.bad - BAD_LINES_NAMED:,} more invalid lines."
