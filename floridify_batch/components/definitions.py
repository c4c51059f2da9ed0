"""The component `definitions`: the senses of a word without stored definitions."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from floridify_batch.components.answer import Answer, Item, Share, Statement, clip, kept
from floridify_batch.components.answer_shape import CERTAIN, LeanAnswer, without
from floridify_batch.components.change import Collection, Insert, Outcome, Provenance
from floridify_batch.components.label import PartOfSpeech
from floridify_batch.components.recipe import WordRecipe, is_defined
from floridify_batch.components.synthesis_entry import in_entry, new_definition
from floridify_batch.costs.answer_length import Spread
from floridify_batch.words.entry import Entry

MAX_ITEMS = 10


class FallbackDefinition(Item):
    """The definition of a sense."""

    part_of_speech: PartOfSpeech
    definition: Annotated[Statement, clip(500)]
    relevancy: Share


class FallbackDefinitionsResponse(Answer):
    """The definitions of a word, commonest sense first; none for a word that the language does not have."""

    definitions: Annotated[list[FallbackDefinition], kept(FallbackDefinition), clip(MAX_ITEMS)]


_LeanDefinition = without(FallbackDefinition, relevancy=CERTAIN)


class LeanFallbackDefinitionsResponse(FallbackDefinitionsResponse):
    """The definitions of a word, commonest sense first, without a measure of that."""

    definitions: Annotated[list[_LeanDefinition], kept(_LeanDefinition), clip(MAX_ITEMS)]  # type: ignore[valid-type]


def outcome(entry: Entry, _: Entry, answer: FallbackDefinitionsResponse, provenance: Provenance) -> Outcome:
    """New definitions, in the synthesis entry."""
    if not answer.definitions:
        return Outcome({})
    info = {"model_info": provenance.model_info(answer.confidence)}
    inserts = tuple(
        Insert(
            Collection.DEFINITIONS,
            provenance.derived_id(index),
            new_definition(entry, item.part_of_speech, item.definition) | info,
        )
        for index, item in enumerate(answer.definitions)
    )
    ids = tuple(insert.id for insert in inserts)
    return in_entry(entry, {}, inserts=inserts, adds={"definition_ids": ids})


@dataclass(frozen=True, slots=True)
class FallbackRecipe(WordRecipe[FallbackDefinitionsResponse]):
    """The recipe of definitions for a word without any that has a text.

    A homograph without definitions gets none while another one has some: the model would define the spelling.
    """

    def targets(self, entry: Entry) -> Iterable[Entry]:
        """The entry, unless one of its homographs is defined and it is not."""
        return () if entry.sibling_defined and not is_defined(entry) else (entry,)

    def stored(self, entry: Entry, target: Entry) -> bool:  # noqa: ARG002  the entry is the target
        """Whether the word has a definition with a text."""
        return is_defined(entry)


RECIPE = FallbackRecipe(
    "definitions",
    FallbackDefinitionsResponse,
    field="definitions",
    variables=("word",),
    outcome=outcome,
    output_tokens=160,
    stored_answer=LeanAnswer(LeanFallbackDefinitionsResponse, 128),
    spread=Spread(0.5, 2.0),
    output_cap=3000,
    count=6,
    max_count=MAX_ITEMS,
    structural=True,
    floridify_template="misc/lookup.md",
)
