"""The component `antonyms`: words of the opposite meaning."""

from typing import Annotated

from pydantic.json_schema import SkipJsonSchema

from floridify_batch.components.answer import Answer, Share, clip, divided, kept
from floridify_batch.components.answer_shape import CERTAIN, LeanAnswer
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.item_count import CountScale
from floridify_batch.components.recipe import DEFINED, DefinitionRecipe
from floridify_batch.components.synonyms import (
    OwnWord,
    SynonymCandidate,
    divided_by_language,
    is_own_language,
    merged_words,
)
from floridify_batch.costs.answer_length import Spread
from floridify_batch.words.entry import Definition, Entry

MAX_ITEMS = 10
MAX_ANTONYMS = 50


class AntonymResponse(Answer):
    """The antonyms of a sense, best first."""

    antonyms: Annotated[list[SynonymCandidate], kept(SynonymCandidate), clip(MAX_ITEMS), divided("word")]


class LeanAntonymResponse(AntonymResponse):
    """The antonyms of a sense as they are stored: words of its language."""

    antonyms: Annotated[list[OwnWord], kept(OwnWord), clip(MAX_ITEMS), divided("word")]
    confidence: SkipJsonSchema[Share] = CERTAIN


def outcome(entry: Entry, definition: Definition, answer: AntonymResponse, provenance: Provenance) -> Outcome:
    """Antonyms of the entry's language join the definition's list; those of other languages are dropped."""
    own, _ = divided_by_language(entry, answer.antonyms, provenance)
    before = [] if provenance.replace else definition.antonyms
    return Outcome({"antonyms": merged_words(before, own, MAX_ANTONYMS)})


def ignored(answer: AntonymResponse, language: str) -> int:
    """The antonyms of other languages: an entry has no place for them."""
    return sum(not is_own_language(each, language) for each in answer.antonyms)


RECIPE = DefinitionRecipe(
    "antonyms",
    AntonymResponse,
    field="antonyms",
    variables=("word", "part_of_speech", "definition", "other_senses", "existing_antonyms", "number"),
    outcome=outcome,
    ignored=ignored,
    output_tokens=120,
    stored_answer=LeanAnswer(LeanAntonymResponse, 12),
    spread=Spread(0.5, 1.6),
    output_cap=2000,
    count=3,
    max_count=MAX_ITEMS,
    scale=CountScale(1, 8, language=True, senses=True, part_of_speech=True),
    needs=DEFINED,
    floridify_template="synthesize/antonyms.md",
)
