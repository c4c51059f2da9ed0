"""Documents that a person's decisions change, and the writes by which they are stored.

Stamps are written first and removals last, and each update is conditional on the values as they were read. So storing
the same decisions again after an interruption does the rest, and an edit in between is kept.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from floridify_batch.components.change import Collection, is_review_mark, review_mark, value_digest
from floridify_batch.database.document import encoded, stamp_fields, upsert
from floridify_batch.database.layout import ENTRY_COLLECTIONS, STAMPS
from floridify_batch.database.removal import RELATIONS, TEXTS, any_spelling, orphans
from floridify_batch.database.word_documents import Stored, as_read, digests_of
from floridify_batch.words.entry import DIGESTS, SYNTHESIS, DocId, Stamp, derived_id, doc_id

if TYPE_CHECKING:
    from pymongo import UpdateOne

    from floridify_batch.database.store import MongoStore

_ADVICE = "What was stored so far stays; repair the database, then run batch-synth review --in again."
_ORDER = (Collection.WORDS, Collection.EXAMPLES, Collection.FACTS, Collection.PRONUNCIATIONS, Collection.DEFINITIONS)


@dataclass(slots=True)
class Revised:
    """A document with new values; `marks` are the fields whose values a person has decided, `stamps` components."""

    stored: Stored
    fields: dict[str, Any] = field(default_factory=dict)
    marks: dict[str, None] = field(default_factory=dict)
    stamps: dict[str, None] = field(default_factory=dict)

    @property
    def document(self) -> Mapping[str, Any]:
        """The document with the new values."""
        return {**self.stored.document, **self.fields}

    @property
    def is_changed(self) -> bool:
        """Whether anything is to be written."""
        return bool(self.fields or self.marks or self.stamps)


async def write_revised(
    store: "MongoStore", revised: Iterable[Revised], removed: Sequence[Stored], now: datetime
) -> bool:
    """Write revised documents and delete removed ones; returns whether each revised one was as it was read."""
    changed = [each for each in revised if each.is_changed]
    if any(each.stamps for each in changed):
        stamp = _stamp(now)
        await store.bulk(STAMPS, [upsert(stamp.id, stamp_fields(stamp), now, store.layout)], _ADVICE)
    matched = written = 0
    groups: dict[str, list[UpdateOne]] = {}
    for each in changed:
        groups.setdefault(each.stored.collection, []).extend(_updates(each, store, now))
    for collection in sorted(groups, key=(*_ORDER, *groups).index):
        matched += (await store.bulk(collection, groups[collection], _ADVICE)).matched
        written += len(groups[collection])
    senses = [each for each in removed if each.collection == Collection.DEFINITIONS]
    await _unlist(senses, store, now)
    await _delete(removed, {each.id for each in senses}, store)
    return matched == written


def _updates(each: Revised, store: "MongoStore", now: datetime) -> "Iterator[UpdateOne]":
    """The updates of a document, one for each field, so that an edit of one of them prevents no other."""
    from pymongo import UpdateOne

    stamp = encoded(_stamp(now).id, store.layout)
    stamps = {f"{SYNTHESIS}.{key}": stamp for key in each.stamps}
    for name in dict.fromkeys((*each.fields, *each.marks)):
        values = stamps | ({f"{DIGESTS}.{name}": _mark(each.stored, name)} if name in each.marks else {})
        change: dict[str, Any] = {"$set": values}
        if name in each.fields:
            new = values | {name: each.fields[name], "updated_at": now}
            change = {"$set": new, "$inc": {"version": 1}}
        yield UpdateOne(as_read(each.stored, [name]), change)
    if stamps and not each.fields and not each.marks:
        yield UpdateOne({"_id": each.stored.document["_id"]}, {"$set": stamps})


def _mark(stored: Stored, name: str) -> str:
    """The mark of a decided value, with the digest of the value as it was written, or else as it was reviewed."""
    recorded = digests_of(stored.document).get(name)
    if isinstance(recorded, str):
        return recorded if is_review_mark(recorded) else review_mark(recorded)
    return review_mark(value_digest(stored.document.get(name)))


async def _unlist(senses: Sequence[Stored], store: "MongoStore", now: datetime) -> None:
    """Take removed definitions out of the synthesis entries that list them."""
    from pymongo import UpdateOne

    ids = any_spelling(each.id for each in senses)
    words = any_spelling(doc_id(each.document["word_id"]) for each in senses)
    change = {"$pull": {"definition_ids": ids}, "$set": {"updated_at": now}, "$inc": {"version": 1}}
    for name in store.layout.entry_collections if senses else ():
        entries = await store.find(name, {"word_id": words, "definition_ids": ids}, ("_id", "provider"))
        ours = (each for each in entries if {**each, **ENTRY_COLLECTIONS[name]}.get("provider") == SYNTHESIS)
        await store.bulk(name, [UpdateOne({"_id": each["_id"]}, change) for each in ours], _ADVICE)


async def _delete(removed: Iterable[Stored], senses: Set[DocId], store: "MongoStore") -> None:
    """Delete documents whose texts are as they were read, and to which nothing refers any more; definitions last."""
    from pymongo import DeleteOne

    groups: dict[str, list[Mapping[str, Any]]] = {}
    for each in removed:
        groups.setdefault(each.collection, []).append(each.document)
    for name in sorted(groups, key=_ORDER.index):
        collection, documents = Collection(name), groups[name]
        if collection in RELATIONS:
            documents = await orphans(collection, documents, store, store.layout, senses)
        conditions = (as_read(Stored(name, each), [text for text in TEXTS if text in each]) for each in documents)
        await store.bulk(name, [DeleteOne(each) for each in conditions], _ADVICE)


def _stamp(now: datetime) -> Stamp:
    """The stamp of rejected values that no model wrote."""
    return Stamp(derived_id("review"), "review", "review", now, "", "", "review")
