"""The connection to a database: at an address, or to a local `mongod` over a data folder of ours."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from floridify_batch.database.store import MongoStore
from floridify_batch.timing import Notify, ignore

DATABASE_PATIENCE = 600.0
"""Seconds for which operations on an unreachable database are retried, by default."""

_DATA_FOLDER = "batch-synth-mongodb"


@dataclass(frozen=True, slots=True)
class Place:
    """The location of a database: an address, or else `folder`, in which a local MongoDB keeps its data."""

    mongo_url: str | None
    database: str
    folder: Path = Path()

    @property
    def exists(self) -> bool:
        """Whether there can be a database; of one at an address, only its server knows."""
        return bool(self.mongo_url) or self.data_folder.exists()

    @property
    def data_folder(self) -> Path:
        """The data folder of a local MongoDB: one for all checkpoints of `folder`."""
        return self.folder.absolute() / _DATA_FOLDER


@asynccontextmanager
async def opened_database(
    place: Place, notify: Notify, waiting: Notify, patience: float = DATABASE_PATIENCE
) -> AsyncIterator[MongoStore]:
    """Connect to a database, starting a local server where no address is named. Raises `DatabaseError`.

    `notify` is called when a local server is used, `waiting` before each retry of an operation; retries end after
    `patience` seconds.
    """
    with _address(place, notify) as address:
        store = MongoStore(address, place.database, patience=patience, waiting=waiting)
        try:
            await store.check()
            yield store
        finally:
            await store.close()


@contextmanager
def _address(place: Place, notify: Notify) -> Iterator[str]:
    if place.mongo_url:
        yield place.mongo_url
        return
    from floridify_batch.database.server import local_mongod

    with local_mongod(place.data_folder) as mongo:
        verb = "started" if mongo.started else "in use"
        notify(f"Local MongoDB {verb} at {mongo.url} with its data in {mongo.data_folder}")
        yield mongo.url


@asynccontextmanager
async def opened(place: Place, notify: Notify) -> AsyncIterator[MongoStore]:
    """Connect to a database for a short command, without a message about a local server. Raises `DatabaseError`."""

    def waiting(_: str) -> None:
        notify("The database does not answer. Trying again.")

    async with opened_database(place, ignore, waiting) as store:
        yield store
