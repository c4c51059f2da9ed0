"""The component `frequency_band`: how common a sense is."""

from typing import Literal

from floridify_batch.components.answer import Answer
from floridify_batch.components.answer_shape import CERTAIN, LeanAnswer, without
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.recipe import DEFINED, DefinitionRecipe
from floridify_batch.costs.answer_length import LABEL_SPREAD
from floridify_batch.words.entry import Definition, Entry


class FrequencyBandResponse(Answer):
    """The frequency band of a sense, from 1 (commonest) to 5."""

    reasoning: str
    band: Literal[1, 2, 3, 4, 5]


def outcome(_: Entry, __: Definition, answer: FrequencyBandResponse, provenance: Provenance) -> Outcome:
    """The band, counted from the end from which the database counts."""
    return Outcome({"frequency_band": 6 - answer.band if provenance.rare_first else answer.band})


RECIPE = DefinitionRecipe(
    "frequency_band",
    FrequencyBandResponse,
    field="frequency_band",
    variables=("word", "part_of_speech", "definition", "other_senses"),
    outcome=outcome,
    output_tokens=45,
    stored_answer=LeanAnswer(without(FrequencyBandResponse, confidence=CERTAIN), 39),
    bare_answer=LeanAnswer(without(FrequencyBandResponse, confidence=CERTAIN, reasoning=""), 5),
    spread=LABEL_SPREAD,
    output_cap=600,
    needs=DEFINED,
    temperature=0.0,
    floridify_template="assess/frequency.md",
)
