"""The checkpoint: one whole file on the disk at every moment, and nothing ignored or overwritten unread."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from floridify_batch.costs.usage import Usage
from floridify_batch.errors import CheckpointError, CheckpointLocked
from floridify_batch.files import ChunkFolder
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import Adopted, ChunkState, Ledger
from tests.ledgers import record, run_info

patient = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
NOON = datetime(2026, 11, 20, 12, 30, 15, tzinfo=UTC)
SIX_KEYS = {
    "processed_words": ["happy", "vis-à-vis"],
    "failed_words": {"qwrt": "no definitions"},
    "start_time": 1763640000.5,
    "total_cost": 0.25,
    "total_tokens": 1200,
    "timestamp": "2026-11-20T12:00:00+00:00",
}


def ledger() -> Ledger:
    usage, cost = Usage(input=100, output=20), Decimal("0.0000123")
    chunk = record(1, ChunkState.STORED, words=1, requests=4, answered=4, usage=usage, cost=cost)
    return Ledger(
        start_time=1.5, run=run_info(words=2), processed_words=["happy"], failed_words={"é": "x"}, chunks=[chunk]
    )


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return Checkpoint(tmp_path / "words.checkpoint.json", lambda: NOON)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refusal(checkpoint: Checkpoint) -> str:
    with pytest.raises(CheckpointError) as refused:
        checkpoint.load()
    return str(refused.value)


# ── reading and writing ────────────────────────────────────────────────────────────────────────────────────────────


def test_round_trip(checkpoint: Checkpoint) -> None:
    """A saved ledger is loaded unchanged, with its cost."""
    saved = ledger()
    checkpoint.save(saved)
    assert checkpoint.load() == saved
    assert saved.totals().cost == Decimal("0.0000123")


def test_the_six_keys(checkpoint: Checkpoint) -> None:
    """The file has the documented keys, with the documented types."""
    checkpoint.save(ledger())
    data = json.loads(checkpoint.path.read_text(encoding="utf-8"))
    assert data["processed_words"] == ["happy"]
    assert data["failed_words"] == {"é": "x"}
    assert data["start_time"] == 1.5
    assert data["total_cost"] == pytest.approx(0.0000123)
    assert data["total_tokens"] == 120
    assert datetime.fromisoformat(data["timestamp"]) == NOON
    assert data["version"] == 2


def test_no_file(checkpoint: Checkpoint) -> None:
    """A new run may start where no checkpoint exists."""
    assert checkpoint.load() is None
    assert checkpoint.adopted() == Adopted()


def test_the_previous_copy(checkpoint: Checkpoint) -> None:
    """The state before the last save is kept beside the file, and a save leaves no other file."""
    book = ledger()
    checkpoint.save(book)
    first = checkpoint.path.read_bytes()
    book.process("sad")
    checkpoint.save(book)
    assert checkpoint.previous_path.read_bytes() == first
    assert checkpoint.path.read_bytes() != first
    assert set(checkpoint.path.parent.iterdir()) == {checkpoint.path, checkpoint.previous_path}


def test_a_save_that_died(checkpoint: Checkpoint) -> None:
    """A partial file of a crashed process does not disturb the next save."""
    checkpoint.save(ledger())
    partial = checkpoint.path.with_name(checkpoint.path.name + ".partial")
    partial.write_bytes(b'{"half')
    assert checkpoint.load() is not None
    checkpoint.save(ledger())
    assert not partial.exists()


def test_private(checkpoint: Checkpoint) -> None:
    """The checkpoint, its copy, its folder and its lock are readable by their owner only."""
    checkpoint.create_folder()
    checkpoint.save(ledger())
    checkpoint.save(ledger())
    assert mode(checkpoint.folder) == 0o700
    assert mode(checkpoint.path) == mode(checkpoint.previous_path) == 0o600
    with checkpoint.locked():
        assert {mode(path) for path in checkpoint.path.parent.glob(".*.lock*")} == {0o600}


def test_a_disk_that_refuses(tmp_path: Path) -> None:
    """A failed save names the file and leaves the present checkpoint intact."""
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"cannot be written: .* Saved data is intact"):
        Checkpoint(tmp_path / "absent" / "c.json").save(ledger())
    with pytest.raises(CheckpointError, match="cannot be created"):
        Checkpoint(tmp_path / "file" / "c.json").create_folder()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\x00\xff", b"[]", b"null", b'"text"', b'{"run":{},"version":1}', b'{"processed_words":["a"'],
)
def test_damage(checkpoint: Checkpoint, content: bytes) -> None:
    """The error about a damaged checkpoint names a remedy, and the file is unchanged."""
    checkpoint.path.write_bytes(content)
    message = refusal(checkpoint)
    assert f"{checkpoint.path} is damaged" in message
    assert "was left unchanged" in message
    assert "Restore it from a backup, or pass another --checkpoint." in message
    assert checkpoint.path.read_bytes() == content


def test_damage_with_a_copy(checkpoint: Checkpoint) -> None:
    """The error about a damaged checkpoint suggests its previous copy, and the suggestion works."""
    checkpoint.save(ledger())
    checkpoint.save(ledger())
    checkpoint.path.write_bytes(b"{")
    assert f"copy {checkpoint.previous_path} over it" in refusal(checkpoint)
    checkpoint.path.write_bytes(checkpoint.previous_path.read_bytes())
    assert checkpoint.load() == ledger().model_copy(
        update={"timestamp": NOON.isoformat(), "total_cost": 0.0000123, "total_tokens": 120}
    )


def test_one_wrong_value(checkpoint: Checkpoint) -> None:
    """Damage inside a complete file is reported with its place."""
    checkpoint.save(ledger())
    text = checkpoint.path.read_text(encoding="utf-8")
    checkpoint.path.write_text(text.replace('"STORED"', '"STOLEN"'), encoding="utf-8")
    assert "chunks.0.state: " in refusal(checkpoint)


@pytest.mark.parametrize("version", [0, 3, None, "1", True, []])
def test_another_version(checkpoint: Checkpoint, version: Any) -> None:
    """A checkpoint of another version is refused with both versions named, and not rewritten."""
    checkpoint.path.write_bytes(orjson.dumps({"version": version, "run": {}}))
    message = refusal(checkpoint)
    assert f"has version {version!r}" in message
    assert "reads versions up to 2" in message


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    """A path that is a folder is refused with an error."""
    assert "cannot be read" in refusal(Checkpoint(tmp_path))


damaged = st.one_of(
    st.binary(max_size=60),
    st.dictionaries(st.sampled_from([*SIX_KEYS, "run", "version", "chunks"]), st.none() | st.integers(0, 3)).map(
        orjson.dumps
    ),
    st.tuples(st.integers(0, 900), st.sampled_from([b"", b"7", b"null", b'"', b"\xff", b"{}"])),
)


@patient
@given(damaged)
def test_any_bytes(tmp_path: Path, content: bytes | tuple[int, bytes]) -> None:
    """For any bytes, loading gives a ledger, no run or a clear error; never a traceback, and the file is unchanged."""
    checkpoint = Checkpoint(tmp_path / "c.json", lambda: NOON)
    if isinstance(content, tuple):
        checkpoint.save(ledger())
        whole, (place, insert) = checkpoint.path.read_bytes(), content
        content = whole[:place] + insert + whole[place + len(insert) or place + 1 :]
    checkpoint.path.write_bytes(content)
    try:
        loaded = checkpoint.load()
        adopted = checkpoint.adopted().words
    except CheckpointError:
        pass
    else:
        assert loaded is None or isinstance(loaded, Ledger)
        assert all(isinstance(word, str) for word in adopted)
    assert checkpoint.path.read_bytes() == content


# ── adoption ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_adoption(checkpoint: Checkpoint) -> None:
    """A checkpoint with only the six documented keys is no run, but its processed words are adopted."""
    checkpoint.path.write_bytes(orjson.dumps(SIX_KEYS))
    assert checkpoint.load() is None
    adopted = checkpoint.adopted()
    assert adopted.words == {"happy", "vis-à-vis"}
    assert (adopted.cost, adopted.tokens) == (Decimal("0.25"), 1200)
    assert "$0.2500" in adopted.notes[0]


def test_adoption_keeps_what_was_paid(checkpoint: Checkpoint) -> None:
    """The cost of an adopted checkpoint is part of the run's totals."""
    checkpoint.path.write_bytes(orjson.dumps(SIX_KEYS))
    mine = ledger()
    mine.adopt(checkpoint.adopted(), ["sad", "happy"])
    checkpoint.save(mine)
    loaded = checkpoint.load()
    assert loaded is not None
    assert loaded.processed_words == ["happy"]
    assert loaded.totals().cost == Decimal("0.25") + (ledger().totals().cost or 0)
    assert loaded.total_tokens == 1200 + ledger().totals().usage.total


@pytest.mark.parametrize("cost", [None, "much", -1, True, [1]])
def test_adoption_without_a_cost(checkpoint: Checkpoint, cost: Any) -> None:
    """An invalid cost is not adopted, and a notice says so."""
    checkpoint.path.write_bytes(orjson.dumps(SIX_KEYS | {"total_cost": cost}))
    adopted = checkpoint.adopted()
    assert adopted.cost == 0
    assert "recorded no cost" in adopted.notes[0]


@pytest.mark.parametrize("words", [None, "happy", [1], {"happy": 1}])
def test_adoption_of_nonsense(checkpoint: Checkpoint, words: Any) -> None:
    """A file without words is not adopted: a new run would overwrite it."""
    checkpoint.path.write_bytes(orjson.dumps(SIX_KEYS | {"processed_words": words}))
    with pytest.raises(CheckpointError, match="processed_words is missing or not a list"):
        checkpoint.adopted()


def test_a_run_has_nothing_to_adopt(checkpoint: Checkpoint) -> None:
    """The words of one of our own runs are not adopted."""
    checkpoint.save(ledger())
    assert checkpoint.adopted() == Adopted()


# ── rotation and tidying ───────────────────────────────────────────────────────────────────────────────────────────


def test_rotation(checkpoint: Checkpoint) -> None:
    """Rotation renames a finished run with its time and all its files, and it can still be read."""
    checkpoint.create_folder()
    checkpoint.words_path.write_text("happy\n", encoding="utf-8")
    book = ledger()
    checkpoint.save(book)
    checkpoint.save(book)
    aside = Checkpoint(checkpoint.rotate(book))
    assert aside.path.name == "words.checkpoint.20261120T123015.json"
    assert aside.load() == book
    assert aside.words_path.read_text(encoding="utf-8") == "happy\n"
    assert checkpoint.load() is None
    assert not checkpoint.folder.exists()
    assert not checkpoint.previous_path.exists()


def put_up(checkpoint: Checkpoint, word: str) -> Ledger:
    """A finished run with its folder."""
    checkpoint.create_folder()
    checkpoint.words_path.write_text(f"{word}\n", encoding="utf-8")
    book = ledger()
    checkpoint.save(book)
    return book


@pytest.mark.parametrize("steps", [0, 1])
def test_rotation_that_died(checkpoint: Checkpoint, steps: int) -> None:
    """A rotation interrupted by a crash can be repeated without loss."""
    book = put_up(checkpoint, "happy")
    if steps:
        checkpoint.folder.rename(checkpoint.path.with_name("words.checkpoint.20261120T123015.files"))
    checkpoint.create_folder()  # as every beginning run does
    aside = Checkpoint(checkpoint.rotate(book))
    assert aside.load() == book
    assert aside.words_path.read_text(encoding="utf-8") == "happy\n"
    assert checkpoint.load() is None
    assert not checkpoint.words_path.exists()


def test_two_rotations_in_a_second(checkpoint: Checkpoint) -> None:
    """Two runs that were last saved in the same second are both kept, each with its own list."""
    kept = [Checkpoint(checkpoint.rotate(put_up(checkpoint, word))) for word in ("happy", "sad", "glad")]
    assert [each.words_path.read_text(encoding="utf-8") for each in kept] == ["happy\n", "sad\n", "glad\n"]
    assert all(each.load() for each in kept)


def test_rotation_where_the_disk_refuses(checkpoint: Checkpoint) -> None:
    """A run that cannot be rotated stays in place, and the error says so."""
    book = put_up(checkpoint, "happy")
    checkpoint.previous_path.mkdir()
    with pytest.raises(CheckpointError, match=r"cannot be renamed to .*words\.checkpoint\.20261120T123015\.json"):
        checkpoint.rotate(book)
    assert checkpoint.load() == book
    assert checkpoint.words_path.exists()


def test_tidying(checkpoint: Checkpoint) -> None:
    """Unknown chunks and incomplete ones are removed; those in the ledger stay."""
    checkpoint.create_folder()
    for name in ("0001", "0002", "0001.partial", "0003.partial"):
        (checkpoint.folder / name).mkdir()
        (checkpoint.folder / name / "requests.jsonl").touch()
    checkpoint.words_path.touch()
    checkpoint.tidy(ledger())
    assert sorted(path.name for path in checkpoint.folder.iterdir()) == ["0001", "words.txt"]
    assert (ChunkFolder.of(checkpoint.folder, 1).requests).exists()


def test_tidying_chunks_of_the_past(checkpoint: Checkpoint) -> None:
    """Of a done chunk only the failures are kept, also after a crash."""
    checkpoint.create_folder()
    folder = ChunkFolder.of(checkpoint.folder, 1).path
    folder.mkdir()
    (folder / "requests.jsonl").touch()
    (folder / "failures.jsonl").touch()
    book = ledger()
    book.move(1, ChunkState.DONE)
    checkpoint.tidy(book)
    assert [path.name for path in folder.iterdir()] == ["failures.jsonl"]


def test_tidying_spares_the_previous_copy(checkpoint: Checkpoint) -> None:
    """Files that the previous copy of the checkpoint needs are kept until the next save."""
    checkpoint.create_folder()
    folder = ChunkFolder.of(checkpoint.folder, 1).path
    folder.mkdir()
    (folder / "requests.jsonl").touch()
    book = ledger()
    checkpoint.save(book)
    book.move(1, ChunkState.DONE)
    checkpoint.save(book)
    checkpoint.tidy(book)
    assert (folder / "requests.jsonl").exists()
    checkpoint.save(book)
    checkpoint.tidy(book)
    assert not (folder / "requests.jsonl").exists()


@pytest.mark.parametrize("name", ["0001 copy", "1-backup", "2026-11-20.zip"])
def test_tidying_leaves_others_things(checkpoint: Checkpoint, name: str) -> None:
    """Foreign files and folders neither prevent resuming nor are deleted."""
    checkpoint.create_folder()
    (checkpoint.folder / name).mkdir()
    checkpoint.tidy(ledger())
    assert (checkpoint.folder / name).exists()


# ── the lock ───────────────────────────────────────────────────────────────────────────────────────────────────────

HOLD = """
import sys
from pathlib import Path
from floridify_batch.run.checkpoint import Checkpoint
with Checkpoint(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(checkpoint: Checkpoint) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the checkpoint."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(checkpoint.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_one_driver(checkpoint: Checkpoint, holder: subprocess.Popen[str]) -> None:
    """One process at a time can lock a checkpoint; the error names the holder."""
    with (
        pytest.raises(CheckpointLocked, match=rf"is in use by process {holder.pid} on .* since 2"),
        checkpoint.locked(),
    ):
        pytest.fail("two drivers")


def test_a_dead_driver(checkpoint: Checkpoint, holder: subprocess.Popen[str]) -> None:
    """The lock of a dead process is released, so that the next one can resume at once."""
    holder.kill()
    holder.wait()
    with checkpoint.locked():
        (signed,) = checkpoint.path.parent.glob(".*.lock.holder")
        assert orjson.loads(signed.read_bytes())["pid"] == os.getpid()
    assert not signed.exists()


def test_the_lock_is_let_go(checkpoint: Checkpoint) -> None:
    """The lock is released when the driver ends, also by an error."""
    with pytest.raises(RuntimeError, match="gone"), checkpoint.locked():
        raise RuntimeError("gone")
    assert not list(checkpoint.path.parent.glob(".*.lock.holder"))
    with checkpoint.locked():
        assert list(checkpoint.path.parent.glob(".*.lock.holder"))


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    """The error about a missing folder names the folder, not the lock."""
    (tmp_path / "file").touch()
    with (
        pytest.raises(CheckpointError, match="the folder must be writable"),
        Checkpoint(tmp_path / "file" / "c.json").locked(),
    ):
        pytest.fail("no lock can be there")
