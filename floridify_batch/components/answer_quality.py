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
    is_sentence,
    may_say_nothing,
    repeated_instructions,
    repeats_example,
)
from floridify_batch.components.quality_check import EntryTexts, Value, checks_of
from floridify_batch.components.similarity import is_same
from floridify_batch.components.synonyms import is_own_language
from floridify_batch.words.inflection import is_unspaced
from floridify_batch.words.script import LATIN, may_be_foreign, script_of

_MOST_DETAIL = 60


@dataclass(frozen=True, slots=True)
class _Texts:
    """The texts of an answer that are checked, as texts of a component; `text` reads them from the items of a list."""

    component: str
    field: str
    text: Callable[[Any], str] | None
    parallel: str = ""
    """The list that goes with the items, place by place."""


_TEXTS: Mapping[str, _Texts] = {
    "definitions": _Texts("definitions", "definitions", attrgetter("definition")),
    "definition_text": _Texts("definitions", "definitions", attrgetter("definition")),
    "examples": _Texts("examples", "example_sentences", str),
    "synonyms": _Texts("synonyms", "synonyms", attrgetter("word")),
    "antonyms": _Texts("antonyms", "antonyms", attrgetter("word")),
    "collocations": _Texts("collocations", "collocations", attrgetter("phrase")),
    "phrases": _Texts("phrases", "phrases", attrgetter("phrase")),
    "usage_notes": _Texts("usage_notes", "notes", attrgetter("text")),
    "facts": _Texts("facts", "facts", str, "categories"),
    "word_forms": _Texts("word_forms", "forms", attrgetter("text")),
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
    for at in repeated_instructions(listed, instructions, headword):
        faults.setdefault(at, f"“{listed[at][:_MOST_DETAIL]}” is a sentence of the instructions")
    if faults and component in ("synonyms", "antonyms"):  # words of other languages have other scripts
        return {at: fault for at, fault in faults.items() if is_own_language(value[at], language)}
    return faults


def sure_faults(component: str, texts: Sequence[str], headword: str, language: str) -> dict[int, str]:
    """The faults of an answer's texts that are sure, by position: sentences that name the text."""
    found: dict[int, str] = {}
    whole, look = "\n".join(texts), _LOOKS.get(component)
    marked, several = has_marks(whole), has_sentences(whole)
    latin = not whole.isascii() and script_of(language) == LATIN
    for number, text in enumerate(texts):
        before = texts[:number]
        likely = marked or text[:2] in OPENINGS or (several and has_sentences(text)) or (latin and may_be_foreign(text))
        if likely or (look is not None and look(text, before, headword)):
            value = Value(text, component, EntryTexts(headword, language), None, before)
            for check in checks_of(component, sure=True):
                if (detail := check.fault(value)) is not None:
                    sentence = check.sentence.replace("{detail}", detail)
                    found.setdefault(number, f"“{text[:_MOST_DETAIL]}” {sentence}")
    return found


def _example(text: str, before: Sequence[str], _: str) -> bool:
    return (" " not in text.strip() and not is_unspaced(text)) or _stated(text, before, "")


def _stated(text: str, before: Sequence[str], _: str) -> bool:
    return may_say_nothing(text) or any([is_same(each, text) for each in before])  # noqa: C419  few, and faster


def _term(text: str, _: Sequence[str], headword: str) -> bool:
    return len(text) == len(headword) or may_say_nothing(text)


_LOOKS: Mapping[str, Callable[[str, Sequence[str], str], bool]] = {
    "examples": _example,
    "facts": _stated,
    "collocations": _term,
    "phrases": lambda text, _, headword: len(text) == len(headword),
    "definitions": lambda text, _, __: is_format(text),
    "usage_notes": lambda text, _, __: may_say_nothing(text),
    "word_forms": lambda text, _, headword: may_say_nothing(text) or is_sentence(text, headword),
    "etymology": lambda text, before, headword: _term(text, before, headword) or repeats_example(text, headword),
    "pronunciation": lambda _, __, ___: True,
}
"""Quick looks at a text of a component, the texts before it, and the headword: whether it may have a sure fault.

Most texts have none, and are not checked further.
"""


def without_items[A: BaseModel](component: str, answer: A, faults: Mapping[int, str]) -> A | None:
    """An answer without its faulty items; None where nothing is left."""
    texts = _TEXTS[component]
    if texts.text is None:
        return None
    lists = {name: getattr(answer, name) for name in (texts.field, texts.parallel) if name}
    kept = {name: [each for at, each in enumerate(items) if at not in faults] for name, items in lists.items()}
    return answer.model_copy(update=kept) if kept[texts.field] else None
