"""What a line of a dictionary file says of a word. Pure, and nothing is guessed.

Two kinds are known by their fields: Wiktionary extracts as kaikki.org publishes them (`senses`), and plain lines
`{"word", "part_of_speech", "definitions"}`. Whatever a file holds, only texts that were checked leave this module.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from floridify_batch.words.entry import MAX_WORD_LENGTH, SYNTHESIS, clean_word

MAX_DEFINITION_LENGTH = 5000
"""Characters that a definition may have in the database."""

MAX_NAME_LENGTH = 60
"""Characters of a provider's name, of a part of speech, of a language's code: longer ones are none."""

MAX_HOMOGRAPHS = 999

PARTS_OF_SPEECH: Mapping[str, str] = {
    "abbrev": "abbreviation",
    "adj": "adjective",
    "adj_phrase": "adjectival phrase",
    "adv": "adverb",
    "adv_phrase": "adverbial phrase",
    "conj": "conjunction",
    "det": "determiner",
    "intj": "interjection",
    "n": "noun",
    "name": "proper noun",
    "num": "numeral",
    "phrase": "phrase",
    "postp": "postposition",
    "prep": "preposition",
    "prep_phrase": "prepositional phrase",
    "pron": "pronoun",
    "punct": "punctuation mark",
    "v": "verb",
}
"""Short names as sources use them; a name that is not here stands for itself."""


class Left(StrEnum):
    """Why a line, or one definition of it, was left out although nothing is wrong with it."""

    LANGUAGE = "in other languages"
    REDIRECT = "redirects"
    LONG_WORD = f"words over {MAX_WORD_LENGTH} characters"
    NO_WORD = "symbols without letter or digit"
    NOTHING = "without a definition of their own"
    FORM = "forms and spellings of other words"
    EMPTY = "without a text"
    LONG_TEXT = f"over {MAX_DEFINITION_LENGTH:,} characters"


OF_LINES = (Left.LANGUAGE, Left.REDIRECT, Left.LONG_WORD, Left.NO_WORD, Left.NOTHING)
OF_DEFINITIONS = (Left.FORM, Left.EMPTY, Left.LONG_TEXT)


@dataclass(frozen=True, slots=True)
class Asked:
    """What to read of a file: one language; `provider` names the source of lines that do not name their own."""

    language: str = "en"
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Article:
    """What a line says: definitions of a word as one part of speech. `number`: which of several homographs it is."""

    text: str
    provider: str
    part_of_speech: str
    definitions: tuple[str, ...]
    number: int | None = None
    etymology: str | None = None


class BadArticle(ValueError):
    """A line is no article; the text says why, to follow "line 7: "."""


class _LeftOut(Exception):
    """A line that is in order, and of no use here."""

    def __init__(self, why: Left) -> None:
        super().__init__(why)
        self.why = why


# ── one line ───────────────────────────────────────────────────────────────────────────────────────────────────────


def read_article(line: bytes, asked: Asked, left: Counter[Left]) -> Article | None:
    """What a line says; None, and one more in `left`, where it says nothing to us. Raises `BadArticle`."""
    said = _object(line)
    of_it: Counter[Left] = Counter()
    try:
        article = _from_kaikki(said, asked, of_it) if "senses" in said else _from_plain(said, asked, of_it)
    except _LeftOut as reason:
        left[reason.why] += 1
        return None
    left.update(of_it)
    if not article.definitions:
        left[Left.NOTHING] += 1
        return None
    return article


def _object(line: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(line)
    except ValueError:
        raise BadArticle("it is no JSON") from None
    if not isinstance(said, dict):
        raise BadArticle("it is no JSON object")
    return said


def _from_kaikki(said: Mapping[str, Any], asked: Asked, left: Counter[Left]) -> Article:
    if _name(said, "lang_code") != asked.language:
        raise _LeftOut(Left.LANGUAGE)
    senses = said["senses"]
    if not isinstance(senses, list) or not all(isinstance(sense, dict) for sense in senses):
        raise BadArticle("its senses are no list of objects")
    text = _word(said)
    glosses = [_gloss(sense, left) for sense in senses]
    return Article(
        text,
        checked_provider(asked.provider or "wiktionary"),
        _part_of_speech(said, "pos"),
        _kept(glosses, left),
        _number(said, "etymology_number"),
        _etymology(said),
    )


def _from_plain(said: Mapping[str, Any], asked: Asked, left: Counter[Left]) -> Article:
    if "redirect" in said:
        raise _LeftOut(Left.REDIRECT)
    if "definitions" not in said:
        raise BadArticle("it has neither senses nor definitions")
    if said.get("language") is not None and _name(said, "language") != asked.language:
        raise _LeftOut(Left.LANGUAGE)
    definitions = said["definitions"]
    if isinstance(definitions, str):
        definitions = [definitions]
    if not _are_texts(definitions):
        raise BadArticle("its definitions are neither a text nor a list of texts")
    own = _name(said, "provider") if said.get("provider") is not None else asked.provider
    return Article(
        _word(said),
        checked_provider(own or "import"),
        _part_of_speech(said, "part_of_speech"),
        _kept(definitions, left),
        _number(said, "homograph_number"),
    )


def _gloss(sense: Mapping[str, Any], left: Counter[Left]) -> str | None:
    """A sense's text: where it stands below others, their texts lead to it. None for forms of other words."""
    tags = sense.get("tags")
    marked = isinstance(tags, list) and ("form-of" in tags or "alt-of" in tags)
    if marked or sense.get("form_of") or sense.get("alt_of"):
        left[Left.FORM] += 1
        return None
    glosses = sense.get("glosses") or []
    if not _are_texts(glosses):
        raise BadArticle("a sense's glosses are no list of texts")
    *above, last = [clean_text(each) for each in glosses] or [""]
    return ": ".join([*(each.rstrip(" .:;,") for each in above), last]) if last else ""


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _kept(definitions: Sequence[str | None], left: Counter[Left]) -> tuple[str, ...]:
    kept = []
    for definition in definitions:
        text = clean_text(definition) if definition is not None else None
        if text == "":
            left[Left.EMPTY] += 1
        elif text is not None and len(text) > MAX_DEFINITION_LENGTH:
            left[Left.LONG_TEXT] += 1
        elif text is not None:
            kept.append(text)
    return tuple(kept)


def clean_text(text: str) -> str:
    """A text in one line and one spelling, as a reader sees it: without characters that steer a terminal."""
    normal = text if text.isascii() else unicodedata.normalize("NFC", text)
    if not normal.isprintable():
        normal = "".join(" " if unicodedata.category(each) == "Cc" else each for each in normal)
    return " ".join(normal.split())


def _word(said: Mapping[str, Any]) -> str:
    value = said.get("word")
    if not isinstance(value, str) or not value.strip():
        raise BadArticle("it names no word")
    word, reason = clean_word(value)
    if word:
        return word
    if len(clean_text(value)) > MAX_WORD_LENGTH:
        raise _LeftOut(Left.LONG_WORD)
    if not any(map(str.isalnum, value)):
        raise _LeftOut(Left.NO_WORD)
    raise BadArticle(f"its word will not do: {reason}")


def _part_of_speech(said: Mapping[str, Any], key: str) -> str:
    name = _name(said, key).casefold()
    return PARTS_OF_SPEECH.get(name, name.replace("_", " ").replace("-", " "))


def _name(said: Mapping[str, Any], key: str) -> str:
    value = said.get(key)
    name = clean_text(value) if isinstance(value, str) else ""
    if not name or len(name) > MAX_NAME_LENGTH:
        raise BadArticle(f"it has no usable {key}")
    return name


def checked_provider(name: str) -> str:
    """A provider's name, in its normal form. Raises `BadArticle` for one that no source may have."""
    clean = clean_text(name)
    if not clean or len(clean) > MAX_NAME_LENGTH or not clean.isprintable():
        raise BadArticle(f"a provider's name has 1 to {MAX_NAME_LENGTH} characters")
    if clean.casefold() == SYNTHESIS:
        raise BadArticle(f"the provider {SYNTHESIS!r} is that of the entries that are made here")
    return clean


def _number(said: Mapping[str, Any], key: str) -> int | None:
    value = said.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_HOMOGRAPHS:
        raise BadArticle(f"its {key} is no number from 1 to {MAX_HOMOGRAPHS}")
    return value


def _etymology(said: Mapping[str, Any]) -> str | None:
    value = said.get("etymology_text")
    return (clean_text(value) if isinstance(value, str) else "") or None
