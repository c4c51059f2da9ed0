"""The write lock of a database: one run at a time reads entries and stores answers about them.

Storing reads a word, derives the changes and writes them in several steps. Two runs that do so for one word at once
would both find its places empty and fill them twice. The lock is a document that expires by the server's clock: the
lock of a process that died is soon taken over, and the clocks of two machines are never compared.
"""

import asyncio
import time
from contextlib import suppress
from typing import Any

from floridify_batch.errors import WriteLockLost
from floridify_batch.timing import Notify

HOLD = 12.0
"""Seconds after its last renewal at which a lock expires."""

_PAUSE = 0.05
_UNNOTICED = 2.0
"""Seconds of waiting for another run that are not reported."""

IDENTITY = "write_lock"
"""The id of the lock's document."""

WAITING = "Another run is storing answers in this database. Waiting for it."


class WriteLock:
    """The lock of one database as one holder sees it; it may be taken again by the same holder, after a crash.

    It expires `hold` seconds after its last renewal. `waiting` is called where another holder keeps it for long.
    """

    def __init__(self, collection: Any, holder: str, waiting: Notify, hold: float = HOLD) -> None:
        from pymongo.write_concern import WriteConcern

        self._collection = collection.with_options(write_concern=WriteConcern(j=False))
        self._identity = {"_id": IDENTITY}
        self._holder = holder
        self._waiting = waiting
        self._hold = hold
        self._renewed = 0.0
        self._renewing: asyncio.Task[None] | None = None
        self._requested = False

    async def acquired(self) -> bool:
        """Wait for the lock; False on a compatible server that does not know its operators."""
        from pymongo.errors import OperationFailure

        try:
            await self._acquire()
        except OperationFailure as error:
            if error.code in _UNKNOWN_OPERATORS:
                return False
            raise
        self._renewing = asyncio.create_task(self._renew_regularly())
        return True

    async def _acquire(self) -> None:
        began = time.monotonic()
        reported = False
        if self._requested:  # another run waits: let it be the next one
            await asyncio.sleep(4 * _PAUSE)
        while not await self._taken():
            if not reported and time.monotonic() - began > _UNNOTICED:
                self._waiting(WAITING)
                reported = True
            await asyncio.sleep(_PAUSE)

    async def check(self) -> None:
        """Make sure that a write is still covered by the lock. Raises `WriteLockLost`."""
        if time.monotonic() - self._renewed > self._hold / 2 and not await self._renew():
            raise WriteLockLost(
                f"Another process has taken over the database's write lock, since this one did not renew it for "
                f"{self._hold:.0f} seconds. What is written stays; run the same command again."
            )

    async def release(self) -> None:
        """Release the lock; one that cannot be released expires."""
        from pymongo.errors import PyMongoError

        if self._renewing:
            self._renewing.cancel()
            self._renewing = None
        with suppress(PyMongoError):
            released = await self._collection.find_one_and_delete(self._identity | {"holder": self._holder})
            self._requested = bool(released and released.get("requested"))

    async def _taken(self) -> bool:
        from pymongo import ReturnDocument
        from pymongo.errors import DuplicateKeyError

        began = time.monotonic()
        try:
            lock = await self._collection.find_one_and_update(
                self._identity, [{"$set": self._claim()}], upsert=True, return_document=ReturnDocument.AFTER
            )
        except DuplicateKeyError:  # another run has just created it
            return False
        self._renewed = began
        return bool(lock["holder"] == self._holder)

    def _claim(self) -> dict[str, Any]:
        """The fields of the lock once it is taken, or as they are but for the request if another run has it."""
        holder = {"$literal": self._holder}
        free = {"$or": [{"$eq": [{"$ifNull": ["$holder", holder]}, holder]}, {"$lt": ["$until", "$$NOW"]}]}
        values = {"holder": (holder, "$holder"), "until": (self._later(), "$until"), "requested": (False, True)}
        return {name: {"$cond": [free, taken, waiting]} for name, (taken, waiting) in values.items()}

    def _later(self) -> dict[str, Any]:
        return {"$add": ["$$NOW", round(1000 * self._hold)]}

    async def _renew(self) -> bool:
        began = time.monotonic()
        own = self._identity | {"holder": self._holder}
        found = await self._collection.update_one(own, [{"$set": {"until": self._later()}}])
        if found.matched_count:
            self._renewed = began
        return bool(found.matched_count)

    async def _renew_regularly(self) -> None:
        from pymongo.errors import PyMongoError

        while True:
            await asyncio.sleep(self._hold / 4)
            with suppress(PyMongoError):  # the next write notices if it is lost
                await self._renew()


_UNKNOWN_OPERATORS = frozenset({9, 14, 59, 115, 238, 40323, 40324})
"""Error codes of servers without updates by pipelines: failed to parse, type mismatch, not supported and the like."""
