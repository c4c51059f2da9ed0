"""An export as a whole: entries from the database into a file that has its name only when it is complete."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir
from typing import IO

from floridify_batch.errors import FileNotWritten, UsageError
from floridify_batch.export.entry import ExportedEntry
from floridify_batch.export.entry_source import EntrySource
from floridify_batch.export.format import FORMATS, Format, Header, Writer
from floridify_batch.files import exclusive, partial_of, replacing
from floridify_batch.formatting import counted

type Progressed = Callable[[int, int], object]
"""Receives the number of words so far, and of all."""


def _ignore(_: int, __: int) -> None:
    pass


class NothingToExport(UsageError):
    """None of the selected words has an entry with a definition."""


@dataclass(frozen=True, slots=True)
class ExportTarget:
    """The file to write: its format, the title and the day that are in it, and the delimiter of a csv."""

    path: Path
    format: Format
    title: str
    date: str
    delimiter: str = ","


@dataclass(slots=True)
class ExportResult:
    """The counts of an export, and its sentences about what the file does not hold."""

    entries: int = 0
    senses: int = 0
    lacking: dict[str, Counter[str]] = field(default_factory=dict)
    """Senses and words with a value that the format has no place for, by field."""
    notes: list[str] = field(default_factory=list)


async def export_file(source: EntrySource, target: ExportTarget, progress: Progressed = _ignore) -> ExportResult:
    """Write the selected entries to a file. A file of that name is replaced at the end; if this fails, it stays."""
    record, path, total = FORMATS[target.format], target.path, await source.total()
    languages = await source.languages()
    if record.monolingual and len(languages) > 1:
        choices = ", ".join(languages)
        raise UsageError(f"A file of the format {target.format} has one language; pass --language ({choices}).")
    result, done = ExportResult(), 0
    with complete_only(path) as out:
        writer = record.make_writer(out, Header(target.title, languages[0], target.date, target.delimiter))
        async for looked_up, entries in source.pages():
            _write(writer, entries, result, record.lacks)
            done += looked_up
            progress(done, max(done, total))
        result.notes += writer.finish()
        _check_entries(source, result)
    result.notes += _notes(source, result, target.format)
    return result


@contextmanager
def complete_only(path: Path) -> Iterator[IO[bytes]]:
    """Replace a file, or that of a link, at the end; an exception removes the part that was written.

    Raises `UsageError` while another process writes it, and `FileNotWritten`.
    """
    target = path.resolve()
    try:
        with exclusive(partial_of(target)), _removed_on_error(partial_of(target)), replacing(target) as out:
            yield out
    except BlockingIOError:
        raise UsageError(f"Another process is writing {path}; wait for its end, or choose another --out.") from None
    except OSError as error:
        raise FileNotWritten(_not_written(path, error.strerror or str(error))) from error
    except sqlite3.Error as error:  # of a writer's temporary database
        raise FileNotWritten(_not_written(path, f"its temporary file in {gettempdir()}: {error}")) from error


@contextmanager
def _removed_on_error(partial: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _not_written(path: Path, reason: str) -> str:
    return f"{path} was not written ({reason}). Make room, or choose another --out, and run the same command again."


def _check_entries(source: EntrySource, result: ExportResult) -> None:
    """Raise `NothingToExport` where no word has an entry with a definition."""
    if not result.entries:
        counts = f"{counted(source.absent, 'word')} not found, {source.undefined:,} without a definition"
        raise NothingToExport(
            f"There is nothing to export from the database {source.store.name}: {counts}. No file was written."
        )


def _write(writer: Writer, entries: Iterable[ExportedEntry], result: ExportResult, lacks: Iterable[str]) -> None:
    for entry in entries:
        writer.write(entry)
        result.entries += 1
        result.senses += len(entry.senses)
        for name in lacks:
            counts = result.lacking.setdefault(name, Counter())
            counts["sense"] += sum(bool(getattr(each, name, None)) for each in entry.senses)
            counts["word"] += bool(getattr(entry, name, None))


def _notes(source: EntrySource, result: ExportResult, target: Format) -> Iterator[str]:
    """The sentences about what was left out, each with its number."""
    if source.absent:
        yield f"Not in the database: {counted(source.absent, 'word')} of the list."
    if source.undefined:
        yield f"Left out: {counted(source.undefined, 'word')} without a definition."
    if source.unnamed:
        yield f"Left out: {counted(source.unnamed, 'word')} whose text has no characters."
    if lacking := ", ".join(_lacking(result)):
        yield f"The format {target} has no place for: {lacking}."
    if odd := source.reader.odd:
        first = next(iter(source.reader.first_odd.items()))
        yield f"Left out: values of a wrong type: {_listed(odd)}; the first is {first[0]} in document {first[1]}."
    if dangling := source.reader.dangling:
        yield f"References to documents that do not exist: {_listed(dangling)}."


def _lacking(result: ExportResult) -> Iterator[str]:
    """The fields that the format has no place for, each with the number of senses and of words that have one."""
    for name, counts in result.lacking.items():
        if held := [counted(number, holder) for holder, number in counts.items() if number]:
            yield f"{name.replace('_', ' ')} ({', '.join(held)})"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({number:,})" for name, number in counts.items())
