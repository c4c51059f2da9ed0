"""The command that stores what was paid for where its checkpoint is gone: recover."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from rich.console import Console, RenderableType

from floridify_batch.cli.confirmation import agreed
from floridify_batch.costs.price import Price
from floridify_batch.database.connection import Place, opened
from floridify_batch.database.store import STAMPS, MongoStore
from floridify_batch.display.console import say
from floridify_batch.display.text import cell, facts, framed, listing
from floridify_batch.errors import DatabaseError, UnknownBatch, UsageError
from floridify_batch.files import ChunkFolder
from floridify_batch.formatting import brief, count, counted, dollars
from floridify_batch.pipeline.outcome import SAMPLES, Fate
from floridify_batch.providers.interface import BatchJob
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.run.recovery import Recovered, recover
from floridify_batch.run.resources import Secrets, required_key, sandbox_service
from floridify_batch.timing import Sleep, utc_now

RECOVERED, SOME_FAILED, STOPPED = 0, 1, 130

LOOK_BACK = timedelta(days=35)
"""How far back batches are looked for: answers are kept for 30 days behind the end of a batch."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for, and how far the command may go: `wait` seconds between looks, None for not waiting.

    `price` is the user's own, which goes before the public ones in the bill.
    """

    run: str | None = None
    yes: bool = False
    wait: float | None = None
    templates: Path | None = None
    price: Price | None = None
    sleep: Sleep = asyncio.sleep


@dataclass(frozen=True, slots=True)
class Source:
    """Where batches are looked for: at the service, or at the sandbox that remembers in a folder."""

    secrets: Secrets
    base_url: str | None
    sandbox: Path | None
    sandbox_seconds: float

    @contextmanager
    def opened(self) -> Iterator[tuple[str, str | None]]:
        """The key and the address. Raises `UsageError` where there is no key."""
        if self.sandbox is None:
            yield required_key(self.secrets), self.base_url
            return
        with sandbox_service(self.sandbox.absolute(), say, self.sandbox_seconds, join=True) as served:
            yield served


async def recover_batches(place: Place, search: Search, source: Source) -> int:
    """Store what the service's batches of our runs hold, where nothing newer is stored. Returns an exit code."""
    if not place.exists:
        raise DatabaseError(
            f"There is no database here: {place.data_folder} does not exist. Name the one that the runs were for with "
            "--mongo-url (MONGODB_URL), or go to the folder of their checkpoints."
        )
    with source.opened() as (key, base_url):
        archive = OpenAIBatches(key, base_url=base_url, waiting=say)
        try:
            await archive.check()
            async with opened(place, say) as store:
                return await _Recovery(archive, store, search).go()
        finally:
            await archive.close()


@dataclass(slots=True)
class _Sum:
    """What came of all batches."""

    batches: int = 0
    recovered: Recovered = field(default_factory=Recovered)
    gone: int = 0


class _Recovery:
    """One search, from the listing to the sum."""

    def __init__(self, archive: OpenAIBatches, store: MongoStore, search: Search) -> None:
        self._archive = archive
        self._store = store
        self._search = search
        self._console = Console()
        self._sum = _Sum()

    async def go(self) -> int:
        """List what there is, ask, store; follow what is still going, if that is wanted."""
        found = await self._archive.kept(utc_now() - LOOK_BACK, self._search.run)
        if not found:
            whose = f"of run {self._search.run} " if self._search.run else ""
            say(f"The service has no batch {whose}from the last {LOOK_BACK.days} days.")
            return RECOVERED
        begun = await self._begun(found)
        wanted = _first_of_each_label(found, begun)
        for table in _tables(found, wanted, begun):
            self._console.print(table)
        if len({batch.run for batch in found}) > 1:
            say(_SEVERAL_RUNS)
        ended = [batch for batch in wanted if _holds_answers(batch)]
        going = [batch for batch in wanted if not batch.terminal]
        if not ended and not (going and self._search.wait):
            say(f"Nothing to store{_still(going)}.")
            return RECOVERED
        if not agreed("Store what they hold?", yes=self._search.yes, otherwise=""):
            say("Nothing was stored.")
            return STOPPED
        for batch in ended:
            await self._take(batch)
        left = await self._follow(going)
        return self._summed_up(left)

    async def _begun(self, found: Sequence[BatchJob]) -> set[str]:
        """The batches of which this database has something."""
        query = {"batch_id": {"$in": [batch.id for batch in found]}}
        return {str(stamp["batch_id"]) for stamp in await self._store.find(STAMPS, query, ("batch_id",))}

    async def _take(self, batch: BatchJob) -> None:
        self._sum.batches += 1
        try:
            with tempfile.TemporaryDirectory(prefix="batch-synth-") as folder:
                recovered = await recover(
                    batch,
                    self._archive,
                    self._store,
                    ChunkFolder(Path(folder)),
                    self._search.templates,
                    self._search.price,
                )
        except (UnknownBatch, UsageError) as error:
            self._sum.gone += 1
            say(f"{batch.id}: not stored: {error}")
            return
        self._sum.recovered += recovered
        say(f"{batch.id}: {_outcome(recovered)}")

    async def _follow(self, going: list[BatchJob]) -> list[BatchJob]:
        """Store batches as they end, the oldest first, since later ones are about what earlier ones made."""
        if going and self._search.wait:
            say(f"Following {counted(len(going), 'batch', 'batches')}; Ctrl-C leaves, and loses nothing.")
        while going and self._search.wait:
            try:
                job = await self._archive.retrieve(going[0].id)
            except UnknownBatch as error:
                self._sum.gone += 1
                say(f"{going.pop(0).id}: not stored: {error}")
                continue
            if not job.terminal:
                await self._search.sleep(self._search.wait)
                continue
            batch = going.pop(0)
            ended = replace(job, metadata=batch.metadata, input_file_id=batch.input_file_id)
            if _holds_answers(ended):
                await self._take(ended)
            else:
                say(f"{job.id}: {job.status}, and holds no answer")
        return going

    def _summed_up(self, left: Sequence[BatchJob]) -> int:
        recovered = self._sum.recovered
        self._console.print(framed(facts(_rows(self._sum)), "Recovered"))
        for failure in recovered.samples[:SAMPLES]:
            say(f"{failure.custom_id}: {failure.kind}: {failure.detail}")
        if left:
            say(f"Left{_still(left)}: {', '.join(batch.id for batch in left)}. recover --wait follows them.")
        say("Whatever is still missing is asked for by a new run of the list: batch-synth run WORDS")
        return SOME_FAILED if recovered.failures or self._sum.gone else RECOVERED


def _first_of_each_label(found: Sequence[BatchJob], begun: set[str]) -> list[BatchJob]:
    """One batch for each label, the oldest first: the one that was stored in part, or the first that was made."""
    chosen: dict[str | None, BatchJob] = {}
    for batch in sorted(found, key=lambda each: (each.id not in begun, each.created_at)):
        chosen.setdefault(batch.label, batch)
    return sorted(chosen.values(), key=lambda each: each.created_at)


def _holds_answers(batch: BatchJob) -> bool:
    """Whether there is something to read: of batches that failed late or were cancelled, too."""
    return batch.terminal and batch.has_answers


_SEVERAL_RUNS = (
    "These are several runs. A word has the same id in every database, so that what a run was asked for another one "
    "is stored here, too, where nothing newer is: name the run that is meant with --run."
)


def _still(going: Sequence[BatchJob]) -> str:
    return f", with {counted(len(going), 'batch', 'batches')} still going" if going else ""


# ── what is shown ──────────────────────────────────────────────────────────────────────────────────────────────────


def _tables(found: Sequence[BatchJob], wanted: Sequence[BatchJob], begun: set[str]) -> Iterator[RenderableType]:
    """Every batch, by run, with what is known before anything is read; ids are whole, so that they can be copied."""
    for run in dict.fromkeys(batch.run for batch in found):
        own = [batch for batch in found if batch.run == run]
        yield cell(f"Run {run}: {counted(len(own), 'batch', 'batches')}", "bold")
        table = listing("batch", "status", "done", "age", "stored here", right=("done", "age"))
        table.columns[0].min_width = max(len(batch.id) for batch in own)
        for batch in own:
            here = "some" if batch.id in begun else "nothing"
            table.add_row(*map(cell, _cells(batch, here if batch in wanted else "made twice")))
        yield table


def _cells(job: BatchJob, here: str) -> tuple[str, ...]:
    done = f"{count(job.done)}/{count(job.total)}"
    return (job.id, job.status.replace("_", " "), done, brief(utc_now() - job.created_at), here)


_OUTCOMES: Sequence[tuple[str, Callable[[Recovered], int]]] = (
    ("stored now", lambda recovered: recovered.fates[Fate.FRESH]),
    ("stored already", lambda recovered: recovered.fates[Fate.STORED]),
    ("newer there", lambda recovered: recovered.fates[Fate.OUTDATED]),
    ("no longer fits", lambda recovered: recovered.fates[Fate.ORPHANED]),
    ("of another database", lambda recovered: recovered.elsewhere),
    ("without an answer", lambda recovered: recovered.failures.total() - recovered.fates[Fate.ORPHANED]),
)


def _outcome(recovered: Recovered) -> str:
    """What became of a batch's requests, in one line."""
    parts = (f"{count(of(recovered))} {name}" for name, of in _OUTCOMES if of(recovered))
    return f"{counted(recovered.requests, 'request')}: {', '.join(parts) or 'none'}; cost {dollars(recovered.cost)}"


def _rows(summed: _Sum) -> list[tuple[str, str]]:
    recovered = summed.recovered
    reasons = ", ".join(f"{count(number)} {kind}" for kind, number in recovered.failures.items())
    gone = [("not readable", counted(summed.gone, "batch", "batches"))] if summed.gone else []
    return [
        ("batches", count(summed.batches)),
        *gone,
        ("requests", count(recovered.requests)),
        *((name, count(of(recovered))) for name, of in _OUTCOMES),
        *([("reasons", reasons)] if reasons else []),
        ("paid for", dollars(recovered.cost)),
    ]
