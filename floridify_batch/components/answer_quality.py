"""The sure quality checks of an answer: its faulty items, and the answer without them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from pydantic import BaseModel

from floridify_batch.components.non_answer import repeats_instruction
from floridify_batch.components.quality_check import sure_faults
from floridify_batch.components.synonyms import is_own_language

_MOST_DETAIL = 60


@dataclass(frozen=True, slots=True)
class _Texts:
    """The texts of an answer that are checked, as texts of a component; `text` reads them from the items of a list."""

    component: str
    field: str
    text: Callable[[Any], str] | None


_TEXTS: Mapping[str, _Texts] = {
    "definitions": _Texts("definitions", "definitions", attrgetter("definition")),
    "definition_text": _Texts("definitions", "definitions", attrgetter("definition")),
    "examples": _Texts("examples", "example_sentences", str),
    "synonyms": _Texts("synonyms", "synonyms", attrgetter("word")),
    "antonyms": _Texts("antonyms", "antonyms", attrgetter("word")),
    "collocations": _Texts("collocations", "collocations", attrgetter("phrase")),
    "phrases": _Texts("phrases", "phrases", attrgetter("phrase")),
    "usage_notes": _Texts("usage_notes", "notes", attrgetter("text")),
    "pronunciation": _Texts("pronunciation", "ipa", None),
    "etymology": _Texts("etymology", "text", None),
}


def faulty_items(
    component: str, answer: BaseModel, headword: str, language: str, instructions: str = ""
) -> dict[int, str]:
    """The faults of an answer that are sure, by the position of the item; those of a single value are at 0.

    `instructions` are those of the request, whose sentences are no answer to it.
    """
    texts = _TEXTS.get(component)
    if texts is None:
        return {}
    value = getattr(answer, texts.field)
    listed = (value,) if texts.text is None else [*map(texts.text, value)]
    faults = sure_faults(texts.component, listed, headword, language)
    for at, text in enumerate(listed):
        if repeats_instruction(text, instructions, headword):
            faults.setdefault(at, f"“{text[:_MOST_DETAIL]}” is a sentence of the instructions")
    if faults and component in ("synonyms", "antonyms"):  # words of other languages have other scripts
        return {at: fault for at, fault in faults.items() if is_own_language(value[at], language)}
    return faults


def without_items[A: BaseModel](component: str, answer: A, faults: Mapping[int, str]) -> A | None:
    """An answer without its faulty items; None where nothing is left."""
    texts = _TEXTS[component]
    if texts.text is None:
        return None
    kept = [each for at, each in enumerate(getattr(answer, texts.field)) if at not in faults]
    return answer.model_copy(update={texts.field: kept}) if kept else None
