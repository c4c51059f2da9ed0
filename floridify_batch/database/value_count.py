"""The counts of stored values by component: those of each model with their days, those of people, and doubtful ones."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from floridify_batch.components.quality_check import doubts
from floridify_batch.database.entry_text import by_language, stored_headwords, texts_of
from floridify_batch.database.lookup import Headword
from floridify_batch.database.provenance import Origin, Stamps, changes, labelled_origins, stamps_of
from floridify_batch.database.store import MongoStore

_NAMES = {"definition": "definitions"}
"""The components of values that have another name in their origins."""


@dataclass(slots=True)
class ModelCount:
    """The values of a model, with the days of its first and its last answer; empty where they are not recorded."""

    values: int = 0
    first: str = ""
    last: str = ""

    def take(self, day: str) -> None:
        """Count a value."""
        self.values += 1
        if day:
            self.first, self.last = min(self.first or day, day), max(self.last, day)


@dataclass(slots=True)
class ValueCount:
    """The values of a component; one that people have edited or reviewed does not count as its model's."""

    models: dict[str, ModelCount] = field(default_factory=dict)
    people: Counter[str] = field(default_factory=Counter)
    """The values of people, by their changes in words."""
    doubtful: int = 0

    def take(self, origin: Origin) -> None:
        """Count a value by its origin."""
        if changed := ", ".join(changes(origin)):
            self.people[changed] += 1
        elif origin.model:
            self.models.setdefault(origin.model, ModelCount()).take(origin.date)


@dataclass(slots=True)
class ValueCounts:
    """The values of entries by component, as far as a model has written, people have changed, or checks doubt them.

    A list, such as the synonyms of a sense, is one value.
    """

    entries: int = 0
    components: dict[str, ValueCount] = field(default_factory=dict)

    def take(self, headword: Headword, language: str, stamps: Stamps) -> None:
        """Count the values of an entry."""
        self.entries += 1
        for _, origins in labelled_origins(headword, stamps):
            for component, origin in origins.items():
                self._of(component).take(origin)
        for component, _ in {(each.component, each.sense) for each in doubts(texts_of(headword, language))}:
            self._of(component).doubtful += 1

    def _of(self, component: str) -> ValueCount:
        return self.components.setdefault(_NAMES.get(component, component), ValueCount())


async def value_counts(
    store: MongoStore, words: Sequence[str], language: str, progress: Callable[[int, int], object]
) -> ValueCounts:
    """The counts of values in the entries of these words; `progress` receives the words so far, and of all."""
    counts, seen = ValueCounts(), set[str]()
    stamps: dict[Any, Mapping[str, Any]] = {}
    async for headword in stored_headwords(store, words, language):
        stamps |= await stamps_of(store, [headword], stamps)
        for own, each in by_language(headword, language):
            counts.take(own, each, stamps)
        seen.add(str(headword.word.get("text")))
        progress(min(len(seen), len(words)), len(words))
    return counts
