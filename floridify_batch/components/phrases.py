"""The component `phrases`: the fixed expressions that contain a word."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from floridify_batch.components.answer import (
    Answer,
    Item,
    OptionalText,
    Term,
    Text,
    clip,
    distinct,
    field_named_register,
    kept,
)
from floridify_batch.components.answer_shape import CERTAIN, LeanAnswer, without
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.label import OptionalRegister
from floridify_batch.components.recipe import WordRecipe, is_defined
from floridify_batch.components.synthesis_entry import in_entry
from floridify_batch.costs.answer_length import Spread
from floridify_batch.words.entry import Entry

MAX_ITEMS = 30


with field_named_register():

    class PhraseItem(Item):
        """A fixed expression that contains the word."""

        phrase: Term
        meaning: Annotated[Text, clip(300)]
        example: OptionalText
        register: OptionalRegister = Field()

        @model_validator(mode="after")
        def _is_explained(self) -> Self:
            if self.meaning.casefold() == self.phrase.casefold():
                raise ValueError("the meaning repeats the phrase")
            return self


class PhraseResponse(Answer):
    """The fixed expressions that contain a word."""

    phrases: Annotated[list[PhraseItem], kept(PhraseItem), clip(MAX_ITEMS)]


def outcome(entry: Entry, _: Entry, answer: PhraseResponse, __: Provenance) -> Outcome:
    """The phrases, each once, in the synthesis entry, under the database's names."""
    phrases = [
        {"phrase": item.phrase, "meaning": item.meaning, "example": item.example, "usage_register": item.register}
        for item in distinct(answer.phrases, lambda item: item.phrase.casefold())
    ]
    return in_entry(entry, {"phrases": phrases})


RECIPE = WordRecipe(
    "phrases",
    PhraseResponse,
    field="phrases",
    variables=("word", "sense"),
    outcome=outcome,
    output_tokens=250,
    stored_answer=LeanAnswer(without(PhraseResponse, confidence=CERTAIN), 244),
    spread=Spread(0.4, 1.6),
    output_cap=3000,
    count=8,
    max_count=MAX_ITEMS,
    needs=("definitions",),
    condition=is_defined,
    floridify_template="synthesize/phrases.md",
)
