"""Recovery after edits: no answer is stored for another sense, part of speech, word or language than was requested."""

from collections.abc import Mapping
from typing import Any

import pytest
from bson import ObjectId

from floridify_batch.database.store import MongoStore
from floridify_batch.files import ChunkFolder
from floridify_batch.pipeline.change_derivation import Disposition
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.run.recovery import Recovered, recover
from tests.documents import add_definition, add_entry, add_word
from tests.sandbox import Sandbox
from tests.workspace import Workspace

WORDS = ("same", "swapped", "shortened", "verb", "renamed", "german", "moved", "goal", "deleted")
SETTINGS: Mapping[str, Any] = {"components": "cefr_level,pronunciation,etymology"}


def texts_of(word: str) -> tuple[str, str]:
    """The definitions of a word."""
    return f"the sloping land beside the {word}", f"a business that keeps the {word} safe"


type Senses = Mapping[str, list[ObjectId]]


def add_senses(workspace: Workspace) -> Senses:
    """Store words of two senses each."""
    database, senses = workspace.database, {}
    for word in WORDS:
        document = add_word(database, word)
        senses[word] = [add_definition(database, document, text) for text in texts_of(word)]
        add_entry(database, document, senses[word], "wiktionary")
    return senses


def edit(workspace: Workspace, senses: Senses) -> None:
    """Change what the requests in flight are about."""
    database, definitions = workspace.database, workspace.database.definitions
    words = {each["text"]: each["_id"] for each in database.words.find()}
    for sense, text in zip(senses["swapped"], reversed(texts_of("swapped")), strict=True):
        definitions.update_one({"_id": sense}, {"$set": {"text": text}})
    definitions.update_one({"_id": senses["shortened"][0]}, {"$set": {"text": "land"}})
    definitions.update_one({"_id": senses["verb"][0]}, {"$set": {"part_of_speech": "verb"}})
    database.words.update_one({"_id": words["renamed"]}, {"$set": {"text": "other", "normalized": "other"}})
    database.words.update_one({"_id": words["german"]}, {"$set": {"languages": ["de"]}})
    moved = senses["moved"][1]
    definitions.update_one({"_id": moved}, {"$set": {"word_id": words["goal"]}})
    database.dictionary_entries.update_one({"word_id": words["moved"]}, {"$pull": {"definition_ids": moved}})
    database.dictionary_entries.update_one({"word_id": words["goal"]}, {"$push": {"definition_ids": moved}})
    for collection in (definitions, database.dictionary_entries):
        collection.delete_many({"word_id": words["deleted"]})


async def recovered(workspace: Workspace, sandbox: Sandbox, run: str) -> Recovered:
    """Recover the batches of a run."""
    service, store = (
        OpenAIBatches("any", base_url=sandbox.url),
        MongoStore(workspace.mongo_url, workspace.database.name),
    )
    total = Recovered()
    try:
        for number, batch in enumerate(await service.kept(run)):
            ended = batch
            while not ended.terminal:
                ended = await service.retrieve(batch.id)
            folder = ChunkFolder(workspace.folder / f"recovery{number}")
            folder.path.mkdir()
            total += await recover(ended, service, store, folder)
    finally:
        await store.close()
        await service.close()
    return total


def answered(workspace: Workspace) -> dict[str, list[str]]:
    """The texts of the definitions in each word's entry with a stored answer; the level itself may be empty."""
    found: dict[str, list[str]] = {}
    for word in workspace.database.words.find():
        own = workspace.database.dictionary_entries.find_one({"word_id": word["_id"], "provider": "synthesis"})
        shown = workspace.database.definitions.find({"_id": {"$in": own["definition_ids"] if own else []}})
        found[word["text"]] = sorted(each["text"] for each in shown if "cefr_level" in each.get("synthesis", {}))
    return found


@pytest.mark.parametrize("pack", [1, 3])
async def test_edits_before_recovery(workspace: Workspace, sandbox: Sandbox, pack: int) -> None:
    """Answers about a sense or a word that was edited since are outdated in recovery; all others are stored."""
    senses, database = add_senses(workspace), workspace.database
    sent = await workspace.send(WORDS, pack=pack, **SETTINGS)
    edit(workspace, senses)
    found = await recovered(workspace, sandbox, sent.run)
    assert answered(workspace) == {
        "same": sorted(texts_of("same")),
        "swapped": [],
        "shortened": [texts_of("shortened")[1]],
        "verb": [texts_of("verb")[1]],
        "other": [],
        "german": [],
        "moved": [texts_of("moved")[0]],
        "goal": sorted(texts_of("goal")),
        "deleted": [],
    }
    assert found.dispositions[Disposition.CHANGED] > 0
    spoken = {each["text"] for each in database.words.find() if _is_described(workspace, each["_id"])}
    assert spoken == {"same", "swapped", "shortened", "verb", "moved", "goal"}


def _is_described(workspace: Workspace, word: ObjectId) -> bool:
    own = {"word_id": word, "provider": "synthesis"}
    entry = workspace.database.dictionary_entries.find_one(own) or {}
    return bool(entry.get("etymology") or entry.get("pronunciation_id"))
