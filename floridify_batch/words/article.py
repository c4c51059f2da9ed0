"""Articles: a line of a dictionary file, parsed and validated.

Two kinds of lines are recognised by their fields: Wiktionary extracts as published by kaikki.org (`senses`), and plain
ones, `{"word", "part_of_speech", "definitions"}`.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from floridify_batch.words.entry import MAX_WORD_LENGTH, PROVIDERS, SYNTHESIS, clean_word
from floridify_batch.words.language import primary_language

MAX_DEFINITION_LENGTH = 5000
"""Maximum length of a definition in the database, in characters."""

MAX_NAME_LENGTH = 60
"""Maximum length of a provider's name, a part of speech, a language code."""

MAX_HOMOGRAPHS = 999

_MAX_EXAMPLES = 5
_MAX_EXAMPLE_LENGTH = 1000

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
"""Names of parts of speech by the abbreviations that sources use."""


class SkipReason(StrEnum):
    """The reason for which a valid line, or a definition in it, is skipped."""

    LANGUAGE = "in other languages"
    REDIRECT = "redirects"
    LONG_WORD = f"words over {MAX_WORD_LENGTH} characters"
    NO_WORD = "without letters or digits"
    NOTHING = "without a definition"
    FORM = "forms and spellings of other words"
    EMPTY = "without text"
    LONG_TEXT = f"over {MAX_DEFINITION_LENGTH:,} characters"


LINE_REASONS = (SkipReason.LANGUAGE, SkipReason.REDIRECT, SkipReason.LONG_WORD, SkipReason.NO_WORD, SkipReason.NOTHING)

DEFINITION_REASONS = (SkipReason.FORM, SkipReason.EMPTY, SkipReason.LONG_TEXT)


@dataclass(frozen=True, slots=True)
class ImportFilter:
    """The language to import, and the provider of lines that name none."""

    language: str = "en"
    provider: str | None = None


class Pronunciation(NamedTuple):
    """A pronunciation: respelled, and in IPA. Either may be empty."""

    phonetic: str
    ipa: str


@dataclass(frozen=True, slots=True)
class Article:
    """The definitions of a word as one part of speech. `number`: the homograph's number."""

    text: str
    provider: str
    part_of_speech: str
    definitions: tuple[str, ...]
    number: int | None = None
    etymology: str | None = None
    examples: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The example sentences of definitions that have any."""
    pronunciation: Pronunciation | None = None


class InvalidArticle(ValueError):
    """A line is not an article; the text says why, and follows "line 7: "."""


class _Skip(Exception):
    """A valid line that is not imported."""

    def __init__(self, reason: SkipReason) -> None:
        super().__init__(reason)
        self.reason = reason


def read_article(line: bytes, wanted: ImportFilter, skipped: Counter[SkipReason]) -> Article | None:
    """Parse a line into an article; count it in `skipped` and return None where there is none to import.

    Raises `InvalidArticle`.
    """
    return article_of(_object(line), wanted, skipped)


def article_of(fields: Mapping[str, Any], wanted: ImportFilter, skipped: Counter[SkipReason]) -> Article | None:
    """Validate the fields of a line, as `read_article` does."""
    here: Counter[SkipReason] = Counter()
    try:
        article = _from_kaikki(fields, wanted, here) if "senses" in fields else _from_plain(fields, wanted, here)
    except _Skip as skip:
        skipped[skip.reason] += 1
        return None
    skipped.update(here)
    if not article.definitions:
        skipped[SkipReason.NOTHING] += 1
        return None
    return article


def _object(line: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(line)
    except ValueError:
        raise InvalidArticle("not valid JSON") from None
    if not isinstance(fields, dict):
        raise InvalidArticle("not a JSON object")
    return fields


def _from_kaikki(fields: Mapping[str, Any], wanted: ImportFilter, skipped: Counter[SkipReason]) -> Article:
    if not _same_language(_name(fields, "lang_code"), wanted.language):
        raise _Skip(SkipReason.LANGUAGE)
    senses = fields["senses"]
    if not isinstance(senses, list) or not all(isinstance(sense, dict) for sense in senses):
        raise InvalidArticle("`senses` is not a list of objects")
    text = _word(fields)
    glosses = [_gloss(sense, skipped) for sense in senses]
    return Article(
        text,
        checked_provider(wanted.provider or "wiktionary"),
        _part_of_speech(fields, "pos"),
        _kept(glosses, skipped),
        _number(_etymology_number(fields), "etymology_number"),
        _etymology(fields),
        tuple(_examples(senses, glosses)),
        _pronunciation(fields.get("sounds")),
    )


def _from_plain(fields: Mapping[str, Any], wanted: ImportFilter, skipped: Counter[SkipReason]) -> Article:
    if "redirect" in fields:
        raise _Skip(SkipReason.REDIRECT)
    if "definitions" not in fields:
        raise InvalidArticle("neither `senses` nor `definitions`")
    if fields.get("language") is not None and not _same_language(_name(fields, "language"), wanted.language):
        raise _Skip(SkipReason.LANGUAGE)
    definitions = fields["definitions"]
    if isinstance(definitions, str):
        definitions = [definitions]
    if not _is_strings(definitions):
        raise InvalidArticle("`definitions` is neither a string nor a list of strings")
    return Article(
        _word(fields),
        _provider(fields, wanted),
        _part_of_speech(fields, "part_of_speech"),
        _kept(definitions, skipped),
        _number(fields, "homograph_number"),
    )


def _same_language(one: str, other: str) -> bool:
    return one == other or primary_language(one) == primary_language(other)


def _gloss(sense: Mapping[str, Any], skipped: Counter[SkipReason]) -> str | None:
    """A sense's text, after those of the senses above it. None for forms of other words."""
    tags = sense.get("tags")
    marked = isinstance(tags, list) and ("form-of" in tags or "alt-of" in tags)
    if marked or sense.get("form_of") or sense.get("alt_of"):
        skipped[SkipReason.FORM] += 1
        return None
    glosses = sense.get("glosses") or []
    if not _is_strings(glosses):
        raise InvalidArticle("a sense's `glosses` is not a list of strings")
    *above, last = [clean_text(each) for each in glosses] or [""]
    return ": ".join([*(each.rstrip(" .:;,") for each in above), last]) if last else ""


def _is_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _kept(definitions: Sequence[str | None], skipped: Counter[SkipReason]) -> tuple[str, ...]:
    kept = []
    for definition in definitions:
        text = clean_text(definition) if definition is not None else None
        if text == "":
            skipped[SkipReason.EMPTY] += 1
        elif text is not None and len(text) > MAX_DEFINITION_LENGTH:
            skipped[SkipReason.LONG_TEXT] += 1
        elif text is not None:
            kept.append(text)
    return tuple(kept)


def clean_text(text: str) -> str:
    """Normalise a text: NFC, one line, no control characters."""
    normal = text if text.isascii() else unicodedata.normalize("NFC", text)
    if not normal.isprintable():
        normal = "".join(" " if unicodedata.category(each) == "Cc" else each for each in normal)
    return " ".join(normal.split())


def _word(fields: Mapping[str, Any]) -> str:
    value = fields.get("word")
    if not isinstance(value, str) or not value.strip():
        raise InvalidArticle("no `word`")
    word, reason = clean_word(value)
    if word:
        return word
    if len(clean_text(value)) > MAX_WORD_LENGTH:
        raise _Skip(SkipReason.LONG_WORD)
    if not any(map(str.isalnum, value)):
        raise _Skip(SkipReason.NO_WORD)
    raise InvalidArticle(f"invalid word: {reason}")


def _part_of_speech(fields: Mapping[str, Any], key: str) -> str:
    name = _name(fields, key).casefold()
    return PARTS_OF_SPEECH.get(name, name.replace("_", " ").replace("-", " "))


def _name(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    name = clean_text(value) if isinstance(value, str) else ""
    if not name or len(name) > MAX_NAME_LENGTH:
        raise InvalidArticle(f"no valid `{key}`")
    return name


def _provider(fields: Mapping[str, Any], wanted: ImportFilter) -> str:
    """The provider that a plain line names, or the wanted one where it names none that Floridify knows."""
    if fields.get("provider") is None:
        if wanted.provider is None:
            raise InvalidArticle(f"no `provider`; pass one with --provider: {', '.join(PROVIDERS)}")
        return checked_provider(wanted.provider)
    try:
        return checked_provider(_name(fields, "provider"))
    except InvalidArticle:
        if wanted.provider is None:
            raise
        return checked_provider(wanted.provider)


def checked_provider(name: str) -> str:
    """A provider in Floridify's spelling. Raises `InvalidArticle` for one that its models do not know."""
    clean = clean_text(name)
    known = re.sub(r"[\W_]+", "_", clean.casefold())
    if known in PROVIDERS:
        return known
    if known == SYNTHESIS:
        raise InvalidArticle(f"the provider {SYNTHESIS!r} is reserved for synthesis entries")
    raise InvalidArticle(f"Floridify knows no provider {clean!r}; it knows {', '.join(PROVIDERS)}")


def _number(fields: Mapping[str, Any], key: str) -> int | None:
    value = fields.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_HOMOGRAPHS:
        raise InvalidArticle(f"`{key}` is not a number from 1 to {MAX_HOMOGRAPHS}")
    return value


def _etymology_number(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """kaikki's numbers are strings since May 2026; "1.2" is a part of etymology 1."""
    value = fields.get("etymology_number")
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return {"etymology_number": int(value.strip().split(".")[0])}
    return fields


_NUMBER = re.compile(r"\d{1,3}(\.\d{1,3})*")


def _etymology(fields: Mapping[str, Any]) -> str | None:
    """The etymology: a text, or the list of texts of kaikki's other editions."""
    value = fields.get("etymology_text") or fields.get("etymology_texts")
    texts = value if isinstance(value, list) else [value]
    return " ".join(filter(None, (clean_text(each) for each in texts if isinstance(each, str)))) or None


def _examples(
    senses: Sequence[Mapping[str, Any]], glosses: Sequence[str | None]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The example sentences of kaikki's senses, with the definitions; odd ones are left out."""
    for sense, gloss in zip(senses, glosses, strict=True):
        stated = sense.get("examples")
        given = (each.get("text") for each in stated if isinstance(each, dict)) if isinstance(stated, list) else ()
        texts = dict.fromkeys(clean_text(each) for each in given if isinstance(each, str))
        kept = [each for each in texts if 0 < len(each) <= _MAX_EXAMPLE_LENGTH][:_MAX_EXAMPLES]
        if gloss and kept:
            yield gloss, tuple(kept)


def _pronunciation(sounds: Any) -> Pronunciation | None:
    """The first respelling and the first IPA transcription among kaikki's sounds, phonemic ones before others."""
    stated = [each for each in sounds if isinstance(each, dict)] if isinstance(sounds, list) else []
    spelled = [[clean_text(each[key]) for each in stated if isinstance(each.get(key), str)] for key in ("enpr", "ipa")]
    phonetic, ipa = (sorted(filter(None, each), key=lambda text: not text.startswith("/")) for each in spelled)
    if not (phonetic or ipa):
        return None
    return Pronunciation(phonetic[0] if phonetic else "", ipa[0] if ipa else "")
