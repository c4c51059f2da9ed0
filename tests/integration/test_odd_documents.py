"""Odd documents: one that cannot be read or written fails its word, and the others continue."""

from typing import Any

import pytest
from bson import ObjectId
from pymongo.collation import Collation
from pymongo.database import Database

from floridify_batch.database.store import MongoStore
from tests.document_schemas import unreadable
from tests.documents import add_definition, add_entry, add_known, add_word, copy_of
from tests.sandbox import Sandbox
from tests.workspace import Workspace

type Found = Database[dict[str, Any]]

ODD: dict[str, dict[str, Any]] = {
    "text": {"text": 7},
    "synonyms": {"synonyms": [{"word": "glad"}]},
    "antonyms": {"antonyms": "sad"},
    "meaning_cluster": {"meaning_cluster": "a string"},
    "meaning_cluster.order": {"meaning_cluster": {"slug": "x", "order": "first"}},
    "synthesis": {"synthesis": "a string"},
    "example_ids": {"example_ids": 3},
    "providers": {"providers": {"wiktionary": 1}},
}


@pytest.mark.parametrize("field", ODD)
async def test_a_value_of_the_wrong_type(workspace: Workspace, sandbox: Sandbox, field: str) -> None:
    """A definition with a value of the wrong type fails its word with the document's ID, before any cost."""
    add_known(workspace.database, "plain")
    word = add_word(workspace.database, "odd")
    sense = add_definition(workspace.database, word, "an odd thing")
    workspace.database.definitions.update_one({"_id": sense}, {"$set": ODD[field]})
    result = await workspace.run(["odd", "plain"], components="domain")
    assert (result.code, result.ledger.processed_words) == (1, ["plain"])
    reason = result.ledger.failed_words["odd"]
    assert f"its definition {sense} has {field} = " in reason
    assert [batch["counts"]["total"] for batch in sandbox.batches_of(result.run)] == [1]


async def test_a_word_whose_text_is_a_list(workspace: Workspace) -> None:
    """A word whose text is a list is none of the words in it: these are looked up and stored, and it stays."""
    add_known(workspace.database, "plain")
    odd = add_word(workspace.database, "plain odd")
    workspace.database.words.update_one({"_id": odd}, {"$set": {"text": ["plain", "odd"], "languages": "en"}})
    before = workspace.database.words.find_one({"_id": odd})
    result = await workspace.run(["plain"], components="domain")
    assert (result.code, result.ledger.processed_words) == (0, ["plain"])
    assert workspace.database.words.find_one({"_id": odd}) == before


@pytest.mark.parametrize(
    "fields", [{"synthesis": "a string"}, {"definition_ids": 5}, {"etymology": "a string"}, {"phrases": "a string"}]
)
async def test_an_odd_entry(workspace: Workspace, fields: dict[str, Any]) -> None:
    """An entry with a value of the wrong type fails its word."""
    add_known(workspace.database, "plain")
    word = add_word(workspace.database, "odd")
    entry = add_entry(workspace.database, word, [add_definition(workspace.database, word, "an odd thing")])
    workspace.database.dictionary_entries.update_one({"_id": entry}, {"$set": fields})
    result = await workspace.run(["odd", "plain"], components="domain")
    assert (result.code, result.ledger.processed_words) == (1, ["plain"])
    assert f"its entry {entry}" in result.ledger.failed_words["odd"]


@pytest.mark.parametrize("collection", ["words", "definitions", "dictionary_entries"])
async def test_a_version_that_is_no_number(workspace: Workspace, sandbox: Sandbox, collection: str) -> None:
    """A document whose version cannot be raised fails its word with the document's ID, and the batch is stored."""
    database = workspace.database
    add_known(database, "plain")
    word = add_word(database, "odd")
    entry = add_entry(
        database, word, [sense := add_definition(database, word, "an odd thing", providers=["synthesis"])]
    )
    identity = {"words": word, "definitions": sense, "dictionary_entries": entry}[collection]
    database[collection].update_one({"_id": identity}, {"$set": {"version": "1"}})
    result = await workspace.run(["odd", "plain"], components="domain,etymology")
    assert (result.code, result.ledger.processed_words) == (1, ["plain"])
    assert f"{identity} has version = '1'" in result.ledger.failed_words["odd"]
    assert [batch["counts"]["total"] for batch in sandbox.batches_of(result.run)] == [2]


async def test_the_version_of_a_source(workspace: Workspace) -> None:
    """A source's version does not matter: its documents are not changed."""
    word = add_word(workspace.database, "odd")
    sense = add_definition(workspace.database, word, "an odd thing")
    add_entry(workspace.database, word, [sense], "wiktionary")
    for name in ("definitions", "dictionary_entries"):
        workspace.database[name].update_many({}, {"$set": {"version": "1"}})
    result = await workspace.run(["odd"], components="domain")
    assert (result.code, result.ledger.failed_words) == (0, {})
    assert copy_of(workspace.database, sense)["version"] == 2


async def test_an_etymology_that_is_a_text(store: MongoStore, database: Found) -> None:
    """A provider's etymology that is a plain string is read."""
    word = add_word(database, "plain")
    entry = add_entry(database, word, [], "wiktionary")
    database.dictionary_entries.update_one({"_id": entry}, {"$set": {"etymology": "From Latin."}})
    (found,) = (await store.entries(["plain"], "en"))["plain"]
    assert found.etymologies == (("wiktionary", "From Latin."),)


@pytest.mark.parametrize("identity", ["bank", 12])
async def test_ids_that_are_no_objectids(workspace: Workspace, sandbox: Sandbox, identity: Any) -> None:
    """A word with document IDs that no request can contain fails with the reason, before any cost."""
    add_known(workspace.database, "plain")
    workspace.database.words.insert_one({"_id": identity, "text": "bank", "languages": ["en"]})
    workspace.database.definitions.insert_one({"word_id": identity, "part_of_speech": "noun", "text": "a slope"})
    result = await workspace.run(["bank", "plain"], components="domain")
    assert (result.code, result.ledger.processed_words) == (1, ["plain"])
    assert f"_id {identity!r}, which is not an ObjectId" in result.ledger.failed_words["bank"]
    assert [batch["counts"]["total"] for batch in sandbox.batches_of(result.run)] == [1]


async def test_a_unique_index(workspace: Workspace) -> None:
    """A new word that a unique index refuses, because another language has it, fails alone."""
    workspace.database.words.create_index("text", unique=True)
    workspace.database.words.insert_one({"text": "chat", "languages": ["fr"], "homograph_number": None})
    result = await workspace.run(["chat", "owl", "bank"], components="domain")
    assert (result.code, sorted(result.ledger.processed_words)) == (1, ["bank", "owl"])
    assert "duplicate key" in result.ledger.failed_words["chat"]


async def test_a_collation_that_ignores_case(workspace: Workspace) -> None:
    """A word that differs in case only is a different word, even if the database's collation ignores case."""
    workspace.database.create_collection("words", collation=Collation("en", strength=2))
    add_known(workspace.database, "bank")
    add_known(workspace.database, "Bank")
    result = await workspace.run(["bank"], components="register")
    assert (result.code, result.ledger.processed_words) == (0, ["bank"])
    (labelled,) = workspace.database.definitions.find({"language_register": {"$ne": None}})
    assert labelled["text"] == "the thing that is called bank"


async def test_a_word_in_nfd(store: MongoStore, database: Found) -> None:
    """A word stored in decomposed characters is found."""
    word = add_word(database, "cafe\u0301")
    (found,) = (await store.entries(["caf\u00e9"], "en"))["caf\u00e9"]
    assert (found.id, found.word.stored) == (str(word), True)


async def test_nulls(workspace: Workspace) -> None:
    """Answers are stored in documents that have null for lists, stamps and versions."""
    database = workspace.database
    word = add_word(database, "bank")
    lists = ("synonyms", "antonyms", "example_ids", "collocations", "usage_notes", "word_forms", "providers")
    nulls: dict[str, Any] = dict.fromkeys((*lists, "synthesis", "version"))
    sense = add_definition(database, word, "sloping land beside a river")
    entry = add_entry(database, word, [sense])
    database.definitions.update_one({"_id": sense}, {"$set": nulls})
    database.words.update_one({"_id": word}, {"$set": {"synthesis": None, "version": None}})
    database.dictionary_entries.update_one(
        {"_id": entry}, {"$set": {"definition_ids": None, "fact_ids": None, "phrases": None, "synthesis": None}}
    )
    result = await workspace.run(["bank"], components="synonyms,examples,facts,phrases,pronunciation")
    assert (result.code, result.ledger.failed_words) == (0, {})
    found = copy_of(database, sense)
    assert isinstance(found["synonyms"], list)
    assert all(isinstance(each, ObjectId) for each in found["example_ids"])


async def test_homographs_without_definitions(workspace: Workspace) -> None:
    """Of two homographs without definitions, one gets them: the word is requested once, and the run completes."""
    for number in (1, 2):
        add_word(workspace.database, "unheard", homograph=number)
    result = await workspace.run(["unheard"], components="definitions")
    assert (result.code, result.ledger.totals().requests) == (0, 1)
    entries = list(workspace.database.dictionary_entries.find({"provider": "synthesis"}))
    assert len(entries) == 1


async def test_a_source_without_a_part_of_speech(workspace: Workspace) -> None:
    """A source's definition without a part of speech is copied with a blank one, as Floridify's models require."""
    database = workspace.database
    word = add_word(database, "odd")
    sense = add_definition(database, word, "an odd thing")
    example = database.examples.insert_one({"definition_id": sense, "text": "It is odd."}).inserted_id
    lists = {"example_ids": [example]}
    database.definitions.update_one({"_id": sense}, {"$unset": {"part_of_speech": ""}, "$set": lists})
    add_entry(database, word, [sense], "wiktionary")
    result = await workspace.run(["odd"], components="domain")
    assert (result.code, result.ledger.failed_words) == (0, {})
    assert copy_of(database, sense)["part_of_speech"] == ""
    assert unreadable(database) == []
