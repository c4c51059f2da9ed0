"""The commands that look at a run or a batch from outside: status, failures, components."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import Console

from floridify_batch.components.definition_recipes import DEFAULT_COMPONENTS, RECIPES
from floridify_batch.components.failure import Failure
from floridify_batch.components.recipe import Recipe, Scope, SynthesisComponent
from floridify_batch.components.request import parse_custom_id
from floridify_batch.costs.price import rates
from floridify_batch.display.console import say, say_aside, say_json
from floridify_batch.display.cost_table import costs_panel
from floridify_batch.display.json_output import object_of
from floridify_batch.display.output import Output, talk_aside
from floridify_batch.display.table import BatchFacts, BatchRow, FailureRow, batch_panel, batches_table, failures_table
from floridify_batch.display.text import listing
from floridify_batch.errors import BatchSynthError, CheckpointError, UsageError
from floridify_batch.files import ChunkFolder
from floridify_batch.formatting import count, counted, dollars, to_type
from floridify_batch.pipeline.chunk import read_failures
from floridify_batch.pipeline.estimate import PROMPT_TOKENS_EXPECTED
from floridify_batch.pipeline.plan import brief
from floridify_batch.providers.interface import DEFAULT_MODEL, BatchJob
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.run.bill import costs_object, costs_of
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import SETTLED, ChunkRecord, ChunkState, Ledger
from floridify_batch.run.resources import Secrets, required_key, service
from floridify_batch.timing import Notify, ignore, utc_now
from floridify_batch.words.word_list import read_normalised

_WIDE = 100
"""Columns from which there is room for where a component is stored."""

CHUNKS_SHOWN = 20
"""Chunks that are listed one by one in a terminal; elsewhere, all are."""

_USUAL_WIDTH, _FILE_WIDTH = 80, 200
"""Columns of a file where nobody has stated any, and those it gets."""

PATIENCE = 10.0
"""Seconds for which a service that does not answer is asked again by a command that somebody watches."""


async def status(place: Checkpoint, secrets: Secrets, seconds: float, *, as_json: bool) -> int:
    """Say how every batch of a checkpoint stands: a table, or one JSON object."""
    ledger = ledger_of(place)
    with _apart(as_json):
        rows = await _rows(ledger, place, secrets, seconds)
    if as_json:
        say_json({"chunks": [object_of(row) for row in rows]})
        return 0
    console = _console()
    console.print(batches_table(rows, utc_now(), console.width, console.height if console.is_terminal else None))
    say(_standing(ledger, place))
    return 0


def _standing(ledger: Ledger, place: Checkpoint) -> str:
    """How a run stands, and what to type next."""
    totals = ledger.totals()
    stands = (
        f"{counted(totals.processed, 'word')} of {count(totals.words)} processed, {count(totals.failed)} failed, "
        f"{count(totals.open_words)} left; cost so far {dollars(totals.cost)}."
    )
    if place.is_held():
        return f"{stands} Watch it: {to_type('status', place.path)} --watch"
    if not ledger.finished:
        return f"{stands} Go on with: {to_type('resume', place.path)}"
    failed = f" What failed: {to_type('failures', place.path)}" if totals.failed else ""
    return f"{stands} The run is finished.{failed}"


async def batch_status(
    batch_id: str,
    checkpoint: Checkpoint | None,
    secrets: Secrets,
    base_url: str | None,
    seconds: float,
    *,
    as_json: bool,
) -> int:
    """Say how one batch stands, whoever made it: a panel, or one JSON object. Raises `UnknownBatch`."""
    ledger = checkpoint.load() if checkpoint else None
    with _apart(as_json):
        async with batches_of(ledger, checkpoint, secrets, base_url, seconds, say_aside) as batches:
            facts = _facts(await batches.retrieve(batch_id), ledger)
    if as_json:
        say_json(object_of(facts))
    else:
        Console().print(batch_panel(facts, utc_now()))
    return 0


def _apart(as_json: bool) -> AbstractContextManager[None]:
    """While a program waits for JSON, what is said on the way goes to standard error."""
    return talk_aside(Output.JSON if as_json else Output.AUTO, asks=False)


def failures(place: Checkpoint, *, as_json: bool) -> int:
    """List the failed words with what failed of each: tables, or one JSON object."""
    ledger = ledger_of(place)
    rows = list(_failure_rows(ledger, place))
    if as_json:
        say_json({"failed_words": ledger.failed_words, "failures": [object_of(row) for row in rows if row.custom_id]})
        return 0
    console = _console()
    console.print(failures_table(rows, console.width, console.height if console.is_terminal else None))
    if rows:
        say(f"Give them another chance: {to_type('resume', place.path)} --retry-failed")
    return 0


def _console() -> Console:
    """The terminal, or a file that is wide enough for what a terminal would cut."""
    console = Console()
    unstated = not console.is_terminal and console.width == _USUAL_WIDTH
    return Console(width=_FILE_WIDTH) if unstated else console


def components() -> int:
    """List every component: what it belongs to, what it waits for, where it is stored, what a request costs."""
    console = Console()
    asked = brief(RECIPES, model=DEFAULT_MODEL, language_name="English").by_component()
    # Everything waits for definitions, and whatever waits for a definition's text waits for its clusters, too.
    implied = {SynthesisComponent.DEFINITIONS, SynthesisComponent.CLUSTER_DEFINITIONS}
    narrow = console.width < _WIDE
    heads = ("component", "scope", "waits for", *(() if narrow else ("stored in",)), "in", "out")
    table = listing(*heads, right=("in", "out"))
    for name, question in asked.items():
        recipe = question.recipe
        needs = ", ".join(need for need in recipe.needs if need not in implied) or "-"
        place = f"{'definition' if recipe.scope is Scope.DEFINITION else 'entry'}: {_stored_in(recipe)}"
        tokens = str(question.envelope.fixed_tokens + PROMPT_TOKENS_EXPECTED)
        where = () if narrow else (place,)
        table.add_row(name, recipe.scope, needs, *where, tokens, str(recipe.output_tokens))
    console.print(table)
    console.print(f"in, out: tokens of a request and its answer. default: {', '.join(DEFAULT_COMPONENTS)}")
    return 0


def _stored_in(recipe: Recipe[Any, Any]) -> str:
    """The field, by the database's name; clusters are noted at the definitions that they divide."""
    return "meaning_cluster" if recipe.component is SynthesisComponent.CLUSTER_DEFINITIONS else recipe.field


def flying(ledger: Ledger) -> list[str]:
    """The ids of the batches that a run has in flight."""
    return [record.batch_id for record in ledger.in_state(ChunkState.SUBMITTED) if record.batch_id]


@asynccontextmanager
async def batches_of(
    ledger: Ledger | None,
    checkpoint: Checkpoint | None,
    secrets: Secrets,
    base_url: str | None,
    seconds: float,
    waiting: Notify = ignore,
) -> AsyncIterator[OpenAIBatches]:
    """The service that a checkpoint's run uses, or the one that the environment names; `waiting` is told of waits."""
    settings = ledger.run.settings if ledger else None
    if settings and settings.immediate:
        raise UsageError("This run asks at once; it has no batches at the service.")
    with ExitStack() as stack:
        if settings and checkpoint and settings.sandbox:
            key, url = stack.enter_context(service(settings, secrets, checkpoint, say, seconds, join=True))
        else:
            key, url = required_key(secrets), base_url or (settings.base_url if settings else None)
        batches = OpenAIBatches(key, base_url=url, patience=PATIENCE, waiting=waiting)
        try:
            yield batches
        finally:
            await batches.close()


def ledger_of(checkpoint: Checkpoint) -> Ledger:
    """The ledger of a run that has begun. Raises `CheckpointError` where there is none."""
    if not checkpoint.path.exists():
        raise checkpoint.absent()
    ledger = checkpoint.load()
    if ledger is None:
        raise CheckpointError(f"There is no run in {checkpoint.path}.")
    return ledger


def only_checkpoint() -> Checkpoint:
    """The one checkpoint of the current folder. Raises `UsageError` where there is none, or more than one."""
    found = sorted(Path().glob("*.checkpoint.json"))
    if len(found) != 1:
        have = ", ".join(quote(str(each)) for each in found) if found else "none is here"
        raise UsageError(f"Name a --checkpoint ({have}).")
    return Checkpoint(found[0])


def costs(checkpoint: Checkpoint, *, as_json: bool) -> int:
    """Print what a run has cost, on what, and against what: a panel, or one JSON object."""
    spent = costs_of(ledger_of(checkpoint))
    if as_json:
        say_json(costs_object(spent))
        return 0
    console = Console()
    console.print(costs_panel(spent, console.width, CHUNKS_SHOWN if console.is_terminal else None))
    return 0


async def _rows(ledger: Ledger, checkpoint: Checkpoint, secrets: Secrets, seconds: float) -> list[BatchRow]:
    """A row per chunk; what is in flight as the service has it, so far as it can be asked."""
    jobs: dict[str, BatchJob] = {}
    ids = flying(ledger)
    if ids and not ledger.run.settings.immediate:
        try:
            async with batches_of(ledger, checkpoint, secrets, None, seconds, say_aside) as batches:
                jobs = {each: await batches.retrieve(each) for each in ids}
        except BatchSynthError as error:
            say(f"Without the service's word on the batches in flight: {error}", err=True)
    return [_row(record, jobs.get(record.batch_id or "")) for record in ledger.chunks]


def _row(record: ChunkRecord, job: BatchJob | None) -> BatchRow:
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


def _facts(job: BatchJob, ledger: Ledger | None) -> BatchFacts:
    """What there is to say of a batch. Its price is reckoned from its own usage, where it states one."""
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
        errors=tuple(f"{error.code}: {error.message}" for error in job.errors),
        known=known,
    )


def _failure_rows(ledger: Ledger, checkpoint: Checkpoint) -> Iterator[FailureRow]:
    """What failed words are without, each with why; a word of which no request failed has its reason alone.

    A word's last chunk knows of every request of it that is not asked again; what failed in earlier ones was answered
    since.
    """
    words = read_normalised(checkpoint.words_path)
    last: dict[str, list[Failure]] = {}
    for record in ledger.chunks:
        found: dict[str, list[Failure]] = {}
        for ordinal, failure in read_failures(ChunkFolder.of(checkpoint.folder, record.number).failures):
            if (word := words[ordinal]) in ledger.failed_words:
                found.setdefault(word, []).append(failure)
        last |= found
    for word, reason in ledger.failed_words.items():
        rows = [_failure_row(word, failure) for failure in last.get(word, ())]
        known = any(reason.startswith(f"{row.component}: {row.kind}: {row.detail}") for row in rows)
        yield from rows if known else [FailureRow(word, "", "", reason)]


def _failure_row(word: str, failure: Failure) -> FailureRow:
    parts = parse_custom_id(failure.custom_id)
    return FailureRow(
        word,
        parts.component if parts else "",
        failure.kind,
        failure.detail,
        parts.document if parts else None,
        failure.custom_id,
        failure.status,
        failure.attempt,
    )
