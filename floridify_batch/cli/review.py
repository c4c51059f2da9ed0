"""The `review` command: write stored values to a file for decisions, and store the decisions."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from floridify_batch.cli.context import (
    ExitCode,
    check_exists,
    check_file,
    config_at,
    place_and_language,
    progress_bar,
    say_if_invented,
    unreadable,
)
from floridify_batch.cli.options import (
    ConfigOption,
    DatabaseOption,
    DelimiterOption,
    HeadwordsArgument,
    MongoOption,
    OnlyCheckpointOption,
    RunLanguageOption,
)
from floridify_batch.errors import UsageError
from floridify_batch.formatting import counted
from floridify_batch.timing import utc_now

if TYPE_CHECKING:
    from floridify_batch.database.connection import Place
    from floridify_batch.review.decision import RefusedRow
    from floridify_batch.review.review_file import ReviewCounts
    from floridify_batch.review.storage import ReviewResult


def review(
    words: HeadwordsArgument = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Review all words of the database.", rich_help_panel="Content")
    ] = False,
    language: RunLanguageOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write FILE (.csv, .xlsx, .html).", rich_help_panel="Output"),
    ] = None,
    decided: Annotated[
        Path | None,
        typer.Option(
            "--in",
            "-i",
            metavar="FILE",
            help="Read decisions from FILE and store them.",
            rich_help_panel="Control",
        ),
    ] = None,
    delimiter: DelimiterOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the decisions only.", rich_help_panel="Control")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Replace the file of --out if it exists.", rich_help_panel="Output")
    ] = False,
    checkpoint: OnlyCheckpointOption = None,
    mongo_url: MongoOption = None,
    database: DatabaseOption = None,
    floridify_config: ConfigOption = None,
) -> None:
    """Review stored values in a spreadsheet or browser."""
    if (out is None) == (decided is None):
        raise UsageError("Pass --out FILE to write a review file, or --in FILE to store its decisions.")
    if everything and words:
        raise UsageError("WORD and --all exclude each other; pass one of them.")
    if out is not None and dry_run:
        raise UsageError("--dry-run checks the decisions of --in; it cannot be combined with --out.")
    if decided is not None and (words or everything):
        raise UsageError("--in stores the decisions of all words in its file; omit the words.")
    place, its = place_and_language(checkpoint, mongo_url, database, config_at(floridify_config))
    if decided is not None:
        raise typer.Exit(store_review(place, decided, write=not dry_run))
    if out is not None:
        from floridify_batch.cli.checkpoint_policy import words_of_run
        from floridify_batch.export.format import delimiter_of
        from floridify_batch.review.review_file import is_csv

        check_out(out, yes=yes)
        cells = delimiter_of(delimiter, is_csv=is_csv(out))
        texts = None if everything else words or words_of_run(checkpoint)
        asyncio.run(write_file(place, out, texts, language or (None if everything else its), cells))


# ── out ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def check_out(path: Path, *, yes: bool = False) -> None:
    """Check that a review file can be written, and replaces no other file. Raises `UsageError`."""
    from floridify_batch.review.review_file import writer_of

    check_file(path)
    writer_of(path)
    if path.exists() and not yes:
        raise UsageError(f"{path} exists, and may hold decisions; pass --yes to replace it, or another --out.")


async def write_file(
    place: "Place", path: Path, words: Sequence[str] | None, language: str | None, delimiter: str = ","
) -> "ReviewCounts":
    """Write the review file of these words, or of all, and name those that are not in the database."""
    from rich.progress import MofNCompleteColumn

    from floridify_batch.database.connection import opened
    from floridify_batch.database.lookup import unreadable_words
    from floridify_batch.display.console import say, say_on_stderr
    from floridify_batch.review.review_file import write_review
    from floridify_batch.review.sheet import SheetSource
    from floridify_batch.words.entry import cleaned_words, words_without

    check_exists(place)
    say_if_invented(place)
    texts = None if words is None else cleaned_words(words)
    async with opened(place, say_on_stderr) as store:
        with progress_bar("Writing", MofNCompleteColumn()) as progress:
            source = SheetSource(store, texts, language, progress)
            counts = await write_review(source.rows(), path, delimiter)
        odd = (await unreadable_words(store, language))[0] if texts is None else 0
    for each in words_without(texts or (), source.found):
        say_on_stderr(f"No entry for “{each}”.")
    if odd:
        say_on_stderr(f"Left out: {unreadable(odd)}.")
    rows = f"{counted(counts.rows, 'row')} ({counts.doubtful:,} with doubts)"
    say(f"{rows} of {counted(source.words, 'word')} in {place} written to {path}.")
    if counts.long and path.suffix.lower() != _PAGE:
        say_on_stderr(
            f"Longer than the cell of a spreadsheet: the values of {counted(counts.long, 'row')}; "
            f"the format {_PAGE} shows them whole."
        )
    say(_next_step(path))
    return counts


_PAGE = ".html"


def _next_step(path: Path) -> str:
    if path.suffix.lower() == _PAGE:
        return "Open it in a browser, decide and save. Store the saved file with: batch-synth review --in FILE"
    return (
        "Write accept, edit or reject in its column “decision”. Store them with: "
        f"batch-synth review --in {quote(str(path))}"
    )


# ── in ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def store_review(place: "Place", path: Path, *, write: bool = True) -> ExitCode:
    """Store the decisions of a file, and print their numbers and each row that is not applied."""
    from floridify_batch.display.console import say

    result = asyncio.run(store_decisions(place, path, write=write))
    for sentence in _sentences(result, place, write=write):
        say(sentence)
    return ExitCode.SOME_FAILED if result.refused else ExitCode.SUCCESS


async def store_decisions(place: "Place", path: Path, *, write: bool = True) -> "ReviewResult":
    """Store the decisions of a file in a database. Idempotent."""
    from floridify_batch.database.connection import opened
    from floridify_batch.display.console import say_on_stderr
    from floridify_batch.review.decision import DecisionFile
    from floridify_batch.review.storage import DecisionStore

    def refused(row: "RefusedRow") -> None:
        say_on_stderr(f"Row {row.number}: {row.reason}.")

    check_exists(place)
    async with opened(place, say_on_stderr) as store:
        file = DecisionFile(path)
        decisions = DecisionStore(store, utc_now(), refused, write, file.rejected_definitions)
        if not write:
            return await decisions.take(file.rows())
        await store.check_writable()
        async with store.locked(f"review {uuid4().hex}"):
            return await decisions.take(file.rows())


def _sentences(result: "ReviewResult", place: "Place", *, write: bool) -> list[str]:
    from floridify_batch.review.revision import Outcome

    outcomes = (Outcome.ACCEPTED, Outcome.EDITED, Outcome.REJECTED)
    numbers = ", ".join(f"{result.outcomes[each]:,} {each}" for each in outcomes if result.outcomes[each])
    stored = f"{counted(result.changes, 'decision')} {'stored' if write else 'to store'} in {place}: {numbers}."
    lines = [stored if result.changes else f"Nothing to store in {place}."]
    if unchanged := result.outcomes[Outcome.UNCHANGED]:
        lines.append(f"Unchanged: {counted(unchanged, 'decision')}, already stored, or about a rejected definition.")
    if result.outcomes and not result.words:
        lines.append("None of the file's rows is in this database; to choose another, pass --database or --mongo-url.")
    if result.refused:
        lines.append(f"Not applied: {counted(result.refused, 'row')}, named above.")
    if result.undecided:
        lines.append(f"Without a decision: {counted(result.undecided, 'row')}.")
    return lines
