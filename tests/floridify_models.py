"""Strict models of Floridify's documents in the collections that we write: unknown fields are refused.

Beside Floridify's own fields there may be `synthesis` and `synthesis_digests`, where we note who answered a component
and what, and in an entry the lists of what was imported or copied into it, so that what a person removes stays away.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from bson import ObjectId
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _object_id(value: object) -> ObjectId:
    if not isinstance(value, ObjectId):
        raise ValueError("not an ObjectId")  # noqa: TRY004  pydantic takes a ValueError for an answer
    return value


Id = Annotated[ObjectId, BeforeValidator(_object_id)]
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Register = Literal["formal", "informal", "neutral", "slang", "technical"]
FormType = Literal["plural", "past", "past_participle", "present_participle", "comparative", "superlative", "variant"]
Stamps = dict[str, Id]
"""By component, the document that says who answered it."""


class Part(BaseModel):
    """A part of a document."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)


class Document(Part):
    """The fields of every document."""

    id: Id = Field(alias="_id")
    created_at: datetime
    updated_at: datetime
    version: int = Field(ge=1)


class ModelInfo(Part):
    """The model that generated a value."""

    name: str = Field(min_length=1)
    confidence: Share
    temperature: Annotated[float, Field(ge=0, le=2)]
    generation_count: int = Field(ge=1)
    prompt_tokens: int | None = Field(ge=0)
    completion_tokens: int | None = Field(ge=0)
    total_tokens: int | None = Field(ge=0)
    response_time_ms: int | None
    last_generated: datetime


class Word(Document):
    """`words`."""

    text: Name
    normalized: Name
    lemma: Name
    languages: list[str] = Field(min_length=1)
    homograph_number: int | None = None
    synthesis: Stamps = {}
    synthesis_digests: dict[str, str] = {}


class MeaningCluster(Part):
    """The meaning that a definition belongs to."""

    id: str
    slug: str
    name: str
    description: str
    order: int
    relevance: Share


class GrammarPattern(Part):
    """A pattern such as `[Tn]`."""

    pattern: str
    description: str


class Collocation(Part):
    """A phrase that the word is often met in."""

    text: str
    type: str
    frequency: Share


class UsageNote(Part):
    """Advice on using the word."""

    type: Literal["grammar", "confusion", "regional", "register", "error"]
    text: str


class WordForm(Part):
    """An inflected form."""

    form_type: FormType
    text: str


class SourceReference(Part):
    """An entry of a source, with the definitions in it that a synthesised one was made from."""

    provider: str
    entry_id: Id
    entry_version: str
    definition_ids: list[Id]
    license: str | None


class Definition(Document):
    """`definitions`."""

    word_id: Id
    part_of_speech: str = Field(min_length=1)
    text: str = Field(min_length=1, max_length=5000)
    meaning_cluster: MeaningCluster | None
    synonyms: list[Name] = Field(max_length=50)
    antonyms: list[Name] = Field(max_length=50)
    cognates: list[Name] = Field([], max_length=20)
    example_ids: list[Id] = Field(max_length=50)
    cefr_level: Literal["A1", "A2", "B1", "B2", "C1", "C2"] | None
    frequency_band: Annotated[int, Field(ge=1, le=5)] | None
    language_register: Register | None
    domain: Name | None
    region: Name | None
    grammar_patterns: list[GrammarPattern]
    collocations: list[Collocation]
    usage_notes: list[UsageNote]
    word_forms: list[WordForm]
    dictionary_entry_id: Id | None
    providers: list[str]
    source_definitions: list[SourceReference]
    model_info: ModelInfo | None
    synthesis: Stamps = {}
    synthesis_digests: dict[str, str] = {}


class Etymology(Part):
    """The origin of a word."""

    text: str = Field(min_length=1)
    origin_language: str | None
    root_words: list[str]
    first_known_use: str | None
    model_info: ModelInfo | None = None


class Distinction(Part):
    """The distinction between a synonym and its word."""

    word: Name
    distinction: str = Field(max_length=200)


class SynonymChooser(Part):
    """An essay on the choice between synonyms."""

    essay: str = Field(min_length=1, max_length=2000)
    synonyms_compared: list[Distinction] = Field(max_length=8)
    model_info: ModelInfo


class Phrase(Part):
    """A phrase with the word in it."""

    phrase: str = Field(min_length=1)
    meaning: str = Field(min_length=1, max_length=300)
    example: str | None
    usage_register: str | None


class Entry(Document):
    """`dictionary_entries`."""

    word_id: Id
    definition_ids: list[Id] = Field(min_length=1)
    pronunciation_id: Id | None
    fact_ids: list[Id]
    provider: Literal["synthesis", "wiktionary"]
    languages: list[str] = Field(min_length=1)
    etymology: Etymology | None
    raw_data: Any
    synonym_chooser: SynonymChooser | None
    phrases: list[Phrase] = Field(max_length=30)
    source_entries: list[SourceReference]
    model_info: ModelInfo | None
    synthesis: Stamps = {}
    synthesis_digests: dict[str, str] = {}
    imported_definitions: list[Id] = []
    imported_fields: list[Literal["etymology", "pronunciation"]] = []
    copied_fields: list[Literal["etymology"]] = []


class Example(Document):
    """`examples`."""

    synthesis_digests: dict[str, str] = {}
    definition_id: Id
    text: str = Field(min_length=1)
    type: Literal["generated"]
    model_info: ModelInfo


class Fact(Document):
    """`facts`."""

    synthesis_digests: dict[str, str] = {}
    word_id: Id
    content: str = Field(min_length=1)
    category: Literal["etymology", "usage", "cultural", "linguistic", "historical"]
    model_info: ModelInfo | None


class Pronunciation(Document):
    """`pronunciations`."""

    word_id: Id
    phonetic: str = Field(min_length=1)
    ipa: str = Field(min_length=1)
    model_info: ModelInfo | None = None
    synthesis: Stamps = {}
    synthesis_digests: dict[str, str] = {}


class Stamp(Document):
    """`synthesis_stamps`, which is ours alone."""

    run: str = Field(min_length=1)
    batch_id: str = Field(min_length=1)
    batch_created: datetime
    model: str = Field(min_length=1)
    template: str = Field(min_length=1)
    mode: Literal["batch", "immediate"]
    component: str | None = None
    scale: Literal["common-first", "rare-first"] | None = None
    shape: Literal["full", "stored", "bare"] | None = None
    answers: int | None = Field(default=None, ge=1)
    output: int | None = Field(default=None, ge=0)


class RunProgress(Document):
    """`batch_synth`, which is ours alone."""

    run: str = Field(min_length=1)
    stored_answers: int = Field(ge=0)
    updated_at: datetime | None = None  # type: ignore[assignment]


COLLECTIONS: Mapping[str, type[Document]] = {
    "words": Word,
    "definitions": Definition,
    "dictionary_entries": Entry,
    "examples": Example,
    "facts": Fact,
    "pronunciations": Pronunciation,
    "synthesis_stamps": Stamp,
    "batch_synth": RunProgress,
}
"""Every collection that may be in a database after a run, with what its documents are."""
