"""The formats of an export, and the interface of their writers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import IO, Protocol

from floridify_batch.errors import UsageError
from floridify_batch.export.entry import ExportedEntry


class Format(StrEnum):
    """A format of dictionaries."""

    JSONL = "jsonl"
    CSV = "csv"
    TABFILE = "tabfile"
    YOMITAN = "yomitan"
    ANKI = "anki"
    DMLEX_JSON = "dmlex-json"
    DMLEX_XML = "dmlex-xml"


SUFFIXES: Mapping[str, Format] = {
    ".jsonl": Format.JSONL,
    ".csv": Format.CSV,
    ".tab": Format.TABFILE,
    ".txt": Format.TABFILE,
    ".zip": Format.YOMITAN,
    ".apkg": Format.ANKI,
    ".json": Format.DMLEX_JSON,
    ".xml": Format.DMLEX_XML,
}
"""The format of a file that is named by its suffix alone."""


@dataclass(frozen=True, slots=True)
class Header:
    """The facts about a whole dictionary: its title, its language and the day of its export.

    `delimiter`: that of the cells of a csv.
    """

    title: str
    language: str
    date: str
    delimiter: str = ","


class Writer(Protocol):
    """Writes the entries of a dictionary to a file, one by one."""

    def write(self, entry: ExportedEntry) -> None:
        """Write an entry."""
        ...

    def finish(self) -> list[str]:
        """Write the end of the file. Returns sentences about what the format could not hold."""
        ...


class WriterFactory(Protocol):
    """Makes the writer of a file."""

    def __call__(self, out: IO[bytes], header: Header) -> Writer:
        """The writer of a file that is open for writing."""
        ...


@dataclass(frozen=True, slots=True)
class FormatRecord:
    """A format: its writer, the mark of its files, and the fields that it cannot hold.

    `mark` is in the first bytes of each file that we write, or in the last ones of an archive.
    """

    writer: str
    mark: bytes
    lacks: Sequence[str] = ()
    """The fields of entries and senses that the format cannot hold."""
    monolingual: bool = False
    """Whether a file states one language for all of its entries."""

    def make_writer(self, out: IO[bytes], header: Header) -> Writer:
        """The writer of a file; its module is imported on first use."""
        module, name = self.writer.split(":")
        factory: WriterFactory = getattr(import_module(f"floridify_batch.export.{module}"), name)
        return factory(out, header)


_MEDIA = ("images", "recordings")
"""The fields that no format holds: their files are not in the database."""
_CHANGES = ("edited", "reviewed")
_READER_LACKS = ("respellings", "collocation_types", "fact_categories", *_CHANGES, *_MEDIA)
_DMLEX_LACKS = (
    *("cognates", "collocations", "grammar_patterns", "usage_notes"),
    *("phrases", "synonym_chooser", "facts", "extra", *_CHANGES, *_MEDIA),
)
_CSV_LACKS = ("phrase_examples", "phrase_registers", "synonym_chooser", "fact_categories", "extra", *_MEDIA)
"""The fields that have no place in dictionary readers, in DMLex, and in a csv."""


FORMATS: Mapping[Format, FormatRecord] = {
    Format.JSONL: FormatRecord("json_lines:JsonLines", b'{"id":"', _MEDIA),
    Format.CSV: FormatRecord("table:Table", b"grammar_patterns", _CSV_LACKS),
    Format.TABFILE: FormatRecord(
        "tabfile:Tabfile", b"##description\tExport of batch-synth", ("homograph", *_READER_LACKS)
    ),
    Format.YOMITAN: FormatRecord(
        "yomitan:Yomitan", b"Export of batch-synth", ("homograph", *_READER_LACKS), monolingual=True
    ),
    Format.ANKI: FormatRecord("anki:Anki", b"Export of batch-synth", _READER_LACKS),
    Format.DMLEX_JSON: FormatRecord("dmlex_json:DmlexJson", b'"langCode":', _DMLEX_LACKS, monolingual=True),
    Format.DMLEX_XML: FormatRecord("dmlex_xml:DmlexXml", b"ns/dmlex-1.0", _DMLEX_LACKS, monolingual=True),
}

_HEAD, _TAIL = 400, 100

_DELIMITERS: Mapping[str, str] = {"comma": ",", "semicolon": ";", "tab": "\t"}


def format_of(name: str | None, path: Path) -> Format:
    """The format of a name, or else of a file's suffix. Raises `UsageError`."""
    if name is None:
        if found := SUFFIXES.get(path.suffix.lower()):
            return found
        raise UsageError(f"The name {path.name} does not tell the format; pass --format ({', '.join(Format)}).")
    try:
        return Format(name.strip().lower())
    except ValueError:
        raise UsageError(f"Invalid --format {name!r}. Choose from {', '.join(Format)}.") from None


def delimiter_of(name: str | None, *, is_csv: bool) -> str:
    """The delimiter of a csv, by its name or as it is; a comma unless one is named. Raises `UsageError`."""
    if name is None:
        return ","
    if not is_csv:
        raise UsageError("--delimiter applies to the format csv only.")
    delimiter = _DELIMITERS.get(name.strip().lower(), name)
    if delimiter not in _DELIMITERS.values():
        raise UsageError(f"Invalid --delimiter {name!r}. Choose from {', '.join(_DELIMITERS)}.")
    return delimiter


def is_export(path: Path) -> bool:
    """Whether a file is an export of any format. Raises `OSError`."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(max(0, path.stat().st_size - _TAIL))
        tail = file.read()
    return any(each.mark in head or each.mark in tail for each in FORMATS.values())
