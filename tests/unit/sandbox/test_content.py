"""Made-up answers follow their prompts and their schemas."""

from typing import Any

import orjson
import pytest
from pydantic import BaseModel, ConfigDict

from floridify_batch.components.answer import Answer, wire_schema
from floridify_batch.components.antonyms import AntonymResponse
from floridify_batch.components.cefr_level import CEFRLevelResponse
from floridify_batch.components.collocations import CollocationResponse
from floridify_batch.components.definitions import FallbackDefinitionsResponse
from floridify_batch.components.domain import DomainIdentificationResponse
from floridify_batch.components.examples import ExampleGenerationResponse
from floridify_batch.components.frequency_band import FrequencyBandResponse
from floridify_batch.components.grammar_patterns import GrammarPatternResponse
from floridify_batch.components.regional_variants import RegionalVariantResponse
from floridify_batch.components.register import RegisterClassificationResponse
from floridify_batch.components.synonyms import SynonymGenerationResponse
from floridify_batch.components.usage_notes import UsageNoteResponse
from floridify_batch.components.word_forms import WordFormResponse
from floridify_batch.costs.tokenizer import count_tokens, schema_tokens
from floridify_batch.sandbox.content import COMPONENTS
from floridify_batch.sandbox.reply import prompt_tokens, reply

MODELS: dict[str, type[Answer]] = {
    "synonyms": SynonymGenerationResponse,
    "antonyms": AntonymResponse,
    "examples": ExampleGenerationResponse,
    "cefr_level": CEFRLevelResponse,
    "frequency_band": FrequencyBandResponse,
    "register": RegisterClassificationResponse,
    "domain": DomainIdentificationResponse,
    "grammar_patterns": GrammarPatternResponse,
    "collocations": CollocationResponse,
    "usage_notes": UsageNoteResponse,
    "regional_variants": RegionalVariantResponse,
    "word_forms": WordFormResponse,
    "definitions": FallbackDefinitionsResponse,
}
PROMPT = "Word: happy\nPart of speech: adjective\nDefinition: feeling pleasure"


def request(name: str, schema: dict[str, Any], *texts: str, **more: Any) -> dict[str, Any]:
    roles = ["system"] * (len(texts) - 1) + ["user"]
    return {
        "model": "gpt-5.4-nano",
        "messages": [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)],
        "response_format": {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}},
    } | more


def answer(name: str, model: type[BaseModel], *texts: str) -> Any:
    content = reply(request(name, wire_schema(model), *texts), 10).content
    return orjson.loads(content or "null")


@pytest.mark.parametrize("component", MODELS)
def test_each_component_gets_an_answer_that_fits_its_model(component: str) -> None:
    """The answer to any prompt is valid for the component's own model."""
    for number in range(50):
        MODELS[component].model_validate(answer(component, MODELS[component], f"{PROMPT} {number}"), strict=True)


def test_counts_languages_and_words_are_those_asked_for() -> None:
    """The instructions' count and notation, and the prompt's word, are in the answer."""
    instructions = "For a dictionary of French. Give the 7 best synonyms; `language` is its ISO 639-1 code."
    found = answer("synonyms", MODELS["synonyms"], instructions, PROMPT)["synonyms"]
    assert len(found) == 7
    assert found[0]["language"] == "fr"
    written = answer("examples", MODELS["examples"], f"Write 3 sentences of at most 9 words.\n{PROMPT}")
    assert len(written["example_sentences"]) == 3
    assert all("happy" in sentence for sentence in written["example_sentences"])


class Cluster(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cluster_slug: str
    definition_indices: list[int]
    relevancy: float
    colour: str


class Clusters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mappings: list[Cluster]
    confidence: float


def test_clusters_cover_each_numbered_definition_once() -> None:
    """Every index in the prompt is in one cluster, for any name of the list in the schema."""
    prompt = "Word: bank\n" + "\n".join(f"{number}. (wiktionary, noun, sense {number})" for number in range(18))
    found = Clusters.model_validate(answer("cluster_definitions", Clusters, prompt))
    assert sorted(index for cluster in found.mappings for index in cluster.definition_indices) == list(range(18))


@pytest.mark.parametrize("component", sorted(COMPONENTS))
def test_a_component_obeys_a_schema_that_is_not_its_own(component: str) -> None:
    """A known name with unknown fields gets these fields and no others."""
    Cluster.model_validate(answer(component, Cluster, PROMPT), strict=True)


def test_the_answer_depends_on_model_component_and_prompt_only() -> None:
    """Equal requests get equal answers; antonyms differ from the synonyms."""
    model = MODELS["synonyms"]
    assert answer("synonyms", model, PROMPT) == answer("synonyms", model, PROMPT)
    assert answer("synonyms", model, PROMPT) != answer("synonyms", model, PROMPT + "!")
    other = answer("antonyms", MODELS["antonyms"], PROMPT)["antonyms"]
    assert answer("synonyms", model, PROMPT)["synonyms"] != other


def test_answers_end_at_the_cap() -> None:
    """A cap below the answer's length truncates it, and the finish reason says so."""
    schema = wire_schema(MODELS["synonyms"])
    cut = reply(request("synonyms", schema, PROMPT, max_completion_tokens=20), 10)
    assert cut.finish_reason == "length"
    assert cut.completion_tokens == 20
    assert count_tokens(cut.content or "") <= 20


def test_the_schema_is_billed_with_the_messages() -> None:
    """Input tokens are those of the messages, the schema and the separators."""
    schema = wire_schema(MODELS["domain"])
    sent = request("domain", schema, "Be brief.", PROMPT)
    name = sent["response_format"]["json_schema"]["name"]
    texts = count_tokens("Be brief.") + count_tokens(PROMPT) + schema_tokens(name, schema, system=True)
    assert prompt_tokens(sent) == texts + 2 * 4 + 3
