"""The end of a session: its exit code, how to resume, and the command of `--notify`.

That command runs when a run ends, stops or needs a decision, and has the outcome in environment variables. Its failure
is reported and changes nothing else.
"""

import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from floridify_batch.cli.context import ExitCode, environment_with, state
from floridify_batch.errors import (
    AnswersOutdated,
    BatchSynthError,
    CheckpointLocked,
    DatabaseError,
    OtherDatabase,
    ServiceError,
    UsageError,
)
from floridify_batch.formatting import exact, to_type

if TYPE_CHECKING:
    from subprocess import Popen

    from floridify_batch.run.checkpoint import Checkpoint
    from floridify_batch.run.ledger import Ledger

SECONDS = 30.0
"""Time that the command may take."""

PREFIX = "BATCH_SYNTH_RUN_"
"""Prefix of the environment variables with the outcome."""


class Outcome(StrEnum):
    """The outcome of a session."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    STOPPED = "stopped"
    DECISION = "decision"
    ERROR = "error"


def exit_with(command: Callable[[], int], checkpoint: "Checkpoint", notify: str | None = None) -> None:
    """Run a command and exit with its code; if Ctrl-C stops it, print how to resume.

    `notify`: the shell command of `--notify`.
    """
    from floridify_batch.display.console import say

    notification = Notification.of(notify, checkpoint) if notify else None
    resume = f"Resume with: {to_type('resume', checkpoint.path)}"
    try:
        code = command()
    except KeyboardInterrupt:
        code = ExitCode.STOPPED
        if not checkpoint.path.exists():
            say("Stopped. Nothing was sent.", err=True)
    except Exception as error:
        if notification:
            notification.failed(error)
        if not isinstance(error, ServiceError | DatabaseError) or not checkpoint.path.exists() or state["debug"]:
            raise
        raise type(error)(f"{error} {resume}") from None
    if code == ExitCode.STOPPED and checkpoint.path.exists():
        say(f"Stopped. {resume}", err=True)
    if notification:
        notification.ended(code)
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class Notification:
    """A shell command that runs once at the end of a session in which the run has changed, or which failed."""

    command: str
    checkpoint: "Checkpoint"
    before: object
    seconds: float = SECONDS

    @classmethod
    def of(cls, command: str, checkpoint: "Checkpoint", seconds: float = SECONDS) -> "Notification":
        """The notification of a session that begins now; one that changes nothing is not worth a notification."""
        return cls(command, checkpoint, _version(checkpoint.path), seconds)

    def ended(self, code: int) -> None:
        """Notify of a session that ended with this exit code, unless it left batches in flight or changed nothing."""
        ledger = self._ledger()
        if ledger is None or _version(self.checkpoint.path) == self.before:
            return
        if code in (ExitCode.SUCCESS, ExitCode.IN_FLIGHT) and not ledger.finished:
            return
        self._run(_outcome_of(code), code, "", ledger)

    def failed(self, error: Exception) -> None:
        """Notify of a session that an error ended; a command that was refused was seen by its user."""
        if isinstance(error, UsageError | CheckpointLocked):
            return
        decision = isinstance(error, OtherDatabase | AnswersOutdated)
        code = error.exit_code if isinstance(error, BatchSynthError) else 1
        self._run(Outcome.DECISION if decision else Outcome.ERROR, code, str(error), self._ledger())

    def _ledger(self) -> "Ledger | None":
        with suppress(BatchSynthError):
            return self.checkpoint.load()
        return None

    def _run(self, outcome: Outcome, code: int, message: str, ledger: "Ledger | None") -> None:
        """Run the command, at most for its time; its output goes to standard error."""
        from floridify_batch.display.console import say

        facts = {"OUTCOME": str(outcome), "EXIT_CODE": str(code), "MESSAGE": message, **_figures(ledger)}
        facts["CHECKPOINT"] = str(self.checkpoint.path.absolute())
        variables = {f"{PREFIX}{name}": value.replace("\0", "") for name, value in facts.items()}
        try:
            why = _run_shell(self.command, environment_with(variables), self.seconds)
        except (OSError, ValueError) as error:
            why = str(error)
        except KeyboardInterrupt:
            why = "it was interrupted"
        if why:
            say(f"The command of --notify failed: {why}. The run is not affected.", err=True)


def _outcome_of(code: int) -> Outcome:
    named = {
        ExitCode.SUCCESS: Outcome.COMPLETE,
        ExitCode.SOME_FAILED: Outcome.INCOMPLETE,
        ExitCode.STOPPED: Outcome.STOPPED,
        ExitCode.COST_LIMIT: Outcome.DECISION,
    }
    return next((outcome for known, outcome in named.items() if known == code), Outcome.ERROR)


def _version(path: Path) -> object:
    """A value that changes with every save of a checkpoint."""
    with suppress(OSError):
        stat = path.stat()
        return stat.st_mtime_ns, stat.st_ino
    return None


def _figures(ledger: "Ledger | None") -> dict[str, str]:
    if ledger is None:
        return {}
    totals = ledger.totals()
    words = {
        "WORDS": totals.words,
        "PROCESSED": totals.processed,
        "INCOMPLETE": totals.incomplete,
        "FAILED": totals.failed,
        "REMAINING": totals.open_words,
        "PERCENT": totals.percent(),
    }
    cost = "unknown" if totals.cost is None else exact(totals.cost)
    return {name: str(number) for name, number in words.items()} | {"COST": cost}


def _run_shell(command: str, environment: dict[str, str], seconds: float) -> str:
    """Run a shell command in a session of its own; the reason of its failure, or ""."""
    import subprocess

    process = subprocess.Popen(  # noqa: S602  the user's own command, as a shell would run it
        command, shell=True, env=environment, stdin=subprocess.DEVNULL, stdout=2, start_new_session=True
    )
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        return f"it did not end within {seconds:g} s and was stopped"
    finally:
        _kill(process)
    return f"exit code {code}" if code else ""


def _kill(process: "Popen[bytes]") -> None:
    """Kill a process that is still running, with its children."""
    if process.poll() is None:
        import os

        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
        process.wait()
