"""The `check` command: list what is doubtful in stored entries."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from floridify_batch.cli.context import (
    check_exists,
    config_at,
    place_and_language,
    table_console,
    unreadable,
)
from floridify_batch.cli.options import (
    ConfigOption,
    DatabaseOption,
    HeadwordsArgument,
    JsonOption,
    MongoOption,
    OnlyCheckpointOption,
    RunLanguageOption,
)
from floridify_batch.errors import UsageError
from floridify_batch.formatting import counted

if TYPE_CHECKING:
    from floridify_batch.components.doubt import Doubt
    from floridify_batch.database.connection import Place
    from floridify_batch.database.entry_text import ChangedSource

NO_DOUBTS, DOUBTS = 0, 1
_MISSING_SHOWN = 10


def check(
    words: HeadwordsArgument = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Check all words of the database.", rich_help_panel="Content")
    ] = False,
    language: RunLanguageOption = None,
    as_json: JsonOption = False,
    checkpoint: OnlyCheckpointOption = None,
    mongo_url: MongoOption = None,
    database: DatabaseOption = None,
    floridify_config: ConfigOption = None,
) -> None:
    """List doubtful values of entries."""
    if everything and words:
        raise UsageError("WORD and --all exclude each other; pass one of them.")
    from floridify_batch.cli.checkpoint_policy import words_of_run

    texts = None if everything else words or words_of_run(checkpoint)
    place, its = place_and_language(checkpoint, mongo_url, database, config_at(floridify_config))
    report = asyncio.run(checked(place, texts, language or (None if everything else its)))
    (_print_json if as_json else _print)(report)
    found = report.doubts or report.changed or report.missing or report.unreadable
    raise typer.Exit(DOUBTS if found else NO_DOUBTS)


@dataclass(slots=True)
class CheckReport:
    """The doubts about stored entries, each with its word."""

    entries: int = 0
    doubts: "list[tuple[str, Doubt]]" = field(default_factory=list)
    changed: "list[tuple[str, ChangedSource]]" = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Words that are not in the database."""
    unreadable: int = 0
    """The number of words whose text is of a wrong type."""


async def checked(place: "Place", words: Sequence[str] | None, language: str | None) -> CheckReport:
    """Check the entries of these words, or of all; the severest doubts come first. Nothing is written."""
    from floridify_batch.components.quality_check import doubts
    from floridify_batch.database.connection import opened
    from floridify_batch.database.entry_text import changed_sources, entry_texts, stored_headwords
    from floridify_batch.database.lookup import unreadable_words
    from floridify_batch.display.console import say_on_stderr
    from floridify_batch.words.entry import cleaned_words, words_without

    check_exists(place)
    report, seen = CheckReport(), set[str]()
    texts = None if words is None else cleaned_words(words)
    async with opened(place, say_on_stderr) as store:
        async for headword in stored_headwords(store, texts, language):
            text = str(headword.word["text"])
            seen.add(text)
            for entry in entry_texts(headword, language):
                report.entries += 1
                report.doubts += ((text, doubt) for doubt in doubts(entry))
            report.changed += ((text, each) for each in changed_sources(headword))
        if texts is None:
            report.unreadable = (await unreadable_words(store, language))[0]
    report.doubts.sort(key=lambda each: -each[1].severity)
    report.missing = words_without(texts or (), seen)
    return report


def _print(report: CheckReport) -> None:
    from floridify_batch.display.console import say, say_on_stderr
    from floridify_batch.display.table import doubts_table

    console = table_console()
    if report.doubts:
        console.print(doubts_table(report.doubts, console.width))
    for word, copy in report.changed:
        say(f"{word} ({copy.sense}): the source has changed since it was copied, and now reads: {copy.source}")
    for word in report.missing[:_MISSING_SHOWN]:
        say_on_stderr(f"No entry for “{word}”.")
    if more := report.missing[_MISSING_SHOWN:]:
        say_on_stderr(f"No entry for {counted(len(more), 'more word')}; --json lists all.")
    if report.unreadable:
        say_on_stderr(f"Not checked: {unreadable(report.unreadable)}.")
    doubts, entries = counted(len(report.doubts), "doubt"), counted(report.entries, "entry", "entries")
    say(f"{doubts} in {entries}{_by_severity(report)}.")
    if report.doubts:
        say("To review them in a file: batch-synth review --out review.csv")


def _by_severity(report: CheckReport) -> str:
    """The numbers of doubts by their severity, the highest first."""
    numbers = Counter(doubt.severity for _, doubt in report.doubts)
    parts = [f"{numbers[each]:,} {each}" for each in sorted(numbers, reverse=True)]
    return f": {', '.join(parts)}" if parts else ""


def _print_json(report: CheckReport) -> None:
    from floridify_batch.display.console import say_json

    say_json(json_of(report))


def json_of(report: CheckReport) -> dict[str, Any]:
    """A report as a JSON object."""
    return {
        "entries": report.entries,
        "doubts": [{"word": word, **json_of_doubt(doubt)} for word, doubt in report.doubts],
        "changed_sources": [{"word": word, **each._asdict()} for word, each in report.changed],
        "not_found": report.missing,
        "unreadable": report.unreadable,
    }


def json_of_doubt(doubt: "Doubt") -> dict[str, Any]:
    """A doubt as a JSON object."""
    return {**doubt._asdict(), "severity": str(doubt.severity), "sense": doubt.sense or None}
