"""Recipes: the targets of a component, the variables of its prompt, its schema, and the effect of its answers.

A recipe does no I/O.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from floridify_batch.components.answer_shape import LeanAnswer
from floridify_batch.components.change import (
    Change,
    Collection,
    Merge,
    Outcome,
    Provenance,
    Remains,
    Replaced,
    Update,
    value_digest,
)
from floridify_batch.components.item_count import CountScale
from floridify_batch.components.model_profile import DEFAULT_TEMPERATURE
from floridify_batch.components.prompt_variable import VARIABLES
from floridify_batch.components.sample_entry import SAMPLE_DEFINITIONS, SAMPLE_WORD
from floridify_batch.components.synthesis_entry import draft_of, entry_id
from floridify_batch.costs.answer_length import AnswerShape, Spread
from floridify_batch.words.entry import (
    Cluster,
    Definition,
    DocId,
    Entry,
    Stamp,
    clusters_of,
    derived_id,
    value_of,
)

DEFINED = ("definitions", "cluster_definitions", "definition_text")
"""The components that every component of a definition needs, as far as the run asks for them."""


class Scope(StrEnum):
    """The owner of a component: each definition, each cluster of definitions, or the word."""

    DEFINITION = "definition"
    CLUSTER = "cluster"
    WORD = "word"


class ValueState(StrEnum):
    """The state of a stored value with regard to what this tool wrote there."""

    EMPTY = "empty"
    """The place is empty, and no value was removed from it."""
    UNCHANGED = "unchanged"
    """It is as this tool wrote it."""
    EDITED = "edited"
    """It was changed since, or is not of this tool."""
    UNRECORDED = "unrecorded"
    """It has a stamp of an earlier version, which did not record what was written."""


_BY_CAUTION = (ValueState.EDITED, ValueState.UNRECORDED, ValueState.UNCHANGED, ValueState.EMPTY)


class Target(Protocol):
    """The object of a request: a definition, a cluster, or the entry of a word."""

    @property
    def id(self) -> DocId:
        """The id of the document that the custom id names and that gets the stamp."""
        ...

    @property
    def stamps(self) -> Mapping[str, Stamp]:
        """The stamps of earlier answers, by component."""
        ...

    @property
    def digests(self) -> Mapping[str, str]:
        """The digests of the values that this tool wrote, by field."""
        ...

    @property
    def edits(self) -> Mapping[str, str]:
        """Digests of edited texts of documents that a field names, by field."""
        ...


@dataclass(frozen=True, slots=True)
class Recipe[T: Target, R: BaseModel](ABC):
    """The recipe of one component.

    `needs` are the components that are requested first, as long as the run asks for them; `structural`: other
    components are about it, so it is not requested again; `positional`: prompt and answer number the word's sources,
    so an answer is void once these have changed; `makes`: the collection of new documents that belong to the target,
    and that a later answer may replace.
    """

    scope: ClassVar[Scope]
    collection: ClassVar[Collection]

    component: str
    """The component's name in the registry."""
    answer: type[R]
    """The shape of its answer."""
    field: str
    """The target's field that holds its value."""
    variables: tuple[str, ...]
    """The template's variables; `name=variable` gives a variable under another name."""
    outcome: Callable[[Entry, T, R, Provenance], Outcome]
    """The effect of an answer."""
    output_tokens: int
    """The expected mean length of an answer."""
    spread: Spread
    """The range of that mean with an unknown model."""
    output_cap: int
    """The output tokens at which an answer is cut."""
    ignored: Callable[[R, str], int] | None = None
    """The number of items of a valid answer that are not stored in an entry of a language."""
    english: type[R] | None = None
    """The shape of its answer for English, where that has labels of its own."""
    stored_answer: LeanAnswer[R] | None = None
    """The answer without fields that are never stored, if it has any; the reason of a label stays."""
    bare_answer: LeanAnswer[R] | None = None
    """The answer without the reason of a label, if it has one."""
    count: int = 0
    """The items that an answer is to have; 0 where it is one value, or as many items as there are."""
    max_count: int = 0
    """The most items that an answer holds."""
    needs: tuple[str, ...] = ()
    structural: bool = False
    positional: bool = False
    makes: Collection | None = None
    numbered: bool = False
    """Whether an answer names source definitions by their numbers in the prompt."""
    temperature: float = DEFAULT_TEMPERATURE
    """The sampling temperature, for models that take one; 0 for labels, so that they are reproducible."""
    also: tuple[str, ...] = ()
    """Further fields of the target that an answer fills."""
    floridify_template: str = ""
    """The name of Floridify's template for it."""
    quoted_tokens: int = 0
    """The expected tokens of the stored texts that its prompt quotes beside the definition."""
    on_request: bool = False
    """Whether it is requested by its name only: `all` and a folder of templates may lack it."""
    share: float = 1.0
    """The share of its targets that a run is about."""

    def requested(self, shape: AnswerShape, *, english: bool) -> tuple[type[R], int]:
        """The answer that a request in this shape asks for, and its expected mean length."""
        lean = self.lean(shape)
        if lean is None:
            return (self.english or self.answer) if english else self.answer, self.output_tokens
        return (lean.english or lean.answer) if english else lean.answer, lean.output_tokens

    def lean(self, shape: AnswerShape) -> LeanAnswer[R] | None:
        """The lean answer of a shape; None where everything is requested."""
        if shape is AnswerShape.FULL:
            return None
        return (self.bare_answer or self.stored_answer) if shape is AnswerShape.BARE else self.stored_answer

    @property
    def readable(self) -> type[R]:
        """The answer that reads every shape."""
        lean = self.bare_answer or self.stored_answer
        return self.answer if lean is None else lean.answer

    @abstractmethod
    def targets(self, entry: Entry) -> Iterable[T]:
        """The targets in an entry."""

    def stored(self, entry: Entry, target: T) -> bool:  # noqa: ARG002  a cluster's text is looked for in the entry
        """Whether the target has a value for the component."""
        return bool(value_of(target, self.field))

    def is_outdated(self, entry: Entry, target: T) -> bool:  # noqa: ARG002  for values about other values
        """Whether the stored value is about other values that have changed since."""
        return False

    def state(self, target: T) -> ValueState:
        """The state of the component's value: edited if any of its fields is."""
        states = {self._field_state(name, target) for name in (self.field, *self.also)}
        return next(each for each in _BY_CAUTION if each in states)

    def _field_state(self, name: str, target: T) -> ValueState:
        value, digest = value_of(target, name), target.digests.get(name)
        if name in target.edits:
            return ValueState.EDITED
        if digest is not None:
            return ValueState.UNCHANGED if digest == value_digest(value) else ValueState.EDITED
        if not value:
            return ValueState.EMPTY
        return ValueState.EDITED if self.stamp(target) is None else ValueState.UNRECORDED

    def number(self, target: T) -> int | None:  # noqa: ARG002  only clusters are numbered
        """The target's number in the custom id, if it has one."""
        return None

    def stamped(self, target: T) -> str:
        """The key of the target's stamp in its document."""
        number = self.number(target)
        return self.component if number is None else f"{self.component}-{number:02d}"

    def stamp(self, target: T) -> Stamp | None:
        """The stamp of the target's earlier answer."""
        return target.stamps.get(self.stamped(target))

    @abstractmethod
    def subject(self, entry: Entry, target: T) -> Iterable[str]:
        """The parts of speech and the texts of the definitions that a request is about, if it is about any."""

    def subject_parts(self, entry: Entry, target: T) -> Iterable[tuple[str, str]]:  # noqa: ARG002  for those that quote
        """The parts of speech and the texts of the subject that every prompt of the component has."""
        return ()

    def quoted(self, entry: Entry, target: T) -> Iterable[str]:  # noqa: ARG002  as above
        """The stored texts that the prompt quotes after the definition, in their order."""
        return ()

    def given(self, entry: Entry, target: T, *, replacing: bool = False) -> dict[str, Any]:
        """The values of the template's variables.

        Where the answer will replace the stored value, the prompt does not name that: else the model would leave its
        best items out.
        """
        given = {name: self._value(variable, entry, target) for name, variable in _named(self.variables)}
        return given | {name: [] for name in given if name.startswith("existing_")} if replacing else given

    def _value(self, variable: str, entry: Entry, target: T) -> Any:
        return self.number_of_items(entry, target) if variable == "number" else VARIABLES[variable](entry, target)

    def number_of_items(self, entry: Entry, target: T) -> int:  # noqa: ARG002  most components have one count
        """The number of items for a target, where it is not the usual one; 0 for the usual number."""
        return 0

    def samples(self) -> Iterable[dict[str, Any]]:
        """Values of the template's variables for an entry with every value, and for one with few."""
        for definition in SAMPLE_DEFINITIONS:
            cluster = Cluster(definition.id, 0, "bank_slope", definition.meaning_cluster or {}, (definition,), {})
            entry = Entry(
                SAMPLE_WORD, (definition,), sources=(definition,), etymologies=(("wiktionary", "From bank."),)
            )
            targets: dict[Scope, Any] = {Scope.DEFINITION: definition, Scope.CLUSTER: cluster, Scope.WORD: entry}
            yield self.given(entry, targets[self.scope])

    def numbering_sample(self, texts: Iterable[str]) -> dict[str, Any]:
        """Values of the template's variables for an entry with sources of these texts."""
        sources = tuple(Definition(derived_id(text), "noun", text, providers=["sample"]) for text in texts)
        entry: Any = Entry(SAMPLE_WORD, sources, sources=sources)
        return self.given(entry, entry)

    def given_names(self) -> list[str]:
        """The names of the template's variables."""
        return [name for name, _ in _named(self.variables)]

    def change(self, entry: Entry, target: T, answer: R, provenance: Provenance) -> Change | None:
        """The change that an answer makes; None where it, or a newer one, is stored already.

        An answer that replaces documents may have been stored by a process that died before it removed them.
        """
        stamp = self.stamp(target)
        if stamp and stamp.id == provenance.stamp.id:
            return self._unfinished(entry, target, provenance)
        if stamp and stamp.batch_created > provenance.stamp.batch_created:
            return None
        outcome = self.outcome(entry, target, answer, provenance)
        owned = outcome.fields or outcome.updates or self.collection == Collection.DEFINITIONS
        return Change(
            self.stamped(target),
            Update(self.collection, target.id, outcome.fields),
            provenance.stamp,
            provenance.completed,
            outcome.inserts,
            outcome.updates,
            outcome.replaces,
            draft_of(entry) if owned else None,
            outcome.merge,
            entry.word.stamp_prefix,
            provenance,
        )

    def remains(self, provenance: Provenance) -> Remains | None:
        """The documents that an answer may have left which is not stored; None for a component without any."""
        new = self.makes or (Collection.DEFINITIONS if self.structural and not self.numbered else None)
        return Remains(new, tuple(map(provenance.derived_id, range(self.max_count or 1)))) if new else None

    def _unfinished(self, entry: Entry, target: T, provenance: Provenance) -> Change | None:
        """The removals of a stored answer."""
        merge = Merge(entry_id(entry), provenance.derived_id(0)) if self.scope is Scope.CLUSTER else None
        replaced: tuple[Replaced, ...] = ()
        if self.makes is not None and provenance.replace:
            replaced = (Replaced(self.makes, target.id, (), provenance.replace_edited),)
        if merge is None and not replaced:
            return None
        nothing_new = Update(self.collection, target.id, {})
        stamp, completed = provenance.stamp, provenance.completed
        prefix = entry.word.stamp_prefix
        stamped = self.stamped(target)
        return Change(stamped, nothing_new, stamp, completed, replaces=replaced, merge=merge, stamp_prefix=prefix)


@dataclass(frozen=True, slots=True)
class DefinitionRecipe[R: BaseModel](Recipe[Definition, R]):
    """The recipe of a component that each definition has."""

    scope = Scope.DEFINITION
    collection = Collection.DEFINITIONS

    scale: CountScale | None = None
    """The dependence of the number of items on the definition."""

    def number_of_items(self, entry: Entry, target: Definition) -> int:
        """As many items as Floridify requests: more for words of many senses, fewer for function words."""
        number = self.scale.count(self.count, entry, target) if self.scale else self.count
        return 0 if number == self.count else number

    def targets(self, entry: Entry) -> Iterable[Definition]:
        """Every definition that has a text, or a sample of them."""
        defined = (definition for definition in entry.definitions if definition.has_text)
        return defined if self.share == 1 else (each for each in defined if is_sampled(each.id, self.share))

    def subject(self, entry: Entry, target: Definition) -> Iterable[str]:  # noqa: ARG002  other senses do not matter
        """The definition."""
        return target.part_of_speech, target.text

    def subject_parts(self, entry: Entry, target: Definition) -> Iterable[tuple[str, str]]:  # noqa: ARG002  as above
        """The definition."""
        return ((target.part_of_speech, target.text),)


@dataclass(frozen=True, slots=True)
class WordRecipe[R: BaseModel](Recipe[Entry, R]):
    """The recipe of a component that a word has once, possibly under a condition."""

    scope = Scope.WORD
    collection = Collection.WORDS

    condition: Callable[[Entry], bool] = lambda _: True

    def targets(self, entry: Entry) -> Iterable[Entry]:
        """The entry itself, where the condition holds."""
        return (entry,) if self.condition(entry) else ()

    def subject(self, entry: Entry, target: Entry) -> Iterable[str]:  # noqa: ARG002  the entry is the target
        """The definitions that the prompt is made from; of the request for definitions, that there are none."""
        names = {variable for _, variable in _named(self.variables)}
        if "sources" in names:
            about = entry.sources
        elif "first_definition" in names:
            about = entry.definitions[:1]
        else:
            about = entry.definitions if self.structural or "synonyms" in names else ()
        return (text for each in about for text in (each.part_of_speech, each.text))

    def subject_parts(self, entry: Entry, target: Entry) -> Iterable[tuple[str, str]]:  # noqa: ARG002  as above
        """The first definition, where the prompt has it."""
        names = {variable for _, variable in _named(self.variables)}
        first = entry.definitions[:1] if "first_definition" in names else ()
        return [(each.part_of_speech, each.text) for each in first]


@dataclass(frozen=True, slots=True)
class ClusterRecipe[R: BaseModel](Recipe[Cluster, R]):
    """The recipe of a component that each cluster of source definitions needs until it has a definition."""

    scope = Scope.CLUSTER
    collection = Collection.WORDS

    def targets(self, entry: Entry) -> Iterable[Cluster]:
        """The clusters of a word whose definitions are not written yet, or were written by this tool.

        Several source definitions without any cluster are no targets: clustering has failed, and everything stays as
        it is.
        """
        ours = ("cluster_definitions", "definition_text")
        clustered = any(stamped.startswith(ours) for stamped in entry.stamps)
        divided = len(entry.sources) == 1 or any(each.meaning_cluster for each in entry.sources)
        return clusters_of(entry) if clustered or (divided and not entry.synthesised) else ()

    def stored(self, entry: Entry, target: Cluster) -> bool:
        """Whether the entry has a definition of the cluster: a generated one, or a copy that is alone and in use."""
        return self._written(entry, target) or bool(self._stamps_in_use(entry, target))

    def failed_in(self, run: str, entry: Entry, target: Cluster) -> bool:
        """Whether a copy is alone in its cluster because a run got no text for it.

        A run requests the text first; so all answers about such a copy are of that run.
        """
        stamps = self._stamps_in_use(entry, target)
        return bool(stamps) and {each.run for each in stamps} == {run} and not self._written(entry, target)

    def _written(self, entry: Entry, target: Cluster) -> bool:
        sources = {each.id for each in target.definitions}
        return entry.synthesised and any(each.id not in sources and _is_of(each, target) for each in entry.definitions)

    def _stamps_in_use(self, entry: Entry, target: Cluster) -> list[Stamp]:
        """The stamps of a copy that is alone in its cluster, except those that define it."""
        alone = target.definitions[0] if len(target.definitions) == 1 else None
        if alone is None or alone not in entry.definitions:
            return []
        return [stamp for component, stamp in alone.stamps.items() if component not in DEFINED]

    def subject(self, entry: Entry, target: Cluster) -> Iterable[str]:  # noqa: ARG002  other clusters do not matter
        """The cluster's definitions."""
        return (text for each in target.definitions for text in (each.part_of_speech, each.text))

    def number(self, target: Cluster) -> int:
        """The cluster's place among the word's clusters."""
        return target.number


@cache
def _named(variables: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The names of a template's variables, and the variables whose values they have."""
    parts = (each.partition("=") for each in variables)
    return tuple((name, variable or name) for name, _, variable in parts)


def _is_of(definition: Definition, cluster: Cluster) -> bool:
    return (definition.meaning_cluster or {}).get("slug") == cluster.slug


def is_sampled(identity: DocId, share: float) -> bool:
    """Whether a document is in the sample of this share: the same in every run, and in every larger sample."""
    return _place(identity) < share


def sampled_number(number: int, identity: DocId, share: float) -> int:
    """The expected number of so many documents in a sample: whole for one word, and right on average."""
    return int(number * share + _place(identity))


def _place(identity: DocId) -> float:
    """A number from 0 to 1 that is random, but the same for the same document."""
    return int(derived_id("sample", identity), 16) / (1 << 96)


def is_defined(entry: Entry) -> bool:
    """Whether the word has a definition; a word without one is taken for no word of the language."""
    return any(each.has_text for each in entry.definitions)
