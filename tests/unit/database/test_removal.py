"""Removal of superseded documents after an answer is stored, also after a crash; other documents stay."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from floridify_batch.components.change import Change, Collection, Replaced, Update, writes_of
from floridify_batch.components.registry import SynthesisComponent as C
from floridify_batch.database.removal import RELATIONS, candidates, generated, keeping, unreferred
from floridify_batch.run.driver import Driver
from floridify_batch.words.entry import DocId, Stamp, derived_id
from tests.fakes import NOON, Crash, Crashed, MemoryStore, Scenario, Service

LONG_AGO = NOON - timedelta(days=400)
SENSE = derived_id("sense")
STAMP = Stamp(derived_id("stamp"), "run", "b", NOON, "gpt-6-luna", "t", "batch")


def old_examples(store: MemoryStore, word: str, *, written_by: str) -> DocId:
    """Give a definition of a word an example of long ago."""
    sense = next(
        each
        for each in store.documents[Collection.DEFINITIONS].values()
        if store.documents[Collection.WORDS][each["word_id"]]["text"] == word
    )
    identity = derived_id("old", word, written_by, len(sense.get("example_ids") or ()))
    own = {"type": "generated", "model_info": {"name": "m"}} if written_by == "model" else {"type": "literature"}
    store.documents[Collection.EXAMPLES][identity] = {
        "_id": identity,
        "definition_id": sense["_id"],
        "text": f"{written_by}: {word}",
        "created_at": LONG_AGO,
        **own,
    }
    sense["example_ids"] = [*(sense.get("example_ids") or ()), identity]
    return identity


def forced(folder: Path, words: list[str]) -> Scenario:
    """Return a run that replaces the examples of words with two each: one by a model, one by a person."""
    folder.mkdir()
    scenario = Scenario(folder, words, Service(), MemoryStore(), (C.EXAMPLES,), force=True, replace_edited=True)
    for word in words:
        scenario.store.know(word, f"what {word} is")
        for author in ("model", "person"):
            old_examples(scenario.store, word, written_by=author)
    return scenario


def dangling(store: MemoryStore) -> tuple[set[str], set[str]]:
    """The texts of unreferenced examples, and the dangling references."""
    examples = store.documents[Collection.EXAMPLES]
    referred = {each for sense in store.documents[Collection.DEFINITIONS].values() for each in sense["example_ids"]}
    return {examples[each]["text"] for each in examples.keys() - referred}, referred - examples.keys()


async def test_dead_at_any_moment(tmp_path: Path) -> None:
    """After a crash at any step of a replacement, resuming leaves no unreferenced examples, and keeps those that a
    person wrote.
    """
    whole = forced(tmp_path / "whole", ["bank", "moon"])
    crash = Crash()
    await Driver(whole.run(crash)).process()
    picture = whole.store.picture()
    left_between = 0
    for dies_at in range(1, crash.steps + 1):
        scenario = forced(tmp_path / str(dies_at), ["bank", "moon"])
        with pytest.raises(Crashed):
            await Driver(scenario.run(Crash(dies_at))).process()
        unreferred_then, nowhere = dangling(scenario.store)
        assert not nowhere
        left_between += any(text.startswith("model") for text in unreferred_then)
        await Driver(scenario.run()).process()
        assert dangling(scenario.store) == (set(), set())
        assert scenario.store.picture() == picture
    assert left_between > 0, "no death fell between the new references and the removal"
    kept = {each["text"] for each in whole.store.documents[Collection.EXAMPLES].values() if each["type"] != "generated"}
    assert kept == {"person: bank", "person: moon"}


@pytest.mark.parametrize(
    ("document", "whose"),
    [
        ({"type": "generated"}, True),
        ({"model_info": {"name": "m"}}, True),
        ({"synthesis": {"pronunciation": "s"}}, True),
        ({"type": "literature", "model_info": None}, False),
        ({"phonetic": "x"}, False),
        ({}, False),
    ],
)
def test_whose(document: Mapping[str, Any], whose: bool) -> None:
    """Generated documents are marked as such; all others count as written by a person."""
    assert generated(document) is whose


def example(name: str, **fields: Any) -> dict[str, Any]:
    made = {"_id": derived_id(name), "definition_id": SENSE, "type": "generated", "created_at": LONG_AGO}
    return made | fields


BOND = RELATIONS[Collection.EXAMPLES]


@pytest.mark.parametrize(
    ("fields", "goes"),
    [
        ({}, True),
        ({"type": "literature"}, False),
        ({"definition_id": derived_id("another")}, False),
        ({"created_at": NOON}, False),
        ({"created_at": None}, False),
    ],
)
def test_what_goes(fields: dict[str, Any], goes: bool) -> None:
    """Documents generated for this definition before the batch are removed; newer, foreign and edited ones stay."""
    found = [example("one", **fields)]
    assert candidates(found, BOND, [(Replaced(Collection.EXAMPLES, SENSE), NOON)]) == (found if goes else [])


def test_what_is_referred_to_stays() -> None:
    """A document with any reference, from a list or a single field, in either spelling, stays."""
    due = [example(name) for name in ("a", "b", "c")]
    referred: list[Any] = [[derived_id("a")], str(derived_id("b")), None]
    holders = [{"example_ids": each} for each in referred]
    assert unreferred(due, BOND, holders) == [due[2]]


def test_lists_keep_what_is_not_ours() -> None:
    """A replaced list keeps a person's documents in front; any other list is unchanged."""
    own, model, new = (derived_id(name) for name in ("own", "model", "new"))
    target = Update(Collection.DEFINITIONS, SENSE, {"example_ids": [new]})
    replaced = Replaced(Collection.EXAMPLES, SENSE, (own, model))
    change = Change("examples", target, STAMP, NOON, replaces=(replaced,))
    (kept,) = keeping(writes_of([change]), {own}).updates
    assert kept.fields == {"example_ids": [own, new]}
    assert keeping(writes_of([change]), set()) == writes_of([change])
    plain = change._replace(target=target._replace(fields={"cefr_level": "B1"}))
    assert keeping(writes_of([plain]), {own}) == writes_of([plain])
