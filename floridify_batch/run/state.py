"""A run: everything that its stations share."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from floridify_batch.components.entry_store import EntryStore
from floridify_batch.files import ChunkFolder
from floridify_batch.pipeline.chunk import Budget, Limits
from floridify_batch.pipeline.plan import Brief, Question
from floridify_batch.providers.interface import Batches
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.event import ChunkMoved, Observer, Progressed, Silent
from floridify_batch.run.ledger import ChunkRecord, ChunkState, Ledger
from floridify_batch.run.worker import InProcess, WorkerPool
from floridify_batch.timing import Clock, Sleep, utc_now


@dataclass(slots=True)
class Run:
    """What the stations of a run share. `sleep` and `clock` are parameters so that tests need not wait.

    `budget`: what the next chunk may cost, where the run stands close enough before a wall.
    """

    words: Sequence[str]
    ledger: Ledger
    checkpoint: Checkpoint
    brief: Brief
    batches: Batches
    store: EntryStore
    observer: Observer = field(default_factory=Silent)
    clock: Clock = utc_now
    sleep: Sleep = asyncio.sleep
    budget: Budget | None = None
    questions: Mapping[str, Question] = field(init=False)
    pool: WorkerPool = field(init=False)

    def __post_init__(self) -> None:
        self.questions = self.brief.by_component()
        self.pool = InProcess(self.brief)

    def folder(self, record: ChunkRecord) -> ChunkFolder:
        """The folder of a chunk's files."""
        return ChunkFolder.of(self.checkpoint.folder, record.number)

    def limits(self) -> Limits:
        """What a chunk of this run may hold, given what is known of the account's limit of queued tokens."""
        settings = self.ledger.run.settings
        known = [limit for limit in (self.ledger.token_limit, settings.max_queued_tokens) if limit is not None]
        return Limits(words=settings.batch_size, input_tokens=min(known, default=None), budget=self.budget)

    def save(self) -> None:
        """Bring the ledger to the disk, and say how things are."""
        self.checkpoint.save(self.ledger)
        self.observer.notify(Progressed(self.ledger.totals()))

    def move(self, record: ChunkRecord, to: ChunkState, **facts: Any) -> ChunkRecord:
        """Bring a chunk into another state, on disk and for whoever watches. Raises `IllegalMove`."""
        moved = self.ledger.move(record.number, to, **facts)
        self.save()
        self.observer.notify(
            ChunkMoved(moved.number, moved.state, moved.words, moved.requests, moved.bytes, moved.batch_id)
        )
        return moved

    @property
    def mode(self) -> str:
        """How the run's requests are carried: at the batch price or at once."""
        return "batch" if self.batches.capabilities.discount else "immediate"

    @property
    def started(self) -> datetime:
        """When the run began; none of its batches is older."""
        return datetime.fromtimestamp(self.ledger.start_time, UTC)

    def in_flight(self) -> int:
        """How many batches are being paid for."""
        return sum(1 for _ in self.ledger.in_state(ChunkState.SUBMITTED))

    def queued_tokens(self) -> int:
        """How many input tokens, as estimated, the batches in flight hold."""
        return sum(record.input_tokens for record in self.ledger.in_state(ChunkState.SUBMITTED))
