"""The state of a run in memory, shared by its stages; and the start of a run."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from floridify_batch.components.entry_store import EntryStore
from floridify_batch.costs.usage import Forecast
from floridify_batch.errors import CheckpointError, EditedMeanwhile, WriteLockLost
from floridify_batch.files import ChunkFolder
from floridify_batch.pipeline.brief import Brief, Question
from floridify_batch.pipeline.chunk import Budget, Limits
from floridify_batch.providers.interface import Batches
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.event import ChunkMoved, NullObserver, Observer, Progressed
from floridify_batch.run.frequency_scale import resolved_scale
from floridify_batch.run.ledger import Adopted, ChunkRecord, ChunkState, Ledger
from floridify_batch.run.run_settings import RunSpec
from floridify_batch.run.worker import InProcess, WorkerPool
from floridify_batch.timing import Clock, Sleep, utc_now
from floridify_batch.words.entry import Entry
from floridify_batch.words.word_list import write_normalised


@dataclass(slots=True)
class Run:
    """The state that the stages of a run share. `sleep` and `clock` are parameters so that tests need not wait.

    The saving rule: every change of a chunk is made by `move` or `record`, which save the checkpoint at once. The
    feeder alone collects changes (finished words, chunks that are done) and saves them together with `save`.
    `budget`: the cost limit of the next chunk, if the run has a cost limit. `finished`: the words of chunks stored in
    this session that need no further plan, by chunk.
    """

    words: Sequence[str]
    ledger: Ledger
    checkpoint: Checkpoint
    brief: Brief
    batches: Batches
    store: EntryStore
    observer: Observer = field(default_factory=NullObserver)
    clock: Clock = utc_now
    sleep: Sleep = asyncio.sleep
    budget: Budget | None = None
    finished: dict[int, set[int]] = field(default_factory=dict)
    questions: Mapping[str, Question] = field(init=False)
    pool: WorkerPool = field(init=False)

    def __post_init__(self) -> None:
        self.questions = self.brief.by_component()
        self.pool = InProcess(self.brief)

    def folder(self, record: ChunkRecord) -> ChunkFolder:
        """Return the folder of a chunk's files."""
        return ChunkFolder.of(self.checkpoint.folder, record.number)

    def limits(self) -> Limits:
        """Return the limits of the next chunk: its size, its tokens and its cost."""
        settings = self.ledger.run.settings
        queue = settings.queue_limit(self.ledger.token_limit)
        return Limits(words=settings.batch_size, input_tokens=queue, budget=self.budget)

    async def entries(self, ordinals: Iterable[int]) -> list[Sequence[Entry]]:
        """Look up the stored entries of words, in the order of their ordinals."""
        texts = [self.words[each] for each in ordinals]
        found = await self.store.entries(texts, self.ledger.run.settings.language)
        return [found[text] for text in texts]

    def save(self) -> None:
        """Save the checkpoint and notify the observer of the totals."""
        self.checkpoint.save(self.ledger)
        self.observer.notify(Progressed(self.ledger.totals()))

    def move(self, record: ChunkRecord, to: ChunkState, **facts: Any) -> ChunkRecord:
        """Move a chunk to another state, save, and notify the observer. Raises `IllegalMove`."""
        moved = self.ledger.move(record.number, to, **facts)
        self.save()
        self.observer.notify(
            ChunkMoved(moved.number, moved.state, moved.words, moved.requests, moved.bytes, moved.batch_id)
        )
        return moved

    def record(self, record: ChunkRecord, **facts: Any) -> ChunkRecord:
        """Update a chunk's record without moving it, and save."""
        updated = self.ledger.note(record.number, **facts)
        self.save()
        return updated

    async def exclusively[T](self, storing: Callable[[], Awaitable[T]]) -> T:
        """Read and store under the database's write lock; from the start again if the lock was lost meanwhile."""
        return await exclusively(self.store, self.ledger.run.id, storing)

    async def note_database(self) -> None:
        """Record in the database, once, how much the run has stored there, and in the checkpoint that it is
        recorded.
        """
        if self.ledger.database_noted:
            return
        await self.store.note_stored_answers(self.ledger.run.id, self.ledger.stored_answers)
        self.ledger.database_noted = True
        self.checkpoint.save(self.ledger)

    @property
    def mode(self) -> str:
        """The mode of the run: "batch" or "immediate"."""
        return "batch" if self.batches.capabilities.discount else "immediate"

    def mode_of(self, record: ChunkRecord) -> str:
        """The mode of a chunk: that of the run, except for a preflight."""
        return "immediate" if record.preflight else self.mode

    @property
    def started(self) -> datetime:
        """The time at which the run began; none of its batches is older."""
        return datetime.fromtimestamp(self.ledger.start_time, UTC)

    def in_flight(self) -> int:
        """Count the batches in flight."""
        return sum(1 for _ in self.ledger.in_state(ChunkState.SUBMITTED))

    def queued_tokens(self) -> int:
        """Return the estimated input tokens of the batches in flight."""
        return sum(record.input_tokens for record in self.ledger.in_state(ChunkState.SUBMITTED))


class Lockable(Protocol):
    """A database with a write lock."""

    def locked(self, holder: str) -> AbstractAsyncContextManager[None]:
        """Hold the write lock. Writes raise `WriteLockLost` where another run has taken it over."""
        ...


async def exclusively[T](store: Lockable, holder: str, storing: Callable[[], Awaitable[T]]) -> T:
    """Read and store under a database's write lock; from the start again if the lock was lost, or a value edited."""
    while True:
        with suppress(WriteLockLost, EditedMeanwhile):
            async with store.locked(holder):
                return await storing()


async def resume_run(run: Run) -> None:
    """Prepare a run to resume: create missing indexes and delete files that are not needed any more.

    Raises `CheckpointError` for a template that has changed after it was answered.
    """
    _accept_templates(run.ledger, run.checkpoint, run.brief)
    await run.store.ensure_indexes()
    run.checkpoint.tidy(run.ledger)
    await run.note_database()


def _accept_templates(ledger: Ledger, checkpoint: Checkpoint, brief: Brief) -> None:
    """Continue with the present templates: those of this version, or the user's if only unanswered ones have changed.

    An update of batch-synth must not end a run; the user's templates are part of the run's settings.
    """
    info = ledger.run
    if brief.template_digest == info.template_digest:
        return
    now, before = brief.fingerprints, info.fingerprints
    changed = [name for name in now if now[name] != before.get(name)]
    answered = [name for name in changed if name in ledger.spent and ledger.spent[name].answered]
    if info.settings.templates and answered:
        raise CheckpointError(
            f"The templates for {', '.join(answered)} in {info.settings.templates} have changed since "
            f"{checkpoint.path} was started, and some of their requests are answered. Restore the templates and "
            "resume, pass the folder that has them (resume --templates DIR), or pass another --checkpoint."
        )
    ledger.change_templates(brief.template_digest, now)


async def begin_run(
    spec: RunSpec,
    checkpoint: Checkpoint,
    batches: Batches,
    store: EntryStore,
    *,
    adopted: Adopted | None = None,
    estimate: Forecast | None = None,
) -> Run:
    """Begin a run: create the database's indexes, keep the word list, and save the first checkpoint.

    `adopted`: the processed words and the cost of a checkpoint with only the six documented keys. Raises
    `CheckpointError` or `DatabaseError`.
    """
    await store.ensure_indexes()
    spec = spec.with_scale((await resolved_scale(spec.info.settings, store)).value)
    ledger = Ledger(start_time=utc_now().timestamp(), run=spec.info, estimate=estimate)
    ledger.adopt(adopted or Adopted(), spec.words)
    checkpoint.create_folder()
    write_normalised(spec.words, checkpoint.words_path)
    run = Run(spec.words, ledger, checkpoint, spec.brief, batches, store)
    await run.note_database()  # saves the checkpoint
    return run
