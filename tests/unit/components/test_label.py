"""Labels: closed lists on the wire, lenient reading."""

from typing import Any

import pytest
from pydantic import BaseModel

from floridify_batch.components.answer import wire_schema
from floridify_batch.components.collocations import CollocationResponse
from floridify_batch.components.definitions import FallbackDefinitionsResponse
from floridify_batch.components.domain import DomainIdentificationResponse
from floridify_batch.components.facts import FactGenerationResponse
from floridify_batch.components.grammar_patterns import GrammarPatternResponse
from floridify_batch.components.label import COLLOCATION_TYPES, DOMAINS, ENGLISH_REGIONS, PARTS_OF_SPEECH, REGISTERS
from floridify_batch.components.phrases import PhraseResponse
from floridify_batch.components.regional_variants import EnglishRegionalVariantResponse
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.components.requests import AnswerError, parse_answer
from floridify_batch.pipeline.brief import brief


def enumerations(schema: Any) -> list[list[str]]:
    if isinstance(schema, list):
        return [found for each in schema for found in enumerations(each)]
    if not isinstance(schema, dict):
        return []
    own = [schema["enum"]] if "enum" in schema else []
    return own + [found for each in schema.values() for found in enumerations(each)]


@pytest.mark.parametrize(
    ("answer", "labels"),
    [
        (FallbackDefinitionsResponse, PARTS_OF_SPEECH),
        (CollocationResponse, COLLOCATION_TYPES),
        (PhraseResponse, REGISTERS),
        (DomainIdentificationResponse, DOMAINS),
        (EnglishRegionalVariantResponse, ENGLISH_REGIONS),
    ],
)
def test_closed_lists_are_enumerations(answer: type[BaseModel], labels: tuple[str, ...]) -> None:
    """The schema allows only the labels of the list."""
    assert enumerations(wire_schema(answer)) == [list(labels)]


def regions(language: str) -> Any:
    envelope = brief([SynthesisComponent.REGIONAL_VARIANTS], model="m", language_name=language).by_component()
    return enumerations(envelope["regional_variants"].envelope.response_format)


def test_regions_of_other_languages_are_open() -> None:
    """English has Floridify's region codes; other languages have free texts."""
    assert regions("English (GB)") == [list(ENGLISH_REGIONS)]
    assert regions("German") == []


@pytest.mark.parametrize(
    ("given", "read"),
    [("Medicine", "medical"), ("law", "legal"), ("Sports", "sports"), ("falconry", "falconry"), ("none", None)],
)
def test_domains_are_read_in_their_usual_variants(given: str, read: str | None) -> None:
    """A variant of a label is stored as the label; a domain that the list does not have is kept."""
    assert DomainIdentificationResponse(reasoning="", domain=given, confidence=1).domain == read


def test_other_labels_are_read_in_their_usual_variants() -> None:
    """Abbreviated parts of speech are written out."""
    sense = {"part_of_speech": "Adj", "definition": "x", "relevancy": 1}
    assert (
        FallbackDefinitionsResponse.model_validate({"definitions": [sense], "confidence": 1})
        .definitions[0]
        .part_of_speech
        == "adjective"
    )


def completion(content: str) -> dict[str, Any]:
    return {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}


def test_pairs_are_requested_as_pairs() -> None:
    """Patterns and facts come as pairs, so that two lists cannot differ in length; callers read two lists."""
    patterns = completion('{"patterns":[{"pattern":"on the ~","description":"beside"}],"confidence":1}')
    assert parse_answer(GrammarPatternResponse, patterns).descriptions == ["beside"]
    facts = completion('{"facts":[{"fact":"A.","category":"usage"},{"fact":"","category":"usage"}],"confidence":1}')
    found = parse_answer(FactGenerationResponse, facts)
    assert (found.facts, found.categories) == (["A."], ["usage"])
    assert parse_answer(FactGenerationResponse, completion('{"facts":[],"confidence":1}')).categories == []
    with pytest.raises(AnswerError, match=r"patterns\.0\.description"):
        parse_answer(GrammarPatternResponse, completion('{"patterns":[{"pattern":"x"}],"confidence":1}'))


def test_parallel_lists_of_an_earlier_version_are_read() -> None:
    """Answers in flight with the earlier form, parallel lists, are stored."""
    older = completion('{"patterns":["on the ~"],"descriptions":["beside"],"confidence":1}')
    assert parse_answer(GrammarPatternResponse, older).patterns == ["on the ~"]
