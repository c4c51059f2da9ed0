"""A server that forks commands from a process with all imports done, which saves most of their time.

Tests of start-up, signals and terminals use the installed command; see `Shell.start` and `Shell.terminal`.
"""

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, NoReturn

import orjson

ROOT = Path(__file__).parents[2]
LOADED = (
    "floridify_batch.cli.session",
    "floridify_batch.cli.service",
    "floridify_batch.display.recovery_table",
    "openai.resources.chat",
    "openai.resources.batches",
    "pymongo.asynchronous.mongo_client",
    "tenacity",
    "tiktoken",
    "genai_prices",
)
"""Modules that most commands import."""


def done(command: Sequence[str], folder: Path, env: Mapping[str, str], patience: float) -> tuple[int, str, str]:
    """Run a command and return its exit code, standard output and standard error. Raises `TimeoutError`."""
    with TemporaryDirectory() as streams, socket.socket(socket.AF_UNIX) as line:
        paths = [str(Path(streams) / name) for name in ("out", "err")]
        line.connect(_server())
        line.settimeout(patience)
        line.sendall(orjson.dumps({"command": command, "folder": str(folder), "env": env, "streams": paths}) + b"\n")
        with line.makefile("rb") as told:
            process = int(told.readline())
            try:
                code = int(told.readline())
            except BaseException:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                raise
        out, err = (Path(path).read_text(encoding="utf-8", errors="replace") for path in paths)
    return code, out, err


@cache
def _server() -> str:
    """Start the server of this process and return its address. It ends with its standard input."""
    address = str(Path(mkdtemp(prefix="forked")) / "line")
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.acceptance.command_server", address],
        cwd=ROOT,
        env=os.environ | {"PYTHONUTF8": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    atexit.register(server.communicate)  # closes its standard input, and waits
    return address


# ── in the server ──────────────────────────────────────────────────────────────────────────────────────────────────


def serve(address: str) -> None:
    """Fork a command for each connection, until standard input is closed."""
    for name in LOADED:
        __import__(name)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(64)
        os.write(1, b"ready\n")
        while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
            line, _ = listening.accept()
            with line:
                if os.fork() == 0:
                    _look_after(line)
            _reap(os.WNOHANG)
    _reap(0)
    Path(address).unlink()
    Path(address).parent.rmdir()


def _reap(how: int) -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, how)[0]:
            pass


def _look_after(line: socket.socket) -> NoReturn:
    """Start a command, and send its process id and exit code."""
    with line.makefile("rb") as asked:
        order = orjson.loads(asked.readline())
    process = os.fork()
    if process == 0:
        _become(order)
    line.sendall(b"%d\n" % process)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with suppress(OSError):  # nobody waits for it any more
        line.sendall(b"%d\n" % code)
    os._exit(0)


def _become(order: Mapping[str, Any]) -> NoReturn:
    """Become the command."""
    from floridify_batch.cli.main import main

    opened = [os.open(os.devnull, os.O_RDONLY)]
    opened += [os.open(path, os.O_WRONLY | os.O_CREAT, 0o600) for path in order["streams"]]
    for stream, number in enumerate(opened):
        os.dup2(number, stream)
    os.closerange(3, 256)
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
