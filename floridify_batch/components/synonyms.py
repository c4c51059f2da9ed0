"""The component `synonyms`: words of the same meaning, and the cognates of other languages among them."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic.json_schema import SkipJsonSchema

from floridify_batch.components.answer import Answer, Item, Share, Term, clip, divided, kept
from floridify_batch.components.answer_shape import CERTAIN, LeanAnswer
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.item_count import CountScale
from floridify_batch.components.recipe import DEFINED, DefinitionRecipe
from floridify_batch.costs.answer_length import LIST_SPREAD
from floridify_batch.words.entry import Definition, Entry
from floridify_batch.words.language import UNDETERMINED, primary_language

MAX_ITEMS = 15
MAX_SYNONYMS = 50
MAX_COGNATES = 20


class SynonymCandidate(Item):
    """A synonym or an antonym, possibly of another language."""

    word: Term
    language: str
    relevance: Share
    efflorescence: Share
    explanation: Annotated[str, clip(100)]


class SynonymGenerationResponse(Answer):
    """The synonyms of a sense, best first."""

    synonyms: Annotated[list[SynonymCandidate], kept(SynonymCandidate), clip(MAX_ITEMS), divided("word")]


def _candidate(language: str) -> BeforeValidator:
    """Read a word alone as a candidate of this language; none states that of the headword."""

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return {
            "word": value,
            "language": language,
            "relevance": CERTAIN,
            "efflorescence": CERTAIN,
            "explanation": "",
        }

    return BeforeValidator(read)


OwnWord = Annotated[SynonymCandidate, _candidate(""), WithJsonSchema({"type": "string"})]
"""A candidate of the headword's language, requested as a word alone."""

_ForeignWord = Annotated[SynonymCandidate, _candidate(UNDETERMINED), WithJsonSchema({"type": "string"})]


_ForeignWords = Annotated[list[_ForeignWord], kept(_ForeignWord), clip(MAX_ITEMS), divided("word")]


class LeanSynonymGenerationResponse(SynonymGenerationResponse):
    """The synonyms of a sense as they are stored: words of its language, and words of others."""

    synonyms: Annotated[list[OwnWord], kept(OwnWord), clip(MAX_ITEMS), divided("word")]
    cognates: _ForeignWords = Field(default_factory=list)
    confidence: SkipJsonSchema[Share] = CERTAIN

    @model_validator(mode="after")
    def _join(self) -> Self:
        # A word of both lists is no cognate: neither states a language.
        own = {each.word.casefold() for each in self.synonyms}
        self.synonyms.extend(each for each in self.cognates if each.word.casefold() not in own)
        return self


def outcome(entry: Entry, definition: Definition, answer: SynonymGenerationResponse, provenance: Provenance) -> Outcome:
    """Synonyms of the entry's language join the definition's list; those of other languages are its cognates.

    A list of cognates that is there is of a person or a source, and stays as it is.
    """
    own, foreign = divided_by_language(entry, answer.synonyms, provenance)
    before = [] if provenance.replace else definition.synonyms
    fields: dict[str, Any] = {"synonyms": merged_words(before, own, MAX_SYNONYMS)}
    if provenance.replace or (foreign and not definition.cognates):
        fields["cognates"] = merged_words((), foreign, MAX_COGNATES)
    return Outcome(fields)


def divided_by_language(
    entry: Entry, candidates: Sequence[SynonymCandidate], provenance: Provenance
) -> tuple[list[str], list[str]]:
    """The candidates of the entry's language and those of other languages, without the headword."""
    headword = entry.word.text.casefold()
    own: list[str] = []
    foreign: list[str] = []
    for candidate in candidates:
        if candidate.word.casefold() != headword:
            (own if is_own_language(candidate, provenance.language) else foreign).append(candidate.word)
    return own, foreign


def is_own_language(candidate: SynonymCandidate, language: str) -> bool:
    """Whether a candidate is of the language of the words."""
    stated = candidate.language.strip()
    return not stated or primary_language(stated) == primary_language(language)


def merged_words(before: Iterable[str], new: Iterable[str], limit: int) -> list[str]:
    """The first `limit` of the old and the new words, without duplicates (in any capitalisation)."""
    distinct: dict[str, str] = {}
    for text in (*before, *new):
        distinct.setdefault(text.casefold(), text)
    return list(distinct.values())[:limit]


RECIPE = DefinitionRecipe(
    "synonyms",
    SynonymGenerationResponse,
    field="synonyms",
    variables=("word", "part_of_speech", "definition", "other_senses", "existing_synonyms", "number"),
    outcome=outcome,
    output_tokens=230,
    stored_answer=LeanAnswer(LeanSynonymGenerationResponse, 30),
    spread=LIST_SPREAD,
    output_cap=2000,
    count=5,
    max_count=MAX_ITEMS,
    scale=CountScale(2, 12, language=True, senses=True, part_of_speech=True),
    needs=DEFINED,
    also=("cognates",),
    floridify_template="synthesize/synonyms.md",
)
