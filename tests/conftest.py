"""Fixtures of all tests: a real MongoDB server, started on first use."""

import gc
import os
import signal
import ssl
from typing import TYPE_CHECKING, Any, override
from uuid import uuid4

import pytest
from hypothesis import settings
from pymongo import MongoClient

from floridify_batch.database.server import free_port, local_mongod
from tests.document_schemas import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTING_SECONDS = 120.0

settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[str]":
    """The address of a server for this session; workers of one session share it, each with databases of its own."""
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with local_mongod(shared / "mongo", patience=STARTING_SECONDS) as server:
        yield server.url


class CheckedClient(MongoClient[dict[str, Any]]):
    """A client that drops a database only after it was held against the schemas of Floridify's models."""

    @override
    def drop_database(self, name_or_database: Any, *arguments: Any, **options: Any) -> None:
        database = self[name_or_database] if isinstance(name_or_database, str) else name_or_database
        faults = unreadable(database)
        super().drop_database(name_or_database, *arguments, **options)
        assert not faults, "Floridify cannot read what the test has stored"


@pytest.fixture(scope="session")
def mongo_client(mongo_url: str) -> "Iterator[MongoClient[dict[str, Any]]]":
    """A client of the server, to prepare and inspect databases."""
    with CheckedClient(mongo_url, tz_aware=True) as client:
        yield client


@pytest.fixture
def database_name(mongo_client: "MongoClient[dict[str, Any]]") -> "Iterator[str]":
    """A database of one test, checked and dropped after it, with those beside it; its name takes sandbox answers."""
    stem = f"test_{uuid4().hex}"
    yield f"{stem}_sandbox"
    for database in mongo_client.list_databases(filter={"name": {"$regex": f"^{stem}"}}, nameOnly=True):
        mongo_client.drop_database(database["name"])


@pytest.fixture(name="free_port")
def a_free_port() -> int:
    """An unused port on 127.0.0.1."""
    return free_port()


def pytest_configure() -> None:
    """Make Ctrl-C work in processes under test, even if this one was started in the background, where it is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _one_certificate(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[None]":
    """Trust one authority only: every client of the SDK reads the certificates, and reading all of them takes 30 ms."""
    certificates = ssl.create_default_context().get_ca_certs(binary_form=True)
    with pytest.MonkeyPatch.context() as environment:
        if certificates:
            file = tmp_path_factory.mktemp("certificates") / "one.pem"
            file.write_text(ssl.DER_cert_to_PEM_cert(certificates[0]), encoding="ascii")
            environment.setenv("SSL_CERT_FILE", str(file))
        yield


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays to the end: all modules and all tests, looked through again and again."""
    gc.collect()
    gc.freeze()
