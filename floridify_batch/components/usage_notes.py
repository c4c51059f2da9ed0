"""The component `usage_notes`: advice on the use of a sense."""

from typing import Annotated, Literal

from floridify_batch.components.answer import Answer, Item, Text, clip, distinct, kept
from floridify_batch.components.answer_shape import CERTAIN, LeanAnswer, without
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.item_count import CountScale
from floridify_batch.components.recipe import DEFINED, DefinitionRecipe
from floridify_batch.costs.answer_length import LIST_SPREAD
from floridify_batch.words.entry import Definition, Entry

MAX_ITEMS = 5


class UsageNoteItem(Item):
    """A usage note."""

    type: Literal["grammar", "confusion", "regional", "register", "error"]
    text: Text


class UsageNoteResponse(Answer):
    """The usage notes of a sense."""

    notes: Annotated[list[UsageNoteItem], kept(UsageNoteItem), clip(MAX_ITEMS)]


def outcome(_: Entry, __: Definition, answer: UsageNoteResponse, ___: Provenance) -> Outcome:
    """The notes, each once."""
    return Outcome({"usage_notes": [note.model_dump() for note in distinct(answer.notes, lambda note: note.text)]})


RECIPE = DefinitionRecipe(
    "usage_notes",
    UsageNoteResponse,
    field="usage_notes",
    variables=("word", "part_of_speech", "definition", "other_senses", "number"),
    outcome=outcome,
    output_tokens=90,
    stored_answer=LeanAnswer(without(UsageNoteResponse, confidence=CERTAIN), 84),
    spread=LIST_SPREAD,
    output_cap=1000,
    count=2,
    max_count=MAX_ITEMS,
    scale=CountScale(1, 3, language=True),
    needs=DEFINED,
    floridify_template="misc/usage_note_generation.md",
)
