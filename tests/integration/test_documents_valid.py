"""Every document that a run writes is readable by Floridify: types, enums, limits, dates, references."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from tests.document_schemas import unreadable
from tests.documents import LONG_AGO, add_definition, add_entry, add_word
from tests.floridify_models import COLLECTIONS
from tests.workspace import Workspace

SECONDS = 0
WORDS = ["kwell", "bank", "café", "naïve", "en coulisse", "a", "Ωmega", "rock 'n' roll"]


def stock(database: Database[dict[str, Any]]) -> None:
    """Two homographs, a word with a provider's entry, and one with a synthesis entry; others are unknown."""
    for homograph, text in enumerate(("where money is kept", "the land beside a river"), 1):
        add_definition(database, add_word(database, "bank", homograph=homograph), text)
    cafe = add_word(database, "café")
    add_entry(database, cafe, [add_definition(database, cafe, "a place that serves coffee")], "wiktionary")
    naive = add_word(database, "naïve")
    senses = [add_definition(database, naive, text, part_of_speech="adjective") for text in ("trusting", "untaught")]
    add_entry(database, naive, senses)


def assert_valid(database: Database[dict[str, Any]]) -> None:
    names = set(database.list_collection_names())
    assert names <= COLLECTIONS.keys()
    documents = {name: list(database[name].find()) for name in COLLECTIONS}
    for name, found in documents.items():
        assert found, f"{name} is empty"
        for document in found:
            COLLECTIONS[name].model_validate(document)
    there = {name: {document["_id"] for document in found} for name, found in documents.items()}
    for collection, field, target in REFERENCES:
        referred = {each for document in documents[collection] for each in as_list(document.get(field))}
        assert referred <= there[target], f"{collection}.{field}"


REFERENCES = (
    ("definitions", "word_id", "words"),
    ("definitions", "dictionary_entry_id", "dictionary_entries"),
    ("definitions", "example_ids", "examples"),
    ("definitions", "synthesis", "synthesis_stamps"),
    ("words", "synthesis", "synthesis_stamps"),
    ("dictionary_entries", "word_id", "words"),
    ("dictionary_entries", "definition_ids", "definitions"),
    ("dictionary_entries", "pronunciation_id", "pronunciations"),
    ("dictionary_entries", "fact_ids", "facts"),
    ("dictionary_entries", "synthesis", "synthesis_stamps"),
    ("examples", "definition_id", "definitions"),
    ("facts", "word_id", "words"),
    ("pronunciations", "word_id", "words"),
)


def as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else [value]


async def test_every_document(workspace: Workspace) -> None:
    """Floridify can read every document of a run over all components, and all references are valid."""
    stock(workspace.database)
    result = await workspace.run(WORDS, components="all")
    assert (result.code, set(result.ledger.processed_words)) == (0, set(WORDS))
    assert_valid(workspace.database)
    ours = workspace.database.dictionary_entries.find({"provider": "synthesis"})
    shown = [each for entry in ours for each in entry["definition_ids"]]
    assert workspace.database.definitions.count_documents({"_id": {"$in": shown}, "synthesis.synonyms": None}) == 0


async def test_every_document_replaced(workspace: Workspace) -> None:
    """A forced run leaves valid documents too, no unreferenced example, and the same number of words."""
    stock(workspace.database)
    await workspace.run(WORDS, components="all")
    before = {name: workspace.database[name].count_documents({}) for name in ("words", "definitions")}
    await workspace.run(WORDS, components="all", force=True, model="gpt-5.4-mini")
    assert_valid(workspace.database)
    assert before == {name: workspace.database[name].count_documents({}) for name in before}
    referred = {each for definition in workspace.database.definitions.find() for each in definition["example_ids"]}
    assert {example["_id"] for example in workspace.database.examples.find()} == referred
    assert set(workspace.database.examples.distinct("model_info.name")) == {"gpt-5.4-mini"}


WRONG: tuple[tuple[str, dict[str, Any]], ...] = (
    ("words", {"languages": []}),
    ("words", {"created_at": "2025-03-01"}),
    ("definitions", {"cefr_level": "D1"}),
    ("definitions", {"version": 0}),
    ("definitions", {"word_id": "66f0a1b2c3d4e5f6a7b8c9d0"}),
    ("definitions", {"confidence": 0.5}),
    ("dictionary_entries", {"definition_ids": []}),
    ("examples", {"type": "invented"}),
)


async def test_models_are_strict(workspace: Workspace) -> None:
    """The models refuse a document with one wrong value."""
    await workspace.run(["kwell"], components="examples")
    for collection, change in WRONG:
        (document, *_) = workspace.database[collection].find()
        COLLECTIONS[collection].model_validate(document)
        with pytest.raises(ValueError, match=next(iter(change))):
            COLLECTIONS[collection].model_validate(document | change)


@pytest.mark.parametrize("older", [False, True], ids=["today", "2025"])
def test_the_check_of_every_test(database: Database[dict[str, Any]], older: bool) -> None:
    """What a test stores is held against Floridify's schemas, in either layout; its own old documents are not."""
    definition: Any = str(ObjectId()) if older else ObjectId()
    info = {"name": "gpt-5.4-nano", "confidence": 1.0, "temperature": None}
    fields = {"definition_id": definition, "text": "A bank.", "type": "generated", "model_info": info, "version": 1}
    if older:
        add_definition(database, add_word(database, "bank"), "the land beside a river")
        database.definitions.update_many({}, {"$set": {"word_id": str(ObjectId()), "provider_data_id": None}})
    database.examples.insert_one(fields | {"created_at": LONG_AGO, "updated_at": LONG_AGO})
    assert unreadable(database) == []
    now = datetime.now(UTC)
    ours = database.examples.insert_one({**fields, "_id": ObjectId(), "created_at": now, "updated_at": now})
    assert [each.partition(": ")[0] for each in unreadable(database)] == [str(ours.inserted_id)]
    database.examples.update_many({}, {"$set": {"model_info.temperature": 0.7}})
    assert unreadable(database) == []
