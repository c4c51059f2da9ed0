"""Up to the gate: what a run would cost is worked out and shown, and the user is asked."""

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import typer
from rich.console import Console
from rich.progress import Progress

from floridify_batch.components.entry_store import EntryReader
from floridify_batch.costs.usage import Spent
from floridify_batch.errors import UsageError
from floridify_batch.formatting import counted
from floridify_batch.pipeline.chunk import Limits
from floridify_batch.pipeline.estimate import Estimate
from floridify_batch.pipeline.plan import Brief
from floridify_batch.pipeline.survey import Survey
from floridify_batch.run.settings import RunSettings
from floridify_batch.words.word_list import WordList

BAD_LINES_SHOWN = 5


async def surveyed(
    settings: RunSettings,
    asked: Brief,
    words: Sequence[str],
    store: EntryReader,
    console: Console,
    spent: Mapping[str, Spent] = MappingProxyType({}),
) -> Estimate:
    """What these words would ask and cost, with a progress bar in a terminal; `spent`: what it knows of answers."""
    survey = Survey(
        asked,
        settings.language,
        settings.model,
        Limits(words=settings.batch_size),
        immediate=settings.immediate,
        price=settings.price,
        spent=spent,
    )
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Looking up and planning", total=len(words))
        return await survey.of(words, store, lambda done, total: progress.update(task, completed=done, total=total))


def notes_on(listed: WordList) -> list[str]:
    """What the user should know of the list: what was left out, and why."""
    notes = list(listed.readings)
    if listed.duplicates:
        notes.append(f"Left out {counted(listed.duplicates, 'repeated word')} of the list.")
    notes += [f"Left out {bad}." for bad in listed.bad_lines[:BAD_LINES_SHOWN]]
    if len(listed.bad_lines) > BAD_LINES_SHOWN:
        notes.append(f"And {len(listed.bad_lines) - BAD_LINES_SHOWN:,} more bad lines were left out.")
    return notes


def confirmed(estimate: Estimate, *, yes: bool) -> bool:
    """Whether the user agrees; where nothing can be spent, nobody is asked."""
    if not estimate.total_now.requests:
        return True
    return agreed("Proceed?", yes=yes, otherwise=", or --dry-run to look only")


def agreed(question: str, *, yes: bool, otherwise: str) -> bool:
    """Whether the user says yes, or has said so. Raises `UsageError` where there is nobody to ask."""
    if yes:
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(f"There is no terminal to ask on; add --yes to go ahead{otherwise}.")
    try:
        with _ordinary_interrupt():
            return typer.confirm(question, default=False)
    except typer.Abort:  # Ctrl-C at the question is a no
        typer.echo()
        return False


@contextmanager
def _ordinary_interrupt() -> Iterator[None]:
    """Let Ctrl-C be heard while we wait for a key: the event loop would note it, and go on waiting for the answer."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
