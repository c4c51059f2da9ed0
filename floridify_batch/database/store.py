"""The store of a run in MongoDB: reads entries in pages, writes changes as unordered bulks, in the database's layout.

Writes are idempotent: ids of new documents are derived from their requests, and a stamped change is not applied again.
Only the common interface of motor and `pymongo.AsyncMongoClient` is used.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import batched, chain, groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from floridify_batch.components.change import (
    Collection,
    Merge,
    Merged,
    Remains,
    SchemaVersion,
    Update,
    WriteOutcome,
    Writes,
    merged_updates,
)
from floridify_batch.costs.answer_length import AnswerKind, AnswerShape, BatchLengths, Observed, SenseCount
from floridify_batch.database.access import BULK, RUNS, DatabaseAccess
from floridify_batch.database.conflict import unmatched
from floridify_batch.database.document import (
    SHOWN_OF_DEFINITIONS,
    SHOWN_OF_ENTRIES,
    SHOWN_OF_WORDS,
    Document,
    Found,
    first_language,
    new_word,
    observations,
    read_entry,
    read_stamp,
    run_document,
    run_progress,
    stamp_fields,
    updates_of,
    upsert,
)
from floridify_batch.database.error import WORD_REFUSED, may_write, stated, unreachable
from floridify_batch.database.example_text import wanted_examples
from floridify_batch.database.frequency_scale import stored_scales
from floridify_batch.database.layout import (
    ENTRY_COLLECTIONS,
    SAMPLE,
    SAMPLED,
    SHOWN,
    STAMPS,
    TODAY,
    Layout,
    detect,
    with_text,
)
from floridify_batch.database.merge import RemovedCopies, merged_copies
from floridify_batch.database.removal import (
    edited_texts,
    found_by_id,
    keeping_others,
    looked_up,
    relistings,
    removable,
    unused,
    with_digests,
)
from floridify_batch.database.sense_count import stored_senses
from floridify_batch.database.source_copy import drafted_copies, listed_in, relisted, unlisted
from floridify_batch.errors import DatabaseError, EditedMeanwhile
from floridify_batch.formatting import counted
from floridify_batch.timing import Clock, Notify, ignore, utc_now
from floridify_batch.words.entry import (
    DocId,
    Entry,
    FrequencyScale,
    Stamp,
    Word,
    as_homographs,
    copied_id,
    doc_id,
    spellings_of,
    unknown_entry,
)

if TYPE_CHECKING:
    from pymongo import DeleteOne, UpdateOne

_SELECTION_TIMEOUT_MS = 5000
_KEPT = "Received answers are kept on disk; repair the database, then resume."


_DECODING: Mapping[str, Any] = {
    "tz_aware": True,
    "datetime_conversion": "DATETIME_CLAMP",
    "unicode_decode_error_handler": "replace",
}
"""How documents are decoded: invalid UTF-8 and dates that Python does not have cost themselves, not the whole page."""


class MongoStore(DatabaseAccess):
    """The documents of a run in a MongoDB database. Raises `DatabaseError` for an unusable address.

    `reads_edits`: entries know edited texts of examples, facts and pronunciations, as runs that renew values need;
    `reads_examples`: they know the texts of examples, as judgements need.
    """

    def __init__(
        self,
        url: str,
        database: str,
        *,
        patience: float = 600.0,
        waiting: Notify = ignore,
        clock: Clock = utc_now,
    ) -> None:
        from motor.motor_asyncio import AsyncIOMotorClient
        from pymongo.errors import PyMongoError

        try:
            client: Any = AsyncIOMotorClient(
                url, journal=True, serverSelectionTimeoutMS=_SELECTION_TIMEOUT_MS, **_DECODING
            )
            super().__init__(client[database], patience, waiting)
        except (PyMongoError, ValueError):  # the driver's own words may hold a part of the password
            raise DatabaseError(
                "The database's address or name is invalid. An address has the form mongodb://host/ (with special "
                "characters of a password as %XX); a name consists of letters and digits."
            ) from None
        self.reads_edits = False
        self.reads_examples = False
        self._has_answers = False
        self._client = client
        self._clock = clock
        self._stamps: dict[Any, Stamp] = {}
        self._written: set[str] = set()
        self._indexed: set[tuple[str, ...]] = set()
        self._layout: Layout | None = None

    async def close(self) -> None:
        """Close the connections."""
        self._client.close()

    async def check(self) -> None:
        """Ping the server and detect the database's layout. Raises `DatabaseError` without a retry."""
        from pymongo.errors import PyMongoError

        try:
            await self._client.admin.command("ping")
            self._layout = await self._detected()
        except PyMongoError as error:
            raise unreachable(error) from None

    async def check_writable(self) -> None:
        """Check that the user may write, by the privileges that the server states. Raises `DatabaseError`."""
        try:
            status = await self._retried(partial(self._database.command, "connectionStatus", showPrivileges=True))
        except DatabaseError:
            return  # a compatible server without that command
        auth = status.get("authInfo") or {}
        needed = (*(self.layout.own_collection(each) for each in Collection), STAMPS, RUNS)
        privileges = auth.get("authenticatedUserPrivileges") or []
        allowed = all(may_write(each, privileges, self._database.name) for each in needed)
        if auth.get("authenticatedUsers") and not allowed:
            users = ", ".join(str(each.get("user")) for each in auth["authenticatedUsers"])
            raise DatabaseError(
                f"The user {users} may not write to the database {self._database.name}, so no answer could be stored. "
                'Nothing has been sent. Grant the role "readWrite", or use another user in --mongo-url.'
            )

    async def ensure_indexes(self) -> None:
        """Create the indexes of the look-ups, unless an index has these keys as its prefix. Raises `DatabaseError`."""
        layout = await self._known_layout()
        entries = ((name, ["word_id"]) for name in layout.entry_collections)
        words = (Collection.WORDS, ["text", layout.language_field])
        await self.ensure((words, (Collection.DEFINITIONS, ["word_id"]), *entries))

    async def ensure(self, indexes: Iterable[tuple[str, list[str]]]) -> None:
        """Create indexes, each at most once per process."""
        for name, keys in indexes:
            if (name, *keys) in self._indexed:
                continue
            self._indexed.add((name, *keys))
            collection = self._database[name]
            present = (await self._retried(collection.index_information)).values()
            if not any([key for key, _ in index["key"]][: len(keys)] == keys for index in present):
                await self._retried(partial(collection.create_index, keys))

    # ── the layout ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def schema(self) -> SchemaVersion:
        """The version of Floridify's models that reads the database."""
        return self.layout.schema

    @property
    def layout(self) -> Layout:
        """The detected layout; before the first use, today's."""
        return self._layout or TODAY

    async def _known_layout(self) -> Layout:
        """The layout, detected once."""
        if self._layout is None:
            self._layout = await self._retried(self._detected)
        return self._layout

    async def _detected(self) -> Layout:
        names = await self._database.list_collection_names(authorizedCollections=True, nameOnly=True)
        return detect(names, {name: await self._ends(name) for name in SAMPLED if name in names})

    async def _ends(self, name: str) -> list[dict[str, Any]]:
        """Sample documents from both ends of a collection, in the order of ids and in natural order."""
        ends, kept = ((key, way) for key in ("_id", "$natural") for way in (1, -1)), self._database[name]
        return [each for end in ends async for each in kept.find({}, SHOWN, limit=SAMPLE).sort(*end)]

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def entries(self, texts: Sequence[str], language: str) -> dict[str, list[Entry]]:
        """The entries of each text in a language: one per homograph, or the future entry of an unknown word."""
        layout = await self._known_layout()
        spellings = {text: spellings_of(text) for text in texts}
        query = with_text({"$in": list({each for text in texts for each in spellings[text]})})
        found = await self._retried(partial(self._find, query | layout.of_language(language), layout))
        stored: dict[str, list[Entry]] = {}
        for document in sorted(found.words, key=_by_number):
            entry = read_entry(document, found, self._stamps, language)
            stored.setdefault(document["text"], []).append(entry)
        known = ((text, next((stored[each] for each in spellings[text] if each in stored), None)) for text in texts)
        return {text: as_homographs(found) if found else [unknown_entry(text, language)] for text, found in known}

    async def entries_of(self, documents: Sequence[DocId], language: str | None = None) -> dict[DocId, Entry]:
        """The entry of each of these words and definitions that exists; of an unstored copy, if its source exists.

        Words of other languages are omitted. Without a language, each word is read in its first one.
        """
        layout = await self._known_layout()
        named = layout.with_ids([*documents, *map(copied_id, documents)])
        owned = await self.find(Collection.DEFINITIONS, {"_id": named}, ("word_id",))
        words = {doc_id(each["_id"]): doc_id(each["word_id"]) for each in owned}
        owners = {each: word for each in documents if (word := words.get(each) or words.get(copied_id(each)))}
        query = {"_id": layout.with_ids({*documents, *owners.values()})}
        query |= layout.of_language(language) if language else {}
        found = await self._retried(partial(self._find, query, layout))
        entries = {
            doc_id(each["_id"]): read_entry(each, found, self._stamps, language or first_language(each))
            for each in found.words
        }
        return {each: entries[word] for each in documents if (word := owners.get(each, each)) in entries}

    async def _find(self, query: Mapping[str, Any], layout: Layout) -> Found:
        found = Found()
        found.words = [each async for each in self._read(Collection.WORDS, query, SHOWN_OF_WORDS)]
        of_words = {"word_id": layout.referring_to(word["_id"] for word in found.words)}
        async for document in self._read(Collection.DEFINITIONS, of_words, SHOWN_OF_DEFINITIONS):
            found.definitions.setdefault(document["word_id"], {})[document["_id"]] = document
        for name in layout.entry_collections:
            async for document in self._read(name, of_words, SHOWN_OF_ENTRIES):
                found.entries.setdefault(document["word_id"], []).append(document)
        if wanted := found.wanted_pronunciations():
            whole = {"_id": layout.with_ids(wanted), "phonetic": {"$gt": ""}, "ipa": {"$gt": ""}}
            spoken = self._read(Collection.PRONUNCIATIONS, whole, ("_id",))
            found.pronunciations = {doc_id(each["_id"]) async for each in spoken}
        if self.reads_edits:
            found.edits = await edited_texts(found.holders(), self, layout)
        definitions = chain(*(group.values() for group in found.definitions.values()))
        if self.reads_examples and (wanted := wanted_examples(definitions)):
            texts = self._read(Collection.EXAMPLES, {"_id": layout.with_ids(wanted)}, ("text",))
            found.examples = {doc_id(each["_id"]): str(each.get("text") or "") async for each in texts}
        await self._learn_stamps(found)
        return found

    async def _read(self, collection: str, query: Mapping[str, Any], shown: Sequence[str]) -> AsyncIterator[Document]:
        """Documents in the order of their ids, with the fields that older layouts imply."""
        implied = ENTRY_COLLECTIONS.get(collection)
        async for document in self._database[collection].find(query, shown).sort("_id"):
            yield self.layout.unified({**document, **implied} if implied else document)

    async def _learn_stamps(self, found: Found) -> None:
        """Read stamps that are not cached yet; there are few, one per batch and component."""
        if new := found.stamp_ids() - self._stamps.keys():
            async for document in self._database[STAMPS].find({"_id": self.layout.with_ids(new)}):
                self._stamps[self.layout.unified(document["_id"])] = read_stamp(document)

    async def observed(self, model: str) -> dict[AnswerKind, Observed]:
        """Measured answer lengths of a model: a sum over its stamps; those of earlier versions have no shape."""
        seen: dict[AnswerKind, Observed] = {}
        query = {"model": model, "answers": {"$gt": 0}}
        for stamp in await self.find(STAMPS, query, ("component", "template", "shape", "answers", "output")):
            key = AnswerKind(stamp["component"], stamp["template"], AnswerShape(stamp.get("shape", "full")))
            seen[key] = seen.get(key, Observed()) + Observed(stamp["answers"], stamp["output"])
        return seen

    async def senses(self, model: str) -> SenseCount:
        """The number of senses that a model has defined, and of their words, in a part of the database."""
        return await stored_senses(self, await self._known_layout(), model)

    async def band_scales(self) -> frozenset[FrequencyScale]:
        """The scales of the frequency bands that we have stored; those of earlier versions are common-first."""
        return await stored_scales(self, await self._known_layout())

    # ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def ensure_words(self, words: Iterable[Word]) -> dict[DocId, str]:
        """Create the documents of new words, so that the ids in requests exist; returns the words that are refused."""
        now, layout = self._clock(), await self._known_layout()
        refused: dict[DocId, str] = {}
        for part in batched(words, BULK):
            operations = [upsert(each.id, new_word(each, layout), now, layout) for each in part]
            _, errors = await self.bulk_part(Collection.WORDS, operations)
            if errors:  # another run may have created them meanwhile
                _, errors = await self.bulk_part(Collection.WORDS, operations)
            refused |= {part[each["index"]].id: f"{WORD_REFUSED}: {stated(each)}" for each in errors}
        return refused

    async def apply(self, writes: Writes) -> WriteOutcome:
        """Write the changes of answers; idempotent. New documents are written first, removals last.

        Copies that somebody has edited stay beside the definition written from them. Raises `EditedMeanwhile` where
        somebody has edited a value since it was read; no word is stamped then.
        """
        self._has_answers = True
        layout = await self._known_layout()
        if writes.removals:
            await self.ensure(looked_up(layout))
        await self._write_stamps(writes.stamps, layout)
        copies = await drafted_copies(writes.drafts, self, layout)
        inserts: dict[str, list[UpdateOne]] = defaultdict(list)
        for new, made in (*copies.inserts, *writes.inserts):
            inserts[layout.own_collection(new.collection)].append(upsert(new.id, with_digests(new), made, layout))
        for name, operations in inserts.items():
            await self._write(name, operations)
        for name in layout.own_collections(Collection.ENTRIES) if copies.listings else ():
            await self._write(name, [each for made in copies.listings for each in listed_in(made, layout)])
        if writes.removals:  # some of the replaced documents may have been copied just now
            writes = await keeping_others(writes, self)
        updated, prevented = await self._change(writes.updates)
        if prevented:
            documents = counted(prevented, "document")
            raise EditedMeanwhile(f"{documents} changed while answers were stored. Resume to store the answers.")
        edited = await self._merge(writes.merges, layout) if writes.merges else ()
        replaced, left = await removable(writes, self, layout), await unused(writes.remains, self, layout)
        for collection, conditions in replaced.items():
            await self._delete_matching(collection, conditions)
        if writes.removals:
            await self._relist_edited(writes, layout)
        for collection, gone in left.items():
            await self._delete(collection, {"$in": gone})
        return WriteOutcome(edited, updated)

    async def _relist_edited(self, writes: Writes, layout: Layout) -> None:
        """List documents again that were to be replaced, and that somebody has edited since they were read."""
        from pymongo import UpdateOne

        again = await relistings(writes, self, layout)
        for name in {each.collection for each in again}:
            await self._write(name, [UpdateOne(*each[1:3]) for each in again if each.collection == name])
        freed = [Remains(Collection.PRONUNCIATIONS, (each.freed,)) for each in again if each.freed]
        for collection, gone in (await unused(freed, self, layout)).items():
            await self._delete(collection, {"$in": gone})

    async def _merge(self, merges: Sequence[Merge], layout: Layout) -> Sequence[str]:
        """Remove the copies whose places definitions have taken that were written from them, except edited ones."""
        gone = await merged_copies(merges, self, layout)
        stay = await self._remove_copies(gone, layout) if gone.copies else {}
        edited = [*gone.edited, *(doc_id(each["word_id"]) for each in stay.values())]
        words = await found_by_id(self, Collection.WORDS, edited, layout)
        return sorted(str(each.get("text")) for each in words.values())

    async def _remove_copies(self, gone: RemovedCopies, layout: Layout) -> Mapping[DocId, Document]:
        """Remove copies; those that somebody edits at that moment are listed again, and returned."""
        entries = layout.own_collections(Collection.ENTRIES)
        for name in entries:
            await self._write(name, [unlisted(entry, ids, layout) for entry, ids in gone.copies.items()])
        copies = [*chain.from_iterable(gone.copies.values())]
        for collection, ids in ((Collection.EXAMPLES, gone.examples), (Collection.DEFINITIONS, copies)):
            await self._delete_matching(collection, [gone.read[each] for each in ids if each in gone.read])
        stay = await found_by_id(self, Collection.DEFINITIONS, copies, layout)
        for name in entries if stay else ():
            await self._write(name, [relisted(entry, stay, ids, layout) for entry, ids in gone.copies.items()])
        return stay

    async def _delete_matching(self, collection: str, conditions: Iterable[Document]) -> None:
        from pymongo import DeleteOne

        await self._write(collection, [DeleteOne({**each}) for each in conditions])

    async def update(self, updates: Sequence[Update]) -> None:
        """Write updates that are not of an answer; idempotent except for the time."""
        await self._change(merged_updates(updates, self._clock()))

    async def _change(self, merged: Iterable[Merged]) -> tuple[int, int]:
        """Write updates, except over edits; returns how many were written at once, and how many edits prevented.

        After an edit no word is stamped, so that the answers count as half stored.
        """
        written = edited = 0
        for collection, updates in groupby(merged, key=attrgetter("collection")):
            if not (edited and collection == Collection.WORDS):
                matched, prevented = await self._write_over(collection, list(updates))
                written, edited = written + matched, edited + prevented
        return written, edited

    async def _write_over(self, collection: Collection, updates: Sequence[Merged]) -> tuple[int, int]:
        layout = await self._known_layout()
        names = layout.own_collections(collection)
        operations = updates_of(updates, layout)
        matched = sum([await self._write(name, operations) for name in names])
        if matched == len(updates):
            return matched, 0
        found: dict[DocId, Document] = {}
        for name in names:
            found |= await found_by_id(self, name, [each.id for each in updates], layout)
        edited, unedited = unmatched(updates, {each: layout.unified(found[each]) for each in found})
        for name in names if unedited else ():
            await self._write(name, updates_of([replace(each, before={}) for each in unedited], layout))
        return matched, len(edited)

    async def observe(self, seen: Mapping[DocId, BatchLengths]) -> None:
        """Record the components, the shapes and the lengths of a batch's answers on its stamps."""
        await self._write(STAMPS, observations(seen, await self._known_layout()))

    async def stored_answers(self, run: str) -> int | None:
        """The number of answers that a run has stored in this database; None if the run never used it."""
        layout = await self._known_layout()
        found = await self.find(RUNS, {"_id": layout.with_ids([run_document(run)])}, ("stored_answers",))
        return max((int(each["stored_answers"]) for each in found), default=None)

    async def note_stored_answers(self, run: str, answers: int) -> None:
        """Raise the number of answers that a run has stored in this database; idempotent."""
        await self._write(RUNS, [run_progress(run, answers, self._clock(), await self._known_layout())])

    async def _write_stamps(self, stamps: Iterable[Stamp], layout: Layout) -> None:
        new = [stamp for stamp in stamps if stamp.id not in self._written]
        await self._write(STAMPS, [upsert(each.id, stamp_fields(each), each.batch_created, layout) for each in new])
        self._written.update(stamp.id for stamp in new)

    async def _write(self, collection: str, operations: "Sequence[UpdateOne | DeleteOne]") -> int:
        """Write operations; returns how many documents the updates have matched."""
        advice = _KEPT if self._has_answers else "Repair the database, then resume."
        return (await self.bulk(collection, operations, advice)).matched


def _by_number(word: Mapping[str, Any]) -> tuple[float, str]:
    number = word.get("homograph_number")
    return number if isinstance(number, int | float) else 0, str(word["_id"])
