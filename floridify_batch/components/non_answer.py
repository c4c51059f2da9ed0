"""Texts that are no answer: sentences of an assistant, and echoes of the request.

Models, small ones above all, echo a field's name, slots of a template and a prompt's examples where they know nothing.
"""

import re
from functools import lru_cache
from unicodedata import category

_NAMES = """
cluster_description cluster_slug definition_indices example_sentence example_sentences first_known_use origin_language
part_of_speech root_word root_words source_providers synonyms_compared
"""
FIELD_NAMES = frozenset(_NAMES.split())
"""The names of the fields of answers that no text can be: those with an underscore."""

_ASSISTANT = re.compile(
    r"\bas an ai\b|\bas a (large )?language model\b"
    r"|^(sure|certainly|of course)[,!.]* here (is|are)\b|^i('m| am) sorry\b.{0,40}\b(cannot|can't|unable)\b"
    r"|^i (cannot|can't|am unable to) (provide|generate|answer|help)\b",
    re.IGNORECASE,
)
_OPENINGS = frozenset({"I ", "I'", "I\u2019", "As", "as", "Su", "su", "Ce", "ce", "Of", "of"})

_IDENTIFIER = re.compile(r"[A-Za-z]{2,}(?:_[A-Za-z]+)+")
_SLOT = re.compile(
    r"\[(?:noun|verb|adjective|adverb|word|headword|insert|your)\b[^\[\]]*\]|\{\{|<(?:word|headword)>", re.IGNORECASE
)
_ECHOES = ("[", "{{", "<", " x, ")
_EXAMPLES = ("Middle English x, from Old French y", "k\u0259mjun\u026ati")
"""Of the prompts of the etymology and the pronunciation; of the latter, the small letters."""
_EXAMPLE_WORD = "communit"
_SHORTEST_INSTRUCTION = 30


def may_be_none(text: str) -> bool:
    """Whether a text may be no answer; the patterns that decide it take longer than all other checks of an answer."""
    return _may_be_of_assistant(text) or any(each in text for each in _ECHOES)


def is_of_assistant(text: str) -> bool:
    """Whether a text is a sentence of an assistant."""
    return _may_be_of_assistant(text) and _ASSISTANT.search(text) is not None


def _may_be_of_assistant(text: str) -> bool:
    return text[:2] in _OPENINGS or " AI" in text or "language model" in text


def is_identifier(text: str) -> bool:
    """Whether a text is one word of parts that underscores join, as in program code."""
    return "_" in text and _IDENTIFIER.fullmatch(text) is not None


def slot_in(text: str) -> str | None:
    """Return the first slot in a text, such as "[noun]"; None if there is none."""
    found = _SLOT.search(text)
    return found[0] if found else None


def repeats_example(text: str, headword: str) -> bool:
    """Whether a text is the example of a prompt, which is about another word."""
    if headword.casefold().startswith(_EXAMPLE_WORD):
        return False
    return _EXAMPLES[0] in text or "".join(each for each in text if category(each) == "Ll") == _EXAMPLES[1]


def repeats_instruction(text: str, instructions: str, headword: str) -> bool:
    """Whether the first sentence of a text is of the instructions; a user's may have one with the headword."""
    first = text.split(". ", 1)[0]
    return len(first) >= _SHORTEST_INSTRUCTION and first in _on_one_line(instructions) and headword not in first


@lru_cache(maxsize=64)
def _on_one_line(instructions: str) -> str:
    return " ".join(instructions.split())
