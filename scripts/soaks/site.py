"""The site of a case: a folder with a list, a database with some words, and the command."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import IO, Any, Protocol, Self

from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database

from floridify_batch.components.change import Collection
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.crash_point import POINTS
from floridify_batch.run.ledger import ChunkState, Ledger
from floridify_batch.words.entry import SYNTHESIS, blank_definition, derived_id

type Document = dict[str, Any]

COMMAND = Path(sys.executable).with_name("batch-synth")
LIST = "words.txt"
LOG = "log.txt"
KILLED = -signal.SIGKILL
ENDS = (0, 1)
"""Exit codes of a finished run."""
REFUSED, UNDECIDED = 4, 6
"""Exit codes of a run that the service stops, and of one that has reached its cost limit."""

PATIENCE = 300.0
"""Seconds after which a process counts as stuck."""
_LOOK = 0.5

DEFINITIONS = 3
_LONG_AGO = datetime(2025, 3, 1, 12, tzinfo=UTC)
_KEPT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "SSL_CERT_FILE")


class Stuck(RuntimeError):
    """A process did not end."""


class Interrupted(Exception):
    """The soak is being stopped: its cases end at once, with their processes and servers."""


interruption = Event()
"""Set when the soak is to stop."""


class Process(Protocol):
    """The part of `subprocess.Popen` that cases use."""

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code. Raises `subprocess.TimeoutExpired`."""

    def send_signal(self, sig: int, /) -> None:
        """Send a signal, unless it ended."""

    def kill(self) -> None:
        """Send SIGKILL, unless it ended."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


type Start = Callable[[Sequence[str], Path, Mapping[str, str], IO[bytes]], Process]
"""Starts a command in a folder with an environment, without input; its output goes to a log."""


def start_installed(command: Sequence[str], folder: Path, env: Mapping[str, str], log: IO[bytes]) -> Process:
    """Start the installed command."""
    return subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


@dataclass(frozen=True, slots=True)
class Site:
    """The folder, the service and the database of one case. `service` is the sandbox's own folder."""

    folder: Path
    service: Path
    base_url: str
    mongo_url: str
    database: str
    words: Sequence[str]
    options: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    provider: str = SYNTHESIS
    """The provider of the entries that are in the database before the run."""
    gives_up: bool = False
    """Whether the user gives up the first batch, which the service denies."""
    earlier_batches: int = 0
    """Batches of an earlier, finished run."""
    model: str = ""
    """Another model, with which the user resumes."""
    start: Start = start_installed

    @property
    def is_packed(self) -> bool:
        """Whether the run's requests share lines."""
        return "--pack" in self.options

    def prepare(self, known: Sequence[str]) -> None:
        """Write the list and insert its known words."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / LIST).write_text("".join(f"{word}\n" for word in self.words), encoding="utf-8")
        with self.opened() as database:
            for word in known:
                add_known(database, word, self.provider)

    @contextmanager
    def opened(self) -> Iterator[Database[Document]]:
        """The case's database."""
        client: MongoClient[Document]
        with MongoClient(self.mongo_url, tz_aware=True) as client:
            yield client[self.database]

    def forget(self) -> None:
        """Remove the database."""
        with self.opened() as database:
            database.client.drop_database(self.database)

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint of the list."""
        return Checkpoint(self.folder / "words.checkpoint.json")

    @property
    def ledger(self) -> Ledger | None:
        """Return the ledger of the checkpoint, or None."""
        return self.checkpoint.load()

    def is_through(self, code: int) -> bool:
        """Whether an exit code means a finished run."""
        ledger = self.ledger
        return code in ENDS and ledger is not None and ledger.finished

    @contextmanager
    def process(
        self, dies_at: str | None = None, verb: str = "resume", options: Sequence[str] = ()
    ) -> Iterator[Process]:
        """Start `run`, or another command if there is a checkpoint; kill it in the end if it is still running.

        `options`: those of the user who resumes.
        """
        resuming = [*self._given_up(), *options, *(["--model", self.model, "--yes"] if self.model else [])]
        further = ["--yes"] if verb == "cancel" else resuming
        command = [verb, "--checkpoint", self.checkpoint.path.name, *further]
        if not self.checkpoint.path.exists():
            command = ["run", LIST, "--yes", *self.options, *(["--no-wait"] if self.gives_up else [])]
        environment = self._environment() | ({"BATCH_SYNTH_DIE_AT": dies_at} if dies_at else {})
        with (self.folder / LOG).open("ab") as log:
            log.write(f"$ {' '.join(command)}  # {dies_at or ''}\n".encode())
            log.flush()
            with self.start([str(COMMAND), *command], self.folder, environment, log) as process:
                try:
                    yield process
                finally:
                    process.kill()

    def _given_up(self) -> list[str]:
        """Return the option that gives up the first batch while the service denies it; other batches are returned."""
        created = [each for each in self.ledger.chunks if each.created_at is not None] if self.ledger else []
        first = min(created, key=lambda each: each.created_at or 0, default=None)
        denied = self.gives_up and first is not None and first.state == ChunkState.SUBMITTED
        return ["--give-up", str(first.batch_id)] if denied and first else []

    def live(self, dies_at: str | None = None) -> int:
        """Run one process to its end and return its exit code. Raises `Stuck`, or `ValueError` for an unknown crash
        point.
        """
        if dies_at and dies_at.partition("@")[0] not in POINTS:
            raise ValueError(dies_at)
        with self.process(dies_at) as process:
            return ended(process)

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {
            **kept,
            "PYTHONUTF8": "1",
            "OPENAI_API_KEY": "any",
            "BATCH_SYNTH_BASE_URL": self.base_url,
            "BATCH_SYNTH_MONGO_URL": self.mongo_url,
            "BATCH_SYNTH_DATABASE": self.database,
            "BATCH_SYNTH_POLL_INTERVAL": "0.1",
            "BATCH_SYNTH_LOOKUP_SECONDS": "4",
            **self.settings,
        }


def ended(process: Process) -> int:
    """Wait for a process and return its exit code. Raises `Stuck` or `Interrupted`."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_LOOK)
        pause(0)
    raise Stuck(f"a process did not end within {PATIENCE:.0f} seconds")


def pause(seconds: float) -> None:
    """Wait. Raises `Interrupted` if the soak is being stopped."""
    if interruption.wait(seconds):
        raise Interrupted


# ── the database before a run ──────────────────────────────────────────────────────────────────────────────────────


def add_known(database: Database[Document], text: str, provider: str) -> None:
    """Insert a word with an entry that lists its definitions, not in the order of their clusters."""
    word = _identity("word", text)
    entry, senses = _identity("entry", text), [_identity("sense", text, place) for place in range(DEFINITIONS)]
    database[Collection.WORDS].insert_one(
        {**_base(word), "text": text, "normalized": text, "lemma": text, "languages": ["en"], "homograph_number": None}
    )
    database[Collection.DEFINITIONS].insert_many(
        [_definition(sense, word, text, place, provider) for place, sense in enumerate(senses)]
    )
    database[Collection.ENTRIES].insert_one(
        {
            **_base(entry),
            "word_id": word,
            "definition_ids": senses[::-1],
            "provider": provider,
            "languages": ["en"],
            **{name: [] for name in ("fact_ids", "phrases", "source_entries")},
            **dict.fromkeys(("pronunciation_id", "etymology", "raw_data", "synonym_chooser", "model_info")),
        }
    )


def _definition(identity: ObjectId, word: ObjectId, text: str, place: int, provider: str) -> Document:
    cluster = {"slug": f"{text}_{place}", "name": f"{text} {place}", "order": place, "relevance": 1 - place / 10}
    return {
        **_base(identity),
        **blank_definition(),
        "word_id": word,
        "part_of_speech": "noun",
        "text": f"the thing number {place} that is called {text}",
        "meaning_cluster": cluster if provider == SYNTHESIS else None,
        "providers": ["wiktionary"],
    }


def _identity(*parts: object) -> ObjectId:
    return ObjectId(derived_id(*parts))


def _base(identity: ObjectId) -> Document:
    return {"_id": identity, "created_at": _LONG_AGO, "updated_at": _LONG_AGO, "version": 1}
