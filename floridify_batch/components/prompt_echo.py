"""Echoes of a request in its answer: a field's name as its value, slots of a template, and a prompt's examples.

Small models write them where they know no answer.
"""

import re
from unicodedata import category

_NAMES = """
cluster_description cluster_slug definition_indices example_sentence example_sentences first_known_use origin_language
part_of_speech root_word root_words source_providers synonyms_compared
"""
FIELD_NAMES = frozenset(_NAMES.split())
"""The names of the fields of answers that no text can be: those with an underscore."""

_SLOT = re.compile(
    r"\[(?:noun|verb|adjective|adverb|word|headword|insert|your)\b[^\[\]]*\]|\{\{|<(?:word|headword)>", re.IGNORECASE
)
_OPENINGS = ("[", "{{", "<", " x, ")
_EXAMPLES = ("Middle English x, from Old French y", "k\u0259mjun\u026ati")
"""Of the prompts of the etymology and the pronunciation; of the latter, the small letters."""
_EXAMPLE_WORD = "communit"


def may_echo(text: str) -> bool:
    """Whether a text may have slots or an example of a prompt."""
    return any(each in text for each in _OPENINGS)


def slot_in(text: str) -> str | None:
    """Return the first slot in a text, such as "[noun]"; None if there is none."""
    found = _SLOT.search(text)
    return found[0] if found else None


def repeats_example(text: str, headword: str) -> bool:
    """Whether a text is the example of a prompt, which is about another word."""
    if headword.casefold().startswith(_EXAMPLE_WORD):
        return False
    return _EXAMPLES[0] in text or "".join(each for each in text if category(each) == "Ll") == _EXAMPLES[1]
