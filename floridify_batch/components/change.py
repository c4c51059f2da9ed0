"""What an answer changes in the database, as a value: nothing here knows how a database is spoken to.

A `Change` is what one answer does, and there are as many as requests. What is written, and handed from one process to
another, are `Writes`: the changes of many answers, of which all that concern one document have become one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from floridify_batch.words.entry import DocId, Handed, Stamp


class Collection(StrEnum):
    """The collections that are written to."""

    WORDS = "words"
    DEFINITIONS = "definitions"
    ENTRIES = "dictionary_entries"
    EXAMPLES = "examples"
    FACTS = "facts"
    PRONUNCIATIONS = "pronunciations"


_NO_IDS: Mapping[str, DocId] = {}


class Insert(NamedTuple):
    """A new document under an id that follows from its request, so that inserting it twice inserts it once."""

    collection: Collection
    id: DocId
    fields: Mapping[str, Any]


class Update(NamedTuple):
    """New values for some fields of a document that exists, and ids that join its lists unless they are there."""

    collection: Collection
    id: DocId
    fields: Mapping[str, Any]
    adds: Mapping[str, DocId] = _NO_IDS


class Replaced(NamedTuple):
    """What gives way to an answer: generated documents of `collection` that belong to `owner`, a definition or a word.

    `before` are those that were referred to until now; what no model wrote stays among them.
    """

    collection: Collection
    owner: DocId
    before: tuple[DocId, ...] = ()


class Change(NamedTuple):
    """All that one answer changes: `target` is the document that its custom id names, and gets the stamp.

    Inserts come before updates, and what is replaced goes last: at no moment does a document refer to one that does
    not exist.
    """

    component: str
    target: Update
    stamp: Stamp
    completed: datetime
    inserts: tuple[Insert, ...] = ()
    updates: tuple[Update, ...] = ()
    replaces: tuple[Replaced, ...] = ()


# ── the changes of many answers ────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Merged(Handed):
    """All that happens to one document. `stamps` are by component, `version` is by how much that goes up.

    `at` is when the latest of its answers was there.
    """

    collection: Collection
    id: DocId
    at: datetime
    fields: dict[str, Any] = field(default_factory=dict)
    stamps: dict[str, DocId] = field(default_factory=dict)
    adds: dict[str, list[DocId]] = field(default_factory=dict)
    version: int = 0

    def take(self, update: Update, at: datetime) -> None:
        """Let an update happen to the document, too."""
        self.at = max(self.at, at)
        self.fields |= update.fields
        self.version += 1
        for name, identity in update.adds.items():
            self.adds.setdefault(name, []).append(identity)


class Removal(NamedTuple):
    """What gives way, if it was made before `before`, and the documents that the same answer updates."""

    replaced: Replaced
    before: datetime
    referring: tuple[DocId, ...]


class Writes(NamedTuple):
    """What answers change together, in the order in which it is to be written.

    New documents come with the time at which they were made. Of the updates, those of words come last: the stamp that
    the plan looks at is the target's, and is written when everything else is.
    """

    stamps: Sequence[Stamp]
    inserts: Sequence[tuple[Insert, datetime]]
    updates: Sequence[Merged]
    removals: Sequence[Removal] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.updates)


def writes_of(changes: Iterable[Change]) -> Writes:
    """What changes do together: one update per document, however many of them concern it."""
    stamps: dict[DocId, Stamp] = {}
    inserts: list[tuple[Insert, datetime]] = []
    merged: dict[tuple[Collection, DocId], Merged] = {}
    removals: list[Removal] = []
    for change in changes:
        stamp = change.stamp
        stamps[stamp.id] = stamp
        inserts += [(insert, change.completed) for insert in change.inserts]
        # Whatever an answer touches is stamped, so that the update knows what it has done already.
        for update in (*change.updates, change.target):
            _merge(merged, update, change.completed).stamps[change.component] = stamp.id
        if change.replaces:
            referring = (*(update.id for update in change.updates), change.target.id)
            removals += [Removal(replaced, stamp.batch_created, referring) for replaced in change.replaces]
    return Writes(list(stamps.values()), inserts, _in_order(merged), removals)


def merged_updates(updates: Iterable[Update], at: datetime) -> list[Merged]:
    """Updates that no answer brought, so that nothing is stamped: one per document."""
    merged: dict[tuple[Collection, DocId], Merged] = {}
    for update in updates:
        _merge(merged, update, at)
    return _in_order(merged)


def _merge(merged: dict[tuple[Collection, DocId], Merged], update: Update, at: datetime) -> Merged:
    key = (update.collection, update.id)
    document = merged.get(key)
    if document is None:
        document = merged[key] = Merged(update.collection, update.id, at)
    document.take(update, at)
    return document


def _in_order(merged: Mapping[tuple[Collection, DocId], Merged]) -> list[Merged]:
    """Words last."""
    return sorted(merged.values(), key=lambda each: each.collection == Collection.WORDS)
