"""A session: one process of a run. What `run`, `resume` and `cancel` do once their options are read."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from floridify_batch.cli.checkpoint_policy import (
    check_given_up,
    is_replaced,
    kept_words,
    refuse_to_pay_twice,
    remaining_words,
    report_finished,
)
from floridify_batch.cli.confirmation import (
    agreed,
    capitals_note,
    cautions,
    check_model_names,
    confirmed,
    estimate_cost,
    notes_on,
    notes_on_models,
    place_note,
    print_estimate,
)
from floridify_batch.cli.context import ExitCode, check_log_file, in_terminal
from floridify_batch.cli.dry_run import DryRunOutput, dry_run_of, notes_on_run
from floridify_batch.cli.pilot import (
    adopted_from,
    after_pilot,
    is_pilot_of,
    pilot_checkpoint,
    pilot_spec,
    print_pilot,
    range_before,
    say_stopped,
)
from floridify_batch.cli.session_summary import conclude, print_summary
from floridify_batch.components.model_profile import check_chat_model
from floridify_batch.database.connection import Place
from floridify_batch.database.store import MongoStore
from floridify_batch.display.console import say
from floridify_batch.display.output import LiveDisplay, Output, display_for, logged, redirect_messages
from floridify_batch.errors import CheckpointError, OtherDatabase, UsageError
from floridify_batch.files import ChunkFolder
from floridify_batch.formatting import dollars, to_type
from floridify_batch.pipeline.brief import Brief
from floridify_batch.pipeline.estimate import Estimate
from floridify_batch.providers.interface import Batches
from floridify_batch.run.budget import rate_of, required_rate
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.crash_point import inject_crash
from floridify_batch.run.database_check import adopt_database, check_database, other_database
from floridify_batch.run.driver import Driver
from floridify_batch.run.event import Notice, Observer, Stopping, Transferred, Waiting
from floridify_batch.run.frequency_scale import resolved_scale
from floridify_batch.run.ledger import Adopted, Ledger
from floridify_batch.run.resources import Resources, Secrets, address_elsewhere, required_key
from floridify_batch.run.run_settings import RunSettings, RunSpec, brief_of
from floridify_batch.run.state import Run, begin_run, resume_run
from floridify_batch.run.worker import opened_worker_pool, tune_garbage_collection
from floridify_batch.timing import Direction, utc_now
from floridify_batch.words.word_list import ListSource, WordList, Words


@dataclass(frozen=True, slots=True)
class Session:
    """The place of a session, and the questions that it may skip.

    `details`: estimate by component. `changes` are settings that replace those of the run: limits, concurrency, price,
    cost limit. `in_flight`: the exit code of a session that does not wait, where batches are in flight. `faults`: those
    that a sandbox injects. `pilot`: the words of a pilot before a new run; `pilot_only`: end after it.
    """

    checkpoint: Checkpoint
    secrets: Secrets
    sandbox_seconds: float
    yes: bool
    wait: bool
    changes: Mapping[str, Any] = field(default_factory=dict)
    retry_failed: bool = False
    give_up: tuple[str, ...] = ()
    cancels: bool = False
    accept_database: bool = False
    crash_point: str | None = None
    details: bool = False
    in_flight: ExitCode = ExitCode.SUCCESS
    faults: tuple[str, ...] = ()
    pilot: int = 0
    pilot_only: bool = False
    output: str = Output.AUTO
    log_file: Path | None = None
    stream: TextIO = field(default_factory=lambda: sys.stdout)


class Notifier:
    """Passes on why a session waits: to the display, or to the terminal before there is a display."""

    def __init__(self) -> None:
        self.observer: Observer | None = None

    def __call__(self, reason: str) -> None:
        if self.observer is None:
            say(reason)
        else:
            self.observer.notify(Waiting(reason))

    def notice(self, sentence: str) -> None:
        """Report an odd reply of the service."""
        if self.observer is not None:
            self.observer.notify(Notice(sentence))

    def transferred(self, path: Path, direction: Direction, done: int, total: int) -> None:
        """Report the progress of an upload or a download of a chunk's file."""
        if self.observer is not None:
            self.observer.notify(Transferred(ChunkFolder(path.parent).number, direction, done, total))


@asynccontextmanager
async def opened_resources(
    settings: RunSettings, session: Session, notify: Notifier
) -> AsyncIterator[tuple[MongoStore, Batches]]:
    """The open database and the open service of a run."""
    started: list[str] = []
    resources = Resources(
        settings, session.secrets, session.checkpoint, session.sandbox_seconds, started.append, notify, session.faults
    )
    with resources.service() as (key, base_url):
        async with (
            resources.opened_batches(key, base_url, notify.transferred, notify.notice) as batches,
            resources.opened_store() as store,
        ):
            if started and not session.cancels:
                say("; ".join(started))  # one line: more would push the list's summary off a screen of 24 rows
            await store.check_writable()
            if store.layout.describe():
                say(store.layout.describe())
            tune_garbage_collection()
            yield store, batches


# ── starting and resuming ──────────────────────────────────────────────────────────────────────────────────────────


async def run(settings: RunSettings, session: Session, source: ListSource, *, dry_run: bool) -> int:
    """Start a run, or resume the one of its checkpoint; the exit code."""
    with redirect_messages(session.output, asks=dry_run or not session.yes):
        listed = source.read()
        say(listed.summary)
        spec = RunSpec.of(settings, listed.words)
        if dry_run:
            stream = session.stream if session.output == Output.JSON else None
            output = DryRunOutput(stream, details=session.details)
            return await dry_run_of(spec, session.secrets, session.checkpoint, listed, output)
        check_log_file(session.log_file)
        with session.checkpoint.locked(), _remove_empty_folder(session.checkpoint):
            return await _start_or_resume(spec, session, listed)


@contextmanager
def _remove_empty_folder(checkpoint: Checkpoint) -> Iterator[None]:
    """Remove the empty folder of a run that was refused or declined before it had a checkpoint."""
    existed = checkpoint.folder.exists()
    try:
        yield
    finally:
        if not existed and not checkpoint.path.exists():
            with suppress(OSError):  # not there, or not empty
                checkpoint.folder.rmdir()


async def _start_or_resume(spec: RunSpec, session: Session, listed: WordList) -> int:
    checkpoint = session.checkpoint
    before = checkpoint.load()
    if before is None:
        refuse_to_pay_twice(checkpoint)
    elif not is_replaced(before, spec.info, checkpoint):
        if not before.finished:
            say(f"Resuming {checkpoint.path} with its original settings.")
        return await _resume(before, session)
    if not spec.info.settings.sandbox:
        required_key(session.secrets)
    ending, pilot = await _pilot(spec, session, listed, before)
    if ending is not None:
        return ending
    return await _start(spec, session, listed, before, pilot)


async def _pilot(
    spec: RunSpec, session: Session, listed: WordList, before: Ledger | None
) -> tuple[int | None, Ledger | None]:
    """Run the pilot that the user wants, or finish one that was begun; with the exit code if the session ends here."""
    place = pilot_checkpoint(session.checkpoint)
    ledger = place.load()
    if ledger is not None and (before is None or ledger.start_time > before.start_time) and is_pilot_of(ledger, spec):
        size = ledger.run.words
    elif session.pilot:
        size, ledger = session.pilot, None
    else:
        return None, None
    code: int = ExitCode.SUCCESS
    if ledger is None or not ledger.finished:
        sample = pilot_spec(spec, size, run_id=ledger.run.id if ledger else spec.info.id)
        limit = {name: value for name, value in session.changes.items() if name == "max_cost"}
        own = replace(session, checkpoint=place, wait=True, changes=limit, pilot=0)
        with place.locked():
            code = await _start_or_resume(sample, own, replace(listed, words=Words(sample.words)))
        ledger = place.load()
    if ledger is not None and ledger.finished:
        return None, ledger
    if ledger is not None and code == ExitCode.STOPPED:
        say("Stopped during the pilot. To continue it, repeat the command.", err=True)
    return code, None


async def resume(session: Session) -> int:
    """Resume the run of a checkpoint; the exit code."""
    checkpoint = session.checkpoint
    with redirect_messages(session.output, asks=bool(session.changes.keys() & {"model", "models"}) and not session.yes):
        if not checkpoint.path.exists():
            raise checkpoint.absent("; start a run with: batch-synth run LIST")
        check_log_file(session.log_file)
        with checkpoint.locked():
            ledger = checkpoint.load()
            if ledger is None:
                raise CheckpointError(
                    f"{checkpoint.path} contains no run; start one with: {to_type('run LIST', checkpoint.path)}"
                )
            return await _resume(ledger, session)


async def _start(
    spec: RunSpec, session: Session, listed: WordList, before: Ledger | None, pilot: Ledger | None = None
) -> int:
    """Estimate, ask, write the checkpoint of a new run, and drive it; after its pilot, if it has one."""
    spec = spec if pilot is None else after_pilot(spec, pilot)
    settings, checkpoint = spec.info.settings, session.checkpoint
    console, notify = Console(), Notifier()
    adopted = checkpoint.adopted() if pilot is None else adopted_from(pilot, checkpoint.adopted())
    if session.yes:
        check_model_names(settings)
    if settings.max_cost is not None:
        required_rate(settings)
    checkpoint.create_folder()
    async with opened_resources(settings, session, notify) as (store, batches):
        if pilot is not None:
            await print_pilot(pilot, spec.brief, store, console)
        estimate = await _estimated(spec, session, listed, adopted, store, console)
        if pilot is not None and session.pilot_only:
            say_stopped()
            return ExitCode.SOME_FAILED if pilot.missing else ExitCode.SUCCESS
        if before is not None and pilot is None and not estimate.total_now.requests:
            say(f"Nothing to do: nothing is missing or due to be regenerated. {checkpoint.path} is unchanged.")
            return ExitCode.SUCCESS
        if not confirmed(estimate, yes=session.yes):
            say("Nothing was sent, and nothing was charged.")
            return ExitCode.STOPPED
        if before is not None:
            say(f"Previous run kept as {checkpoint.rotate(before)}.")
        run_ = await begin_run(spec, checkpoint, batches, store, adopted=adopted, estimate=estimate.forecast())
        if pilot is not None:
            pilot_checkpoint(checkpoint).remove()  # all of it is in the run, or is planned again
        return await _drive(run_, session, console, notify)


async def _estimated(
    spec: RunSpec, session: Session, listed: WordList, adopted: Adopted, store: MongoStore, console: Console
) -> Estimate:
    """Estimate a new run, and print it. Raises `UsageError` where the database contradicts its settings."""
    settings, words = spec.info.settings, listed.without(adopted.words)
    estimate = await estimate_cost(settings, spec.brief, words, store, console)
    place = Resources(settings, session.secrets, session.checkpoint).place
    scale = await resolved_scale(settings, store)
    if scale.contradicts and session.yes:
        raise UsageError(scale.note)
    capitals = await capitals_note(words, settings.language, store) if estimate.unknown else ""
    before = range_before(estimate, spec.brief) if settings.pilot else []
    noted = [*before, *cautions([scale.note, capitals])]
    notes = [*noted, *notes_on(listed, spec), place_note(settings, place), *adopted.notes]
    print_estimate(console, estimate, settings, notes, details=session.details)
    return estimate


async def _resume(ledger: Ledger, session: Session) -> int:
    """Apply changed settings to a run, and drive it where it is unfinished."""
    checkpoint = session.checkpoint
    words = kept_words(ledger, checkpoint)
    check_given_up(ledger, session.give_up)
    if session.retry_failed:
        ledger.retry({word: ordinal for ordinal, word in enumerate(words)})
    new_model = _apply_changes(ledger, session.changes)
    if new_model and session.yes:
        check_model_names(ledger.run.settings)
    _apply_price(ledger)
    if ledger.finished and not session.accept_database:
        if session.changes:
            checkpoint.save(ledger)  # a new price applies to a finished run, too
        if "price" in session.changes:
            say(f"At this price, the run has cost {dollars(ledger.totals().cost)}.")
        return report_finished(ledger, checkpoint)
    brief = brief_of(ledger.run.settings, ledger.run.id)
    if session.retry_failed and not new_model:
        checkpoint.save(ledger)  # a plain resume continues from here, however early this process ends
    return await _drive_resumed(ledger, words, brief, session, new_model=new_model)


async def _drive_resumed(ledger: Ledger, words: Words, brief: Brief, session: Session, *, new_model: bool) -> int:
    """Open a resumed run's service and database, check that they are its own, and drive it."""
    settings, checkpoint = ledger.run.settings, session.checkpoint
    console, notify = Console(), Notifier()
    elsewhere = address_elsewhere(settings, session.secrets)
    place = Resources(settings, session.secrets, checkpoint).place
    if ledger.chunks and not place.exists:  # before a server is started over an empty folder
        if not _accepts(other_database(ledger, str(place)), session):
            return ExitCode.STOPPED
        session = replace(session, accept_database=True)
    async with opened_resources(settings, session, notify) as (store, batches):
        resumed = Run(words, ledger, checkpoint, brief, batches, store)
        if not await _is_usable(resumed, session, place, elsewhere=elsewhere is not None):
            return ExitCode.STOPPED
        if new_model and not await _agreed_to_rest(ledger, brief, store, session, console):
            return ExitCode.STOPPED
        if elsewhere:
            ledger.change_execution_settings({"mongo_url": elsewhere})
        await resume_run(resumed)
        return await _drive(resumed, session, console, notify)


async def _is_usable(run_: Run, session: Session, place: Place, *, elsewhere: bool) -> bool:
    """Whether the database has the run's stored answers, or is accepted without them, and then adopted."""
    try:
        await check_database(run_.ledger, run_.words, run_.store, place=str(place), elsewhere=elsewhere)
    except OtherDatabase as error:
        if not _accepts(error, session):
            return False
        await adopt_database(run_)
    return True


def _accepts(error: OtherDatabase, session: Session) -> bool:
    """Whether the user accepts a database without the run's answers. Raises the error outside a terminal."""
    if session.accept_database:
        return True
    if not in_terminal():
        raise error
    say(str(error))
    return agreed("Use this database?", yes=False)


def _apply_changes(ledger: Ledger, changes: Mapping[str, Any]) -> bool:
    """Apply the options of `resume` to a run, and plan refused requests again; return whether a model changes.

    Raises `UsageError`. The model comes first, since a price given with it is the new model's.
    """
    present, model = ledger.run.settings, changes.get("model", ledger.run.settings.model)
    models = changes.get("models", present.models)
    for each in (model, *models.values()) if present.base_url is None else ():
        check_chat_model(each)
    if model != present.model:
        ledger.change_model(model)
    ledger.change_execution_settings(changes)
    ledger.reopen_refused()
    templates = ledger.run.settings.templates
    if templates and not Path(templates).is_dir():
        raise UsageError(f"The run's templates are not at {templates}; pass their new path: resume --templates DIR")
    return (model, models) != (present.model, present.models)


async def _agreed_to_rest(ledger: Ledger, brief: Brief, store: MongoStore, session: Session, console: Console) -> bool:
    """Show the estimate of the rest of a run with another model, ask, and save the change."""
    settings, checkpoint = ledger.run.settings, session.checkpoint
    rest = [*remaining_words(ledger, checkpoint)]
    estimate = await estimate_cost(settings.within(ledger.token_limit), brief, rest, store, console)
    where = place_note(settings, Resources(settings, session.secrets, checkpoint).place)
    notes = [where, *notes_on_models(settings), *notes_on_run(ledger, checkpoint, f"requested from {settings.model}")]
    print_estimate(console, estimate, settings, notes, details=session.details, spent=ledger.totals().cost)
    if not confirmed(estimate, yes=session.yes):
        say("Nothing was sent, and the run keeps its model.")
        return False
    checkpoint.save(ledger)
    return True


def _apply_price(ledger: Ledger) -> None:
    """Price earlier usage whose price was unknown. Raises `UsageError` where a cost limit lacks a price."""
    rate = rate_of(ledger.run.settings)
    if rate is not None:
        ledger.price_with(rate)
    if ledger.run.settings.max_cost is not None:
        required_rate(ledger.run.settings)


# ── driving a run ──────────────────────────────────────────────────────────────────────────────────────────────────


async def _drive(run_: Run, session: Session, console: Console, notify: Notifier) -> int:
    """Drive a run until it ends, stops or may not wait; the exit code."""
    if session.crash_point:
        inject_crash(run_, session.crash_point)
    driver = Driver(run_)
    with (
        opened_worker_pool(run_.ledger.run, run_.brief) as run_.pool,
        display_for(session.output, console, session.stream, utc_now) as display,
        logged(display, session.log_file, utc_now) as observer,
    ):
        run_.observer = observer
        notify.observer = observer
        with _graceful_interrupt(driver, notify):
            reason = await (
                driver.cancel_batches()
                if session.cancels
                else driver.process(wait=session.wait, give_up=session.give_up)
            )
    if isinstance(display, LiveDisplay):
        print_summary(display.view, run_, session.checkpoint, console)
    return conclude(reason, run_.ledger, session.checkpoint, session.in_flight)


@contextmanager
def _graceful_interrupt(driver: Driver, notify: Notifier) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM stop the driver gracefully; a second one has its default effect."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM) if os.name == "posix" else ()

    def stop() -> None:
        release()
        driver.stop()
        if notify.observer is not None:
            notify.observer.notify(Stopping())

    def release() -> None:
        for each in signals:
            loop.remove_signal_handler(each)

    for each in signals:
        loop.add_signal_handler(each, stop)
    try:
        yield
    finally:
        release()
