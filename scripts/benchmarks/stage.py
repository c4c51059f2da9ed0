"""Time per stage: a stopwatch that the run's events move from stage to stage.

A run does one thing at a time, so the CPU time that passes between two events belongs to the stage in between. The
stages are distinguished by the run's parameters (observer, store, sleep); its code is not changed.
"""

import asyncio
import cProfile
import resource
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from time import perf_counter, process_time

from floridify_batch.components.change import SchemaVersion, Update, WriteOutcome, Writes
from floridify_batch.components.entry_store import EntryStore
from floridify_batch.costs.answer_length import AnswerKind, BatchLengths, Observed, SenseCount
from floridify_batch.providers.interface import TERMINAL
from floridify_batch.run.event import BatchPolled, ChunkMoved, Event, ListRead, Observer, RunStarted
from floridify_batch.run.ledger import ChunkState
from floridify_batch.words.entry import DocId, Entry, FrequencyScale, Word

_STATUS = Path("/proc/self/status")


class Stage(StrEnum):
    """The stages of a run."""

    STARTING = "starting"
    ESTIMATING = "estimating"
    BUILDING = "planning + building"
    SUBMITTING = "submitting"
    POLLING = "polling"
    DOWNLOADING = "downloading"
    STORING = "settling + storing"
    RETURNING = "planning again"
    WAITING = "waiting"


class Part(StrEnum):
    """The parts of a stage: its own work, and that of the database driver."""

    OWN = "own"
    READS = "look-ups"
    WRITES = "bulk writes"


@dataclass(slots=True)
class Spent:
    """Wall-clock and CPU seconds of all threads, and the rise of peak memory in bytes."""

    wall: float = 0.0
    cpu: float = 0.0
    rise: int = 0


@dataclass(slots=True)
class Stopwatch:
    """Adds time to the current stage. With `profiled`, each stage has its own profile.

    `began` is the value of `perf_counter` when the process was started.
    """

    began: float
    profiled: bool = False
    stage: Stage = Stage.STARTING
    spent: dict[tuple[Stage, Part], Spent] = field(default_factory=lambda: defaultdict(Spent))
    profiles: dict[Stage, cProfile.Profile] = field(default_factory=dict)
    _part: Part = Part.OWN
    _wall: float = field(init=False)
    _peak: int = 0
    _cpu: float = 0.0  # a process's CPU clock begins at 0, so that the interpreter's own start counts too

    def __post_init__(self) -> None:
        self._wall = self.began
        if self.profiled:
            self._profile().enable()

    def at(self, stage: Stage) -> None:
        """Move on to a stage."""
        self._close(self._part)
        if stage is self.stage:
            return
        if self.profiled:
            self._profile().disable()
            self.stage = stage
            self._profile().enable()
        self.stage = stage

    def stop(self) -> None:
        """Add the time since the last move."""
        self._close(self._part)
        if self.profiled:
            self._profile().disable()

    @contextmanager
    def within(self, part: Part) -> Iterator[None]:
        """Count the block as a part of the current stage."""
        self._close(self._part)
        self._part = part
        try:
            yield
        finally:
            self._close(part)
            self._part = Part.OWN

    async def sleep(self, seconds: float) -> None:
        """Sleep; a poll follows."""
        self.at(Stage.WAITING)
        await asyncio.sleep(seconds)
        self.at(Stage.POLLING)

    def _close(self, part: Part) -> None:
        wall, cpu, peak = perf_counter(), process_time(), max(self._peak, peak_memory())
        spent = self.spent[self.stage, part]
        spent.wall += wall - self._wall
        spent.cpu += cpu - self._cpu
        spent.rise += peak - self._peak
        self._wall, self._cpu, self._peak = wall, cpu, peak

    def _profile(self) -> cProfile.Profile:
        return self.profiles.setdefault(self.stage, cProfile.Profile())


_AFTER_MOVE = {
    ChunkState.PLANNED: Stage.SUBMITTING,
    ChunkState.SUBMITTED: Stage.BUILDING,
    ChunkState.ANSWERED: Stage.STORING,
    ChunkState.STORED: Stage.RETURNING,
}


class StageObserver:
    """Moves the stopwatch by a run's events and forwards them."""

    def __init__(self, watch: Stopwatch, following: Observer) -> None:
        self._watch = watch
        self._following = following

    def notify(self, event: Event) -> None:
        """Move the stopwatch by an event."""
        self._following.notify(event)
        stage = _stage_after(event)
        if stage is not None:
            self._watch.at(stage)


def _stage_after(event: Event) -> Stage | None:
    """The stage that begins with an event.

    Stored words are planned again before new ones are read, so up to a page of new ones is counted with them in a run
    with more chunks than may be in flight.
    """
    match event:
        case ChunkMoved(state=state):
            return _AFTER_MOVE.get(ChunkState(state))
        case BatchPolled(status=status):
            return Stage.DOWNLOADING if status in TERMINAL else Stage.RETURNING
        case RunStarted() | ListRead():
            return Stage.BUILDING
    return None


class TimedStore:
    """A store whose look-ups and writes are counted apart."""

    def __init__(self, store: EntryStore, watch: Stopwatch) -> None:
        self._store = store
        self._watch = watch

    @property
    def name(self) -> str:
        """The name of the database."""
        return self._store.name

    @property
    def schema(self) -> SchemaVersion:
        """The version of Floridify's models that reads the database."""
        return self._store.schema

    async def band_scales(self) -> frozenset[FrequencyScale]:
        """The scales of the frequency bands that are stored."""
        return await self._store.band_scales()

    async def entries(self, texts: Sequence[str], language: str) -> dict[str, list[Entry]]:
        """The entries of each text."""
        with self._watch.within(Part.READS):
            return await self._store.entries(texts, language)

    def locked(self, holder: str) -> AbstractAsyncContextManager[None]:
        """Hold the database's write lock."""
        return self._store.locked(holder)

    async def ensure_indexes(self) -> None:
        """Create missing indexes."""
        await self._store.ensure_indexes()

    async def ensure_words(self, words: Iterable[Word]) -> Mapping[DocId, str]:
        """Create the documents of new words."""
        with self._watch.within(Part.WRITES):
            return await self._store.ensure_words(words)

    async def apply(self, writes: Writes) -> WriteOutcome:
        """Write changes."""
        with self._watch.within(Part.WRITES):
            return await self._store.apply(writes)

    async def update(self, updates: Sequence[Update]) -> None:
        """Write new values that no answer brought."""
        with self._watch.within(Part.WRITES):
            await self._store.update(updates)

    async def observe(self, seen: Mapping[DocId, BatchLengths]) -> None:
        """Record answer lengths."""
        with self._watch.within(Part.WRITES):
            await self._store.observe(seen)

    async def stored_answers(self, run: str) -> int | None:
        """The number of answers that a run has stored."""
        with self._watch.within(Part.READS):
            return await self._store.stored_answers(run)

    async def note_stored_answers(self, run: str, answers: int) -> None:
        """Raise the number of answers that a run has stored."""
        with self._watch.within(Part.WRITES):
            await self._store.note_stored_answers(run, answers)

    async def observed(self, model: str) -> dict[AnswerKind, Observed]:
        """The recorded answer lengths of a model."""
        with self._watch.within(Part.READS):
            return await self._store.observed(model)

    async def senses(self, model: str) -> SenseCount:
        """The number of senses that a model has defined, and of their words."""
        with self._watch.within(Part.READS):
            return await self._store.senses(model)


# ── memory ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def peak_memory() -> int:
    """Return the peak memory of this process in bytes.

    On Linux, `ru_maxrss` is inherited from the parent process; /proc has the process's own peak.
    """
    own = _status("VmHWM")
    if own is not None:
        return own
    reported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return reported if sys.platform == "darwin" else reported * 1024


def present_memory() -> int:
    """Return the present memory of this process in bytes, or its peak if the system does not report it."""
    own = _status("VmRSS")
    return peak_memory() if own is None else own


def _status(name: str) -> int | None:
    if not _STATUS.exists():
        return None
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None
