"""The shape of every answer: one pydantic model per component, each of which is also the schema on the wire.

The service is asked for these shapes in strict mode, so every field is required and nothing else is allowed. Limits
that a dictionary puts on lists and texts are kept on receipt, by clipping: they are not in the schema, since schemas
are billed as input with every request. Where an answer has a `reasoning`, it comes first: it is of use to the model
only while the verdict is not yet written. What no clipping can mend (a CEFR level "D3") is refused: an answer is either
fit to be stored or it is a failure.
"""

import warnings
from math import isnan
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _clip(length: int) -> BeforeValidator:
    """Keeps the first `length` characters of a text or items of a list."""
    return BeforeValidator(lambda value: value[:length] if isinstance(value, str | list) else value)


def _within(low: float, high: float) -> AfterValidator:
    def clamp(value: float) -> float:
        if isnan(value):  # NaN has no place in a dictionary, and no clamped value would be honest
            raise ValueError("not a number")
        return min(high, max(low, value))

    return AfterValidator(clamp)


def _not_blank(value: str) -> str:
    stripped = value.strip()
    if not stripped:
        raise ValueError("the text is empty")
    return stripped


Share = Annotated[float, _within(0.0, 1.0)]
"""A number from 0 to 1; what lies outside is moved to the nearer end."""

Text = Annotated[str, AfterValidator(_not_blank)]
"""A text that says something: stripped, and refused when nothing is left."""


class Answer(BaseModel):
    """What the model returns for one request."""

    model_config = ConfigDict(extra="forbid")

    confidence: Share


class Item(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid")


class SynonymCandidate(Item):
    """A synonym or an antonym, possibly of another language."""

    word: Text
    language: str
    relevance: Share
    efflorescence: Share
    explanation: Annotated[str, _clip(100)]


class SynonymGenerationResponse(Answer):
    """Words of the same meaning, best first."""

    synonyms: Annotated[list[SynonymCandidate], _clip(15)]


class AntonymResponse(Answer):
    """Words of the opposite meaning, best first."""

    antonyms: Annotated[list[SynonymCandidate], _clip(10)]


class ExampleGenerationResponse(Answer):
    """Sentences that show the word in this sense."""

    example_sentences: Annotated[list[Text], _clip(5)]


class CEFRLevelResponse(Answer):
    """The level at which a learner meets this sense."""

    reasoning: str
    level: Literal["A1", "A2", "B1", "B2", "C1", "C2"]


class FrequencyBandResponse(Answer):
    """How common this sense is, from 1 to 5."""

    reasoning: str
    band: Literal[1, 2, 3, 4, 5]


with warnings.catch_warnings():
    # Callers know this field by its name. It hides only `ABCMeta.register`, which no answer model is used with.
    warnings.filterwarnings("ignore", message='Field name "register"', category=UserWarning)

    class RegisterClassificationResponse(Answer):
        """The register that this sense belongs to."""

        reasoning: str
        register: Literal["formal", "informal", "neutral", "slang", "technical"] = Field()


class DomainIdentificationResponse(Answer):
    """The field that this sense belongs to; none for general language."""

    reasoning: str
    domain: Text | None


class GrammarPatternResponse(Answer):
    """Patterns such as `[Tn]`, and beside each what it means."""

    patterns: Annotated[list[Text], _clip(10)]
    descriptions: Annotated[list[str], _clip(10)]

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if len(self.patterns) != len(self.descriptions):
            raise ValueError(f"{len(self.patterns)} patterns, but {len(self.descriptions)} descriptions")
        return self


class CollocationItem(Item):
    """A phrase that the word is often met in."""

    type: Text
    phrase: Text
    frequency: Share


class CollocationResponse(Answer):
    """The phrases that this sense is often met in."""

    collocations: Annotated[list[CollocationItem], _clip(10)]


class UsageNoteItem(Item):
    """One piece of advice on using the word."""

    type: Literal["grammar", "confusion", "regional", "register", "error"]
    text: Text


class UsageNoteResponse(Answer):
    """Advice on using the word in this sense."""

    notes: Annotated[list[UsageNoteItem], _clip(5)]


class RegionalVariantResponse(Answer):
    """Where this sense is at home; empty for everywhere."""

    regions: Annotated[list[Text], _clip(10)]


class WordFormItem(Item):
    """One inflected form."""

    type: Literal["plural", "past", "past_participle", "present_participle", "comparative", "superlative", "variant"]
    text: Text


class WordFormResponse(Answer):
    """The inflected forms of the word as this part of speech."""

    forms: list[WordFormItem]


class FallbackDefinition(Item):
    """One sense of a word that no dictionary at hand defines."""

    part_of_speech: Text
    definition: Annotated[Text, _clip(500)]
    relevancy: Share


class FallbackDefinitionsResponse(Answer):
    """The senses of a word, commonest first; empty when it is no word of the language."""

    definitions: Annotated[list[FallbackDefinition], _clip(10)]


def wire_schema(answer: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema that goes with a request, in the service's strict form.

    Titles, descriptions and limits that are kept on receipt are left out: all of it is billed with every request.
    """
    schema: dict[str, Any] = _strip(answer.model_json_schema())
    # A model writes the fields in this order, and judges its confidence better after the answer than before it.
    order = sorted(schema["required"], key=lambda name: name == "confidence")
    schema["properties"] = {name: schema["properties"][name] for name in order}
    return schema | {"required": order}


_NOT_ON_THE_WIRE = frozenset({"title", "description", "default", "maxLength", "minLength"})


def _strip(node: Any) -> Any:
    if isinstance(node, list):
        return [_strip(item) for item in node]
    if not isinstance(node, dict):
        return node
    stripped = {}
    for key, value in node.items():
        if key in ("properties", "$defs"):
            stripped[key] = {name: _strip(below) for name, below in value.items()}
        elif key not in _NOT_ON_THE_WIRE:
            stripped[key] = _strip(value)
    return stripped
