"""The sure quality checks of an answer: its faulty items, and the answer without them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from pydantic import BaseModel

from floridify_batch.components.non_answer import (
    OPENINGS,
    has_marks,
    has_sentences,
    is_format,
    may_say_nothing,
    repeats_instruction,
)
from floridify_batch.components.quality_check import EntryTexts, Value, checks_of
from floridify_batch.components.similarity import is_same
from floridify_batch.components.synonyms import is_own_language
from floridify_batch.words.inflection import is_unspaced
from floridify_batch.words.script import LATIN, may_be_foreign, script_of

_MOST_DETAIL = 60
_DESCRIBED = ("collocations", "usage_notes", "etymology")


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


def sure_faults(component: str, texts: Sequence[str], headword: str, language: str) -> dict[int, str]:
    """The faults of an answer's texts that are sure, by position: sentences that name the text."""
    found: dict[int, str] = {}
    whole = "\n".join(texts)
    marked, several = has_marks(whole), has_sentences(whole)
    latin = not whole.isascii() and script_of(language) == LATIN
    for number, text in enumerate(texts):
        before = texts[:number]
        likely = marked or text[:2] in OPENINGS or (several and has_sentences(text)) or (latin and may_be_foreign(text))
        if likely or _may_be_faulty(component, text, before, headword):
            value = Value(text, component, EntryTexts(headword, language), None, before)
            for check in checks_of(component, sure=True):
                if (detail := check.fault(value)) is not None:
                    sentence = check.sentence.replace("{detail}", detail)
                    found.setdefault(number, f"“{text[:_MOST_DETAIL]}” {sentence}")
    return found


def _may_be_faulty(component: str, text: str, before: Sequence[str], headword: str) -> bool:
    """Whether a text may have a sure fault of its component: most have none, and are not checked further."""
    if component == "examples":
        if may_say_nothing(text) or (" " not in text.strip() and not is_unspaced(text)):
            return True
        return any([is_same(each, text) for each in before])  # noqa: C419  few, and a generator takes longer
    if component == "definitions":
        return is_format(text)
    if component in ("collocations", "phrases") and len(text) == len(headword):
        return True
    return component == "pronunciation" or (component in _DESCRIBED and may_say_nothing(text))


def without_items[A: BaseModel](component: str, answer: A, faults: Mapping[int, str]) -> A | None:
    """An answer without its faulty items; None where nothing is left."""
    texts = _TEXTS[component]
    if texts.text is None:
        return None
    kept = [each for at, each in enumerate(getattr(answer, texts.field)) if at not in faults]
    return answer.model_copy(update={texts.field: kept}) if kept else None
