"""What a run leaves on the disk: the settings it was given, no secret among them, and nothing that others can read."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest
from pymongo import MongoClient

from tests.acceptance.command import KEY, Desk, Said
from tests.acceptance.mongod import mongod
from tests.acceptance.sandbox import Sandbox

PASSWORD = "hush-hush-password"  # noqa: S105  of a server that lives for a second
TWINS = {
    "MODEL": "gpt-5.4-mini",
    "COMPONENTS": "domain,register",
    "LANGUAGE": "de",
    "BATCH_SIZE": "2",
    "MAX_ATTEMPTS": "5",
    "YES": "1",
    "NO_WAIT": "1",
    "FORCE": "1",
    "CHECKPOINT": "elsewhere/twin.json",
    "POLL_INTERVAL": "0.5",
    "DATABASE": "guarded",
}
"""Every option of a run but those of service and database, by its environment twin."""


@dataclass(frozen=True)
class Left:
    """A run that was given all its settings by the environment, and left while its batch was under way."""

    desk: Desk
    said: Said
    mongo_url: str


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory, plain_env: dict[str, str], quick: Sandbox) -> Iterator[Left]:
    """Left at a database with a password."""
    folder, data = tmp_path_factory.mktemp("guarded"), tmp_path_factory.mktemp("data")
    port = free_port()
    with mongod(data, port, "--auth"):
        client: MongoClient[dict[str, Any]] = MongoClient(f"mongodb://127.0.0.1:{port}/")
        with client:
            client.admin.command("createUser", "ann", pwd=PASSWORD, roles=["root"])
            twins = {f"BATCH_SYNTH_{name}": value for name, value in TWINS.items()}
            url = f"mongodb://ann:{PASSWORD}@127.0.0.1:{port}/"
            given = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": quick.url, "MONGODB_URL": url}
            desk = Desk(folder, plain_env | twins | given, quick, client["guarded"])
            desk.write("eins", "zwei", "drei")
            yield Left(desk, desk.do("run", "words.txt"), url)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_environment(left: Left) -> None:
    """Every option has an environment twin; key, service and database are found under their usual names too."""
    assert (left.said.code, left.said.err) == (0, "")
    asked = orjson.loads((left.desk.folder / "elsewhere" / "twin.json").read_bytes())["run"]["settings"]
    expected = {"model": "gpt-5.4-mini", "components": ["register", "domain"], "language": "de", "batch_size": 2}
    expected |= {"max_attempts": 5, "force": True, "poll_interval": 0.5, "database": "guarded", "immediate": False}
    assert {name: asked[name] for name in expected} == expected
    assert asked["base_url"] == left.desk.sandbox.url


def test_secrets(left: Left) -> None:
    """Neither the key nor the database's password is in any file of the run, or in what it said."""
    files = {path: path.read_bytes() for path in left.desk.folder.rglob("*") if path.is_file()}
    assert {path.name for path in files} >= {"twin.json", "requests.jsonl", "words.txt"}
    for secret in (KEY, PASSWORD):
        assert secret not in left.said.out + left.said.err
        assert [str(path) for path, content in files.items() if secret.encode() in content] == []


@pytest.mark.parametrize("names", ["[!w]*", "words.txt"])
def test_private(left: Left, names: str) -> None:
    """Nobody else can read a run's files, or enter its folder."""
    folder = left.desk.folder / "elsewhere"
    modes = {path: path.stat().st_mode & 0o777 for path in folder.rglob(names)}
    assert modes
    wrong = {str(path): oct(mode) for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)}
    assert wrong == {}


def test_password_asked_for(left: Left) -> None:
    """As the checkpoint does not know the password, resume asks for the address; with it, it goes on."""
    bare = left.desk.bare()
    desk = replace(bare, env=bare.env | {"OPENAI_API_KEY": KEY})
    command = ("resume", "--checkpoint", "elsewhere/twin.json", "--no-wait")
    without = desk.do(*command)
    assert (without.code, without.err.count("\n")) == (5, 1)
    assert "without its password; give --mongo-url, or set MONGODB_URL" in without.err
    assert PASSWORD not in without.err
    assert desk.do(*command, "--mongo-url", left.mongo_url).code == 0
    assert PASSWORD.encode() not in (desk.folder / "elsewhere" / "twin.json").read_bytes()
