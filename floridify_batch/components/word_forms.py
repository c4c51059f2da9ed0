"""The component `word_forms`: the inflected forms of a word."""

from typing import Annotated, Literal

from floridify_batch.components.answer import Answer, Item, Term, kept
from floridify_batch.components.answer_shape import CERTAIN, LeanAnswer, without
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.recipe import DEFINED, DefinitionRecipe
from floridify_batch.costs.answer_length import LIST_SPREAD
from floridify_batch.words.entry import Definition, Entry


class WordFormItem(Item):
    """An inflected form."""

    type: Literal["plural", "past", "past_participle", "present_participle", "comparative", "superlative", "variant"]
    text: Term


class WordFormResponse(Answer):
    """The inflected forms of a word as one part of speech."""

    forms: Annotated[list[WordFormItem], kept(WordFormItem)]


def outcome(_: Entry, __: Definition, answer: WordFormResponse, ___: Provenance) -> Outcome:
    """Each form once, under the database's names."""
    distinct = dict.fromkeys((form.type, form.text) for form in answer.forms)
    return Outcome({"word_forms": [{"form_type": kind, "text": text} for kind, text in distinct]})


RECIPE = DefinitionRecipe(
    "word_forms",
    WordFormResponse,
    field="word_forms",
    variables=("word", "part_of_speech", "definition", "other_senses"),
    outcome=outcome,
    output_tokens=45,
    stored_answer=LeanAnswer(without(WordFormResponse, confidence=CERTAIN), 39),
    spread=LIST_SPREAD,
    output_cap=600,
    needs=DEFINED,
    floridify_template="generate/word_forms.md",
)
