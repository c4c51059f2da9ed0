"""The `recover` command: store the results of batches whose checkpoint is lost."""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floridify_batch.cli.context import ExitCode, config_at, place_of, poll_interval_of, sandbox_seconds, secrets_of
from floridify_batch.cli.options import (
    BaseUrlOption,
    ConfigOption,
    ConfirmedOption,
    DatabaseOption,
    MongoOption,
    PollOption,
    PriceOption,
    SandboxOption,
    TemplatesOption,
)
from floridify_batch.errors import DatabaseError, IncompleteAnswers, UnknownBatch, UsageError
from floridify_batch.formatting import counted
from floridify_batch.timing import Sleep, utc_now

if TYPE_CHECKING:
    from floridify_batch.costs.price import Price
    from floridify_batch.database.connection import Place
    from floridify_batch.database.store import MongoStore
    from floridify_batch.providers.interface import BatchJob
    from floridify_batch.providers.openai_batches import OpenAIBatches
    from floridify_batch.run.resources import Secrets

LOOK_BACK = timedelta(days=35)
"""The age of the oldest batches that are listed: results are kept for 30 days after the end of a batch."""


def recover(
    run: Annotated[
        str | None, typer.Option("--run", metavar="ID", help="Recover only this run.", rich_help_panel="Content")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for batches in progress.", rich_help_panel="Control")
    ] = False,
    yes: ConfirmedOption = False,
    price: PriceOption = None,
    poll_interval: PollOption = None,
    templates: TemplatesOption = None,
    mongo_url: MongoOption = None,
    database: DatabaseOption = None,
    base_url: BaseUrlOption = None,
    sandbox: SandboxOption = False,
    floridify_config: ConfigOption = None,
) -> None:
    """Recover the results of runs whose checkpoint is lost."""
    from floridify_batch.costs.price import price_named

    config = config_at(floridify_config)
    interval = poll_interval_of(poll_interval, local=sandbox)
    rates = price_named(price) if price is not None else None
    search = Search(run, yes=yes, wait=interval if wait else None, templates=templates, price=rates)
    place = place_of(mongo_url, database, config, sandbox=sandbox)
    source = Source(
        secrets_of(mongo_url, config), base_url or config.base_url, Path() if sandbox else None, sandbox_seconds()
    )
    try:
        code = asyncio.run(_recover_batches(place, search, source))
    except KeyboardInterrupt:
        typer.echo("Stopped. Results stored so far are kept; run the same command again to continue.", err=True)
        code = ExitCode.STOPPED
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class Search:
    """The batches to look for, and how: `wait` is the poll interval, None for not waiting.

    `price` is the user's own, which takes precedence over public prices.
    """

    run: str | None = None
    yes: bool = False
    wait: float | None = None
    templates: Path | None = None
    price: "Price | None" = None
    sleep: Sleep = asyncio.sleep


@dataclass(frozen=True, slots=True)
class Source:
    """The service that has the batches; `sandbox` is the parent of a sandbox's folder."""

    secrets: "Secrets"
    base_url: str | None
    sandbox: Path | None
    sandbox_seconds: float

    @contextmanager
    def opened(self) -> Iterator[tuple[str, str | None]]:
        """The API key and the base URL. Raises `UsageError` where there is no key."""
        from floridify_batch.display.console import say
        from floridify_batch.run.resources import required_key, sandbox_service

        if self.sandbox is None:
            yield required_key(self.secrets), self.base_url
            return
        with sandbox_service(self.sandbox.absolute(), say, self.sandbox_seconds, join=True) as served:
            yield served


async def _recover_batches(place: "Place", search: Search, source: Source) -> ExitCode:
    """Connect to service and database, and store what the batches of our runs contain."""
    from floridify_batch.database.connection import opened
    from floridify_batch.display.console import say
    from floridify_batch.providers.openai_batches import OpenAIBatches

    if not place.exists:
        raise DatabaseError(
            f"No database here: {place.data_folder} does not exist. Pass --mongo-url (MONGODB_URL) with the database "
            "of the runs, or change to the folder of their checkpoints."
        )
    with source.opened() as (key, base_url):
        archive = OpenAIBatches(key, base_url=base_url, waiting=say)
        try:
            await archive.check()
            async with opened(place, say) as store:
                store.reads_edits = store.reads_examples = True
                return await Recovery(archive, store, search).run()
        finally:
            await archive.close()


class Recovery:
    """One recovery: list the batches, ask, store them, sum up."""

    def __init__(self, archive: "OpenAIBatches", store: "MongoStore", search: Search) -> None:
        from floridify_batch.run.recovery import Recovered

        self._archive = archive
        self._store = store
        self._search = search
        self._batches = 0
        self._recovered: Recovered = Recovered()
        self.unreadable = 0

    async def run(self) -> ExitCode:
        """List, ask, store; with `--wait`, follow the batches in progress."""
        from floridify_batch.display.console import say

        found = await self._archive.kept(self._search.run, LOOK_BACK)
        if not found:
            of_run = f"of run {self._search.run} " if self._search.run else ""
            say(f"The service has no batch {of_run}from the last {LOOK_BACK.days} days.")
            return ExitCode.SUCCESS
        wanted = await self._listed(found)
        ended = [batch for batch in wanted if _has_results(batch)]
        active = [batch for batch in wanted if not batch.terminal]
        if not ended and not (active and self._search.wait):
            say(f"Nothing to store{_still(active)}.")
            return ExitCode.SUCCESS
        from floridify_batch.cli.confirmation import agreed

        if not agreed("Store their results?", yes=self._search.yes):
            say("Nothing was stored.")
            return ExitCode.STOPPED
        for batch in ended:
            await self._store_results(batch)
        return self._summed_up(await self.follow(active))

    async def _listed(self, found: "Sequence[BatchJob]") -> "list[BatchJob]":
        """Print the batches found; those to store, one for each label."""
        from rich.console import Console

        from floridify_batch.display.console import say
        from floridify_batch.display.table import found_batches

        begun = await self._begun(found)
        wanted = _one_per_label(found, begun)
        console = Console()
        for table in found_batches(found, wanted, begun, utc_now()):
            console.print(table)
        if len({batch.run for batch in found}) > 1:
            say(_SEVERAL_RUNS)
        return wanted

    async def _begun(self, found: "Sequence[BatchJob]") -> set[str]:
        """The IDs of the batches of which this database has results."""
        from floridify_batch.database.layout import STAMPS

        query = {"batch_id": {"$in": [batch.id for batch in found]}}
        return {str(stamp["batch_id"]) for stamp in await self._store.find(STAMPS, query, ("batch_id",))}

    async def _store_results(self, batch: "BatchJob") -> None:
        from floridify_batch.display.console import say
        from floridify_batch.display.table import outcome_of
        from floridify_batch.files import ChunkFolder
        from floridify_batch.run.recovery import RecoveryOptions, recover as recover_batch
        from floridify_batch.run.result_collection import edited_copies

        self._batches += 1
        search = self._search
        try:
            with tempfile.TemporaryDirectory(prefix="batch-synth-") as name:
                folder = ChunkFolder(Path(name))
                options = RecoveryOptions(search.templates, search.price, self._recovered.missing)
                recovered = await recover_batch(batch, self._archive, self._store, folder, options)
        except (UnknownBatch, IncompleteAnswers, UsageError) as error:
            self.unreadable += 1
            say(f"{batch.id}: not stored: {error}")
            return
        self._recovered += recovered
        say(f"{batch.id}: {outcome_of(recovered)}")
        for shortfall in recovered.shortfalls:
            say(f"{batch.id}: {shortfall} What it returned is stored.")
        if recovered.edited:
            say(f"{batch.id}: {edited_copies(recovered.edited)}")

    async def follow(self, active: "list[BatchJob]") -> "list[BatchJob]":
        """Store batches as they end, the oldest first, since later ones build on its results; those still active."""
        from floridify_batch.display.console import say

        if active and self._search.wait:
            say(f"Waiting for {counted(len(active), 'batch', 'batches')}; Ctrl-C stops without loss.")
        while active and self._search.wait:
            try:
                job = await self._archive.retrieve(active[0].id)
            except UnknownBatch as error:
                self.unreadable += 1
                say(f"{active.pop(0).id}: not stored: {error}")
                continue
            if not job.terminal:
                await self._search.sleep(self._search.wait)
                continue
            listed = active.pop(0)
            ended = replace(job, metadata=listed.metadata, input_file_id=listed.input_file_id)
            if _has_results(ended):
                await self._store_results(ended)
            else:
                say(f"{job.id}: {job.status}, without results")
        return active

    def _summed_up(self, active: "Sequence[BatchJob]") -> ExitCode:
        from rich.console import Console

        from floridify_batch.display.console import say
        from floridify_batch.display.table import recovered_panel, unstored
        from floridify_batch.pipeline.change_derivation import SAMPLES

        recovered = self._recovered
        Console().print(recovered_panel(self._batches, self.unreadable, recovered))
        for failure in recovered.samples[:SAMPLES]:
            say(f"{failure.custom_id}: {failure.kind}: {failure.detail}")
        if active:
            ids = ", ".join(batch.id for batch in active)
            say(f"Not stored{_still(active)}: {ids}. Wait for them with: batch-synth recover --wait")
        if not (recovered.missing or unstored(recovered) or self.unreadable):
            return ExitCode.SUCCESS
        if recovered.shortfalls or self.unreadable:
            say("Recover again later: the service may still have answers, which a new run would pay for again.")
        say("Generate what is still missing with a new run of the list: batch-synth run LIST")
        return ExitCode.SOME_FAILED


def _one_per_label(found: "Sequence[BatchJob]", begun: set[str]) -> "list[BatchJob]":
    """One batch for each label: one that is stored in part, else the oldest."""
    chosen: dict[str | None, BatchJob] = {}
    for batch in sorted(found, key=lambda each: (each.id not in begun, each.created_at)):
        chosen.setdefault(batch.label, batch)
    return sorted(chosen.values(), key=lambda each: each.created_at)


def _has_results(batch: "BatchJob") -> bool:
    """Whether a batch has ended with files; batches that failed late or were cancelled may have some, too."""
    return batch.terminal and batch.has_answers


_SEVERAL_RUNS = (
    "The batches belong to several runs. Word IDs are the same in every database, so results meant for another "
    "database are stored here as well, unless newer ones exist. Select one run with --run."
)


def _still(active: "Sequence[BatchJob]") -> str:
    return f", with {counted(len(active), 'batch', 'batches')} in progress" if active else ""
