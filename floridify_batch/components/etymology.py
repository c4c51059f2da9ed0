"""The component `etymology`: the origin of a word."""

from typing import Annotated, Any

from pydantic import BeforeValidator

from floridify_batch.components.answer import Answer, OptionalText, Statement, Term, kept
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.non_answer import is_identifier
from floridify_batch.components.recipe import WordRecipe, is_defined
from floridify_batch.components.synonyms import merged_words
from floridify_batch.components.synthesis_entry import in_entry
from floridify_batch.costs.answer_length import PROSE_SPREAD
from floridify_batch.words.entry import Entry

MAX_ROOTS = 20


def _none_if_identifier(value: Any) -> Any:
    return None if isinstance(value, str) and is_identifier(value.strip()) else value


_Named = Annotated[OptionalText, BeforeValidator(_none_if_identifier)]


class EtymologyResponse(Answer):
    """The etymology of a word."""

    text: Statement
    origin_language: _Named
    root_words: Annotated[list[Term], kept(Term)]
    first_known_use: _Named


def outcome(entry: Entry, _: Entry, answer: EtymologyResponse, provenance: Provenance) -> Outcome:
    """The etymology, in the synthesis entry."""
    words = (root for root in answer.root_words if any(map(str.isalpha, root)))  # a year is none
    etymology = answer.model_dump(exclude={"confidence"}) | {
        "root_words": merged_words((), (each for each in words if not is_identifier(each)), MAX_ROOTS),
        "model_info": provenance.model_info(answer.confidence),
    }
    return in_entry(entry, {"etymology": etymology})


RECIPE = WordRecipe(
    "etymology",
    EtymologyResponse,
    field="etymology",
    variables=("word", "provider_data", "sense"),
    outcome=outcome,
    output_tokens=100,
    spread=PROSE_SPREAD,
    output_cap=1500,
    needs=("definitions",),
    condition=is_defined,
    floridify_template="synthesize/etymology.md",
)
