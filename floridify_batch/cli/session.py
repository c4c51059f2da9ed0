"""What the commands do, once their options are read: each returns an exit code."""

import asyncio
import os
import secrets as randomness
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from floridify_batch.cli.checkpoint_policy import (
    PROCESSED,
    SOME_FAILED,
    begins_anew,
    kept_words,
    refuse_to_pay_again,
    say_finished,
)
from floridify_batch.cli.confirmation import confirmed, notes_on, surveyed
from floridify_batch.cli.dry_run import dry_run_of
from floridify_batch.database.store import MongoStore
from floridify_batch.display.console import say
from floridify_batch.display.estimate_panel import estimate_panel
from floridify_batch.display.output import LiveDisplay, Output, display_for, talk_aside
from floridify_batch.display.summary import summary_panel
from floridify_batch.display.view import RunView
from floridify_batch.errors import CheckpointError
from floridify_batch.files import ChunkFolder
from floridify_batch.formatting import counted, dollars, to_type
from floridify_batch.pipeline.plan import Brief
from floridify_batch.providers.interface import Batches
from floridify_batch.run.budget import higher_limit, limit_reached, rate_of, required_rate
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.crash_point import doom
from floridify_batch.run.driver import Driver, Ending
from floridify_batch.run.event import Observer, Transferred, Waiting
from floridify_batch.run.ledger import Ledger
from floridify_batch.run.resources import (
    Secrets,
    check_same_database,
    opened_batches,
    opened_store,
    required_key,
    run_info,
    service,
)
from floridify_batch.run.settings import RunInfo, RunSettings, brief_of
from floridify_batch.run.state import Run
from floridify_batch.run.worker import opened_worker_pool, tune_garbage_collection
from floridify_batch.timing import Direction, utc_now
from floridify_batch.words.word_list import WordList, read_word_list, write_normalised

COST_LIMIT, STOPPED = 6, 130


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a command works, and how far it may go."""

    checkpoint: Checkpoint
    secrets: Secrets
    sandbox_seconds: float
    yes: bool
    wait: bool
    pace: Mapping[str, Any] = field(default_factory=dict)
    retry_failed: bool = False
    cancels: bool = False
    dies_at: str | None = None
    output: str = Output.AUTO
    stream: TextIO = field(default_factory=lambda: sys.stdout)


class Announcer:
    """Tells whoever watches why there is a wait; before anyone watches, says it on the terminal."""

    def __init__(self) -> None:
        self.observer: Observer | None = None

    def __call__(self, reason: str) -> None:
        if self.observer is None:
            say(reason)
        else:
            self.observer.notify(Waiting(reason))

    def moving(self, path: Path, direction: Direction, done: int, total: int) -> None:
        """Tell how much of a chunk's file is over."""
        if self.observer is not None:
            self.observer.notify(Transferred(ChunkFolder(path.parent).number, direction, done, total))


@asynccontextmanager
async def opened_parts(
    settings: RunSettings, scene: Scene, waiting: Announcer
) -> AsyncIterator[tuple[MongoStore, Batches]]:
    """The database and the carrier of a run's requests, open."""
    place = scene.checkpoint
    with service(settings, scene.secrets, place, say, scene.sandbox_seconds) as (key, base_url):
        async with (
            opened_batches(settings, key, base_url, place, waiting, waiting.moving) as batches,
            opened_store(settings, scene.secrets, place, say, waiting) as store,
        ):
            if store.layout.describe():
                say(store.layout.describe())
            tune_garbage_collection()
            yield store, batches


async def run(settings: RunSettings, scene: Scene, *, dry_run: bool) -> int:
    """Begin a run, or go on with it where its checkpoint is there already."""
    with talk_aside(scene.output, asks=dry_run or not scene.yes):
        return await _run(settings, scene, dry_run=dry_run)


async def _run(settings: RunSettings, scene: Scene, *, dry_run: bool) -> int:
    listed = read_word_list(Path(settings.words_file))
    run_id = randomness.token_hex(6)
    asked = brief_of(settings, run_id)
    info = run_info(settings, run_id, asked, len(listed.words), listed.digest)
    if dry_run:
        stream = scene.stream if scene.output == Output.JSON else None
        return await dry_run_of(info, scene.secrets, scene.checkpoint, asked, listed, stream)
    with scene.checkpoint.locked():
        before = scene.checkpoint.load()
        if before is None:
            refuse_to_pay_again(scene.checkpoint)
        if before is not None and not begins_anew(before, info, scene.checkpoint):
            if not before.finished:
                say(f"Going on with {scene.checkpoint.path}, with the settings it was begun with.")
            return await _go_on(before, scene)
        if not settings.sandbox:
            required_key(scene.secrets)
        return await _begin(info, asked, scene, listed, before)


async def resume(scene: Scene) -> int:
    """Go on where a run was stopped."""
    with talk_aside(scene.output, asks=False):
        return await _resume(scene)


async def _resume(scene: Scene) -> int:
    if not scene.checkpoint.path.exists():
        raise scene.checkpoint.absent("; begin with: batch-synth run WORDS")
    with scene.checkpoint.locked():
        ledger = scene.checkpoint.load()
        if ledger is None:
            raise CheckpointError(
                f"{scene.checkpoint.path} holds no run; name its list with: "
                f"{to_type('run WORDS', scene.checkpoint.path)}"
            )
        return await _go_on(ledger, scene)


# ── up to the gate ─────────────────────────────────────────────────────────────────────────────────────────────────


async def _begin(info: RunInfo, asked: Brief, scene: Scene, listed: WordList, before: Ledger | None) -> int:
    settings, checkpoint = info.settings, scene.checkpoint
    console, waiting = Console(), Announcer()
    adopted = checkpoint.adopted()
    words = listed.without(adopted.words)
    if settings.max_cost is not None:
        required_rate(settings)
    checkpoint.create_folder()
    async with opened_parts(settings, scene, waiting) as (store, batches):
        estimate = await surveyed(settings, asked, words, store, console)
        notes = [*notes_on(listed), *adopted.notes]
        console.print(estimate_panel(estimate, width=console.width, max_cost=settings.max_cost, notes=notes))
        if not confirmed(estimate, yes=scene.yes):
            say("Nothing was sent, nothing was spent.")
            if before is None:
                with suppress(OSError):  # it is not empty: then it was there before
                    checkpoint.folder.rmdir()
            return STOPPED
        if before is not None:
            say(f"The finished run was put aside as {checkpoint.rotate(before)}.")
            checkpoint.create_folder()
        await store.ensure_indexes()
        ledger = Ledger(start_time=utc_now().timestamp(), run=info)
        ledger.adopt(adopted, listed.words)
        ledger.estimate = estimate.forecast()
        write_normalised(listed.words, checkpoint.words_path)
        checkpoint.save(ledger)
        return await _drive(Run(listed.words, ledger, checkpoint, asked, batches, store), scene, console, waiting)


async def _go_on(ledger: Ledger, scene: Scene) -> int:
    checkpoint = scene.checkpoint
    words = kept_words(ledger, checkpoint)
    if scene.retry_failed:
        ledger.retry({word: ordinal for ordinal, word in enumerate(words)})
    ledger.change_pace(scene.pace)
    _reckon(ledger)
    if ledger.finished:
        if scene.pace:
            checkpoint.save(ledger)  # a price that was unknown until now is news for a finished run, too
        if "price" in scene.pace:
            say(f"At this price, what was used has cost {dollars(ledger.totals().cost)}.")
        return say_finished(ledger, checkpoint)
    settings = ledger.run.settings
    check_same_database(settings, scene.secrets)
    console, waiting = Console(), Announcer()
    asked = brief_of(settings, ledger.run.id)
    if asked.template_digest != ledger.run.template_digest:
        raise CheckpointError(
            f"{checkpoint.path} was begun with other templates than this batch-synth has; "
            "finish it with the version that began it, or name another --checkpoint."
        )
    if scene.retry_failed:
        checkpoint.save(ledger)  # a plain resume goes on with it, however early this process ends
    checkpoint.tidy(ledger)
    async with opened_parts(settings, scene, waiting) as (store, batches):
        return await _drive(Run(words, ledger, checkpoint, asked, batches, store), scene, console, waiting)


def _reckon(ledger: Ledger) -> None:
    """Price what could not be priced before, now that there may be a price. Raises `UsageError`: a wall needs one."""
    rate = rate_of(ledger.run.settings)
    if rate is not None:
        ledger.price_with(rate)
    if ledger.run.settings.max_cost is not None:
        required_rate(ledger.run.settings)


# ── the run ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _drive(run_: Run, scene: Scene, console: Console, waiting: Announcer) -> int:
    if scene.dies_at:
        doom(run_, scene.dies_at)
    driver = Driver(run_)
    with (
        opened_worker_pool(run_.ledger.run, run_.brief) as run_.pool,
        display_for(scene.output, console, scene.stream, utc_now) as display,
    ):
        run_.observer = display
        waiting.observer = display
        with _first_interrupt(driver, waiting):
            ending = await (driver.wind_up() if scene.cancels else driver.process(wait=scene.wait))
    resume_command = to_type("resume", scene.checkpoint.path)
    if isinstance(display, LiveDisplay):
        _sum_up(display.view, run_.ledger, scene.checkpoint, console)
    if ending is Ending.STOPPED:
        return STOPPED
    if ending is Ending.LEFT:
        say(f"Batches are in flight. Collect them with: {resume_command}")
        return PROCESSED
    if ending is Ending.COST_LIMIT:
        left = counted(run_.ledger.totals().open_words, "word is", "words are")
        higher = f"{resume_command} --max-cost {higher_limit(run_.ledger)}"
        say(f"{limit_reached(run_.ledger)} {left} left. Go on with: {higher}")
        return COST_LIMIT
    if ending is Ending.CANCELLED:
        say(f"Nothing is in flight any more, and what was finished is stored. The rest is asked by: {resume_command}")
        return PROCESSED
    return SOME_FAILED if run_.ledger.failed_words else PROCESSED


def _sum_up(view: RunView, ledger: Ledger, checkpoint: Checkpoint, console: Console) -> None:
    """Close a sitting in a terminal. How to go on with a run that is not complete is told by a sentence of its own."""
    panel = summary_panel(
        view,
        utc_now(),
        width=console.width,
        forecast=ledger.estimate,
        next_command=to_type("report", checkpoint.path) if view.complete else None,
        failures_command=to_type("failures", checkpoint.path),
        retry_command=f"{to_type('resume', checkpoint.path)} --retry-failed",
    )
    console.print(panel, crop=False)


@contextmanager
def _first_interrupt(driver: Driver, waiting: Announcer) -> Iterator[None]:
    """The first Ctrl-C, or SIGTERM, asks the driver to leave; it uninstalls itself, so a second one is ordinary."""
    loop = asyncio.get_running_loop()
    caught = (signal.SIGINT, signal.SIGTERM) if os.name == "posix" else ()

    def ask() -> None:
        release()
        driver.stop()
        waiting("Stopping after the present step; Ctrl-C stops at once. Nothing is lost either way.")

    def release() -> None:
        for each in caught:
            loop.remove_signal_handler(each)

    for each in caught:
        loop.add_signal_handler(each, ask)
    try:
        yield
    finally:
        release()
