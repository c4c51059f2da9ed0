"""Users of a MongoDB server with access control: whether answers could be stored is known before anything is sent."""

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from floridify_batch.database.server import free_port
from floridify_batch.database.store import MongoStore
from floridify_batch.errors import DatabaseError
from tests.mongod import mongod

PASSWORD = "hush"  # noqa: S105  of a server that lives as long as the tests

ROLES = {
    "writer": [{"role": "readWrite", "db": "dictionary"}],
    "anywhere": [{"role": "readWriteAnyDatabase", "db": "admin"}],
    "root": [{"role": "root", "db": "admin"}],
    "reader": [{"role": "read", "db": "dictionary"}],
    "elsewhere": [{"role": "readWrite", "db": "other"}, {"role": "read", "db": "dictionary"}],
}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server with a user of each role."""
    port = free_port()
    with mongod(tmp_path_factory.mktemp("users"), port, "--auth"):
        client: MongoClient[dict[str, Any]]
        with MongoClient(f"mongodb://127.0.0.1:{port}/") as client:  # the first user may be created without another
            client.admin.command("createUser", "root", pwd=PASSWORD, roles=ROLES["root"])
        with MongoClient(f"mongodb://root:hush@127.0.0.1:{port}/") as client:
            for name, roles in ROLES.items():
                if name != "root":
                    client.admin.command("createUser", name, pwd=PASSWORD, roles=roles)
        yield port


def store_of(user: str, port: int) -> MongoStore:
    return MongoStore(f"mongodb://{user}:hush@127.0.0.1:{port}/?authSource=admin", "dictionary")


@pytest.mark.parametrize("user", ["writer", "anywhere", "root"])
async def test_may_write(user: str, port: int) -> None:
    """A user with write access is accepted."""
    store = store_of(user, port)
    await store.check()
    await store.check_writable()
    await store.close()


@pytest.mark.parametrize("user", ["reader", "elsewhere"])
async def test_may_not_write(user: str, port: int) -> None:
    """A user with read access only is refused with an error that names the database and the missing role."""
    store = store_of(user, port)
    await store.check()
    with pytest.raises(DatabaseError, match=f'{user} may not write to the database dictionary.*"readWrite"'):
        await store.check_writable()
    await store.close()


async def test_without_access_control(store: MongoStore) -> None:
    """A server without access control accepts all users."""
    await store.check_writable()
