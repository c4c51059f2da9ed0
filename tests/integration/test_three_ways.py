"""The same answers by three ways: at once, as a batch of a program's, and through a run and its store."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from bson import ObjectId
from pymongo import MongoClient

from floridify_batch import (
    Connector,
    MongoStore,
    OpenAIConnector,
    SynthesisBatchProcessor,
    enhance_definitions_parallel,
    generate_facts,
    generate_phrases,
    synthesize_etymology,
    synthesize_pronunciation,
)
from floridify_batch.batch_synthesis import BatchSynthesisCollector, InterceptingConnector
from floridify_batch.components.recipe import Scope
from floridify_batch.components.registry import RECIPES, SynthesisComponent
from floridify_batch.database.document import upsert
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.words.entry import Definition, DocId, derived_id
from tests.documents import copy_of
from tests.sandbox import Sandbox

SENSES = {
    "bank": [("noun", "the land beside a river"), ("verb", "to lean in a turn")],
    "déjà vu": [("noun", "the feeling that this has happened before")],
    "brisk": [("adjective", "quick and full of energy"), ("adjective", "cold but pleasant"), ("verb", "to enliven")],
}
FIELDS: dict[SynthesisComponent, str] = {
    component: recipe.field
    for component, recipe in RECIPES.items()
    if recipe.scope is Scope.DEFINITION and component is not SynthesisComponent.EXAMPLES
}


def sense_id(word: str, number: int) -> DocId:
    return derived_id("sense", word, number)


@dataclass(frozen=True)
class Ways:
    """The results of each of the three ways for the same words: fields of definitions and of entries, by word."""

    at_once: Mapping[str, Any]
    as_batch: Mapping[str, Any]
    stored: Mapping[str, Any]


async def asked(ai: Connector, word: str) -> dict[str, Any]:
    """The values that the library's functions set and return for a word."""
    definitions = [Definition(sense_id(word, number), part, text) for number, (part, text) in enumerate(SENSES[word])]
    done, sound, origin, phrases, facts = await asyncio.gather(
        enhance_definitions_parallel(definitions, word, ai, set(SynthesisComponent)),
        synthesize_pronunciation(word, [], ai, definitions=definitions),
        synthesize_etymology(word, [], ai, definitions=definitions),
        generate_phrases(word, ai, definitions=definitions),
        generate_facts(word, definitions, ai),
    )
    assert done.failed == ()
    examples = [done.answer_of(at, SynthesisComponent.EXAMPLES) for at in range(len(definitions))]
    fields = [{name: getattr(each, name) for name in FIELDS.values()} for each in definitions]
    for filled, answer in zip(fields, examples, strict=True):
        filled["examples"] = getattr(answer, "example_sentences", None)
    return {
        "definitions": fields,
        "pronunciation": sound.ipa,
        "etymology": origin.text,
        "phrases": [phrase.phrase for phrase in phrases.phrases],
        "facts": facts.facts,
    }


async def by_functions(ai: Connector) -> dict[str, Any]:
    return {word: await asked(ai, word) for word in SENSES}


async def by_batch(url: str) -> dict[str, Any]:
    batches = OpenAIBatches("any", base_url=url)
    collector = BatchSynthesisCollector(batches, poll_interval=0.1)
    try:
        answers = await collector.gather(*(asked(InterceptingConnector(collector), word) for word in SENSES))
    finally:
        await batches.close()
    return dict(zip(SENSES, answers, strict=True))


async def by_run(ai: OpenAIConnector, mongo_url: str, database: str, folder: Path) -> None:
    store = MongoStore(mongo_url, database)
    processor = SynthesisBatchProcessor(ai, store=store, poll_interval=0.1)
    components = {component for component in SynthesisComponent if RECIPES[component].scope is not Scope.CLUSTER}
    components -= {SynthesisComponent.CLUSTER_DEFINITIONS, SynthesisComponent.SYNONYM_CHOOSER}
    totals = await processor.run_full_batch_synthesis(
        list(SENSES), 0.1, components=set(components), checkpoint=folder / "three.json"
    )
    assert (totals.processed, totals.failed_requests) == (len(SENSES), 0)
    await processor.close()
    await store.close()


def seed(database: Any, made: Any) -> None:
    for word, senses in SENSES.items():
        identity = derived_id("three", word)
        fields = {"text": word, "languages": ["en"], "homograph_number": None}
        database.words.bulk_write([upsert(identity, fields, made)])
        for number, (part, text) in enumerate(senses):
            definition = {"word_id": identity, "part_of_speech": part, "text": text, "providers": ["wiktionary"]}
            database.definitions.bulk_write([upsert(sense_id(word, number), definition, made)])


def read_back(database: Any) -> dict[str, Any]:
    stored = {}
    for word, senses in SENSES.items():
        entry = database.dictionary_entries.find_one({"word_id": ObjectId(derived_id("three", word))})
        stored[word] = {
            "definitions": [_definition(database, sense_id(word, number)) for number in range(len(senses))],
            "pronunciation": database.pronunciations.find_one({"_id": entry["pronunciation_id"]})["ipa"],
            "etymology": entry["etymology"]["text"],
            "phrases": [phrase["phrase"] for phrase in entry["phrases"]],
            "facts": _texts(database.facts, entry["fact_ids"], "content"),
        }
    return stored


def _definition(database: Any, identity: DocId) -> dict[str, Any]:
    document = copy_of(database, ObjectId(identity))
    fields = {name: document[name] for name in FIELDS.values()}
    fields["frequency_band"] = 6 - fields["frequency_band"]  # today's Floridify counts from the rarest, the library not
    return fields | {"examples": _texts(database.examples, document["example_ids"], "text")}


def _texts(collection: Any, ids: Sequence[ObjectId], name: str) -> list[str]:
    return [collection.find_one({"_id": identity})[name] for identity in ids]


@pytest.fixture(scope="module")
def ways(
    sandbox: Sandbox,
    mongo_url: str,
    mongo_client: MongoClient[dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Ways]:
    """Run all three once, with one sandbox, which gives the same answer to the same prompt."""
    database = mongo_client[f"three_{uuid4().hex}_sandbox"]
    seed(database, datetime.now(UTC))

    async def go() -> tuple[dict[str, Any], dict[str, Any]]:
        ai = OpenAIConnector("any", base_url=sandbox.url)
        at_once = await by_functions(ai)
        as_batch = await by_batch(sandbox.url)
        await by_run(ai, mongo_url, database.name, tmp_path_factory.mktemp("ways"))
        await ai.close()
        return at_once, as_batch

    at_once, as_batch = asyncio.run(go())
    yield Ways(at_once, as_batch, read_back(database))
    mongo_client.drop_database(database)


@pytest.mark.parametrize("component", [*FIELDS, SynthesisComponent.EXAMPLES])
@pytest.mark.parametrize("word", SENSES)
def test_definitions(ways: Ways, word: str, component: SynthesisComponent) -> None:
    """Each component of a definition is the same in immediate mode, as a batch, and in a run."""
    name = FIELDS.get(component, "examples")
    values = [[sense[name] for sense in way[word]["definitions"]] for way in (ways.at_once, ways.as_batch, ways.stored)]
    assert values[0] == values[1] == values[2]
    assert len(values[0]) == len(SENSES[word])


@pytest.mark.parametrize("name", ["pronunciation", "etymology", "phrases", "facts"])
@pytest.mark.parametrize("word", SENSES)
def test_words(ways: Ways, word: str, name: str) -> None:
    """All three ways store the same values in a word's entry."""
    assert ways.at_once[word][name] == ways.as_batch[word][name] == ways.stored[word][name]


def test_results_are_not_empty(ways: Ways) -> None:
    """The results of the three ways are not empty."""
    filled = [sense[name] for word in ways.stored.values() for sense in word["definitions"] for name in FIELDS.values()]
    assert sum(bool(value) for value in filled) > len(filled) / 2
