"""Missing or damaged chunk files: the run stops with an error that names the file and the remedy."""

from collections.abc import Callable
from pathlib import Path

import pytest

from floridify_batch.errors import CheckpointError
from floridify_batch.run.driver import Driver, StopReason
from tests.fakes import Crash, Crashed, End, MemoryStore, Scenario, Service

type Harm = Callable[[Path], None]


def gone(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def emptied(path: Path) -> None:
    path.write_bytes(b"\0" * 40)


def new_scenario(folder: Path, *ends: End) -> Scenario:
    store = MemoryStore()
    store.know("bank", "a shore", "a house of money")
    return Scenario(folder, ["bank"], Service(*ends), store)


async def harmed(place: Scenario, name: str, harm: Harm) -> Path:
    path = place.folder / "run.checkpoint.files" / "0001" / name
    before = path.read_bytes()
    harm(path)
    with pytest.raises(CheckpointError) as refused:
        await Driver(place.run()).process()
    message = str(refused.value)
    assert str(path) in message
    assert f"restore the folder {path.parent} from a backup" in message
    assert "batch-synth recover" in message
    path.write_bytes(before)
    return path


@pytest.mark.parametrize("harm", [gone, cut, emptied])
async def test_while_it_is_in_flight(tmp_path: Path, harm: Harm) -> None:
    """A chunk without its requests is not stored until they are restored, and nothing is paid for twice."""
    place = new_scenario(tmp_path, End(polls=2))
    assert await Driver(place.run()).process(wait=False) is StopReason.IN_FLIGHT
    await harmed(place, "expected.jsonl", harm)
    assert await Driver(place.run()).process() is StopReason.FINISHED
    assert set(place.service.answered.values()) == {1}


@pytest.mark.parametrize("harm", [gone, cut, emptied])
async def test_its_list_of_words(tmp_path: Path, harm: Harm) -> None:
    """A damaged list of a chunk's words is rebuilt from its requests; without these, the run stops with an error."""
    place = new_scenario(tmp_path, End(polls=2))
    assert await Driver(place.run()).process(wait=False) is StopReason.IN_FLIGHT
    path = place.folder / "run.checkpoint.files" / "0001" / "ordinals.json"
    harm(path)
    expected = path.with_name("expected.jsonl").read_bytes()
    path.with_name("expected.jsonl").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"ordinals\.json .*restore the folder"):
        await Driver(place.run()).process()
    path.with_name("expected.jsonl").write_bytes(expected)
    assert await Driver(place.run()).process() is StopReason.FINISHED
    assert set(place.service.answered.values()) == {1}


@pytest.mark.parametrize("harm", [gone, cut, emptied])
async def test_before_it_is_sent(tmp_path: Path, harm: Harm) -> None:
    """Changed request files are not sent, in whole or in part, but written again."""
    place = new_scenario(tmp_path)
    with pytest.raises(Crashed):
        await Driver(place.run(Crash(dies_at=3))).process()
    path = place.folder / "run.checkpoint.files" / "0001" / "requests.jsonl"
    before = path.read_bytes()
    harm(path)
    assert await Driver(place.run()).process() is StopReason.FINISHED
    assert list(place.service.files.values()) == [before]
    assert len(place.service.batches) == 1


async def test_while_it_is_cut(tmp_path: Path) -> None:
    """A chunk that the disk refuses at the last step leaves no partial files, and is finished once there is space."""
    place = new_scenario(tmp_path)
    folder = place.folder / "run.checkpoint.files"
    folder.mkdir()
    (folder / "0001").touch()  # stands where the chunk's folder belongs
    with pytest.raises(OSError, match="0001"):
        await Driver(place.run()).process()
    assert not list(folder.glob("*.partial"))
    assert not place.service.files
    (folder / "0001").unlink()
    assert await Driver(place.run()).process() is StopReason.FINISHED
    assert len(place.service.batches) == 1
