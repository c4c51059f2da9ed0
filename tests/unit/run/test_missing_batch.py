"""Denied batches: a single 404, or an answer file that is not there yet, never costs a paid answer."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import override

import pytest

from floridify_batch.errors import AccessDenied, ServiceError, UnknownBatch
from floridify_batch.providers.error import Unreadable
from floridify_batch.providers.interface import BatchJob, Submission
from floridify_batch.run.driver import Driver, StopReason
from floridify_batch.run.event import Notice
from floridify_batch.run.ledger import ChunkState
from tests.fakes import MemoryStore, Recorder, Scenario, Service

WORDS = ["bank", "tree"]


class Denying(Service):
    """A service that reports its first batch, or its answers, as unknown for a number of calls."""

    def __init__(self, polls: float = 0, downloads: float = 0, *, names_files: bool = True) -> None:
        super().__init__()
        self.polls_left, self.downloads_left = polls, downloads
        self.names_files = names_files
        self.polls = 0

    @override
    async def retrieve(self, batch_id: str) -> BatchJob:
        if batch_id == "batch_1":
            self.polls += 1
            if self.polls <= self.polls_left:
                raise UnknownBatch("No such batch.")
        return await super().retrieve(batch_id)

    @override
    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        if job.id == "batch_1" and self.downloads_left > 0:
            self.downloads_left -= 1
            raise UnknownBatch("No such file.")
        await super().answers(job, output, errors)


def new_scenario(folder: Path, service: Service) -> Scenario:
    """A run of two words, one per batch."""
    return Scenario(folder, WORDS, service, MemoryStore.of(WORDS), batch_size=1)


@pytest.mark.parametrize("service", [lambda: Denying(polls=1), lambda: Denying(polls=7), lambda: Denying(downloads=3)])
async def test_a_denial_that_passes(tmp_path: Path, service: Callable[[], Service]) -> None:
    """A batch or a file that is unknown for a while is collected afterwards; nothing is requested twice."""
    denying, recorder = service(), Recorder()
    run = new_scenario(tmp_path, denying).run(recorder=recorder)
    assert await Driver(run).process() is StopReason.FINISHED
    assert sorted(run.ledger.processed_words) == WORDS
    assert set(denying.answered.values()) == {1}
    notices = [each.text for each in recorder.of(Notice)]
    assert sum("does it belong to another project?" in text for text in notices) == 1


async def test_a_denial_that_stays(tmp_path: Path) -> None:
    """A batch that is unknown for ten minutes stops the run after everything else, with its state unchanged."""
    denying = Denying(polls=float("inf"))
    stage = new_scenario(tmp_path, denying)
    run = stage.run()
    with pytest.raises(ServiceError, match=r"batch batch_1.*recover --run run1.*--give-up BATCH"):
        await Driver(run).process()
    assert (run.ledger.chunk(1).state, run.ledger.processed_words) == (ChunkState.SUBMITTED, ["tree"])
    assert 540 < sum(stage.sleeps) < 1_000
    assert 8 < denying.polls < 40


async def test_a_batch_that_this_session_never_saw(tmp_path: Path) -> None:
    """A batch that another session created, and this key cannot see, is polled again for 15 seconds."""
    denying = Denying(polls=float("inf"))
    stage = new_scenario(tmp_path, denying)
    assert await Driver(stage.run()).process(wait=False) is StopReason.IN_FLIGHT
    before = len(stage.sleeps)
    with pytest.raises(ServiceError, match="batch_1"):
        await Driver(stage.run()).process()
    assert sum(stage.sleeps[before:]) < 120


async def test_without_waiting(tmp_path: Path) -> None:
    """With --no-wait an unknown batch is polled once per session."""
    denying = Denying(polls=float("inf"))
    stage = new_scenario(tmp_path, denying)
    await Driver(stage.run()).process(wait=False)
    with pytest.raises(ServiceError, match="batch_1"):
        await Driver(stage.run()).process(wait=False)
    assert denying.polls == 1
    assert stage.sleeps == []


async def test_given_up(tmp_path: Path) -> None:
    """The words of a batch that the user gives up fail, its requests are not retried automatically, and what the
    service may have billed for them is unknown.
    """
    denying = Denying(polls=float("inf"))
    stage = new_scenario(tmp_path, denying)
    with pytest.raises(ServiceError):
        await Driver(stage.run()).process()
    run = stage.run()
    assert await Driver(run).process(give_up=["batch_1"]) is StopReason.FINISHED
    assert (run.ledger.processed_words, list(run.ledger.failed_words)) == (["tree"], ["bank"])
    assert "batch batch_1 was given up" in run.ledger.failed_words["bank"]
    assert len(denying.batches) == 2
    given_up = run.ledger.chunk(1)
    assert (given_up.unmetered, given_up.cost, run.ledger.totals().cost) == (given_up.requests, None, None)


async def test_given_up_with_answers(tmp_path: Path) -> None:
    """The answers that the service returns of a given-up batch are stored."""
    shortened = Shortened()
    stage = new_scenario(tmp_path, shortened)
    with pytest.raises(ServiceError, match="incomplete"):
        await Driver(stage.run()).process()
    run = stage.run()
    assert await Driver(run).process(give_up=["batch_1"]) is StopReason.FINISHED
    assert (run.ledger.chunk(1).answered, run.ledger.chunk(1).unmetered) == (1, 1)
    assert (list(run.ledger.incomplete_words), run.ledger.failed_words) == (["bank"], {})
    assert "batch batch_1 was given up" in run.ledger.incomplete_words["bank"]


class Shortened(Service):
    """A service whose first batch always lacks the last line that it counts."""

    @override
    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        await super().answers(job, output, errors)
        if job.id == "batch_1":
            lines = output.read_bytes().splitlines(keepends=True)  # noqa: ASYNC240  a few lines
            output.write_bytes(b"".join(lines[:-1]))  # noqa: ASYNC240


class Confused(Service):
    """A service behind a cache: `polls`, `downloads` and `creations_of_others` count replies about the other batch."""

    def __init__(self, polls: float = 0, downloads: float = 0, creations_of_others: int = 0) -> None:
        super().__init__()
        self.polls_left, self.downloads_left, self.creations_left = polls, downloads, creations_of_others

    @override
    async def create(self, submission: Submission) -> BatchJob:
        job = await super().create(submission)
        if self.creations_left and job.id != "batch_1":
            self.creations_left -= 1
            return self.batches["batch_1"].job
        return job

    @override
    async def retrieve(self, batch_id: str) -> BatchJob:
        job = await super().retrieve(batch_id)
        if batch_id == "batch_2" and self.polls_left > 0:
            self.polls_left -= 1
            return await super().retrieve("batch_1")
        return job

    @override
    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        await super().answers(job, output, errors)
        if job.id == "batch_2" and self.downloads_left > 0:
            self.downloads_left -= 1
            output.write_bytes(self.batches["batch_1"].output)  # noqa: ASYNC240  a few lines


@pytest.mark.parametrize(
    "confused", [lambda: Confused(polls=2), lambda: Confused(downloads=2), lambda: Confused(creations_of_others=1)]
)
async def test_another_batch_in_a_reply(tmp_path: Path, confused: Callable[[], Confused]) -> None:
    """Another batch's object or answer file is never taken for a batch's own: nothing is lost or paid for twice."""
    service = confused()
    run = new_scenario(tmp_path, service).run()
    assert await Driver(run).process() is StopReason.FINISHED
    assert sorted(run.ledger.processed_words) == WORDS
    assert set(service.answered.values()) == {1}
    assert len({record.batch_id for record in run.ledger.chunks}) == len(service.batches)


async def test_another_batch_in_every_reply(tmp_path: Path) -> None:
    """A batch in whose place another one is always returned stops the run after ten minutes, with its state kept."""
    run = new_scenario(tmp_path, Confused(polls=float("inf"))).run()
    with pytest.raises(ServiceError, match="returned batch batch_1"):
        await Driver(run).process()
    assert (run.ledger.chunk(2).state, run.ledger.processed_words) == (ChunkState.SUBMITTED, ["bank"])


class Refusing(Service):
    """A service that refuses every poll of its first batch with an error."""

    def __init__(self, error: ServiceError) -> None:
        super().__init__()
        self.error = error

    @override
    async def retrieve(self, batch_id: str) -> BatchJob:
        if batch_id == "batch_1":
            raise self.error
        return await super().retrieve(batch_id)


@pytest.mark.parametrize("error", [ServiceError("Bad (400)."), AccessDenied("No (403)."), Unreadable("<html>")])
async def test_one_odd_batch(tmp_path: Path, error: ServiceError) -> None:
    """A batch whose polls the service refuses, or answers with a page, costs only itself."""
    run = new_scenario(tmp_path, Refusing(error)).run()
    with pytest.raises(ServiceError, match=re.escape(str(error).rstrip("."))):
        await Driver(run).process()
    assert (run.ledger.chunk(1).state, run.ledger.processed_words) == (ChunkState.SUBMITTED, ["tree"])


async def test_pages_in_place_of_the_only_batch(tmp_path: Path) -> None:
    """A batch whose polls always return a page stops the run after ten minutes, also if it is the only one."""
    stage = Scenario(tmp_path, ["bank"], Refusing(Unreadable("<html>")), MemoryStore.of(["bank"]))
    run = stage.run()
    with pytest.raises(ServiceError, match=r"batch batch_1.*recover --run run1"):
        await Driver(run).process()
    assert run.ledger.chunk(1).state is ChunkState.SUBMITTED
    assert 540 < sum(stage.sleeps) < 1_000


class Renaming(Service):
    """A service whose creations state another id than its list, which polls deny."""

    @override
    async def create(self, submission: Submission) -> BatchJob:
        job = await super().create(submission)
        return replace(job, id=f"job-{job.id}")


async def test_an_id_that_polls_deny(tmp_path: Path) -> None:
    """A batch that the service lists under another id than its creation stated is polled by the listed one."""
    service = Renaming()
    run = new_scenario(tmp_path, service).run()
    assert await Driver(run).process() is StopReason.FINISHED
    assert sorted(run.ledger.processed_words) == WORDS
    assert set(service.answered.values()) == {1}
