"""Quality checks: faults of an entry's texts that are found without a model.

`CHECKS` is the table of checks: the components whose values each applies to, its severity, whether it is sure, and its
sentence. A sure check refuses an answer; the others raise doubts about stored values. A check that cannot tell is
silent: a wrong complaint costs more trust than a missed fault.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from floridify_batch.components.doubt import Doubt, Severity
from floridify_batch.components.non_answer import (
    is_format,
    is_of_assistant,
    is_sentence,
    pattern_in,
    repeated_sentence,
    repeats_example,
    says_nothing,
    slot_in,
)
from floridify_batch.components.similarity import are_alike, is_same
from floridify_batch.words.inflection import Inflection, folded, inflection_of, is_unspaced, tokens_of
from floridify_batch.words.script import (
    FEWEST_LETTERS,
    LATIN,
    foreign_letters,
    is_written_in,
    latin_letters,
    may_be_foreign,
    script_of,
)


@dataclass(frozen=True, slots=True)
class SenseTexts:
    """The texts of one sense; `label` identifies the sense to readers."""

    definition: str
    part_of_speech: str = ""
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The texts of each component."""
    label: str = ""
    judged: Sequence[Doubt] = ()
    """The doubts of another model about its texts."""


@dataclass(frozen=True, slots=True)
class EntryTexts:
    """The texts of an entry: those of its senses, and those of the whole word by component."""

    headword: str
    language: str
    senses: Sequence[SenseTexts] = ()
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Value(NamedTuple):
    """A text with the context in which it is checked; `before` are the texts of the same list before it."""

    text: str
    component: str
    entry: EntryTexts
    sense: SenseTexts | None = None
    before: Sequence[str] = ()

    @property
    def inflection(self) -> Inflection:
        """The inflection of the entry's language."""
        return inflection_of(self.entry.language)


@dataclass(frozen=True, slots=True)
class Check:
    """A check; `fault` returns None for a faultless value, else the detail that its sentence may name."""

    name: str
    components: frozenset[str]
    severity: Severity
    sure: bool
    sentence: str
    fault: Callable[[Value], str | None]


# ── texts of any component ─────────────────────────────────────────────────────────────────────────────────────────

_MARKUP = re.compile(r"</?(b|i|u|em|strong|br|p|span|div|a|sup|sub|li|ul)\b[^>]*>|\*\*\S|```|\[\[|\]\]|&[a-z]{2,6};")


def _assistant(value: Value) -> str | None:
    return "" if is_of_assistant(value.text, value.entry.headword) else None


def _markup(value: Value) -> str | None:
    found = _MARKUP.search(value.text)
    return found[0] if found else None


def _slot(value: Value) -> str | None:
    found = slot_in(value.text)
    if found is None and value.component != "etymology":  # of the verb + -er
        return pattern_in(value.text, value.entry.headword)
    return found


def _description(value: Value) -> str | None:
    if value.component == "definitions":
        return "" if is_format(value.text) else None
    return "" if says_nothing(value.text, value.entry.headword) else None


def _looping(value: Value) -> str | None:
    return repeated_sentence(value.text)


def _prompt_example(value: Value) -> str | None:
    return "" if repeats_example(value.text, value.entry.headword) else None


def _foreign_script(value: Value) -> str | None:
    """Most letters of a text are of other scripts, although language and headword are in the Latin script."""
    if not may_be_foreign(value.text) or script_of(value.entry.language) != LATIN:
        return None
    if foreign_letters(value.entry.headword):
        return None
    foreign = len(foreign_letters(value.text))
    return "" if foreign >= FEWEST_LETTERS and foreign > latin_letters(value.text) else None


def _without_script(value: Value) -> str | None:
    """A text in a language of another script has Latin letters alone."""
    written = is_written_in(value.text, script_of(value.entry.language))
    return None if written or latin_letters(value.text) < FEWEST_LETTERS else ""


_MOST_WORDS = {"definitions": 60, "examples": 50, "synonyms": 6, "antonyms": 6, "collocations": 9, "phrases": 12}
_MOST_CHARACTERS = {"definitions": 450, "examples": 350}


def _long(value: Value) -> str | None:
    words = value.text.count(" ") + 1
    most = _MOST_CHARACTERS.get(value.component)
    too_long = most is not None and len(value.text) > most
    return f"{words} words" if words > _MOST_WORDS[value.component] or too_long else None


# ── the headword ───────────────────────────────────────────────────────────────────────────────────────────────────


def _without_word(value: Value) -> str | None:
    return None if value.inflection.holds(value.text, value.entry.headword) else value.entry.headword


def _is_word(value: Value) -> str | None:
    return "" if value.text.casefold() == value.entry.headword.casefold() else None


_FIELDS = frozenset(("synonyms", "antonyms", "cognates", "collocations", "definitions"))


def _is_field(value: Value) -> str | None:
    return "" if value.text.casefold() in _FIELDS else None


def _is_form(value: Value) -> str | None:
    forms, headword = value.inflection, value.entry.headword
    if forms.language == "en" and _label(value) != "verb" and not (_is_of_noun(value.text) and _is_of_noun(headword)):
        return None  # "washing" is a noun of its own
    if len(value.text) == len(headword):
        return None  # "calibre" is a spelling of "caliber"
    return headword if forms.is_form(value.text, headword) or forms.is_form(headword, value.text) else None


_ASIDE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_FORM_OF = re.compile(
    r"^(\S+ ){0,3}?(plural|singular|past|present|participle|comparative|superlative|form|spelling|variant|"
    r"abbreviation|initialism|acronym|inflection|gerund|tense|diminutive|synonym|short|name)\b.{0,40}\b(of|for)\b",
    re.IGNORECASE,
)
_USED = re.compile(r"^used\b", re.IGNORECASE)
_COMMONEST = """
be have do can will may must shall one there thing like make get take use way time place with from into over out that
this what which when where while than then such some any all each both other same very more most much many person part
kind form something someone who whose about against between through without within state rather
"""
_FUNCTION_WORDS = frozenset(_COMMONEST.split())
"""English words without which definitions cannot be written."""

_FUNCTION_LABELS = frozenset(
    ("preposition", "conjunction", "determiner", "pronoun", "particle", "article", "prefix", "suffix", "numeral")
)
_DERIVED = re.compile(r"(ness|ly|able|ful|less|ish|hood|ship|dom|like)$")
_SHORTEST_DEFINED = 3
_BEFORE_NOUNS = frozenset(
    ("a", "an", "the", "of", "in", "with", "some", "any", "no", "its", "s", "his", "her", "their")
)


def _circular(value: Value) -> str | None:
    """A definition contains the headword, a form or a derivative of it."""
    headword = value.entry.headword.casefold()
    if not _can_be_circular(value, headword):
        return None
    content = _ASIDE.sub(" ", value.text)
    if _FORM_OF.search(content) or _USED.search(content):
        return None
    words = tokens_of(content)
    if len(words) <= 1 and value.inflection.language != "en":
        return None  # the translation of an international word
    pairs = zip(["", *words], words, strict=False)
    return next((word for before, word in pairs if _names(value, before.casefold(), word, headword)), None)


def _names(value: Value, before: str, word: str, headword: str) -> bool:
    """Whether a word of a definition is the headword, a form or a derivative of it, as the same part of speech."""
    own = word.casefold()
    if folded(own)[:2] != folded(headword)[:2]:
        return False
    if value.inflection.language != "en":
        return own == headword or value.inflection.is_form(word, headword)
    if _label(value) == "verb":  # "to make a comment" defines the verb by the noun
        return before not in _BEFORE_NOUNS and (own == headword or value.inflection.is_form(word, headword))
    derived = own.startswith(headword) and _DERIVED.fullmatch(own[len(headword) :]) is not None
    return own == headword or derived or (_is_of_noun(own) and value.inflection.is_form(word, headword))


def _is_of_noun(word: str) -> bool:
    """Whether an English form is no participle, by which nouns and adjectives are defined: "an inclined surface"."""
    return not word.endswith(("ing", "ed"))


def _label(value: Value) -> str:
    return value.sense.part_of_speech.casefold() if value.sense else ""


def _can_be_circular(value: Value, headword: str) -> bool:
    return (
        len(headword) >= _SHORTEST_DEFINED
        and headword.isalpha()
        and headword not in _FUNCTION_WORDS
        and _label(value) not in _FUNCTION_LABELS
        and not is_unspaced(headword)
    )


# ── definitions ────────────────────────────────────────────────────────────────────────────────────────────────────

_NOT_OF = {
    "verb": re.compile(r"^(a|an|the) \w", re.IGNORECASE),
    "noun": re.compile(r"^to (?!the\b|a\b|an\b|be or\b)[a-z]", re.IGNORECASE),
    "adjective": re.compile(r"^(a|an) (person|thing|place|state|quality|act) (who|that|which|of|in)\b", re.IGNORECASE),
    "adverb": re.compile(r"^(a|an) (person|thing|place|act) (who|that|which|of|in)\b", re.IGNORECASE),
}
"""How definitions of a part of speech do not begin in English."""


def _other_form(value: Value) -> str | None:
    label = _label(value)
    wrong = _NOT_OF.get(label) if value.inflection.language == "en" else None
    text = _ASIDE.sub("", value.text).strip()
    return label if wrong and wrong.search(text) and not text.startswith("to one") else None


_REPEATED_SENSE, _SIMILAR_EXAMPLE = 0.9, 0.75
"""The share of common words from which definitions, and examples, count as alike."""


def _said_before(value: Value) -> str | None:
    """Another sense of the same part of speech has nearly the same definition."""
    for sense in value.entry.senses:
        if sense is value.sense:
            return None
        same_label = value.sense is not None and sense.part_of_speech == value.sense.part_of_speech
        if same_label and are_alike(sense.definition, value.text, _REPEATED_SENSE):
            return sense.definition
    return None


def _is_definition(value: Value) -> str | None:
    return "" if any(is_same(each.definition, value.text) for each in value.entry.senses) else None


# ── examples, synonyms, pronunciations ─────────────────────────────────────────────────────────────────────────────


def _repeated(value: Value) -> str | None:
    return "" if any(is_same(each, value.text) for each in value.before) else None


def _similar(value: Value) -> str | None:
    alike = (
        each for each in value.before if are_alike(each, value.text, _SIMILAR_EXAMPLE) and not is_same(each, value.text)
    )
    return next(alike, None)


def _is_one_word(text: str) -> bool:
    return len(text.split()) == 1 and not is_unspaced(text)


def _bare_word(value: Value) -> str | None:
    """An example that is one word without a punctuation mark."""
    return "" if value.text[-1:].isalnum() and _is_one_word(value.text) else None


def _no_sentence(value: Value) -> str | None:
    """An example that is one word with a punctuation mark, other than an exclamation."""
    ending = value.text.rstrip("\"'\u201d\u2019»")[-1:]
    return "" if _is_one_word(value.text) and not (ending.isalnum() or ending in "!?\u2026") else None


def _sentence(value: Value) -> str | None:
    return "" if is_sentence(value.text, value.entry.headword) else None


def _is_antonym(value: Value) -> str | None:
    antonyms = value.sense.texts.get("antonyms", ()) if value.sense else ()
    return "" if value.text.casefold() in map(str.casefold, antonyms) else None


_PHONETIC_GREEK = frozenset("βγθλχωφεδσιυα")


def _no_ipa(value: Value) -> str | None:
    """A transcription without letters, in ASCII syllables with capitals, or mostly of letters that IPA lacks."""
    letters = "".join(filter(str.isalnum, value.text))
    if not letters or (value.text.isascii() and "-" in value.text and _CAPITALS.search(value.text)):
        return ""
    other = [each for each in foreign_letters(letters) if each not in _PHONETIC_GREEK]
    return "".join(other) if len(other) * 2 > len(letters) else None


_CAPITALS, _SYLLABLES = re.compile("[A-Z]{2,}"), re.compile("[a-z]+(?:-[a-z]+)+")


def _respelled(value: Value) -> str | None:
    """A transcription with two or more capital letters in a row, as respellings mark stress, or of ASCII syllables."""
    found = _CAPITALS.search(unicodedata.normalize("NFD", value.text)) or (
        _SYLLABLES.fullmatch(value.text.strip("/[]")) if "-" not in value.entry.headword else None
    )
    return found[0] if found else None


# ── the table ──────────────────────────────────────────────────────────────────────────────────────────────────────

_PROSE = ("definitions", "examples", "usage_notes", "etymology", "facts")
_TERMS = ("synonyms", "antonyms", "collocations", "phrases")
_DESCRIBED = ("definitions", "examples", "collocations", "usage_notes", "etymology", "facts", "word_forms")
_HIGH, _MEDIUM, _LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW


def _check(
    name: str, components: Iterable[str], severity: Severity, sentence: str, fault: Callable[[Value], str | None]
) -> Check:
    return Check(name.removesuffix("!"), frozenset(components), severity, name.endswith("!"), sentence, fault)


CHECKS = (
    # An exclamation mark: the check is sure.
    _check("assistant!", (*_PROSE, *_TERMS), _HIGH, "speaks as a language model, not as a dictionary", _assistant),
    _check("script!", ("definitions", "examples", *_TERMS), _HIGH, "is in another script", _foreign_script),
    _check("no_ipa!", ("pronunciation",), _HIGH, "is no IPA transcription", _no_ipa),
    _check("repeated!", ("examples", "facts"), _MEDIUM, "repeats another one", _repeated),
    _check("bare_word!", ("examples",), _MEDIUM, "is a word, not a sentence", _bare_word),
    _check("slot!", ("examples", "etymology", "collocations"), _HIGH, "has the slot “{detail}” of a template", _slot),
    _check("description!", _DESCRIBED, _HIGH, "says nothing about the word", _description),
    _check("sentence!", ("word_forms",), _HIGH, "is a sentence, not a form", _sentence),
    _check("looping!", _PROSE, _HIGH, "has a sentence three times or more: “{detail}”", _looping),
    _check("alone!", ("collocations", "phrases", "etymology"), _HIGH, "is the headword alone", _is_word),
    _check("prompt!", ("pronunciation", "etymology"), _HIGH, "is the example of the prompt", _prompt_example),
    # Answers are stored without the headword itself, so these need no retry.
    _check("headword", ("synonyms", "antonyms"), _HIGH, "is the headword itself", _is_word),
    _check("antonym", ("synonyms",), _HIGH, "is listed as an antonym, too", _is_antonym),
    _check("latin", ("examples", "collocations", "phrases"), _MEDIUM, "is in the Latin script", _without_script),
    _check("circular", ("definitions",), _MEDIUM, "defines the word by “{detail}”", _circular),
    _check("field", ("synonyms", "antonyms", "collocations"), _MEDIUM, "is the name of a field", _is_field),
    _check("definition", ("examples", "usage_notes"), _MEDIUM, "repeats a definition", _is_definition),
    _check("same_sense", ("definitions",), _MEDIUM, "says the same as “{detail}”", _said_before),
    _check(
        "without_word",
        ("examples", "collocations", "phrases"),
        _MEDIUM,
        "contains no form of “{detail}”",
        _without_word,
    ),
    _check("inflection", ("synonyms", "antonyms"), _MEDIUM, "is a form of the same word as “{detail}”", _is_form),
    _check("no_form", ("word_forms",), _LOW, "is no form of “{detail}”", _without_word),
    _check("similar", ("examples",), _LOW, "differs little from “{detail}”", _similar),
    _check("form", ("definitions",), _LOW, "is not in the form of a definition ({detail})", _other_form),
    _check("respelling", ("pronunciation",), _LOW, "has “{detail}”, like a respelling", _respelled),
    _check("one_word", ("examples",), _LOW, "is a single word", _no_sentence),
    _check("long", tuple(_MOST_WORDS), _LOW, "is long ({detail})", _long),
    _check("markup", (*_PROSE, *_TERMS), _LOW, "contains the markup “{detail}”", _markup),
)
"""Every check."""

_MOST_DETAIL = 60


@cache
def checks_of(component: str, *, sure: bool) -> tuple[Check, ...]:
    """The checks of a component's values, or the sure ones."""
    return tuple(each for each in CHECKS if component in each.components and (each.sure or not sure))


def doubts(entry: EntryTexts) -> list[Doubt]:
    """The faults of an entry, the severest first."""
    found = [_doubt(check, value, detail) for value in _values(entry) for check, detail in _faults(value)]
    return sorted(
        [*found, *(doubt for sense in entry.senses for doubt in sense.judged)], key=lambda doubt: -doubt.severity
    )


def _faults(value: Value) -> Iterator[tuple[Check, str]]:
    for check in checks_of(value.component, sure=False):
        if (detail := check.fault(value)) is not None:
            yield check, detail


def _doubt(check: Check, value: Value, detail: str) -> Doubt:
    shown = detail if len(detail) <= _MOST_DETAIL else f"{detail[:_MOST_DETAIL]}…"
    label = value.sense.label if value.sense else ""
    return Doubt(
        check.name, check.severity, value.component, label, value.text, check.sentence.replace("{detail}", shown)
    )


def _values(entry: EntryTexts) -> Iterator[Value]:
    for sense in entry.senses:
        if sense.definition:
            yield Value(sense.definition, "definitions", entry, sense)
        yield from _listed(entry, sense.texts, sense)
    yield from _listed(entry, entry.texts, None)


_MOST_COMPARED = 200
"""The values before a value that it is compared with: a sense may have thousands of examples."""


def _listed(entry: EntryTexts, texts: Mapping[str, Sequence[str]], sense: SenseTexts | None) -> Iterator[Value]:
    for component, values in texts.items():
        for number, text in enumerate(values):
            yield Value(text, component, entry, sense, values[max(0, number - _MOST_COMPARED) : number])
