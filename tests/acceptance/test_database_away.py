"""A database that goes away in the middle of a run: it is waited for, or left and come back to; nothing is lost."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from floridify_batch.database.server import free_port
from tests.acceptance.command import Shell, result_of, until
from tests.acceptance.conftest import ShellFactory
from tests.documents import everything
from tests.mongod import listens, mongod
from tests.sandbox import Sandbox

WORDS = ("moon", "sun", "star")
RUN = ("run", "words.txt", "--yes", "--components", "synonyms,examples,pronunciation")
RESUME = ("resume", "-c", "words.checkpoint.json")
AWAY = "The database does not respond. Retrying; no answer is lost."


@dataclass
class Server:
    """A MongoDB for these tests, which can be stopped and restarted."""

    folder: Path
    port: int
    running: ExitStack

    def come(self) -> None:
        """Start it with its data."""
        self.running.enter_context(mongod(self.folder, self.port))

    def go(self) -> None:
        """Kill it."""
        self.running.close()
        until(lambda: not listens(self.port))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with ExitStack() as running:
        server = Server(tmp_path_factory.mktemp("data"), free_port(), running)
        server.come()
        yield server


@pytest.fixture
def away(make_shell: ShellFactory, frozen: Sandbox, server: Server) -> Iterator[Shell]:
    """A shell with that database, and a service whose time advances only on request."""
    if not listens(server.port):  # a test has failed
        server.come()
    shell = make_shell(frozen, "away")
    url = f"mongodb://127.0.0.1:{server.port}/"
    client: MongoClient[dict[str, Any]]
    with MongoClient(url) as client:
        shell = replace(shell, env=shell.env | {"BATCH_SYNTH_MONGO_URL": url}, database=client[shell.database.name])
        shell.write(*WORDS)
        yield shell
        frozen.control(faults=[], finish=True)


def finished(shell: Shell, code: int) -> None:
    """Check that everything is stored and was requested once."""
    assert code == 0
    assert sorted(shell.ledger.processed_words) == sorted(WORDS)
    assert shell.database.definitions.count_documents({"synonyms.0": {"$exists": True}}) > 0
    assert shell.database.definitions.count_documents({"synonyms.0": {"$exists": False}}) == 0
    labels = [batch["label"] for batch in shell.batches()]
    assert len(labels) == len(set(labels)) == len(shell.ledger.chunks)


def test_waited_for(away: Shell, server: Server) -> None:
    """The log reports the wait for the database, and the run continues when it is back."""
    with away.start(*RUN) as process:
        away.under_way(process)
        server.go()
        away.sandbox.control(finish=True)
        assert process.stdout is not None
        shown = ""
        while AWAY not in shown:
            line = process.stdout.readline()
            assert line, shown
            shown += line
        assert away.states() == ["ANSWERED"]
        server.come()
        away.through(process)
        result = result_of(process)
    assert "Traceback" not in result.err
    finished(away, result.code)


def test_waited_for_on_the_screen(away: Shell, server: Server) -> None:
    """The live screen shows the reason for the wait as the activity, and the run continues afterwards."""
    with away.terminal(*RUN) as terminal:
        away.under_way(terminal.process)
        server.go()
        away.sandbox.control(finish=True)
        terminal.wait_for("The database does not respond")
        server.come()
        away.through(terminal.process)
        finished(away, terminal.ended())


def test_patience_ends(away: Shell, server: Server, tmp_path: Path) -> None:
    """After --patience the run exits with code 5; resumed, it repeats no request and stores every answer once."""
    with away.start(*RUN, "--patience", "1") as process:
        away.under_way(process)
        server.go()
        away.sandbox.control(finish=True)
        result = result_of(process)
    assert (result.code, result.err.count("\n")) == (5, 1)
    assert "The database cannot be reached" in result.err
    assert "batch-synth resume --checkpoint words.checkpoint.json" in result.err
    assert away.states() == ["ANSWERED"]
    shutil.copytree(away.folder, tmp_path / "kept")
    without = away.run(*RESUME)
    assert (without.code, away.states()) == (5, ["ANSWERED"])
    server.come()
    with away.start(*RESUME) as process:
        away.through(process)
        finished(away, result_of(process).code)
    stored = everything(away.database)
    shutil.rmtree(away.folder)
    shutil.copytree(tmp_path / "kept", away.folder)
    again = away.run(*RESUME)
    assert again.code == 0, again
    assert everything(away.database) == stored
