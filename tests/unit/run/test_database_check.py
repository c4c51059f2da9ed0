"""The database check: a run resumes only on the database with its answers, unless the user accepts another one."""

from pathlib import Path
from typing import Any, override

import pytest

from floridify_batch.errors import OtherDatabase
from floridify_batch.run.database_check import adopt_database, check_database
from floridify_batch.run.driver import Driver, StopReason
from floridify_batch.run.event import ChunkSettled, Event
from floridify_batch.run.ledger import ChunkState, Ledger
from floridify_batch.run.state import Run
from tests.fakes import End, MemoryStore, Recorder, Scenario, Service

WORDS = ["bank", "tree"]


async def left(folder: Path) -> Scenario:
    """A run over unknown words whose definitions are stored, and whose second batch is in flight."""
    scenario = Scenario(folder, WORDS, Service(End(), End(polls=3)))
    run = scenario.run()
    while not any(record.state is ChunkState.SUBMITTED and record.number == 2 for record in run.ledger.chunks):
        await Driver(run).process(wait=False)
    assert run.ledger.stored_answers == 2
    return scenario


class Stopping(Recorder):
    """A recorder that stops its driver once a batch is stored."""

    driver: Driver

    @override
    def notify(self, event: Event) -> None:
        super().notify(event)
        if isinstance(event, ChunkSettled):
            self.driver.stop()


async def stored(folder: Path) -> Scenario:
    """Return a run over unknown words that was stopped when its definitions were stored."""
    scenario, recorder = Scenario(folder, WORDS, Service()), Stopping()
    recorder.driver = Driver(scenario.run(recorder=recorder))
    assert await recorder.driver.process() is StopReason.STOPPED
    return scenario


async def check(run: Run, *, elsewhere: bool = False) -> None:
    await check_database(run.ledger, run.words, run.store, elsewhere=elsewhere)


def noted(run: Run) -> Run:
    run.ledger.database_noted = True
    return run


async def test_its_own(tmp_path: Path) -> None:
    """A database with the run's record is accepted under any address."""
    scenario = await left(tmp_path)
    await check(noted(scenario.run()), elsewhere=True)


@pytest.mark.parametrize("held", [None, 1])
async def test_another(tmp_path: Path, held: int | None) -> None:
    """A database without the run's record, or with fewer answers than in the checkpoint, is refused."""
    scenario = await left(tmp_path)
    scenario.store.runs = {} if held is None else {"run1": held}
    with pytest.raises(OtherDatabase, match="--accept-database"):
        await check(noted(scenario.run()))


async def test_older_run(tmp_path: Path) -> None:
    """A run of an older version, without a record, is recognised only by an answer on its words."""
    scenario = await left(tmp_path)
    scenario.store.runs.clear()
    await check(scenario.run(), elsewhere=True)
    scenario.store = MemoryStore.of(WORDS)
    with pytest.raises(OtherDatabase, match="no record of the 2 answers"):
        await check(scenario.run())


async def test_nothing_stored_yet(tmp_path: Path) -> None:
    """A run of an older version without stored answers is accepted at its address, and not at another one."""
    scenario = Scenario(tmp_path, WORDS, Service(End(polls=9)))
    await Driver(scenario.run()).process(wait=False)
    scenario.store.runs.clear()
    await check(scenario.run())
    with pytest.raises(OtherDatabase):
        await check(scenario.run(), elsewhere=True)


async def test_nothing_planned(tmp_path: Path) -> None:
    """A run without any batch passes the check with every database."""
    scenario = Scenario(tmp_path, WORDS, Service())
    await check(noted(scenario.run()), elsewhere=True)


async def finish(scenario: Scenario) -> tuple[StopReason, Ledger]:
    run = scenario.run()
    return await Driver(run).process(), run.ledger


def without_versions(picture: dict[str, Any]) -> dict[str, Any]:
    return {word: [[*each[:3], *each[4:]] for each in senses] for word, senses in picture["entries"].items()}


async def test_accepted(tmp_path: Path) -> None:
    """In an accepted, empty database, the files on disk are stored and the rest is requested: nothing is missing."""
    scenario = await stored(tmp_path)
    before = dict(scenario.service.answered)
    scenario.store = MemoryStore()
    await adopt_database(scenario.run())
    assert len(scenario.store.picture()["entries"]) == 2
    await check(noted(scenario.run()))
    reason, ledger = await finish(scenario)
    assert (reason, sorted(ledger.processed_words), ledger.missing) == (StopReason.FINISHED, WORDS, {})
    assert all(synonyms for senses in scenario.store.picture()["entries"].values() for _, synonyms, *_ in senses)
    again = {identity: count for identity, count in scenario.service.answered.items() if identity in before}
    assert again == before, "what was on disk was not requested again"


async def test_accepted_without_answers_on_disk(tmp_path: Path) -> None:
    """Words whose answers are no longer on disk are requested again, finished ones included."""
    scenario = Scenario(tmp_path, WORDS, Service())
    await finish(scenario)
    scenario.store = MemoryStore()
    run = scenario.run()
    for record in run.ledger.chunks:
        run.folder(record).expected.unlink(missing_ok=True)
    await adopt_database(run)
    assert run.ledger.processed_words == []
    reason, ledger = await finish(scenario)
    assert (reason, sorted(ledger.processed_words)) == (StopReason.FINISHED, WORDS)
    assert all(synonyms for senses in scenario.store.picture()["entries"].values() for _, synonyms, *_ in senses)


async def test_accepted_twice(tmp_path: Path) -> None:
    """After a crash during the adoption of a database, the adoption is repeated without duplicates."""
    scenario = await stored(tmp_path)
    scenario.store = MemoryStore()
    await adopt_database(scenario.run())
    once = scenario.store.picture()
    await adopt_database(scenario.run())
    assert without_versions(scenario.store.picture()) == without_versions(once)
