"""`--retry-failed`: failed words are requested again from their first attempt, once, also after a crash."""

from pathlib import Path

import pytest

from floridify_batch.components.change import Collection
from floridify_batch.database.error import WORD_REFUSED
from floridify_batch.run.driver import Driver, StopReason
from floridify_batch.run.ledger import ChunkState, Ledger
from floridify_batch.run.state import Run
from tests.fakes import Crash, Crashed, End, Fault, MemoryStore, Scenario, Service, faultless
from tests.ledgers import run_info

WORDS = ["bank", "tree", "lake", "road"]


async def failed_in_a_stored_chunk(folder: Path) -> Scenario:
    """A run of which "bank" has failed in a chunk that is kept open by "tree"; the second chunk is in flight."""
    scenario = Scenario(folder, WORDS, Service(End(), End(polls=50)), MemoryStore.of(WORDS), batch_size=2)
    scenario.service.faults = refusing_bank
    for _ in range(2):
        assert await Driver(scenario.run()).process(wait=False) is StopReason.IN_FLIGHT
    ledger = scenario.run().ledger
    assert [record.state for record in ledger.chunks] == [ChunkState.STORED, ChunkState.SUBMITTED]
    assert list(ledger.missing) == ["bank"]
    scenario.service.faults = faultless
    return scenario


def refusing_bank(custom_id: str, before: int) -> Fault | None:
    if custom_id.startswith("bank-"):
        return "refused"
    return 500 if custom_id.startswith("tree-") and not before else None


def retried(scenario: Scenario, crash: Crash | None = None) -> Run:
    run = scenario.run(crash)
    run.ledger.retry({word: ordinal for ordinal, word in enumerate(scenario.words)})
    return run


async def test_in_a_stored_chunk(tmp_path: Path) -> None:
    """A word that failed in an unfinished chunk is retried with all attempts."""
    scenario = await failed_in_a_stored_chunk(tmp_path)
    run = retried(scenario)
    assert await Driver(run).process() is StopReason.FINISHED
    assert not run.ledger.missing
    assert sorted(run.ledger.processed_words) == sorted(WORDS)
    assert run.ledger.retrying == []
    asked = {identity: times for identity, times in scenario.service.asked.items() if identity.startswith("bank-")}
    assert list(asked.values()) == [2, 2]
    assert max(scenario.service.answered.values()) == 2


@pytest.mark.parametrize("dies_at", range(1, 40, 2))
async def test_a_crash_at_any_step(tmp_path: Path, dies_at: int) -> None:
    """The retry is granted once, for a crash before it is saved or at any time after."""
    scenario = await failed_in_a_stored_chunk(tmp_path)
    crash = Crash(dies_at)
    try:
        await Driver(retried(scenario, crash)).process()
    except Crashed:
        run = scenario.run()
        forgotten = bool(run.ledger.missing)
        assert not forgotten or crash.steps == 1
        await Driver(retried(scenario) if forgotten else run).process()
    ledger = scenario.run().ledger
    assert ledger.finished
    assert not ledger.missing
    assert ledger.retrying == []
    assert all(
        times == (2 if identity.startswith("bank-") else 1) for identity, times in scenario.service.answered.items()
    )


async def test_a_word_is_deleted(tmp_path: Path) -> None:
    """A failed word that somebody has deleted since is not created again: it fails with that reason."""
    scenario = await failed_in_a_stored_chunk(tmp_path)
    words = scenario.store.documents[Collection.WORDS]
    words.pop(next(each for each, word in words.items() if word["text"] == "bank"))
    run = retried(scenario)
    assert await Driver(run).process() is StopReason.FINISHED
    assert list(run.ledger.failed_words) == ["bank"]
    assert run.ledger.failed_words["bank"].startswith("somebody deleted or renamed this word")
    assert not [word for word in words.values() if word["text"] == "bank"]
    asked = [identity for held in [*scenario.service.batches.values()][2:] for identity in held.ids]
    assert not any(identity.startswith("bank-") for identity in asked)


def test_a_refused_word_is_created() -> None:
    """A word that the database has refused never had a document: a retry creates it."""
    ledger = Ledger(
        start_time=0, run=run_info(), failed_words={"bank": f"{WORD_REFUSED}: duplicate", "tree": "refused"}
    )
    ledger.retry({"bank": 0, "tree": 1})
    assert (ledger.retrying, ledger.requested) == ([0, 1], [1])
    ledger.reopen(set())
    assert ledger.requested == []
