"""Texts that are no answer: sentences of an assistant, and echoes of the request.

Models, small ones above all, echo a field's name, slots of a template and a prompt's examples where they know nothing.
"""

import re
from collections import Counter
from collections.abc import Sequence
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
OPENINGS = frozenset({"I ", "I'", "I\u2019", "As", "as", "Su", "su", "Ce", "ce", "Of", "of"})
"""The first two letters of sentences of an assistant."""

_IDENTIFIER = re.compile(r"[A-Za-z]{2,}(?:_[A-Za-z]+)+")
_SLOT = re.compile(
    r"\[(?:noun|verb|adjective|adverb|word|headword|insert|your)\b[^\[\]]*\]|\{\{|<(?:word|headword)>",
    re.IGNORECASE,
)
_PART = "(?:noun|verb|adjective|adverb|adj|adv|preposition)"
_PATTERN = re.compile(rf"\+ ?{_PART}\b|\b{_PART} ?\+", re.IGNORECASE)
_EXAMPLES = ("Middle English x, from Old French y", "k\u0259mjun\u026ati")
"""Of the prompts of the etymology and the pronunciation; of the latter, the small letters."""
_EXAMPLE_WORD = "communit"
_SHORTEST_INSTRUCTION = 30

_DESCRIBING = """
a an and are as be for here in is it of or that the this to
adj adjectival adjective adjectives adv adverb adverbs antonym antonyms cognate cognates collocation
collocations definition definitions etymology example examples field headword json meaning noun nouns note notes
object origin part phrase phrases schema sentence sentences speech string synonym synonyms term text usage value
verb verbs word words
"""
_DESCRIPTION = frozenset(_DESCRIBING.split())
"""The English words of descriptions of an entry's parts, and words that join them."""

_LONGEST_DESCRIPTION = 60
_SHORTEST_SENTENCE, _MOST_EQUAL = 12, 2
_WORD = re.compile(r"[^\W_]+")
_BEGINNING = 3
_MOST_AUXILIARIES = 2
_MARKS = " .,:;!?\"'()"


def has_marks(texts: str) -> bool:
    """Whether texts have a mark of a text that is no answer: the patterns that decide it take longer."""
    if "[" in texts or "{{" in texts or "<" in texts or "+" in texts or " x, " in texts:
        return True
    return " AI" in texts or "language model" in texts


def has_sentences(text: str) -> bool:
    """Whether a text, or texts, have as many sentences as a text that repeats one of them."""
    return text.count(". ") >= _MOST_EQUAL


def is_of_assistant(text: str, headword: str) -> bool:
    """Whether a text is a sentence of an assistant, and not one with the headword, such as "I can't help it"."""
    if text[:2] in OPENINGS or " AI" in text or "language model" in text:
        found = _ASSISTANT.search(text)
        return found is not None and headword.casefold() not in _WORD.findall(found[0].casefold())
    return False


def is_identifier(text: str) -> bool:
    """Whether a text is one word of parts that underscores join, as in program code."""
    return "_" in text and _IDENTIFIER.fullmatch(text) is not None


def says_nothing(text: str, headword: str) -> bool:
    """Whether a text has no words but those that describe an entry's parts, such as "The origin of the word"."""
    if not may_say_nothing(text):
        return False
    words = [each for each in _WORD.findall(text.casefold()) if not each.isdecimal()]
    own = _WORD.findall(headword.casefold())
    if not words or not _DESCRIPTION.issuperset(words) or not _DESCRIPTION.isdisjoint(own):
        return False
    beginnings = tuple(each[:_BEGINNING] for each in own)
    return not any(each.startswith(beginnings) for each in words)  # "meaning" is a form of "mean"


def may_say_nothing(text: str) -> bool:
    """Whether a text is short, and its last word describes a part of an entry or is a number."""
    if len(text) > _LONGEST_DESCRIPTION:
        return False
    last = text.rpartition(" ")[2].strip(_MARKS).casefold()
    return last in _DESCRIPTION or last.isdecimal()


def is_format(text: str) -> bool:
    """Whether a text names the format of answers instead of defining a word."""
    return text.strip(_MARKS).casefold() in ("json", "json object", "json string", "json schema")


def is_sentence(form: str, headword: str) -> bool:
    """Whether a form has more words than a headword and its auxiliaries, such as "the most beautiful", have."""
    return form.count(" ") > headword.count(" ") + _MOST_AUXILIARIES


def repeated_sentence(text: str) -> str | None:
    """Return the first sentence that a text has three times or more; None if there is none."""
    if not has_sentences(text):
        return None
    counted = Counter(each.strip(_MARKS) for each in text.split(". "))
    return next((each for each, n in counted.items() if n > _MOST_EQUAL and len(each) >= _SHORTEST_SENTENCE), None)


def slot_in(text: str) -> str | None:
    """Return the first slot in a text, such as "[noun]"; None if there is none."""
    found = _SLOT.search(text)
    return found[0] if found else None


def pattern_in(text: str, headword: str) -> str | None:
    """Return the part of a grammar pattern in a text, such as "+ verb", unless it is about the headword."""
    found = _PATTERN.search(text) if "+" in text else None
    return found[0] if found and headword.casefold() not in found[0].casefold() else None


def repeats_example(text: str, headword: str) -> bool:
    """Whether a text is the example of a prompt, which is about another word."""
    if not (_EXAMPLES[0] in text or _small_letters(text) == _EXAMPLES[1]):
        return False
    return not headword.casefold().startswith(_EXAMPLE_WORD)


def _small_letters(text: str) -> str:
    """The small letters of a transcription that may be the prompt's; of others, none."""
    if "\u0259" not in text or "\u026a" not in text or "j" not in text:
        return ""
    return "".join(each for each in text if category(each) == "Ll")


def repeated_instructions(texts: Sequence[str], instructions: str, headword: str) -> list[int]:
    """The positions of texts whose first sentence is of the instructions; a user's may have one with the headword."""
    line, words = _without_marks(instructions)
    found = []
    for at, text in enumerate(texts):
        if len(text) < _SHORTEST_INSTRUCTION:
            continue
        beginning = text.split(" ", _WHOLE)
        if len(beginning) > _WHOLE and (_bare(beginning[1]) not in words or _bare(beginning[2]) not in words):
            continue
        first = text.split(". ", 1)[0]
        is_long = len(first) >= _SHORTEST_INSTRUCTION
        if is_long and headword not in first and " ".join(_WORD.findall(first.casefold())) in line:
            found.append(at)
    return found


_WHOLE = 3
"""Words at the beginning of a longer text; all but the first are whole words in whatever has this text."""


def _bare(word: str) -> str:
    return word.strip(_MARKS).casefold()


@lru_cache(maxsize=64)
def _without_marks(instructions: str) -> tuple[str, frozenset[str]]:
    """The words of instructions, in lower case: on one line, and as a set."""
    words = _WORD.findall(instructions.casefold())
    return " ".join(words), frozenset([*words, *(each.strip(_MARKS) for each in instructions.casefold().split())])
