"""Anki: a package with one note per entry, whose database genanki writes.

Notes are written one by one and never collected in a deck, so that memory stays constant. A note is identified by the
id of its entry: the import of a later export updates it and keeps its schedule. Anki updates a note if its time is
later: the start of the export's day, or the entry's last change on this day, so that the same entries give the same
bytes.
"""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from itertools import count
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo
from zlib import crc32

from floridify_batch.errors import UsageError
from floridify_batch.export.detail import lines_of_word, spoken
from floridify_batch.export.entry import ExportedEntry, Sense
from floridify_batch.export.format import FORMATS, Format, Header
from floridify_batch.export.markup import escaped, line_html, senses_html

_NOTE_TYPE = 1_532_870_461
"""The id of the note type, which Anki recognises by it: other fields need another id."""

_FIELDS = ("Headword", "Homograph", "Pronunciation", "Entry")
_FRONT = "{{Headword}}{{#Homograph}}<sup>{{Homograph}}</sup>{{/Homograph}}"
_BACK = "{{FrontSide}} <small>{{Pronunciation}}</small><hr id=answer>{{Entry}}"
_CSS = ".card { font-family: serif; font-size: 20px; text-align: left; }"

_SMALLEST_ID = 1 << 30
_LAST_SECOND = 24 * 3600 - 1


class Anki:
    """Writes entries as notes into a temporary database, which becomes a part of the package at the end."""

    def __init__(self, out: IO[bytes], header: Header) -> None:
        self._out, self._genanki = out, _genanki()
        self._time = datetime.fromisoformat(header.date).replace(tzinfo=UTC).timestamp()
        self._ids = count(int(self._time * 1000))
        self._deck_id = _SMALLEST_ID + crc32(header.title.encode()) % _SMALLEST_ID
        self._note_type = _note_type(self._genanki)
        deck = self._genanki.Deck(self._deck_id, header.title, f"Exported on {header.date}")
        deck.add_model(self._note_type)
        self._database = sqlite3.connect("")  # a temporary file, which is removed when it is closed
        self._cursor = self._database.cursor()
        self._cursor.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        self._genanki.Package(deck).write_to_db(self._cursor, self._time, self._ids)

    def write(self, entry: ExportedEntry) -> None:
        """Write the note and the card of an entry."""
        number = "" if entry.homograph is None else str(entry.homograph)
        texts = (escaped(entry.headword), number, escaped(spoken(entry)), _entry(entry))
        fields = [text.replace("[", "&#91;") for text in texts]  # Anki would take [sound:…] and [latex] for commands
        note = self._genanki.Note(self._note_type, fields, tags=dict.fromkeys(_tags(entry)), guid=entry.id)
        note.write_to_db(self._cursor, self._modified(entry), self._deck_id, self._ids)

    def _modified(self, entry: ExportedEntry) -> float:
        """The time of a note, on the export's day: a wrong clock must not outdate the next day's export."""
        changed = entry.changed.timestamp() if entry.changed else self._time
        return min(max(changed, self._time), self._time + _LAST_SECOND)

    def finish(self) -> list[str]:
        """Write the package."""
        self._database.commit()
        with TemporaryDirectory(prefix="batch-synth-") as folder, ZipFile(self._out, "w") as archive:
            path = Path(folder) / "collection.anki2"
            self._cursor.execute("VACUUM INTO ?", (str(path),))
            self._database.close()
            archive.comment = FORMATS[Format.ANKI].mark
            with path.open("rb") as content, archive.open(_member(path.name), "w", force_zip64=True) as packed:
                copyfileobj(content, packed)
            archive.writestr(_member("media"), "{}")
        return []


def _genanki() -> Any:
    try:
        return import_module("genanki")
    except ImportError:
        raise UsageError('The format anki needs genanki: pip install "batch-synth[anki]".') from None


def _note_type(genanki: Any) -> Any:
    fields = [{"name": name} for name in _FIELDS]
    return genanki.Model(_NOTE_TYPE, "batch-synth", fields, [{"name": "Card 1", "qfmt": _FRONT, "afmt": _BACK}], _CSS)


def _entry(entry: ExportedEntry) -> str:
    return "".join([*senses_html(entry), *map(line_html, lines_of_word(entry))])


def _tags(entry: ExportedEntry) -> Iterator[str]:
    """The labels of all senses as tags in Anki's hierarchy, without spaces, which separate tags."""
    pairs = [("language", entry.language), *(pair for sense in entry.senses for pair in _labels(sense))]
    return (f"{kind}::{'_'.join(value.split())}" for kind, value in pairs if value)


def _labels(sense: Sense) -> tuple[tuple[str, str], ...]:
    return (
        ("part-of-speech", sense.part_of_speech),
        ("register", sense.language_register),
        ("domain", sense.domain),
        ("region", sense.region),
        ("cefr", sense.cefr_level),
        ("frequency", sense.frequency_band),
    )


def _member(name: str) -> ZipInfo:
    """A file of the archive without a time, so that the same entries give the same bytes."""
    member = ZipInfo(name)
    member.compress_type = ZIP_DEFLATED
    return member
