"""The component `facts`: interesting facts about a word, each stored as a separate document."""

from typing import Annotated, Any, Literal, Self

from pydantic import ValidationInfo, model_validator

from floridify_batch.components.answer import Answer, Item, Text, clip, kept, paired, requested_as, unpaired
from floridify_batch.components.change import Collection, Insert, Outcome, Provenance, Replaced
from floridify_batch.components.recipe import DEFINED, WordRecipe, is_defined
from floridify_batch.components.synthesis_entry import in_entry
from floridify_batch.costs.answer_length import LIST_SPREAD
from floridify_batch.words.entry import Entry

MAX_ITEMS = 5


Category = Literal["etymology", "usage", "cultural", "linguistic", "historical"]


class FactItem(Item):
    """A fact with its category."""

    fact: Text
    category: Category


class FactPairs(Answer):
    """Facts about a word, as they are requested: parallel lists could differ in length."""

    facts: Annotated[list[FactItem], kept(FactItem), clip(MAX_ITEMS)]


class FactGenerationResponse(Answer):
    """Facts about a word, each with its category at the same place of the second list."""

    facts: Annotated[list[Text], clip(MAX_ITEMS)]
    categories: Annotated[list[Category], clip(MAX_ITEMS)]

    @model_validator(mode="before")
    @classmethod
    def _unpair(cls, value: Any, info: ValidationInfo) -> Any:
        return unpaired(value, FactPairs, {"fact": "facts", "category": "categories"}, info.context)

    @model_validator(mode="after")
    def _pair(self) -> Self:
        return paired(self, len(self.facts), len(self.categories))

    __get_pydantic_json_schema__ = requested_as(FactPairs)


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
        return in_entry(entry, {"fact_ids": [*entry.fact_ids, *new]}, inserts=inserts)
    before = tuple(old for old in entry.fact_ids if old not in new)
    replaced = Replaced(Collection.FACTS, entry.id, before, provenance.replace_edited)
    return in_entry(entry, {"fact_ids": new}, inserts=inserts, replaces=(replaced,))


RECIPE = WordRecipe(
    "facts",
    FactGenerationResponse,
    field="fact_ids",
    variables=("word", "part_of_speech=first_part_of_speech", "definition=first_definition"),
    outcome=outcome,
    output_tokens=110,
    spread=LIST_SPREAD,
    output_cap=1500,
    count=3,  # Floridify computes 2 or 3 by the number of senses, and its connector requests at least 3
    max_count=MAX_ITEMS,
    needs=DEFINED,
    makes=Collection.FACTS,
    condition=is_defined,
    floridify_template="generate/facts.md",
)
