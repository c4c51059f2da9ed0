"""The connection to a database: at an address, or to a local `mongod` with a data folder."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from floridify_batch.database.store import MongoStore
from floridify_batch.timing import Notify, ignore

DATABASE_PATIENCE = 600.0
"""Seconds for which operations on an unreachable database are retried, by default."""

_DATA_FOLDER = "batch-synth-mongodb"

_SYSTEM_DATABASES = ("admin", "config", "local")


def database_in(url: str | None) -> str | None:
    """The database that an address names in its path, as hosters' addresses do; None if it names none.

    A system's database in that place names where the user is authenticated.
    """
    path = (url or "").partition("://")[2].partition("/")[2]
    name = unquote(path.partition("?")[0])
    return name if name and name not in _SYSTEM_DATABASES else None


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

    def __str__(self) -> str:
        """The database and its server, without credentials or options."""
        if not self.mongo_url:
            return f"{self.database} in {self.data_folder}"
        hosts = self.mongo_url.partition("://")[2].partition("?")[0].rpartition("@")[2]
        return f"{self.database} at {hosts.partition('/')[0]}"

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
        notify(f"MongoDB at {mongo.url}")
        yield mongo.url


@asynccontextmanager
async def opened(place: Place, notify: Notify) -> AsyncIterator[MongoStore]:
    """Connect to a database for a short command, without a message about a local server. Raises `DatabaseError`."""

    def waiting(_: str) -> None:
        notify("The database does not respond. Retrying.")

    async with opened_database(place, ignore, waiting) as store:
        yield store
