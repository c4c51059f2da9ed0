"""The sandbox as a process: in the foreground, as a child process, or in a thread."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, IPPROTO_TCP, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, create_connection, socket
from typing import IO, TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import orjson

from floridify_batch.errors import ServiceError, UsageError
from floridify_batch.files import PRIVATE_UMASK, private_file, private_folder
from floridify_batch.sandbox.sandbox_settings import HOST, SandboxSettings

if TYPE_CHECKING:
    from uvicorn import Server

_STARTING_SECONDS = 20.0
_ENDING_SECONDS = 5.0
_LOG = "sandbox.log"
_ADDRESS = "address.txt"


def serve(
    settings: SandboxSettings, *, listening: Callable[[str], None] | None = None, exit_with_parent: bool = False
) -> None:
    """Serve until a signal; call `listening` with the base URL once the server accepts requests.

    `exit_with_parent` also ends it at the end of standard input. Raises UsageError if the port or the data folder is
    in use.
    """
    from floridify_batch.sandbox.server import create_app, make_server

    bound = _bind(settings.port)
    url = f"http://{HOST}:{bound.getsockname()[1]}/v1"
    with bound:
        server = make_server(create_app(settings), lambda: listening(url) if listening else None)
        if exit_with_parent:
            threading.Thread(target=_watch_parent, args=(server,), daemon=True).start()
        with suppress(KeyboardInterrupt):
            server.run(sockets=[bound])


def _bind(port: int) -> socket:
    # asyncio disables Nagle's algorithm only for sockets whose protocol is explicitly TCP; otherwise every response of
    # two packets waits 40 ms for an acknowledgement.
    bound = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP)
    try:
        if os.name == "posix":  # on other systems this option lets two servers share the port
            bound.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        bound.bind((HOST, port))
        bound.listen()
    except OSError as problem:
        bound.close()
        raise UsageError(
            f"Port {port} of {HOST} cannot be used ({problem.strerror}); choose another --port"
        ) from problem
    return bound


def _watch_parent(server: "Server") -> None:
    sys.stdin.buffer.read()
    server.should_exit = True


@dataclass(frozen=True, slots=True)
class SandboxProcess:
    """A sandbox in a child process that never outlives its parent."""

    url: str
    data: Path
    process: "subprocess.Popen[bytes]"

    @classmethod
    def start(cls, settings: SandboxSettings) -> Self:
        """Start the process and wait until it listens; raise ServiceError if it does not."""
        private_folder(settings.data)
        log = settings.data / _LOG
        with private_file(log) as errors:
            process = subprocess.Popen(  # noqa: S603 - this package, run by this interpreter
                [sys.executable, "-m", "floridify_batch.sandbox", *_arguments(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                umask=PRIVATE_UMASK,
                start_new_session=True,  # Ctrl-C is for the parent, which may still send requests
            )
        line = _first_line(process)
        if line:
            return cls(orjson.loads(line)["url"], settings.data, process)
        _end(process)
        lines = log.read_text(errors="replace").strip().splitlines()
        raise ServiceError(f"The sandbox did not start: {lines[-1] if lines else 'no output, see ' + str(log)}")

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self.process.pid

    def kill(self) -> None:
        """Kill the process, as a power cut would."""
        self.process.kill()
        _end(self.process)

    def stop(self) -> None:
        """Stop the process gracefully."""
        _end(self.process)


@contextmanager
def running_sandbox(
    data: Path,
    seconds: float = 1.0,
    *,
    validating_seconds: float = 0.05,
    faults: Sequence[str] = (),
    **settings: Any,
) -> Iterator[str]:
    """Run a sandbox in a child process on a free port and yield its base URL; `settings` are further settings of it."""
    sandbox = SandboxProcess.start(
        SandboxSettings(
            data=data,
            running_seconds=seconds,
            validating_seconds=validating_seconds,
            faults=tuple(faults),
            **{"port": 0} | settings,
        )
    )
    with private_file(data / _ADDRESS) as address:
        address.write(sandbox.url.encode())
    try:
        yield sandbox.url
    finally:
        (data / _ADDRESS).unlink(missing_ok=True)
        sandbox.stop()


@contextmanager
def sandbox_in_thread(settings: SandboxSettings) -> Iterator[str]:
    """Run a sandbox in a thread of this process, which is cheaper than a child process, and yield its base URL."""
    from floridify_batch.sandbox.server import create_app, make_server

    listening = threading.Event()
    with _bind(settings.port) as bound:
        server = make_server(create_app(settings), listening.set)
        thread = threading.Thread(target=server.run, args=([bound],), name="sandbox")
        thread.start()
        try:
            if not listening.wait(_STARTING_SECONDS):
                raise ServiceError("The sandbox did not start.")
            yield f"http://{HOST}:{bound.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join()


def served_at(data: Path) -> str | None:
    """Return the base URL of the sandbox that serves a data folder, or None if there is none."""
    try:
        url = (data / _ADDRESS).read_text()
        host, port = urlsplit(url).hostname, urlsplit(url).port
        create_connection((host, port or 0), _ENDING_SECONDS).close()
    except OSError:
        return None
    return url


def _arguments(settings: SandboxSettings) -> list[str]:
    options = {
        "--port": settings.port,
        "--data": settings.data,
        "--seconds": settings.running_seconds,
        "--validating-seconds": settings.validating_seconds,
        "--window-seconds": settings.window_seconds,
        "--seed": settings.seed,
    }
    words = [str(word) for option in options.items() for word in option]
    if settings.answers_from:
        words += ["--answers-from", settings.answers_from, "--answer-seconds", str(settings.answer_seconds)]
    for fault in settings.faults:
        words += ["--fault", fault]
    return [*words, "--exit-with-parent", *(["--fast"] if settings.fast else [])]


def _first_line(process: "subprocess.Popen[bytes]") -> bytes:
    """Return the first line of a process's output; empty if it exits or times out first."""
    lines: list[bytes] = []
    output: IO[bytes] | None = process.stdout
    if output is None:
        return b""
    reader = threading.Thread(target=lambda: lines.append(output.readline()), daemon=True)
    reader.start()
    reader.join(_STARTING_SECONDS)
    return lines[0] if lines else b""


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(_ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
