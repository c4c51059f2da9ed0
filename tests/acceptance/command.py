"""The installed command as users meet it: in a shell, in a terminal, interrupted, killed."""

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
from tests.acceptance.command_server import done
from tests.documents import add_known
from tests.sandbox import Sandbox

COMMAND = str(Path(sys.executable).with_name("batch-synth"))
KEY = "sk-hush-hush-0123456789"
PATIENCE = 30.0

_LEADING = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""Makes the terminal the one that Ctrl-C is typed at, then becomes the command."""

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


@dataclass(frozen=True)
class CommandResult:
    """What a command left behind when it ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """A folder with a word list, and the service and database that its commands use."""

    folder: Path
    env: dict[str, str]
    sandbox: Sandbox
    database: Database[dict[str, Any]]

    def write(self, *words: str, name: str = "words.txt") -> None:
        """Write the list."""
        (self.folder / name).write_text("".join(f"{word}\n" for word in words), encoding="utf-8")

    def known(self, name: str, count: int) -> list[str]:
        """Put so many words with a definition each into list and database."""
        words = [f"{name}{letter}word" for letter in "abcdefghijkl"[:count]]
        self.write(*words)
        add_known(self.database, *words)
        return words

    def run(self, *arguments: str, **env: str) -> CommandResult:
        """Run a command to its end."""
        return CommandResult(*done([COMMAND, *arguments], self.folder, self.env | env, PATIENCE))

    def each(self, *commands: tuple[str, ...]) -> list[CommandResult]:
        """Run commands that only look, at the same time."""
        with ThreadPoolExecutor(len(commands)) as pool:
            return list(pool.map(lambda arguments: self.run(*arguments), commands))

    @contextmanager
    def start(self, *arguments: str, **env: str) -> Iterator["subprocess.Popen[str]"]:
        """A command under way; killed if it is not through."""
        with subprocess.Popen(
            [COMMAND, *arguments],
            cwd=self.folder,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def bare(self) -> "Shell":
        """The same for a user who has set nothing."""
        ours = ("BATCH_SYNTH_", "OPENAI_", "MONGODB_")
        return replace(self, env={name: value for name, value in self.env.items() if not name.startswith(ours)})

    @contextmanager
    def terminal(self, *arguments: str, rows: int = 40, columns: int = 120, script: str = "") -> Iterator["Terminal"]:
        """A command in a terminal of its own, or a shell with jobs whose script calls it `"$0" "$@"`; killed if it is
        not through.
        """
        env = self.env | {"TERM": "xterm-256color"}
        env.pop("COLUMNS", None)
        shell = ["/bin/sh", "-mc", script] if script else []
        terminal = Terminal([*shell, COMMAND, *arguments], self.folder, env, rows, columns)
        try:
            yield terminal
        finally:
            terminal.close()

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint of the list."""
        return Checkpoint(self.folder / "words.checkpoint.json")

    @property
    def ledger(self) -> Ledger:
        """What the checkpoint holds."""
        ledger = self.checkpoint.load()
        assert ledger is not None
        return ledger

    def states(self) -> list[str]:
        """The states of the chunks, while somebody may be writing the checkpoint for the first time."""
        try:
            return [chunk["state"] for chunk in orjson.loads(self.checkpoint.path.read_bytes())["chunks"]]
        except FileNotFoundError:
            return []

    def under_way(self, process: "subprocess.Popen[Any]") -> None:
        """Wait until the first batch of a run is made."""
        until(lambda: self.states() == ["SUBMITTED"] or process.poll() is not None)
        assert process.poll() is None

    def through(self, process: "subprocess.Popen[Any]") -> None:
        """Let whatever is in flight end, until a run is through."""

        def ended() -> bool:
            self.sandbox.control(finish=True)
            return process.poll() is not None

        until(ended)

    def batches(self) -> list[dict[str, Any]]:
        """The batches that the service made of the list."""
        return self.sandbox.batches_of(self.ledger.run.id)

    def listing(self) -> set[str]:
        """Everything in the folder."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}


def said(process: "subprocess.Popen[str]") -> CommandResult:
    """What a command under way says until it ends."""
    out, err = process.communicate(timeout=PATIENCE)
    return CommandResult(process.returncode, out, err)


def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def together(*stories: Callable[[], object]) -> None:
    """Live through several stories at the same time: each spends most of its own starting commands."""
    with ThreadPoolExecutor(len(stories)) as pool:
        for told in [pool.submit(story) for story in stories]:
            told.result()


class Terminal:
    """A pseudo-terminal with a command in it. What it shows is read as it comes, so that the command never waits."""

    def __init__(self, command: list[str], folder: Path, env: dict[str, str], rows: int, columns: int) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
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
        """Our end of the terminal, whose settings are the terminal's."""
        return self._ours

    @property
    def text(self) -> str:
        """All that was shown so far, without colours and movements."""
        return _ESCAPES.sub("", self.raw)

    @property
    def raw(self) -> str:
        """All that was shown so far, as the terminal gets it."""
        return self._shown.decode(errors="replace")

    def wait_for(self, text: str) -> None:
        """Wait until something is shown."""
        until(lambda: text in self.text or self.process.poll() is not None)
        assert text in self.text, self.text

    def type(self, text: str) -> None:
        """Type; Ctrl-C is \\x03."""
        os.write(self._ours, text.encode())

    def ended(self) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def close(self) -> None:
        """End whatever is left."""
        self.process.kill()
        self.ended()
        os.close(self._ours)

    def _read(self) -> None:
        try:
            while data := os.read(self._ours, 65_536):
                self._shown += data
        except OSError:  # the command has closed its side
            return
