"""Access to a MongoDB database: retries, bulk writes that only refuse what is odd, and the write lock."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import batched
from typing import TYPE_CHECKING, Any, NamedTuple

from floridify_batch.components.change import Collection
from floridify_batch.database.error import plain, stated, unreachable
from floridify_batch.database.write_lock import WriteLock
from floridify_batch.errors import DatabaseError
from floridify_batch.retry import DATABASE, retrying
from floridify_batch.timing import Notify, ignore
from floridify_batch.words.entry import DIGESTS, SYNTHESIS

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorDatabase
    from pymongo import DeleteOne, UpdateOne

RUNS = "batch_synth"
"""The collection of runs, each with the number of answers that it has stored in this database; and of the lock."""

BULK = 1000
"""The most operations of one bulk write."""

_NO_ANSWER = "The database does not respond. Retrying; no answer is lost."


class Written(NamedTuple):
    """The numbers of documents that a bulk write has inserted, and that its updates have matched."""

    new: int = 0
    matched: int = 0


class DatabaseAccess:
    """Reads and writes of a database. Operations on an unreachable server are retried for `patience` seconds; `waiting`
    is called before each retry.

    `on_write` is called with "before" and "after" around each bulk write and each removal, so that a test can crash the
    process there.
    """

    def __init__(self, database: "AsyncIOMotorDatabase[Any]", patience: float, waiting: Notify) -> None:
        self.on_write: Notify = ignore
        self._database = database
        self._patience = patience
        self._waiting = waiting
        self._locks: dict[str, WriteLock] = {}
        self._lock: WriteLock | None = None

    @property
    def name(self) -> str:
        """The name of the database."""
        return str(self._database.name)

    @asynccontextmanager
    async def locked(self, holder: str) -> AsyncIterator[None]:
        """Hold the database's write lock, so that no other run stores between a read and the writes derived from it.

        Writes within the block raise `WriteLockLost` where the lock has expired and another run has taken it. A
        compatible server that does not know the lock's operators goes without.
        """
        if holder not in self._locks:
            self._locks[holder] = WriteLock(self._database[RUNS], holder, self._waiting)
        lock = self._locks[holder]
        if not await self._retried(lock.acquired):
            yield
            return
        self._lock = lock
        try:
            yield
        finally:
            self._lock = None
            await lock.release()

    async def find(
        self,
        collection: str,
        query: Mapping[str, Any],
        shown: "Sequence[str] | Mapping[str, bool] | None" = None,
        limit: int = 0,
        sort: str = "",
    ) -> list[dict[str, Any]]:
        """The documents that match a query, with the fields `shown`; at most `limit`, unless that is 0.

        `shown` may name fields to leave out, too; `sort` is the field by which the documents are sorted.
        """

        async def found() -> list[dict[str, Any]]:
            cursor = self._database[collection].find(query, shown, limit=limit)
            return [each async for each in (cursor.sort(sort) if sort else cursor)]

        return await self._retried(found)

    async def count(self, collection: str, query: Mapping[str, Any]) -> int:
        """The number of documents that match a query; of a whole collection, by its metadata."""
        kept = self._database[collection]
        if query:
            return int(await self._retried(partial(kept.count_documents, query)))
        return int(await self._retried(kept.estimated_document_count))

    async def has_words_in(self, database: str) -> bool:
        """Whether another database of the server has words; False where the user may not read it."""
        other = self._database.client[database][Collection.WORDS]
        try:
            return await self._retried(partial(other.find_one, {}, {"_id": 1})) is not None
        except DatabaseError:
            return False

    async def distinct(self, collection: str, name: str) -> list[Any]:
        """The different values of a field, and of the items of lists in it."""
        return list(await self._retried(partial(self._database[collection].distinct, name)))

    async def bulk(self, collection: str, operations: "Sequence[UpdateOne | DeleteOne]", advice: str) -> Written:
        """Write idempotent operations in any order. `advice` ends an error message."""
        new = matched = 0
        for part in batched(operations, BULK):
            written, errors = await self.bulk_part(collection, part)
            new, matched = new + written.new, matched + written.matched
            if errors and await self._repaired(collection, [part[each["index"]] for each in errors]):
                repaired, errors = await self.bulk_part(collection, part)
                matched += repaired.matched
            if errors:
                word = await self._word_of(collection, part[errors[0].get("index", 0)])
                raise DatabaseError(
                    f"The database refused a write to {collection}{word}: {stated(errors[0])}. {advice}"
                )
        return Written(new, matched)

    async def bulk_part(
        self, collection: str, operations: "Sequence[UpdateOne | DeleteOne]"
    ) -> tuple[Written, Sequence[Mapping[str, Any]]]:
        """One bulk write, and the errors of operations that were refused."""
        from bson.errors import InvalidDocument
        from pymongo.errors import BulkWriteError

        if not operations:
            return Written(), ()
        self.on_write("before")
        try:
            write = partial(self._database[collection].bulk_write, list(operations), ordered=False)
            done = await self._covered(write)
            result: tuple[Written, Sequence[Mapping[str, Any]]] = (Written(done.upserted_count, done.matched_count), ())
        except BulkWriteError as error:
            written = Written(error.details.get("nUpserted", 0), error.details.get("nMatched", 0))
            result = written, error.details.get("writeErrors") or [{}]
        except (InvalidDocument, OverflowError) as error:  # the driver refuses it: too large, or not representable
            result = await self._one_by_one(collection, operations, error)
        self.on_write("after")
        return result

    async def _one_by_one(
        self, collection: str, operations: "Sequence[UpdateOne | DeleteOne]", error: Exception
    ) -> tuple[Written, Sequence[Mapping[str, Any]]]:
        """Repeat a bulk write that the driver refuses operation by operation, so that only the odd ones are refused."""
        if len(operations) == 1:
            return Written(), [{"index": 0, "errmsg": f"{error} (document {_ids_of(operations[0])[0]})"}]
        new, matched, errors = 0, 0, list[Mapping[str, Any]]()
        for index, operation in enumerate(operations):
            written, refused = await self.bulk_part(collection, [operation])
            new, matched = new + written.new, matched + written.matched
            errors += [{**each, "index": index} for each in refused]
        return Written(new, matched), errors

    async def _word_of(self, collection: str, refused: "UpdateOne | DeleteOne") -> str:
        """A phrase that names the word of a refused write; "" if its documents do not state it."""
        document, at = getattr(refused, "_doc", {}).get("$setOnInsert"), collection
        if document is None:
            document = await self._one(collection, _ids_of(refused))
        for name, referred in (("definition_id", Collection.DEFINITIONS), ("word_id", Collection.WORDS)):
            if name in document:
                document, at = await self._one(referred, [document[name], str(document[name])]), referred
        return f' for the word "{document["text"]}"' if at == Collection.WORDS and document.get("text") else ""

    async def _one(self, collection: str, ids: Sequence[Any]) -> Mapping[str, Any]:
        return next(iter(await self.find(collection, {"_id": {"$in": list(ids)}}, limit=1)), {})

    async def _repaired(self, collection: str, refused: "Sequence[UpdateOne | DeleteOne]") -> int:
        """Replace nulls, into which nothing can be written, by empty values; returns how many documents had any."""
        found = 0
        for name, empty in _EMPTY.items():
            ids = [identity for each in refused for identity in _ids_of(each)]
            query, repair = {"_id": {"$in": ids}, name: {"$type": "null"}}, {"$set": {name: empty}}
            found += (
                await self._retried(partial(self._database[collection].update_many, query, repair))
            ).modified_count
        return found

    async def _covered[T](self, write: Callable[[], Awaitable[T]]) -> T:
        """Write, each attempt under the write lock if this store holds it."""

        async def attempt() -> T:
            if self._lock:
                await self._lock.check()
            return await write()

        return await self._retried(attempt)

    async def _retried[T](self, operation: Callable[[], Awaitable[T]]) -> T:
        """Retry an idempotent operation with backoff while the server is unreachable."""
        from bson.errors import InvalidDocument
        from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure, PyMongoError

        backoff = DATABASE.within(self._patience)
        try:
            return await retrying(operation, backoff, AutoReconnect, lambda _: self._waiting(_NO_ANSWER))
        except (BulkWriteError, InvalidDocument):
            raise
        except OperationFailure as error:
            raise DatabaseError(f"The database refused: {plain(error)}.") from None
        except PyMongoError as error:
            raise unreachable(error) from None

    async def _delete(self, collection: str, identities: Mapping[str, Any]) -> None:
        self.on_write("before")
        await self._covered(partial(self._database[collection].delete_many, {"_id": identities}))
        self.on_write("after")


_EMPTY: Mapping[str, Any] = {SYNTHESIS: {}, DIGESTS: {}, "version": 0} | {
    name: [] for name in ("definition_ids", "source_entries", "example_ids", "fact_ids")
}
"""Fields that are written into, with their values in a document that has none."""


def _ids_of(operation: "UpdateOne | DeleteOne") -> Sequence[Any]:
    """The ids in an update's condition: one, or one in two spellings."""
    identity = operation._filter["_id"]  # noqa: SLF001  the driver has no other access to it
    return identity["$in"] if isinstance(identity, Mapping) else [identity]
