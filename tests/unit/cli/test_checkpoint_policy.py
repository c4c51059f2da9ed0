"""The policy for a checkpoint whose file is missing."""

from pathlib import Path

import pytest

from floridify_batch.cli.checkpoint_policy import refuse_to_pay_twice
from floridify_batch.errors import CheckpointError
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import ChunkState, Ledger
from tests.ledgers import record, run_info


def left_behind(folder: Path, *states: ChunkState) -> Checkpoint:
    """A run whose checkpoint is missing, with a previous copy that has chunks in these states."""
    checkpoint = Checkpoint(folder / "words.checkpoint.json")
    chunks = [record(number, state) for number, state in enumerate(states, 1)]
    ledger = Ledger(start_time=1.0, run=run_info(), chunks=chunks, list_cursor=4)
    for _ in range(2):
        checkpoint.save(ledger)
    checkpoint.path.unlink()
    return checkpoint


@pytest.mark.parametrize("state", [ChunkState.SUBMITTING, ChunkState.SUBMITTED, ChunkState.ANSWERED])
def test_unstored_batches_are_not_paid_twice(tmp_path: Path, state: ChunkState) -> None:
    """A new run is refused if the previous copy has a batch that is not stored."""
    checkpoint = left_behind(tmp_path, ChunkState.STORED, state)
    with pytest.raises(CheckpointError, match="has 1 batch whose results are not stored") as refused:
        refuse_to_pay_twice(checkpoint)
    assert f"copy it to {checkpoint.path}, then resume" in str(refused.value)


@pytest.mark.parametrize("state", [ChunkState.STORED, ChunkState.DONE, ChunkState.PLANNED])
def test_stored_batches_do_not_block_a_new_run(tmp_path: Path, state: ChunkState) -> None:
    """A new run may start beside a previous copy whose batches are all stored, or none submitted."""
    refuse_to_pay_twice(left_behind(tmp_path, state))


def test_an_unreadable_copy_does_not_block_a_new_run(tmp_path: Path) -> None:
    """A copy that cannot be resumed does not block a new run."""
    checkpoint = left_behind(tmp_path, ChunkState.SUBMITTED)
    checkpoint.previous_path.write_bytes(b"{")
    refuse_to_pay_twice(checkpoint)


def test_an_existing_checkpoint_is_decisive(tmp_path: Path) -> None:
    """While the checkpoint exists, its previous copy is ignored."""
    checkpoint = left_behind(tmp_path, ChunkState.SUBMITTED)
    checkpoint.path.write_bytes(b"{}")
    refuse_to_pay_twice(checkpoint)
