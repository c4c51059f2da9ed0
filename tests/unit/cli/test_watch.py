"""`status --watch`: the view of a run follows from its checkpoint and from its batches at the service."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from floridify_batch.cli.watch import Watch, view_of
from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.display.view import FINISHED_SHOWN
from floridify_batch.providers.interface import BatchJob
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import ChunkRecord, ChunkState, Ledger
from tests.ledgers import record, run_info

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
S = ChunkState


def later(**time: float) -> datetime:
    return NOON + timedelta(**time)


def ledger_of(*records: ChunkRecord) -> Ledger:
    return Ledger(start_time=NOON.timestamp(), run=run_info(words=100), chunks=list(records))


def chunk(number: int, state: ChunkState, **facts: Any) -> ChunkRecord:
    return record(number, state, **{"words": 50, "requests": 400, "batch_id": f"batch_{number}"} | facts)


def job(number: int, done: int) -> BatchJob:
    return BatchJob(f"batch_{number}", "in_progress", None, NOON, later(hours=24), total=400, done=done)


def test_batches_are_shown_as_the_run_shows_them() -> None:
    """Unfinished batches are in flight with the service's counts; the last finished ones have their outcomes."""
    stored = [chunk(n, S.DONE, answered=390, failures={"refused": 10}) for n in (1, 2, 3)]
    ledger = ledger_of(*stored, chunk(4, S.SUBMITTED), chunk(5, S.PLANNED, batch_id=None))
    view = view_of(ledger, {"batch_4": job(4, 100)}, later(minutes=3))
    assert [(each.chunk, each.state, each.done) for each in view.batches.values()] == [
        (4, "SUBMITTED", 100),
        (5, "PLANNED", 0),
    ]
    assert [(each.chunk, each.done, each.failed) for each in view.finished] == [(2, 400, 10), (3, 400, 10)]
    assert len(view.finished) == FINISHED_SHOWN
    assert (view.totals, view.failures) == (ledger.totals(), {"refused": 30})
    assert (view.activity, view.elapsed(later(minutes=3))) == ("Waiting for 1 batch", timedelta(minutes=3))
    assert view.words_per_minute(later(minutes=3)) is None


def test_rates_follow_from_two_polls() -> None:
    """The ETA follows from the progress since the last poll, as it does in the run."""
    ledger = ledger_of(chunk(1, S.SUBMITTED))
    before = view_of(ledger, {"batch_1": job(1, 0)}, NOON)
    view = view_of(ledger, {"batch_1": job(1, 100)}, later(minutes=1), before=before)
    assert (before.eta, view.eta) == (None, timedelta(minutes=3))
    ledger.chunks = [chunk(1, S.SUBMITTED, batch_id="batch_9")]
    assert view_of(ledger, {"batch_9": job(9, 100)}, later(minutes=2), before=view).eta is None


@pytest.mark.parametrize(
    ("states", "activity"),
    [
        ((S.ANSWERED, S.SUBMITTED), "Storing results of batch 1"),
        ((S.SUBMITTED, S.SUBMITTING), "Submitting batch 2"),
        ((S.SUBMITTED, S.SUBMITTED), "Waiting for 2 batches"),
        ((), "Planning words"),
    ],
)
def test_the_activity_follows_from_the_states(states: tuple[ChunkState, ...], activity: str) -> None:
    """The activity is the step that follows from the states."""
    ledger = ledger_of(*(chunk(number, state) for number, state in enumerate(states, 1)))
    assert view_of(ledger, {}, NOON).activity == activity
    assert view_of(ledger, {}, NOON, idle="Idle").activity == "Idle"


def test_the_end_of_a_run_is_seen() -> None:
    """A finished ledger is shown as a run that has ended, not as one with nothing to do."""
    ledger = ledger_of(chunk(1, S.DONE, answered=400, cost=Decimal(1)))
    ledger.processed_words = [f"w{n}" for n in range(ledger.run.words)]
    ledger.timestamp = later(hours=2).isoformat()
    view = view_of(ledger, {}, later(hours=9))
    assert (view.complete, view.activity, view.elapsed(later(hours=9))) == (True, "Complete", timedelta(hours=2))


def test_watching_neither_locks_nor_writes(tmp_path: Path) -> None:
    """Watching takes no lock, changes no file, and detects whether a process holds the run."""
    checkpoint = Checkpoint(tmp_path / "words.checkpoint.json")
    checkpoint.create_folder()
    checkpoint.save(ledger_of(chunk(1, S.SUBMITTED)))
    with checkpoint.locked():
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        assert checkpoint.is_held()
        assert Watch(checkpoint).ledger.chunks == [chunk(1, S.SUBMITTED)]
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert not checkpoint.is_held()


def test_a_process_that_died_holds_nothing(tmp_path: Path) -> None:
    """The lock file of a killed process does not count as a running process; one of another machine does."""
    checkpoint = Checkpoint(tmp_path / "words.checkpoint.json")
    holder = tmp_path / ".words.checkpoint.json.lock.holder"
    with checkpoint.locked():
        signed = orjson.loads(holder.read_bytes())
    for sign, held in (({"pid": 2**22 + 1}, False), ({"host": "elsewhere"}, True), ({"pid": "none"}, False)):
        holder.write_bytes(orjson.dumps(signed | sign))
        assert checkpoint.is_held() is held


async def test_only_a_changed_checkpoint_is_read_again(tmp_path: Path) -> None:
    """An unchanged ledger is not read again; examples of new kinds of failures are loaded as they appear."""
    checkpoint = Checkpoint(tmp_path / "words.checkpoint.json")
    checkpoint.create_folder()
    checkpoint.save(ledger_of(chunk(1, S.SUBMITTED)))
    watch = Watch(checkpoint)
    first = (await watch.poll(None), watch.ledger)
    assert first[0].activity.startswith("Not running; resume with: batch-synth resume")
    await watch.poll(None)
    assert watch.ledger is first[1]
    folder = checkpoint.folder / "0001"
    folder.mkdir()
    failure = Failure("cat-0-domain", FailureReason.REFUSED, "no")
    line = {
        "word": 0,
        "custom_id": failure.custom_id,
        "reason": "refused",
        "detail": "no",
        "attempt": 1,
        "cap_doublings": 0,
    }
    (folder / "failures.jsonl").write_bytes(orjson.dumps(line | {"status": None}) + b"\n")
    checkpoint.save(ledger_of(chunk(1, S.STORED, answered=399, failures={"refused": 1})))
    view = await watch.poll(None)
    assert view.examples == {"refused": failure}
    assert view.finished[0].failed == 1
