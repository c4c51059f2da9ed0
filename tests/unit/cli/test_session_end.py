"""The command of `--notify`: when it runs, what it learns, and that it changes nothing."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from floridify_batch.cli.context import ExitCode
from floridify_batch.cli.session_end import Notification, exit_with
from floridify_batch.errors import CheckpointLocked, OtherDatabase, ServiceError, UsageError
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import ChunkState, Ledger
from tests.ledgers import record, run_info


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    """A finished run of four words, one of which failed; it is not saved yet."""
    return Checkpoint(tmp_path / "words.checkpoint.json")


def finished() -> Ledger:
    """A finished run of four words, one of which failed."""
    return Ledger(
        start_time=0.0,
        run=run_info(),
        list_cursor=4,
        chunks=[record(1, ChunkState.DONE, answered=8)],
        processed_words=["a", "b", "c"],
        failed_words={"d": "no"},
    )


WRITE = 'env | grep "^BATCH_SYNTH_RUN_" | sort > outcome'


def session(checkpoint: Checkpoint, body: Callable[[], int], command: str = WRITE) -> int:
    """Run a command that ends with a notification; its exit code."""
    with pytest.raises(typer.Exit) as ended:
        exit_with(body, checkpoint, f"cd '{checkpoint.path.parent}'; {command}")
    return ended.value.exit_code


def outcome(checkpoint: Checkpoint) -> dict[str, str]:
    """The variables that the command has seen; nothing if it has not run."""
    try:
        lines = (checkpoint.path.parent / "outcome").read_text().splitlines()
    except FileNotFoundError:
        return {}
    return {name.removeprefix("BATCH_SYNTH_RUN_"): value for name, _, value in (line.partition("=") for line in lines)}


def saved(checkpoint: Checkpoint, ledger: Ledger, code: int) -> Callable[[], int]:
    """A command that saves a run, and ends with a code."""

    def body() -> int:
        checkpoint.save(ledger)
        return code

    return body


@pytest.mark.parametrize(("code", "name"), [(1, "incomplete"), (130, "stopped"), (6, "decision"), (0, "complete")])
def test_the_outcome_is_in_the_environment(checkpoint: Checkpoint, code: int, name: str) -> None:
    """The command has the outcome, the exit code, the checkpoint and the figures of the run."""
    assert session(checkpoint, saved(checkpoint, finished(), code)) == code
    assert outcome(checkpoint) == {
        "OUTCOME": name,
        "EXIT_CODE": str(code),
        "MESSAGE": "",
        "CHECKPOINT": str(checkpoint.path),
        "WORDS": "4",
        "PROCESSED": "3",
        "INCOMPLETE": "0",
        "FAILED": "1",
        "REMAINING": "0",
        "PERCENT": "100",
        "COST": "0",
    }


def test_sessions_that_are_not_worth_it(checkpoint: Checkpoint) -> None:
    """A session that changes nothing, leaves batches in flight or is refused has no notification."""
    checkpoint.save(finished())
    assert session(checkpoint, lambda: ExitCode.SOME_FAILED) == 1
    unfinished = Ledger(start_time=0.0, run=run_info(), chunks=[record(1, ChunkState.SUBMITTED, batch_id="b")])
    for code in (0, 8):
        assert session(checkpoint, saved(checkpoint, unfinished, code)) == code
    for error in (UsageError("no"), CheckpointLocked("in use")):
        with pytest.raises(type(error)):
            exit_with(raising(error), checkpoint, f"touch '{checkpoint.path.parent}/outcome'")
    assert outcome(checkpoint) == {}


def raising(error: Exception) -> Callable[[], int]:
    """A command that an error ends."""

    def body() -> int:
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "name", "code"),
    [
        (ServiceError("No credit."), "error", "4"),
        (OtherDatabase("Another."), "decision", "5"),
        (OSError("x"), "error", "1"),
    ],
)
def test_errors_are_notified(checkpoint: Checkpoint, error: Exception, name: str, code: str) -> None:
    """An error that ends a run is notified with its message, and is raised as without the notification."""
    with pytest.raises(type(error)):
        exit_with(raising(error), checkpoint, f"cd '{checkpoint.path.parent}'; {WRITE}")
    seen = outcome(checkpoint)
    assert (seen["OUTCOME"], seen["EXIT_CODE"], seen["MESSAGE"]) == (name, code, str(error))


def test_its_failure_changes_nothing(checkpoint: Checkpoint, capfd: pytest.CaptureFixture[str]) -> None:
    """A command that fails is reported on standard error; the exit code is the run's, and its output is no output."""
    assert session(checkpoint, saved(checkpoint, finished(), 1), "echo said; exit 3") == 1
    out, err = capfd.readouterr()
    assert (out, "said" in err) == ("", True)
    assert "The command of --notify failed: exit code 3. The run is not affected." in err


def test_its_time_is_bounded(checkpoint: Checkpoint, capfd: pytest.CaptureFixture[str]) -> None:
    """A command that does not end is killed with its children."""
    left = checkpoint.path.parent / "left"
    notification = Notification.of(f"(sleep 1; touch '{left}') & sleep 60", checkpoint, seconds=0.2)
    checkpoint.save(finished())
    began = time.monotonic()
    notification.ended(0)
    assert time.monotonic() - began < 10
    assert "did not end within 0.2 s and was stopped" in capfd.readouterr().err
    time.sleep(1.2)
    assert not left.exists()
