"""Words, definitions and entries as the plan sees them; and the reader of word lists.

Ids are `DocId`: the 24 hex digits of a document's `_id`. Only the store knows how the database spells them.
"""

import csv
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any

from floridify_batch.errors import UsageError

MAX_WORD_LENGTH = 200
"""Characters a word may have in the database (FACTS: `words.text` 1..200)."""

LIST_MAX_BYTES = 500_000_000
"""A larger file is no word list: the largest in use has 1.7 million lines, some 25 MB."""

_MAX_LINE = 100_000

_SAMPLE_LINES = 1000
"""How many lines are looked at to tell whether a list has a count column."""


class DocId(str):
    """The 24 hex digits that name a document; the store turns it into what the database holds."""

    __slots__ = ()


def derived_id(*parts: object) -> DocId:
    """A document id that follows from its parts, so that making the document twice makes it once."""
    return DocId(blake2b("\x1f".join(map(str, parts)).encode(), digest_size=12).hexdigest())


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who answered a component of a document: which run and batch, when, with which model and template."""

    id: DocId
    run: str
    batch_id: str
    batch_created: datetime
    model: str
    template: str
    mode: str


@dataclass(frozen=True, slots=True)
class Word:
    """A word of one language; `id` is that of its document, which exists once `stored`."""

    id: DocId
    text: str
    language: str
    homograph_number: int | None = None
    stored: bool = True


@dataclass(slots=True)
class Definition:
    """One sense of a word, with everything that can be synthesised for it. Absent values are None or empty."""

    id: DocId
    part_of_speech: str
    text: str
    synonyms: list[str] = field(default_factory=list)
    antonyms: list[str] = field(default_factory=list)
    cognates: list[str] = field(default_factory=list)
    example_ids: list[DocId] = field(default_factory=list)
    cefr_level: str | None = None
    frequency_band: int | None = None
    language_register: str | None = None
    domain: str | None = None
    region: str | None = None
    grammar_patterns: list[dict[str, Any]] = field(default_factory=list)
    collocations: list[dict[str, Any]] = field(default_factory=list)
    usage_notes: list[dict[str, Any]] = field(default_factory=list)
    word_forms: list[dict[str, Any]] = field(default_factory=list)
    providers: list[str] = field(default_factory=list)
    meaning_cluster: dict[str, Any] | None = None
    stamps: Mapping[str, Stamp] = field(default_factory=dict)


def blank_definition() -> dict[str, Any]:
    """What a definition's document holds before anything was synthesised: lists empty, other values null."""
    lists = ("synonyms", "antonyms", "cognates", "example_ids", "grammar_patterns", "collocations", "usage_notes")
    values = ("meaning_cluster", "cefr_level", "frequency_band", "language_register", "domain", "region", "model_info")
    return {name: [] for name in (*lists, "word_forms", "source_definitions")} | dict.fromkeys(values)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Definitions of one meaning, from whatever sources; `number` is its place among the word's clusters."""

    id: DocId
    number: int
    slug: str
    fields: Mapping[str, Any]
    definitions: tuple[Definition, ...]
    stamps: Mapping[str, Stamp]


@dataclass(frozen=True, slots=True)
class Entry:
    """A word with the definitions to be enhanced: those of its synthesis entry, or else all it has (`sources`).

    `synthesis_entry` is the entry of ours, where there is one; what follows it is what that entry holds.
    """

    word: Word
    definitions: tuple[Definition, ...] = ()
    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    synthesis_entry: DocId | None = None
    sources: tuple[Definition, ...] = ()
    synthesised: bool = False
    etymologies: tuple[tuple[str, str], ...] = ()
    pronunciation_id: DocId | None = None
    etymology: Mapping[str, Any] | None = None
    fact_ids: tuple[DocId, ...] = ()
    phrases: tuple[Mapping[str, Any], ...] = ()
    synonym_chooser: Mapping[str, Any] | None = None

    @property
    def id(self) -> DocId:
        """The id of the word's document."""
        return self.word.id


def unknown_entry(text: str, language: str) -> Entry:
    """The entry of a word that the database does not know, under the id it will get."""
    return Entry(Word(derived_id("word", language, text), text, language, stored=False))


# ── the word list ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that holds no word, and why."""

    number: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.reason}"


@dataclass(frozen=True, slots=True)
class WordList:
    """The distinct words of a list in their order, and what was left out."""

    words: list[str]
    digest: str
    bad_lines: tuple[BadLine, ...] = ()
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str


def read_word_list(path: Path) -> WordList:
    """Read a list: one entry a line, `#` comments, an optional count column, or CSV with a `word` header.

    A line that cannot be a word is left out and reported by its number; a file in which no word is left, that is
    binary or cannot be read, raises `UsageError`.
    """
    raw = _read(path)
    bad: list[BadLine] = []
    words: dict[str, None] = {}
    duplicates = 0
    for line in _cells(list(_lines(raw, bad)), path.suffix.lower() == ".csv"):
        word, reason = clean_word(line.text)
        if reason:
            bad.append(BadLine(line.number, reason))
        elif word in words:
            duplicates += 1
        else:
            words[word] = None
    bad.sort(key=lambda line: line.number)
    if not words:
        because = f" ({bad[0]})" if bad else ""
        raise UsageError(f"There is no word in {path}{because}. Give a text file with one word a line.")
    return WordList(list(words), digest_of(words), tuple(bad), duplicates)


def read_normalised(path: Path) -> list[str]:
    """Read back a list that `write_normalised` wrote. Raises `OSError`."""
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def digest_of(words: Iterable[str]) -> str:
    """What two equal lists share: 16 bytes of BLAKE2b, in hex, over the words as they are written down."""
    state = blake2b(digest_size=16)
    for word in words:
        state.update(word.encode() + b"\n")
    return state.hexdigest()


def clean_word(text: str) -> tuple[str, str]:
    """A word in its normal form (NFC, single spaces) and "", or "" and the reason why it is none."""
    word = unicodedata.normalize("NFC", " ".join(text.split()))
    if any(unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn") for character in word):
        return "", "it holds control or unassigned characters"
    if len(word) > MAX_WORD_LENGTH:
        return "", f"it has {len(word)} characters, more than {MAX_WORD_LENGTH}"
    if not any(character.isalnum() for character in word):
        return "", "it holds neither a letter nor a digit"
    return word, ""


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder; give a text file with one word a line.")
        if path.stat().st_size > LIST_MAX_BYTES:
            raise UsageError(f"{path} has over {LIST_MAX_BYTES // 10**6} MB and is hardly a word list.")
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}; give a text file with one word a line.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _from_utf16(raw, path)
    if b"\0" in raw:
        raise UsageError(f"{path} is a binary file; give a text file (UTF-8) with one word a line.")
    return raw


def _from_utf16(raw: bytes, path: Path) -> bytes:
    try:
        return raw.decode("utf-16").encode()
    except UnicodeError:
        raise UsageError(f"{path} is neither UTF-8 nor UTF-16 text; save it as UTF-8.") from None


def _lines(raw: bytes, bad: list[BadLine]) -> Iterator[_Line]:
    """The lines that say something; those that are no UTF-8 go to `bad`."""
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        if len(line) > _MAX_LINE:
            bad.append(BadLine(number, f"it has {len(line):,} bytes, more than a line with a word can have"))
            continue
        try:
            text = line.decode().strip()
        except UnicodeDecodeError:
            bad.append(BadLine(number, "it is not UTF-8; save the list as UTF-8"))
            continue
        text = _COMMENT.sub("", text)
        if text:
            yield _Line(number, text)


def _cells(lines: list[_Line], is_csv: bool) -> Iterator[_Line]:
    """The words' own cells: of the `word` column, or of lines without their counts."""
    header = _header(lines[0].text, is_csv) if lines else None
    if header:
        delimiter, column = header
        for line in lines[1:]:
            row = next(csv.reader([line.text], delimiter=delimiter))
            yield _Line(line.number, row[column] if column < len(row) else "")
        return
    pattern = _COUNT if _has_counts(lines) else _TAB_COUNT
    for line in lines:
        yield _Line(line.number, pattern.sub("", line.text))


_COMMENT = re.compile(r"(?:^|\s+)#.*$")  # "C#" is a word, "wind # air" is one with a comment
_COUNT = re.compile(r"\s+\d[\d.,]*$")
_TAB_COUNT = re.compile(r"\t+\d[\d.,]*$")


def _has_counts(lines: list[_Line]) -> bool:
    """Whether a number ends every line looked at. "catch 22" alone is a word; among counts it is one with a count."""
    sample = lines[:_SAMPLE_LINES]
    return len(sample) > 1 and all(_COUNT.search(line.text) for line in sample)


def _header(text: str, is_csv: bool) -> tuple[str, int] | None:
    """The delimiter and the position of the `word` column, if the first line is such a header."""
    for delimiter in ",;\t":
        names = [name.strip().casefold() for name in next(csv.reader([text], delimiter=delimiter))]
        if "word" in names and (is_csv or len(names) > 1):
            return delimiter, names.index("word")
    return None


def write_normalised(words: Iterable[str], path: Path) -> None:
    """Write the list as the run keeps it: a word a line, for the user's eyes only."""
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as out:
        out.writelines(chain.from_iterable((word, "\n") for word in words))
        out.flush()
        os.fsync(descriptor)
    partial.replace(path)
