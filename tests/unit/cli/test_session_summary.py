"""The last lines of a session: what continues, what is on disk, and what to type next."""

from pathlib import Path
from typing import Any

import pytest

from floridify_batch.cli.context import ExitCode
from floridify_batch.cli.session_summary import conclude
from floridify_batch.files import ChunkFolder
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.driver import StopReason
from floridify_batch.run.ledger import ChunkState, Ledger
from tests.ledgers import record, run_info

RESUME = "resume --checkpoint"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    """A run whose first file of immediate requests has three answers."""
    place = Checkpoint(tmp_path / "words.checkpoint.json")
    arriving = ChunkFolder.of(place.folder, 1).arriving
    arriving.parent.mkdir(parents=True)
    arriving.write_bytes(b"{}\n{}\n{}\n{")
    return place


@pytest.mark.parametrize(
    ("reason", "state", "settings", "said"),
    [
        pytest.param(
            StopReason.STOPPED,
            ChunkState.SUBMITTED,
            {"immediate": True},
            "3 answers are on disk, and neither stored nor in the cost yet; resuming stores them.",
            id="immediate requests",
        ),
        pytest.param(StopReason.STOPPED, ChunkState.SUBMITTED, {}, "will be billed; resuming collects", id="a batch"),
        pytest.param(
            StopReason.STOPPED, ChunkState.ANSWERED, {}, "is complete and downloaded; resuming stores", id="downloaded"
        ),
        pytest.param(StopReason.IN_FLIGHT, ChunkState.SUBMITTED, {}, "Batches are in flight.", id="in flight"),
        pytest.param(
            StopReason.IN_FLIGHT, ChunkState.SUBMITTING, {}, "No batch has been created yet.", id="none created"
        ),
    ],
)
def test_the_last_lines(
    checkpoint: Checkpoint,
    capsys: pytest.CaptureFixture[str],
    reason: StopReason,
    state: ChunkState,
    settings: dict[str, Any],
    said: str,
) -> None:
    """A session that ends early says what continues or waits on disk; what is paid and not in the cost is counted."""
    ledger = Ledger(start_time=0.0, run=run_info(**settings), list_cursor=2, chunks=[record(1, state)])
    code = conclude(reason, ledger, checkpoint, ExitCode.IN_FLIGHT)
    assert said in capsys.readouterr().out
    assert code is (ExitCode.STOPPED if reason is StopReason.STOPPED else ExitCode.IN_FLIGHT)
