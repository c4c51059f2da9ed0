"""Batch IDs given by their beginning, and the checkpoint that owns a batch."""

import asyncio
from pathlib import Path

import pytest

from floridify_batch.cli.service import find_batch, opened_batches_of
from floridify_batch.cli.status import status
from floridify_batch.errors import CheckpointError, ServiceError, UsageError
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import ChunkState, Ledger
from floridify_batch.run.resources import SANDBOX_FOLDER, Secrets
from tests.ledgers import record, run_info


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two checkpoints."""
    monkeypatch.chdir(tmp_path)
    for name, ids in (("one", ("batch_a1", "batch_b1")), ("two", ("batch_b2",))):
        chunks = [record(number, ChunkState.SUBMITTED, batch_id=each) for number, each in enumerate(ids, 1)]
        checkpoint = Checkpoint(tmp_path / f"{name}.checkpoint.json")
        checkpoint.save(Ledger(start_time=1.0, run=run_info(), chunks=chunks, list_cursor=4))
    return tmp_path


def owner(given: str, checkpoint: Path | None = None) -> tuple[str, str | None]:
    """The ID found, and the name of its checkpoint."""
    found = find_batch(given, checkpoint)
    return found.id, found.checkpoint.path.name if found.checkpoint else None


def test_a_prefix_is_enough() -> None:
    """A batch is found by the beginning of its ID in whichever checkpoint of the folder has it."""
    assert owner("batch_a") == ("batch_a1", "one.checkpoint.json")
    assert owner("batch_b2") == ("batch_b2", "two.checkpoint.json")


def test_an_ambiguous_prefix_is_refused() -> None:
    """An ambiguous prefix is refused with the batches that match it; one checkpoint may contain only one of them."""
    with pytest.raises(UsageError, match="Several batch IDs begin with batch_b: batch_b1, batch_b2"):
        find_batch("batch_b", None)
    assert owner("batch_b", Path("two.checkpoint.json")) == ("batch_b2", "two.checkpoint.json")
    assert owner("batch_b", Path("two.txt")) == ("batch_b2", "two.checkpoint.json")


def test_a_batch_of_no_checkpoint() -> None:
    """An unknown batch ID is used as given; a named checkpoint still determines the service."""
    assert owner("batch_z") == ("batch_z", None)
    assert owner("batch_z", Path("one.checkpoint.json")) == ("batch_z", "one.checkpoint.json")


def test_a_damaged_checkpoint(folder: Path) -> None:
    """A damaged checkpoint in the folder is ignored; a named one is an error."""
    (folder / "one.checkpoint.json").write_bytes(b"{")
    assert owner("batch_b") == ("batch_b2", "two.checkpoint.json")
    with pytest.raises(CheckpointError):
        find_batch("batch_b", Path("one.checkpoint.json"))


@pytest.mark.parametrize("blocked", [False, True])
async def test_a_sandbox_that_is_gone(folder: Path, capsys: pytest.CaptureFixture[str], blocked: bool) -> None:
    """The status of a sandbox run shows what the checkpoint has where its sandbox is gone or cannot be started."""
    checkpoint = Checkpoint(folder / "three.sandbox.checkpoint.json")
    ledger = Ledger(
        start_time=1.0,
        run=run_info(sandbox=True, database="floridify_sandbox"),
        chunks=[record(1, ChunkState.SUBMITTED, batch_id="batch_c1")],
        list_cursor=4,
    )
    checkpoint.save(ledger)
    if blocked:
        (folder / SANDBOX_FOLDER / "sandbox.log").mkdir(parents=True)
    with pytest.raises(ServiceError, match=r"cannot be started|does not exist"):
        async with opened_batches_of(ledger, checkpoint, Secrets(None, None), None, 1.0):
            pass
    await asyncio.to_thread(status, checkpoint=checkpoint.path)
    shown = capsys.readouterr()
    assert "The status of the batches in flight is unavailable: The sandbox" in shown.err
    assert "batch_c1" in shown.out
    assert (folder / SANDBOX_FOLDER).exists() is blocked
