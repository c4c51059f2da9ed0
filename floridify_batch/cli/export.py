"""The `export` command: write a dictionary to a file."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floridify_batch.cli import completion
from floridify_batch.cli.context import (
    check_exists,
    check_file,
    checkpoint_or_only,
    config_at,
    ledger_of,
    place_and_language,
    place_of,
    place_of_run,
    progress_bar,
    sandbox_hint,
    say_if_invented,
)
from floridify_batch.cli.options import (
    ConfigOption,
    DatabaseOption,
    DelimiterOption,
    MongoOption,
    RunLanguageOption,
)
from floridify_batch.errors import CheckpointError, UsageError
from floridify_batch.formatting import counted
from floridify_batch.timing import utc_now

if TYPE_CHECKING:
    from floridify_batch.database.connection import Place
    from floridify_batch.export.entry_source import Selection
    from floridify_batch.export.file import ExportResult, ExportTarget


def export(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The file to write.", rich_help_panel="Output")
    ],
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[LIST]",
            help="List or checkpoint (default: the one here).",
            rich_help_panel="Content",
            autocompletion=completion.checkpoints,
            show_default=False,
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Export all words of the database.", rich_help_panel="Content")
    ] = False,
    language: RunLanguageOption = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="Format (default: by the suffix of FILE).",
            rich_help_panel="Output",
            autocompletion=completion.formats,
        ),
    ] = None,
    title: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Title (default: the name of FILE).", rich_help_panel="Output"),
    ] = None,
    delimiter: DelimiterOption = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Replace FILE even if it is not an export.", rich_help_panel="Output")
    ] = False,
    mongo_url: MongoOption = None,
    database: DatabaseOption = None,
    floridify_config: ConfigOption = None,
) -> None:
    """Write a dictionary to a file."""
    from floridify_batch.display.console import say, say_on_stderr
    from floridify_batch.export.entry_source import Selection
    from floridify_batch.export.file import ExportTarget
    from floridify_batch.export.format import Format, delimiter_of, format_of

    if source is not None and everything:
        raise UsageError("LIST and --all exclude each other; pass one of them.")
    format_ = format_of(name, out)
    day, cells = f"{utc_now():%Y-%m-%d}", delimiter_of(delimiter, is_csv=format_ is Format.CSV)
    target = ExportTarget(out, format_, title or out.stem, day, cells)
    check_target(out, yes=yes)
    config = config_at(floridify_config)
    if everything or (source is None and language):
        place, selection = place_and_language(None, mongo_url, database, config)[0], Selection(None, language)
    else:
        found = _of_run(source, language, config.mongo_url_or(mongo_url), database or config.database)
        place, selection = found or (place_of(mongo_url, database, config), _of_list(source, language))
    result = asyncio.run(export_entries(place, selection, target))
    entries = f"{counted(result.entries, 'entry', 'entries')} with {counted(result.senses, 'sense')}"
    say(f"{entries} of the database {place.database} written to {out}.")
    for note in result.notes:
        say_on_stderr(note)


async def export_entries(place: "Place", selection: "Selection", target: "ExportTarget") -> "ExportResult":
    """Export the selected entries of a database, with a progress bar in a terminal."""
    from rich.progress import MofNCompleteColumn

    from floridify_batch.database.connection import opened
    from floridify_batch.display.console import say_on_stderr
    from floridify_batch.export.entry_source import EntrySource
    from floridify_batch.export.file import NothingToExport, export_file

    check_exists(place)
    say_if_invented(place)
    async with opened(place, say_on_stderr) as store:
        try:
            with progress_bar("Exporting", MofNCompleteColumn()) as progress:
                return await export_file(EntrySource(store, selection), target, progress)
        except asyncio.CancelledError:
            say_on_stderr(f"{target.path} was not written; run the same command again.")
            raise
        except NothingToExport as error:
            hint = await sandbox_hint(store, place.database)
            raise NothingToExport(f"{error} {hint}".rstrip()) from None


# ── the words ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_run(
    path: Path | None, language: str | None, mongo_url: str | None, database: str | None
) -> "tuple[Place, Selection] | None":
    """The database and the words of a run; None for a word list without a run."""
    from floridify_batch.export.entry_source import Selection
    from floridify_batch.words.word_list import read_normalised

    try:
        checkpoint = checkpoint_or_only(path)
    except CheckpointError:
        if path is None or path.suffix == ".json" or not path.is_file():
            raise
        return None
    ledger = ledger_of(checkpoint)
    try:
        words = read_normalised(checkpoint.words_path)
    except (OSError, UnicodeDecodeError):
        raise CheckpointError(
            f"The word list of {checkpoint.path} is missing from {checkpoint.folder}; pass a word list, or --all."
        ) from None
    place = place_of_run(ledger, checkpoint, mongo_url, database)
    return place, Selection(words, language or ledger.run.settings.language)


def _of_list(path: Path | None, language: str | None) -> "Selection":
    """The words of a list without a run."""
    from floridify_batch.export.entry_source import Selection
    from floridify_batch.words.word_list import ListSource

    return Selection(ListSource((path,) if path else ()).read().words, language or "en")


# ── the file ───────────────────────────────────────────────────────────────────────────────────────────────────────


def check_target(path: Path, *, yes: bool = False) -> None:
    """Check that a file can be written, and that it is an earlier export if it exists. Raises `UsageError`."""
    from floridify_batch.export.format import is_export

    check_file(path)
    try:
        if not yes and path.exists() and path.stat().st_size and not is_export(path):
            raise UsageError(f"{path} exists and is not an export; pass --yes to replace it, or another --out.")
    except OSError as error:
        raise UsageError(f"The file {path} cannot be read: {error.strerror}.") from None
