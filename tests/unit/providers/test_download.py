"""Answer files held against what the service counts, before anything is taken for unanswered."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import override

import orjson
import pytest

from floridify_batch.errors import (
    IncompleteAnswers,
    ServiceError,
    ServiceRefused,
    ServiceUncertain,
    ShortAnswers,
    UnknownBatch,
)
from floridify_batch.providers.interface import BatchJob
from floridify_batch.providers.transfer import Completeness, completeness, fetch_answers
from floridify_batch.run.driver import Driver, StopReason
from floridify_batch.run.event import Notice
from floridify_batch.run.ledger import ChunkState
from tests.fakes import MemoryStore, Recorder, Scenario, Service

PAGE = b"<html>\n<body>Maintenance</body>\n</html>\n"
SURROGATE = b'{"custom_id":"b","x":"\\ud800"}\n'
ONE, TWO = b'{"custom_id":"a"}\n', b'{"custom_id":"b"}\n'


class Spoiling(Service):
    """A service whose first downloads are damaged."""

    def __init__(self, spoil: Callable[[bytes], bytes], times: int) -> None:
        super().__init__()
        self._how = spoil
        self.times = times
        self.downloads = 0

    @override
    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        """Download the answers, or raise."""
        await super().answers(job, output, errors)
        self.downloads += 1
        if self.downloads <= self.times:
            _spoil(output, self._how)


def _spoil(output: Path, how: Callable[[bytes], bytes]) -> None:
    output.write_bytes(how(output.read_bytes()))


def new_scenario(folder: Path, service: Service) -> Scenario:
    """A run of two words that are known to the database."""
    words = ["bank", "tree"]
    return Scenario(folder, words, service, MemoryStore.of(words))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: PAGE,
        lambda _: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[: whole.index(b"\n") + 1],
    ],
    ids=["page", "empty", "cut", "cut behind a line"],
)
async def test_spoilt_downloads(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    """A download that is a page, or truncated, is repeated, and no batch is created twice."""
    service = Spoiling(spoil, 1)
    scenario = new_scenario(tmp_path, service)
    run = scenario.run()
    assert await Driver(run).process() is StopReason.FINISHED
    assert sorted(run.ledger.processed_words) == ["bank", "tree"]
    assert set(service.answered.values()) == {1}


def indented(whole: bytes) -> bytes:
    return b"\n".join(orjson.dumps(orjson.loads(line), option=orjson.OPT_INDENT_2) for line in whole.splitlines())


async def test_indented_objects(tmp_path: Path) -> None:
    """A file of indented objects is read at its first download, and nothing is requested again."""
    service = Spoiling(indented, 1_000)
    run = new_scenario(tmp_path, service).run()
    assert await Driver(run).process() is StopReason.FINISHED
    assert (set(service.answered.values()), service.downloads) == ({1}, len(service.batches))


async def test_lines_without_ids(tmp_path: Path) -> None:
    """An answer whose id cannot be read was paid for: its cost is unknown, and the run says so."""
    service = Spoiling(lambda whole: whole.replace(b'{"custom_id":', b'{"custom":', 1), 1)
    recorder = Recorder()
    run = new_scenario(tmp_path, service).run(recorder=recorder)
    assert await Driver(run).process() is StopReason.FINISHED
    assert (run.ledger.chunk(1).unmetered, run.ledger.totals().cost) == (1, None)
    assert any("the usage of 1 answer is unknown" in each.text for each in recorder.of(Notice))


async def test_pages_for_ever(tmp_path: Path) -> None:
    """If the service returns a page instead of a file each time, the run stops and the answers remain available."""
    service = Spoiling(lambda _: PAGE, 1_000)
    scenario = new_scenario(tmp_path, service)
    with pytest.raises(ServiceError, match="nothing is requested again"):
        await Driver(scenario.run()).process()
    assert scenario.run().ledger.chunk(1).state is ChunkState.SUBMITTED
    service.times = 0
    assert await Driver(scenario.run()).process() is StopReason.FINISHED
    assert set(service.answered.values()) == {1}


async def test_missing_at_the_service(tmp_path: Path) -> None:
    """A line that the service does not count is requested again, without another download."""
    service = Spoiling(lambda whole: whole, 0)
    service.faults = lambda _, before: None if before else "missing"
    scenario = new_scenario(tmp_path, service)
    run = scenario.run()
    assert await Driver(run).process() is StopReason.FINISHED
    assert (sorted(run.ledger.processed_words), service.downloads) == (["bank", "tree"], 2)


@pytest.mark.parametrize(
    ("content", "look"),
    [
        (ONE + TWO, Completeness.WHOLE),
        (ONE + TWO.rstrip(), Completeness.WHOLE),
        (ONE + b'{"custom_id":\n', Completeness.WHOLE),
        (b'{"custom\n{"custom_id\n', Completeness.WHOLE),
        (ONE, Completeness.SHORT),
        (b"", Completeness.SHORT),
        (ONE + ONE + b'{"custom', Completeness.SHORT),
        (PAGE, Completeness.FOREIGN),
        (b'{"error":"busy"}\n', Completeness.FOREIGN),
        (b"null\n[]\n", Completeness.FOREIGN),
        (b'{"\0\1\n{"\0\2\n', Completeness.FOREIGN),
    ],
)
def test_what_a_look_says(tmp_path: Path, content: bytes, look: Completeness) -> None:
    """Invalid lines are accepted as the service's; a missing end or another kind of file is not."""
    path = tmp_path / "output.jsonl"
    path.write_bytes(content)
    assert completeness([path], 2) is look


class Answering(Service):
    """A service with these answer lines."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.content = content

    @override
    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        """Write the answer lines."""
        _spoil(output, lambda _: self.content)


@pytest.mark.parametrize(
    ("content", "total", "done", "whole"),
    [
        (ONE + TWO, 2, 3, True),
        (ONE + SURROGATE, 0, 0, True),
        (ONE + TWO, 0, 0, True),
        (ONE, 2, 2, False),
        (ONE, 0, 0, False),
        (ONE, 2, 1, True),
    ],
)
async def test_ids_against_counts(tmp_path: Path, content: bytes, total: int, done: int, whole: bool) -> None:
    """Files with each requested id are complete whatever the counts; without counts, only those are."""
    job = BatchJob("b", "completed", None, datetime.now(UTC), total=total, done=done, output_file_id="f")
    files = (tmp_path / "output.jsonl", tmp_path / "errors.jsonl")
    files[0].touch()
    with nullcontext() if whole else pytest.raises(IncompleteAnswers):
        await fetch_answers(Answering(content), job, files, ("a", "b"))


class PartlyDenying(Service):
    """A service that returns the output file, and no error file."""

    def __init__(self, content: bytes, denial: ServiceError) -> None:
        super().__init__()
        self.content, self.denial = content, denial

    @override
    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        """Write the output file, and raise."""
        _spoil(output, lambda _: self.content)
        raise self.denial


@pytest.mark.parametrize(
    ("content", "denial", "raised"),
    [
        (ONE + TWO, UnknownBatch("no file"), None),
        (ONE + TWO, ServiceUncertain("out of order"), None),
        (ONE, UnknownBatch("no file"), ShortAnswers),
        (ONE, ServiceUncertain("out of order"), ServiceUncertain),
        (ONE + TWO, ServiceRefused("no account"), ServiceRefused),
    ],
)
async def test_a_denied_error_file(
    tmp_path: Path, content: bytes, denial: ServiceError, raised: type[ServiceError] | None
) -> None:
    """An output file with each requested id is complete without the error file; a part of it is short."""
    job = BatchJob("b", "completed", None, datetime.now(UTC), total=2, done=2, output_file_id="f", error_file_id="e")
    files = (tmp_path / "output.jsonl", tmp_path / "errors.jsonl")
    files[0].touch()
    with pytest.raises(raised) if raised else nullcontext():
        await fetch_answers(PartlyDenying(content, denial), job, files, ("a", "b"))
    assert files[0].read_bytes() == content


@pytest.mark.parametrize("page", [PAGE, b'{"custom_id":"z"}\n'])
async def test_another_error_file(tmp_path: Path, page: bytes) -> None:
    """An output file with each requested id is complete although the error file is a page, or another batch's."""

    class Both(Service):
        @override
        async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
            await Answering(ONE + TWO).answers(job, output, errors)
            await Answering(page).answers(job, errors, output)

    job = BatchJob("b", "completed", None, datetime.now(UTC), total=2, done=2, output_file_id="f", error_file_id="e")
    files = (tmp_path / "output.jsonl", tmp_path / "errors.jsonl")
    for path in files:
        path.touch()
    await fetch_answers(Both(), job, files, ("a", "b"))
    assert all(path.read_bytes() for path in files)
