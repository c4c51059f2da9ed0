"""The component `examples`: example sentences of a sense, each stored as a separate document."""

from typing import Annotated

from floridify_batch.components.answer import Answer, Text, clip, kept
from floridify_batch.components.change import Collection, Insert, Outcome, Provenance, Replaced
from floridify_batch.components.item_count import CountScale
from floridify_batch.components.recipe import DEFINED, DefinitionRecipe
from floridify_batch.costs.answer_length import Spread
from floridify_batch.words.entry import Definition, Entry

MAX_ITEMS = 5
MAX_EXAMPLES = 50


class ExampleGenerationResponse(Answer):
    """Example sentences of a sense."""

    example_sentences: Annotated[list[Text], kept(Text), clip(MAX_ITEMS)]


def outcome(_: Entry, definition: Definition, answer: ExampleGenerationResponse, provenance: Provenance) -> Outcome:
    """A document for each sentence, and their ids in the definition."""
    info = provenance.model_info(answer.confidence)
    inserts = tuple(
        Insert(
            Collection.EXAMPLES,
            provenance.derived_id(index),
            {
                "definition_id": definition.id,
                "text": sentence,
                "type": "generated",
                "model_info": info,
            },
        )
        for index, sentence in enumerate(answer.example_sentences)
    )
    new = [insert.id for insert in inserts]
    if not provenance.replace:
        room = max(0, MAX_EXAMPLES - len(definition.example_ids))
        return Outcome({"example_ids": [*definition.example_ids, *new[:room]]}, inserts[:room])
    before = tuple(old for old in definition.example_ids if old not in new)
    replaced = Replaced(Collection.EXAMPLES, definition.id, before, provenance.replace_edited)
    return Outcome({"example_ids": new}, inserts, replaces=(replaced,))


RECIPE = DefinitionRecipe(
    "examples",
    ExampleGenerationResponse,
    field="example_ids",
    variables=("word", "part_of_speech", "definition", "other_senses", "number"),
    outcome=outcome,
    output_tokens=55,
    spread=Spread(0.7, 1.4),
    output_cap=1000,
    count=2,
    max_count=MAX_ITEMS,
    scale=CountScale(1, 4, language=True),
    needs=DEFINED,
    makes=Collection.EXAMPLES,
    floridify_template="generate/examples.md",
)
