"""The schemas of answers: the JSON schema that is sent, and the parsing of what is received."""

import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from openai import pydantic_function_tool
from pydantic import BaseModel, Field, ValidationError

from floridify_batch.components.answer import wire_schema
from floridify_batch.components.antonyms import AntonymResponse
from floridify_batch.components.cefr_level import CEFRLevelResponse
from floridify_batch.components.definitions import FallbackDefinitionsResponse
from floridify_batch.components.domain import DomainIdentificationResponse
from floridify_batch.components.examples import ExampleGenerationResponse
from floridify_batch.components.frequency_band import FrequencyBandResponse
from floridify_batch.components.grammar_patterns import GrammarPatternResponse
from floridify_batch.components.regional_variants import RegionalVariantResponse
from floridify_batch.components.register import RegisterClassificationResponse
from floridify_batch.components.registry import RECIPES
from floridify_batch.components.synonyms import SynonymGenerationResponse
from floridify_batch.components.usage_notes import UsageNoteResponse
from floridify_batch.components.word_forms import WordFormResponse

ANSWERS: list[type[BaseModel]] = [recipe.answer for recipe in RECIPES.values()]


class Part(BaseModel):
    """A caller's model, written without regard to strict mode."""

    title: str = Field(description="two words at most", examples=["a bank"])
    length: int = 0
    within: list["Part"] = []


class Shape(BaseModel):
    """A caller's model with optional fields only."""

    kind: Literal["a", "b"] = "a"
    parts: list[Part] | None = None
    note: str | None = Field(None, max_length=9)


OWN: list[type[BaseModel]] = [Part, Shape]
NOT_ON_THE_WIRE = {"title", "description", "default", "examples", "maxLength", "minLength", "maxItems", "minItems"}


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every schema inside a schema; names of properties are not schemas."""
    if isinstance(schema, list):
        for each in schema:
            yield from nodes(each)
    elif isinstance(schema, dict):
        yield schema
        for key, below in schema.items():
            yield from nodes(list(below.values()) if key in ("properties", "$defs") else below)


@pytest.mark.parametrize("answer", [*ANSWERS, *OWN])
def test_strict(answer: type[BaseModel]) -> None:
    """Every schema is valid in strict mode: closed, and with every property required."""
    objects = [node for node in nodes(wire_schema(answer)) if node.get("type") == "object"]
    assert objects
    for node in objects:
        assert node["additionalProperties"] is False
        assert sorted(node["required"]) == sorted(node["properties"])


@pytest.mark.parametrize("answer", ANSWERS)
def test_nothing_superfluous(answer: type[BaseModel]) -> None:
    """Titles, descriptions and lengths are not sent, since they would be paid for with every request."""
    for node in nodes(wire_schema(answer)):
        assert not NOT_ON_THE_WIRE & node.keys()


@pytest.mark.parametrize("answer", [*ANSWERS, Shape])
def test_as_the_sdk_would_ask(answer: type[BaseModel]) -> None:
    """The schema is equivalent to the SDK's own strict schema of the same model."""

    def meaning(schema: Any) -> Any:
        if isinstance(schema, list):
            return [meaning(each) for each in schema]
        if not isinstance(schema, dict):
            return schema
        kept: dict[str, Any] = {}
        for key, value in schema.items():
            if key in ("properties", "$defs"):
                kept[key] = {name: meaning(each) for name, each in value.items()}
            elif key == "required":
                kept[key] = sorted(value)
            elif key not in NOT_ON_THE_WIRE:
                kept[key] = meaning(value)
        return kept

    assert meaning(wire_schema(answer)) == meaning(pydantic_function_tool(answer)["function"]["parameters"])


def test_a_model_that_contains_itself() -> None:
    """The schema of a tree has an object as its root, with all referenced definitions."""
    schema = wire_schema(Part)
    assert (schema["type"], list(schema["properties"])) == ("object", ["title", "length", "within"])
    assert schema["properties"]["within"]["items"] == {"$ref": "#/$defs/Part"}
    assert schema["properties"].keys() == schema["$defs"]["Part"]["properties"].keys()


def test_field_descriptions_are_sent() -> None:
    """The schema keeps the descriptions of a caller's fields and omits the docstring of its model."""
    schema = wire_schema(Part)
    assert schema["properties"]["title"] == {"type": "string", "description": "two words at most"}
    assert "description" not in schema


@pytest.mark.parametrize("answer", ANSWERS)
def test_order(answer: type[BaseModel]) -> None:
    """The reasoning comes first, where it helps the model, and the confidence last."""
    names = list(wire_schema(answer)["properties"])
    assert names[-1] == "confidence"
    assert "reasoning" not in names[1:]


def synonym(word: str = "glad", **more: Any) -> dict[str, Any]:
    return {"word": word, "language": "en", "relevance": 0.9, "efflorescence": 0.5, "explanation": "warmer"} | more


def sentences(*texts: str) -> ExampleGenerationResponse:
    return read(ExampleGenerationResponse, example_sentences=list(texts))


def read[A: BaseModel](answer: type[A], **fields: Any) -> A:
    return answer.model_validate_json(json.dumps({"confidence": 0.5} | fields))


def test_long_lists_are_clipped() -> None:
    """Surplus items of an answer are discarded, and the rest is used."""
    words = [f"word{number}" for number in range(20)]
    found = read(SynonymGenerationResponse, synonyms=[synonym(word) for word in words])
    assert [each.word for each in found.synonyms] == words[:15]
    assert len(read(AntonymResponse, antonyms=[synonym(word) for word in words]).antonyms) == 10
    assert sentences(*"abcdefg").example_sentences == list("abcde")


def test_a_fault_behind_the_limit_does_not_matter() -> None:
    """List items beyond the limit are not validated."""
    assert sentences("a", "b", "c", "d", "e", " ").example_sentences == list("abcde")


def test_long_texts_are_clipped() -> None:
    """Texts keep the lengths that the database allows."""
    found = read(SynonymGenerationResponse, synonyms=[synonym(explanation="x" * 300)])
    assert len(found.synonyms[0].explanation) == 100
    senses = [{"part_of_speech": "noun", "definition": "y" * 900, "relevancy": 1}]
    assert len(read(FallbackDefinitionsResponse, definitions=senses).definitions[0].definition) == 500


@pytest.mark.parametrize(("stated", "kept"), [(-1, 0.0), (0, 0.0), (0.25, 0.25), (1, 1.0), (95, 1.0), (1e308, 1.0)])
def test_shares_are_clamped(stated: float, kept: float) -> None:
    """A confidence of 95 is stored as 1: only the scale is wrong."""
    assert read(RegionalVariantResponse, regions=[], confidence=stated).confidence == kept


def test_not_a_number() -> None:
    """A confidence that is not a number is refused."""
    with pytest.raises(ValidationError, match="not a number"):
        read(RegionalVariantResponse, regions=[], confidence=float("nan"))


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        (CEFRLevelResponse, {"reasoning": "", "level": "D3"}),
        (CEFRLevelResponse, {"reasoning": "", "level": "a1"}),
        (FrequencyBandResponse, {"reasoning": "", "band": 0}),
        (FrequencyBandResponse, {"reasoning": "", "band": 6}),
        (RegisterClassificationResponse, {"reasoning": "", "register": "posh"}),
        (UsageNoteResponse, {"notes": [{"type": "style", "text": "x"}]}),
        (WordFormResponse, {"forms": [{"type": "dual", "text": "x"}]}),
        (GrammarPatternResponse, {"patterns": ["a", "b"], "descriptions": ["c"]}),
        (ExampleGenerationResponse, {"example_sentences": ["  "]}),
        (RegionalVariantResponse, {"regions": [], "surprise": 1}),
    ],
)
def test_values_that_the_database_could_not_read(answer: type[BaseModel], fields: dict[str, Any]) -> None:
    """A value outside its list is never stored, since the dictionary could not read the document."""
    with pytest.raises(ValidationError):
        read(answer, **fields)


def test_empty_answers() -> None:
    """An empty answer is valid if the component may be empty."""
    assert read(DomainIdentificationResponse, reasoning="", domain=None).domain is None
    assert read(AntonymResponse, antonyms=[]).antonyms == []
    assert read(FallbackDefinitionsResponse, definitions=[]).definitions == []


def test_texts_are_stripped() -> None:
    """White space around a word or sentence is removed."""
    assert sentences(" We met. \n").example_sentences == ["We met."]
