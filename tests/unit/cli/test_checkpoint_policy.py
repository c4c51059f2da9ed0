"""How a checkpoint stands to what is asked now."""

from pathlib import Path

import pytest

from floridify_batch.cli.checkpoint_policy import refuse_to_pay_again
from floridify_batch.errors import CheckpointError
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import ChunkState, Ledger
from tests.ledgers import record, run_info


def left_behind(folder: Path, *states: ChunkState) -> Checkpoint:
    """A run whose checkpoint is gone, and of which a copy with chunks in these states is there."""
    checkpoint = Checkpoint(folder / "words.checkpoint.json")
    chunks = [record(number, state) for number, state in enumerate(states, 1)]
    ledger = Ledger(start_time=1.0, run=run_info(), chunks=chunks, list_cursor=4)
    for _ in range(2):
        checkpoint.save(ledger)
    checkpoint.path.unlink()
    return checkpoint


@pytest.mark.parametrize("state", [ChunkState.SUBMITTING, ChunkState.SUBMITTED, ChunkState.ANSWERED])
def test_what_is_being_paid_for(tmp_path: Path, state: ChunkState) -> None:
    """Where only the previous copy is left, a new run does not ask again for what a batch of it may have answered."""
    checkpoint = left_behind(tmp_path, ChunkState.STORED, state)
    with pytest.raises(CheckpointError, match="knows of 1 batch whose answers are not stored") as refused:
        refuse_to_pay_again(checkpoint)
    assert f"copy it to {checkpoint.path}, then resume" in str(refused.value)


@pytest.mark.parametrize("state", [ChunkState.STORED, ChunkState.DONE, ChunkState.PLANNED])
def test_nothing_is_being_paid_for(tmp_path: Path, state: ChunkState) -> None:
    """Where everything that was paid for is stored, or nothing was sent, a new run may begin beside the copy."""
    refuse_to_pay_again(left_behind(tmp_path, state))


def test_a_copy_that_cannot_be_read(tmp_path: Path) -> None:
    """A copy that nobody could go on from keeps nobody from beginning anew."""
    checkpoint = left_behind(tmp_path, ChunkState.SUBMITTED)
    checkpoint.previous_path.write_bytes(b"{")
    refuse_to_pay_again(checkpoint)


def test_a_checkpoint_that_is_there(tmp_path: Path) -> None:
    """As long as the checkpoint itself is there, its previous copy says nothing."""
    checkpoint = left_behind(tmp_path, ChunkState.SUBMITTED)
    checkpoint.path.write_bytes(b"{}")
    refuse_to_pay_again(checkpoint)
