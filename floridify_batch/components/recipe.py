"""The components that can be synthesised, and what a recipe for one is.

A recipe says when its component is missing, what its template is given, what shape the answer has and what that
answer changes. It does no I/O.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import zip_longest
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from floridify_batch.components.change import Change, Collection, Insert, Replaced, Update
from floridify_batch.costs.usage import Usage
from floridify_batch.words.entry import Cluster, Definition, DocId, Entry, Stamp, clusters_of, derived_id


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
    PRONUNCIATION = "pronunciation"
    ETYMOLOGY = "etymology"
    FACTS = "facts"
    PHRASES = "phrases"
    SYNONYM_CHOOSER = "synonym_chooser"
    CLUSTER_DEFINITIONS = "cluster_definitions"
    DEFINITION_TEXT = "definition_text"


class Scope(StrEnum):
    """What a component belongs to: each definition, each cluster of them, or the word as a whole."""

    DEFINITION = "definition"
    CLUSTER = "cluster"
    WORD = "word"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an answer comes from, and how it is to be stored.

    `replace`: what was there before gives way to it. `clustering`: the run makes definitions of its own, so that an
    entry which is begun now does not take the sources' definitions as its own. `rare_first`: the database counts
    frequency bands from the rarest, whereas prompts and answers count from the commonest.
    """

    custom_id: str
    stamp: Stamp
    completed: datetime
    usage: Usage | None
    language: str
    language_name: str
    replace: bool
    clustering: bool = False
    rare_first: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The part of a change that depends on the component: the target's new values, and whatever else is written."""

    fields: Mapping[str, Any]
    inserts: tuple[Insert, ...] = ()
    updates: tuple[Update, ...] = ()
    replaces: tuple[Replaced, ...] = ()


def entry_id(entry: Entry) -> DocId:
    """The id of the synthesis entry that a word has, or will have."""
    return entry.synthesis_entry or derived_id("entry", entry.word.id)


class Target(Protocol):
    """What a component is asked for: a definition, or the entry of a word."""

    @property
    def id(self) -> DocId:
        """The document that the custom id names and that gets the stamp."""
        ...

    @property
    def stamps(self) -> Mapping[str, Stamp]:
        """Who answered which component before."""
        ...


@dataclass(frozen=True, slots=True)
class Recipe[T: Target, R: BaseModel](ABC):
    """How one component is asked for and stored.

    `field` is where the target keeps it; `variables` are those its template is given; `output_tokens` is the length
    that an answer is expected to have, `output_cap` the one at which it is cut; `count` how many items are asked for.
    `needs` are the components that are waited for, as long as anything can still be asked of them; `structural`: what
    other components are about, so that it is never asked again; `positional`: question and answer name things by their
    places among the word's sources, so that the answer means nothing once these have changed; `makes`: where it makes
    documents that belong to the target, and that a later answer may replace.
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
    needs: tuple[SynthesisComponent, ...] = ()
    structural: bool = False
    positional: bool = False
    makes: Collection | None = None

    @abstractmethod
    def targets(self, entry: Entry) -> Iterable[T]:
        """What of an entry the component can be asked for."""

    def stored(self, entry: Entry, target: T) -> bool:  # noqa: ARG002  a cluster's text is looked for in the entry
        """Whether the target has what the component would give it."""
        return bool(getattr(target, self.field))

    def number(self, target: T) -> int | None:  # noqa: ARG002  only clusters are numbered
        """Which of several of its kind the target is, if there are several."""
        return None

    def stamped(self, target: T) -> str:
        """The name under which the target's document is stamped."""
        number = self.number(target)
        return self.component if number is None else f"{self.component}-{number:02d}"

    def stamp(self, target: T) -> Stamp | None:
        """Who answered this for the target before."""
        return target.stamps.get(self.stamped(target))

    def given(self, entry: Entry, target: T, *, replacing: bool = False) -> dict[str, Any]:
        """What the template is given, by name. `name=variable` gives a variable under another name.

        Where the answer will replace what is there, nothing of that is named: else the best would be left out.
        """
        pairs = (each.partition("=") for each in self.variables)
        given = {name: _VARIABLES[variable or name](entry, target) for name, _, variable in pairs}
        return given | {name: [] for name in given if name.startswith("existing_")} if replacing else given

    def given_names(self) -> list[str]:
        """The names of what the template is given."""
        return [name.partition("=")[0] for name in self.variables]

    def change(self, entry: Entry, target: T, answer: R, provenance: Provenance) -> Change | None:
        """What the answer changes; None where it, or a newer one, is stored already.

        Where it is stored already and was to replace something, whoever stored it may have died before that was gone.
        """
        stamp = self.stamp(target)
        if stamp and stamp.id == provenance.stamp.id:
            return self._what_is_left_to_do(target, provenance)
        if stamp and stamp.batch_created > provenance.stamp.batch_created:
            return None
        outcome = self.outcome(entry, target, answer, provenance)
        return Change(
            self.stamped(target),
            Update(self.collection, target.id, outcome.fields),
            provenance.stamp,
            provenance.completed,
            outcome.inserts,
            outcome.updates,
            outcome.replaces,
        )

    def _what_is_left_to_do(self, target: T, provenance: Provenance) -> Change | None:
        if self.makes is None or not provenance.replace:
            return None
        nothing_new = Update(self.collection, target.id, {})
        replaced = (Replaced(self.makes, target.id),)
        return Change(self.stamped(target), nothing_new, provenance.stamp, provenance.completed, replaces=replaced)


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


@dataclass(frozen=True, slots=True)
class ClusterRecipe[R: BaseModel](Recipe[Cluster, R]):
    """A component that each cluster of a word's source definitions has, until the word has a definition for it."""

    scope = Scope.CLUSTER
    collection = Collection.WORDS

    def targets(self, entry: Entry) -> Iterable[Cluster]:
        """The clusters of a word whose definitions are still to be made, or are being made by us.

        Where several definitions are in no cluster and nobody has clustered them, there is nothing to write a text
        for: clustering has failed, and everything stays as it is.
        """
        ours = (SynthesisComponent.CLUSTER_DEFINITIONS, SynthesisComponent.DEFINITION_TEXT)
        clustered = any(stamped.startswith(ours) for stamped in entry.stamps)
        divided = len(entry.sources) == 1 or any(each.meaning_cluster for each in entry.sources)
        return clusters_of(entry) if clustered or (divided and not entry.synthesised) else ()

    def stored(self, entry: Entry, target: Cluster) -> bool:
        """Whether the entry has a definition of this cluster."""
        if not entry.synthesised:
            return False
        return any((each.meaning_cluster or {}).get("slug") == target.slug for each in entry.definitions)

    def number(self, target: Cluster) -> int:
        """The cluster's place among the word's."""
        return target.number


@dataclass(frozen=True, slots=True)
class ConditionalRecipe[R: BaseModel](WordRecipe[R]):
    """A component that a word has once, under a condition."""

    condition: Callable[[Entry], bool] = lambda _: True

    def targets(self, entry: Entry) -> Iterable[Entry]:
        """The entry itself, where the condition holds."""
        return (entry,) if self.condition(entry) else ()


CHOOSER_SYNONYMS = 8
"""Synonyms that are compared with each other at the most."""


def synonyms_of(entry: Entry) -> list[str]:
    """The synonyms of all definitions, each definition's best ones first, without repetitions."""
    rounds = zip_longest(*(definition.synonyms for definition in entry.definitions))
    distinct = dict.fromkeys(word for each in rounds for word in each if word)
    return list(distinct)[:CHOOSER_SYNONYMS]


def provider_of(definition: Definition) -> str:
    """The first source that a definition names."""
    return definition.providers[0] if definition.providers else "unknown"


_VARIABLES: Mapping[str, Callable[[Entry, Any], Any]] = {
    "word": lambda entry, _: entry.word.text,
    "language_code": lambda entry, _: entry.word.language,
    "definition": lambda _, definition: definition.text,
    "first_definition": lambda entry, _: entry.definitions[0].text,
    "part_of_speech": lambda _, definition: definition.part_of_speech,
    "existing_synonyms": lambda _, definition: definition.synonyms,
    "existing_antonyms": lambda _, definition: definition.antonyms,
    "provider_data": lambda entry, _: [{"name": name, "etymology_text": text} for name, text in entry.etymologies],
    "synonyms": lambda entry, _: synonyms_of(entry),
    "sources": lambda entry, _: [(provider_of(each), each.part_of_speech, each.text) for each in entry.sources],
    "meaning_cluster": lambda _, cluster: cluster.slug if cluster.definitions[0].meaning_cluster else "",
    "definitions": lambda _, cluster: [
        {"provider": provider_of(each), "part_of_speech": each.part_of_speech, "text": each.text}
        for each in cluster.definitions
    ],
}
