"""Clusters that are requested after a run without them, and sources that come in later."""

from dataclasses import replace
from typing import Any

import pytest
from pymongo.database import Database

from tests.documents import add_definition, add_entry, add_word, owned
from tests.sandbox import Sandbox
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


async def test_definitions_outside_clusters_are_counted(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """The estimate counts the entries whose later definitions stay outside the clusters that were made before them."""
    add_sources(workspace.database, "wiktionary", "oxford")
    await workspace.run(["bank"], components=CLUSTERS)
    assert "stay unclustered" not in capsys.readouterr().out
    add_sources(workspace.database, "gcide")
    await workspace.run(["bank"], name="more", components=CLUSTERS)
    assert "1 entry with definitions that stay unclustered" in " ".join(capsys.readouterr().out.split())


def entry_of(database: Found) -> dict[str, Any]:
    """The synthesis entry of the word bank."""
    entry = database.dictionary_entries.find_one({"provider": "synthesis"})
    assert entry is not None
    return entry


def orders(database: Found) -> list[int]:
    """The orders of the clusters of the listed definitions."""
    by_id = {each["_id"]: each for each in database.definitions.find()}
    return [by_id[each]["meaning_cluster"]["order"] for each in entry_of(database)["definition_ids"]]


@pytest.mark.parametrize("fault", ["duplicate=0", "http_500=definition_text-00"])
async def test_the_order_of_senses(workspace: Workspace, sandbox: Sandbox, fault: str) -> None:
    """Senses are listed in the order of their clusters, even one whose text came late; an editor's order stays."""
    database = workspace.database
    add_sources(database, "wiktionary", "oxford")
    with sandbox.faults(fault):
        await workspace.run(["bank"], components=f"{CLUSTERS},synonyms", max_attempts=1)
    assert (await workspace.resume_in(replace(workspace.session_of("words"), retry_failed=True))).code == 0
    assert orders(database) == sorted(orders(database))
    listed = entry_of(database)["definition_ids"]
    assert len(listed) > 1
    reversed_order = {"$set": {"definition_ids": listed[::-1]}}
    database.dictionary_entries.update_one({"provider": "synthesis"}, reversed_order)
    assert (await workspace.run(["bank"], name="more", components="domain")).code == 0
    assert entry_of(database)["definition_ids"] == listed[::-1]
    assert (await workspace.run(["bank"], name="forced", components="all", force=True)).code == 0
    assert entry_of(database)["definition_ids"] == listed[::-1]


async def test_senses_are_reordered_meanwhile(workspace: Workspace) -> None:
    """An order that an editor gives new senses while their run is going on stays."""
    database = workspace.database
    add_sources(database, "wiktionary", "oxford")
    await workspace.run(["bank"], components=CLUSTERS)
    await workspace.send(["bank"], name="more", components="synonyms")
    listed = entry_of(database)["definition_ids"][::-1]
    database.dictionary_entries.update_one({"provider": "synthesis"}, {"$set": {"definition_ids": listed}})
    assert (await workspace.resume("more")).code == 0
    assert entry_of(database)["definition_ids"] == listed
