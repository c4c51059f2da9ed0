"""Fixtures of integration tests: a database and a store per test, a sandbox per module."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from floridify_batch.database.store import MongoStore
from tests.sandbox import Sandbox, sandbox_at
from tests.workspace import Workspace

SECONDS = 0.15
"""Default duration of a batch; a module may set its own `SECONDS`."""


@pytest.fixture
def database(mongo_client: MongoClient[dict[str, Any]], database_name: str) -> Database[dict[str, Any]]:
    """The database of the test."""
    return mongo_client[database_name]


@pytest.fixture
async def store(mongo_url: str, database_name: str) -> AsyncIterator[MongoStore]:
    """The store of that database."""
    store = MongoStore(mongo_url, database_name)
    yield store
    await store.close()


@pytest.fixture(scope="module")
def sandbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox for the tests of one module, in a thread: a process would load the package for each module again."""
    seconds = getattr(request.module, "SECONDS", SECONDS)
    with sandbox_at(tmp_path_factory.mktemp("sandbox"), seconds) as found:
        yield found


@pytest.fixture
def workspace(tmp_path: Path, sandbox: Sandbox, mongo_url: str, database: Database[dict[str, Any]]) -> Workspace:
    """A workspace with the test's database and the module's sandbox."""
    return Workspace(tmp_path, sandbox, mongo_url, database)
