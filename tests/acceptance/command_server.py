"""A server that forks commands from a process with all imports done, which saves most of their time.

The processes of one test session share a server. Some tests of start-up, signals and terminals use the installed
command; see `Shell.start` and `Shell.terminal`.
"""

import atexit
import fcntl
import gc
import mimetypes
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from platform import platform
from tempfile import TemporaryFile, gettempdir, mkdtemp
from threading import Lock
from types import TracebackType
from typing import IO, Any, NoReturn, Self, TextIO

import orjson

from floridify_batch.cli.main import command_line, main
from floridify_batch.components.change import SchemaVersion
from floridify_batch.components.document_schema import schemas_of
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.costs.answer_length import AnswerShape
from floridify_batch.costs.price import rates
from floridify_batch.costs.tokenizer import count_tokens
from floridify_batch.pipeline.brief import BriefOptions, brief
from floridify_batch.providers.interface import DEFAULT_MODEL

ROOT = Path(__file__).parents[2]
LOADED = (
    "floridify_batch.cli.floridify_config",
    "floridify_batch.cli.service",
    "floridify_batch.cli.session",
    "floridify_batch.cli.watch",
    "floridify_batch.database.lookup",
    "floridify_batch.display.cost_table",
    "floridify_batch.display.entry_page",
    "floridify_batch.display.report",
    "filelock",
    "langcodes",
    "openai.resources.chat.completions",
    "openai.lib.streaming.chat",
    "openai.resources.batches",
    "openai.resources.files",
    "httpcore2",
    "h11",
    "anyio._backends._asyncio",
    "truststore",
    "pymongo.asynchronous.mongo_client",
    "motor.motor_asyncio",
    "tenacity",
    "genai_prices.data",
    "genai_prices.decompose",
    "genai_prices.validation",
    "rich._emoji_codes",
    "rich._unicode_data.unicode17-0-0",
    "typer._adapters",
    "typer._click.decorators",
    "tomllib",
)
"""Modules that most commands import."""


_STARTING = Lock()
_DOOR = "-door"
"""The suffix of the address at which further processes join a server."""


class Forked:
    """A command in a process of the server; the part of `subprocess.Popen` that tests use."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        env: Mapping[str, str],
        streams: Sequence[int],
        file_size: int | None = None,
        umask: int | None = None,
    ) -> None:
        """Start it. `streams`: its standard input, output and error; a terminal becomes its controlling one.

        `file_size` limits the size of its files; `umask` is that of its start.
        """
        self.args = list(command)
        self.returncode: int | None = None
        self.stdout: TextIO | None = None
        self.stderr: TextIO | None = None
        self._line = socket.socket(socket.AF_UNIX)
        with _STARTING:  # else threads that are the first together would start a server each
            address = _server(env.get("PYTHONPATH", ""))
        self._line.connect(address)
        limits = {"file_size": file_size, "umask": umask}
        order = orjson.dumps({"command": command, "folder": str(folder), "env": env, **limits})
        socket.send_fds(self._line, [b"%9d" % len(order)], list(streams))
        self._line.sendall(order)
        self._replies = self._line.makefile("rb", buffering=0)  # `poll` must see what has not been read
        self.pid = int(self._replies.readline())

    @classmethod
    def piped(cls, command: Sequence[str], folder: Path, env: Mapping[str, str], file_size: int | None = None) -> Self:
        """Start a command without input whose output is read from `stdout` and `stderr`."""
        pipes = [os.pipe(), os.pipe()]
        with Path(os.devnull).open("rb") as nothing:
            forked = cls(command, folder, env, [nothing.fileno(), *(theirs for _, theirs in pipes)], file_size)
        forked.stdout, forked.stderr = (os.fdopen(ours, encoding="utf-8", errors="replace") for ours, _ in pipes)
        for _, theirs in pipes:
            os.close(theirs)
        return forked

    @classmethod
    def logged(cls, command: Sequence[str], folder: Path, env: Mapping[str, str], log: IO[bytes]) -> Self:
        """Start a command without input whose output goes to a log."""
        with Path(os.devnull).open("rb") as nothing:
            return cls(command, folder, env, [nothing.fileno(), log.fileno(), log.fileno()])

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        if self.returncode is None and select.select([self._line], [], [], 0)[0]:
            self.returncode = int(self._replies.readline())
            self._replies.close()
            self._line.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code. Raises `subprocess.TimeoutExpired`."""
        if self.returncode is None and not select.select([self._line], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read the output to its end and wait for the exit code. Raises `subprocess.TimeoutExpired`."""
        assert self.stdout is not None
        assert self.stderr is not None
        with ThreadPoolExecutor(2) as pool:
            out, err = pool.submit(self.stdout.read), pool.submit(self.stderr.read)
            self.wait(timeout)
            return out.result(timeout), err.result(timeout)

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the pipes and wait for the end, as `Popen` does."""
        self.wait()
        for pipe in self._pipes():
            pipe.close()

    def _pipes(self) -> list[TextIO]:
        return [pipe for pipe in (self.stdout, self.stderr) if pipe is not None]


def done(
    command: Sequence[str], folder: Path, env: Mapping[str, str], patience: float, umask: int | None = None
) -> tuple[int, str, str]:
    """Run a command and return its exit code, standard output and error. Raises `subprocess.TimeoutExpired`."""
    with Path(os.devnull).open("rb") as nothing, TemporaryFile() as out, TemporaryFile() as err:
        streams = [nothing.fileno(), out.fileno(), err.fileno()]
        with Forked(command, folder, env, streams, umask=umask) as forked:
            try:
                code = forked.wait(patience)
            finally:
                forked.kill()
        for stream in (out, err):
            stream.seek(0)
        return code, out.read().decode("utf-8", "replace"), err.read().decode("utf-8", "replace")


@cache
def _server(packages: str) -> str:
    """The address of a server: that of the test session, or a new one if the commands have packages of their own."""
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if packages or session is None:
        return _started(packages)
    known = Path(gettempdir()) / f"commands-{session}"
    with _locked(known.parent):
        if known.exists() and _joined(address := known.read_text(encoding="utf-8")):
            return address
        address = _started()
        known.write_text(address, encoding="utf-8")
        atexit.register(known.unlink, missing_ok=True)
        return address


def _started(packages: str = "") -> str:
    """Start a server and return its address. It ends with its standard input and its last user."""
    address = str(Path(mkdtemp(prefix="forked")) / "line")
    path = os.pathsep.join(filter(None, (packages, str(ROOT))))
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.acceptance.command_server", address],  # -P: packages come first
        cwd=ROOT,
        env=os.environ | {"PYTHONUTF8": "1", "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    atexit.register(server.communicate)  # closes its standard input, and waits
    return address


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes of the session from starting a server."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _joined(address: str) -> bool:
    """Become a user of a server, until this process ends; false if it has ended."""
    line = socket.socket(socket.AF_UNIX)
    with suppress(OSError):
        line.connect(f"{address}{_DOOR}")
        if line.recv(1):
            atexit.register(line.close)
            return True
    line.close()
    return False


# ── in the server ──────────────────────────────────────────────────────────────────────────────────────────────────


def serve(address: str) -> None:
    """Fork a command for each connection, until standard input is closed and each user has left."""
    _warm_up()
    gc.freeze()  # else each command's first collection would copy all of it
    users: set[Any] = {sys.stdin}
    with _listening(address) as orders, _listening(f"{address}{_DOOR}") as door:
        os.write(1, b"ready\n")
        while users:
            for ready in select.select([orders, door, *users], [], [])[0]:
                if ready in users:  # its end: a user sends nothing
                    users.remove(ready)
                    continue
                line, _ = ready.accept()
                if ready is door:
                    line.sendall(b"+")
                    users.add(line)
                    continue
                with line:
                    if os.fork() == 0:
                        _look_after(line)
            _reap(os.WNOHANG)
    _reap(0)
    Path(address).parent.rmdir()


@contextmanager
def _listening(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(64)
        yield listening
    Path(address).unlink()


def _warm_up() -> None:
    """Import modules and fill caches, each of which would take a command a tenth of a second."""
    for name in LOADED:
        import_module(name)
    count_tokens("the vocabulary")
    for shape in AnswerShape:  # compiles the templates, and makes the schemas of all answers
        options = BriefOptions(answers=shape)
        for question in brief(SynthesisComponent, model="", language_name="English", options=options).questions:
            question.envelope.body("")
    for version in SchemaVersion:
        schemas_of(version)
    for batch in (True, False):
        rates(DEFAULT_MODEL, batch=batch, price=None)
    for command in (command_line(), *command_line().commands.values()):
        for parameter in command.params:
            parameter.get_runtime_param()
    platform()  # for a header of the SDK
    mimetypes.init()  # for uploads


def _reap(how: int) -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, how)[0]:
            pass


def _look_after(line: socket.socket) -> NoReturn:
    """Start a command, and send its process id and exit code."""
    size, streams, _, _ = socket.recv_fds(line, 9, 3)
    with line.makefile("rb") as asked:
        order = orjson.loads(asked.read(int(size)))
    process = os.fork()
    if process == 0:
        _become(order, streams)
    for stream in streams:  # else its reader would wait for this process
        os.close(stream)
    line.sendall(b"%d\n" % process)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with suppress(OSError):  # nobody waits for it any more
        line.sendall(b"%d\n" % code)
    os._exit(0)


def _become(order: Mapping[str, Any], streams: Sequence[int]) -> NoReturn:
    """Become the command."""
    if os.isatty(streams[0]):
        os.setsid()
        fcntl.ioctl(streams[0], termios.TIOCSCTTY, 0)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, 256)
    # New ones, since a stream remembers whether it was a terminal, and whether it could seek.
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, encoding="utf-8", closefd=False) for number, mode in enumerate("rww")
    )
    if order["file_size"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_size"],) * 2)
        sys.dont_write_bytecode = True  # else Python itself would leave halves of its own files
    if order["umask"] is not None:
        os.umask(order["umask"])
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = order["command"]
    sys.modules["__main__"].__package__ = None  # else its help would call it by the name of this module
    code: object = 1
    try:
        main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    serve(sys.argv[1])
