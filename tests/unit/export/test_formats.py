"""The formats of an export, with text that is hostile to each of them."""

import asyncio
import csv
import gc
import json
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from errno import ENOSPC
from html.parser import HTMLParser
from io import BytesIO, StringIO
from os import strerror
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from xml.etree import ElementTree as ET
from zipfile import ZipFile

import pytest

from floridify_batch.database.provenance import Origin, Review
from floridify_batch.errors import FileNotWritten, UsageError
from floridify_batch.export.dmlex_xml import NAMESPACE
from floridify_batch.export.document_reader import DocumentReader
from floridify_batch.export.entry import Etymology, Example, ExportedEntry, Fact, Item, Phrase, Pronunciation, Sense
from floridify_batch.export.file import ExportResult, ExportTarget, complete_only, export_file
from floridify_batch.export.format import FORMATS, Format, Header, delimiter_of, is_export
from floridify_batch.files import partial_of

if TYPE_CHECKING:
    from floridify_batch.export.entry_source import EntrySource

HOSTILE = 'a<b> & "c"\'\td\ne\\n | =1+1 ]]> \U0001f600 é'
"""Text with the special characters of all formats."""

ORIGIN = Origin("gpt-5.4-nano", "2026-03-01")


def a_sense(identity: str = "5e", part_of_speech: str = "noun", text: str = HOSTILE, **fields: Any) -> Sense:
    """A sense with a value in most fields."""
    usual: dict[str, Any] = {
        "cefr_level": "B1",
        "frequency_band": "2",
        "language_register": "formal",
        "domain": "formal",
        "synonyms": ("shore", "=cmd()"),
        "examples": (Example("ex", HOSTILE, ORIGIN), Example("ex2", HOSTILE)),
        "collocations": (Item(HOSTILE, "adjective"),),
        "word_forms": (Item("banks", "plural"),),
        "usage_notes": (Item(HOSTILE),),
        "provenance": {"synonyms": ORIGIN},
        "sources": ("wiktionary",),
    }
    return Sense(identity, part_of_speech, text, **usual | fields)


def an_entry(headword: str = "bank", identity: str = "65aa0000000000000000000f", **fields: Any) -> ExportedEntry:
    """An entry with a noun and a verb."""
    usual: dict[str, Any] = {
        "senses": (a_sense(), a_sense("5f", "phrasal verb", "to tilt")),
        "pronunciations": (Pronunciation("p", "bæŋk", "bangk"),),
        "etymology": Etymology(HOSTILE, "Latin", ("bancus",)),
        "phrases": (Phrase(HOSTILE, "meaning", HOSTILE),),
        "homograph": 1,
        "language": "en",
        "provenance": {"etymology": Origin("gpt-6-luna", "2026-03-01")},
    }
    return ExportedEntry(id=identity, headword=headword, **usual | fields)


def written(target: Format, *entries: ExportedEntry) -> tuple[bytes, list[str]]:
    """Return the file with these entries, and the notes about it."""
    out = BytesIO()
    writer = FORMATS[target].make_writer(out, Header("Trial & <error>", "en", "2026-03-02"))
    for each in entries:
        writer.write(each)
    notes = writer.finish()
    return out.getvalue(), notes


@pytest.mark.parametrize("target", list(Format))
def test_marks(target: Format) -> None:
    """A file of each format can be told from files of other programs by its first or last bytes."""
    content, _ = written(target, an_entry())
    assert FORMATS[target].mark in content[:400] + content[-100:]


@pytest.mark.parametrize("target", list(Format))
def test_repeatable(target: Format) -> None:
    """The same entries give the same bytes."""
    assert written(target, an_entry()) == written(target, an_entry())


@pytest.mark.parametrize("target", list(Format))
def test_fields_without_a_place(target: Format) -> None:
    """Fields of entries and senses name the content that a format cannot hold; none holds images and recordings."""
    whole = an_entry(images=1, recordings=2, senses=(a_sense(images=3),))
    lacks = FORMATS[target].lacks
    assert {"images", "recordings"} <= set(lacks)
    assert all(hasattr(whole, name) or hasattr(whole.senses[0], name) for name in lacks)


def exported(target: Format, path: Path, entry: ExportedEntry) -> ExportResult:
    """Export one entry to a file."""
    source = cast("EntrySource", OneEntry(entry))
    return asyncio.run(export_file(source, ExportTarget(path, target, "Trial", "2026-03-02")))


@dataclass
class OneEntry:
    """A source with one entry."""

    entry: ExportedEntry
    absent: int = 0
    undefined: int = 0
    unnamed: int = 0
    reader: DocumentReader = field(default_factory=DocumentReader)

    async def total(self) -> int:
        """One word."""
        return 1

    async def languages(self) -> list[str]:
        """Its language."""
        return [self.entry.language]

    async def pages(self) -> AsyncIterator[tuple[int, list[ExportedEntry]]]:
        """One page."""
        yield 1, [self.entry]


@pytest.mark.parametrize("target", list(Format))
def test_after_a_kill(target: Format, tmp_path: Path) -> None:
    """An export replaces what a killed one has left, and gives the same bytes as an undisturbed one."""
    path = tmp_path / "words"
    exported(target, path, an_entry())
    undisturbed = path.read_bytes()
    partial_of(path).write_bytes(b"half an entry " * 10_000)
    exported(target, path, an_entry())
    assert path.read_bytes() == undisturbed
    assert [*tmp_path.iterdir()] == [path]


def test_two_processes(tmp_path: Path) -> None:
    """A file that one process is writing is refused to another, which does not disturb it."""
    path = tmp_path / "words"
    with complete_only(path) as out:
        out.write(b"first")
        with pytest.raises(UsageError, match=r"Another process is writing .*words; wait"), complete_only(path):
            pytest.fail("both write")
    assert path.read_bytes() == b"first"
    assert [*tmp_path.iterdir()] == [path]


def test_links(tmp_path: Path) -> None:
    """A link stays a link, and its file is replaced."""
    path, link = tmp_path / "words", tmp_path / "link"
    path.write_bytes(b"earlier")
    link.symlink_to(path)
    with complete_only(link) as out:
        out.write(b"later")
    assert link.is_symlink()
    assert path.read_bytes() == b"later"


def fail_after_an_entry(path: Path, error: Exception) -> None:
    """Begin an archive, and fail."""
    with complete_only(path) as out:
        writer = FORMATS[Format.YOMITAN].make_writer(out, Header("Trial", "en", "2026-03-02"))
        writer.write(an_entry())
        raise error


FAILURES = [
    (OSError(ENOSPC, strerror(ENOSPC)), "words was not written (No space left on device)"),
    (sqlite3.OperationalError("database or disk is full"), "words was not written (its temporary file in "),
]


@pytest.mark.parametrize(("error", "sentence"), FAILURES)
def test_without_room(tmp_path: Path, error: Exception, sentence: str) -> None:
    """A full disk is a sentence that names the file and what to do; no part stays, and no archive is left open."""
    path = tmp_path / "words"
    with pytest.raises(FileNotWritten) as raised:
        fail_after_an_entry(path, error)
    gc.collect()
    assert str(raised.value).startswith(f"{tmp_path}/{sentence}")
    assert str(raised.value).endswith("Make room, or choose another --out, and run the same command again.")
    assert [*tmp_path.iterdir()] == []


LACKING = {
    Format.JSONL: "",
    Format.CSV: "phrase examples (1 word), phrase registers (1 word), fact categories (1 word)",
    Format.DMLEX_JSON: "cognates (1 sense), collocations (2 senses), usage notes (2 senses), phrases (1 word), "
    "facts (1 word), edited (1 sense), reviewed (1 sense, 1 word)",
    Format.ANKI: "respellings (1 word), collocation types (2 senses), fact categories (1 word), edited (1 sense), "
    "reviewed (1 sense, 1 word)",
}


@pytest.mark.parametrize(("target", "lacking"), LACKING.items())
def test_sentence_about_fields_without_a_place(target: Format, lacking: str, tmp_path: Path) -> None:
    """The command names what a format leaves out, with the number of senses and of words that have it."""
    edited, reviewed = Origin("", "", edited=True), Origin("", "", reviewed=Review.ACCEPTED)
    senses = a_sense(provenance={"definition": edited}), a_sense(cognates=("Bank",), provenance={"synonyms": reviewed})
    phrase, fact = Phrase("break the bank", "", "It broke the bank.", "informal"), Fact("f", "Old.", "history")
    whole = an_entry(senses=senses, phrases=(phrase,), facts=(fact,), provenance={"etymology": reviewed})
    notes = [each for each in exported(target, tmp_path / "words", whole).notes if "no place" in each]
    assert notes == ([f"The format {target} has no place for: {lacking}."] if lacking else [])


def test_changes_in_formats() -> None:
    """CSV, JSON Lines and DMLex say which values were edited, and which were reviewed."""
    edited, reviewed = Origin("", "", edited=True), Origin("gpt-6-luna", "2026-03-01", reviewed=Review.EDITED)
    provenance = {"definition": edited, "synonyms": reviewed}
    whole = an_entry(senses=(a_sense(provenance=provenance, examples=(Example("ex", "the bank", reviewed),)),))
    (row,) = rows_of(written(Format.CSV, whole)[0])
    assert (row["edited"], row["reviewed"]) == ("definition", "synonyms (edited); examples (edited)")
    (sense,) = json.loads(written(Format.JSONL, whole)[0])["senses"]
    assert sense["provenance"]["definition"] == {"edited": True}
    assert sense["provenance"]["synonyms"] == {"model": "gpt-6-luna", "date": "2026-03-01", "reviewed": "edited"}
    (sense,) = json.loads(written(Format.DMLEX_JSON, whole)[0])["entries"][0]["senses"]
    assert sense["examples"][0]["sourceElaboration"] == "generated 2026-03-01, edited in review"


def test_json_lines() -> None:
    """A line holds everything, with the ids of the documents."""
    content, _ = written(Format.JSONL, an_entry(), an_entry("tear"))
    first, second = map(json.loads, content.decode().splitlines())
    assert (first["id"], second["headword"]) == ("65aa0000000000000000000f", "tear")
    assert first["senses"][0]["definition"] == HOSTILE
    assert first["senses"][0]["examples"][0] == {
        "id": "ex",
        "text": HOSTILE,
        "origin": {"model": "gpt-5.4-nano", "date": "2026-03-01"},
    }
    assert first["phrases"] == [{"text": HOSTILE, "meaning": "meaning", "example": HOSTILE}]


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(content.decode("utf-8-sig"), newline="")))


def test_table() -> None:
    """CSV has a row per sense, quoted so that a reader gets every character back."""
    content, notes = written(Format.CSV, an_entry())
    rows = rows_of(content)
    assert [row["sense_id"] for row in rows] == ["5e", "5f"]
    assert rows[0]["definition"] == HOSTILE
    assert rows[0]["synonyms"] == "shore; =cmd()"
    assert rows[0]["models"] == "gpt-5.4-nano; gpt-6-luna"
    assert notes == []


@pytest.mark.parametrize(("name", "delimiter"), [("semicolon", ";"), ("tab", "\t"), (",", ","), (None, ",")])
def test_delimiters(tmp_path: Path, name: str | None, delimiter: str) -> None:
    """CSV has the chosen delimiter, gives every character back, and is recognised as an export."""
    out = BytesIO()
    writer = FORMATS[Format.CSV].make_writer(out, Header("", "en", "", delimiter_of(name, is_csv=True)))
    writer.write(an_entry())
    writer.finish()
    text = out.getvalue().decode("utf-8-sig")
    (tmp_path / "words.csv").write_bytes(out.getvalue())
    assert is_export(tmp_path / "words.csv")
    rows = list(csv.DictReader(StringIO(text, newline=""), delimiter=delimiter))
    assert (rows[0]["definition"], rows[0]["synonyms"]) == (HOSTILE, "shore; =cmd()")
    for wrong, is_csv in (("pipe", True), ("tab", False)):
        with pytest.raises(UsageError, match="--delimiter"):
            delimiter_of(wrong, is_csv=is_csv)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-ness", "@SUM(A1)"])
def test_formulas(text: str) -> None:
    """A cell that a spreadsheet would run as a formula begins with an apostrophe."""
    content, _ = written(Format.CSV, an_entry(text))
    assert rows_of(content)[0]["headword"] == f"'{text}"


def test_long_cells() -> None:
    """Cells that Excel cuts are written whole, and counted."""
    entry = an_entry(senses=(a_sense(text="x" * 40_000),))
    content, notes = written(Format.CSV, entry)
    assert len(rows_of(content)[0]["definition"]) == 40_000
    assert notes == ["Longer than a cell of Excel: 1 cell."]


class Texts(HTMLParser):
    """Collects the texts and the tags of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.tags, self.texts = set[str](), list[str]()

    def handle_starttag(self, tag: str, attrs: Any) -> None:  # noqa: ARG002  the parser passes them by name
        """Take a tag."""
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        """Take a text."""
        self.texts.append(data)


def test_tabfile() -> None:
    """A line of a tabfile has one tab; stored markup has no effect in its HTML, and forms lead to the entry."""
    content, _ = written(Format.TABFILE, an_entry("a|b"))
    lines = [line for line in content.decode().split("\n") if line and not line.startswith("##")]
    (names, html) = lines[0].split("\t")
    assert len(lines) == 1
    assert names == r"a\|b|banks"
    found = Texts()
    found.feed(html)
    assert found.tags == {"div", "i", "ol", "li", "b", "br"}
    assert 'a<b> & "c"\'\\td' in "".join(found.texts)


def test_number_sign_in_tabfile() -> None:
    """A headword with a leading # never comes first, where it would describe the file."""
    content, notes = written(Format.TABFILE, an_entry("#tag"), an_entry("bank"))
    lines = [line for line in content.decode().split("\n") if line and not line.startswith("##")]
    assert [line.split("|")[0] for line in lines] == ["bank", "#tag"]
    assert notes == []
    assert written(Format.TABFILE, an_entry("#tag"))[1] == [
        "Left out: 1 headword with a leading #, which begins a description."
    ]


# ── Yomitan ────────────────────────────────────────────────────────────────────────────────────────────────────────


def check_content(content: Any) -> None:
    """Assert the rules of format 3 for structured content, as far as we use it."""
    if isinstance(content, str):
        return
    if isinstance(content, list):
        for each in content:
            check_content(each)
        return
    assert content["tag"] in ("span", "div", "ul", "li")
    assert set(content) <= {"tag", "content", "style"}
    assert set(content.get("style", {})) <= {"fontStyle", "fontWeight"}
    check_content(content["content"])


def check_term(term: list[Any]) -> None:
    """Assert the rules of format 3 for a term."""
    assert [type(each) for each in term] == [str, str, str, str, int, list, int, str]
    assert term[0]
    assert 0 <= term[6] < 2**53
    for each in term[5]:
        if isinstance(each, list):
            word, rules = each
            assert isinstance(word, str)
            assert all(isinstance(rule, str) for rule in rules)
        else:
            assert set(each) == {"type", "content"}
            assert each["type"] == "structured-content"
            check_content(each["content"])


def test_yomitan() -> None:
    """The archive has an index, terms and tags that follow format 3; a term's tag has no spaces."""
    content, _ = written(Format.YOMITAN, *(an_entry(f"w{number}") for number in range(2000)))
    with ZipFile(BytesIO(content)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        index = json.loads(archive.read("index.json"))
        terms = [term for name in names if name.startswith("term_bank_") for term in json.loads(archive.read(name))]
        tags = json.loads(archive.read("tag_bank_1.json"))
    assert names == ["index.json", "term_bank_1.json", "term_bank_2.json", "tag_bank_1.json"]
    assert (index["title"], index["revision"], index["format"]) == ("Trial & <error>", "2026-03-02", 3)
    assert len(terms) == 6000
    for term in terms:
        check_term(term)
    assert {tag for term in terms for tag in term[2].split()} == {"noun", "phrasal-verb"} == {tag[0] for tag in tags}
    assert all([type(each) for each in tag] == [str, str, int, str, int] for tag in tags)
    assert terms[2][5] == [["w0", ["plural"]]]


# ── Anki ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def notes_of(content: bytes, folder: Path) -> list[dict[str, Any]]:
    """Return the notes of a package, with the fields by name and the number of cards."""
    with ZipFile(BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.read("media") == b"{}"
        path = Path(archive.extract("collection.anki2", folder))
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        types = json.loads(database.execute("SELECT models FROM col").fetchone()[0])
        query = (
            "SELECT guid, mid, tags, flds, (SELECT count(*) FROM cards WHERE nid = notes.id AND did IN "
            "(SELECT key FROM json_each((SELECT decks FROM col)))) FROM notes ORDER BY id"
        )
        found = database.execute(query).fetchall()
    return [
        {"guid": guid, "tags": tags.split(), "cards": cards}
        | dict(zip([field["name"] for field in types[str(kind)]["flds"]], fields.split("\x1f"), strict=True))
        for guid, kind, tags, fields, cards in found
    ]


def test_anki(tmp_path: Path) -> None:
    """A package has a note with one card per entry, named by the entry's id, with the labels as tags without spaces."""
    content, notes = written(Format.ANKI, an_entry("[sound:a] <b>"), an_entry("tear", "66bb", homograph=None))
    first, second = notes_of(content, tmp_path)
    assert notes == []
    assert (first["guid"], first["cards"], second["guid"]) == ("65aa0000000000000000000f", 1, "66bb")
    assert (first["Headword"], first["Homograph"]) == ("&#91;sound:a] &lt;b&gt;", "1")
    assert (second["Homograph"], second["Pronunciation"]) == ("", "/bæŋk/")
    assert "<b>Written by:</b> gpt-6-luna (2026-03-01), gpt-5.4-nano (2026-03-01), wiktionary" in first["Entry"]
    labels = ["part-of-speech::noun", "part-of-speech::phrasal_verb", "register::formal", "domain::formal"]
    assert sorted(first["tags"]) == sorted([*labels, "language::en", "cefr::B1", "frequency::2"])


def test_a_later_export_updates_notes(tmp_path: Path) -> None:
    """Another day's package has the same deck, note type and notes, and a later time, by which Anki updates them."""
    seen: list[tuple[Any, ...]] = []
    for day in ("2026-03-02", "2026-03-09"):
        path = tmp_path / day
        out = BytesIO()
        writer = FORMATS[Format.ANKI].make_writer(out, Header("Trial", "en", day))
        writer.write(an_entry())
        writer.finish()
        with ZipFile(out) as archive, closing(sqlite3.connect(archive.extract("collection.anki2", path))) as database:
            seen += database.execute("SELECT guid, mid, did, notes.mod FROM notes JOIN cards ON nid = notes.id")
    assert seen[0][:3] == seen[1][:3]
    assert seen[1][3] - seen[0][3] == 7 * 24 * 3600


def test_a_change_of_the_same_day_updates_notes(tmp_path: Path) -> None:
    """A note's time is that of its entry's last change on the export's day, by which Anki updates it: to the second."""
    start = datetime(2026, 3, 2, tzinfo=UTC)
    changes = (-timedelta(days=9), timedelta(hours=8), timedelta(hours=8, seconds=1), timedelta(days=400))
    entries = [an_entry(identity=f"66b{n}", changed=start + change) for n, change in enumerate(changes)]
    content, _ = written(Format.ANKI, an_entry(), *entries)
    with ZipFile(BytesIO(content)) as archive:
        path = archive.extract("collection.anki2", tmp_path)
    with closing(sqlite3.connect(path)) as database:
        times = [time for (time,) in database.execute("SELECT mod FROM notes ORDER BY id")]
    assert [time - start.timestamp() for time in times] == [0, 0, 8 * 3600, 8 * 3600 + 1, 24 * 3600 - 1]


def test_anki_without_genanki(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without genanki, the error has the command that installs it."""
    monkeypatch.setitem(sys.modules, "genanki", None)
    with pytest.raises(UsageError, match=r'needs genanki: pip install "batch-synth\[anki\]"'):
        written(Format.ANKI)


# ── DMLex ──────────────────────────────────────────────────────────────────────────────────────────────────────────

OBJECTS: Mapping[str, tuple[str, str]] = {
    "resource": ("langCode", "title entries inflectedFormTags labelTags labelTypeTags partOfSpeechTags"),
    "entries": ("headword", "id homographNumber partsOfSpeech labels pronunciations inflectedForms senses etymologies"),
    "senses": ("", "id labels definitions examples"),
    "definitions": ("text", "definitionType"),
    "examples": ("text", "sourceIdentity sourceElaboration labels"),
    "pronunciations": ("transcriptions", ""),
    "transcriptions": ("text", "scheme"),
    "inflectedForms": ("text", "tag labels"),
    "etymologies": ("", "description"),
    "inflectedFormTags": ("tag", "description"),
    "labelTags": ("tag", "typeTag description"),
    "labelTypeTags": ("tag", "description"),
    "partOfSpeechTags": ("tag description", ""),
    "sourceIdentityTags": ("tag", "description"),
    "transcriptionSchemeTags": ("tag", "description"),
    "relations": ("type members", ""),
    "members": ("ref", "role"),
    "relationTypes": ("type", "scopeRestriction memberTypes"),
    "memberTypes": ("type", "min max hint"),
}
"""DMLex's objects, by the list that they are in: the required fields, and others. Texts have a character at least."""

_RESOURCE_LISTS = "sourceIdentityTags transcriptionSchemeTags relations relationTypes"


def check_object(kind: str, found: Mapping[str, Any]) -> None:
    """Assert DMLex's rules for an object and all in it."""
    required, others = (names.split() for names in OBJECTS[kind])
    assert set(required) <= set(found)
    assert set(found) <= {*required, *others, *(_RESOURCE_LISTS.split() if kind == "resource" else ())}
    for name, value in found.items():
        if isinstance(value, str):
            assert value
        elif name in ("partsOfSpeech", "labels"):
            assert all(value)
            assert len(set(value)) == len(value)
        elif isinstance(value, list):
            for each in value:
                check_object(name, each)


def check_references(resource: Mapping[str, Any]) -> None:
    """Assert that ids and tags are unique, and that references name some."""
    entries = resource["entries"]
    ids = [each["id"] for each in entries] + [sense["id"] for each in entries for sense in each["senses"]]
    assert len(set(ids)) == len(ids)
    assert {each["ref"] for relation in resource["relations"] for each in relation["members"]} <= set(ids)
    tags = {tag["tag"]: tag["typeTag"] for tag in resource["labelTags"]}
    assert len(tags) == len(resource["labelTags"])
    assert set(tags.values()) == {each["tag"] for each in resource["labelTypeTags"]}
    labelled = [holder for each in entries for holder in (each, *each["senses"])]
    assert {label for each in labelled for label in each.get("labels", ())} == set(tags)


def linked() -> Iterable[ExportedEntry]:
    """Entries of which one is a synonym of another."""
    shore = an_entry(
        "shore", "65aa00000000000000000010", senses=(a_sense("60", "noun", "land by the sea", synonyms=()),)
    )
    return an_entry(), shore


def test_dmlex_json() -> None:
    """DMLex in JSON follows the rules of its schema, and links synonyms of the same part of speech."""
    content, notes = written(Format.DMLEX_JSON, *linked())
    resource = json.loads(content)
    check_object("resource", resource)
    check_references(resource)
    assert [(each["headword"], each["partsOfSpeech"]) for each in resource["entries"]] == [
        ("bank", ["noun"]),
        ("bank", ["phrasal verb"]),
        ("shore", ["noun"]),
    ]
    assert resource["relations"] == [
        {"type": "synonym", "members": [{"ref": "5e"}, {"ref": "65aa00000000000000000010-noun"}]}
    ]
    assert notes == ["Left out: 3 synonyms and antonyms without an entry to link to."]


def objects_of(element: ET.Element) -> Mapping[str, Any]:
    """Return an element as the object that it has in JSON."""
    found: dict[str, Any] = dict(element.attrib)
    for child in element:
        name = child.tag.removeprefix(f"{{{NAMESPACE}}}")
        several = {"entry": "entries", "partOfSpeech": "partsOfSpeech", "etymology": "etymologies"}.get(
            name, f"{name}s"
        )
        if several not in OBJECTS and name not in ("label", "partOfSpeech"):
            found[name] = child.text
        else:
            text = child.get("tag") if name in ("label", "partOfSpeech") else None
            found.setdefault(several, []).append(text or objects_of(child))
    return found


def test_dmlex_xml() -> None:
    """DMLex in XML holds what it has in JSON."""
    content, _ = written(Format.DMLEX_XML, *linked())
    resource = objects_of(ET.fromstring(content))  # noqa: S314  our own file
    check_object("resource", resource)
    expected = json.loads(written(Format.DMLEX_JSON, *linked())[0])
    assert json.loads(json.dumps(resource), parse_int=str) == json.loads(json.dumps(expected), parse_int=str)
