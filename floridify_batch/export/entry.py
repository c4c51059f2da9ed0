"""The content of an entry for export: clean texts and numbers, without the database's shapes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from floridify_batch.database.provenance import Origin


class Example(NamedTuple):
    """An example sentence; `origin` is that of a generated, edited or reviewed one."""

    id: str
    text: str
    origin: Origin | None = None


class Pronunciation(NamedTuple):
    """A pronunciation: an IPA transcription, a respelling, or both."""

    id: str
    ipa: str
    respelling: str


class Item(NamedTuple):
    """An item with a note about it, such as a collocation and its type, or a word form and its name."""

    text: str
    note: str = ""


class Etymology(NamedTuple):
    """The origin of a word."""

    text: str
    origin_language: str = ""
    root_words: tuple[str, ...] = ()
    first_known_use: str = ""

    @property
    def sentence(self) -> str:
        """The text, with the other fields in brackets."""
        more = (
            ("origin", self.origin_language),
            ("roots", ", ".join(self.root_words)),
            ("first known use", self.first_known_use),
        )
        known = "; ".join(f"{name}: {value}" for name, value in more if value)
        return f"{self.text} ({known})" if known else self.text


class Phrase(NamedTuple):
    """A phrase with the word."""

    text: str
    meaning: str = ""
    example: str = ""
    register: str = ""


class SynonymChoice(NamedTuple):
    """An essay about the choice between synonyms, and what distinguishes each."""

    essay: str
    compared: tuple[Item, ...] = ()


class Fact(NamedTuple):
    """A fact about the word."""

    id: str
    text: str
    category: str = ""


class _Attributed:
    """Values with origins: those of a sense, or of a word as a whole."""

    __slots__ = ()
    provenance: Mapping[str, Origin]

    @property
    def edited(self) -> bool:
        """Whether a value, such as the definition or an example, was edited since it was written."""
        return any(origin.edited for origin in self.provenance.values())

    @property
    def reviewed(self) -> bool:
        """Whether a value was accepted, edited or removed in a review."""
        return any(origin.reviewed for origin in self.provenance.values())


@dataclass(frozen=True, slots=True)
class Sense(_Attributed):
    """A sense of a word. Absent values are empty; `extra` has those of components without a field here."""

    id: str
    part_of_speech: str
    text: str
    cefr_level: str = ""
    frequency_band: str = ""
    language_register: str = ""
    domain: str = ""
    region: str = ""
    synonyms: tuple[str, ...] = ()
    antonyms: tuple[str, ...] = ()
    cognates: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    collocations: tuple[Item, ...] = ()
    grammar_patterns: tuple[Item, ...] = ()
    word_forms: tuple[Item, ...] = ()
    usage_notes: tuple[Item, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    images: int = 0
    """The number of images, whose files are not in the database."""
    provenance: Mapping[str, Origin] = field(default_factory=dict)
    """Origins of generated, edited and reviewed values: of the definition, and by component."""

    @property
    def collocation_types(self) -> bool:
        """Whether a collocation has a type."""
        return any(each.note for each in self.collocations)


@dataclass(frozen=True, slots=True)
class ExportedEntry(_Attributed):
    """An entry of one word in one language. Its id is the word's, with the language if that is not the word's first."""

    id: str
    headword: str
    homograph: int | None
    language: str
    senses: tuple[Sense, ...]
    pronunciations: tuple[Pronunciation, ...] = ()
    etymology: Etymology | None = None
    phrases: tuple[Phrase, ...] = ()
    synonym_chooser: SynonymChoice | None = None
    facts: tuple[Fact, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    images: int = 0
    recordings: int = 0
    """The number of recordings of the pronunciation."""
    provenance: Mapping[str, Origin] = field(default_factory=dict)
    changed: datetime | None = None
    """The time of the last change of its documents, as far as they have one."""

    @property
    def phrase_examples(self) -> bool:
        """Whether a phrase has an example."""
        return any(each.example for each in self.phrases)

    @property
    def phrase_registers(self) -> bool:
        """Whether a phrase has a register."""
        return any(each.register for each in self.phrases)

    @property
    def fact_categories(self) -> bool:
        """Whether a fact has a category."""
        return any(each.category for each in self.facts)

    @property
    def respellings(self) -> bool:
        """Whether a pronunciation has a respelling beside its IPA transcription."""
        return any(each.ipa and each.respelling for each in self.pronunciations)

    @property
    def forms(self) -> tuple[Item, ...]:
        """The inflected forms of all senses that differ from the headword."""
        forms = dict.fromkeys(each for sense in self.senses for each in sense.word_forms)
        return tuple(each for each in forms if each.text != self.headword)

    @property
    def by_part_of_speech(self) -> Mapping[str, tuple[Sense, ...]]:
        """The senses by part of speech, in their order."""
        groups: dict[str, tuple[Sense, ...]] = {}
        for sense in self.senses:
            groups[sense.part_of_speech] = (*groups.get(sense.part_of_speech, ()), sense)
        return groups
