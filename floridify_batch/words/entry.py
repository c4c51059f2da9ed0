"""Words, definitions and entries as the plan sees them.

Ids are `DocId`: the 24 hex digits of a document's `_id`. Only the store knows how the database spells them.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, Self

MAX_WORD_LENGTH = 200
"""Characters a word may have in the database (FACTS: `words.text` 1..200)."""


class Handed:
    """What is handed from one process to another by the thousand: its values in their order, without their names.

    Pickled by names, as slotted dataclasses are, the entries of a page take twice the time.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        names: Iterable[str] = self.__slots__
        return type(self), tuple(getattr(self, name) for name in names)


class DocId(str):
    """The 24 hex digits that name a document; the store turns it into what the database holds."""

    __slots__ = ()

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (str(self),)


def derived_id(*parts: object) -> DocId:
    """A document id that follows from its parts, so that making the document twice makes it once."""
    return DocId(blake2b("\x1f".join(map(str, parts)).encode(), digest_size=12).hexdigest())


@dataclass(frozen=True, slots=True)
class Stamp(Handed):
    """Who answered a component of a document: which run and batch, when, with which model and template."""

    id: DocId
    run: str
    batch_id: str
    batch_created: datetime
    model: str
    template: str
    mode: str


@dataclass(frozen=True, slots=True)
class Word(Handed):
    """A word of one language; `id` is that of its document, which exists once `stored`."""

    id: DocId
    text: str
    language: str
    homograph_number: int | None = None
    stored: bool = True


@dataclass(slots=True)
class Definition(Handed):
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
class Entry(Handed):
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


def clean_word(text: str) -> tuple[str, str]:
    """A word in its normal form (NFC, single spaces) and "", or "" and the reason why it is none."""
    word = " ".join(text.split())
    if word.isascii() and word.isalpha() and len(word) <= MAX_WORD_LENGTH:
        return word, ""  # most words of most lists
    word = unicodedata.normalize("NFC", word)
    if any(unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn") for character in word):
        return "", "it holds control or unassigned characters"
    if len(word) > MAX_WORD_LENGTH:
        return "", f"it has {len(word)} characters, more than {MAX_WORD_LENGTH}"
    if not any(character.isalnum() for character in word):
        return "", "it holds neither a letter nor a digit"
    return word, ""


SYNTHESIS = "synthesis"
"""The field under which a document keeps its stamps, and the provider of the entries that we make."""
