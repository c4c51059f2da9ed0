"""The library's functions and the filling in place, in both modes, with answers that depend on the request alone."""

import ast
import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import orjson
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import BaseModel, ConfigDict

import floridify_batch as library
from floridify_batch.batch_synthesis import BatchSynthesisCollector, InterceptingConnector
from floridify_batch.components.antonyms import AntonymResponse
from floridify_batch.components.cefr_level import CEFRLevelResponse
from floridify_batch.components.cluster_definitions import ClusterMappingResponse
from floridify_batch.components.collocations import CollocationResponse
from floridify_batch.components.definition_text import SynthesisResponse
from floridify_batch.components.definitions import FallbackDefinitionsResponse
from floridify_batch.components.domain import DomainIdentificationResponse
from floridify_batch.components.etymology import EtymologyResponse
from floridify_batch.components.examples import ExampleGenerationResponse
from floridify_batch.components.facts import FactGenerationResponse
from floridify_batch.components.failure import FailureReason
from floridify_batch.components.frequency_band import FrequencyBandResponse
from floridify_batch.components.grammar_patterns import GrammarPatternResponse
from floridify_batch.components.judgement import JudgementResponse
from floridify_batch.components.phrases import PhraseResponse
from floridify_batch.components.pronunciation import PronunciationResponse
from floridify_batch.components.recipe import Scope
from floridify_batch.components.regional_variants import RegionalVariantResponse
from floridify_batch.components.register import RegisterClassificationResponse
from floridify_batch.components.registry import DEFAULT_COMPONENTS, RECIPES, SynthesisComponent
from floridify_batch.components.requests import AnswerError, SynthesisRequest
from floridify_batch.components.synonym_chooser import SynonymChooserResponse
from floridify_batch.components.synonyms import SynonymGenerationResponse
from floridify_batch.components.usage_notes import UsageNoteResponse
from floridify_batch.components.word_forms import WordFormResponse
from floridify_batch.enhancement import Enhancement, enhance_definitions_parallel
from floridify_batch.errors import ServiceRefused, UsageError
from floridify_batch.pipeline.brief import brief
from floridify_batch.providers.interface import BatchJob, Capabilities, Connector, Found, Submission
from floridify_batch.sandbox.reply import completion, reply
from floridify_batch.words.entry import Definition, Entry, Word, derived_id
from tests.plans import plan

C = SynthesisComponent
OF_DEFINITIONS = tuple(component for component, recipe in RECIPES.items() if recipe.scope is Scope.DEFINITION)


def answered(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sandbox's answer to a body; it is deterministic."""
    return completion(body, reply(body, 1, fast=True), "1", 0)


class Immediate:
    """A connector that answers immediately, and records its requests."""

    model_name = "gpt-5.4-nano"

    def __init__(self) -> None:
        self.asked: list[SynthesisRequest[Any]] = []
        self.failures: dict[str, Exception] = {}

    async def complete[R: BaseModel](self, request: SynthesisRequest[R]) -> R:
        self.asked.append(request)
        await asyncio.sleep(0)
        failure = self.failures.get(request.envelope.component)
        if failure is not None:
            raise failure
        return request.parse(answered(request.body))

    @property
    def components(self) -> list[str]:
        return [request.envelope.component for request in self.asked]


class Instant:
    """A `Batches` in memory whose batches are done when they are created."""

    capabilities = Capabilities(Decimal("0.5"))

    def __init__(self) -> None:
        self.files: list[bytes] = []
        self.jobs: dict[str, BatchJob] = {}
        self.closed = False

    async def find(self, submission: Submission, *, keep: str | None = None) -> Found:
        assert keep is None
        return Found(next((job for job in self.jobs.values() if job.label == submission.label), None))

    async def others(self, _: str) -> bool:
        return False

    async def upload(self, requests: Path) -> str:
        self.files.append(requests.read_bytes())  # noqa: ASYNC240  nobody waits for a few lines
        return str(len(self.files) - 1)

    async def create(self, submission: Submission) -> BatchJob:
        assert set(submission.metadata) == {"run", "components"}
        job = BatchJob(
            f"batch_{submission.file_id}",
            "completed",
            submission.label,
            datetime.now(UTC),
            output_file_id=submission.file_id,
        )
        self.jobs[job.id] = job
        return job

    async def retrieve(self, batch_id: str) -> BatchJob:
        return self.jobs[batch_id]

    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        assert errors.parent == output.parent
        lines = [orjson.loads(line) for line in self.files[int(job.output_file_id or 0)].splitlines()]
        content = b"".join(self._line(line) for line in reversed(lines))
        output.write_bytes(content)  # noqa: ASYNC240  nobody waits for a few lines

    def _line(self, line: Mapping[str, Any]) -> bytes:
        response = {"status_code": 200, "request_id": "r", "body": answered(line["body"])}
        return orjson.dumps({"custom_id": line["custom_id"], "response": response, "error": None}) + b"\n"

    async def cancel(self, batch_id: str) -> BatchJob:
        raise AssertionError(batch_id)

    async def close(self) -> None:
        self.closed = True


async def nap(_: float) -> None:
    await asyncio.sleep(0)


def collector() -> BatchSynthesisCollector:
    return BatchSynthesisCollector(Instant(), sleep=nap)


def sense(text: str = "a feeling of pleasure", **more: Any) -> SimpleNamespace:
    return SimpleNamespace(text=text, part_of_speech="noun", **more)


# ── the functions ──────────────────────────────────────────────────────────────────────────────────────────────────

type Ask = Callable[[str, SimpleNamespace, Connector], Awaitable[BaseModel]]

FUNCTIONS: dict[SynthesisComponent, tuple[Ask, type[BaseModel]]] = {
    C.SYNONYMS: (lambda w, d, ai: library.synthesize_synonyms(w, d, ai, 4), SynonymGenerationResponse),
    C.ANTONYMS: (library.synthesize_antonyms, AntonymResponse),
    C.EXAMPLES: (library.generate_examples, ExampleGenerationResponse),
    C.CEFR_LEVEL: (lambda w, d, ai: library.assess_definition_cefr(d, w, ai), CEFRLevelResponse),
    C.FREQUENCY_BAND: (lambda w, d, ai: library.assess_definition_frequency(d, w, ai), FrequencyBandResponse),
    C.REGISTER: (
        lambda w, d, ai: library.classify_definition_register(d, ai, word=w),
        RegisterClassificationResponse,
    ),
    C.DOMAIN: (lambda w, d, ai: library.assess_definition_domain(d, ai, word=w), DomainIdentificationResponse),
    C.GRAMMAR_PATTERNS: (
        lambda w, d, ai: library.assess_grammar_patterns(d, ai, word=w),
        GrammarPatternResponse,
    ),
    C.COLLOCATIONS: (lambda w, d, ai: library.assess_collocations(d, w, ai), CollocationResponse),
    C.USAGE_NOTES: (lambda w, d, ai: library.usage_note_generation(d, w, ai), UsageNoteResponse),
    C.REGIONAL_VARIANTS: (
        lambda w, d, ai: library.assess_regional_variants(d, ai, word=w),
        RegionalVariantResponse,
    ),
    C.WORD_FORMS: (
        lambda w, d, ai: library.synthesize_word_forms(w, d.part_of_speech, ai),
        WordFormResponse,
    ),
    C.DEFINITIONS: (lambda w, _, ai: library.generate_definitions(w, ai), FallbackDefinitionsResponse),
    C.PRONUNCIATION: (lambda w, _, ai: library.synthesize_pronunciation(w, [], ai), PronunciationResponse),
    C.ETYMOLOGY: (
        lambda w, d, ai: library.synthesize_etymology(w, [{"name": "wiktionary", "etymology": d.text}], ai),
        EtymologyResponse,
    ),
    C.FACTS: (lambda w, d, ai: library.generate_facts(w, [d], ai, 2), FactGenerationResponse),
    C.PHRASES: (lambda w, _, ai: library.generate_phrases(w, ai), PhraseResponse),
    C.SYNONYM_CHOOSER: (
        lambda w, d, ai: library.synthesize_synonym_chooser(w, ["glad 1", d.text], ai),
        SynonymChooserResponse,
    ),
    C.CLUSTER_DEFINITIONS: (
        lambda w, d, ai: library.cluster_definitions(w, [d, sense("luck", provider="wordnet")], ai),
        ClusterMappingResponse,
    ),
    C.DEFINITION_TEXT: (
        lambda w, d, ai: library.synthesize_definition_text([{"definition": d.text, "part_of_speech": "noun"}], w, ai),
        SynthesisResponse,
    ),
    C.JUDGEMENT: (library.judge_definition, JudgementResponse),
}
"""A call of each function, by its component, and the type of its answer."""


def test_a_function_for_each_component() -> None:
    """Every component has a synthesis function."""
    assert FUNCTIONS.keys() == RECIPES.keys() == set(C)


@pytest.mark.parametrize("component", FUNCTIONS)
async def test_asks_for_its_component(component: SynthesisComponent) -> None:
    """A function sends one request of its component, about its arguments, and returns the component's answer."""
    ask, answer = FUNCTIONS[component]
    ai = Immediate()
    definition = sense("the <b>quality</b> of a merry mood")
    assert isinstance(await ask("joy", definition, ai), answer)
    [request] = ai.asked
    assert request.envelope.component == component
    assert request.envelope.model == ai.model_name
    given = {variable.partition("=")[2] or variable for variable in RECIPES[component].variables}
    assert ("joy" in request.prompt) == ("word" in given)
    about_sense = given & {"definition", "first_definition", "provider_data", "synonyms", "sources", "definitions"}
    assert (definition.text in request.prompt) == (bool(about_sense) and component != C.WORD_FORMS)


async def test_without_a_word() -> None:
    """Functions that do not need the word work without it, and leave no gap in the prompt."""
    for ask in (library.assess_definition_domain, library.assess_regional_variants, library.assess_grammar_patterns):
        ai = Immediate()
        await ask(sense("merry mood"), ai)
        assert ai.asked[0].prompt.splitlines() == ["Part of speech: noun", "Definition: <<merry mood>>"]


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(
    word=st.text(st.characters(categories=["L", "Zs"]), min_size=1, max_size=12),
    text=st.text(st.characters(categories=["L", "P", "Zs"]), min_size=1, max_size=80).filter(
        lambda text: text != "glad"
    ),
)
def test_immediate_is_intercepted(word: str, text: str) -> None:
    """An immediate answer and one from a batch are equal, for every component."""

    async def asked(component: SynthesisComponent, ai: Connector) -> BaseModel:
        return await FUNCTIONS[component][0](word, sense(text), ai)

    async def both() -> tuple[list[BaseModel], list[BaseModel]]:
        connector = InterceptingConnector(collector(), Immediate.model_name)
        immediate = [await asked(component, Immediate()) for component in FUNCTIONS]
        return immediate, await connector.collector.gather(*(asked(component, connector) for component in FUNCTIONS))

    immediate, intercepted = asyncio.run(both())
    assert immediate == intercepted


async def test_counts_and_languages() -> None:
    """`count` and `language` reach the instructions; a word's own language counts where none is given."""
    ai = Immediate()
    await library.synthesize_synonyms("joie", sense(), ai, 7, language="fr")
    await library.synthesize_synonyms(SimpleNamespace(text="Freude", languages=["de"]), sense(), ai)
    await library.synthesize_synonyms(SimpleNamespace(text="gioia", language="it"), sense(), ai)
    await library.synthesize_synonyms("joy", sense(), ai)
    instructions = [request.envelope.instructions for request in ai.asked]
    assert "7" in instructions[0]
    assert [
        next(name for name in ("French", "German", "Italian", "English") if name in each) for each in instructions
    ] == ["French", "German", "Italian", "English"]


async def test_etymologies_of_providers() -> None:
    """Etymologies of providers are read from dictionaries and objects; providers without one are omitted."""

    class Provider(StrEnum):
        OXFORD = "oxford"

    ai = Immediate()
    providers = [
        {"name": "wiktionary", "etymology": "from Old French joie"},
        {"name": "silent", "etymology": None},
        SimpleNamespace(provider=Provider.OXFORD, etymology=SimpleNamespace(text="from Latin gaudium")),
    ]
    await library.synthesize_etymology("joy", providers, ai)
    prompt = ai.asked[0].prompt
    assert all(text in prompt for text in ("wiktionary", "Old French", "oxford", "gaudium"))
    assert "silent" not in prompt


async def test_nothing_to_ask_about() -> None:
    """A function without a subject raises an error before any request."""
    ai = Immediate()
    for asked in (
        library.generate_facts("joy", [], ai),
        library.cluster_definitions("joy", [], ai),
        library.synthesize_definition_text([], "joy", ai),
        library.synthesize_synonym_chooser("joy", ["glee", "glee"], ai),
    ):
        with pytest.raises(ValueError, match=r"at least (one|two)"):
            await asked
    assert ai.asked == []


async def test_ids() -> None:
    """A request uses the document's own ID; without one, it is derived from the text, reproducibly."""
    ai = Immediate()
    own = "66f0a1b2c3d4e5f6a7b8c9d0"
    for definition in (sense(id=own.upper()), sense(id=None), sense(), sense("other"), sense(id=7)):
        await library.synthesize_synonyms("joy", definition, ai)
    ids = [request.custom_id for request in ai.asked]
    assert ids[0] == f"joy-{own}-synonyms"
    assert ids[1] == ids[2] == ids[4] != ids[3]


# ── definitions filled in place ────────────────────────────────────────────────────────────────────────────────────


class Collocation(BaseModel):
    """A collocation as in Floridify's model."""

    text: str
    type: str
    frequency: float


class WordForm(BaseModel):
    form_type: str
    text: str


class Model(BaseModel):
    """A definition of an object mapper: without some of the fields, and with its own types."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    id: str | None = None
    part_of_speech: str = "noun"
    text: str
    synonyms: list[str] = []
    antonyms: list[str] = []
    example_ids: list[str] = []
    cefr_level: Literal["A1", "A2", "B1", "B2", "C1", "C2"] | None = None
    frequency_band: int | None = None
    language_register: Literal["never"] | None = None
    collocations: list[Collocation] = []
    word_forms: list[WordForm] = []


@dataclass
class Plain:
    """A definition with examples as texts."""

    text: str
    part_of_speech: str
    examples: list[str] | None = None
    synonyms: list[str] | None = None


async def test_all_components() -> None:
    """Missing components are requested and set; a second call requests only those without an answer."""
    ai = Immediate()
    senses = [sense("a feeling"), sense("a person who gives it", synonyms=["delight"], cefr_level="A1")]
    enhancement = await enhance_definitions_parallel(senses, "joy", ai, components=set(OF_DEFINITIONS))
    assert len(ai.asked) == 2 * len(OF_DEFINITIONS) - 2
    assert enhancement.failed == ()
    assert enhancement.components_of(0) == set(OF_DEFINITIONS)
    assert enhancement.components_of(1) == set(OF_DEFINITIONS) - {C.SYNONYMS, C.CEFR_LEVEL}
    level = enhancement.answer_of(0, "cefr_level")
    assert isinstance(level, CEFRLevelResponse)
    assert senses[0].cefr_level == level.level
    assert senses[1].synonyms == ["delight"]
    assert {*senses[0].collocations[0]} == {"text", "type", "frequency"}
    assert enhancement.answer_of(1, "synonyms") is None


async def test_what_is_there_is_skipped() -> None:
    """Existing values are not requested again; with `force_refresh` they are replaced."""
    ai = Immediate()
    definition = sense(synonyms=["old"], antonyms=None, examples=["Old."])
    components = {"synonyms", "antonyms", "examples"}
    await enhance_definitions_parallel([definition], "joy", ai, components)
    assert ai.components == ["antonyms"]
    await enhance_definitions_parallel([definition], "joy", ai, components, force_refresh=True)
    assert ai.components == ["antonyms", "synonyms", "antonyms", "examples"]
    assert not any("Already in the entry" in request.prompt for request in ai.asked)
    assert "old" not in definition.synonyms
    assert "Old." not in definition.examples
    assert definition.examples


async def test_the_language_of_a_plain_word() -> None:
    """A word as a string can be of any language, which its prompts name."""
    ai = Immediate()
    await enhance_definitions_parallel([sense()], "joie", ai, components={"examples"}, language="fr")
    assert "French" in ai.asked[0].envelope.instructions


async def test_defaults() -> None:
    """By default, those components of Floridify's default set are requested that belong to definitions."""
    ai = Immediate()
    enhancement = await enhance_definitions_parallel([sense()], "joy", ai)
    assert set(ai.components) == set(DEFAULT_COMPONENTS) & set(OF_DEFINITIONS)
    assert await enhance_definitions_parallel([], "joy", ai) == Enhancement()
    assert await enhance_definitions_parallel([sense()], "joy", ai, components=set()) == Enhancement()
    assert await enhance_definitions_parallel([sense()], "joy", ai, components={"facts"}) == Enhancement()
    assert len(ai.asked) == len(enhancement.filled)
    with pytest.raises(UsageError, match="synonyms"):
        await enhance_definitions_parallel([sense()], "joy", ai, components={"synonims"})


async def test_pydantic_models() -> None:
    """A pydantic model gets its own types through its own validation; a value that it refuses is reported, not set."""
    definition = Model(text="a feeling")
    components = {"synonyms", "collocations", "word_forms", "register", "domain", "examples"}
    enhancement = await enhance_definitions_parallel([definition], "joy", Immediate(), components)
    assert isinstance(definition.collocations[0], Collocation)
    assert definition.word_forms == [WordForm(form_type="plural", text="joys")]
    assert [(each.component, each.reason) for each in enhancement.failed] == [(C.REGISTER, FailureReason.MALFORMED)]
    assert definition.language_register is None
    assert {C.DOMAIN, C.EXAMPLES} <= enhancement.components_of(0)
    assert definition.model_dump(warnings="error")


async def test_examples_as_texts() -> None:
    """Examples are set on definitions that hold them as texts; otherwise they are only in the enhancement."""
    plain, other = Plain("a feeling", "noun"), sense("a person", examples=[{"text": "old"}])
    enhancement = await enhance_definitions_parallel([plain, other], "joy", Immediate(), {"examples"}, True)
    answer = enhancement.answer_of(0, "examples")
    assert isinstance(answer, ExampleGenerationResponse)
    assert plain.examples == answer.example_sentences
    assert other.examples == [{"text": "old"}]
    assert enhancement.components_of(1) == {C.EXAMPLES}


async def test_our_own_definitions() -> None:
    """Our own definitions get the values that a run would store, from identical requests."""
    ai, chosen = Immediate(), tuple(each for each in OF_DEFINITIONS if each is not C.EXAMPLES)
    word = Word(derived_id("word"), "joy", "en")
    stored = Definition(derived_id("definition"), "noun", "a feeling of pleasure", synonyms=[], antonyms=[])
    requests = plan(Entry(word, (stored,)), brief(chosen, model=ai.model_name, language_name="English"), {})
    enhanced = replace(stored)
    await enhance_definitions_parallel([enhanced], word, ai, set(chosen))
    assert sorted(each.line for each in ai.asked) == sorted(each.line for each in requests)
    assert enhanced.cefr_level
    assert enhanced.usage_notes


async def test_equal_definitions() -> None:
    """Definitions with the same text, or even the same id, have separate requests."""
    ai = Immediate()
    same = {"id": "66f0a1b2c3d4e5f6a7b8c9d0"}
    await enhance_definitions_parallel([sense(), sense(), sense(**same), sense(**same)], "joy", ai, {"synonyms"})
    assert len({request.custom_id for request in ai.asked}) == 4


async def test_failures_are_reported() -> None:
    """A failed request is reported with its reason and leaves the attribute unchanged; the others are set."""
    ai = Immediate()
    ai.failures["synonyms"] = AnswerError(FailureReason.REFUSED, "I would rather not.")
    definition = sense(synonyms=[])
    enhancement = await enhance_definitions_parallel([definition], "joy", ai, {"synonyms", "antonyms"})
    [failed] = enhancement.failed
    assert (failed.position, failed.component, failed.reason) == (0, "synonyms", "refused")
    assert failed.detail == "I would rather not."
    assert definition.synonyms == []
    assert definition.antonyms


async def test_what_stops_the_service_is_raised() -> None:
    """If the service refuses the account, the error is raised unchanged and no request is left running."""
    ai = Immediate()
    ai.failures["synonyms"] = ServiceRefused("No quota.")
    before = asyncio.all_tasks()
    with pytest.raises(ServiceRefused, match="No quota"):
        await enhance_definitions_parallel([sense()] * 5, "joy", ai)
    assert asyncio.all_tasks() == before


async def test_both_modes_fill_alike() -> None:
    """In both modes the same definitions get the same values and the caller the same enhancement, from one batch."""
    at_once, in_batch = (([sense("one"), sense("two")], [Model(text="three")]) for _ in range(2))
    batches, chosen = Instant(), set(OF_DEFINITIONS)
    connector = InterceptingConnector(BatchSynthesisCollector(batches, sleep=nap), Immediate.model_name)
    immediate = [await enhance_definitions_parallel(senses, "joy", Immediate(), chosen) for senses in at_once]
    intercepted = [
        await enhance_definitions_parallel(senses, "joy", connector, chosen, batch_mode=True) for senses in in_batch
    ]
    assert immediate == intercepted
    assert at_once == in_batch
    assert len(batches.files) == 2


async def test_batches_of_the_callers() -> None:
    """A batch goes through the caller's `batches`, which stay open; without them, an OpenAI connector is required."""
    batches, ai = Instant(), Immediate()
    enhancement = await enhance_definitions_parallel(
        [sense()], "joy", ai, {"synonyms"}, batch_mode=True, batches=batches, poll_interval=0
    )
    assert enhancement.components_of(0) == {"synonyms"}
    assert b'"model":"gpt-5.4-nano"' in batches.files[0]
    assert not batches.closed
    assert ai.asked == []
    with pytest.raises(UsageError, match="OpenAIConnector"):
        await enhance_definitions_parallel([sense()], "joy", ai, batch_mode=True)


async def test_many_words_in_one_batch() -> None:
    """Gathered enhancements of many words are sent in the same batch."""
    batches = Instant()
    connector = InterceptingConnector(BatchSynthesisCollector(batches, sleep=nap))
    words = {f"word{number}": [sense(f"meaning {number}")] for number in range(30)}
    await connector.collector.gather(
        *(enhance_definitions_parallel(senses, word, connector) for word, senses in words.items())
    )
    assert len(batches.files) == 1
    assert all(senses[0].synonyms for senses in words.values())


async def test_tracker_is_updated() -> None:
    """A tracker's `update` is called at the end, whether it is a coroutine or a function; other trackers are
    ignored.
    """
    calls: list[dict[str, Any]] = []

    async def update(**news: Any) -> None:
        calls.append(news)

    for tracker in (
        SimpleNamespace(update=update),
        SimpleNamespace(update=lambda **news: calls.append(news)),
        object(),
    ):
        await enhance_definitions_parallel([sense()], "joy", Immediate(), {"synonyms"}, False, tracker)
    assert [news["stage"] for news in calls] == ["AI_SYNTHESIS"] * 2
    assert "1 components" in calls[0]["message"]


# ── the package ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_name_is_there() -> None:
    """Each exported name is the one of its module, is listed, and is in the stub that type checkers read."""
    stub = ast.parse(Path(library.__file__).with_suffix(".pyi").read_text())
    stated = {
        alias.name: str(node.module) for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert sorted(stated) == library.__all__
    assert set(library.__all__) <= set(dir(library))
    for name in library.__all__:
        assert getattr(library, name) is getattr(import_module(stated[name]), name)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = library.Nothing  # type: ignore[attr-defined]


def test_importing_is_quick() -> None:
    """Importing the package loads only what is used: under 0.1 s of CPU time, and not even pydantic."""
    code = (
        "import sys, time; began = time.process_time(); import floridify_batch; took = time.process_time() - began; "
        "print(took, sorted({'pydantic', 'openai', 'motor', 'rich'} & set(sys.modules)))"
    )
    runs = [subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True) for _ in range(3)]
    times, loaded = zip(*(run.stdout.split(maxsplit=1) for run in runs), strict=True)
    assert min(map(float, times)) < 0.1
    assert {text.strip() for text in loaded} == {"[]"}
