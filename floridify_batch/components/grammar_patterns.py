"""The component `grammar_patterns`: the constructions of a sense."""

from typing import Annotated, Self

from pydantic import model_validator

from floridify_batch.components.answer import Answer, Text, clip, paired
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.recipe import DEFINED, DefinitionRecipe
from floridify_batch.costs.answer_length import LIST_SPREAD
from floridify_batch.words.entry import Definition, Entry

MAX_ITEMS = 10


class GrammarPatternResponse(Answer):
    """Patterns such as `[Tn]`, each with its description at the same place of the second list."""

    patterns: Annotated[list[Text], clip(MAX_ITEMS)]
    descriptions: Annotated[list[str], clip(MAX_ITEMS)]

    @model_validator(mode="after")
    def _pair(self) -> Self:
        return paired(self, len(self.patterns), len(self.descriptions))


def outcome(_: Entry, __: Definition, answer: GrammarPatternResponse, ___: Provenance) -> Outcome:
    """Patterns, each with its description."""
    pairs = zip(answer.patterns, answer.descriptions, strict=True)
    patterns = [{"pattern": pattern, "description": description} for pattern, description in pairs]
    return Outcome({"grammar_patterns": patterns})


RECIPE = DefinitionRecipe(
    "grammar_patterns",
    GrammarPatternResponse,
    field="grammar_patterns",
    variables=("word", "part_of_speech", "definition"),
    outcome=outcome,
    output_tokens=60,
    spread=LIST_SPREAD,
    output_cap=1000,
    count=2,
    max_count=MAX_ITEMS,
    needs=DEFINED,
    floridify_template="assess/grammar_patterns.md",
)
