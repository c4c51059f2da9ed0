"""Opening a database: at an address, or as a local `mongod` over a folder."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from floridify_batch.database.server import DATABASE_PATIENCE
from floridify_batch.database.store import MongoStore
from floridify_batch.timing import Told, tell_nobody

MONGO_FOLDER = "batch-synth-mongodb"

"""Folder beside the checkpoint that holds the data of a local MongoDB."""


@asynccontextmanager
async def opened_database(
    url: str | None, name: str, folder: Path, tell: Told, waiting: Told, patience: float = DATABASE_PATIENCE
) -> AsyncIterator[MongoStore]:
    """A database, reached: at an address, or by a server of our own over `folder`. Raises `DatabaseError`.

    `patience`: seconds for which one that is away is waited for.
    """
    with _address(url, folder, tell) as address:
        store = MongoStore(address, name, patience=patience, waiting=waiting)
        try:
            await store.check()
            yield store
        finally:
            await store.close()


@contextmanager
def _address(url: str | None, folder: Path, tell: Told) -> Iterator[str]:
    if url:
        yield url
        return
    from floridify_batch.database.server import local_mongod

    with local_mongod(folder) as mongo:
        verb = "started" if mongo.started else "in use"
        tell(f"Local MongoDB {verb} at {mongo.url} with its data in {mongo.data_folder}")
        yield mongo.url


@dataclass(frozen=True, slots=True)
class Place:
    """A database of the user's, or, where no address is named, the local one of a folder."""

    mongo_url: str | None
    database: str
    folder: Path = Path()

    @property
    def exists(self) -> bool:
        """Whether there is something to look into, so far as that can be told without a server."""
        return bool(self.mongo_url) or self.data_folder.exists()

    @property
    def data_folder(self) -> Path:
        """Where a local MongoDB keeps its data."""
        return self.folder.absolute() / MONGO_FOLDER


@asynccontextmanager
async def opened(place: Place, tell: Told) -> AsyncIterator[MongoStore]:
    """The database, reached. Raises `DatabaseError`."""

    def waiting(_: str) -> None:
        tell("The database does not answer. Trying again.")

    async with opened_database(place.mongo_url, place.database, place.data_folder, tell_nobody, waiting) as store:
        yield store
