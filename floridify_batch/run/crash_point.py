"""Points at which a process ends itself without warning, so that it can be proved what a crash costs: nothing.

A run that is doomed passes named points on its way: just before and just after every deed outside, and every save of
the checkpoint that brings a chunk from one state into another. At the point that was named, the process kills itself;
`point@3` means the third time that it comes by. A run that is not doomed knows nothing of all this.

    before-create, after-create         a deed outside; of answers and apply, there is a point in the middle, too
    before-write, after-write           a bulk write to one collection of MongoDB, or a removal of documents from it
    before-PLANNED-SUBMITTING, after-…  the save that notes a move; NEW stands for a chunk that no ledger knew
    before-save, amid-save, after-save  any save; amid, the new file is whole and the old one still has its name
"""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, override

from floridify_batch.components.change import Writes
from floridify_batch.database.store import MongoStore
from floridify_batch.errors import UsageError
from floridify_batch.providers.interface import BatchJob
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import TRANSITIONS, Ledger
from floridify_batch.run.state import Run

if TYPE_CHECKING:
    from floridify_batch.components.entry_store import EntryStore
    from floridify_batch.providers.interface import Batches

NEW = "NEW"
"""Stands for the state of a chunk that the checkpoint did not hold before."""

_SERVICE_DEEDS = ("find", "upload", "create", "retrieve", "answers", "cancel")
_DATABASE_DEEDS = ("ensure_words", "apply", "update")

DEEDS = (*_SERVICE_DEEDS, *_DATABASE_DEEDS, "write", "save")
"""What a run does outside of itself."""

MOVES = (f"{NEW}-PLANNED", *(f"{before}-{after}" for before, later in TRANSITIONS.items() for after in sorted(later)))
"""How chunks move, from state to state."""

POINTS = (
    *(f"{side}-{what}" for what in (*DEEDS, *MOVES) for side in ("before", "after")),
    *(f"amid-{deed}" for deed in ("answers", "apply", "save")),
)
"""Every point at which a process can be made to end."""


def doom(run: Run, text: str) -> None:
    """Let a run's process kill itself at `point` or `point@n`. Raises `UsageError` for what is no point."""
    fate = _Fate(*_read(text))
    run.batches = cast("Batches", _Carrier(run.batches, _SERVICE_DEEDS, fate))
    if isinstance(run.store, MongoStore):
        run.store.on_write = lambda side: fate.passes(f"{side}-write")
    run.store = cast("EntryStore", _Database(run.store, _DATABASE_DEEDS, fate))
    run.checkpoint = _Disk(run.checkpoint.path, fate, run.ledger)


def _read(text: str) -> tuple[str, int]:
    point, at, passing = text.partition("@")
    if point not in POINTS or (at and not (passing.isdecimal() and int(passing))):
        known = ", ".join(POINTS)
        raise UsageError(f'There is no point "{text}" to end at; points are {known}, each with @N if wanted.')
    return point, int(passing or 1)


@dataclass(slots=True)
class _Fate:
    """The end of this process: at a point, after so many passings."""

    point: str
    passings: int

    def passes(self, point: str) -> None:
        """A point is passed, unless it is the end."""
        if point == self.point:
            self.passings -= 1
            if not self.passings:
                os.kill(os.getpid(), signal.SIGKILL)


class _Guarded:
    """A proxy with a crash point before and after each effect of an object."""

    def __init__(self, inner: Any, deeds: Sequence[str], fate: _Fate) -> None:
        self._inner = inner
        self._deeds = deeds
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in self._deeds:
            return found

        async def deed(*args: Any, **kwargs: Any) -> Any:
            self._fate.passes(f"before-{name}")
            done = await found(*args, **kwargs)
            self._fate.passes(f"after-{name}")
            return done

        return deed


class _Carrier(_Guarded):
    """A batch service."""

    async def find(self, *args: Any, **kwargs: Any) -> Any:
        """Look for a batch; what is cancelled on the way passes its points, too."""
        self._fate.passes("before-find")
        found = await type(self._inner).find(self, *args, **kwargs)
        self._fate.passes("after-find")
        return found

    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        """Bring both answer files, one after the other."""
        self._fate.passes("before-answers")
        if job.output_file_id and job.error_file_id:
            await self._inner.answers(replace(job, error_file_id=None), output, errors)
            self._fate.passes("amid-answers")
        await self._inner.answers(job, output, errors)
        self._fate.passes("after-answers")


class _Database(_Guarded):
    """The database."""

    async def apply(self, writes: Writes) -> None:
        """Write what answers change; on the way to `amid-apply`, a first half of the updates before the whole."""
        self._fate.passes("before-apply")
        half = len(writes.updates) // 2
        if half and self._fate.point == "amid-apply":
            await self._inner.apply(writes._replace(updates=writes.updates[:half]))
            self._fate.passes("amid-apply")
        await self._inner.apply(writes)
        self._fate.passes("after-apply")


class _Disk(Checkpoint):
    """The checkpoint; it compares what it is to save with what it saved before."""

    def __init__(self, path: Path, fate: _Fate, saved: Ledger) -> None:
        super().__init__(path)
        self._fate = fate
        self._saved = _states(saved)

    @override
    def save(self, ledger: Ledger) -> None:
        """Save, unless it is the end."""
        states = _states(ledger)
        pairs = ((self._saved.get(number, NEW), state) for number, state in states.items())
        points = ["save", *dict.fromkeys(f"{before}-{after}" for before, after in pairs if before != after)]
        for point in points:
            self._fate.passes(f"before-{point}")
        super().save(ledger)
        self._saved = states
        for point in points:
            self._fate.passes(f"after-{point}")

    @override
    def _keep_previous(self) -> None:
        super()._keep_previous()
        self._fate.passes("amid-save")


def _states(ledger: Ledger) -> dict[int, str]:
    return {record.number: record.state.value for record in ledger.chunks}
