"""The `status` command: the status of a run or of one batch."""

import asyncio
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floridify_batch.cli.context import (
    ExitCode,
    checkpoint_or_only,
    config_at,
    ledger_of,
    name_of_run,
    sandbox_seconds,
    say_if_sandbox,
    service_secrets,
    table_console,
)
from floridify_batch.cli.options import BaseUrlOption, BatchArgument, ConfigOption, JsonOption, OnlyCheckpointOption
from floridify_batch.errors import BatchSynthError, UsageError
from floridify_batch.formatting import count, dollars, to_type

if TYPE_CHECKING:
    from floridify_batch.display.table import BatchFacts, BatchRow
    from floridify_batch.display.view import RunView
    from floridify_batch.providers.interface import BatchJob
    from floridify_batch.run.checkpoint import Checkpoint
    from floridify_batch.run.ledger import ChunkRecord, Ledger


def status(
    batch_id: BatchArgument = None,
    checkpoint: OnlyCheckpointOption = None,
    base_url: BaseUrlOption = None,
    floridify_config: ConfigOption = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show the live screen until the run ends.", rich_help_panel="Output")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show the status of a run or of one batch."""
    if watch:
        if json:
            raise UsageError("--watch and --json exclude each other; pass one of them.")
        if batch_id:
            raise UsageError("--watch shows a run; leave out the batch ID.")
        _watch(checkpoint_or_only(checkpoint), floridify_config)
    elif batch_id:
        asyncio.run(_show_batch(batch_id, checkpoint, base_url, floridify_config, as_json=json))
    else:
        asyncio.run(_show_run(checkpoint_or_only(checkpoint), floridify_config, as_json=json))


def _watch(checkpoint: "Checkpoint", config: Path | None) -> None:
    """Show the live screen until the run ends or Ctrl-C is pressed."""
    from floridify_batch.cli.watch import watch

    try:
        asyncio.run(watch(checkpoint, service_secrets(config), sandbox_seconds()))
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.SUCCESS) from None


def _messages_on_stderr(as_json: bool) -> AbstractContextManager[None]:
    """Send sentences to standard error while standard output is for JSON."""
    from floridify_batch.display.output import Output, redirect_messages

    return redirect_messages(Output.JSON if as_json else Output.AUTO, asks=False)


# ── a run ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _show_run(checkpoint: "Checkpoint", config: Path | None, *, as_json: bool) -> None:
    """Print the chunks of a run with their batches: a table, or one JSON object."""
    from floridify_batch.cli.watch import view_of
    from floridify_batch.display.console import say, say_json
    from floridify_batch.display.json_output import object_of
    from floridify_batch.display.table import batches_table
    from floridify_batch.timing import utc_now

    ledger = ledger_of(checkpoint)
    with _messages_on_stderr(as_json):
        jobs = await _jobs_in_flight(ledger, checkpoint, config)
    rows = [_row(record, jobs.get(record.batch_id or "")) for record in ledger.chunks]
    view = view_of(ledger, jobs, utc_now())
    if as_json:
        say_json({"percent": view.percent, "chunks": [object_of(row) for row in rows]})
        return
    console = table_console()
    say(name_of_run(checkpoint, ledger))
    height = console.height - 1 if console.is_terminal else None
    console.print(batches_table(rows, utc_now(), console.width, height))
    say_if_sandbox(ledger)
    say(_summary(view, ledger, checkpoint))


def _summary(view: "RunView", ledger: "Ledger", checkpoint: "Checkpoint") -> str:
    """The progress of a run, and the next command to type."""
    from floridify_batch.display.view import progress_phrase, word_counts

    totals = view.totals
    progress = (
        f"{progress_phrase(view)}: {word_counts(totals)}, {count(totals.open_words)} remaining; "
        f"cost so far {dollars(totals.cost)}."
    )
    if checkpoint.is_held():
        return f"{progress} Watch it with: {to_type('status', checkpoint.path)} --watch"
    if ledger.undone:
        from floridify_batch.cli.checkpoint_policy import undone_note

        note = undone_note(ledger, checkpoint)
        resume = "" if ledger.finished else f" Resume with: {to_type('resume', checkpoint.path)}"
        return f"Undone; before: {word_counts(totals)}; cost {dollars(totals.cost)}. {note}{resume}"
    if not ledger.finished:
        return f"{progress} Resume with: {to_type('resume', checkpoint.path)}"
    if not ledger.missing:
        return f"{progress} The run is finished."
    return (
        f"Ended: {word_counts(totals)}; cost {dollars(totals.cost)}. "
        f"Retry the rest with: {to_type('resume', checkpoint.path)} --retry-failed"
    )


async def _jobs_in_flight(ledger: "Ledger", checkpoint: "Checkpoint", config: Path | None) -> "dict[str, BatchJob]":
    """The batches in flight by ID, as the service reports them; none where it cannot be reached."""
    from floridify_batch.cli.service import batches_in_flight, opened_batches_of
    from floridify_batch.display.console import say, say_on_stderr

    ids = batches_in_flight(ledger)
    if not ids or ledger.run.settings.immediate:
        return {}
    try:
        service = opened_batches_of(ledger, checkpoint, service_secrets(config), None, sandbox_seconds(), say_on_stderr)
        async with service as batches:
            return {each: await batches.retrieve(each) for each in ids}
    except BatchSynthError as error:
        say(f"The status of the batches in flight is unavailable: {error}", err=True)
        return {}


def _row(record: "ChunkRecord", job: "BatchJob | None") -> "BatchRow":
    from floridify_batch.display.table import BatchRow
    from floridify_batch.run.ledger import SETTLED

    created = datetime.fromtimestamp(record.created_at, UTC) if record.created_at else None
    return BatchRow(
        chunk=record.number,
        state=record.state,
        batch_id=record.batch_id,
        status=job.status if job else "",
        done=job.done + job.failed if job else record.answered + record.failed,
        total=record.requests,
        failed=job.failed if job else record.failed,
        words=record.words,
        cost=record.cost if record.state in SETTLED else None,
        created_at=created,
        expires_at=job.expires_at if job else None,
    )


# ── one batch ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def _show_batch(
    given: str, checkpoint: Path | None, base_url: str | None, config: Path | None, *, as_json: bool
) -> None:
    """Print one batch, of any run: a panel, or one JSON object. Raises `UnknownBatch`."""
    from rich.console import Console

    from floridify_batch.cli.service import find_batch, opened_batches_of
    from floridify_batch.display.console import say_json, say_on_stderr
    from floridify_batch.display.json_output import object_of
    from floridify_batch.display.table import batch_panel
    from floridify_batch.timing import utc_now

    batch = find_batch(given, checkpoint)
    url = base_url or config_at(config).base_url
    with _messages_on_stderr(as_json):
        service = opened_batches_of(
            batch.ledger, batch.checkpoint, service_secrets(config), url, sandbox_seconds(), say_on_stderr
        )
        async with service as batches:
            facts = _facts(await batches.retrieve(batch.id), batch.ledger)
    if as_json:
        say_json(object_of(facts))
    else:
        Console().print(batch_panel(facts, utc_now()))


def _facts(job: "BatchJob", ledger: "Ledger | None") -> "BatchFacts":
    """The facts about a batch; its cost follows from its own usage, where it reports any."""
    from floridify_batch.costs.price import rates
    from floridify_batch.display.table import BatchFacts

    usage = job.usage
    rate = rates(job.model, batch=True) if job.model else None
    known = ledger is None or any(record.batch_id == job.id for record in ledger.chunks)
    return BatchFacts(
        id=job.id,
        status=job.status,
        total=job.total,
        done=job.done,
        failed=job.failed,
        created_at=job.created_at,
        expires_at=job.expires_at,
        input_tokens=usage.input if usage else None,
        output_tokens=usage.output if usage else None,
        cost=rate.cost(usage) if rate and usage else None,
        model=job.model,
        label=job.label,
        errors=tuple(map(str, job.errors)),
        known=known,
    )
