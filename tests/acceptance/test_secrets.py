"""Files of a run: its settings without any secret, readable by the user only."""

import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from pymongo import MongoClient

from floridify_batch.database.server import free_port
from tests.acceptance.command import COMMAND, KEY, PATIENCE, CommandResult, Shell, until
from tests.acceptance.command_server import done
from tests.mongod import mongod
from tests.sandbox import Sandbox

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
    "DATABASE": "guarded_sandbox",
}
"""Every option of a run but those of service and database, by its environment twin."""


@dataclass(frozen=True)
class Left:
    """A run with all settings from the environment, stopped with its batch in flight."""

    shell: Shell
    result: CommandResult
    mongo_url: str


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory, plain_env: dict[str, str], quick: Sandbox) -> Iterator[Left]:
    """A run stopped with a database that has a password."""
    folder, data = tmp_path_factory.mktemp("guarded"), tmp_path_factory.mktemp("data")
    port = free_port()
    with mongod(data, port, "--auth"):
        client: MongoClient[dict[str, Any]] = MongoClient(f"mongodb://127.0.0.1:{port}/")
        with client:
            client.admin.command("createUser", "ann", pwd=PASSWORD, roles=["root"])
            fakes = {f"BATCH_SYNTH_{name}": value for name, value in TWINS.items()}
            url = f"mongodb://ann:{PASSWORD}@127.0.0.1:{port}/"
            given = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": quick.url, "MONGODB_URL": url}
            shell = Shell(folder, plain_env | fakes | given, quick, client["guarded_sandbox"])
            shell.write("eins", "zwei", "drei")
            yield Left(shell, shell.run("run", "words.txt"), url)


def test_environment(left: Left) -> None:
    """Every option has an environment variable; key, service and database have their usual names too."""
    assert (left.result.code, left.result.err) == (0, "")
    asked = orjson.loads((left.shell.folder / "elsewhere" / "twin.json").read_bytes())["run"]["settings"]
    expected = {"model": "gpt-5.4-mini", "components": ["register", "domain"], "language": "de", "batch_size": 2}
    expected |= {
        "max_attempts": 5,
        "force": True,
        "poll_interval": 0.5,
        "database": "guarded_sandbox",
        "immediate": False,
    }
    assert {name: asked[name] for name in expected} == expected
    assert asked["base_url"] == left.shell.sandbox.url


def test_secrets(left: Left) -> None:
    """Neither the key nor the database's password is in any file or output of the run."""
    files = {path: path.read_bytes() for path in left.shell.folder.rglob("*") if path.is_file()}
    assert {path.name for path in files} >= {"twin.json", "requests.jsonl", "words.txt"}
    for secret in (KEY, PASSWORD):
        assert secret not in left.result.out + left.result.err
        assert [str(path) for path, content in files.items() if secret.encode() in content] == []


@pytest.mark.parametrize("names", ["[!w]*", "words.txt"])
def test_private(left: Left, names: str) -> None:
    """A run's files are private: files 0600, folders 0700."""
    folder = left.shell.folder / "elsewhere"
    modes = {path: path.stat().st_mode & 0o777 for path in folder.rglob(names)}
    assert modes
    wrong = {str(path): oct(mode) for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)}
    assert wrong == {}


def test_password_is_required(left: Left) -> None:
    """The checkpoint lacks the password, so `resume` requires the address, and works with it."""
    bare = left.shell.bare()
    shell = replace(bare, env=bare.env | {"OPENAI_API_KEY": KEY})
    command = ("resume", "--checkpoint", "elsewhere/twin.json", "--no-wait")
    without = shell.run(*command)
    assert (without.code, without.err.count("\n")) == (5, 1)
    assert "does not contain the password of the database" in without.err
    assert PASSWORD not in without.err
    assert shell.run(*command, "--mongo-url", left.mongo_url).code == 8  # its batches are in flight
    assert PASSWORD.encode() not in (shell.folder / "elsewhere" / "twin.json").read_bytes()


# ── a run with everything of its own ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, plain_env: dict[str, str], quick: Sandbox) -> Shell:
    """A shell without database, sandbox and checkpoint; commands in it create them."""
    secrets = {"OPENAI_API_KEY": KEY, "BATCH_SYNTH_SANDBOX_SECONDS": "0.2", "BATCH_SYNTH_POLL_INTERVAL": "0.2"}
    nobody: MongoClient[dict[str, Any]] = MongoClient(connect=False)
    shell = Shell(tmp_path_factory.mktemp("own"), plain_env | secrets, quick, nobody["nobody"])
    shell.write("moon", "sun")
    return shell


OWN = ("run", "words.txt", "--yes", "--sandbox", "--components", "domain", "-c", "a/b/words.checkpoint.json")


def family(pid: int) -> dict[int, str]:
    """Return the command lines of a process and of all its descendants, in other process sessions too."""
    lines, parents = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            lines[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = {pid}
    for _ in lines:
        found |= {child for child, parent in parents.items() if parent in found}
    return {each: lines[each] for each in found if each in lines}


def test_private_whatever_the_umask(own: Shell) -> None:
    """With a permissive umask, all files of a run are private: those of database, sandbox and report, too."""
    before = set(own.folder.rglob("*"))
    for arguments in (OWN, OWN, ("report", "-c", OWN[-1])):  # the second time, the finished run is looked at
        result = done([COMMAND, *arguments], own.folder, own.env, PATIENCE, umask=0)
        assert result[0] == 0, result
    made = {path: path.stat().st_mode & 0o777 for path in set(own.folder.rglob("*")) - before if path.exists()}
    names = {path.name for path in made}
    assert names >= {"words.checkpoint.json", "words.checkpoint.json.previous", "words.txt", "words.report.html"}
    assert names >= {"WiredTiger", "server.log", "sandbox.log", ".words.checkpoint.json.lock"}
    wrong = {str(path): oct(mode) for path, mode in made.items() if mode & 0o077}
    assert wrong == {}


def test_process_list(own: Shell) -> None:
    """No process of a run (the database, the sandbox, the run) has a secret in its command line."""
    with own.start(*OWN[:-1], "c/words.checkpoint.json", BATCH_SYNTH_SANDBOX_SECONDS="600") as process:
        place = own.folder / "c" / "words.checkpoint.json"
        until(lambda: process.poll() is not None or (place.exists() and b'"SUBMITTED"' in place.read_bytes()))
        lines = family(process.pid)
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
    assert any("mongod" in line for line in lines.values())
    assert any("floridify_batch.sandbox" in line for line in lines.values())
    assert len(lines) >= 3
    assert [line for line in lines.values() if KEY in line] == []


BROKEN = f"{KEY}\n{KEY}"
"""A key with a line break, as two lines of a file make it."""


@pytest.mark.parametrize("words", ["", "--debug", "--output json"])
def test_a_key_that_cannot_be_sent(left: Left, words: str) -> None:
    """A key with a line break is refused before anything is sent; no screen, JSON or traceback shows it."""
    debug, options = (words, "") if words == "--debug" else ("", words)
    line = f"{debug} run words.txt --yes {options} --checkpoint broken.json".split()
    result = left.shell.run(*line, OPENAI_API_KEY=BROKEN)
    assert (result.code, "contains a space or a line break" in result.out + result.err) == (2, True)
    assert KEY not in result.out + result.err


QUOTED = "bad-key"
"""The key that the sandbox refuses, quoting it."""


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        (5, {"MONGODB_URL": f"mongodb://ann:{PASSWORD}x@127.0.0.1:{{port}}/"}),
        (5, {"MONGODB_URL": f"mongodb://ann:{PASSWORD}@127.0.0.1:9/"}),
        (5, {"MONGODB_URL": f"mongodb://ann:{PASSWORD}@nowhere:port/"}),
        (4, {"OPENAI_API_KEY": QUOTED}),
        (4, {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}),
    ],
)
def test_traceback(left: Left, code: int, changes: dict[str, str]) -> None:
    """`--debug` prints a traceback without the key and the password."""
    port = left.mongo_url.rstrip("/").rpartition(":")[2]
    given = {name: value.format(port=port) for name, value in changes.items()}
    result = left.shell.run("--debug", "run", "words.txt", "--checkpoint", f"{len(str(changes))}.json", **given)
    assert result.code == code
    assert "Traceback" in result.err
    for secret in (KEY, PASSWORD, QUOTED):
        assert secret not in result.out + result.err
