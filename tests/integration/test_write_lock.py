"""The write lock: one holder at a time, and a holder that does not renew it is overtaken."""

import asyncio
from typing import Any

import pytest

from floridify_batch.database.access import RUNS
from floridify_batch.database.store import MongoStore
from floridify_batch.database.write_lock import WAITING, WriteLock
from floridify_batch.errors import WriteLockLost
from floridify_batch.timing import ignore
from floridify_batch.words.entry import DocId, Word
from tests.workspace import Workspace

HOLD = 1.5


def lock_of(store: MongoStore, holder: str, reasons: list[str] | None = None) -> WriteLock:
    """A lock of the test's database that expires soon."""
    collection: Any = store._database[RUNS]
    return WriteLock(collection, holder, ignore if reasons is None else reasons.append, HOLD)


async def test_one_holder_at_a_time(mongo_url: str, database_name: str) -> None:
    """Two stores that read a number and write the next one lose no increment, and leave no lock behind."""
    stores = [MongoStore(mongo_url, database_name) for _ in range(2)]
    numbers: Any = stores[0]._database["numbers"]
    await numbers.insert_one({"_id": 0, "number": 0})

    async def count(store: MongoStore, holder: str) -> None:
        for _ in range(5):
            async with store.locked(holder):
                number = (await numbers.find_one({"_id": 0}))["number"]
                await asyncio.sleep(0.01)
                await numbers.update_one({"_id": 0}, {"$set": {"number": number + 1}})

    await asyncio.gather(*(count(store, str(place)) for place, store in enumerate(stores)))
    assert (await numbers.find_one({"_id": 0}))["number"] == 10
    assert await numbers.database[RUNS].count_documents({}) == 0
    for store in stores:
        await store.close()


async def test_a_lock_is_renewed(store: MongoStore) -> None:
    """A holder that lives keeps the lock for longer than it lasts without a renewal."""
    first, second = lock_of(store, "first"), lock_of(store, "second")
    await first.acquired()
    waiting = asyncio.create_task(second.acquired())
    await asyncio.sleep(3 * HOLD)
    await first.check()
    assert not waiting.done()
    await first.release()
    assert await waiting
    await second.release()


async def test_a_holder_that_died(store: MongoStore) -> None:
    """The lock of a process that died goes to the next one after a while, and to its own next session at once."""
    dead, heir, other = lock_of(store, "run"), lock_of(store, "run"), lock_of(store, "other")
    await dead.acquired()
    assert dead._renewing is not None
    dead._renewing.cancel()
    async with asyncio.timeout(HOLD / 2):
        assert await heir.acquired()
    assert heir._renewing is not None
    heir._renewing.cancel()
    assert await other.acquired()
    await asyncio.sleep(0.6 * HOLD)
    with pytest.raises(WriteLockLost, match="run the same command again"):
        await heir.check()
    await other.release()


async def test_waiting_is_reported(store: MongoStore) -> None:
    """A run that waits for another one's lock for seconds says so, once."""
    reasons: list[str] = []
    first, second = lock_of(store, "first"), lock_of(store, "second", reasons)
    await first.acquired()
    waiting = asyncio.create_task(second.acquired())
    await asyncio.sleep(2.5)
    await first.release()
    assert await waiting
    await second.release()
    assert reasons == [WAITING]


async def test_words_of_two_runs(mongo_url: str, database_name: str) -> None:
    """Runs that create the same words at once are refused none of them."""
    stores = [MongoStore(mongo_url, database_name) for _ in range(4)]
    words = [Word(DocId(f"{number:024x}"), f"word{number}", "en") for number in range(300)]
    assert await asyncio.gather(*(store.ensure_words(words) for store in stores)) == [{}] * 4
    for store in stores:
        await store.close()


async def test_a_store_writes_under_its_lock(workspace: Workspace, store: MongoStore) -> None:
    """While another process holds the lock, a run stores nothing; it goes on when the lock is released."""
    other = lock_of(store, "other")
    await other.acquired()
    running = asyncio.create_task(workspace.run(["bank"], components="synonyms"))
    await asyncio.sleep(2)
    assert workspace.database.definitions.count_documents({}) == 0
    await other.release()
    assert (await running).code == 0
    assert workspace.database.definitions.count_documents({}) > 0
