"""The component `etymology`: the origin of a word."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from floridify_batch.components.answer import Answer, OptionalText, Statement, Term, kept
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.non_answer import is_identifier
from floridify_batch.components.recipe import WordRecipe, is_defined
from floridify_batch.components.synonyms import merged_words
from floridify_batch.components.synthesis_entry import in_entry
from floridify_batch.costs.answer_length import PROSE_SPREAD
from floridify_batch.words.entry import Entry

MAX_ROOTS = 20


_MOST_WORDS = 4
"""The most words of a root, and of the name of a language; a sentence is none."""


def _none_if_identifier(value: Any) -> Any:
    return None if isinstance(value, str) and is_identifier(value.strip()) else value


def _none_if_sentence(value: str | None) -> str | None:
    return value if value is None or len(value.split()) <= _MOST_WORDS or not value.endswith(".") else None


_Named = Annotated[OptionalText, BeforeValidator(_none_if_identifier)]


class EtymologyResponse(Answer):
    """The etymology of a word."""

    text: Statement
    origin_language: Annotated[_Named, AfterValidator(_none_if_sentence)]
    root_words: Annotated[list[Term], kept(Term)]
    first_known_use: _Named


def outcome(entry: Entry, _: Entry, answer: EtymologyResponse, provenance: Provenance) -> Outcome:
    """The etymology, in the synthesis entry."""
    words = filter(_is_word, answer.root_words)
    etymology = answer.model_dump(exclude={"confidence"}) | {
        "root_words": merged_words((), words, MAX_ROOTS),
        "model_info": provenance.model_info(answer.confidence),
    }
    return in_entry(entry, {"etymology": etymology})


def _is_word(root: str) -> bool:
    """Whether a root is a word or a few, and not a year, an identifier or a sentence."""
    return any(map(str.isalpha, root)) and not is_identifier(root) and _none_if_sentence(root) is not None


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
