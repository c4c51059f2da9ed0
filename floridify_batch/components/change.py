"""Changes to the database as values, and the digest of a value; only `database` knows how they are written.

A `Change` is the effect of one answer: a recipe returns its `Outcome`, and the stamp is added. `Writes` are the changes
of many answers, merged into one update per document; they are passed between processes and stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from floridify_batch.costs.usage import Usage
from floridify_batch.timing import whole_milliseconds
from floridify_batch.words.entry import CompactPickle, DocId, EntryDraft, Stamp, derived_id


class Collection(StrEnum):
    """The collections that are written to."""

    WORDS = "words"
    DEFINITIONS = "definitions"
    ENTRIES = "dictionary_entries"
    EXAMPLES = "examples"
    FACTS = "facts"
    PRONUNCIATIONS = "pronunciations"


class SchemaVersion(StrEnum):
    """The version of Floridify's models that a database is written for; the name of its folder of schemas."""

    TODAY = "today"
    JULY_2025 = "2025-07"


_NO_IDS: Mapping[str, tuple[DocId, ...]] = {}
_NO_VALUES: Mapping[str, Any] = {}


class Insert(NamedTuple):
    """A new document. Its id is derived from its request, so inserting it is idempotent."""

    collection: Collection
    id: DocId
    fields: Mapping[str, Any]


class Update(NamedTuple):
    """New values for fields of an existing document, and ids to add to its lists (as a set).

    `before`: the values that it was derived from, by field. It is not written over an edit of any of them.
    """

    collection: Collection
    id: DocId
    fields: Mapping[str, Any]
    adds: Mapping[str, tuple[DocId, ...]] = _NO_IDS
    before: Mapping[str, Any] = _NO_VALUES


class Replaced(NamedTuple):
    """Generated documents of `collection` that an answer replaces; their `owner` is a definition or a word.

    `before` are the documents referred to until now; those that no model wrote are kept, and those that people have
    `edited` unless these are replaced, too.
    """

    collection: Collection
    owner: DocId
    before: tuple[DocId, ...] = ()
    edited: bool = False


class Remains(NamedTuple):
    """The ids that the new documents of an answer would have which is not stored.

    They exist if a process died while it stored the answer, and the place was filled before the next session.
    """

    collection: Collection
    ids: tuple[DocId, ...]


class Merge(NamedTuple):
    """A definition that was written from several sources: it takes the places of their copies in its entry.

    A copy that somebody has edited stays.
    """

    entry: DocId
    definition: DocId


class Provenance(NamedTuple):
    """The origin of an answer, and the rules by which it is stored.

    `replace`: the answer replaces the value before it, `replace_edited`: even one that people have edited.
    `rare_first`: the database counts frequency bands from the
    rarest, whereas prompts and answers count from the commonest. `first_number`: the first definition's in the prompt.
    `temperature`: the one that was sent, or the model's default. `schema`: the version of Floridify's models.
    """

    custom_id: str
    stamp: Stamp
    completed: datetime
    usage: Usage | None
    language: str
    language_name: str
    replace: bool
    replace_edited: bool = False
    rare_first: bool = False
    first_number: int = 1
    temperature: float = 1.0
    schema: SchemaVersion = SchemaVersion.TODAY

    def derived_id(self, index: int) -> DocId:
        """The id of the answer's `index`th new document: the same each time that the answer is stored."""
        return derived_id(self.custom_id, self.stamp.id, index)

    def model_info(self, confidence: float) -> dict[str, Any]:
        """The database's record of the model that wrote a document."""
        usage = self.usage
        return {
            "name": self.stamp.model,
            "confidence": confidence,
            "temperature": self.temperature,
            "generation_count": 1,
            "prompt_tokens": usage.input if usage else None,
            "completion_tokens": usage.output if usage else None,
            "total_tokens": usage.total if usage else None,
            "response_time_ms": None,
            "last_generated": self.completed,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """The part of a change that depends on the component: new values of the target, and other documents' changes."""

    fields: Mapping[str, Any]
    inserts: tuple[Insert, ...] = ()
    updates: tuple[Update, ...] = ()
    replaces: tuple[Replaced, ...] = ()
    merge: Merge | None = None


class Change(NamedTuple):
    """The whole effect of one answer: `target` is the document that its custom id names, and gets the stamp.

    Inserts come before updates, and removals last: at no moment does a document refer to one that does not exist.
    """

    component: str
    target: Update
    stamp: Stamp
    completed: datetime
    inserts: tuple[Insert, ...] = ()
    updates: tuple[Update, ...] = ()
    replaces: tuple[Replaced, ...] = ()
    draft: EntryDraft | None = None
    """The part of the word's synthesis entry that must be stored before the updates."""
    merge: Merge | None = None
    stamp_prefix: str = ""
    """The prefix of the key of its stamp in the word's document."""
    provenance: Provenance | None = None
    """The origin of the answer; a new entry of the draft names its model."""


# ── the changes of many answers ────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Merged(CompactPickle):
    """The merged update of one document. `stamps` are by component; `version` is the increment of its version.

    `at` is the completion time of its latest answer; `before` are the values that it was derived from.
    """

    collection: Collection
    id: DocId
    at: datetime
    fields: dict[str, Any] = field(default_factory=dict)
    stamps: dict[str, DocId] = field(default_factory=dict)
    adds: dict[str, list[DocId]] = field(default_factory=dict)
    version: int = 0
    before: dict[str, Any] = field(default_factory=dict)

    @property
    def digests(self) -> dict[str, str]:
        """The digests of the new values, by field."""
        return {name: value_digest(value) for name, value in self.fields.items()}

    def take(self, update: Update, at: datetime) -> None:
        """Merge an update into this one."""
        self.at = max(self.at, at)
        self.fields |= update.fields
        self.version += 1
        self.before |= update.before
        for name, ids in update.adds.items():
            self.adds.setdefault(name, []).extend(ids)


class Removal(NamedTuple):
    """The removal of replaced documents made before `before`, with the documents that the same answer updates."""

    replaced: Replaced
    before: datetime
    referring: tuple[DocId, ...]


class Writes(NamedTuple):
    """The merged changes of many answers, in the order in which they are written.

    New documents and drafts of synthesis entries come with their creation times. Updates of words come last: the plan
    looks at the stamp of the target, which must be written after everything else.
    """

    stamps: Sequence[Stamp]
    inserts: Sequence[tuple[Insert, datetime]]
    updates: Sequence[Merged]
    removals: Sequence[Removal] = ()
    drafts: Sequence[tuple[EntryDraft, datetime]] = ()
    merges: Sequence[Merge] = ()
    remains: Sequence[Remains] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.updates or self.remains)


class WriteOutcome(NamedTuple):
    """The outcome of writes: the words of edited copies that stay, and the number of documents that were updated."""

    edited: Sequence[str] = ()
    updated: int = 0


def writes_of(changes: Iterable[Change], remains: Iterable[Remains] = ()) -> Writes:
    """Merge changes: one update per document."""
    stamps: dict[DocId, Stamp] = {}
    inserts: list[tuple[Insert, datetime]] = []
    merged: dict[tuple[Collection, DocId], Merged] = {}
    removals: list[Removal] = []
    drafts: dict[DocId, tuple[EntryDraft, datetime]] = {}
    merges: list[Merge] = []
    for change in changes:
        stamp = change.stamp
        stamps[stamp.id] = stamp
        if change.merge is not None:
            merges.append(change.merge)
        if change.draft is not None and change.draft.id not in drafts:
            drafts[change.draft.id] = (_signed(change.draft, change.provenance), change.completed)
        inserts += [(insert, change.completed) for insert in change.inserts]
        # Every document that an answer updates is stamped, so that repeating the update is a no-op.
        for update in (*change.updates, change.target):
            key = change.stamp_prefix * (update.collection == Collection.WORDS) + change.component
            _merge(merged, update, change.completed).stamps[key] = stamp.id
        if change.replaces:
            referring = (*(update.id for update in change.updates), change.target.id)
            removals += [Removal(replaced, stamp.batch_created, referring) for replaced in change.replaces]
    return Writes(
        list(stamps.values()), inserts, _in_order(merged), removals, list(drafts.values()), merges, list(remains)
    )


def _signed(draft: EntryDraft, provenance: Provenance | None) -> EntryDraft:
    """A draft whose new entry, if it has one, names the model of its first answer."""
    return replace(draft, model_info=provenance.model_info(1.0)) if draft.new and provenance is not None else draft


def merged_updates(updates: Iterable[Update], at: datetime) -> list[Merged]:
    """Merge updates without an answer, and so without a stamp: one per document."""
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
    """Collection by collection, words last."""
    return sorted(merged.values(), key=lambda each: (each.collection == Collection.WORDS, each.collection))


EMPTY_DIGEST = "0" * 8
"""The digest of a value that is absent or empty."""

REVIEWED = "reviewed"
"""The mark in place of a digest of a value that a person has accepted, edited or removed: it is the digest of none.

The digest of the value as it was written follows behind a colon; earlier versions did not keep it.
"""

_FORM = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME


def review_mark(written: str) -> str:
    """The mark of a reviewed value, by the digest of the value as it was written."""
    return f"{REVIEWED}:{written}"


def is_review_mark(digest: object) -> bool:
    """Whether a value's digest is the mark of a reviewed one."""
    return isinstance(digest, str) and digest.partition(":")[0] == REVIEWED


def written_digest(mark: str) -> str:
    """The digest in a mark of the value as it was written; empty in one of an earlier version."""
    return mark.partition(":")[2]


def value_digest(value: Any) -> str:
    """A short digest of a value as the database returns it; a list is one value, and its order counts."""
    if not value:
        return EMPTY_DIGEST
    return blake2b(orjson.dumps(value, default=_plain, option=_FORM), digest_size=len(EMPTY_DIGEST) // 2).hexdigest()


def _plain(value: Any) -> str:
    """A value that JSON lacks, as a text; a time in milliseconds, as the database returns it."""
    return whole_milliseconds(value).isoformat() if isinstance(value, datetime) else str(value)
