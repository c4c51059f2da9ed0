"""An editor at work between requests and answers: nothing of theirs is lost, no answer is stored on another text."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from floridify_batch.components.failure import FailureReason
from floridify_batch.components.registry import SynthesisComponent as C
from floridify_batch.database.store import MongoStore
from floridify_batch.errors import AnswersOutdated
from floridify_batch.run.driver import Driver
from tests.documents import add_definition, add_entry, add_known, add_word, copy_of, owned
from tests.fakes import Scenario, Service
from tests.sandbox import Sandbox
from tests.workspace import RunResult, Workspace

type Found = Database[dict[str, Any]]


def reasons(result: RunResult, chunk: int = 1) -> list[FailureReason]:
    return [failure.reason for failures in result.failures(chunk).values() for failure in failures]


async def completed(sandbox: Sandbox, run: str) -> None:
    """Wait until the service has completed every batch of a run."""
    for _ in range(600):
        if all(batch["status"] == "completed" for batch in sandbox.batches_of(run)):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the batches did not complete")


async def test_a_definition_is_rewritten(workspace: Workspace, sandbox: Sandbox) -> None:
    """Answers about an earlier text are not stored with a new one: they are requested again, once, and then stored."""
    word = add_word(workspace.database, "bank")
    sense = add_definition(workspace.database, word, "sloping land beside a river")
    sent = await workspace.send(["bank"], components="synonyms,cefr_level", max_attempts=1)
    workspace.database.definitions.update_one({"_id": sense}, {"$set": {"text": "a company that lends money"}})
    result = await workspace.resume()
    assert reasons(result) == [FailureReason.OUTDATED] * 2
    assert (result.code, result.ledger.processed_words) == (0, ["bank"])
    first, second = sandbox.batches_of(sent.run)
    found = copy_of(workspace.database, sense)
    stamps = workspace.database.synthesis_stamps.find({"_id": {"$in": list(found["synthesis"].values())}})
    assert {stamp["batch_id"] for stamp in stamps} == {second["id"]} != {first["id"]}


async def test_a_full_stop_is_removed(workspace: Workspace, sandbox: Sandbox) -> None:
    """Changes of capitals, punctuation and white space keep an answer valid, without further cost."""
    sense = add_definition(workspace.database, add_word(workspace.database, "bank"), "Sloping land, beside a river.")
    sent = await workspace.send(["bank"], components="synonyms")
    workspace.database.definitions.update_one({"_id": sense}, {"$set": {"text": "sloping land  beside a river"}})
    result = await workspace.resume()
    assert (result.code, reasons(result), len(sandbox.batches_of(sent.run))) == (0, [], 1)


async def test_a_definition_changes_twice(workspace: Workspace, sandbox: Sandbox) -> None:
    """A definition that changes again is not requested a third time: the word fails, with the reason."""
    sense = add_definition(workspace.database, add_word(workspace.database, "bank"), "sloping land beside a river")
    sent = await workspace.send(["bank"], components="synonyms")
    for text in ("a company that lends money", "a row of switches"):
        workspace.database.definitions.update_one({"_id": sense}, {"$set": {"text": text}})
        await completed(sandbox, sent.run)
        session = workspace.session_of("words", wait=text == "a row of switches")
        await workspace.resume_in(session)
    result = await workspace.resume()
    assert (result.code, len(sandbox.batches_of(sent.run))) == (1, 2)
    missing = result.ledger.failed_words | result.ledger.incomplete_words
    assert missing["bank"].startswith("synonyms: orphaned: its subject changed twice")


async def test_values_are_filled_in(workspace: Workspace) -> None:
    """A level, a synonym, an etymology and a pronunciation that an editor stores meanwhile are kept unchanged."""
    database = workspace.database
    word = add_word(database, "bank")
    sense = add_definition(database, word, "sloping land beside a river")
    entry = add_entry(database, word, [sense])
    await workspace.send(["bank"], components="synonyms,cefr_level,etymology,pronunciation,register")
    spoken = ObjectId()
    origin: dict[str, object] = {"text": "From an editor.", "origin_language": None, "root_words": []}
    database.definitions.update_one({"_id": sense}, {"$set": {"cefr_level": "A1", "synonyms": ["shore"]}})
    database.dictionary_entries.update_one({"_id": entry}, {"$set": {"etymology": origin, "pronunciation_id": spoken}})
    result = await workspace.resume()
    assert (result.code, reasons(result)) == (0, [FailureReason.KEPT] * 4)
    found, listed = database.definitions.find_one({"_id": sense}), database.dictionary_entries.find_one({"_id": entry})
    assert found is not None
    assert listed is not None
    assert (found["cefr_level"], found["synonyms"], bool(found["language_register"])) == ("A1", ["shore"], True)
    assert (listed["etymology"], listed["pronunciation_id"]) == (origin, spoken)


async def test_a_forced_run_keeps_what_came_since(workspace: Workspace, sandbox: Sandbox) -> None:
    """A run with --force replaces the value of its request, and not one that an editor stores meanwhile."""
    database = workspace.database
    senses = [
        add_definition(database, add_word(database, text), f"what {text} means", cefr_level="B2")
        for text in ("seen", "edited")
    ]
    sent = await workspace.send(["seen", "edited"], components="cefr_level", force=True, replace_edited=True)
    database.definitions.update_one({"_id": senses[1]}, {"$set": {"cefr_level": "A1"}})
    result = await workspace.resume()
    assert (result.code, reasons(result), len(sandbox.batches_of(sent.run))) == (0, [FailureReason.KEPT], 1)
    assert "cefr_level" in copy_of(database, senses[0])["synthesis"]
    edited = database.definitions.find_one({"_id": senses[1]}) or {}
    assert (edited["cefr_level"], "synthesis" in edited) == ("A1", False)
    assert len(owned(database)) == 1


async def test_definitions_are_imported(workspace: Workspace) -> None:
    """Definitions that are imported meanwhile for a word without any are enhanced, and generated ones not stored."""
    await workspace.send(["bank"], components="synonyms")
    word = workspace.database.words.find_one({"text": "bank"})
    assert word is not None
    sense = add_definition(workspace.database, word["_id"], "sloping land beside a river")
    add_entry(workspace.database, word["_id"], [sense], "wiktionary")
    result = await workspace.resume()
    assert (result.code, reasons(result)) == (0, [FailureReason.KEPT])
    (found,) = owned(workspace.database)
    assert (found, bool(found["synonyms"])) == (copy_of(workspace.database, sense), True)


async def test_an_entry_gets_a_definition(workspace: Workspace) -> None:
    """An entry of ours keeps the definition that an editor adds to it meanwhile, and it is enhanced."""
    database = workspace.database
    word = add_word(database, "bank")
    entry = add_entry(database, word, [])
    await workspace.send(["bank"], components="synonyms")
    sense = add_definition(database, word, "sloping land beside a river", providers=["synthesis"])
    database.dictionary_entries.update_one({"_id": entry}, {"$push": {"definition_ids": sense}})
    result = await workspace.resume()
    listed = database.dictionary_entries.find_one({"_id": entry})
    assert listed is not None
    assert (result.code, listed["definition_ids"]) == (0, [sense])


@pytest.mark.parametrize("change", [None, {"text": "banker"}, {"text": "Bank"}, {"languages": ["fr"]}])
async def test_a_word_is_deleted_or_renamed(
    workspace: Workspace, sandbox: Sandbox, change: dict[str, Any] | None
) -> None:
    """A word that an editor deletes or renames meanwhile fails with that reason, and does not come back."""
    database = workspace.database
    add_known(database, "bank", "tree")
    sent = await workspace.send(["bank", "tree", "grove"], components="synonyms,etymology")
    if change is None:
        database.words.delete_one({"text": "bank"})
    else:
        database.words.update_one({"text": "bank"}, {"$set": change})
    before = {each["_id"] for each in database.words.find()}
    result = await workspace.resume()
    assert (result.code, sorted(result.ledger.processed_words)) == (1, ["grove", "tree"])
    assert list(result.ledger.missing) == ["bank"]
    assert result.ledger.failed_words["bank"].startswith("somebody deleted or renamed this word during the run")
    assert {each["_id"] for each in database.words.find()} == before
    totals = result.ledger.totals()
    assert (totals.outdated, totals.without_answer) == (2, 0)
    assert len(sandbox.batches_of(sent.run)) == 2
    assert set(reasons(result)) == {FailureReason.ORPHANED}


async def test_many_definitions_change(workspace: Workspace, sandbox: Sandbox) -> None:
    """If much of a batch is outdated, the run stops before it pays again, and continues when it is resumed."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [f"much{first}{second}" for first in letters[:5] for second in letters[:21]]
    add_known(workspace.database, *words)
    sent = await workspace.send(words, components="domain")
    workspace.database.definitions.update_many({}, [{"$set": {"text": {"$concat": ["not ", "$text"]}}}])
    with pytest.raises(AnswersOutdated, match="105 are about definitions that have changed") as stopped:
        await workspace.resume()
    assert stopped.value.exit_code == 6
    assert len(sandbox.batches_of(sent.run)) == 1
    result = await workspace.resume()
    assert (result.code, len(result.ledger.processed_words)) == (0, 105)
    assert len(sandbox.batches_of(sent.run)) == 2


WRITES = 24
"""More steps before and after bulk writes than the run below has until its answers are stored."""

MINE: dict[str, dict[str, Any]] = {
    "definitions": {"cefr_level": "A1"},
    "dictionary_entries": {"etymology": {"text": "From me.", "origin_language": None, "root_words": []}},
}


@pytest.mark.parametrize("collection", MINE)
async def test_an_edit_between_two_writes(collection: str, database: Found, mongo_url: str, tmp_path: Path) -> None:
    """A value that an editor writes between two writes of a run stays, whichever two they are; the run stores all other
    answers and reports it as kept.
    """
    mine, outcomes = MINE[collection], set[tuple[tuple[str, int], ...]]()
    for moment in range(1, WRITES):
        text = f"bank{moment}"
        word = add_word(database, text)
        sense = add_definition(database, word, "sloping land beside a river")
        documents = {"definitions": sense, "dictionary_entries": add_entry(database, word, [sense])}
        edited = {"_id": documents[collection]}
        store: Any = MongoStore(mongo_url, database.name)
        await store.check()
        steps = 0

        def edit(_: str, moment: int = moment, edited: dict[str, Any] = edited) -> None:
            nonlocal steps
            steps += 1
            if steps == moment:
                database[collection].update_one(edited, {"$set": mine})

        store.on_write = edit
        components = (C.SYNONYMS, C.CEFR_LEVEL, C.ETYMOLOGY, C.PRONUNCIATION)
        run = Scenario(tmp_path / text, [text], Service(), store, components, run_id=text).run()
        await Driver(run).process()
        await store.close()
        assert steps >= moment or outcomes
        if steps >= moment:
            assert database[collection].find_one({**edited, **mine}), moment
        definition = database.definitions.find_one({"_id": sense}) or {}
        entry = database.dictionary_entries.find_one({"_id": documents["dictionary_entries"]}) or {}
        assert definition["synonyms"]
        assert definition["cefr_level"]
        assert entry["pronunciation_id"]
        assert run.ledger.processed_words == [text]
        outcomes.add(tuple(run.ledger.failures().items()))
    assert outcomes == {(), (("kept", 1),)}


async def test_a_text_changes_between_two_writes(database: Found, mongo_url: str, tmp_path: Path) -> None:
    """An answer is not stored with a text that an editor writes between two writes: it is requested once more."""
    outcomes = set[tuple[bool, int]]()
    for moment in range(1, WRITES):
        text = f"bank{moment}"
        sense = add_definition(database, add_word(database, text), "sloping land beside a river")
        add_entry(database, (database.words.find_one({"text": text}) or {})["_id"], [sense])
        store: Any = MongoStore(mongo_url, database.name)
        await store.check()
        steps, answered = 0, False

        def edit(_: str, moment: int = moment, sense: ObjectId = sense) -> None:
            nonlocal steps, answered
            steps += 1
            if steps == moment:
                answered = "synthesis" in (database.definitions.find_one({"_id": sense}) or {})
                database.definitions.update_one({"_id": sense}, {"$set": {"text": "a company that lends money"}})

        store.on_write = edit
        run = Scenario(tmp_path / text, [text], Service(), store, (C.SYNONYMS,), run_id=text).run()
        await Driver(run).process()
        await store.close()
        assert (database.definitions.find_one({"_id": sense}) or {})["synonyms"]
        outdated = run.ledger.failures().get("outdated", 0)
        assert not (answered and outdated)
        outcomes.add((answered, outdated))
    assert {(True, 0), (False, 1)} <= outcomes


TEXTS = {
    C.EXAMPLES: ("examples", "text", "definitions", "example_ids"),
    C.FACTS: ("facts", "content", "dictionary_entries", "fact_ids"),
    C.PRONUNCIATION: ("pronunciations", "ipa", "dictionary_entries", "pronunciation_id"),
}
"""The collection and the text of the documents of components, and the field that refers to them."""


def firsts(database: Found, component: C) -> list[tuple[ObjectId, Any]]:
    """The documents that refer to those of a component, each with the first that it names."""
    _, _, collection, field = TEXTS[component]
    holders = database[collection].find({field: {"$nin": [None, []]}}, sort=[("_id", 1)])
    return [(each["_id"], each[field][0] if isinstance(each[field], list) else each[field]) for each in holders]


async def test_a_replaced_text_is_edited(database: Found, mongo_url: str, tmp_path: Path) -> None:
    """An example, a fact and a pronunciation that somebody edits between two writes of a run with --force stay in their
    places, whichever two they are; no other replaced document is left behind.
    """
    words = [f"bank{moment}" for moment in range(1, WRITES)]
    add_known(database, *words)
    before: dict[C, list[tuple[ObjectId, Any]]] = {}
    steps = 0

    def edit(_: str) -> None:
        nonlocal steps
        steps += 1
        for component, (collection, text, _holder, _field) in TEXTS.items():
            for pair in before.get(component, [])[steps - 1 : steps]:
                database[collection].update_one({"_id": pair[1]}, {"$set": {text: "Mine."}})

    for force in (False, True):
        store: Any = MongoStore(mongo_url, database.name)
        store.reads_edits, store.on_write, steps = force, edit, 0
        await store.check()
        run_id = f"forced-{force}"
        run = Scenario(tmp_path / run_id, words, Service(), store, tuple(TEXTS), run_id=run_id, force=force).run()
        await Driver(run).process()
        await store.close()
        assert len(run.ledger.processed_words) == len(words)
        before = before or {each: firsts(database, each) for each in TEXTS}
    for component, (collection, text, _holder, _field) in TEXTS.items():
        now, kept = dict(firsts(database, component)), 0
        for holder, document in before[component]:
            found = database[collection].find_one({"_id": document})
            assert (found is not None) == (now[holder] == document), (component, document)
            kept += found is not None and found[text] == "Mine."
        assert 0 < kept == sum(now[holder] == document for holder, document in before[component]) < len(words)
