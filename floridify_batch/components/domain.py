"""The component `domain`: the subject field of a sense."""

from floridify_batch.components.answer import Answer
from floridify_batch.components.answer_shape import CERTAIN, LeanAnswer, without
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.label import Domain
from floridify_batch.components.recipe import DEFINED, DefinitionRecipe
from floridify_batch.costs.answer_length import LABEL_SPREAD
from floridify_batch.words.entry import Definition, Entry


class DomainIdentificationResponse(Answer):
    """The subject field of a sense; None for general language."""

    reasoning: str
    domain: Domain


def outcome(_: Entry, __: Definition, answer: DomainIdentificationResponse, ___: Provenance) -> Outcome:
    """The domain, as a label."""
    return Outcome({"domain": answer.domain})


RECIPE = DefinitionRecipe(
    "domain",
    DomainIdentificationResponse,
    field="domain",
    variables=("word", "part_of_speech", "definition", "other_senses"),
    outcome=outcome,
    output_tokens=45,
    stored_answer=LeanAnswer(without(DomainIdentificationResponse, confidence=CERTAIN), 39),
    bare_answer=LeanAnswer(without(DomainIdentificationResponse, confidence=CERTAIN, reasoning=""), 5),
    spread=LABEL_SPREAD,
    output_cap=600,
    needs=DEFINED,
    temperature=0.0,
    floridify_template="assess/domain.md",
)
