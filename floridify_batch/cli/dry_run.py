"""The dry run (`run --dry-run`): the next requests and their cost. Nothing is sent or written."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import TextIO

from rich.console import Console

from floridify_batch.cli.checkpoint_policy import is_replaced, remaining_words, report_finished
from floridify_batch.cli.confirmation import (
    capitals_note,
    cautions,
    estimate_cost,
    notes_on,
    place_note,
    print_estimate,
)
from floridify_batch.cli.context import ExitCode
from floridify_batch.components.entry_store import EntryReader, NoDatabase
from floridify_batch.costs.usage import Spent
from floridify_batch.display.console import say
from floridify_batch.display.json_output import write_event
from floridify_batch.formatting import count, counted, dollars
from floridify_batch.pipeline.brief import Brief
from floridify_batch.pipeline.estimate import Estimate
from floridify_batch.pipeline.quote import estimated
from floridify_batch.run.budget import expected_in_flight
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.frequency_scale import resolved_scale
from floridify_batch.run.ledger import COMMITTED, Ledger
from floridify_batch.run.resources import Resources, Secrets
from floridify_batch.run.run_settings import RunSettings, RunSpec, brief_of
from floridify_batch.run.worker import tune_garbage_collection
from floridify_batch.timing import utc_now
from floridify_batch.words.word_list import WordList


@dataclass(frozen=True, slots=True)
class DryRunOutput:
    """The output of a dry run: JSON to a stream, if there is one, else a panel, with `details` by component."""

    stream: TextIO | None = None
    details: bool = False


async def dry_run_of(
    spec: RunSpec,
    secrets: Secrets,
    checkpoint: Checkpoint,
    listed: WordList,
    output: DryRunOutput,
) -> int:
    """Show the estimate of a new run, or of the rest of the run in the checkpoint.

    Raises `CheckpointError` where `run` would.
    """
    before = checkpoint.load()
    if before is None or is_replaced(before, spec.info, checkpoint):
        adopted = checkpoint.adopted()
        words = listed.without(adopted.words)
        notes = [*notes_on(listed, spec), *adopted.notes]
        resources = Resources(spec.info.settings, secrets, checkpoint, on_wait=say)
        estimate = await _estimate(resources, spec.brief, words, notes)
        return _show(estimate, spec.info.settings, Decimal(0), notes, output)
    settings, spent = before.run.settings.within(before.token_limit), before.totals().cost
    if before.finished:
        if output.stream is not None:
            nothing = Estimate(settings.model, immediate=settings.immediate, price=settings.price)
            _show(nothing, settings, spent, [], output)
        return report_finished(before, checkpoint)
    rest = list(remaining_words(before, checkpoint))
    notes = notes_on_run(before, checkpoint)
    resources = Resources(settings, secrets, checkpoint, on_wait=say)
    estimate = await _estimate(resources, brief_of(settings, before.run.id), rest, notes, before.spent)
    return _show(estimate, settings, spent, notes, output)


def notes_on_run(
    ledger: Ledger, checkpoint: Checkpoint, form: str = "which keeps the settings it was started with"
) -> list[str]:
    """Notes on the estimate of the rest of a run; `form` is that of its requests."""
    totals, expected = ledger.totals(), expected_in_flight(ledger)
    in_flight = sum(record.words for record in ledger.in_state(*COMMITTED) if record.refused is None)
    rest = (
        f"The estimate covers the words that remain in {checkpoint.path}, {form}: "
        f"{counted(totals.processed, 'word')} processed, {count(totals.failed)} failed, {dollars(totals.cost)} spent."
    )
    if not in_flight:
        return [rest]
    return [rest, f"Not included: {counted(in_flight, 'word')} in flight, which may cost {dollars(expected)} more."]


async def _estimate(
    resources: Resources,
    brief: Brief,
    words: Sequence[str],
    notes: list[str],
    spent: Mapping[str, Spent] = MappingProxyType({}),
) -> Estimate:
    """Estimate these words, with notes on the database added to the others."""
    important: list[str] = []
    has_database = resources.place.exists
    async with AsyncExitStack() as stack:
        store: EntryReader = NoDatabase()
        if has_database:
            opened = await stack.enter_async_context(resources.opened_store())
            important.append(await capitals_note(words, resources.settings.language, opened))
            store = opened
        tune_garbage_collection()
        estimate = await estimate_cost(resources.settings, brief, words, store, Console(), spent)
        important.append((await resolved_scale(resources.settings, store)).note)
    notes[:0] = cautions(important)
    notes.append(place_note(resources.settings, resources.place))
    return estimate


def _show(
    estimate: Estimate, settings: RunSettings, spent: Decimal | None, notes: Sequence[str], output: DryRunOutput
) -> ExitCode:
    """Print an estimate as a panel, or write it to a stream as one line of JSON. `spent` is the run's cost so far."""
    if output.stream is not None:
        write_event(output.stream, estimated(estimate, settings.max_cost, spent, notes), utc_now())
        return ExitCode.SUCCESS
    print_estimate(Console(), estimate, settings, notes, details=output.details, spent=spent)
    return ExitCode.SUCCESS
