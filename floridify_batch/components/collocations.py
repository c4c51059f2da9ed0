"""The component `collocations`: the habitual word combinations of a sense."""

from typing import Annotated

from floridify_batch.components.answer import Answer, Item, Share, Term, clip, distinct, kept
from floridify_batch.components.answer_shape import CERTAIN, LeanAnswer, without
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.item_count import CountScale
from floridify_batch.components.label import CollocationType
from floridify_batch.components.recipe import DEFINED, DefinitionRecipe
from floridify_batch.costs.answer_length import LIST_SPREAD
from floridify_batch.words.entry import Definition, Entry

MAX_ITEMS = 10


class CollocationItem(Item):
    """A collocation; `frequency` is its share among the collocations of the word."""

    type: CollocationType
    phrase: Term
    frequency: Share


class CollocationResponse(Answer):
    """The collocations of a sense."""

    collocations: Annotated[list[CollocationItem], kept(CollocationItem), clip(MAX_ITEMS)]


def outcome(_: Entry, __: Definition, answer: CollocationResponse, ___: Provenance) -> Outcome:
    """Collocations, each once, under the database's names."""
    items = distinct(answer.collocations, lambda item: item.phrase.casefold())
    listed = [{"text": item.phrase, "type": item.type, "frequency": item.frequency} for item in items]
    return Outcome({"collocations": listed})


RECIPE = DefinitionRecipe(
    "collocations",
    CollocationResponse,
    field="collocations",
    variables=("word", "part_of_speech", "definition", "other_senses", "number"),
    outcome=outcome,
    output_tokens=110,
    stored_answer=LeanAnswer(without(CollocationResponse, confidence=CERTAIN), 104),
    spread=LIST_SPREAD,
    output_cap=1000,
    count=4,
    max_count=MAX_ITEMS,
    scale=CountScale(2, 8, language=True, senses=True, part_of_speech=True),
    needs=DEFINED,
    floridify_template="assess/collocations.md",
)
