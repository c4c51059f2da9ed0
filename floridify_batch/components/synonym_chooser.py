"""The component `synonym_chooser`: an essay on choosing among the synonyms of a word."""

from typing import Annotated

from floridify_batch.components.answer import Answer, Item, Paragraphs, Text, clip, kept
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.prompt_variable import synonyms_of
from floridify_batch.components.recipe import DEFINED, WordRecipe
from floridify_batch.components.synthesis_entry import in_entry
from floridify_batch.costs.answer_length import Spread
from floridify_batch.words.entry import Entry


class ComparedSynonym(Item):
    """A synonym, and its distinction from the others."""

    word: Text
    distinction: Annotated[Text, clip(200)]


class SynonymChooserResponse(Answer):
    """An essay on choosing among synonyms, and the distinction of each."""

    essay: Annotated[Paragraphs, clip(2000)]
    synonyms_compared: Annotated[list[ComparedSynonym], kept(ComparedSynonym), clip(8)]


def outcome(entry: Entry, _: Entry, answer: SynonymChooserResponse, provenance: Provenance) -> Outcome:
    """The essay and the distinctions, in the synthesis entry."""
    chooser = answer.model_dump(exclude={"confidence"}) | {"model_info": provenance.model_info(answer.confidence)}
    return in_entry(entry, {"synonym_chooser": chooser})


def _has_a_choice(entry: Entry) -> bool:
    return len(synonyms_of(entry)) > 1


RECIPE = WordRecipe(
    "synonym_chooser",
    SynonymChooserResponse,
    field="synonym_chooser",
    variables=("word", "synonyms", "sense"),
    outcome=outcome,
    output_tokens=400,
    spread=Spread(0.6, 1.7),
    output_cap=3000,
    needs=(*DEFINED, "synonyms"),
    condition=_has_a_choice,
    floridify_template="synthesize/synonym_chooser.md",
)
