"""Clusters that are requested after a run without them, and sources that come in later."""

from typing import Any

import pytest
from pymongo.database import Database

from tests.documents import add_definition, add_entry, add_word, owned
from tests.workspace import Workspace

type Found = Database[dict[str, Any]]
CLUSTERS = "cluster_definitions,definition_text"


def add_sources(database: Found, *providers: str) -> None:
    """Add sources' entries, each with two definitions, for the word bank."""
    word = database.words.find_one({"text": "bank"})
    identity = word["_id"] if word else add_word(database, "bank")
    for provider in providers:
        senses = [add_definition(database, identity, f"{text} of {provider}") for text in ("land", "money")]
        add_entry(database, identity, senses, provider)


@pytest.mark.parametrize("before", ["synonyms,examples", "pronunciation,etymology", "default"])
async def test_clusters_after_a_run_without_them(workspace: Workspace, before: str) -> None:
    """Clusters that are requested later are made: each meaning gets one definition, in place of the copies."""
    add_sources(workspace.database, "wiktionary", "oxford")
    first = await workspace.run(["bank"], components=before)
    second = await workspace.run(["bank"], name="more", components=f"{CLUSTERS},synonyms")
    assert (first.code, second.code) == (0, 0)
    slugs = [each["meaning_cluster"]["slug"] for each in owned(workspace.database)]
    assert len(slugs) == len(set(slugs)) > 0


async def test_a_source_that_comes_later(workspace: Workspace) -> None:
    """The definitions of a source that is imported after a run are completed by the next one."""
    add_sources(workspace.database, "wiktionary")
    await workspace.run(["bank"], components="synonyms")
    add_sources(workspace.database, "oxford")
    second = await workspace.run(["bank"], name="more", components="synonyms")
    assert (second.code, second.ledger.totals().requests) == (0, 2)
    assert len(owned(workspace.database)) == 4
    assert all(each["synonyms"] for each in owned(workspace.database))
