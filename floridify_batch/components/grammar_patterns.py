"""The component `grammar_patterns`: the constructions of a sense."""

from typing import Annotated, Any, Self

from pydantic import ValidationInfo, model_validator

from floridify_batch.components.answer import Answer, Item, Text, clip, kept, paired, requested_as, unpaired
from floridify_batch.components.answer_shape import CERTAIN, LeanAnswer, completed, without
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.item_count import CountScale
from floridify_batch.components.recipe import DEFINED, DefinitionRecipe
from floridify_batch.costs.answer_length import LIST_SPREAD
from floridify_batch.words.entry import Definition, Entry

MAX_ITEMS = 10


class GrammarPatternItem(Item):
    """A pattern such as `[Tn]`, with its description."""

    pattern: Text
    description: str


class GrammarPatternPairs(Answer):
    """The patterns of a sense, as they are requested: parallel lists could differ in length."""

    patterns: Annotated[list[GrammarPatternItem], kept(GrammarPatternItem), clip(MAX_ITEMS)]


_LEAN_PAIRS = without(GrammarPatternPairs, confidence=CERTAIN)


class GrammarPatternResponse(Answer):
    """Patterns such as `[Tn]`, each with its description at the same place of the second list."""

    patterns: Annotated[list[Text], clip(MAX_ITEMS)]
    descriptions: Annotated[list[str], clip(MAX_ITEMS)]

    @model_validator(mode="before")
    @classmethod
    def _unpair(cls, value: Any, info: ValidationInfo) -> Any:
        return unpaired(
            value, GrammarPatternPairs, {"pattern": "patterns", "description": "descriptions"}, info.context
        )

    @model_validator(mode="after")
    def _pair(self) -> Self:
        return paired(self, len(self.patterns), len(self.descriptions))

    __get_pydantic_json_schema__ = requested_as(GrammarPatternPairs)


class LeanGrammarPatternResponse(GrammarPatternResponse):
    """Patterns with their descriptions, without a confidence."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        return completed(value, confidence=CERTAIN)

    __get_pydantic_json_schema__ = requested_as(_LEAN_PAIRS)


def outcome(_: Entry, __: Definition, answer: GrammarPatternResponse, ___: Provenance) -> Outcome:
    """Patterns, each with its description, each once."""
    pairs = dict.fromkeys(zip(answer.patterns, answer.descriptions, strict=True))
    patterns = [{"pattern": pattern, "description": description} for pattern, description in pairs]
    return Outcome({"grammar_patterns": patterns})


RECIPE = DefinitionRecipe(
    "grammar_patterns",
    GrammarPatternResponse,
    field="grammar_patterns",
    variables=("word", "part_of_speech", "definition", "other_senses", "number"),
    outcome=outcome,
    output_tokens=60,
    stored_answer=LeanAnswer(LeanGrammarPatternResponse, 54),
    spread=LIST_SPREAD,
    output_cap=1000,
    count=2,
    max_count=MAX_ITEMS,
    scale=CountScale(1, 3, part_of_speech=True),
    needs=DEFINED,
    floridify_template="assess/grammar_patterns.md",
)
