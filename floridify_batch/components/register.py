"""The component `register`: the register of a sense."""

from typing import Literal

from pydantic import Field

from floridify_batch.components.answer import Answer, field_named_register
from floridify_batch.components.answer_shape import CERTAIN, LeanAnswer, without
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.recipe import DEFINED, DefinitionRecipe
from floridify_batch.costs.answer_length import LABEL_SPREAD
from floridify_batch.words.entry import Definition, Entry

with field_named_register():

    class RegisterClassificationResponse(Answer):
        """The register of a sense, with the reason for it."""

        reasoning: str
        register: Literal["formal", "informal", "neutral", "slang", "technical"] = Field()


def outcome(_: Entry, __: Definition, answer: RegisterClassificationResponse, ___: Provenance) -> Outcome:
    """The register, as a label."""
    return Outcome({"language_register": answer.register})


RECIPE = DefinitionRecipe(
    "register",
    RegisterClassificationResponse,
    field="language_register",
    variables=("word", "part_of_speech", "definition", "other_senses"),
    outcome=outcome,
    output_tokens=45,
    stored_answer=LeanAnswer(without(RegisterClassificationResponse, confidence=CERTAIN), 39),
    bare_answer=LeanAnswer(without(RegisterClassificationResponse, confidence=CERTAIN, reasoning=""), 5),
    spread=LABEL_SPREAD,
    output_cap=600,
    needs=DEFINED,
    temperature=0.0,
    floridify_template="assess/register.md",
)
