"""The component `cefr_level`: the level at which learners meet a sense."""

from typing import Literal

from floridify_batch.components.answer import Answer
from floridify_batch.components.answer_shape import CERTAIN, LeanAnswer, without
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.recipe import DEFINED, DefinitionRecipe
from floridify_batch.costs.answer_length import LABEL_SPREAD
from floridify_batch.words.entry import Definition, Entry


class CEFRLevelResponse(Answer):
    """The CEFR level of a sense, with the reason for it; None for a sense that learners are not taught."""

    reasoning: str
    level: Literal["A1", "A2", "B1", "B2", "C1", "C2"] | None


def outcome(_: Entry, __: Definition, answer: CEFRLevelResponse, ___: Provenance) -> Outcome:
    """The level, as a label."""
    return Outcome({"cefr_level": answer.level})


RECIPE = DefinitionRecipe(
    "cefr_level",
    CEFRLevelResponse,
    field="cefr_level",
    variables=("word", "part_of_speech", "definition", "other_senses"),
    outcome=outcome,
    output_tokens=45,
    stored_answer=LeanAnswer(without(CEFRLevelResponse, confidence=CERTAIN), 39),
    bare_answer=LeanAnswer(without(CEFRLevelResponse, confidence=CERTAIN, reasoning=""), 6),
    spread=LABEL_SPREAD,
    output_cap=600,
    needs=DEFINED,
    temperature=0.0,
    floridify_template="assess/cefr.md",
)
