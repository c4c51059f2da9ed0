"""Replacement of values in MongoDB: a process that dies half-way leaves no superseded document permanently."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from floridify_batch.components.change import Change, Provenance, writes_of
from floridify_batch.components.examples import ExampleGenerationResponse
from floridify_batch.components.facts import FactGenerationResponse
from floridify_batch.components.pronunciation import PronunciationResponse
from floridify_batch.components.registry import RECIPES, SynthesisComponent
from floridify_batch.costs.usage import Usage
from floridify_batch.database.store import MongoStore
from floridify_batch.words.entry import Entry, Stamp, derived_id
from tests.documents import LONG_AGO, add_definition, add_entry, add_word, everything

type Found = Database[dict[str, Any]]
C = SynthesisComponent
CREATED = datetime(2026, 5, 1, 8, tzinfo=UTC)
ANSWERS: dict[SynthesisComponent, Any] = {
    C.EXAMPLES: ExampleGenerationResponse(example_sentences=["New and calm."], confidence=1),
    C.FACTS: FactGenerationResponse(facts=["A new fact."], categories=["usage"], confidence=1),
    C.PRONUNCIATION: PronunciationResponse(phonetic="kahm", ipa="kam", confidence=1),
}
COLLECTIONS = ("examples", "facts", "pronunciations")


class InterruptedStore(MongoStore):
    """A store whose process dies between the new references and the removal."""

    async def _change(self, updates: Any) -> tuple[int, int]:
        await super()._change(updates)
        raise KeyboardInterrupt


def put(database: Found, collection: str, **fields: Any) -> ObjectId:
    times = {"created_at": LONG_AGO, "updated_at": LONG_AGO, "version": 1}
    identity: ObjectId = database[collection].insert_one(times | fields).inserted_id
    return identity


@pytest.fixture
def seeded(database: Found) -> ObjectId:
    """Insert a word with documents by a model and by a person; another definition uses one of the model's, too."""
    word, info = add_word(database, "calm"), {"name": "m"}
    sense = add_definition(database, word, "without wind")
    examples = [
        put(database, "examples", definition_id=sense, text="Old.", type="generated", model_info=info),
        put(database, "examples", definition_id=sense, text="A poet's.", type="literature"),
        put(database, "examples", definition_id=sense, text="Shared.", type="generated", model_info=info),
    ]
    database.definitions.update_one({"_id": sense}, {"$set": {"example_ids": examples}})
    add_definition(database, add_word(database, "still"), "not moving", example_ids=[examples[2]])
    entry = add_entry(database, word, [sense])
    facts = [
        put(database, "facts", word_id=word, content="Old.", category="usage", model_info=info),
        put(database, "facts", word_id=word, content="An editor's.", category="usage", model_info=None),
    ]
    spoken = put(database, "pronunciations", word_id=word, ipa="old", synthesis={"pronunciation": ObjectId()})
    recorded = put(database, "pronunciations", word_id=word, ipa="recorded", audio_file_ids=[])
    database.dictionary_entries.update_one({"_id": entry}, {"$set": {"fact_ids": facts, "pronunciation_id": spoken}})
    theirs = add_entry(database, word, [], "wiktionary")
    database.dictionary_entries.update_one({"_id": theirs}, {"$set": {"pronunciation_id": recorded}})
    return word


def stamp(component: str) -> Stamp:
    return Stamp(derived_id("stamp", component), "run2", "batch_2", CREATED, "gpt-6-luna", "0123", "batch")


async def changes(store: MongoStore) -> Sequence[Change]:
    """Return the changes that the answers of a run with --force make now."""
    (entry,) = (await store.entries(["calm"], "en"))["calm"]
    made = (_change(entry, component) for component in ANSWERS)
    return [change for change in made if change is not None]


def _change(entry: Entry, component: SynthesisComponent) -> Change | None:
    target = entry.definitions[0] if component is C.EXAMPLES else entry
    done = CREATED + timedelta(hours=2)
    source = Provenance(f"calm-{target.id}-{component}", stamp(component), done, Usage(), "en", "English", replace=True)
    return RECIPES[component].change(entry, target, ANSWERS[component], source)


def kept(database: Found) -> dict[str, set[str]]:
    names = ("text", "content", "ipa")
    return {
        collection: {each[name] for each in database[collection].find() for name in names if name in each}
        for collection in COLLECTIONS
    }


AFTER = {
    "examples": {"New and calm.", "A poet's.", "Shared."},
    "facts": {"A new fact.", "An editor's."},
    "pronunciations": {"kam", "recorded"},
}


@pytest.mark.usefixtures("seeded")
async def test_replaced(store: MongoStore, database: Found) -> None:
    """A generated document is removed; a person's keeps its position, and one that another document uses stays."""
    await store.apply(writes_of(await changes(store)))
    assert kept(database) == AFTER
    (entry,) = (await store.entries(["calm"], "en"))["calm"]
    texts = {str(each["_id"]): each.get("text") or each.get("content") for each in database.examples.find()}
    assert [texts[each] for each in entry.definitions[0].example_ids] == ["A poet's.", "New and calm."]
    contents = {str(each["_id"]): each["content"] for each in database.facts.find()}
    assert [contents[each] for each in entry.fact_ids] == ["An editor's.", "A new fact."]


@pytest.mark.usefixtures("seeded")
async def test_dead_in_between(store: MongoStore, database: Found, mongo_url: str) -> None:
    """Documents that a killed process left are removed when the answers are stored again; a third time is a no-op."""
    interrupted = InterruptedStore(mongo_url, database.name)
    with pytest.raises(KeyboardInterrupt):
        await interrupted.apply(writes_of(await changes(interrupted)))
    await interrupted.close()
    left = kept(database)
    assert all("Old." in left[name] for name in ("examples", "facts"))
    assert "old" in left["pronunciations"]
    await store.apply(writes_of(await changes(store)))
    assert kept(database) == AFTER
    once = everything(database)
    await store.apply(writes_of(await changes(store)))
    assert everything(database) == once


@pytest.mark.usefixtures("seeded")
async def test_removal_uses_indexes(store: MongoStore, database: Found) -> None:
    """The queries before a removal use indexes, which are created when they are first needed."""
    assert set(database.examples.index_information()) == {"_id_"}
    await store.apply(writes_of(await changes(store)))
    for name, key in (
        ("examples", "definition_id"),
        ("definitions", "example_ids"),
        ("dictionary_entries", "fact_ids"),
    ):
        assert [(key, 1)] in [index["key"] for index in database[name].index_information().values()]
