"""The installed command in a shell and in a terminal, interrupted and killed."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
from pymongo.database import Database

from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import Ledger
from tests.acceptance.command_server import Forked, done
from tests.documents import add_known
from tests.sandbox import Sandbox

COMMAND = str(Path(sys.executable).with_name("batch-synth"))
KEY = "sk-hush-hush-0123456789"
PATIENCE = 120.0
"""Seconds after which a command counts as stuck; a loaded machine may take a minute for what takes it a second."""

type Process = Forked | subprocess.Popen[str]

_LEADING = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""Makes the terminal the controlling one, then executes the command."""

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


@dataclass(frozen=True)
class CommandResult:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """A folder with a word list, and the environment, sandbox and database of its commands."""

    folder: Path
    env: dict[str, str]
    sandbox: Sandbox
    database: Database[dict[str, Any]]

    def write(self, *words: str, name: str = "words.txt") -> None:
        """Write a word list."""
        (self.folder / name).write_text("".join(f"{word}\n" for word in words), encoding="utf-8")

    def known(self, name: str, count: int) -> list[str]:
        """Add words with one definition each to the list and the database."""
        words = [f"{name}{letter}word" for letter in "abcdefghijkl"[:count]]
        self.write(*words)
        add_known(self.database, *words)
        return words

    def run(self, *arguments: str, **env: str) -> CommandResult:
        """Run a command to its end."""
        return CommandResult(*done([COMMAND, *arguments], self.folder, self.env | env, PATIENCE))

    def each(self, *commands: tuple[str, ...]) -> list[CommandResult]:
        """Run reading commands concurrently."""
        with ThreadPoolExecutor(len(commands)) as pool:
            return list(pool.map(lambda arguments: self.run(*arguments), commands))

    @contextmanager
    def start(self, *arguments: str, installed: bool = False, **env: str) -> Iterator[Process]:
        """Start a command, the installed one if that is asked for; kill it at the end of the block."""
        command = [COMMAND, *arguments]
        with (
            _installed(command, self, env)
            if installed
            else Forked.piped(command, self.folder, self.env | env) as process
        ):
            try:
                yield process
            finally:
                process.kill()

    def bare(self) -> "Shell":
        """Return this shell without settings."""
        ours = ("BATCH_SYNTH_", "OPENAI_", "MONGODB_")
        return replace(self, env={name: value for name, value in self.env.items() if not name.startswith(ours)})

    @contextmanager
    def terminal(
        self, *arguments: str, rows: int = 40, columns: int = 120, script: str = "", installed: bool = False
    ) -> Iterator["Terminal"]:
        """A command in a terminal of its own, or a shell with jobs whose script calls it `"$0" "$@"`; killed if it is
        not through.
        """
        env = self.env | {"TERM": "xterm-256color"}
        env.pop("COLUMNS", None)
        shell = ["/bin/sh", "-mc", script] if script else []
        command = [*shell, COMMAND, *arguments]
        terminal = Terminal(command, self.folder, env, rows, columns, forked=not (script or installed))
        try:
            yield terminal
        finally:
            terminal.close()

    @property
    def checkpoint(self) -> Checkpoint:
        """Return the checkpoint of the list."""
        return Checkpoint(self.folder / "words.checkpoint.json")

    @property
    def ledger(self) -> Ledger:
        """Return the ledger of the checkpoint."""
        ledger = self.checkpoint.load()
        assert ledger is not None
        return ledger

    def states(self) -> list[str]:
        """Return the states of the chunks; none if the checkpoint does not exist yet."""
        try:
            return [chunk["state"] for chunk in orjson.loads(self.checkpoint.path.read_bytes())["chunks"]]
        except FileNotFoundError:
            return []

    def under_way(self, process: "Process | subprocess.Popen[bytes]") -> None:
        """Wait until the first batch of a run is submitted."""
        until(lambda: self.states() == ["SUBMITTED"] or process.poll() is not None)
        assert process.poll() is None

    def through(self, process: "Process | subprocess.Popen[bytes]") -> None:
        """Finish all batches until a run ends."""

        def ended() -> bool:
            self.sandbox.control(finish=True)
            return process.poll() is not None

        until(ended, pause=0.05)

    def batches(self) -> list[dict[str, Any]]:
        """Return the batches of the run."""
        return self.sandbox.batches_of(self.ledger.run.id)

    def listing(self) -> set[str]:
        """Return all paths in the folder."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}


def _installed(command: list[str], shell: Shell, env: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command,
        cwd=shell.folder,
        env=shell.env | env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result_of(process: Process) -> CommandResult:
    """Wait for a command and return its result."""
    out, err = process.communicate(timeout=PATIENCE)
    return CommandResult(process.wait(), out, err)


def until(condition: Callable[[], object], patience: float = PATIENCE, pause: float = 0.01) -> None:
    """Wait for a condition, which is checked again after each pause."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "the condition was never met"
        time.sleep(pause)


def together(*stories: Callable[[], object]) -> None:
    """Run several tests concurrently: each mostly waits for commands."""
    with ThreadPoolExecutor(len(stories)) as pool:
        for output in [pool.submit(story) for story in stories]:
            output.result()


class Terminal:
    """A pseudo-terminal with a command; its output is read continuously."""

    def __init__(
        self, command: list[str], folder: Path, env: dict[str, str], rows: int, columns: int, *, forked: bool = True
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process: Forked | subprocess.Popen[bytes]
        if forked:
            self.process = Forked(command, folder, env, [theirs] * 3)
        else:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _LEADING, *command],
                cwd=folder,
                env=env,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
        os.close(theirs)
        self._shown = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def line(self) -> int:
        """Return the file descriptor of the terminal."""
        return self._ours

    @property
    def text(self) -> str:
        """Return the output so far, without escape sequences."""
        return _ESCAPES.sub("", self.raw)

    @property
    def raw(self) -> str:
        """Return the raw output so far."""
        return self._shown.decode(errors="replace")

    def wait_for(self, text: str) -> None:
        """Wait for a text in the output."""
        until(lambda: text in self.text or self.process.poll() is not None)
        assert text in self.text, self.text

    def type(self, text: str) -> None:
        """Type text; Ctrl-C is \\x03."""
        os.write(self._ours, text.encode())

    def ended(self) -> int:
        """Wait for the end and return the exit code."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def close(self) -> None:
        """Kill the command and close the terminal."""
        self.process.kill()
        self.ended()
        os.close(self._ours)

    def _read(self) -> None:
        try:
            while data := os.read(self._ours, 65_536):
                self._shown += data
        except OSError:  # the command has closed its side
            return
