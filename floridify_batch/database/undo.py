"""The undo of a run: removes, by stamps, what it wrote, unless it was edited.

Words are marked first and unmarked last, and each step finds what is left to do, so that an undo that is interrupted
and repeated ends the same. Every write is conditional on the document as it was read: an edit in between is kept.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from floridify_batch.components.change import Collection, Writes, value_digest
from floridify_batch.database.document import encoded
from floridify_batch.database.layout import ENTRY_COLLECTIONS, STAMPS, spelled
from floridify_batch.database.removal import RELATIONS, any_spelling, looked_up
from floridify_batch.database.trace import EMPTIED, ENTRIES, MARK, WORDS, Trace, UndoResult, trace_of
from floridify_batch.database.word_documents import (
    Stored,
    WordDocuments,
    as_read,
    linked_ids,
    read_citations,
    word_documents,
    words_with,
)
from floridify_batch.words.entry import DIGESTS, SYNTHESIS, DocId, EntryDraft, doc_id

if TYPE_CHECKING:
    from floridify_batch.database.store import MongoStore

type Document = Mapping[str, Any]
type Counts = Counter[tuple[str, UndoResult]]

_PAGE = 200
_ADVICE = "What was undone so far stays undone; repair the database, then run `batch-synth undo` again."


async def runs_named(store: "MongoStore", text: str) -> list[str]:
    """The runs whose id begins with a text, and that have stored answers in this database."""
    query = {"run": {"$regex": f"^{re.escape(text)}"}}
    return sorted({str(each["run"]) for each in await store.find(STAMPS, query, ("run",))})


class Undo:
    """The undo of one run in a database."""

    def __init__(self, store: "MongoStore", run: str, now: datetime) -> None:
        self._store = store
        self._run = run
        self._now = now
        self._stamps: dict[DocId, datetime | None] = {}

    async def count(self) -> Counts:
        """The numbers of values and documents to undo, and of those that stay, by component and result."""
        counts: Counts = Counter()
        for page in batched(await self._words(), _PAGE):
            for trace in await self._traces(page):
                counts += trace.counts
        return counts

    async def write(self) -> Counts:
        """Undo the run, and count the results; values that are edited at that moment stay. Idempotent."""
        await self._store.ensure((*looked_up(self._store.layout), *_listings(self._store)))
        counts: Counts = Counter()
        for page in batched(await self._words(), _PAGE):
            traces = await self._traces(page)
            await self._clear(traces)
            deleted = await self._delete_linked(await self._traces(page))
            attempted = await self._remove(await self._relink(page, traces))
            if any(attempted.values()):
                await self._relist(await self._documents(page), attempted)
            await self._delete_entries(await self._traces(page))
            await self._unstamp(await self._traces(page))
            found = await self._documents(page)
            await self._restore_linked(found, deleted)
            counts += self._results(found, traces)
        return counts

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _words(self) -> list[DocId]:
        """The words with a document that has a stamp of the run."""
        found = await self._store.find(STAMPS, {"run": self._run}, ("_id", "batch_created"))
        moments = {doc_id(each["_id"]): each.get("batch_created") for each in found}
        self._stamps = {name: each if isinstance(each, datetime) else None for name, each in moments.items()}
        return await words_with(self._store, _stamped(self._stamps))

    async def _traces(self, words: Sequence[DocId]) -> list[Trace]:
        return [trace_of(each, self._stamps) for each in await self._documents(words)]

    async def _documents(self, words: Sequence[DocId]) -> list[WordDocuments]:
        found = await word_documents(self._store, words, deleted=True)
        await read_citations(self._store, found)
        return found

    def _results(self, found: Iterable[WordDocuments], before: Iterable[Trace]) -> Counts:
        """The counts of a page's traces, in which what stayed against them counts as edited."""
        after, stay = dict[tuple[str, DocId], UndoResult](), set[DocId]()
        for word in found:
            after |= trace_of(word, self._stamps).results
            stay |= {each.id for each in word.entries} | (set() if word.is_deleted else {word.id})
        counts: Counts = Counter()
        for (name, identity), result in (each for trace in before for each in trace.results.items()):
            stays = identity in stay if name in (ENTRIES, EMPTIED, WORDS) else (name, identity) in after
            counts[name, UndoResult.EDITED if stays and result is UndoResult.REMOVED else result] += 1
        return counts

    # ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _clear(self, traces: Sequence[Trace]) -> None:
        """Mark the words, and put back the values before the run's."""
        from pymongo import UpdateOne

        stamp = encoded(min(self._stamps), self._store.layout) if self._stamps else None
        words = [{"_id": each.word["_id"], f"{SYNTHESIS}.{MARK}": None} for each in traces if each.is_due]
        marks = [UpdateOne(each, {"$set": {f"{SYNTHESIS}.{MARK}": stamp}}) for each in words]
        await self._store.bulk(Collection.WORDS, marks, _ADVICE)
        changes: dict[str, list[UpdateOne]] = {}
        for stored, values in (each for trace in traces for each in trace.rewrites):
            digests = stored.document.get(DIGESTS) or {}
            for name, value in values.items():  # one by one: an edit of one value is no reason for the others to stay
                if digests.get(name) == value_digest(value):
                    continue
                new = {name: value, f"{DIGESTS}.{name}": value_digest(value), "updated_at": self._now}
                change = UpdateOne(as_read(stored, (name,)), {"$set": new, "$inc": {"version": 1}})
                changes.setdefault(stored.collection, []).append(change)
        for collection, operations in changes.items():
            await self._store.bulk(collection, operations, _ADVICE)

    async def _delete_linked(self, traces: Sequence[Trace]) -> list[Stored]:
        """Delete examples, facts and pronunciations, and return them; edited ones stay."""
        removed = [each for trace in traces for each in trace.removed if each.collection in RELATIONS]
        await self._delete(removed)
        return removed

    async def _relink(self, page: Sequence[DocId], before: Sequence[Trace]) -> list[Trace]:
        """Refer to documents again that were edited after their references were removed; returns the present traces.

        Of what is not edited by now, nothing is left: the order of the two makes every edit visible here.
        """
        from pymongo import UpdateOne

        traces = await self._traces(page)
        lists = [linked_ids(each.document) for trace in before for each, _ in trace.rewrites]
        places = {each: place for listed in lists for place, each in enumerate(listed)}
        relinkings = [each for trace in traces for each in trace.relinkings]
        for stored, name, documents in relinkings:
            again = [spelled(each, as_string=self._store.layout.string_references) for each in documents]
            present = stored.document.get(name)
            joined = [*present, *again] if isinstance(present, list) else again
            listed = sorted(joined, key=lambda each: places.get(doc_id(each), len(places)))
            value = listed if name.endswith("_ids") else listed[0]
            new = {name: value, f"{DIGESTS}.{name}": value_digest(value), "updated_at": self._now}
            change = UpdateOne(as_read(stored, (name,)), {"$set": new, "$inc": {"version": 1}})
            await self._store.bulk(stored.collection, [change], _ADVICE)
        return await self._traces(page) if relinkings else traces

    async def _restore_linked(self, found: Iterable[WordDocuments], deleted: Sequence[Stored]) -> None:
        """Insert deleted documents again to which a definition or an entry refers that was edited meanwhile."""
        from pymongo import UpdateOne

        holders = (each.document for word in found for each in (*word.definitions.values(), *word.entries))
        named = {each for holder in holders for each in linked_ids(holder)} if deleted else set[DocId]()
        again: dict[str, list[UpdateOne]] = {}
        for collection, document in (each for each in deleted if each.id in named):
            operation = UpdateOne({"_id": document["_id"]}, {"$setOnInsert": dict(document)}, upsert=True)
            again.setdefault(collection, []).append(operation)
        for collection, operations in again.items():
            await self._store.bulk(collection, operations, _ADVICE)

    async def _remove(self, traces: Sequence[Trace]) -> dict[DocId, list[Any]]:
        """Remove definitions; returns what entries listed before, by entry."""
        from pymongo import UpdateOne

        unlistings = [each for trace in traces for each in trace.unlistings]
        drafts = [
            EntryDraft(entry.id, doc_id(entry.document["word_id"]), "en", new=False, copies=tuple(copies))
            for entry, _, copies in unlistings
            if copies
        ]
        if drafts:
            await self._store.apply(Writes((), (), (), drafts=[(each, self._now) for each in drafts]))
        for entry, listed, copies in unlistings:
            change: dict[str, Any] = {"$pull": {"definition_ids": {"$in": list(listed)}}, "$inc": {"version": 1}}
            if not copies and len(listed) == len(entry.document.get("definition_ids") or ()):
                change["$set"] = {"source_entries": []}  # else the sources' definitions would count as removed by hand
            await self._store.bulk(entry.collection, [UpdateOne({"_id": entry.document["_id"]}, change)], _ADVICE)
        await self._delete(
            each for trace in traces for each in trace.removed if each.collection == Collection.DEFINITIONS
        )
        return {entry.id: list(listed) for entry, listed, _ in unlistings}

    async def _relist(self, found: Iterable[WordDocuments], listed: Mapping[DocId, Sequence[Any]]) -> None:
        """List definitions again that were to be removed, and were edited at that moment."""
        from pymongo import UpdateOne

        for word in found:
            for entry in word.entries:
                stay = [each for each in listed.get(entry.id, ()) if doc_id(each) in word.definitions]
                if stay:
                    change = {"$addToSet": {"definition_ids": {"$each": stay}}}
                    await self._store.bulk(
                        entry.collection, [UpdateOne({"_id": entry.document["_id"]}, change)], _ADVICE
                    )

    async def _delete_entries(self, traces: Sequence[Trace]) -> None:
        await self._delete(each for trace in traces for each in trace.removed if each.collection in ENTRY_COLLECTIONS)

    async def _delete(self, removed: Iterable[Stored]) -> None:
        """Delete documents that are as they were read."""
        from pymongo import DeleteOne

        deletions: dict[str, list[DeleteOne]] = {}
        for stored in removed:
            condition = as_read(stored, stored.document.keys() - ENTRY_COLLECTIONS.get(stored.collection, {}).keys())
            deletions.setdefault(stored.collection, []).append(DeleteOne(condition))
        for collection, operations in deletions.items():
            await self._store.bulk(collection, operations, _ADVICE)

    async def _unstamp(self, traces: Sequence[Trace]) -> None:
        """Remove the stamps and digests of undone values, then the words that the run created."""
        from pymongo import UpdateOne

        changes: dict[str, list[UpdateOne]] = {}
        for stored, stamps, digests in (each for trace in traces for each in trace.unstampings):
            change = {"$unset": _unset(stored.document, SYNTHESIS, stamps) | _unset(stored.document, DIGESTS, digests)}
            condition = as_read(stored, (SYNTHESIS, DIGESTS))
            changes.setdefault(stored.collection, []).append(UpdateOne(condition, change))
        words = changes.pop(Collection.WORDS, [])
        for collection, operations in changes.items():
            await self._store.bulk(collection, operations, _ADVICE)
        removed = [Stored(Collection.WORDS, each.word) for each in traces if each.word_removed]
        await self._store.bulk(Collection.WORDS, words, _ADVICE)
        await self._delete(removed)
        await self._restore_used(removed)

    async def _restore_used(self, words: Sequence[Stored]) -> None:
        """Insert words again that received a definition or an entry during the undo."""
        from pymongo import UpdateOne

        of_words, used = {"word_id": any_spelling(each.id for each in words)}, set[DocId]()
        for name in (Collection.DEFINITIONS, *self._store.layout.entry_collections) if words else ():
            used |= {doc_id(each["word_id"]) for each in await self._store.find(name, of_words, ("word_id",))}
        again = [each.document for each in words if each.id in used]
        operations = [UpdateOne({"_id": each["_id"]}, {"$setOnInsert": dict(each)}, upsert=True) for each in again]
        await self._store.bulk(Collection.WORDS, operations, _ADVICE)


def _stamped(stamps: Iterable[DocId]) -> dict[str, Any]:
    """The query for documents with one of these stamps, under any key."""
    borne = {"$map": {"input": {"$objectToArray": f"${SYNTHESIS}"}, "in": {"$toString": "$$this.v"}}}
    own = {"$setIntersection": [borne, [str(each) for each in stamps]]}
    is_map = {"$eq": [{"$type": f"${SYNTHESIS}"}, "object"]}
    return {SYNTHESIS: {"$type": "object"}, "$expr": {"$gt": [{"$size": {"$cond": [is_map, own, []]}}, 0]}}


def _listings(store: "MongoStore") -> Iterable[tuple[str, list[str]]]:
    return ((name, ["definition_ids"]) for name in store.layout.entry_collections)


def _unset(document: Document, name: str, keys: Iterable[str]) -> dict[str, str]:
    """The removal of keys of a map, or of the whole map if nothing else is in it."""
    present, keys = document.get(name), set(keys)
    if not isinstance(present, Mapping):
        return {}
    return {name: ""} if present.keys() <= keys else {f"{name}.{key}": "" for key in keys & present.keys()}
