"""Inflection: whether a text contains a form of a headword, and whether one word is an inflected form of another.

Forms are found by the lemmas of simplemma, where it has the language, by a table of irregular English forms that it
misses, and by common beginnings. In doubt, a text contains the word: a wrong complaint costs more than a missed one.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache

from floridify_batch.words.language import primary_language

_IRREGULAR_FORMS = """
axis axes, bad worse worst, bear bore, bid bade, bind bound, break broke, can could, cow kine, die dice, drink drunk,
far further furthest, feel felt, go gone, grind ground, he his him, i me my mine, leave left, little less least,
many more most, may might, much more most, old elder eldest, penny pence, person people, ring rung, rise rose,
shake shook, shall should, she her, slay slew, swear swore sworn, they them their, think thought, tread trod, we us our,
well better best, will would, win won, wind wound, work wrought
"""
"""English words, each with forms that simplemma does not know, or takes for words of their own."""

_STAND_INS = """
one ones oneself someone somebody something sb sth smb smth somewhere s o a an the to of be is and or etc
jemand jemandem jemanden jemandes jmd jmdm jmdn jmds etw etwas sich der die das ein eine zu
quelqu quelque qqn qqch se le la les l un une de alguien algo el los las qualcuno qualcosa il lo
"""
_PLACEHOLDERS = frozenset(_STAND_INS.split())
"""Words of a headword that stand for others, or that an example leaves out."""

_SEPARATORS = re.compile(r"[\s\-\u2010\u2011'\u2019/]+")
_TOKEN = re.compile(r"[^\W_]+")

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]")
"""Letters of the scripts that put no spaces between words."""

_TEMPLATIC = frozenset({"ar", "he", "am", "ti", "mt", "syr", "arc", "fa", "ur", "ps", "yi"})
"""Languages whose forms change inside the word, or whose writing leaves vowels out: a missing form proves nothing."""

_REFLEXIVE = ("se", "si", "sya")
_SHORT = 3
_SHORTEST_STEM = 3


@lru_cache(maxsize=1 << 14)
def folded(text: str) -> str:
    """A text without case and diacritics, which compares forms of a word; dotless i is an i."""
    if text.isascii():
        return text.casefold()
    parts = unicodedata.normalize("NFD", text.casefold().replace("\u0131", "i"))
    return "".join(each for each in parts if not unicodedata.combining(each))


def tokens_of(text: str) -> list[str]:
    """The words and numbers of a text."""
    return _TOKEN.findall(unicodedata.normalize("NFC", text))


def is_unspaced(text: str) -> bool:
    """Whether a text is in a script that puts no spaces between words."""
    return _UNSPACED.search(text) is not None


class Inflection:
    """The inflection of one language."""

    def __init__(self, language: str) -> None:
        self.language = primary_language(language)
        self._english = self.language == "en"

    def holds(self, text: str, headword: str) -> bool:
        """Whether a text contains a form of a headword, or may contain one."""
        word, content = folded(headword).strip("-"), folded(text)
        if not word or "~" in text or (word in content and (len(word) > _SHORT or not word.isascii())):
            return True
        if is_unspaced(headword):  # forms change the end, and other words may come between the characters
            return sum(each in content for each in set(word)) * 2 >= len(set(word))
        if self.language in _TEMPLATIC or headword.startswith("-") or headword.endswith("-"):
            return word in content or self.language in _TEMPLATIC
        parts = [*filter(None, (each.strip(".,!?…()") for each in _SEPARATORS.split(word)))]
        parts = [each for each in parts if each not in _PLACEHOLDERS] or parts
        found = self._forms(text)
        held = sum(self._has(part, found, text) for part in parts)
        return held * 2 >= len(parts)  # idioms vary; half of a phrase is enough

    def _forms(self, text: str) -> frozenset[str]:
        """The words of a text and their lemmas, folded."""
        return frozenset(form for token in tokens_of(text) for form in (folded(token), *self.lemmas(token)))

    def _has(self, part: str, forms: frozenset[str], text: str) -> bool:
        if part in forms or self.lemmas(part) & forms:
            return True
        stems = {part, *(part.removesuffix(end).removesuffix("-") for end in _REFLEXIVE * (not self._english))}
        if len(part) <= _SHORT:
            return self._has_short(part, forms)
        if self._separable(part, forms):
            return True
        if self.language == "ko":
            return any(form.startswith(_korean_stem(part)) for form in forms)
        if _lemmatised(self.language):
            return any(form.startswith(_beginning(stem)) for stem in stems for form in forms)
        return any(run in folded(text) for run in _runs(part))

    def _has_short(self, part: str, forms: frozenset[str]) -> bool:
        """Whether a form of a short word is among the forms; "goods" is no form of "go"."""
        if self._english:
            return not forms.isdisjoint(_regular_forms(part))
        return any(form.startswith(part) and len(form) <= len(part) + _SHORT for form in forms)

    def _separable(self, part: str, forms: frozenset[str]) -> bool:
        """Whether a verb's base is among the forms, apart from its prefix: "steht … auf" for "aufstehen"."""
        return not self._english and any(
            len(form) > _SHORTEST_STEM and part.endswith(form) and part.removesuffix(form) in forms for form in forms
        )

    def lemmas(self, token: str) -> frozenset[str]:
        """The lemmas of a word, folded: as it is written, and in lower case. Empty for a language without lemmas."""
        return _lemmas(token, self.language) if _lemmatised(self.language) else frozenset()

    def is_form(self, word: str, headword: str) -> bool:
        """Whether a word is an inflected form of a headword, of which its beginning shows some."""
        own, other = word.casefold(), headword.casefold()
        if own == other or folded(own)[:2] != folded(other)[:2] or not own.isalpha():
            return False
        return other in _exact_lemmas(word, self.language) if _lemmatised(self.language) else False


@lru_cache(maxsize=1 << 16)
def _lemmas(token: str, language: str) -> frozenset[str]:
    return frozenset(map(folded, _exact_lemmas(token, language)))


def _exact_lemmas(token: str, language: str) -> Iterator[str]:
    """The lemmas of a word in lower case."""
    from simplemma import lemmatize

    for form in dict.fromkeys((token, token.casefold())):
        yield lemmatize(form, _LEMMA_CODES.get(language, language)).casefold()
    if language == "en":
        yield from _irregular().get(token.casefold(), ())


@lru_cache(maxsize=1 << 10)
def _regular_forms(word: str) -> frozenset[str]:
    """The regular forms of an English word; of a short one, simplemma takes some for words of their own."""
    stems = {word, word + word[-1:], word.removesuffix("e"), f"{word.removesuffix('y')}i"}
    return frozenset(stem + ending for stem in stems for ending in ("s", "es", "ed", "ing", "er", "est"))


@cache
def _irregular() -> dict[str, list[str]]:
    """The words of each irregular form."""
    found: dict[str, list[str]] = {}
    for line in _IRREGULAR_FORMS.split(","):
        word, *forms = line.split()
        for form in forms:
            found.setdefault(form, []).append(word)
    return found


_LEMMA_CODES = {"no": "nb", "sr": "hbs", "hr": "hbs", "bs": "hbs", "sh": "hbs"}
"""The codes of simplemma that are not the language's own."""


@cache
def _lemmatised(language: str) -> bool:
    """Whether simplemma has the language."""
    from simplemma.strategies.dictionaries.dictionary_factory import SUPPORTED_LANGUAGES

    return _LEMMA_CODES.get(language, language) in SUPPORTED_LANGUAGES


def _beginning(word: str) -> str:
    return word[: max(_SHORTEST_STEM, (len(word) + 1) // 2)]


_KOREAN_ENDING = folded("\ub2e4")
_SHORTEST_SYLLABLE = 2


def _korean_stem(word: str) -> str:
    """A Korean word, in letters instead of syllables, without the ending of verbs and the letter that it changes."""
    stem = word.removesuffix(_KOREAN_ENDING)
    return stem[:-1] if len(stem) > _SHORTEST_SYLLABLE else stem


def _runs(word: str) -> Sequence[str]:
    """The parts of a word of half its length: of languages without lemmas, prefixes may change as well as suffixes."""
    length = max(_SHORTEST_STEM, (len(word) + 1) // 2)
    return [word[at : at + length] for at in range(len(word) - length + 1)]


@cache
def inflection_of(language: str) -> Inflection:
    """The inflection of a language."""
    return Inflection(language)
