"""The component `facts`: interesting facts about a word, each a document of its own."""

from typing import Annotated, Literal, Self

from pydantic import model_validator

from floridify_batch.components.answer import Answer, Text, clip, paired
from floridify_batch.components.change import Collection, Insert, Outcome, Provenance, Replaced
from floridify_batch.components.recipe import DEFINED, WordRecipe, is_defined
from floridify_batch.components.synthesis_entry import in_entry
from floridify_batch.costs.answer_length import LIST_SPREAD
from floridify_batch.words.entry import Entry

MAX_ITEMS = 5


class FactGenerationResponse(Answer):
    """Facts about a word, each with its category at the same place of the second list."""

    facts: Annotated[list[Text], clip(MAX_ITEMS)]
    categories: Annotated[list[Literal["etymology", "usage", "cultural", "linguistic", "historical"]], clip(MAX_ITEMS)]

    @model_validator(mode="after")
    def _pair(self) -> Self:
        return paired(self, len(self.facts), len(self.categories))


def outcome(entry: Entry, _: Entry, answer: FactGenerationResponse, provenance: Provenance) -> Outcome:
    """A document for each fact, and their ids in the synthesis entry."""
    info = provenance.model_info(answer.confidence)
    inserts = tuple(
        Insert(
            Collection.FACTS,
            provenance.derived_id(index),
            {"word_id": entry.word.id, "content": fact, "category": category, "model_info": info},
        )
        for index, (fact, category) in enumerate(zip(answer.facts, answer.categories, strict=True))
    )
    new = [insert.id for insert in inserts]
    if not provenance.replace:
        return in_entry(entry, provenance, {"fact_ids": [*entry.fact_ids, *new]}, inserts=inserts)
    replaced = Replaced(Collection.FACTS, entry.id, tuple(old for old in entry.fact_ids if old not in new))
    return in_entry(entry, provenance, {"fact_ids": new}, inserts=inserts, replaces=(replaced,))


RECIPE = WordRecipe(
    "facts",
    FactGenerationResponse,
    field="fact_ids",
    variables=("word", "definition=first_definition"),
    outcome=outcome,
    output_tokens=110,
    spread=LIST_SPREAD,
    output_cap=1500,
    count=3,
    max_count=MAX_ITEMS,
    needs=DEFINED,
    makes=Collection.FACTS,
    condition=is_defined,
    floridify_template="generate/facts.md",
)
