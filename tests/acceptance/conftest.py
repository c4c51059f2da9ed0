"""Fixtures of acceptance tests: shells with a folder each, shared sandboxes and MongoDB."""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

import pytest
from pymongo import MongoClient

from tests.acceptance.command import KEY, Shell
from tests.acceptance.refusals import Refused, refusals
from tests.sandbox import Sandbox, sandbox_at

type Client = MongoClient[dict[str, Any]]

HOUR = 3600.0


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with short batches."""
    with sandbox_at(tmp_path_factory.mktemp("quick"), 0.2) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox whose time advances only on request."""
    with sandbox_at(tmp_path_factory.mktemp("frozen"), HOUR) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def plain_env() -> dict[str, str]:
    """An environment without settings."""
    names = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return kept | {"COLUMNS": "200", "PYTHONUTF8": "1"}


class ShellFactory(Protocol):
    """Makes shells of one test, each with its own folder and database."""

    def __call__(self, sandbox: Sandbox, name: str = "shell") -> Shell:
        """Return a shell whose commands use a sandbox."""


@pytest.fixture
def make_shell(
    tmp_path: Path, plain_env: dict[str, str], mongo_url: str, mongo_client: Client, database_name: str
) -> ShellFactory:
    """Shells with databases whose names begin with that of the test, which checks and drops them."""

    def made(sandbox: Sandbox, name: str = "shell") -> Shell:
        database = mongo_client[f"{database_name.removesuffix('_sandbox')}_{name}_sandbox"]
        settings = {
            "OPENAI_API_KEY": KEY,
            "BATCH_SYNTH_BASE_URL": sandbox.url,
            "BATCH_SYNTH_MONGO_URL": mongo_url,
            "BATCH_SYNTH_DATABASE": database.name,
            "BATCH_SYNTH_POLL_INTERVAL": "0.2",
        }
        folder = tmp_path / name
        folder.mkdir()
        return Shell(folder, plain_env | settings, sandbox, database)

    return made


@pytest.fixture
def shell(make_shell: ShellFactory, quick: Sandbox) -> Shell:
    """A shell with the quick sandbox."""
    return make_shell(quick)


@pytest.fixture
def paused(make_shell: ShellFactory, frozen: Sandbox) -> Iterator[Shell]:
    """A shell with the frozen sandbox, whose batches are finished afterwards."""
    yield make_shell(frozen, "still")
    frozen.control(faults=[], finish=True)


@pytest.fixture(scope="session")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox for commands that are refused."""
    with sandbox_at(tmp_path_factory.mktemp("refusing"), 0) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def refused(
    tmp_path_factory: pytest.TempPathFactory,
    plain_env: dict[str, str],
    mongo_url: str,
    mongo_client: Client,
    refusing: Sandbox,
) -> Iterator[Mapping[str, Future[Refused]]]:
    """The results of refused commands, started with the first test that needs them."""
    env, database = plain_env | {"BATCH_SYNTH_MONGO_URL": mongo_url}, mongo_client["test_refused_sandbox"]
    with refusals(tmp_path_factory.mktemp("refused"), env, refusing, database) as begun:
        yield begun
    mongo_client.drop_database(database)
