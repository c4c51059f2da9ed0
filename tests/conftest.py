"""What tests of several folders share: a real MongoDB server, started once and only if some test asks for it."""

import socket
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from pymongo import MongoClient

from floridify_batch.local_mongo import local_mongod

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[str]":
    """The address of a server of this session's own."""
    with local_mongod(tmp_path_factory.mktemp("mongo")) as server:
        yield server.url


@pytest.fixture
def database_name(mongo_url: str) -> "Iterator[str]":
    """A database that nobody else uses, gone after the test."""
    name = f"test_{uuid4().hex}"
    yield name
    client: MongoClient[dict[str, Any]]
    with MongoClient(mongo_url) as client:
        client.drop_database(name)


@pytest.fixture
def free_port() -> int:
    """A port on 127.0.0.1 at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
