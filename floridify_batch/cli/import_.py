"""The command `import`: the definitions of a dictionary file, put into the database under the name of their source.

The file is read a block of articles at a time, and the blocks' writes overlap; neither the file nor what was seen of
it is ever in memory. Whatever stops an import, the same command again goes on: what is there stays as it is.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from floridify_batch.database.connection import Place, opened
from floridify_batch.database.source_import import Progressed, Tally, import_articles
from floridify_batch.display.console import say, say_aside
from floridify_batch.errors import UsageError
from floridify_batch.words.dictionary_file import (
    BAD_LINES_NAMED,
    DEFINITION_REASONS,
    LINE_REASONS,
    ImportFilter,
    ReadStats,
    opened_dictionary,
    skipped_text,
)


async def import_file(path: Path, place: Place, *, language: str = "en", provider: str | None = None) -> int:
    """Import a file, showing how far it is, and say what was in it."""
    asked = ImportFilter(language, provider)
    try:
        with opened_dictionary(path, asked) as (reading, articles), _shown_progress() as progress:
            async with opened(place, say_aside) as store:
                tally = await import_articles(store, articles, asked.language, reading, progress)
    except asyncio.CancelledError:
        say_aside("Stopped. What was read is imported; the same command again does the rest.")
        raise
    for line in [*_bad(reading), *summary(path.name, reading, tally)]:
        say(line)
    if reading.damaged:
        raise UsageError(
            f"{path} is {reading.damaged}: what stands before that is imported. Get it whole, then import it again."
        )
    return 0


# ── what is said of it ─────────────────────────────────────────────────────────────────────────────────────────────


def summary(name: str, reading: ReadStats, tally: Tally) -> Iterator[str]:
    """What was in a file and what became of it: the parts of each sentence add up to its first figure."""
    lines = [
        f"{reading.articles:,} imported",
        skipped_text(reading.skipped, LINE_REASONS),
        reading.bad and f"{reading.bad:,} bad",
    ]
    yield f"{name}: {reading.lines:,} lines: {', '.join(str(each) for each in lines if each)}."
    words, different = tally.words.count(), tally.definitions.count()
    yield f"Words: {words:,}: {tally.new_words:,} new, {words - tally.new_words:,} there before."
    skipped = sum(reading.skipped[reason] for reason in DEFINITION_REASONS)
    repeated = tally.definitions.mentions() - different
    parts = [f"{tally.new_definitions:,} new", f"{different - tally.new_definitions:,} there before"]
    parts += [f"{repeated:,} repeated"] * bool(repeated)
    parts += [skipped_text(reading.skipped, DEFINITION_REASONS)] * bool(skipped)
    yield f"Definitions: {tally.definitions.mentions() + skipped:,}: {', '.join(parts)}."


def _bad(reading: ReadStats) -> Iterator[str]:
    for line in reading.bad_lines:
        yield f"Skipped {line}."
    if reading.bad > BAD_LINES_NAMED:
        yield f"And {reading.bad - BAD_LINES_NAMED:,} more invalid lines were skipped."


@contextmanager
def _shown_progress() -> Iterator[Progressed]:
    """A bar over the bytes of the file; nothing where nobody watches."""
    console = Console(stderr=True)
    columns = (TextColumn("Importing"), BarColumn(), TaskProgressColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)
