"""The library in the place of Floridify's own functions: its calls, its connector, its documents."""

import asyncio
from enum import Enum
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from bson import ObjectId
from pydantic import BaseModel, ConfigDict

import floridify_batch as library
from floridify_batch.batch_synthesis import BatchSynthesisCollector, InterceptingConnector
from floridify_batch.components.failure import FailureReason
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.components.requests import Envelope, parse_answer
from floridify_batch.enhancement import enhance_definitions_parallel
from floridify_batch.providers.interface import DEFAULT_MODEL
from floridify_batch.synthesis import model_of
from tests.unit.library.test_synthesis import Immediate, Instant, answered

SOURCES = [
    {"name": "wiktionary", "definitions": [{"part_of_speech": "noun", "text": "sloping land beside a river"}]},
    {"name": "wordnet", "definitions": [{"part_of_speech": "noun", "definition": "an institution that keeps money"}]},
]


class FloridifyComponent(Enum):
    """Floridify's components are members of a plain enumeration."""

    SYNONYMS = "synonyms"
    CEFR_LEVEL = "cefr_level"
    PRONUNCIATION = "pronunciation"


class Structured:
    """A connector with only `_make_structured_request`, like Floridify's."""

    model = "gpt-5-mini"

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.error: Exception | None = None

    async def _make_structured_request[T: BaseModel](self, prompt: str, response_model: type[T], **_: Any) -> T:
        self.prompts.append(prompt)
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        envelope = Envelope("synonyms", response_model, self.model, "", 1000)
        return parse_answer(response_model, answered(envelope.body(prompt)))


class Tracker:
    """A state tracker like Floridify's."""

    def __init__(self) -> None:
        self.updates: list[dict[str, Any]] = []

    async def update(self, **news: Any) -> None:
        self.updates.append(news)


class Document(BaseModel):
    """A document that can save itself, like Beanie's; references are strings, as in Floridify of July 2025."""

    model_config = ConfigDict(validate_assignment=True)

    id: Any = None

    async def save(self) -> None:
        SAVED.append(self)


SAVED: list[Document] = []


class Example(Document):
    definition_id: str
    text: str
    type: str
    model_info: dict[str, Any]

    async def save(self) -> None:
        self.id = ObjectId()
        SAVED.append(self)

    @classmethod
    async def get(cls, document_id: Any) -> "Example | None":
        found = (each for each in SAVED if isinstance(each, Example) and str(each.id) == str(document_id))
        return next(found, None)

    async def delete(self) -> None:
        SAVED.remove(self)


class Definition(Document):
    part_of_speech: str = "noun"
    text: str
    synonyms: list[str] = []
    example_ids: list[str] = []
    domain: str | None = None


def sense(**more: Any) -> SimpleNamespace:
    return SimpleNamespace(part_of_speech="noun", text="sloping land beside a river", **more)


async def test_floridifys_call() -> None:
    """Members of a plain enumeration, a state tracker and the batch mode are accepted by position."""
    ai, tracker, definition = Immediate(), Tracker(), sense()
    components = set(FloridifyComponent)
    done = await enhance_definitions_parallel([definition], "bank", ai, components, False, tracker, False)
    assert {each.component.value for each in done.filled} == {"synonyms", "cefr_level"}
    assert definition.cefr_level
    assert tracker.updates[-1]["progress"] == 95


async def test_extra_arguments_of_floridifys_callers() -> None:
    """Single functions take `force_refresh` and `state_tracker` where Floridify's callers pass them."""
    ai, tracker = Immediate(), Tracker()
    definition = sense(synonyms=["shore"])
    await library.synthesize_synonyms(
        "bank", definition, ai, count=5, force_refresh=True, state_tracker=tracker, language="en"
    )
    assert "shore" not in ai.asked[0].prompt
    await library.synthesize_synonyms("bank", definition, ai)
    assert "shore" in ai.asked[1].prompt
    await library.assess_definition_cefr(definition, "bank", ai, tracker)
    await library.classify_definition_register(definition, ai, tracker)
    assert [update["stage"] for update in tracker.updates] == ["AI_SYNTHESIS"] * 3


async def test_any_connector_with_structured_requests() -> None:
    """A connector that has only `_make_structured_request` works; its errors fail single components."""
    ai = Structured()
    definition = sense()
    done = await enhance_definitions_parallel([definition], "bank", ai, {"synonyms", "cefr_level"})
    assert len(done.filled) == len(ai.prompts) == 2
    assert definition.synonyms
    ai.error = TimeoutError("too slow")
    failed = (await enhance_definitions_parallel([sense()], "bank", ai, {"synonyms"})).failed
    assert [(each.reason, each.detail) for each in failed] == [(FailureReason.HTTP, "too slow")]


async def test_structured_requests_in_a_batch() -> None:
    """Another library's functions run in one batch over the intercepting connector, equal prompts included."""

    class Answer(BaseModel):
        model_config = ConfigDict(extra="forbid")
        text: str
        count: int

    service = Instant()
    collector = BatchSynthesisCollector(service, poll_interval=0.01, sleep=lambda _: asyncio.sleep(0))
    ai = InterceptingConnector(collector, "gpt-5.4-nano")
    prompts = ("one", "two", "two")
    answers = await collector.gather(
        *(ai._make_structured_request(prompt, Answer, task_name="lookup_word") for prompt in prompts)
    )
    assert [type(answer) for answer in answers] == [Answer] * 3
    assert len(service.files) == 1
    identities = [orjson.loads(line)["custom_id"] for line in service.files[0].splitlines()]
    assert len(set(identities)) == 3
    assert all(identity.endswith("-lookup_word") for identity in identities)
    again = Instant()
    collector = BatchSynthesisCollector(again, poll_interval=0.01, sleep=lambda _: asyncio.sleep(0))
    ai = InterceptingConnector(collector, "gpt-5.4-nano")
    await collector.gather(
        *(ai._make_structured_request(prompt, Answer, task_name="lookup_word") for prompt in prompts)
    )
    assert again.files == service.files


async def test_documents_are_saved() -> None:
    """A document is saved after its enhancement, and its examples become documents that it refers to."""
    SAVED.clear()
    ai, definition = Immediate(), Definition(id=ObjectId(), text="sloping land beside a river")
    await enhance_definitions_parallel([definition], "bank", ai, {"synonyms", "examples"})
    examples = [each for each in SAVED if isinstance(each, Example)]
    assert SAVED[-1] is definition
    assert [str(each.id) for each in examples] == definition.example_ids
    assert {each.definition_id for each in examples} == {str(definition.id)}
    await enhance_definitions_parallel([definition], "bank", ai, {"synonyms", "examples"})
    assert sorted(ai.components) == ["examples", "synonyms"]


async def test_replaced_examples_are_deleted() -> None:
    """A forced enhancement deletes a document's old examples once it is saved without them, but not another's."""
    SAVED.clear()
    ai, definition = Immediate(), Definition(id=ObjectId(), text="sloping land beside a river")
    await enhance_definitions_parallel([definition], "bank", ai, {"examples"})
    foreign = Example(definition_id=str(ObjectId()), text="The bank was steep.", type="literature", model_info={})
    await foreign.save()
    definition.example_ids.append(str(foreign.id))
    before = list(definition.example_ids)
    await enhance_definitions_parallel([definition], "bank", ai, {"examples"}, True)
    stored = {str(each.id) for each in SAVED if isinstance(each, Example)}
    assert definition.example_ids
    assert stored == {*definition.example_ids, str(foreign.id)}
    assert not stored & {*before} - {str(foreign.id)}


async def test_empty_answers_are_remembered() -> None:
    """A component of a document that was answered with an empty value is not requested again unless forced."""
    ai = Immediate()
    for number in range(8):
        definition = Definition(id=f"{number + 100:024x}", text=f"meaning {number}")
        for _ in range(2):
            await enhance_definitions_parallel([definition], "bank", ai, {"domain"})
    assert len(ai.asked) == 8
    await enhance_definitions_parallel([definition], "bank", ai, {"domain"}, True)
    assert len(ai.asked) == 9


async def test_whole_entries() -> None:
    """An entry has clusters, one definition per cluster with its components, and the word's own components."""
    ai = Immediate()
    entry = await library.synthesize_entry("bank", SOURCES, ai, {"synonyms", "pronunciation", "facts"})
    assert entry.clusters
    assert entry.definitions
    assert all(definition.synonyms for definition in entry.definitions)
    assert {provider for each in entry.definitions for provider in each.providers} == {"wiktionary", "wordnet"}
    assert entry.pronunciation
    assert entry.facts
    assert entry.etymology is None
    assert entry.failed == {}


async def test_whole_entries_of_unknown_words() -> None:
    """A word without sources gets generated definitions; a failed component is reported."""
    ai = Immediate()
    ai.failures["pronunciation"] = library.AnswerError(FailureReason.REFUSED, "no")
    entry = await library.synthesize_entry("bank", [], ai)
    assert entry.definitions
    assert entry.clusters is None
    assert entry.failed == {"pronunciation": FailureReason.REFUSED}


async def test_whole_entries_in_batches() -> None:
    """In batch mode, the steps of all gathered entries share their batches, and the result is the same."""
    service = Instant()
    collector = BatchSynthesisCollector(service, poll_interval=0.01, sleep=lambda _: asyncio.sleep(0))
    batched = InterceptingConnector(collector, Immediate.model_name)
    entries = await collector.gather(*(library.synthesize_entry(word, SOURCES, batched) for word in ("bank", "crane")))
    assert len(service.files) <= 3
    assert entries[0] == await library.synthesize_entry("bank", SOURCES, Immediate())
    alone = await library.synthesize_entry("bank", SOURCES, Immediate(), batch_mode=True, batches=Instant())
    assert alone == entries[0]


def test_all_components_have_a_place() -> None:
    """A synthesized definition has an attribute for every component of definitions."""
    fields = {recipe.field for recipe in map(library_recipe, SynthesisComponent) if recipe.scope == "definition"}
    assert fields - {"example_ids"} <= set(library.SynthesizedDefinition.__dataclass_fields__)


def library_recipe(component: SynthesisComponent) -> Any:
    from floridify_batch.components.registry import RECIPES

    return RECIPES[component]


class TodaysDefinition(BaseModel):
    """A definition of today's Floridify, reduced to its frequency."""

    text: str
    part_of_speech: str
    frequency_band: int | None = None
    frequency_score: float | None = None


class SameBand:
    """A connector that answers band 1 to everything."""

    async def _make_structured_request[T: BaseModel](self, prompt: str, response_model: type[T], **_: Any) -> T:  # noqa: ARG002
        return response_model.model_validate({"reasoning": "common", "band": 1, "confidence": 1})


async def test_bands_are_on_the_scale_of_the_document() -> None:
    """A document of today's Floridify counts frequency bands from the rarest senses; other objects as requested."""
    today = TodaysDefinition(text="not heavy", part_of_speech="adjective")
    other = SimpleNamespace(text="not heavy", part_of_speech="adjective")
    await enhance_definitions_parallel([today, other], "light", SameBand(), {"frequency_band"})
    assert (today.frequency_band, other.frequency_band) == (5, 1)


class SameSynonyms(Structured):
    """A connector that gives every definition the same synonyms."""

    async def _make_structured_request[T: BaseModel](self, prompt: str, response_model: type[T], **_: Any) -> T:
        self.prompts.append(prompt)
        words = [
            {"word": each, "language": "en", "relevance": 1, "efflorescence": 1, "explanation": ""}
            for each in ("Shore", "side")
        ]
        return response_model.model_validate({"synonyms": words, "confidence": 1})


async def test_a_shared_synonym_stays_with_the_most_relevant_definition() -> None:
    """As in Floridify, definitions of clusters share no new synonym; a list that the call did not write stays whole."""

    def meaning(relevance: float | None, *synonyms: str) -> SimpleNamespace:
        cluster = {"slug": "a", "relevance": relevance} if relevance is not None else None
        return sense(synonyms=list(synonyms), meaning_cluster=cluster)

    minor, main, equal, mine, alone = meaning(0.2), meaning(0.9), meaning(0.9), meaning(0.1, "shore"), meaning(None)
    await enhance_definitions_parallel([minor, main, equal, mine, alone], "bank", SameSynonyms(), {"synonyms"})
    assert (main.synonyms, equal.synonyms, minor.synonyms) == (["Shore", "side"], [], [])
    assert mine.synonyms == ["shore"], "it was there before"
    assert alone.synonyms == ["Shore", "side"], "no cluster, no order"


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({"model_name": "gpt-a"}, "gpt-a"),
        ({"model": "gpt-b"}, "gpt-b"),
        ({"model": None}, DEFAULT_MODEL),
        ({}, DEFAULT_MODEL),
    ],
)
def test_the_model_of_a_connector(fields: dict[str, Any], model: str) -> None:
    """Requests name the model of the connector, as our own connector or Floridify's names it."""
    assert model_of(SimpleNamespace(**fields)) == model
