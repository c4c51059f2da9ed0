"""Reader for dictionary files: JSON lines, plain or gzip-compressed, streamed from a disk or a pipe.

Two kinds of lines are recognised by their fields: Wiktionary extracts as published by kaikki.org (`senses`), and plain
ones, `{"word", "part_of_speech", "definitions"}`. Texts are validated before they leave this module.
"""

import gzip
import io
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from floridify_batch.errors import UsageError
from floridify_batch.words.entry import MAX_WORD_LENGTH, SYNTHESIS, clean_word
from floridify_batch.words.word_list import BadLine

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_DEFINITION_LENGTH = 5000
"""Maximum length of a definition in the database, in characters."""

MAX_NAME_LENGTH = 60
"""Maximum length of a provider's name, a part of speech, a language code."""

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


@dataclass(frozen=True, slots=True)
class Article:
    """The definitions of a word as one part of speech. `number`: the homograph's number."""

    text: str
    provider: str
    part_of_speech: str
    definitions: tuple[str, ...]
    number: int | None = None
    etymology: str | None = None


class InvalidArticle(ValueError):
    """A line is not an article; the text says why, and follows "line 7: "."""


class _Skip(Exception):
    """A valid line that is not imported."""

    def __init__(self, reason: SkipReason) -> None:
        super().__init__(reason)
        self.reason = reason


# ── one line ───────────────────────────────────────────────────────────────────────────────────────────────────────


def read_article(line: bytes, wanted: ImportFilter, skipped: Counter[SkipReason]) -> Article | None:
    """Parse a line into an article; count it in `skipped` and return None where there is none to import.

    Raises `InvalidArticle`.
    """
    fields = _object(line)
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
    if _name(fields, "lang_code") != wanted.language:
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
        _number(fields, "etymology_number"),
        _etymology(fields),
    )


def _from_plain(fields: Mapping[str, Any], wanted: ImportFilter, skipped: Counter[SkipReason]) -> Article:
    if "redirect" in fields:
        raise _Skip(SkipReason.REDIRECT)
    if "definitions" not in fields:
        raise InvalidArticle("neither `senses` nor `definitions`")
    if fields.get("language") is not None and _name(fields, "language") != wanted.language:
        raise _Skip(SkipReason.LANGUAGE)
    definitions = fields["definitions"]
    if isinstance(definitions, str):
        definitions = [definitions]
    if not _is_strings(definitions):
        raise InvalidArticle("`definitions` is neither a string nor a list of strings")
    own = _name(fields, "provider") if fields.get("provider") is not None else wanted.provider
    return Article(
        _word(fields),
        checked_provider(own or "import"),
        _part_of_speech(fields, "part_of_speech"),
        _kept(definitions, skipped),
        _number(fields, "homograph_number"),
    )


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


def checked_provider(name: str) -> str:
    """Normalise a provider's name. Raises `InvalidArticle` for an invalid or reserved one."""
    clean = clean_text(name)
    if not clean or len(clean) > MAX_NAME_LENGTH or not clean.isprintable():
        raise InvalidArticle(f"a provider's name must have 1 to {MAX_NAME_LENGTH} characters")
    if clean.casefold() == SYNTHESIS:
        raise InvalidArticle(f"the provider {SYNTHESIS!r} is reserved for synthesised entries")
    return clean


def _number(fields: Mapping[str, Any], key: str) -> int | None:
    value = fields.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_HOMOGRAPHS:
        raise InvalidArticle(f"`{key}` is not a number from 1 to {MAX_HOMOGRAPHS}")
    return value


def _etymology(fields: Mapping[str, Any]) -> str | None:
    value = fields.get("etymology_text")
    return (clean_text(value) if isinstance(value, str) else "") or None


# ── the file ───────────────────────────────────────────────────────────────────────────────────────────────────────

MAX_LINE_BYTES = 8_000_000
"""Maximum length of a line: Wiktionary's longest have under a million bytes, and a document holds 16 MB."""

BAD_LINES_NAMED = 5

_BUFFER = 1 << 20
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class ReadStats:
    """Counts of a file while it is read. `lines` = `articles` + `lines_skipped` + `bad`."""

    size: int
    done: int = 0
    lines: int = 0
    articles: int = 0
    bad: int = 0
    bad_lines: list[BadLine] = field(default_factory=list)
    skipped: Counter[SkipReason] = field(default_factory=Counter)
    damaged: str = ""
    """Where a compressed file breaks off, if it is damaged."""

    @property
    def lines_skipped(self) -> int:
        """Valid lines that are not imported."""
        return sum(self.skipped[reason] for reason in LINE_REASONS)

    def note_bad(self, number: int, reason: str) -> None:
        """Count a line that is not an article; keep the first few."""
        self.bad += 1
        if len(self.bad_lines) < BAD_LINES_NAMED:
            self.bad_lines.append(BadLine(number, reason))


@contextmanager
def opened_dictionary(path: Path, wanted: ImportFilter) -> Iterator[tuple[ReadStats, Iterator[Article]]]:
    """Open a file; its articles are read as they are consumed, and counted.

    Raises `UsageError`, before the first article, where the file cannot be read or holds nothing to import.
    """
    if wanted.provider is not None:
        _check_provider(wanted.provider)
    try:
        raw = path.open("rb", buffering=0)
    except FileNotFoundError:
        raise UsageError(f"File not found: {path}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    with raw:
        reading = ReadStats(path.stat().st_size)
        articles = _articles(_stream(raw, reading), wanted, reading)
        first = next(articles, None)
        if first is None:
            raise UsageError(_nothing_in(path, wanted, reading))
        yield reading, chain([first], articles)


def _check_provider(name: str) -> None:
    try:
        checked_provider(name)
    except InvalidArticle as error:
        raise UsageError(f"--provider {name!r}: {error}.") from None


def _nothing_in(path: Path, wanted: ImportFilter, reading: ReadStats) -> str:
    if reading.damaged:
        return f"{path} is {reading.damaged}."
    if not reading.lines:
        return f"{path} is empty."
    if reading.bad:
        return f"No article in {path} ({reading.bad_lines[0]}). Expected JSON lines, by kaikki.org or plain."
    why = skipped_text(reading.skipped)
    return f"Nothing to import from {path} for --language {wanted.language}: {reading.lines:,} lines, {why}."


def skipped_text(skipped: Counter[SkipReason], of: Iterable[SkipReason] = tuple(SkipReason)) -> str:
    """The skipped lines by reason, as a part of a sentence."""
    return ", ".join(f"{skipped[reason]:,} {reason}" for reason in of if skipped[reason])


class _Counted(io.RawIOBase):
    """A file that counts the bytes read; the position of a pipe is unknown."""

    def __init__(self, raw: io.RawIOBase | io.FileIO, reading: ReadStats) -> None:
        self._raw = raw
        self._reading = reading

    def readable(self) -> bool:
        """ReadStats is what it is for."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        """Read and count."""
        length = self._raw.readinto(buffer)
        self._reading.done += length or 0
        return length


class _Lines(Protocol):
    """A stream of lines."""

    def readline(self, size: int, /) -> bytes:
        """The next line, up to `size` bytes."""
        ...


def _stream(raw: io.FileIO, reading: ReadStats) -> _Lines:
    """The file's content, decompressed if its first bytes say gzip."""
    buffered = io.BufferedReader(_Counted(raw, reading), _BUFFER)
    if buffered.peek(len(_GZIP))[: len(_GZIP)] == _GZIP:
        return gzip.GzipFile(fileobj=buffered)
    return buffered


def _articles(stream: _Lines, wanted: ImportFilter, reading: ReadStats) -> Iterator[Article]:
    for number, line in _lines(stream, reading):
        reading.lines += 1
        if line is None:
            reading.note_bad(number, f"over {MAX_LINE_BYTES // 10**6} MB")
            continue
        try:
            article = read_article(line, wanted, reading.skipped)
        except InvalidArticle as error:
            reading.note_bad(number, str(error))
            continue
        if article:
            reading.articles += 1
            yield article


def _lines(stream: _Lines, reading: ReadStats) -> Iterator[tuple[int, bytes | None]]:
    """Non-blank lines with their numbers; None for a line over the maximum length."""
    number = 0
    try:
        while line := stream.readline(MAX_LINE_BYTES):
            number += 1
            if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                _skip_rest(stream)
                yield number, None
            elif text := line.removeprefix(_BOM).strip() if number == 1 else line.strip():
                yield number, text
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        reading.damaged = f"damaged after line {number:,} ({error})".replace("\n", " ")


def _skip_rest(stream: _Lines) -> None:
    while rest := stream.readline(MAX_LINE_BYTES):
        if rest.endswith(b"\n"):
            return
