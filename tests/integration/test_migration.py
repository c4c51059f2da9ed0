"""`mend`: what earlier versions wrote becomes what Floridify can read and keep."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from floridify_batch.database.migration import Migrated, Migration
from floridify_batch.database.store import MongoStore
from tests.documents import LONG_AGO, add_definition, add_entry, add_word, everything

NOW = datetime(2026, 11, 28, tzinfo=UTC)
INFO = {"name": "gpt-5.4-nano", "confidence": 0.9, "temperature": None}
type Found = Database[dict[str, Any]]


@pytest.fixture
def moved(database: Found) -> list[ObjectId]:
    """Insert a word whose synthesis entry lists a provider's definitions, one with our values and an example."""
    word = add_word(database, "bank")
    senses = [add_definition(database, word, text) for text in ("the land beside a river", "where money is kept")]
    times = {"created_at": LONG_AGO, "updated_at": LONG_AGO, "version": 1}
    example = {"definition_id": senses[0], "text": "We sat there.", "type": "generated", "model_info": INFO, **times}
    identity = database.examples.insert_one(example).inserted_id
    values = {"cefr_level": "B1", "example_ids": [identity], "synthesis": {"cefr_level": ObjectId()}}
    database.definitions.update_one({"_id": senses[0]}, {"$set": values})
    add_entry(database, word, senses, "wiktionary")
    add_entry(database, word, senses[::-1])
    return senses


@pytest.fixture
def written(database: Found) -> ObjectId:
    """Insert a definition that an earlier version wrote from a source, with fields that Floridify cannot read."""
    word = add_word(database, "calm")
    source = add_definition(database, word, "without wind")
    add_entry(database, word, [source], "wiktionary")
    cluster = {"id": "calm", "slug": "calm", "name": "Calm", "description": "", "order": 0, "relevance": None}
    named = [{"provider": "wiktionary", "definition_id": source, "text": "without wind"}]
    entry = add_entry(database, word, [])
    made = add_definition(
        database,
        word,
        "still",
        model_info=INFO,
        meaning_cluster=cluster,
        source_definitions=named,
        dictionary_entry_id=entry,
    )
    database.dictionary_entries.update_one({"_id": entry}, {"$set": {"definition_ids": [made]}})
    return made


async def migrated(store: MongoStore, *, write: bool = True) -> Migrated:
    await store.check()
    return await Migration(store, NOW, write=write).migrate()


async def test_definitions_move(store: MongoStore, database: Found, moved: list[ObjectId]) -> None:
    """A synthesis entry gets copies of the shared definitions, in its order; the originals are unchanged."""
    theirs = [bytes(each) for each in everything(database)["definitions"]]
    counts = await migrated(store)
    assert (counts.entries, counts.definitions) == (1, 2)
    entry = database.dictionary_entries.find_one({"provider": "synthesis"})
    assert entry is not None
    copies = [database.definitions.find_one({"_id": each}) for each in entry["definition_ids"]]
    assert [each and each["text"] for each in copies] == ["where money is kept", "the land beside a river"]
    assert copies[1] is not None
    assert copies[1]["cefr_level"] == "B1"
    (clone,) = database.examples.find({"definition_id": copies[1]["_id"]})
    assert (clone["text"], copies[1]["example_ids"]) == ("We sat there.", [clone["_id"]])
    assert set(theirs) <= set(everything(database)["definitions"])
    assert set(moved).isdisjoint(entry["definition_ids"])


async def test_unreadable_fields(store: MongoStore, database: Found, written: ObjectId) -> None:
    """Temperatures, relevances and references get the form of Floridify's models."""
    counts = await migrated(store)
    assert (counts.temperatures, counts.references, counts.relevances, counts.definitions) == (1, 1, 1, 0)
    made = database.definitions.find_one({"_id": written})
    assert made is not None
    assert made["model_info"]["temperature"] == 0.7
    assert made["meaning_cluster"]["relevance"] == 1.0
    theirs = database.dictionary_entries.find_one({"provider": "wiktionary"})
    assert theirs is not None
    (reference,) = made["source_definitions"]
    assert (reference["entry_id"], reference["definition_ids"]) == (theirs["_id"], theirs["definition_ids"])
    assert reference["provider"] == "wiktionary"


@pytest.mark.usefixtures("moved", "written")
async def test_twice(store: MongoStore, database: Found) -> None:
    """A count writes nothing; a second migration finds nothing."""
    before = everything(database)
    due = await migrated(store, write=False)
    assert everything(database) == before
    assert (due.total, await migrated(store)) == (6, due)
    after = everything(database)
    assert (await migrated(store)).total == 0
    assert everything(database) == after


async def test_a_word_of_another_language(store: MongoStore, database: Found) -> None:
    """Each word is read in its own language, so that definitions of sources in other languages than English move."""
    listed: dict[str, list[ObjectId]] = {}
    for language, text in (("fr", "chat"), ("en", "cat")):
        word = add_word(database, text, language=language)
        listed[language] = [add_definition(database, word, f"a meaning of {text}")]
        for provider in ("wiktionary", "synthesis"):
            entry = add_entry(database, word, listed[language], provider)
            database.dictionary_entries.update_one({"_id": entry}, {"$set": {"languages": [language]}})
    counts = await migrated(store)
    assert (counts.entries, counts.definitions) == (2, 2)
    for language, before in listed.items():
        found = database.dictionary_entries.find_one({"provider": "synthesis", "languages": [language]}) or {}
        (copy,) = database.definitions.find({"_id": {"$in": found["definition_ids"]}})
        assert [each["definition_ids"] for each in copy["source_definitions"]] == [before]
        assert copy["_id"] not in before
