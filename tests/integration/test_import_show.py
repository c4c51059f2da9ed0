"""Importing into a real database, and what `show` prints of it."""

import asyncio
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from floridify_batch.cli.export import export_entries
from floridify_batch.cli.import_ import import_file
from floridify_batch.cli.show import show_word
from floridify_batch.components.change import REVIEWED, value_digest
from floridify_batch.database.connection import Place, opened
from floridify_batch.database.layout import STAMPS
from floridify_batch.database.source_import import import_articles
from floridify_batch.database.store import MongoStore
from floridify_batch.errors import DatabaseError, UsageError
from floridify_batch.export.entry_source import Selection
from floridify_batch.export.file import ExportTarget, NothingToExport
from floridify_batch.export.format import Format
from floridify_batch.words.article import ImportFilter
from floridify_batch.words.dictionary_file import opened_dictionary
from tests.acceptance.command import until
from tests.documents import LONG_AGO, add_definition, add_entry, add_word, everything
from tests.floridify_models import COLLECTIONS

type Found = Database[dict[str, Any]]
type Captured = pytest.CaptureFixture[str]


@pytest.fixture
def place(mongo_url: str, database_name: str) -> Place:
    return Place(mongo_url, database_name)


def senses(*glosses: str) -> list[dict[str, Any]]:
    return [{"glosses": [gloss]} for gloss in glosses]


KAIKKI: list[dict[str, Any]] = [
    {"word": "tear", "lang_code": "en", "pos": "noun", "etymology_number": 1, "senses": senses("a drop from the eye")},
    {"word": "tear", "lang_code": "en", "pos": "verb", "etymology_number": 2, "senses": senses("to rip", "to rush")},
    {"word": "kwell", "lang_code": "en", "pos": "adj", "senses": senses("damp"), "etymology_text": "From quell."},
    {"word": "kwell", "lang_code": "de", "pos": "noun", "senses": senses("eine Quelle")},
    {"word": "kwell", "lang_code": "en", "pos": "adv", "senses": senses("damply")},
]
PLAIN: list[dict[str, Any]] = [
    {"word": "kwell", "part_of_speech": "adj", "definitions": ["somewhat wet"], "provider": "oxford"},
    {"word": "tear", "part_of_speech": "noun", "definitions": "a rip", "homograph_number": 2, "provider": "gcide"},
]


def file_of(folder: Path, lines: list[Any], name: str = "words.jsonl") -> Path:
    path = folder / name
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def texts(database: Found, entry: dict[str, Any]) -> list[str]:
    by_id = {each["_id"]: each["text"] for each in database.definitions.find({"word_id": entry["word_id"]})}
    return [by_id[each] for each in entry["definition_ids"]]


async def test_what_an_import_makes(tmp_path: Path, place: Place, database: Found) -> None:
    """An import creates one entry per homograph and source, with its definitions in order and its etymology."""
    await import_file(file_of(tmp_path, KAIKKI), place)
    await import_file(file_of(tmp_path, PLAIN), place)
    words = {word["_id"]: (word["text"], word["homograph_number"]) for word in database.words.find()}
    assert sorted(words.values(), key=str) == [("kwell", None), ("tear", 1), ("tear", 2)]
    found = {(*words[each["word_id"]], each["provider"]): each for each in database.dictionary_entries.find()}
    assert {key: texts(database, entry) for key, entry in found.items()} == {
        ("tear", 1, "wiktionary"): ["a drop from the eye"],
        ("tear", 2, "wiktionary"): ["to rip", "to rush"],
        ("tear", 2, "gcide"): ["a rip"],
        ("kwell", None, "wiktionary"): ["damp", "damply"],
        ("kwell", None, "oxford"): ["somewhat wet"],
    }
    etymology: dict[str, Any] = {
        "text": "From quell.",
        "origin_language": None,
        "root_words": [],
        "first_known_use": None,
    }
    assert found["kwell", None, "wiktionary"]["etymology"] == etymology
    assert {index["name"] for index in database.words.list_indexes()} == {"_id_", "text_1_languages_1"}


async def test_floridify_can_read_it(tmp_path: Path, place: Place, database: Found) -> None:
    """Every document has the types, limits and fields of today's layout, and refers only to what exists."""
    await import_file(file_of(tmp_path, KAIKKI), place)
    for name in database.list_collection_names():
        for document in database[name].find():
            COLLECTIONS[name].model_validate(document)
    for definition in database.definitions.find():
        assert database.words.find_one(definition["word_id"])
        entry = database.dictionary_entries.find_one(definition["dictionary_entry_id"])
        assert entry is not None
        assert definition["_id"] in entry["definition_ids"]


async def test_what_is_imported_can_be_planned(tmp_path: Path, place: Place) -> None:
    """The store reads each source's definitions under its name, one entry per homograph."""
    await import_file(file_of(tmp_path, KAIKKI + PLAIN), place)
    async with opened(place, print) as store:
        entries = await store.entries(["tear", "kwell"], "en")
    assert [len(entry.definitions) for entry in entries["tear"]] == [1, 3]
    assert len(entries["kwell"][0].definitions) == 3


async def test_importing_twice_changes_nothing(tmp_path: Path, place: Place, database: Found, capsys: Captured) -> None:
    """A second import changes no ID, time or version, and its summary says so."""
    path = file_of(tmp_path, KAIKKI + PLAIN)
    await import_file(path, place)
    before = everything(database)
    capsys.readouterr()
    await import_file(path, place)
    assert everything(database) == before
    assert capsys.readouterr().out.splitlines() == [
        "Imported 6 of 7 lines of words.jsonl (1 in other languages).",
        "Words: 3: 0 new, 3 already present.",
        "Entries: 5: 0 new, 5 already present.",
        "Definitions: 7: 0 new, 7 already present.",
    ]


async def test_a_changed_file_adds_what_is_new(tmp_path: Path, place: Place, database: Found) -> None:
    """New definitions are added to their entry, which gets a missing etymology; nothing is removed."""
    await import_file(file_of(tmp_path, [KAIKKI[0]]), place)
    before = {each["_id"]: each for each in database.definitions.find()}
    more = KAIKKI[0] | {"senses": senses("a thing like a drop"), "etymology_text": "From of old."}
    await import_file(file_of(tmp_path, [more]), place)
    (entry,) = database.dictionary_entries.find()
    assert texts(database, entry) == ["a drop from the eye", "a thing like a drop"]
    assert (entry["version"], entry["etymology"]["text"]) == (2, "From of old.")
    assert entry["updated_at"] > entry["created_at"]
    assert {each["_id"]: each for each in database.definitions.find() if each["_id"] in before} == before


async def test_what_a_person_removed_is_not_restored(
    tmp_path: Path, place: Place, database: Found, capsys: Captured
) -> None:
    """A definition, an etymology and a pronunciation that an editor removed are not restored by another import, which
    reports the definition; a new one of the file is added.
    """
    line = {**KAIKKI[1], "etymology_text": "From of old.", "sounds": [{"ipa": "/tɛə/"}]}
    path = file_of(tmp_path, [line])
    await import_file(path, place)
    (entry,) = database.dictionary_entries.find()
    gone, stays = entry["definition_ids"]
    removed = {"$set": {"etymology": None, "pronunciation_id": None}, "$pull": {"definition_ids": gone}}
    database.dictionary_entries.update_one({"_id": entry["_id"]}, removed)
    database.definitions.delete_one({"_id": gone})
    database.pronunciations.delete_many({})
    before = everything(database)
    capsys.readouterr()
    await import_file(path, place)
    assert everything(database) == before
    counts = "Definitions: 2: 0 new, 1 already present, 1 removed since an earlier import and not restored."
    assert counts in capsys.readouterr().out
    await import_file(file_of(tmp_path, [{**line, "senses": senses("to rip", "to rush", "to run")}]), place)
    (entry,) = database.dictionary_entries.find()
    assert texts(database, entry) == ["to rush", "to run"]
    assert entry["definition_ids"][0] == stays
    assert (entry["etymology"], entry["pronunciation_id"]) == (None, None)


async def test_what_was_synthesised_stays(tmp_path: Path, place: Place, database: Found) -> None:
    """A definition that was enhanced since its import is not reset by another import."""
    path = file_of(tmp_path, KAIKKI)
    await import_file(path, place)
    database.definitions.update_many({}, {"$set": {"cefr_level": "B1", "synonyms": ["x"]}})
    before = everything(database)
    await import_file(path, place)
    assert everything(database) == before


async def test_a_word_that_is_there_is_used(tmp_path: Path, place: Place, database: Found) -> None:
    """A word without a homograph number gets all etymologies of its spelling; other languages are separate."""
    word = add_word(database, "tear")
    add_word(database, "kwell", language="de")
    await import_file(file_of(tmp_path, KAIKKI), place)
    assert {each["word_id"] for each in database.definitions.find({"text": {"$in": ["to rip", "to rush"]}})} == {word}
    assert database.words.count_documents({"text": "tear"}) == 1
    assert sorted(each["languages"][0] for each in database.words.find({"text": "kwell"})) == ["de", "en"]


async def test_an_entry_that_others_made_is_used(tmp_path: Path, place: Place, database: Found) -> None:
    """A source has no second entry, and its definitions are not imported twice."""
    word = add_word(database, "tear", homograph=2)
    own = add_definition(database, word, "to rip", part_of_speech="verb")
    entry = add_entry(database, word, [own], "wiktionary")
    for _ in range(2):
        await import_file(file_of(tmp_path, KAIKKI), place)
    found = database.dictionary_entries.find_one({"word_id": word})
    assert found is not None
    assert (found["_id"], found["definition_ids"][0], len(found["definition_ids"]), found["version"]) == (
        entry,
        own,
        2,
        2,
    )
    assert database.definitions.count_documents({"text": "to rip"}) == 1
    assert database.definitions.count_documents({"dictionary_entry_id": entry}) == 1


async def test_a_word_whose_lines_are_far_apart(tmp_path: Path, place: Place, database: Found) -> None:
    """An entry is complete although its lines are in different blocks, some of them written concurrently."""
    fillers = [
        {"word": f"w{number}", "part_of_speech": "noun", "definitions": "a thing", "provider": "gcide"}
        for number in range(3500)
    ]
    own = [
        {"word": "far", "part_of_speech": "noun", "definitions": f"meaning {number}", "provider": "gcide"}
        for number in range(8)
    ]
    lines = [line for number, each in enumerate(own) for line in (each, *fillers[number * 500 : (number + 1) * 500])]
    await import_file(file_of(tmp_path, lines), place)
    (word,) = database.words.find({"text": "far"})
    (entry,) = database.dictionary_entries.find({"word_id": word["_id"]})
    assert sorted(texts(database, entry)) == [f"meaning {number}" for number in range(8)]
    before = everything(database)
    await import_file(file_of(tmp_path, lines), place)
    assert everything(database) == before


async def test_bad_lines_are_named(tmp_path: Path, place: Place, database: Found, capsys: Captured) -> None:
    """The first bad lines are reported by number, the others as a count; everything else is imported."""
    await import_file(file_of(tmp_path, [*KAIKKI, *(["{"] * 7)]), place)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["Skipped line 6: not valid JSON.", "Skipped line 7: not valid JSON."]
    assert lines[5] == "Skipped 2 more invalid lines."
    assert lines[6] == "Imported 4 of 12 lines of words.jsonl (1 in other languages, 7 invalid)."
    assert database.definitions.count_documents({}) == 5


async def test_a_file_without_an_article_touches_nothing(tmp_path: Path, database: Found) -> None:
    """An invalid file is refused before any connection to the database."""
    nowhere = Place("mongodb://127.0.0.1:1/", database.name)
    with pytest.raises(UsageError, match="line 1"):
        await import_file(file_of(tmp_path, ["{"]), nowhere)


async def test_a_damaged_archive(tmp_path: Path, place: Place, database: Found) -> None:
    """The part before the damage is imported, and the error says so."""
    many = [
        {"word": f"w{number}", "part_of_speech": "noun", "definitions": f"{number * 7919}", "provider": "gcide"}
        for number in range(5000)
    ]
    path = file_of(tmp_path, many)
    path.write_bytes(gzip.compress(path.read_bytes())[:-1000])
    with pytest.raises(UsageError, match=r"damaged after line .* lines before that have been imported") as stopped:
        await import_file(path, place)
    imported = database.definitions.count_documents({})
    assert imported > 1000
    assert f"damaged after line {imported:,} " in str(stopped.value)


async def test_an_older_layout_is_left_alone(tmp_path: Path, place: Place, database: Found) -> None:
    """Documents of today's layout are not written into a database of an older one."""
    database.words.insert_one({"_id": "66f0a1b2c3d4e5f6a7b8c9d0", "text": "tear", "language": "en"})
    with pytest.raises(DatabaseError, match="older layout"):
        await import_file(file_of(tmp_path, KAIKKI), place)
    assert sorted(database.list_collection_names()) == ["words"]


async def test_bad_lines_are_reported(tmp_path: Path, place: Place, database: Found) -> None:
    """A write that the database refuses ends the import with its reason, and leaves no pending task."""
    database.create_collection("definitions", validator={"text": "something else"})
    with pytest.raises(
        DatabaseError, match=r"refused a write to definitions for the word .*field text: .*the same command again"
    ):
        await import_file(file_of(tmp_path, KAIKKI), place)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_import_that_is_stopped(tmp_path: Path, place: Place, database: Found, capsys: Captured) -> None:
    """An interrupted import prints how to continue; repeated, the result is that of an uninterrupted one."""
    many = [
        {"word": f"w{number}", "part_of_speech": "noun", "definitions": "a thing", "provider": "gcide"}
        for number in range(4_000)
    ]
    path = file_of(tmp_path, many)
    importing = asyncio.create_task(import_file(path, place))
    await asyncio.to_thread(until, lambda: database.words.count_documents({}))
    importing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await importing
    assert "the same command again" in capsys.readouterr().err
    assert database.words.count_documents({}) < 4_000
    await import_file(path, place)
    referred = {each for entry in database.dictionary_entries.find() for each in entry["definition_ids"]}
    assert len(referred) == database.definitions.count_documents({}) == database.words.count_documents({}) == 4_000


async def test_progress_is_reported_in_bytes(tmp_path: Path, mongo_url: str, database_name: str) -> None:
    """Progress begins within the file and ends at its size."""
    path = file_of(tmp_path, [KAIKKI[2] | {"word": f"w{number}", "x": "y" * 2000} for number in range(2500)])
    result: list[tuple[int, int]] = []
    store = MongoStore(mongo_url, database_name)
    with opened_dictionary(path, ImportFilter()) as (reading, articles):
        await import_articles(store, articles, "en", reading, lambda done, total: result.append((done, total)))
    await store.close()
    size = path.stat().st_size
    assert [total for _, total in result] == [size] * 3
    assert 0 < result[0][0] < result[1][0] < result[2][0] == size


# ── show ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_homographs_are_shown_in_turn(tmp_path: Path, place: Place, capsys: Captured) -> None:
    """Homographs are printed with their numbers, definitions and sources."""
    await import_file(file_of(tmp_path, KAIKKI + PLAIN), place)
    capsys.readouterr()
    assert await show_word(" tear ", place) == 0
    assert capsys.readouterr().out == (
        "\ntear¹\n  noun\n   1  a drop from the eye\n  Sources: wiktionary\n"
        "\ntear²\n"
        "  noun\n   1  a rip\n      source: gcide\n"
        "  verb\n   1  to rip\n      source: wiktionary\n   2  to rush\n      source: wiktionary\n"
        "  Sources: gcide, wiktionary\n"
    )


def stock(database: Found) -> ObjectId:
    word = add_word(database, "tear")
    named: dict[str, Any] = {"created_at": LONG_AGO}
    example = database.examples.insert_one(named | {"text": "A tear fell."}).inserted_id
    definition = add_definition(database, word, "a drop from the eye", example_ids=[example])
    entry = add_entry(database, word, [definition])
    fact = database.facts.insert_one({"content": "Tears are salty."}).inserted_id
    spoken = database.pronunciations.insert_one({"ipa": "teə"}).inserted_id
    database.dictionary_entries.update_one({"_id": entry}, {"$set": {"fact_ids": [fact], "pronunciation_id": spoken}})
    return entry


async def test_what_belongs_to_an_entry(place: Place, database: Found, capsys: Captured) -> None:
    """Examples, facts and the pronunciation are read from their collections."""
    stock(database)
    await show_word("tear", place)
    shown = capsys.readouterr().out
    for text in ("tear  /teə/", "“A tear fell.”", "Tears are salty.", "Sources: synthesis, wiktionary"):
        assert text in shown


async def test_origins_and_doubts(place: Place, database: Found, capsys: Captured) -> None:
    """The model and the day of values are shown, which were edited or reviewed since, and what is doubtful."""
    word = add_word(database, "tear")
    made: dict[str, Any] = {"component": "x", "model": "gpt-6-luna", "batch_created": LONG_AGO}
    stamps = database[STAMPS].insert_many([dict(made), dict(made)]).inserted_ids
    digests = {"synonyms": value_digest(["drop"]), "antonyms": REVIEWED, "text": value_digest("a drop")}
    fields = {"synonyms": ["tears"], "antonyms": ["grin"], "synthesis_digests": digests}
    synthesis = {"synonyms": stamps[0], "antonyms": stamps[1]}
    verb = {"part_of_speech": "verb", "synthesis": {"synonyms": stamps[0]}}
    senses = [
        add_definition(database, word, "a drop from the eye", synthesis=synthesis, **fields),
        *(add_definition(database, word, text, **verb) for text in ("to rip", "to rush")),
    ]
    add_entry(database, word, senses)
    await show_word("tear", place)
    shown = capsys.readouterr().out
    assert shown[shown.index("  Written by") :] == (
        "  Written by\n"
        "   -  noun 1: gpt-6-luna (2025-03-01): antonyms, synonyms; edited: definition,\n"
        "      synonyms; reviewed: antonyms\n"
        "   -  verb 1, verb 2: gpt-6-luna (2025-03-01): synonyms\n"
        "  Doubts\n"
        "   -  noun 1 synonyms: “tears” is a form of the same word as “tear” (medium)\n"
    )
    await show_word("tear", place, as_json=True)
    (found,) = json.loads(capsys.readouterr().out)
    assert {each["_id"] for each in found["stamps"]} == set(map(str, stamps))
    assert [(each["check"], each["sense"]) for each in found["doubts"]] == [("inflection", "noun 1")]


async def test_as_json(place: Place, database: Found, capsys: Captured) -> None:
    """With --json the documents are printed unchanged, as a list with one item per homograph."""
    entry = stock(database)
    assert await show_word("tear", place, as_json=True) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["entries"][0]["_id"] == str(entry)
    assert found["word"]["created_at"] == LONG_AGO.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert [each["text"] for each in found["examples"]] == ["A tear fell."]


async def test_an_unknown_word(place: Place, database: Found, capsys: Captured) -> None:
    """An unknown word gives exit code 1, near spellings, and the same word in other languages."""
    for text in ("receive", "receiver", "deceive", "recent", "café", "Bank", "reserve"):
        add_word(database, text)
    add_word(database, "recieve", language="fr")
    for asked, near in (("recieve", "receive"), ("decieve", "deceive"), ("cafés", "café"), ("banks", "Bank")):
        assert await show_word(asked, place) == 1
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert f"Did you mean {near}" in err
    await show_word("recieve", place)
    assert "add --language fr" in capsys.readouterr().err
    await show_word("zzzzz", place)
    assert capsys.readouterr().err == f"No entry for “zzzzz” in English in the database {database.name}.\n"


async def test_a_word_of_the_sandbox(place: Place, database: Found, capsys: Captured, tmp_path: Path) -> None:
    """Where a word is missing, and the sandbox's counterpart of the database has words, `show` and `export` name it."""
    add_word(database, "bank")
    own = replace(place, database=database.name.removesuffix("_sandbox"))
    assert own.database != database.name
    assert await show_word("bank", own) == 1
    assert f"add --database {database.name}." in capsys.readouterr().err
    target = ExportTarget(tmp_path / "words.csv", Format.CSV, "words", "2026-11-20")
    with pytest.raises(NothingToExport, match=f"from the database {own.database}: .* add --database {database.name}"):
        await export_entries(own, Selection(["bank"], "en"), target)


async def test_case_and_diacritics_are_folded(place: Place, database: Found, capsys: Captured) -> None:
    """A word that differs in case and diacritics only is shown; an exact spelling has precedence."""
    for text in ("crème brûlée", "Bank", "résumé", "resume", "cre\u0300me"):
        add_word(database, text)
    for asked, shown in (
        ("creme brulee", ["crème brûlée"]),
        ("CRÈME BRULEE", ["crème brûlée"]),
        ("BANK", ["Bank"]),
        ("resume", ["resume"]),
        ("Résume", ["resume", "résumé"]),
        ("creme", ["cre\u0300me"]),
    ):
        assert await show_word(asked, place) == 0
        assert [line for line in capsys.readouterr().out.splitlines() if line and line[0] != " "] == shown


@pytest.mark.parametrize("word", ["", "$where", "\u001b[2J", "x" * 5000, ".*", "字"])
async def test_strange_words(word: str, place: Place, database: Found, capsys: Captured) -> None:
    """Any word is looked up as plain text and printed sanitised."""
    add_word(database, "tear")
    assert await show_word(word, place) == 1
    assert all(character.isprintable() for character in capsys.readouterr().err.rstrip("\n"))


async def test_older_layouts_can_be_shown(place: Place, database: Found, capsys: Captured) -> None:
    """A database with string IDs, `language`, and other collections of entries can be read."""
    older: list[tuple[str, dict[str, Any]]] = [
        ("words", {"_id": "w1", "text": "tear", "language": "en"}),
        ("definitions", {"_id": "d1", "word_id": "w1", "part_of_speech": "noun", "text": "from a source"}),
        ("definitions", {"_id": "d2", "word_id": "w1", "part_of_speech": "noun", "text": "made of it"}),
        ("provider_data", {"_id": "p1", "word_id": "w1", "provider": "wiktionary", "definition_ids": ["d1"]}),
        ("synthesized_dictionary_entries", {"_id": "s1", "word_id": "w1", "definition_ids": ["d2"]}),
    ]
    for name, document in older:
        database[name].insert_one(document)
    assert await show_word("tear", place) == 0
    assert capsys.readouterr().out == "\ntear\n  noun\n   1  made of it\n  Sources: synthesis, wiktionary\n"


async def test_examples_and_pronunciations(place: Place, database: Found, tmp_path: Path) -> None:
    """kaikki's examples and pronunciations are imported with their definitions, once; odd ones cost themselves only."""
    sounds: list[Any] = ["?", {"audio": "x.ogg"}, {"ipa": "[kwɛɫ]"}, {"ipa": "/kwɛl/"}, {"enpr": "kwĕl"}]
    first: dict[str, Any] = {"glosses": ["damp"], "examples": [{"text": "A kwell day."}, {"text": 3}, "odd", {}]}
    line = {
        "word": "kwell",
        "lang_code": "en",
        "pos": "adj",
        "senses": [first, {"glosses": ["wet"], "examples": "odd"}],
    }
    bare = {**line, "senses": senses("damp", "wet")}
    await import_file(file_of(tmp_path, [bare]), place)
    spoken = {**line, "sounds": sounds, "etymology_number": "1.2"}
    await import_file(file_of(tmp_path, [spoken, {**spoken, "sounds": "odd"}, '{"word": 1, "senses": []}']), place)
    once = everything(database)
    await import_file(file_of(tmp_path, [spoken]), place)
    assert everything(database) == once
    (entry,) = database.dictionary_entries.find()
    pronunciation = database.pronunciations.find_one({"_id": entry["pronunciation_id"]}) or {}
    assert (pronunciation["phonetic"], pronunciation["ipa"]) == ("kwĕl", "/kwɛl/")
    damp = database.definitions.find_one({"text": "damp"}) or {}
    (example,) = database.examples.find()
    assert (example["text"], damp["example_ids"]) == ("A kwell day.", [example["_id"]])
    database.definitions.update_one({"_id": damp["_id"]}, {"$set": {"example_ids": []}})
    for _ in ("unlisted", "deleted"):
        removed = everything(database)
        await import_file(file_of(tmp_path, [spoken]), place)
        assert everything(database) == removed, "what a person removed is not restored"
        database.examples.delete_one({"_id": example["_id"]})


@pytest.mark.parametrize("fields", [{"version": "1"}, {"definition_ids": "x"}])
async def test_an_entry_that_cannot_be_added_to(
    tmp_path: Path, place: Place, database: Found, capsys: Captured, fields: dict[str, Any]
) -> None:
    """An odd entry is left out of an import with its reason, and the other words are imported."""
    word = add_word(database, "kwell")
    entry = add_entry(database, word, [add_definition(database, word, "dry")], "oxford")
    database.dictionary_entries.update_one({"_id": entry}, {"$set": fields})
    before = database.dictionary_entries.find_one({"_id": entry})
    await import_file(file_of(tmp_path, PLAIN), place)
    (name, value), printed = fields.popitem(), " ".join(capsys.readouterr().out.split())
    assert "Definitions: 2: 1 new, 0 already present, 1 left out." in printed
    assert f"the first: kwell: its entry {entry} has {name} = {value!r}, which is of the wrong type." in printed
    assert database.dictionary_entries.find_one({"_id": entry}) == before
    assert database.definitions.count_documents({"text": "a rip"}) == 1


@pytest.mark.parametrize("collection", ["words", "definitions", "dictionary_entries"])
async def test_an_id_that_is_a_text(
    collection: str, tmp_path: Path, place: Place, database: Found, capsys: Captured
) -> None:
    """A word, a reference to it, or a reference in an entry's list that is stored as a text costs at most its word."""
    for text in ("kwell", "sound", "calm"):
        word = add_word(database, text)
        sense = add_definition(database, word, f"{text}, as it was")
        entry = add_entry(database, word, [sense], "wiktionary")
    changed = {"words": word, "definitions": sense, "dictionary_entries": entry}[collection]
    document = database[collection].find_one({"_id": changed}) or {}
    if collection == "words":
        database.words.delete_one({"_id": word})
        database.words.insert_one({**document, "_id": "a word's id"})
    elif collection == "definitions":
        database.definitions.update_one({"_id": sense}, {"$set": {"word_id": str(word)}})
    else:
        database.dictionary_entries.update_one({"_id": entry}, {"$set": {"definition_ids": [str(sense)]}})
    lines = [
        {
            "word": text,
            "part_of_speech": "noun",
            "definitions": [f"{text}, as it was", "news"],
            "provider": "wiktionary",
        }
        for text in ("calm", "brand-new", "kwell")
    ]
    for _ in range(2):
        await import_file(file_of(tmp_path, lines), place)
    odd = collection == "words"
    assert database.definitions.count_documents({"text": "news"}) == 3 - odd
    assert database.definitions.count_documents({"text": "calm, as it was"}) == 1
    assert ("left out" in capsys.readouterr().out) == odd
    assert database.words.count_documents({"text": "calm"}) == 1
