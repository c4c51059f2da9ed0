"""Crash points for tests: named points at which a process kills itself, to prove that a crash loses nothing.

There is a point before and after every effect outside the process, and around every save of the checkpoint that moves a
chunk to another state. The process kills itself at the point that `BATCH_SYNTH_DIE_AT` names; `point@3` means the third
pass, and with `pause:point` the process suspends itself there (SIGSTOP), so that a test can let another one overtake
it. Without the variable, none of this is active.

    before-create, after-create         an effect outside; `answers` and `apply` have a point in the middle, too
    before-request, after-request       a request to the immediate endpoint, of the preflight or with --immediate
    before-write, after-write           a bulk write to one collection of MongoDB, or a removal of documents from it
    before-PLANNED-SUBMITTING, after-…  the save after a move; NEW is the state of a new chunk
    before-save, amid-save, after-save  any save; amid: the new file is complete and not renamed yet
"""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, override

from floridify_batch.components.change import WriteOutcome, Writes
from floridify_batch.database.store import MongoStore
from floridify_batch.errors import UsageError
from floridify_batch.providers.immediate import ImmediateBatches
from floridify_batch.providers.interface import BatchJob, Submission
from floridify_batch.providers.preflight import PreflightBatches
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import TRANSITIONS, Ledger
from floridify_batch.run.state import Run

if TYPE_CHECKING:
    from floridify_batch.components.entry_store import EntryStore
    from floridify_batch.providers.interface import Batches

_PAUSE = "pause:"
"""The prefix of a point at which a process suspends itself instead."""

NEW = "NEW"
"""The state of a chunk that is new in the checkpoint."""

_SERVICE_EFFECTS = ("find", "upload", "create", "retrieve", "answers", "cancel")
_DATABASE_EFFECTS = ("ensure_words", "apply", "update")

EFFECTS = (*_SERVICE_EFFECTS, *_DATABASE_EFFECTS, "request", "write", "save")
"""The effects of a run outside its process."""

MOVES = (f"{NEW}-PLANNED", *(f"{before}-{after}" for before, later in TRANSITIONS.items() for after in sorted(later)))
"""The moves of chunks from state to state."""

POINTS = (
    *(f"{side}-{what}" for what in (*EFFECTS, *MOVES) for side in ("before", "after")),
    *(f"amid-{effect}" for effect in ("answers", "apply", "save")),
)
"""All crash points."""


def inject_crash(run: Run, text: str) -> None:
    """Make a run's process kill itself at `point` or `point@n`, or suspend itself at `pause:point`.

    Raises `UsageError` for an unknown point.
    """
    crash = _Crash(*_read(text.removeprefix(_PAUSE)), signal.SIGSTOP if text.startswith(_PAUSE) else signal.SIGKILL)
    if isinstance(run.batches, PreflightBatches | ImmediateBatches):
        run.batches.on_request = lambda side: crash.passes(f"{side}-request")
    run.batches = cast("Batches", _CrashBatches(run.batches, _SERVICE_EFFECTS, crash))
    if isinstance(run.store, MongoStore):
        run.store.on_write = lambda side: crash.passes(f"{side}-write")
    run.store = cast("EntryStore", _CrashDatabase(run.store, _DATABASE_EFFECTS, crash))
    run.checkpoint = _CrashCheckpoint(run.checkpoint.path, crash, run.ledger)


def _read(text: str) -> tuple[str, int]:
    point, at, count = text.partition("@")
    if point not in POINTS or (at and not (count.isdecimal() and int(count))):
        known = ", ".join(POINTS)
        raise UsageError(f'Unknown crash point "{text}"; choose from {known}, optionally followed by @N.')
    return point, int(count or 1)


@dataclass(slots=True)
class _Crash:
    """Sends this process a signal at a crash point, at the n-th pass."""

    point: str
    remaining: int
    signal: signal.Signals

    def passes(self, point: str) -> None:
        """Pass a point, or end or suspend the process there."""
        if point == self.point:
            self.remaining -= 1
            if not self.remaining:
                os.kill(os.getpid(), self.signal)


class _CrashProxy:
    """A proxy with a crash point before and after each effect of an object."""

    def __init__(self, inner: Any, effects: Sequence[str], crash: _Crash) -> None:
        self._inner = inner
        self._effects = effects
        self._crash = crash

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in self._effects:
            return found

        async def effect(*args: Any, **kwargs: Any) -> Any:
            self._crash.passes(f"before-{name}")
            done = await found(*args, **kwargs)
            self._crash.passes(f"after-{name}")
            return done

        return effect


class _CrashBatches(_CrashProxy):
    """A batch service."""

    async def find(self, submission: Submission, **kwargs: Any) -> Any:
        """Look for a batch; the cancellation of duplicates passes its points, too."""
        self._crash.passes("before-find")
        service: Any = self._inner
        if isinstance(service, PreflightBatches):
            service = service.serving(preflight=submission.preflight)
        found = await type(service).find(_CrashProxy(service, self._effects, self._crash), submission, **kwargs)
        self._crash.passes("after-find")
        return found

    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        """Download both answer files, one after the other."""
        self._crash.passes("before-answers")
        if job.output_file_id and job.error_file_id:
            await self._inner.answers(replace(job, error_file_id=None), output, errors)
            self._crash.passes("amid-answers")
        await self._inner.answers(job, output, errors)
        self._crash.passes("after-answers")


class _CrashDatabase(_CrashProxy):
    """The database."""

    async def apply(self, writes: Writes) -> WriteOutcome:
        """Write changes; for `amid-apply`, a first half of the updates before all of them."""
        self._crash.passes("before-apply")
        half = len(writes.updates) // 2
        if half and self._crash.point == "amid-apply":
            await self._inner.apply(writes._replace(updates=writes.updates[:half]))
            self._crash.passes("amid-apply")
        written: WriteOutcome = await self._inner.apply(writes)
        self._crash.passes("after-apply")
        return written


class _CrashCheckpoint(Checkpoint):
    """A checkpoint with crash points; it compares the ledger with the one saved before."""

    def __init__(self, path: Path, crash: _Crash, saved: Ledger) -> None:
        super().__init__(path)
        self._crash = crash
        self._saved = _states(saved)

    @override
    def save(self, ledger: Ledger) -> None:
        """Save, or end the process at one of the points around the save."""
        states = _states(ledger)
        pairs = ((self._saved.get(number, NEW), state) for number, state in states.items())
        points = ["save", *dict.fromkeys(f"{before}-{after}" for before, after in pairs if before != after)]
        for point in points:
            self._crash.passes(f"before-{point}")
        super().save(ledger)
        self._saved = states
        for point in points:
            self._crash.passes(f"after-{point}")

    @override
    def _keep_previous(self) -> None:
        super()._keep_previous()
        self._crash.passes("amid-save")


def _states(ledger: Ledger) -> dict[int, str]:
    return {record.number: record.state.value for record in ledger.chunks}
