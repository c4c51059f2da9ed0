"""Recovery from a damaged checkpoint: its previous copy can be resumed, whenever the damage occurred."""

import shutil
from pathlib import Path

import pytest

from floridify_batch.run.driver import Driver, StopReason
from tests.fakes import Crash, Crashed, End, MemoryStore, Scenario, Service

WORDS = ["bank", "tree", "lake", "road"]


@pytest.mark.parametrize("dies_at", range(8, 51))
async def test_resumed_from_previous_copy(tmp_path: Path, dies_at: int) -> None:
    """After a crash at any step, the previous copy can be resumed to the end, and no answer is paid for twice."""
    scenario = Scenario(tmp_path, WORDS, Service(End(), End(polls=50)), MemoryStore.of(WORDS), batch_size=2)
    with pytest.raises(Crashed):
        await Driver(scenario.run(Crash(dies_at))).process()
    path = tmp_path / "run.checkpoint.json"
    shutil.copy(path.with_name(path.name + ".previous"), path)
    assert await Driver(scenario.run()).process() is StopReason.FINISHED
    assert set(scenario.service.answered.values()) == {1}
    assert lines_of(tmp_path) == {"failures.jsonl"}


def lines_of(folder: Path) -> set[str]:
    return {file.name for file in folder.glob("run.checkpoint.files/*/*")}
