"""The store over a real MongoDB: what it reads, what it writes once and only once, and what it says when it cannot."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from floridify_batch.components.change import Change, Collection, Insert, Replaced, Update, writes_of
from floridify_batch.database.lookup import PAGE, of_language
from floridify_batch.database.ownership import copied_example_id
from floridify_batch.database.store import MongoStore
from floridify_batch.errors import DatabaseError
from floridify_batch.words.entry import DocId, Entry, Stamp, copied_id, derived_id, unknown_entry
from tests.documents import LONG_AGO, add_definition, add_entry, add_known, add_word, everything
from tests.mongod import listens, mongod

type Found = Database[dict[str, Any]]

DONE = datetime(2026, 5, 1, 8, 30, tzinfo=UTC)


def stamp(component: str = "cefr_level", run: str = "run1", batch: str = "batch_1") -> Stamp:
    identity = derived_id("stamp", run, batch, component)
    return Stamp(identity, run, batch, DONE - timedelta(hours=2), "gpt-6-luna", "0123abcd", "batch")


def change(definition: ObjectId, component: str = "cefr_level", completed: datetime = DONE, **fields: Any) -> Change:
    target = Update(Collection.DEFINITIONS, DocId(str(definition)), fields)
    return Change(component, target, stamp(component), completed)


def example(definition: ObjectId, text: str) -> Insert:
    fields = {"definition_id": DocId(str(definition)), "text": text, "type": "generated"}
    return Insert(Collection.EXAMPLES, derived_id("example", text), fields)


def texts(entries: list[Entry]) -> list[list[str]]:
    return [[definition.text for definition in entry.definitions] for entry in entries]


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_in_bulk(store: MongoStore, database: Found) -> None:
    """Many words are read at once, each with its own definitions; an unknown one is returned as a new word."""
    for text in ("moon", "en coulisse", "café"):
        add_definition(database, add_word(database, text), f"what {text} means")
    found = await store.entries(["café", "unheard", "moon", "en coulisse"], "en")
    assert {text: texts(entries) for text, entries in found.items()} == {
        "café": [["what café means"]],
        "unheard": [[]],
        "moon": [["what moon means"]],
        "en coulisse": [["what en coulisse means"]],
    }
    assert found["unheard"] == [unknown_entry("unheard", "en")]
    assert found["moon"][0].word.stored


async def test_homographs(store: MongoStore, database: Found) -> None:
    """Homographs stay apart, in the order of their numbers, each with its own definitions."""
    for number, text in ((2, "a fish"), (1, "a low sound")):
        add_definition(database, add_word(database, "bass", homograph=number), text)
    found = (await store.entries(["bass"], "en"))["bass"]
    assert texts(found) == [["a low sound"], ["a fish"]]
    assert [entry.word.homograph_number for entry in found] == [1, 2]


async def test_languages(store: MongoStore, database: Found) -> None:
    """One spelling in two languages is two words; in a third language it is unknown."""
    for language, text in (("en", "a present"), ("de", "poison")):
        add_definition(database, add_word(database, "gift", language=language), text)
    assert texts((await store.entries(["gift"], "de"))["gift"]) == [["poison"]]
    assert texts((await store.entries(["gift"], "en"))["gift"]) == [["a present"]]
    assert (await store.entries(["gift"], "sv"))["gift"] == [unknown_entry("gift", "sv")]


@pytest.mark.parametrize(
    ("stored", "word"),
    [
        ("don\u2019t", "don't"),
        ("co\u2010op", "co-op"),
        ("cafe\u0301", "caf\u00e9"),
        ("l\u2019e\u0301te\u0301", "l'\u00e9t\u00e9"),
    ],
)
async def test_other_spellings_are_found(store: MongoStore, database: Found, stored: str, word: str) -> None:
    """A word stored with typographic signs or decomposed is found, and not generated a second time."""
    add_known(database, stored)
    (found,) = (await store.entries([word, "moon"], "en"))[word]
    assert (found.word.text, found.word.stored) == (stored, True)
    add_definition(database, add_word(database, word), "the plain one")
    assert texts((await store.entries([word], "en"))[word]) == [["the plain one"]]


async def test_synthesis_entry(store: MongoStore, database: Found) -> None:
    """The definitions of a word's synthesis entry are used, in its order; other entries do not count."""
    word = add_word(database, "set")
    first, _, third = (add_definition(database, word, text) for text in ("to put", "a group", "to harden"))
    add_entry(database, word, [first], "wiktionary")
    ours = add_entry(database, word, [third, first, third])
    (entry,) = (await store.entries(["set"], "en"))["set"]
    assert texts([entry]) == [["to harden", "to put"]]
    assert entry.synthesis_entry == str(ours)


async def test_in_place(store: MongoStore, database: Found) -> None:
    """Without a synthesis entry, or with one without definitions, the word's definitions are used."""
    for text in ("run", "walk"):
        word = add_word(database, text)
        for sense in ("fast", "slow"):
            add_definition(database, word, f"to {text} {sense}")
    add_entry(database, word, [ObjectId()])
    found = await store.entries(["run", "walk"], "en")
    assert texts(found["run"]) == [["to run fast", "to run slow"]]
    assert texts(found["walk"]) == [["to walk fast", "to walk slow"]]


async def test_values_of_fields(store: MongoStore, database: Found) -> None:
    """A definition can be read if a field has a value, is null or is absent, and if IDs are strings.

    A source's definition is read as the synthesis entry will have it: with clones of its examples.
    """
    word, examples = add_word(database, "calm"), [ObjectId(), ObjectId()]
    full = {
        "synonyms": ["still", "quiet"],
        "example_ids": [examples[0], str(examples[1])],
        "cefr_level": "B1",
        "frequency_band": 2,
        "language_register": "neutral",
        "collocations": [{"text": "keep calm", "type": "verb+adj", "frequency": 0.9}],
    }
    source = add_definition(database, word, "without wind", **full)
    add_definition(database, word, "at peace", **dict.fromkeys((*full, "part_of_speech")))
    database.definitions.insert_one({"word_id": word})
    (entry,) = (await store.entries(["calm"], "en"))["calm"]
    given, null, absent = entry.definitions
    copy = copied_id(DocId(str(source)))
    clones = [copied_example_id(copy, DocId(str(each))) for each in examples]
    assert given.id == copy
    assert {name: getattr(given, name) for name in full} == full | {"example_ids": clones}
    assert (null.text, null.part_of_speech, null.synonyms, null.example_ids) == ("at peace", "", [], [])
    assert (absent.text, absent.cefr_level, absent.collocations, absent.stamps) == ("", None, [], {})


# ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def definition(database: Found) -> ObjectId:
    """Return a definition that belongs to a word's synthesis entry: only these are written."""
    word = add_word(database, "calm")
    made = add_definition(database, word, "without wind", providers=["synthesis"])
    add_entry(database, word, [made])
    return made


async def test_new_word(store: MongoStore, database: Found) -> None:
    """A new word has the id of its requests, and inserting it again changes nothing."""
    word = unknown_entry("Ångström", "en").word
    await store.ensure_words([word])
    made = everything(database)
    await store.ensure_words([word])
    assert everything(database) == made
    (entry,) = (await store.entries(["Ångström"], "en"))["Ångström"]
    assert (entry.id, entry.word.stored) == (word.id, True)


async def test_stamp(store: MongoStore, database: Found, definition: ObjectId, mongo_url: str) -> None:
    """The stamp of a change is read back with its time zone, also by another store."""
    await store.apply(writes_of([change(definition, cefr_level="B1")]))
    other = MongoStore(mongo_url, database.name)
    for each in (store, other):
        (entry,) = (await each.entries(["calm"], "en"))["calm"]
        assert entry.definitions[0].stamps == {"cefr_level": stamp()}
    await other.close()


async def test_version(store: MongoStore, database: Found, definition: ObjectId) -> None:
    """The version is incremented for each change, and `updated_at` is the time of the latest answer."""
    later = DONE + timedelta(minutes=5)
    await store.apply(
        writes_of(
            [
                change(definition, "cefr_level", later, cefr_level="B1"),
                change(definition, "domain", DONE, domain="nautical"),
            ]
        )
    )
    found = database.definitions.find_one({"_id": definition}) or {}
    assert (found["version"], found["created_at"], found["updated_at"]) == (3, LONG_AGO, later)
    assert (found["cefr_level"], found["domain"], found["text"]) == ("B1", "nautical", "without wind")


async def test_twice(store: MongoStore, database: Found, definition: ObjectId) -> None:
    """Applying changes a second time, as after a crash, leaves every document byte for byte the same."""
    made = example(definition, "The sea was calm.")
    fields = {"example_ids": [made.id]}
    target = Update(Collection.DEFINITIONS, DocId(str(definition)), fields)
    changes = [
        change(definition, cefr_level="B1"),
        Change("examples", target, stamp("examples"), DONE, (made,)),
    ]
    await store.apply(writes_of(changes))
    once = everything(database)
    await store.apply(writes_of(changes))
    assert everything(database) == once


async def test_updates_are_counted(store: MongoStore, definition: ObjectId) -> None:
    """An update counts if it finds its document, which has not got it yet."""
    first, gone = change(definition, cefr_level="B1"), change(ObjectId(), cefr_level="B1")
    assert (await store.apply(writes_of([first, gone]))).updated == 1
    assert (await store.apply(writes_of([first, gone]))).updated == 0


async def test_replaced(store: MongoStore, database: Found, definition: ObjectId) -> None:
    """Replaced examples are deleted, and the definition refers only to the new ones."""
    old, new = example(definition, "Old and calm."), example(definition, "New and calm.")
    refer = [Update(Collection.DEFINITIONS, DocId(str(definition)), {"example_ids": [each.id]}) for each in (old, new)]
    await store.apply(writes_of([Change("examples", refer[0], stamp("examples"), DONE, (old,))]))
    again = stamp("examples", "run2", "batch_2")
    replaced = Replaced(Collection.EXAMPLES, refer[1].id, (old.id,))
    await store.apply(writes_of([Change("examples", refer[1], again, DONE, (new,), replaces=(replaced,))]))
    assert database.examples.distinct("text") == ["New and calm."]
    (entry,) = (await store.entries(["calm"], "en"))["calm"]
    assert (entry.definitions[0].example_ids, entry.definitions[0].stamps) == ([new.id], {"examples": again})


async def test_many(store: MongoStore, database: Found) -> None:
    """More changes than one bulk holds are all stored."""
    words = [unknown_entry(f"word{number}", "en").word for number in range(2_500)]
    await store.ensure_words(words)
    assert database.words.count_documents({}) == 2_500
    found = await store.entries([word.text for word in words], "en")
    assert all(entries[0].word.stored for entries in found.values())


async def test_indexes(store: MongoStore, database: Found) -> None:
    """Look-ups have indexes; creating them again, or with an existing one of other options, raises no error.

    A page of all words is read in the order of the index, without a sort in memory.
    """
    database.definitions.create_index(["word_id"], name="floridifys_own", sparse=True)
    await store.ensure_indexes()
    await store.ensure_indexes()
    keys = {name: [index["key"] for index in database[name].list_indexes()] for name in ("words", "definitions")}
    assert {"text": 1, "languages": 1} in [dict(key) for key in keys["words"]]
    assert [dict(key) for key in keys["definitions"]] == [{"_id": 1}, {"word_id": 1}]
    for language in ("en", None):
        page = database.words.find({"text": {"$gt": "bank"}} | of_language(language)).sort("text").limit(PAGE)
        plan = str(page.explain()["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in plan
        assert "'SORT'" not in plan


# ── when it cannot ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_write_refused(store: MongoStore, database: Found, definition: ObjectId) -> None:
    """A write that the server refuses raises an error that names the collection, the word, the document and the field,
    and says that the answers are kept.
    """
    found = database.definitions.find_one({"_id": definition}) or {}
    text = (database.words.find_one({"_id": found["word_id"]}) or {})["text"]
    database.command("collMod", "definitions", validator={"cefr_level": {"$ne": "B1"}})
    stated = f'definitions for the word "{text}": .*document {definition}; field cefr_level: .*answers are kept'
    with pytest.raises(DatabaseError, match=f"refused a write to {stated}"):
        await store.apply(writes_of([change(definition, cefr_level="B1")]))


async def test_wrong_password(mongo_url: str) -> None:
    """A server that refuses the user raises an error without the password."""
    store = MongoStore(mongo_url.replace("//", "//ann:hush-hush@"), "any")
    with pytest.raises(DatabaseError, match="Authentication failed") as caught:
        await store.check()
    assert "hush" not in str(caught.value)
    await store.close()


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://ann:hush-hush@host:port/",
        "mongodb://ann:hush@hush@host/",
        "mongodb://ann:hush/hush@host/",
        "http://ann:hush-hush@host/",
        "mongodb://",
    ],
)
def test_unusable(url: str) -> None:
    """An invalid address is refused immediately, with an error without the password."""
    with pytest.raises(DatabaseError, match="address or name is invalid") as caught:
        MongoStore(url, "any")
    assert "hush" not in str(caught.value)


async def test_away_for_a_moment(tmp_path: Path, free_port: int) -> None:
    """A server that stops before a write and restarts is waited for, and the write is stored once."""
    words = [unknown_entry(f"word{number}", "en").word for number in range(50)]
    store = MongoStore(f"mongodb://127.0.0.1:{free_port}/", "any")
    with mongod(tmp_path, free_port):
        await store.ensure_words(words[:25])
    assert not listens(free_port)
    writing = asyncio.create_task(store.ensure_words(words))
    await asyncio.sleep(0)
    with mongod(tmp_path, free_port):
        await writing
        found = await store.entries([word.text for word in words], "en")
        assert all(entries[0].word.stored for entries in found.values())
        await store.close()


async def test_what_is_on_disk_is_mentioned_only_where_there_is_any(database: Found, store: MongoStore) -> None:
    """A refused write says that answers are kept on disk once there are some, and not before."""
    database.create_collection("batch_synth", validator={"never": {"$exists": True}})
    with pytest.raises(DatabaseError, match="refused a write to batch_synth") as early:
        await store.note_stored_answers("run1", 0)
    assert "on disk" not in str(early.value)
    await store.apply(writes_of(()))
    with pytest.raises(DatabaseError, match="answers are kept on disk"):
        await store.note_stored_answers("run1", 1)
