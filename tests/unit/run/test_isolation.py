"""Fault isolation: a chunk that cannot be stored and a word that cannot be planned cost themselves, not the run."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from floridify_batch.errors import (
    AnswersOutdated,
    BatchSynthError,
    CheckpointError,
    DatabaseError,
    DatabaseUnreachable,
    FileDamaged,
    FormRefused,
    PartialFailure,
    ServiceUncertain,
    UsageError,
    WorkersLost,
    stops_run,
)
from floridify_batch.run.driver import Driver, StopReason
from floridify_batch.run.event import ChunkSettled, Event
from floridify_batch.run.ledger import ChunkState, Ledger
from tests.fakes import Crash, Crashed, End, MemoryStore, Recorder, Scenario, Service

WORDS = [f"word{letter}" for letter in "abcdef"]


def new_scenario(folder: Path, *ends: End, words: list[str] | None = None, batch_size: int = 2) -> Scenario:
    listed = words or WORDS
    return Scenario(folder, listed, Service(*ends), MemoryStore.of(listed), batch_size=batch_size)


async def left(scenario: Scenario, kind: type[BatchSynthError] = PartialFailure) -> tuple[str, Ledger]:
    """Drive a run to the error in which it ends with something left; the message and the saved ledger."""
    run = scenario.run()
    with pytest.raises(kind) as raised:
        await Driver(run).process()
    assert type(raised.value) is kind
    ledger = run.checkpoint.load()
    assert ledger is not None
    return str(raised.value), ledger


async def finished(scenario: Scenario) -> Ledger:
    run = scenario.run()
    assert await Driver(run).process() is StopReason.FINISHED
    assert sorted(run.ledger.processed_words) == scenario.words
    assert set(scenario.service.answered.values()) == {1}
    return run.ledger


@pytest.mark.parametrize(
    ("error", "stops"),
    [
        (FileDamaged("x"), False),
        (DatabaseError("x"), False),
        (KeyError("x"), False),
        (DatabaseUnreachable("x"), True),
        (AnswersOutdated("x"), True),
        (CheckpointError("x"), True),
        (FormRefused("x"), True),
        (ServiceUncertain("x"), True),
        (UsageError("x"), True),
        (WorkersLost("x"), True),
        (OSError("x"), True),
    ],
)
def test_errors_that_stop_a_run(error: Exception, stops: bool) -> None:
    """A run stops if it needs the service, the database, the disk or the user, and never for a single chunk or word."""
    assert stops_run(error) is stops


# ── chunks ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_refused_write(tmp_path: Path) -> None:
    """A batch with a write that the database refuses is deferred; the others are stored, and the message says so."""
    scenario = new_scenario(tmp_path)
    scenario.store.refused = {"wordb"}
    message, ledger = await left(scenario)
    assert "Batch 1 is not processed: The database refused a write about wordb." in message
    assert "Everything else is done." in message
    assert "resume --give-up batch_1" in message
    assert sorted(ledger.processed_words) == ["wordc", "wordd", "worde", "wordf"]
    assert [each.state for each in ledger.chunks] == [ChunkState.ANSWERED, ChunkState.DONE, ChunkState.DONE]
    scenario.store.refused = set()
    await finished(scenario)


async def test_refused_answers_are_given_up(tmp_path: Path) -> None:
    """`--give-up` stores what the database takes; the refused word is incomplete or failed, and nothing is repeated."""
    scenario = new_scenario(tmp_path)
    scenario.store.refused = {"wordb"}
    await left(scenario)
    run = scenario.run()
    assert await Driver(run).process(give_up=("batch_1",)) is StopReason.FINISHED
    assert list(run.ledger.missing) == ["wordb"]
    assert len(run.ledger.processed_words) == 5
    assert set(scenario.service.answered.values()) == {1}


async def test_a_database_that_refuses_everything(tmp_path: Path) -> None:
    """If every batch of writes is refused, the run stops with the database's message and submits nothing more."""
    words = [f"word{letter}" for letter in "abcdefghijklmnop"]
    scenario = new_scenario(tmp_path, words=words)
    scenario.store.refused = set(words)
    run = scenario.run()
    run.ledger.change_execution_settings({"max_batches": 1})
    with pytest.raises(DatabaseError, match="refused a write about"):
        await Driver(run).process()
    assert len(scenario.service.batches) == 3


async def test_beside_a_missing_batch(tmp_path: Path) -> None:
    """With a missing batch and a refused write, the run ends as for the missing batch, and the message names both."""
    scenario = new_scenario(tmp_path, End(), End(unknown=True))
    scenario.store.refused = {"worda"}
    run = scenario.run()
    with pytest.raises(BatchSynthError) as raised:
        await Driver(run).process()
    assert raised.value.exit_code == 4
    assert "batch_2" in str(raised.value)
    assert "Batch 1 is not processed" in str(raised.value)
    assert sorted(run.ledger.processed_words) == ["worde", "wordf"]


async def test_lost_requests_are_made_again(tmp_path: Path) -> None:
    """A chunk with damaged requests that was not submitted is planned again; nothing is lost or sent twice."""
    scenario = new_scenario(tmp_path, batch_size=6)
    with pytest.raises(Crashed):
        await Driver(scenario.run(Crash(dies_at=3))).process()
    (tmp_path / "run.checkpoint.files" / "0001" / "requests.jsonl").write_bytes(b"{}\n")
    ledger = await finished(scenario)
    assert [each.state for each in ledger.chunks] == [ChunkState.DONE] * 2
    assert len(scenario.service.batches) == 1


def emptied(path: Path) -> None:
    path.write_bytes(b"\0" * 40)


@pytest.mark.parametrize("harm", [Path.unlink, emptied])
async def test_a_damaged_chunk_among_others(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """A chunk in flight with a damaged file is deferred; the others continue, and it is stored once repaired."""
    scenario = new_scenario(tmp_path, *[End(polls=2)] * 3)
    assert await Driver(scenario.run()).process(wait=False) is StopReason.IN_FLIGHT
    path = tmp_path / "run.checkpoint.files" / "0002" / "expected.jsonl"
    before = path.read_bytes()
    harm(path)
    message, ledger = await left(scenario)
    assert f"{path}" in message
    assert sorted(ledger.processed_words) == ["worda", "wordb", "worde", "wordf"]
    path.write_bytes(before)
    await finished(scenario)


async def test_a_stored_chunk_whose_failures_are_damaged(tmp_path: Path) -> None:
    """Words of a stored chunk are deferred if its failures cannot be read: no request is sent twice."""
    scenario = new_scenario(tmp_path)
    scenario.service.faults = lambda name, asked: "missing" if name.startswith("worda") and not asked else None
    run, before = scenario.run(), b""
    path = tmp_path / "run.checkpoint.files" / "0001" / "failures.jsonl"

    class Harmful(Recorder):
        def notify(self, event: Event) -> None:
            nonlocal before
            super().notify(event)
            if isinstance(event, ChunkSettled) and event.chunk == 1:
                before = path.read_bytes()
                path.write_bytes(b"{")

    run.observer = Harmful()
    with pytest.raises(PartialFailure, match=re.escape(f"{path} is damaged")):
        await Driver(run).process()
    assert before
    path.write_bytes(before)
    await finished(scenario)


# ── words ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_word_that_cannot_be_read(tmp_path: Path) -> None:
    """A word whose documents cannot be read is deferred and named; the others of its page continue."""
    scenario = new_scenario(tmp_path)
    scenario.store.broken = {"wordc"}
    message, ledger = await left(scenario)
    assert "wordc is not planned: unexpected KeyError: 'wordc'." in message
    assert len(ledger.processed_words) == 5
    assert not ledger.finished
    scenario.store.broken = set()
    await finished(scenario)


async def test_a_word_that_cannot_be_read_later(tmp_path: Path) -> None:
    """A word with stored first answers that cannot be read stays in its chunk, and continues from there."""
    scenario = new_scenario(tmp_path, End(polls=2), End(polls=2), End(polls=2))
    scenario.service.faults = lambda _, asked: "missing" if not asked else None
    assert await Driver(scenario.run()).process(wait=False) is StopReason.IN_FLIGHT
    scenario.store.broken = {"wordc"}
    run = scenario.run()
    with pytest.raises(BatchSynthError, match="wordc"):
        await Driver(run).process()
    assert "wordc" not in run.ledger.missing
    scenario.store.broken = set()
    await finished(scenario)


async def test_a_database_that_cannot_be_read(tmp_path: Path) -> None:
    """If no word can be read, the run stops and submits nothing."""
    words = [f"word{number:03}" for number in range(250)]
    scenario = new_scenario(tmp_path, words=words)
    scenario.store.broken = set(words)
    with pytest.raises(PartialFailure, match="97 more words are not planned"):
        await Driver(scenario.run()).process()
    assert not scenario.service.files
    assert scenario.run().ledger.list_cursor == 0
