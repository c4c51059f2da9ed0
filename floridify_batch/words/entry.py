"""Words, definitions, entries and their meaning clusters, as values.

Ids are `DocId`, the 24 hex digits of a document's `_id`; the store converts them to the database's type.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple, Self

from floridify_batch.words.language import database_language

MAX_WORD_LENGTH = 200
"""Maximum length of `words.text` in the database, in characters."""


class CompactPickle:
    """Compact pickling for dataclasses that workers exchange by the thousand: values in order, without field names.

    By name, as slotted dataclasses are pickled by default, a page of entries takes twice the time.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        names: Iterable[str] = self.__slots__
        return type(self), tuple(getattr(self, name) for name in names)


class DocId(str):
    """A document's id: 24 hex digits."""

    __slots__ = ()

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (str(self),)


def doc_id(value: object) -> DocId:
    """The `DocId` of a database's value."""
    return DocId(str(value))


_ID, _ID_IN_ANY_CASE = re.compile("[0-9a-f]{24}"), re.compile("[0-9a-fA-F]{24}")


def is_id(text: str, *, any_case: bool = False) -> bool:
    """Whether a text is an id as this tool and Floridify write it; `any_case`: or as another program may write it."""
    return (_ID_IN_ANY_CASE if any_case else _ID).fullmatch(text) is not None


def is_hashable(value: object) -> bool:
    """Whether a value can be looked up as an id: lists, mappings and some types of MongoDB cannot."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


def derived_id(*parts: object) -> DocId:
    """A deterministic document id, which makes the insertion idempotent."""
    return DocId(blake2b("\x1f".join(map(str, parts)).encode(), digest_size=12).hexdigest())


_COPY_MASK = int(derived_id("copy"), 16)


def copied_id(source: DocId) -> DocId:
    """The id of a source definition's copy in the word's synthesis entry. Of a copy's id, it is the source's.

    Requests name a copy before it is stored. `recover` must find its source then, so the id is reversible; a source
    definition belongs to one word, and a word has one synthesis entry.
    """
    return DocId(f"{int(source, 16) ^ _COPY_MASK:024x}")


@dataclass(frozen=True, slots=True)
class Stamp(CompactPickle):
    """The provenance of a component of a document: run, batch, time, model and template."""

    id: DocId
    run: str
    batch_id: str
    batch_created: datetime
    model: str
    template: str
    mode: str
    scale: str | None = None
    """The scale of its frequency bands."""


@dataclass(frozen=True, slots=True)
class Word(CompactPickle):
    """A word of one language. Its document has this id, and exists if `stored`."""

    id: DocId
    text: str
    language: str
    homograph_number: int | None = None
    stored: bool = True
    stamp_prefix: str = ""
    """The prefix of its stamps' keys: of a word of several languages, all but the first have one."""


def synthesis_entry_id(word: DocId, prefix: str = "") -> DocId:
    """The id of a word's new synthesis entry; a word of several languages has one for each."""
    return derived_id("entry", word, prefix) if prefix else derived_id("entry", word)


class SourceCopy(NamedTuple):
    """A copy of a source definition, with the source's provider and entry."""

    id: DocId
    source: DocId
    provider: str
    entry: DocId


@dataclass(slots=True)
class Definition(CompactPickle):
    """A sense of a word with its components. Absent values are None or empty."""

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
    digests: Mapping[str, str] = field(default_factory=dict)
    """The digests of the values that this tool wrote, by field."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """The fields of components that have no attribute here."""
    copied: SourceCopy | None = None
    """The copy that this is of a source definition, if it is one."""
    edits: Mapping[str, str] = field(default_factory=dict)
    """Digests of texts that people have edited in the documents that a field names, by field."""
    synthesis_judgements: list[dict[str, Any]] = field(default_factory=list)
    example_texts: list[str] = field(default_factory=list)
    """The texts of its first examples, where the run reads them."""

    @property
    def has_text(self) -> bool:
        """Whether the definition has a text, which a request needs."""
        return bool(self.text.strip())


def blank_definition() -> dict[str, Any]:
    """The fields of a new definition's document: empty lists and nulls."""
    lists = ("synonyms", "antonyms", "cognates", "example_ids", "grammar_patterns", "collocations", "usage_notes")
    values = ("meaning_cluster", "cefr_level", "frequency_band", "language_register", "domain", "region", "model_info")
    return {name: [] for name in (*lists, "word_forms", "source_definitions")} | dict.fromkeys(values)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Source definitions that share a meaning; `number` is the cluster's position in its word."""

    id: DocId
    number: int
    slug: str
    fields: Mapping[str, Any]
    definitions: tuple[Definition, ...]
    stamps: Mapping[str, Stamp]
    digests: Mapping[str, str] = field(default_factory=dict)
    edits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EntryDraft(CompactPickle):
    """The part of a synthesis entry that is not stored yet: the entry if it is `new`, and copies of sources.

    It is stored with the word's next answer. Of the copies, those of `listed` sources take these sources' places:
    earlier versions listed definitions of other entries instead of copies. `pronunciation`: the source's pronunciation
    that is cloned. `etymology`: the source's etymology that is copied.
    """

    id: DocId
    word: DocId
    language: str
    new: bool
    copies: tuple[SourceCopy, ...] = ()
    listed: frozenset[DocId] = frozenset()
    model_info: Mapping[str, Any] | None = None
    """Of a new entry, the model that gave the first answer."""
    pronunciation: DocId | None = None
    etymology: Mapping[str, Any] | None = None

    @property
    def cloned_pronunciation(self) -> DocId | None:
        """The id of the clone of the source's pronunciation."""
        return self.pronunciation and derived_id("pronunciation", self.id, self.pronunciation)


@dataclass(frozen=True, slots=True)
class Entry(CompactPickle):
    """A word with the definitions of its synthesis entry, which owns them: generated ones, and copies of sources.

    What is not stored of the synthesis entry is presented as if it were; it is the `draft`. `synthesis_entry` is the id
    of the stored one, if any; the fields after it are that entry's. `sources` are the source definitions as the entry
    has them; `synthesised`: it has other definitions than copies.
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
    extra: Mapping[str, Any] = field(default_factory=dict)
    """The fields of components that have no attribute here."""
    entry_stamps: Mapping[str, Stamp] = field(default_factory=dict)
    """The stamps on the synthesis entry, which is written before the word is stamped."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """The digests of the values that this tool wrote into the synthesis entry, by field."""
    edits: Mapping[str, str] = field(default_factory=dict)
    """Digests of texts that people have edited in the documents that a field of the synthesis entry names, by field."""
    homograph: bool = False
    """Whether the text has other words of the same language."""
    sibling_defined: bool = False
    """Whether another one of these words has a definition, or is the one that gets one."""
    draft: EntryDraft | None = None
    odd: str = ""
    """The fault of one of its documents, because of which nothing can be requested for it."""

    @property
    def id(self) -> DocId:
        """The id of the word's document."""
        return self.word.id


def value_of(target: object, field: str) -> Any:
    """The value of a component's field in a definition or an entry: an attribute, or one of its extra fields."""
    try:
        return getattr(target, field)
    except AttributeError:
        extra: Mapping[str, Any] = getattr(target, "extra", {})
        return extra.get(field)


def unknown_entry(text: str, language: str) -> Entry:
    """The entry of a word that is not in the database, with the id it will get."""
    identity = derived_id("word", database_language(language), text)
    return Entry(Word(identity, text, language, stored=False))


def as_homographs(entries: Sequence[Entry]) -> list[Entry]:
    """The entries of one text, each with the knowledge of the others.

    Where none is defined, the first is the one that is going to be: a request for each would be the same question.
    """
    if len(entries) < 2:  # noqa: PLR2004  an unknown word has none
        return list(entries)
    defined = [any(each.has_text for each in entry.definitions) for entry in entries]
    defined[0] = defined[0] or not any(defined)
    return [
        replace(entry, homograph=True, sibling_defined=any(defined[:at] + defined[at + 1 :]))
        for at, entry in enumerate(entries)
    ]


_FOLDED = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201b": "'", "\u2010": "-", "\u2011": "-"})
"""Typographic apostrophes and hyphens, as the characters that are typed and looked up."""

_JOINERS = "\u200c\u200d"
_JOINED_SCRIPTS = (
    *("ARABIC", "SYRIAC", "MONGOLIAN", "DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "ORIYA"),
    *("TAMIL", "TELUGU", "KANNADA", "MALAYALAM", "SINHALA", "MYANMAR", "KHMER", "TIBETAN"),
)
_VISIBLE_FORMATS = frozenset("\u06dd\u070f\u08e2\U000110bd\U000110cd") | frozenset(map(chr, range(0x600, 0x606)))


def cleaned_words(texts: Iterable[str]) -> list[str]:
    """The words of these texts, without repeated ones; a text that is no word stays as it is, to be reported."""
    return [clean_word(each)[0] or each for each in dict.fromkeys(texts)]


def words_without(texts: Iterable[str], stored: Set[str]) -> list[str]:
    """Those of these texts of which no spelling is among the stored ones."""
    return [each for each in texts if stored.isdisjoint(spellings_of(each))]


def spellings_of(word: str) -> tuple[str, ...]:
    """The spellings under which a database may hold a clean word, the clean one first: typographic signs, NFD."""
    if word.isascii() and "'" not in word and "-" not in word:
        return (word,)
    typographic = word.replace("'", "\u2019")
    signs = (word, typographic, *(each.replace("-", "\u2010") for each in (word, typographic)))
    return tuple(dict.fromkeys((*signs, *(unicodedata.normalize("NFD", each) for each in signs))))


def _without_invisible(word: str) -> str:
    """Remove format characters (category Cf), such as zero-width spaces, soft hyphens and direction marks.

    Joiners stay between letters of scripts in which they make a difference.
    """
    if word.isascii() or word.isalpha():
        return word
    kept = [each for at, each in enumerate(word) if unicodedata.category(each) != "Cf" or _belongs(word, at)]
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).split())


def _belongs(word: str, at: int) -> bool:
    if word[at] in _VISIBLE_FORMATS:
        return True
    inside = 0 < at < len(word) - 1
    return word[at] in _JOINERS and inside and all(_joins(each) for each in (word[at - 1], word[at + 1]))


def _joins(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_JOINED_SCRIPTS)


def clean_word(text: str) -> tuple[str, str]:
    """Normalise a word (NFC, single spaces): returns it and "", or "" and the reason why it is invalid."""
    word = " ".join(text.split())
    if word.isascii() and word.isalpha() and len(word) <= MAX_WORD_LENGTH:
        return word, ""  # most words of most lists
    word = _without_invisible(unicodedata.normalize("NFC", word.translate(_FOLDED)))
    if any(unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn") for character in word):
        return "", "control or unassigned characters"
    if len(word) > MAX_WORD_LENGTH:
        return "", f"{len(word)} characters, more than {MAX_WORD_LENGTH}"
    if not any(character.isalnum() for character in word):
        return "", "no letters or digits"
    return word, ""


SYNTHESIS = "synthesis"
"""The field of a document's stamps, and the provider of synthesised entries."""

DIGESTS = "synthesis_digests"
"""The field of the digests of values that this tool wrote into a document, by field."""

JUDGEMENTS = "synthesis_judgements"
"""The field of a definition's document with the judgements of its texts."""

COPIED = "copied_fields"
"""The field of a synthesis entry with the names of the values that were copied from sources."""

PROVIDERS = (
    *("wiktionary", "oxford", "apple_dictionary", "merriam_webster", "free_dictionary", "wordhippo"),
    *("wordnet", "gcide", "wikipedia", "moby_thesaurus", "ai_fallback"),
)
"""The sources that Floridify's models know."""


_SINGLE = "sense"


def clusters_of(entry: Entry) -> list[Cluster]:
    """Group a word's source definitions by meaning; one outside every cluster forms its own."""
    groups: dict[str, list[Definition]] = {}
    for definition in entry.sources:
        if definition.has_text:
            groups.setdefault(_slug(definition), []).append(definition)
    ordered = sorted(groups.items(), key=lambda group: order_of(group[1][0]))
    return [
        Cluster(entry.word.id, number, slug, _fields(slug, number, members[0]), tuple(members), entry.stamps)
        for number, (slug, members) in enumerate(ordered)
    ]


def _slug(definition: Definition) -> str:
    return (definition.meaning_cluster or {}).get("slug") or single_slug(definition.id)


def single_slug(identity: DocId) -> str:
    """The slug of a definition that is in no cluster."""
    return f"{_SINGLE}_{identity}"


def order_of(definition: Definition) -> float:
    """The sort key of a definition's cluster; definitions without one come last, in source order."""
    order = (definition.meaning_cluster or {}).get("order")
    return float("inf") if order is None else float(order)


def _fields(slug: str, number: int, member: Definition) -> Mapping[str, Any]:
    if member.meaning_cluster:
        return member.meaning_cluster
    return cluster_fields(slug, f"{member.part_of_speech} {number + 1}".strip(), "", number, None)


def cluster_fields(slug: str, name: str, description: str, order: int, relevance: float | None) -> dict[str, Any]:
    """A cluster as a field of a definition's document."""
    return {
        "id": slug,
        "slug": slug,
        "name": name,
        "description": description,
        "order": order,
        "relevance": relevance,
    }


def slug_of(word: str, text: str, taken: Sequence[str]) -> str:
    """A unique slug for a cluster, prefixed with the word and numbered where it is taken."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_") or _SINGLE
    prefix = re.sub(r"[^a-z0-9]+", "_", word.casefold()).strip("_")
    slug = plain if not prefix or plain.startswith(prefix) else f"{prefix}_{plain}"
    candidates = (slug, *(f"{slug}_{number}" for number in range(2, len(taken) + 2)))
    return next(each for each in candidates if each not in taken)


def name_of(slug: str) -> str:
    """A cluster's display name."""
    return slug.replace("_", " ").strip().capitalize()


class FrequencyScale(StrEnum):
    """Direction of the frequency bands: which end is band 1."""

    COMMON_FIRST = "common-first"
    RARE_FIRST = "rare-first"
