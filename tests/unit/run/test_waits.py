"""Waits that the service asks for: a queue that is full at the creation of a batch, and Retry-After."""

import asyncio
import re
from pathlib import Path
from typing import override

import pytest

from floridify_batch.errors import QueueFull, ServiceBusy
from floridify_batch.providers.interface import BatchError, BatchJob, Submission
from floridify_batch.run.driver import Driver, StopReason
from floridify_batch.run.event import Waiting
from floridify_batch.run.feeder import Feeder
from floridify_batch.run.ledger import ChunkState, Ledger
from tests.fakes import End, MemoryStore, Recorder, Scenario, Service

WORDS = [f"word{letter}" for letter in "abcdefgh"]


def new_scenario(folder: Path, service: Service, batch_size: int | None = 2) -> Scenario:
    return Scenario(folder, WORDS, service, MemoryStore.of(WORDS), batch_size=batch_size)


async def finished(scenario: Scenario) -> Ledger:
    run = scenario.run()
    assert await Driver(run).process() is StopReason.FINISHED
    assert sorted(run.ledger.processed_words) == WORDS
    assert set(scenario.service.answered.values()) == {1}
    return run.ledger


# ── a full queue ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_full_at_creation(tmp_path: Path) -> None:
    """A batch refused by the full queue waits until one of ours ends, and is created from the uploaded file."""
    scenario = new_scenario(tmp_path, Service(*[End(polls=2)] * 4))
    scenario.service.creations.extend(["made", "full", "made"])
    ledger = await finished(scenario)
    assert len(scenario.service.files) == len(scenario.service.batches) == len(ledger.chunks) == 4
    assert ledger.token_limit is None


async def test_full_of_others_at_creation(tmp_path: Path) -> None:
    """A queue filled by other clients is waited for, without splitting the batch."""
    scenario = new_scenario(tmp_path, Service(), batch_size=None)
    scenario.service.creations.extend(["full", "full"])
    scenario.service.crowded = True
    ledger = await finished(scenario)
    assert (len(ledger.chunks), len(scenario.service.files)) == (1, 1)


async def test_the_named_limit(tmp_path: Path) -> None:
    """A batch that is too large for the empty queue is split at once to the limit that the message names."""
    scenario = new_scenario(tmp_path, Service(), batch_size=None)
    planned = await Feeder(scenario.run()).next_chunk(alone=True)
    assert planned is not None
    whole = planned.input_tokens
    scenario.service.creations.append("full")
    scenario.service.full = f"Enqueued token limit reached for gpt-6-luna. Limit: {whole * 3 // 4:,} enqueued tokens."
    ledger = await finished(scenario)
    assert ledger.token_limit == int(whole * 3 // 4 * 0.95)
    assert len(scenario.service.batches) == 2


async def test_the_named_limit_of_a_batch_that_failed(tmp_path: Path) -> None:
    """A batch that fails only at its validation is split to the limit that its error names, not to a half."""
    planned = await Feeder(new_scenario(tmp_path / "planned", Service(), batch_size=None).run()).next_chunk(alone=True)
    assert planned is not None
    limit = planned.input_tokens * 4 // 5
    message = f"Enqueued token limit reached for gpt-6-luna in organization o. Limit: {limit} enqueued tokens."
    service = Service(End("failed", error=BatchError("token_limit_exceeded", message)))
    ledger = await finished(new_scenario(tmp_path, service, batch_size=None))
    assert ledger.token_limit == int(limit * 0.95)
    assert len(service.batches) == 3


@pytest.mark.parametrize(("bounces", "chunks"), [(1, 1), (2, 3)])
async def test_a_batch_within_the_named_limit(tmp_path: Path, bounces: int, chunks: int) -> None:
    """A batch that fits the named limit is submitted again as it is, since the service may have validated a later one
    before it; it is split only if the empty queue refuses it twice.
    """
    error = BatchError("token_limit_exceeded", "Enqueued token limit reached for m. Limit: 900,000 enqueued tokens.")
    service = Service(*[End("failed", error=error)] * bounces)
    ledger = await finished(new_scenario(tmp_path, service, batch_size=None))
    assert len(ledger.chunks) == chunks


async def test_one_word_that_is_too_large(tmp_path: Path) -> None:
    """A batch of one word that the empty queue refuses stops the run; its state stays planned, and can resume."""
    scenario = new_scenario(tmp_path, Service(), batch_size=1)
    scenario.service.creations.append("full")
    with pytest.raises(QueueFull, match="Enqueued token limit"):
        await Driver(scenario.run()).process()
    assert scenario.run().ledger.chunk(1).state is ChunkState.PLANNED
    await finished(scenario)


# ── Retry-After ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_retry_after_at_creation(tmp_path: Path) -> None:
    """A creation refused with Retry-After is retried after that time, without a look-up."""
    scenario = new_scenario(tmp_path, Service(), batch_size=None)
    scenario.service.creations.append("busy")
    await finished(scenario)
    assert 4.0 <= scenario.sleeps[0] <= 7.0  # the clock advances a little by itself
    assert len(scenario.service.files) == 1


class Resting(Service):
    """A service that asks for a pause of an hour before its first creation."""

    rested = False

    @override
    async def create(self, submission: Submission) -> BatchJob:
        if not self.rested:
            self.rested = True
            raise ServiceBusy("Too many requests. It asks for a pause of 5 h.", 3600.0)
        return await super().create(submission)


async def test_a_long_pause_at_creation(tmp_path: Path) -> None:
    """A long pause is stated with its length and its end."""
    scenario, recorder = new_scenario(tmp_path, Resting(), batch_size=None), Recorder()
    assert await Driver(scenario.run(recorder=recorder)).process() is StopReason.FINISHED
    said = [each.reason for each in recorder.of(Waiting)]
    assert re.search(r"5 h\. Retrying in 3,600 s, at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\.$", said[0])


async def test_a_creation_without_waiting(tmp_path: Path) -> None:
    """A session that does not wait for batches still creates one that the service does not accept at first."""
    scenario = new_scenario(tmp_path, Service(End(polls=2)), batch_size=None)
    scenario.service.creations.append("busy")
    run = scenario.run()
    assert await Driver(run).process(wait=False) is StopReason.IN_FLIGHT
    assert [each.state for each in run.ledger.chunks] == [ChunkState.SUBMITTED]
    assert len(scenario.sleeps) == 1


async def test_a_long_pause_without_waiting(tmp_path: Path) -> None:
    """Such a session ends at once if the service asks for more than a minute; the next one creates the batch."""
    scenario = new_scenario(tmp_path, Resting(), batch_size=None)
    run = scenario.run()
    assert await Driver(run).process(wait=False) is StopReason.IN_FLIGHT
    assert scenario.sleeps == []
    await finished(scenario)


async def test_retry_after_at_upload(tmp_path: Path) -> None:
    """An upload refused with Retry-After is retried after that time."""
    scenario = new_scenario(tmp_path, Service(), batch_size=None)
    scenario.service.busy_uploads = 2
    await finished(scenario)
    assert scenario.sleeps[:2] == [7.0, 7.0]


# ── answers that cannot be had ─────────────────────────────────────────────────────────────────────────────────────


class Endless(Service):
    """A service whose downloads do not end until `released`."""

    released = False

    @override
    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        if not self.released:
            await asyncio.Event().wait()
        await super().answers(job, output, errors)


@pytest.mark.parametrize("winding_up", [False, True])
async def test_stopped_while_answers_are_downloaded(tmp_path: Path, winding_up: bool) -> None:
    """A run stopped during an endless download exits without waiting for it, and the answers are stored later."""
    scenario = new_scenario(tmp_path, service := Endless(), batch_size=None)
    assert await Driver(scenario.run()).process(wait=False) is StopReason.IN_FLIGHT
    if winding_up:
        service.batches["batch_1"].end = End(polls=0)
        await service.retrieve("batch_1")
    driver = Driver(scenario.run())
    asyncio.get_running_loop().call_later(0.2, driver.stop)
    async with asyncio.timeout(10):
        assert await (driver.cancel_batches() if winding_up else driver.process()) is StopReason.STOPPED
    assert scenario.run().ledger.chunk(1).state is ChunkState.SUBMITTED
    service.released = True
    await finished(scenario)
