"""The dry run: what `run` would do next and what that would cost, with nothing sent or written."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from types import MappingProxyType
from typing import TextIO

from rich.console import Console

from floridify_batch.cli.checkpoint_policy import PROCESSED, begins_anew, kept_words, say_finished
from floridify_batch.cli.confirmation import notes_on, surveyed
from floridify_batch.components.entry_store import EntryReader, NoDatabase
from floridify_batch.costs.usage import Spent
from floridify_batch.display.console import say
from floridify_batch.display.estimate_panel import estimate_panel
from floridify_batch.display.json_output import write_event
from floridify_batch.files import ChunkFolder
from floridify_batch.formatting import count, dollars
from floridify_batch.pipeline.chunk import read_ordinals
from floridify_batch.pipeline.estimate import Estimate, estimated
from floridify_batch.pipeline.plan import Brief
from floridify_batch.run.budget import expected_in_flight
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import COMMITTED, Ledger
from floridify_batch.run.resources import Secrets, check_same_database, opened_store, place_of
from floridify_batch.run.settings import RunInfo, RunSettings, brief_of
from floridify_batch.run.worker import tune_garbage_collection
from floridify_batch.timing import utc_now
from floridify_batch.words.word_list import WordList


async def dry_run_of(
    info: RunInfo,
    secrets: Secrets,
    checkpoint: Checkpoint,
    asked: Brief,
    listed: WordList,
    stream: TextIO | None = None,
) -> int:
    """Show what `run` would ask: for a new run, or for the rest of the one that its checkpoint holds.

    `stream`: where that is written as JSON; None for a panel. Raises `CheckpointError` where `run` would refuse.
    """
    before = checkpoint.load()
    if before is None or begins_anew(before, info, checkpoint):
        adopted = checkpoint.adopted()
        words, notes = listed.without(adopted.words), [*notes_on(listed), *adopted.notes]
        estimate = await _estimated(info.settings, secrets, checkpoint, asked, words, notes)
        return _show(estimate, info.settings, Decimal(0), notes, stream)
    settings, spent = before.run.settings, before.totals().cost
    if before.finished:
        if stream is not None:
            nothing = Estimate(settings.model, immediate=settings.immediate, price=settings.price)
            _show(nothing, settings, spent, [], stream)
        return say_finished(before, checkpoint)
    check_same_database(settings, secrets)
    rest, notes = list(_open_words(before, checkpoint)), _notes_on_run(before, checkpoint)
    asked = brief_of(settings, before.run.id)
    estimate = await _estimated(settings, secrets, checkpoint, asked, rest, notes, before.spent)
    return _show(estimate, settings, spent, notes, stream)


def _open_words(ledger: Ledger, checkpoint: Checkpoint) -> Iterator[str]:
    """The words for which something may still be sent: neither finished nor in flight."""
    words = kept_words(ledger, checkpoint)
    finished = ledger.failed_words.keys() | set(ledger.processed_words)
    flying = {
        ordinal
        for record in ledger.in_state(*COMMITTED)
        for ordinal in read_ordinals(ChunkFolder.of(checkpoint.folder, record.number))
    }
    return (word for ordinal, word in enumerate(words) if word not in finished and ordinal not in flying)


def _notes_on_run(ledger: Ledger, checkpoint: Checkpoint) -> list[str]:
    totals, expected = ledger.totals(), expected_in_flight(ledger)
    flying = sum(record.words for record in ledger.in_state(*COMMITTED))
    rest = (
        f"This is the rest of {checkpoint.path}, with the settings it was begun with: {count(totals.processed)} words "
        f"are processed, {count(totals.failed)} have failed, and {dollars(totals.cost)} was spent."
    )
    if not flying:
        return [rest]
    return [rest, f"{count(flying)} words are in flight and left out here; they may cost {dollars(expected)} more."]


async def _estimated(
    settings: RunSettings,
    secrets: Secrets,
    checkpoint: Checkpoint,
    asked: Brief,
    words: Sequence[str],
    notes: list[str],
    spent: Mapping[str, Spent] = MappingProxyType({}),
) -> Estimate:
    """What these words would ask and cost; where there is no database to ask, a note says so."""
    has_database = place_of(settings, secrets, checkpoint).exists
    async with AsyncExitStack() as stack:
        store: EntryReader = NoDatabase()
        if has_database:
            store = await stack.enter_async_context(opened_store(settings, secrets, checkpoint, say, say))
        tune_garbage_collection()
        estimate = await surveyed(settings, asked, words, store, Console(), spent)
    if not has_database:
        notes.append("There is no database yet: every word counts as unknown.")
    return estimate


def _show(
    estimate: Estimate, settings: RunSettings, spent: Decimal | None, notes: Sequence[str], stream: TextIO | None
) -> int:
    """Show an estimate: as a panel, or on a stream as one line of JSON. `spent`: by the run whose rest it is."""
    if stream is not None:
        write_event(stream, estimated(estimate, settings.max_cost, spent, notes), utc_now())
        return PROCESSED
    console = Console()
    console.print(estimate_panel(estimate, width=console.width, max_cost=settings.max_cost, spent=spent, notes=notes))
    return PROCESSED
