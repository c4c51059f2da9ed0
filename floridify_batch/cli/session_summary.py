"""The summary of a session: the panel, the batches that continue without it, and what to type next."""

from shlex import quote

from rich.console import Console

from floridify_batch.cli.context import ExitCode, command_for
from floridify_batch.display.console import say
from floridify_batch.display.summary import NextCommands, summary_panel
from floridify_batch.display.view import RunView
from floridify_batch.files import ChunkFolder
from floridify_batch.formatting import counted, to_type
from floridify_batch.run.budget import higher_limit, limit_reached
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.driver import StopReason
from floridify_batch.run.ledger import ChunkState, Ledger
from floridify_batch.run.state import Run
from floridify_batch.timing import utc_now


def print_summary(view: RunView, run_: Run, checkpoint: Checkpoint, console: Console) -> None:
    """Print the summary of a session that had a live screen."""
    panel = summary_panel(
        view,
        utc_now(),
        width=console.width,
        forecast=run_.ledger.estimate,
        commands=NextCommands(
            show=_show_command(run_, checkpoint),
            report=command_for("report", checkpoint.path),
            failures=command_for("failures", checkpoint.path),
            retry=f"{command_for('resume', checkpoint.path)} --retry-failed",
        ),
    )
    console.print(panel, crop=False)


def _show_command(run_: Run, checkpoint: Checkpoint) -> str | None:
    """The command that shows the first entry of the list that has all its answers; None before all are there."""
    ledger = run_.ledger
    whole = (word for word in run_.words if word not in ledger.missing) if ledger.finished else iter(())
    word, language = next(whole, None), ledger.run.settings.language
    if word is None:
        return None
    return command_for(f"show {quote(word)}{'' if language == 'en' else f' --language {language}'}", checkpoint.path)


def conclude(reason: StopReason, ledger: Ledger, checkpoint: Checkpoint, in_flight: ExitCode) -> ExitCode:
    """Say how a session ended and what to type next; the exit code. `in_flight`: the code where batches are."""
    resume_command = to_type("resume", checkpoint.path)
    if reason is StopReason.STOPPED:
        notes = (_in_flight_note(ledger), _answered_note(ledger), _arriving_note(ledger, checkpoint))
        for note in filter(None, notes):
            say(note)
        return ExitCode.STOPPED
    if reason is StopReason.IN_FLIGHT:
        any_created = next(iter(ledger.in_state(ChunkState.SUBMITTED)), None) is not None
        how = (
            "Batches are in flight. Collect their results" if any_created else "No batch has been created yet. Continue"
        )
        say(f"{how} with: {resume_command}")
        return in_flight
    if reason is StopReason.COST_LIMIT:
        remaining = counted(ledger.totals().open_words, "word")
        say(
            f"{limit_reached(ledger)} {remaining} remaining. "
            f"Resume with: {resume_command} --max-cost {higher_limit(ledger)}"
        )
        return ExitCode.COST_LIMIT
    if reason is StopReason.CANCELLED:
        say(f"No batch is in flight, and all finished results are stored. Request the rest with: {resume_command}")
        return ExitCode.SUCCESS
    return ExitCode.SOME_FAILED if ledger.missing else ExitCode.SUCCESS


def _in_flight_note(ledger: Ledger) -> str:
    """The batches that continue without this process; empty where there are none."""
    settings, records = ledger.run.settings, list(ledger.in_state(ChunkState.SUBMITTED))
    if settings.immediate or not records:
        return ""
    service = "in the sandbox" if settings.sandbox else "at OpenAI" if settings.base_url is None else "at the service"
    requests = counted(sum(each.requests for each in records), "request")
    continues, results = ("continues", "its") if len(records) == 1 else ("continue", "their")
    return (
        f"{counted(len(records), 'batch', 'batches')} ({requests}) {continues} {service}"
        f"{'' if settings.sandbox else ' and will be billed'}; resuming collects {results} results."
    )


def _answered_note(ledger: Ledger) -> str:
    """The batches whose answers are on disk and not stored yet; empty where there are none."""
    records = list(ledger.in_state(ChunkState.ANSWERED))
    if not records:
        return ""
    requests = counted(sum(each.requests for each in records), "request")
    number = f"Batch {records[0].number}" if len(records) == 1 else counted(len(records), "batch", "batches")
    verb, results = ("is", "its") if len(records) == 1 else ("are", "their")
    return (
        f"{number} ({requests}) {verb} complete and downloaded; resuming stores {results} results and adds up the cost."
    )


def _arriving_note(ledger: Ledger, checkpoint: Checkpoint) -> str:
    """The answers to immediate requests that are on disk and not stored yet; empty where there are none."""
    folders = (ChunkFolder.of(checkpoint.folder, each.number) for each in ledger.in_state(ChunkState.SUBMITTED))
    files = [each.arriving for each in folders if each.arriving.exists()]
    answers = sum(file.read_bytes().count(b"\n") for file in files)
    if not answers:
        return ""
    verb = "is" if answers == 1 else "are"
    return f"{counted(answers, 'answer')} {verb} on disk, and neither stored nor in the cost yet; resuming stores them."
