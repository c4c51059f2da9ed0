"""Denied batches: a single 404, or an answer file that is not there yet, never costs a paid answer."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, override

import pytest

from floridify_batch.errors import AccessDenied, ServiceError, UnknownBatch
from floridify_batch.providers.error import Unreadable
from floridify_batch.providers.interface import BatchJob, Submission
from floridify_batch.run.driver import Driver, StopReason
from floridify_batch.run.event import Notice
from floridify_batch.run.ledger import ChunkState
from floridify_batch.run.missing_batch import reconciled
from floridify_batch.timing import utc_now
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


class Forgetting(Service):
    """A service whose first batch, once it has ended, is reported for a number of polls as these ends in turn."""

    def __init__(self, *reports: dict[str, Any], polls: float) -> None:
        super().__init__()
        self.reports, self.polls = list(reports), polls

    @override
    async def retrieve(self, batch_id: str) -> BatchJob:
        job = await super().retrieve(batch_id)
        if batch_id != "batch_1" or self.polls <= 0:
            return job
        self.polls -= 1
        report = self.reports.pop(0) if len(self.reports) > 1 else self.reports[0]
        return replace(job, output_file_id=None, error_file_id=None, **report)


_UNCOUNTED: dict[str, Any] = {"total": 0, "done": 0}
_GONE: dict[str, Any] = {"status": "expired", **_UNCOUNTED}


@pytest.mark.parametrize(
    "first", [{"status": "completed"}, {"status": "completed", **_UNCOUNTED}, {"status": "in_progress"}]
)
@pytest.mark.parametrize("later", [_GONE, {"status": "cancelled", **_UNCOUNTED}])
async def test_an_end_that_is_forgotten(tmp_path: Path, first: dict[str, Any], later: dict[str, Any]) -> None:
    """A batch that was completed, or had finished requests, and is then reported as expired or cancelled without files
    is polled further: its answers are stored when they are there, and none is requested again.
    """
    service = Forgetting(first, later, polls=4)
    run = new_scenario(tmp_path, service).run()
    assert await Driver(run).process() is StopReason.FINISHED
    assert sorted(run.ledger.processed_words) == WORDS
    assert set(service.answered.values()) == {1}


async def test_an_end_that_stays_forgotten(tmp_path: Path) -> None:
    """Answers that a service had counted and no longer has stop the run after ten minutes, with its state unchanged."""
    run = new_scenario(tmp_path, Forgetting({"status": "completed"}, _GONE, polls=float("inf"))).run()
    with pytest.raises(ServiceError, match=r"batch batch_1.*--give-up BATCH"):
        await Driver(run).process()
    assert (run.ledger.chunk(1).state, run.ledger.processed_words) == (ChunkState.SUBMITTED, ["tree"])


async def test_an_end_that_another_session_saw(tmp_path: Path) -> None:
    """The next session knows that a batch has answers, of which the service then states nothing."""
    service = Forgetting({"status": "completed"}, _GONE, polls=3)
    stage = new_scenario(tmp_path, service)
    assert await Driver(stage.run()).process(wait=False) is StopReason.IN_FLIGHT
    for _ in range(3):
        with pytest.raises(ServiceError, match="batch_1"):
            await Driver(stage.run()).process(wait=False)
    run = stage.run()
    assert await Driver(run).process() is StopReason.FINISHED
    assert sorted(run.ledger.processed_words) == WORDS
    assert set(service.answered.values()) == {1}


class LosingFiles(Denying):
    """A service that denies the files of its first batch, and then no longer names them."""

    @override
    async def retrieve(self, batch_id: str) -> BatchJob:
        job = await super().retrieve(batch_id)
        was_denied = batch_id == "batch_1" and self.downloads_left < 2
        return replace(job, status="cancelled", output_file_id=None, total=0, done=0) if was_denied else job


async def test_file_ids_that_vanish(tmp_path: Path) -> None:
    """The ids of answer files that an earlier poll named are used when the service no longer names them."""
    service = LosingFiles(downloads=2)
    run = new_scenario(tmp_path, service).run()
    assert await Driver(run).process() is StopReason.FINISHED
    assert sorted(run.ledger.processed_words) == WORDS
    assert set(service.answered.values()) == {1}


def test_an_end_without_answers() -> None:
    """A batch that ends without answers, and never had any, stands as it is; so do files and counts of the end."""
    running = BatchJob("batch_1", "in_progress", None, utc_now(), total=4, done=2)
    ended = replace(running, status="expired", done=0)
    assert reconciled(ended, None) is ended
    assert reconciled(ended, running) is ended
    assert reconciled(replace(running, status="cancelling"), running).done == 2
    uncounted = replace(ended, total=0)
    assert reconciled(uncounted, replace(running, done=0)).done == 0
    assert (counted := reconciled(uncounted, running)).done == 2
    assert counted.status == "expired"
    failed = replace(uncounted, status="failed")
    assert reconciled(failed, running) is failed
    named = replace(uncounted, output_file_id="file-1")
    assert reconciled(named, replace(running, status="completed", output_file_id="file-2")) is named


class Doubling(Service):
    """A gateway that states ids of its own at creations, which no poll knows, and creates the first batch twice."""

    @override
    async def create(self, submission: Submission) -> BatchJob:
        job = await super().create(submission)
        if job.id == "batch_1":
            await super().create(submission)
            return replace(job, id="gateway-1")
        return job


async def test_a_renamed_batch_with_a_duplicate(tmp_path: Path) -> None:
    """A batch that is adopted under another id is collected by it; a duplicate that is found then is reported, and its
    cost stays on the bill.
    """
    service, recorder = Doubling(), Recorder()
    run = new_scenario(tmp_path, service).run(recorder=recorder)
    assert await Driver(run).process() is StopReason.FINISHED
    assert (run.ledger.chunk(1).batch_id, service.cancelled) == ("batch_1", ["batch_2"])
    assert [(each.batch_id, each.status) for each in run.ledger.chunk(1).duplicates] == [("batch_2", "cancelled")]
    notices = [each.text for each in recorder.of(Notice)]
    assert sum("lists the batch as batch_1, not as gateway-1" in text for text in notices) == 1
    assert sum("batch_2 is a duplicate of batch_1" in text for text in notices) == 1


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
