"""Storing that is interrupted between two writes: answers that are half stored are stored whole by the next session."""

from typing import Any

import pytest
from pymongo.database import Database

from floridify_batch.errors import DatabaseError
from tests.documents import add_definition, add_entry, add_word
from tests.sandbox import Sandbox
from tests.twins import twins
from tests.workspace import Workspace

WORDS = ("halfway", "midstream")


def add_sourced(database: Database[dict[str, Any]], text: str) -> None:
    """A word with three definitions of a source."""
    word = add_word(database, text)
    senses = [add_definition(database, word, f"thing number {place} called {text}") for place in range(3)]
    add_entry(database, word, senses, "wiktionary")


def listed(database: Database[dict[str, Any]]) -> set[Any]:
    return {each for entry in database.dictionary_entries.find() for each in entry["definition_ids"]}


async def test_a_refused_write(workspace: Workspace, sandbox: Sandbox) -> None:
    """A write that MongoDB refuses after synthesised definitions are inserted costs no answer: once the database is
    repaired, resuming stores all of them, nothing is requested again, and every definition is in an entry.
    """
    database = workspace.database
    for text in WORDS:
        add_sourced(database, text)
    database.command("collMod", "dictionary_entries", validator={"provider": {"$ne": "synthesis"}})
    settings: dict[str, Any] = {"components": "cluster_definitions,definition_text", "batch_size": 2}
    with pytest.raises(DatabaseError, match="dictionary_entries"):
        await workspace.run(WORDS, **settings)
    assert database.definitions.count_documents({}) > 3 * len(WORDS)
    database.command("collMod", "dictionary_entries", validator={})
    result = await workspace.resume()
    assert (result.code, result.ledger.failed_words) == (0, {})
    assert len(sandbox.batches_of(result.run)) == 2
    assert {each["_id"] for each in database.definitions.find()} == listed(database)


async def test_a_place_is_filled_before_the_next_session(workspace: Workspace) -> None:
    """Definitions that were inserted before a write was refused go if another run defines the word before the next
    session: the word has the definitions of one answer, and each document is referred to.
    """
    database = workspace.database
    database.create_collection("dictionary_entries", validator={"synthesis.definitions": {"$exists": False}})
    with pytest.raises(DatabaseError, match="dictionary_entries"):
        await workspace.run(WORDS, components="synonyms")
    inserted = {each["_id"] for each in database.definitions.find()}
    database.command("collMod", "dictionary_entries", validator={})
    other = await workspace.run(WORDS, name="other", components="synonyms", model="gpt-4o-mini")
    first = await workspace.resume()
    assert (other.code, first.code, first.ledger.failures()) == (0, 0, {"kept": len(WORDS)})
    assert inserted
    assert inserted.isdisjoint(listed(database))
    assert twins(database) == []
