"""Cancellation of a run: finished answers are stored, nothing is submitted, and an interrupted cancellation can be
resumed.
"""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import override

import pytest

from floridify_batch.costs.price import Price
from floridify_batch.errors import ServiceError
from floridify_batch.pipeline.plan import PAGE_WORDS
from floridify_batch.providers.interface import BatchJob
from floridify_batch.run.driver import Driver, StopReason
from floridify_batch.run.event import Event, ListRead
from floridify_batch.run.ledger import ChunkState
from floridify_batch.run.state import Run
from tests.fakes import Crash, Crashed, End, MemoryStore, Recorder, Scenario, Service

SLOWLY = 5


class Slow(Service):
    """A service that takes several polls to cancel a batch, and keeps the answers of half of it."""

    def __init__(self) -> None:
        super().__init__()
        self.left: dict[str, int] = {}

    @override
    async def cancel(self, batch_id: str) -> BatchJob:
        held = self._held(batch_id)
        self.cancelled.append(batch_id)
        if not held.job.terminal and batch_id not in self.left:
            self.left[batch_id] = SLOWLY
            held.end = End(polls=10**9)
            held.job = replace(held.job, status="cancelling")
        return held.job

    @override
    async def retrieve(self, batch_id: str) -> BatchJob:
        held = self._held(batch_id)
        if batch_id in self.left and not held.job.terminal:
            self.left[batch_id] -= 1
            if not self.left[batch_id]:
                self._finish(held, "cancelled", len(held.ids) // 2)
            return held.job
        return await super().retrieve(batch_id)


def new_scenario(folder: Path, words: str) -> Scenario:
    """Return a run over known words, one word per batch, with the slow service."""
    store = MemoryStore()
    for word in words.split():
        store.know(word, f"{word}, a sense", f"{word}, another")
    return Scenario(folder, words.split(), Slow(), store, batch_size=1)


async def sent(scenario: Scenario) -> None:
    """Submit the batches, and exit."""
    assert await Driver(scenario.run()).process(wait=False) is StopReason.IN_FLIGHT


async def test_cancelled_to_the_end(tmp_path: Path) -> None:
    """Every batch is cancelled once, awaited, and its finished half is stored; resuming requests only the rest."""
    scenario = new_scenario(tmp_path, "bank tree")
    await sent(scenario)
    run = scenario.run()
    assert await Driver(run).cancel_batches() is StopReason.CANCELLED
    assert scenario.service.cancelled == ["batch_1", "batch_2"]
    assert (run.ledger.totals().answered, run.in_flight(), len(scenario.service.batches)) == (4, 0, 2)
    again = scenario.run()
    assert await Driver(again).process() is StopReason.FINISHED
    assert sorted(again.ledger.processed_words) == ["bank", "tree"]
    assert set(scenario.service.answered.values()) == {1}
    assert len(scenario.service.answered) == 8


async def test_interrupted_while_cancelling(tmp_path: Path) -> None:
    """An interrupted cancellation returns at once; the same command, or `resume`, continues it."""
    scenario = new_scenario(tmp_path, "bank tree")
    await sent(scenario)
    run = scenario.run()
    driver = Driver(run)
    _stop_at_first_nap(run, driver)
    assert await driver.cancel_batches() is StopReason.STOPPED
    assert {record.state for record in run.ledger.chunks} == {ChunkState.SUBMITTED}
    run = scenario.run()
    assert await Driver(run).cancel_batches() is StopReason.CANCELLED
    assert (run.ledger.totals().answered, len(scenario.service.batches)) == (4, 2)


async def test_nothing_is_left_to_cancel(tmp_path: Path) -> None:
    """A run whose batches have all ended is stored, and finished if nothing remains to be requested."""
    scenario = new_scenario(tmp_path, "bank")
    await sent(scenario)
    for held in scenario.service.batches.values():
        scenario.service._finish(held, "completed", None)
    run = scenario.run()
    assert await Driver(run).cancel_batches() is StopReason.FINISHED
    assert run.ledger.processed_words == ["bank"]


async def test_a_batch_that_is_gone(tmp_path: Path) -> None:
    """A batch that the service reports as unknown stops the command at the end; the others are cancelled first."""
    scenario = new_scenario(tmp_path, "bank tree")
    await sent(scenario)
    del scenario.service.batches["batch_1"]
    run = scenario.run()
    with pytest.raises(ServiceError, match="batch_1"):
        await Driver(run).cancel_batches()
    assert run.ledger.totals().answered == 2
    assert len(scenario.service.batches) == 1


def _stop_at_first_nap(run: Run, driver: Driver) -> None:
    async def nap(_: float) -> None:
        driver.stop()

    run.sleep = nap


class Impatient(Recorder):
    """An observer that stops the driver when the first page of the list has been read."""

    def __init__(self) -> None:
        super().__init__()
        self.drivers: list[Driver] = []

    @override
    def notify(self, event: Event) -> None:
        super().notify(event)
        if isinstance(event, ListRead):
            for driver in self.drivers:
                driver.stop()


async def test_stopped_while_the_list_is_read(tmp_path: Path) -> None:
    """A stop in a long list of complete words takes effect after the current page, from which the run resumes."""
    words = [f"w{number}" for number in range(3 * PAGE_WORDS)]
    first = Scenario(tmp_path, words, Service(), components=())
    assert await Driver(first.run()).process() is StopReason.FINISHED
    (tmp_path / "second").mkdir()
    scenario = Scenario(tmp_path / "second", words, Service(), first.store, components=())
    recorder = Impatient()
    run = scenario.run(recorder=recorder)
    recorder.drivers.append(Driver(run))
    assert await recorder.drivers[0].process() is StopReason.STOPPED
    ledger = scenario.run().ledger
    assert (ledger.list_cursor, len(ledger.processed_words)) == (PAGE_WORDS, PAGE_WORDS)
    run = scenario.run()
    assert await Driver(run).process() is StopReason.FINISHED
    assert list(run.ledger.processed_words) == words
    assert not scenario.service.batches


# ── and before a wall ──────────────────────────────────────────────────────────────────────────────────────────────

PRICE = Price(Decimal(1000), Decimal(1000))
"""A price at which a cost limit of 8 dollars is reached before all of these words are requested."""
MANY = [f"w{number}" for number in range(40)]


def limited(scenario: Scenario, max_cost: str, crash: Crash | None = None) -> Run:
    run = scenario.run(crash)
    run.ledger.change_execution_settings({"max_cost": Decimal(max_cost), "price": PRICE})
    return run


def many(folder: Path, *ends: End) -> Scenario:
    return Scenario(folder, MANY, Service(*ends), MemoryStore.of(MANY))


async def test_cancelled_before_cost_limit(tmp_path: Path) -> None:
    """Cancelling plans no chunk and reads no further word, so that the next chunk fits the cost limit."""
    scenario = many(tmp_path, End(polls=100))
    assert await Driver(limited(scenario, "8")).process(wait=False) is StopReason.IN_FLIGHT
    before = scenario.run().ledger.chunks
    run = limited(scenario, "8")
    assert await Driver(run).cancel_batches() is StopReason.CANCELLED
    assert [record.words for record in run.ledger.chunks] == [record.words for record in before]
    assert run.ledger.list_cursor == sum(record.words for record in before) < len(MANY)
    assert not run.ledger.totals().cost
    run = limited(scenario, "8")
    assert await Driver(run).process() is StopReason.COST_LIMIT
    assert 6 < (run.ledger.totals().cost or 0) <= 8
    assert await Driver(limited(scenario, "1000")).process() is StopReason.FINISHED
    assert set(scenario.service.answered.values()) == {1}


async def packed_without_cost_limit(scenario: Scenario) -> None:
    """Crash when the first chunk has been finished, and not been submitted."""
    with pytest.raises(Crashed):
        await Driver(scenario.run(Crash(dies_at=3))).process()
    (record,) = scenario.run().ledger.chunks
    assert (record.state, record.words, record.submission) == (ChunkState.PLANNED, len(MANY), 0)
    assert not scenario.service.batches


@pytest.mark.parametrize("dies_at", range(8))
async def test_later_cost_limit(tmp_path: Path, dies_at: int) -> None:
    """A chunk above a new or lower cost limit is split before submission, also after a crash at any point."""
    scenario = many(tmp_path)
    await packed_without_cost_limit(scenario)
    try:
        reason = await Driver(limited(scenario, "8", Crash(dies_at))).process()
    except Crashed:
        reason = await Driver(limited(scenario, "8")).process()
    assert reason is StopReason.COST_LIMIT
    ledger = scenario.run().ledger
    assert ledger.chunks[0].state is ChunkState.SPLIT
    assert 0 < len(ledger.processed_words) < len(MANY)
    assert await Driver(limited(scenario, "1000")).process() is StopReason.FINISHED
    assert set(scenario.service.answered.values()) == {1}
    assert len(scenario.service.answered) == 2 * len(MANY)


async def test_cost_limit_and_older_checkpoint(tmp_path: Path) -> None:
    """A chunk whose batch exists at the service is not split: the paid batch is adopted."""
    scenario = many(tmp_path)
    await packed_without_cost_limit(scenario)
    path = tmp_path / "run.checkpoint.json"
    older = path.read_bytes()
    assert await Driver(limited(scenario, "1000")).process(wait=False) is StopReason.IN_FLIGHT
    path.write_bytes(older)
    run = limited(scenario, "8")
    assert await Driver(run).process() is StopReason.COST_LIMIT
    assert scenario.service.sizes == [2 * len(MANY)]
