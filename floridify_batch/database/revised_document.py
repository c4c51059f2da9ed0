"""Documents that a person's decisions change, and the writes by which they are stored.

Stamps are written first and removals last, and each update is conditional on the values as they were read. So storing
the same decisions again after an interruption does the rest, and an edit in between is kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from floridify_batch.components.change import REVIEWED, Collection
from floridify_batch.database.document import encoded, stamp_fields, upsert
from floridify_batch.database.layout import ENTRY_COLLECTIONS, STAMPS
from floridify_batch.database.removal import TEXTS, any_spelling
from floridify_batch.database.word_documents import Stored, as_read
from floridify_batch.words.entry import DIGESTS, SYNTHESIS, Stamp, derived_id, doc_id

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
    matched = 0
    groups: dict[str, list[UpdateOne]] = {}
    for each in changed:
        groups.setdefault(each.stored.collection, []).append(_update(each, store, now))
    for collection in sorted(groups, key=(*_ORDER, *groups).index):
        matched += (await store.bulk(collection, groups[collection], _ADVICE)).matched
    await _unlist([each for each in removed if each.collection == Collection.DEFINITIONS], store, now)
    await _delete(removed, store)
    return matched == len(changed)


def _update(each: Revised, store: "MongoStore", now: datetime) -> "UpdateOne":
    from pymongo import UpdateOne

    stamp = encoded(_stamp(now).id, store.layout)
    values = each.fields | {f"{DIGESTS}.{name}": REVIEWED for name in each.marks}
    values |= {f"{SYNTHESIS}.{key}": stamp for key in each.stamps}
    change: dict[str, Any] = {"$set": values}
    if each.fields:
        change = {"$set": values | {"updated_at": now}, "$inc": {"version": 1}}
    return UpdateOne(as_read(each.stored, {*each.fields, *each.marks}), change)


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


async def _delete(removed: Iterable[Stored], store: "MongoStore") -> None:
    """Delete documents whose texts are as they were read; definitions last, since examples are found by them."""
    from pymongo import DeleteOne

    groups: dict[str, list[DeleteOne]] = {}
    for each in removed:
        condition = as_read(each, [name for name in TEXTS if name in each.document])
        groups.setdefault(each.collection, []).append(DeleteOne(condition))
    for collection in sorted(groups, key=_ORDER.index):
        await store.bulk(collection, groups[collection], _ADVICE)


def _stamp(now: datetime) -> Stamp:
    """The stamp of rejected values that no model wrote."""
    return Stamp(derived_id("review"), "review", "review", now, "", "", "review")
