"""The components that can be synthesised, and what a recipe for one is.

A recipe says when its component is missing, what its template is given, what shape the answer has and what that
answer changes. It does no I/O.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from floridify_batch.changes import Change, Collection, Insert, Update
from floridify_batch.pricing import Usage
from floridify_batch.words import Definition, DocId, Entry, Stamp


class SynthesisComponent(StrEnum):
    """The name of a component: in `--components`, in custom ids, in stamps, and of its template."""

    DEFINITIONS = "definitions"
    SYNONYMS = "synonyms"
    ANTONYMS = "antonyms"
    EXAMPLES = "examples"
    CEFR_LEVEL = "cefr_level"
    FREQUENCY_BAND = "frequency_band"
    REGISTER = "register"
    DOMAIN = "domain"
    GRAMMAR_PATTERNS = "grammar_patterns"
    COLLOCATIONS = "collocations"
    USAGE_NOTES = "usage_notes"
    REGIONAL_VARIANTS = "regional_variants"
    WORD_FORMS = "word_forms"


class Scope(StrEnum):
    """Whether a component belongs to each definition or to the word as a whole."""

    DEFINITION = "definition"
    WORD = "word"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an answer comes from, and how it is to be stored. `replace`: what was there before gives way to it."""

    custom_id: str
    stamp: Stamp
    completed: datetime
    usage: Usage
    language: str
    language_name: str
    replace: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """The part of a change that depends on the component: the target's new values, and whatever else is written."""

    fields: Mapping[str, Any]
    inserts: tuple[Insert, ...] = ()
    updates: tuple[Update, ...] = ()
    removes: tuple[tuple[Collection, DocId], ...] = ()


class Target(Protocol):
    """What a component is asked for: a definition, or the entry of a word."""

    @property
    def id(self) -> DocId:
        """The document that the custom id names and that gets the stamp."""

    @property
    def stamps(self) -> Mapping[str, Stamp]:
        """Who answered which component before."""


@dataclass(frozen=True, slots=True)
class Recipe[T: Target, R: BaseModel](ABC):
    """How one component is asked for and stored.

    `field` is where the target keeps it; `variables` are those its template is given; `output_tokens` is the length
    that an answer is expected to have, `output_cap` the one at which it is cut; `count` how many items are asked for.
    """

    scope: ClassVar[Scope]
    collection: ClassVar[Collection]

    component: SynthesisComponent
    answer: type[R]
    field: str
    variables: tuple[str, ...]
    outcome: Callable[[Entry, T, R, Provenance], Outcome]
    output_tokens: int
    output_cap: int
    count: int = 0

    @abstractmethod
    def targets(self, entry: Entry) -> Iterable[T]:
        """What of an entry the component can be asked for."""

    def missing(self, target: T, forced_run: str | None) -> bool:
        """Whether the component is to be asked: neither stored nor answered; under force, not answered by this run."""
        stamp = target.stamps.get(self.component)
        if forced_run is not None and self.scope is Scope.DEFINITION:
            return stamp is None or stamp.run != forced_run
        return stamp is None and not getattr(target, self.field)

    def given(self, entry: Entry, target: T) -> dict[str, Any]:
        """What the template is given, by name."""
        return {name: _VARIABLES[name](entry, target) for name in self.variables}

    def change(self, entry: Entry, target: T, answer: R, provenance: Provenance) -> Change | None:
        """What the answer changes; None where it, or a newer one, is stored already."""
        stamp = target.stamps.get(self.component)
        if stamp and (stamp.id == provenance.stamp.id or stamp.batch_created > provenance.stamp.batch_created):
            return None
        outcome = self.outcome(entry, target, answer, provenance)
        return Change(
            self.component,
            Update(self.collection, target.id, outcome.fields),
            provenance.stamp,
            provenance.completed,
            outcome.inserts,
            outcome.updates,
            outcome.removes,
        )


@dataclass(frozen=True, slots=True)
class DefinitionRecipe[R: BaseModel](Recipe[Definition, R]):
    """A component that each definition has."""

    scope = Scope.DEFINITION
    collection = Collection.DEFINITIONS

    def targets(self, entry: Entry) -> Iterable[Definition]:
        """Every definition that has a text: without one there is nothing to ask about."""
        return (definition for definition in entry.definitions if definition.text.strip())


@dataclass(frozen=True, slots=True)
class WordRecipe[R: BaseModel](Recipe[Entry, R]):
    """A component that a word has once."""

    scope = Scope.WORD
    collection = Collection.WORDS

    def targets(self, entry: Entry) -> Iterable[Entry]:
        """The entry itself."""
        return (entry,)


_VARIABLES: Mapping[str, Callable[[Entry, Any], Any]] = {
    "word": lambda entry, _: entry.word.text,
    "definition": lambda _, definition: definition.text,
    "part_of_speech": lambda _, definition: definition.part_of_speech,
    "existing_synonyms": lambda _, definition: definition.synonyms,
    "existing_antonyms": lambda _, definition: definition.antonyms,
}
