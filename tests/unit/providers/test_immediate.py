"""Files of requests answered at once: resumable, and never twice."""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from floridify_batch.errors import ServiceBusy, ServiceRefused, UnknownBatch
from floridify_batch.pipeline.settlement import indexed_answers
from floridify_batch.providers.immediate import ImmediateBatches
from floridify_batch.providers.interface import BatchJob, Reply, Submission
from floridify_batch.providers.openai_connector import OpenAIConnector
from floridify_batch.providers.reply import unusable_reply

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LABEL = "run1/0001/1"


class Answering(OpenAIConnector):
    """A connector without a service: it answers each body, or follows its script."""

    def __init__(self, concurrency: int = 4) -> None:
        self.concurrency = concurrency
        self.asked: Counter[str] = Counter()
        self.statuses: dict[str, int] = {}
        self.unusable: set[str] = set()
        self.refuses = False
        self.refused: set[str] = set()
        self.holds_after: int | None = None
        self.opened = asyncio.Event()
        self.flying = self.most_flying = 0
        self.closed = False

    async def post(self, body: Mapping[str, Any]) -> Reply:
        """Answer, fail, refuse or never answer."""
        name = str(body["name"])
        self.flying += 1
        self.most_flying = max(self.most_flying, self.flying)
        try:
            await asyncio.sleep(0)
            if self.refuses or name in self.refused:
                raise ServiceRefused("You exceeded your current quota.")
            if self.holds_after is not None and sum(self.asked.values()) >= self.holds_after:
                await self.opened.wait()
            self.asked[name] += 1
            if name in self.unusable:
                return unusable_reply("the service's reply (HTTP 200) was cut off after 12 bytes")
            return Reply(self.statuses.get(name, 200), "r", {"for": name})
        finally:
            self.flying -= 1

    async def close(self) -> None:
        """Record it."""
        self.closed = True


def folder(run_folder: Path, count: int = 10) -> Path:
    """A chunk's folder with a number of requests."""
    chunk = run_folder / "0001"
    chunk.mkdir()
    lines = [orjson.dumps({"custom_id": f"id-{n}", "body": {"name": f"id-{n}"}}) + b"\n" for n in range(count)]
    (chunk / "requests.jsonl").write_bytes(b"".join(lines))
    return chunk


@asynccontextmanager
async def opened(connector: Answering, run_folder: Path, patience: float = 0) -> AsyncIterator[ImmediateBatches]:
    """The immediate batches of one process; `patience`: how long the end waits for requests in flight."""
    batches = ImmediateBatches(connector, run_folder, lambda: NOON, patience)
    try:
        yield batches
    finally:
        await batches.close()


async def begun(batches: ImmediateBatches, chunk: Path) -> BatchJob:
    return await batches.create(Submission(LABEL, await batches.upload(chunk / "requests.jsonl")))


async def ended(batches: ImmediateBatches, job: BatchJob) -> BatchJob:
    """The job when it has ended."""
    async with asyncio.timeout(60):
        while not job.terminal:
            await asyncio.sleep(0)
            job = await batches.retrieve(job.id)
    return job


def lines(path: Path) -> dict[str, Any]:
    return {line["custom_id"]: line for line in map(orjson.loads, path.read_bytes().splitlines())}


async def test_answers(tmp_path: Path) -> None:
    """Every request is answered once, in lines like those of a batch, with failures among them."""
    chunk, connector = folder(tmp_path), Answering()
    connector.statuses["id-3"] = 500
    async with opened(connector, tmp_path) as batches:
        job = await ended(batches, await begun(batches, chunk))
        await batches.answers(job, chunk / "output.jsonl", chunk / "errors.jsonl")
    found = lines(chunk / "output.jsonl")
    assert found.keys() == {f"id-{number}" for number in range(10)}
    assert found["id-0"]["response"] == {"status_code": 200, "request_id": "r", "body": {"for": "id-0"}}
    assert found["id-3"]["response"]["status_code"] == 500
    assert (job.status, job.total, job.done, job.failed) == ("completed", 10, 9, 1)
    assert (job.label, job.created_at, job.completed_at) == (LABEL, NOON, NOON)
    assert set(connector.asked.values()) == {1}
    assert not (chunk / "output.jsonl.partial").exists()
    assert connector.closed


async def test_so_many_at_once(tmp_path: Path) -> None:
    """At most `concurrency` requests are in flight."""
    chunk, connector = folder(tmp_path, 30), Answering(concurrency=5)
    async with opened(connector, tmp_path) as batches:
        await ended(batches, await begun(batches, chunk))
    assert connector.most_flying == 5


async def test_going_on(tmp_path: Path) -> None:
    """A process that finds some of the answers counts them at once, and requests only the others."""
    chunk, first, second = folder(tmp_path), Answering(), Answering()
    first.holds_after = 6
    async with opened(first, tmp_path) as batches:
        job = await begun(batches, chunk)
        while job.done < 6:
            job = await batches.retrieve(job.id)
            await asyncio.sleep(0)
    assert not (chunk / "output.jsonl").exists()
    async with opened(second, tmp_path) as batches:
        found = await batches.retrieve(job.id)
        assert (found.done, found.total) == (6, 10)
        job = await ended(batches, job)
    assert first.asked + second.asked == Counter({f"id-{number}": 1 for number in range(10)})
    assert (job.done, job.total) == (10, 10)
    assert len(lines(chunk / "output.jsonl")) == 10


async def test_a_line_half_written(tmp_path: Path) -> None:
    """A line truncated by a crash is removed, and its request is sent again."""
    chunk, connector = folder(tmp_path, 3), Answering()
    whole = orjson.dumps({"custom_id": "id-0", "response": {"status_code": 200, "body": {}}}) + b"\n"
    (chunk / "output.jsonl.partial").write_bytes(whole + b'{"custom_id":"id-1","resp')
    async with opened(connector, tmp_path) as batches:
        await ended(batches, await begun(batches, chunk))
    assert set(connector.asked) == {"id-1", "id-2"}
    assert lines(chunk / "output.jsonl").keys() == {"id-0", "id-1", "id-2"}


async def test_lines_that_the_disk_lost(tmp_path: Path) -> None:
    """Answers that a power failure replaced by zeros are requested again."""
    chunk, connector = folder(tmp_path, 3), Answering()
    whole = orjson.dumps({"custom_id": "id-0", "response": {"status_code": 200, "body": {}}}) + b"\n"
    (chunk / "output.jsonl.partial").write_bytes(whole + b"\0" * 40 + b"\n")
    async with opened(connector, tmp_path) as batches:
        await ended(batches, await begun(batches, chunk))
    assert set(connector.asked) == {"id-1", "id-2"}


async def test_found_by_its_label(tmp_path: Path) -> None:
    """A resumed process finds its work by the label and starts nothing new."""
    chunk = folder(tmp_path)
    async with opened(Answering(), tmp_path) as batches:
        assert (await batches.find(Submission(LABEL))).job is None
        job = await begun(batches, chunk)
        assert (await batches.find(Submission("run1/0001/2"))).job is None
        assert (await batches.find(Submission(LABEL))).job == job
    async with opened(Answering(), tmp_path) as batches:
        again = (await batches.find(Submission(LABEL))).job
    assert again == job


async def test_done_already(tmp_path: Path) -> None:
    """An answered chunk is not requested again by a later process."""
    chunk, connector = folder(tmp_path), Answering()
    async with opened(Answering(), tmp_path) as batches:
        job = await ended(batches, await begun(batches, chunk))
    async with opened(connector, tmp_path) as batches:
        assert (await ended(batches, job)).status == "completed"
    assert not connector.asked


async def test_unknown(tmp_path: Path) -> None:
    """A chunk that was not started is not a batch."""
    async with opened(Answering(), tmp_path) as batches:
        with pytest.raises(UnknownBatch):
            await batches.retrieve("immediate:0007")


async def test_cancel(tmp_path: Path) -> None:
    """Answers from before a cancellation are kept, and no request is sent after it."""
    chunk, connector = folder(tmp_path), Answering()
    connector.holds_after = 4
    async with opened(connector, tmp_path) as batches:
        job = await begun(batches, chunk)
        while job.done < 4:
            job = await batches.retrieve(job.id)
            await asyncio.sleep(0)
        job = await batches.cancel(job.id)
        assert (job.status, job.done) == ("cancelled", 4)
        assert await batches.retrieve(job.id) == job
    assert len(lines(chunk / "output.jsonl")) == 4


async def test_a_refused_account(tmp_path: Path) -> None:
    """An account error stops the batch; after it is resolved, all requests can be sent."""
    chunk, connector = folder(tmp_path), Answering()
    connector.refuses = True
    async with opened(connector, tmp_path) as batches:
        job = await begun(batches, chunk)
        with pytest.raises(ServiceRefused):
            await ended(batches, job)
    second = Answering()
    async with opened(second, tmp_path) as batches:
        assert (await ended(batches, job)).done == 10
    assert set(second.asked.values()) == {1}


async def test_a_refusal_is_reported_once(tmp_path: Path) -> None:
    """Many simultaneous refusals do not fill the terminal with tracebacks."""
    messages: list[str] = []
    gc.collect()  # what earlier tests left complains before
    asyncio.get_running_loop().set_exception_handler(lambda _, context: messages.append(context["message"]))
    chunk, connector = folder(tmp_path), Answering()
    connector.refuses = True
    async with opened(connector, tmp_path) as batches:
        job = await begun(batches, chunk)
        with pytest.raises(ServiceRefused):
            await ended(batches, job)
    await asyncio.sleep(0)
    del batches, job
    gc.collect()  # asyncio complains of an exception that nobody looked at when its task is gone
    assert messages == []


async def under_way(connector: Answering, batches: ImmediateBatches, job: BatchJob, done: int) -> None:
    """Wait for a number of answers while the other requests stay in flight."""
    async with asyncio.timeout(60):
        while job.done < done or connector.flying < connector.concurrency:
            await asyncio.sleep(0)
            job = await batches.retrieve(job.id)


async def test_what_is_under_way_is_waited_for(tmp_path: Path) -> None:
    """A stop sends no more requests and saves the answers of those in flight."""
    chunk, first, second = folder(tmp_path), Answering(), Answering()
    first.holds_after = 2
    async with opened(first, tmp_path, patience=60) as batches:
        job = await begun(batches, chunk)
        await under_way(first, batches, job, done=2)
        closing = asyncio.create_task(batches.close())
        await asyncio.sleep(0)
        first.opened.set()
        await closing
    assert sum(first.asked.values()) == len(lines(chunk / "output.jsonl.partial")) == 6
    async with opened(second, tmp_path) as batches:
        assert (await ended(batches, job)).done == 10
    assert set((first.asked + second.asked).values()) == {1}


async def test_the_last_requests_are_waited_for(tmp_path: Path) -> None:
    """If the last requests are answered during a stop, the file is complete."""
    chunk, connector = folder(tmp_path, 4), Answering()
    async with opened(connector, tmp_path, patience=60) as batches:
        await under_way(connector, batches, await begun(batches, chunk), done=0)
    assert len(lines(chunk / "output.jsonl")) == 4


async def test_a_wait_that_is_cancelled(tmp_path: Path) -> None:
    """A second Ctrl-C abandons requests in flight; saved answers are kept."""
    chunk, connector = folder(tmp_path), Answering()
    connector.holds_after = 2
    batches = ImmediateBatches(connector, tmp_path)
    await under_way(connector, batches, await begun(batches, chunk), done=2)
    closing = asyncio.create_task(batches.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert (connector.flying, connector.closed) == (0, True)
    assert len(lines(chunk / "output.jsonl.partial")) == sum(connector.asked.values()) == 2


async def test_answers_beside_a_refusal(tmp_path: Path) -> None:
    """If one request is refused, the answers of others in flight are saved before the error is raised, and no more are
    sent.
    """
    chunk, first, second = folder(tmp_path), Answering(), Answering()
    first.refused, first.holds_after = {"id-0"}, 0
    async with opened(first, tmp_path, patience=60) as batches:
        job = await begun(batches, chunk)
        while first.flying != 3:  # one has been refused
            await batches.retrieve(job.id)
            await asyncio.sleep(0)
        first.opened.set()
        with pytest.raises(ServiceRefused):
            await ended(batches, job)
    assert lines(chunk / "output.jsonl.partial").keys() == set(first.asked) == {"id-1", "id-2", "id-3"}
    async with opened(second, tmp_path) as batches:
        await ended(batches, job)
    assert set((first.asked + second.asked).values()) == {1}


async def test_an_unawaited_refusal(tmp_path: Path) -> None:
    """A refusal between the last poll and the end is not shown as an error of the program."""
    messages: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: messages.append(context["message"]))
    chunk, connector = folder(tmp_path), Answering()
    connector.refuses = True
    async with opened(connector, tmp_path, patience=60) as batches:
        await under_way(connector, batches, await begun(batches, chunk), done=0)
    del batches
    await asyncio.sleep(0)
    gc.collect()
    assert messages == []


async def test_an_unusable_reply(tmp_path: Path) -> None:
    """A reply without an answer ends its request, others are sent; it counts as answered without usage, also for the
    next session, so that its cost is unknown and its attempt is spent.
    """
    chunk, first, second = folder(tmp_path), Answering(), Answering()
    first.unusable, first.holds_after = {"id-0", "id-3"}, 6
    async with opened(first, tmp_path) as batches:
        job = await begun(batches, chunk)
        await under_way(first, batches, job, done=6)
    async with opened(second, tmp_path) as batches:
        job = await ended(batches, job)
    assert first.asked + second.asked == Counter({f"id-{number}": 1 for number in range(10)})
    assert (job.done, job.failed) == (10, 0)
    paid: dict[str, bool] = {}
    with indexed_answers([chunk / "output.jsonl"], lambda identity, usage, _: paid.update({identity: bool(usage)})):
        pass
    assert (paid["id-0"], paid["id-3"]) == (False, False)


async def test_nothing_to_discount() -> None:
    """Immediate answers are billed at the standard price."""
    assert ImmediateBatches.capabilities.discount == 0


class Unreachable(Answering):
    """A connector to a service that cannot be connected to."""

    async def post(self, body: Mapping[str, Any]) -> Reply:  # noqa: ARG002
        """Fail."""
        raise ServiceBusy("The service at host cannot be reached.")


async def test_a_service_that_cannot_be_reached(tmp_path: Path) -> None:
    """A service that cannot be connected to ends the session: later polls would send no request."""
    chunk = folder(tmp_path)
    async with opened(Unreachable(), tmp_path) as batches:
        job = await begun(batches, chunk)
        with pytest.raises(ServiceRefused, match=r"cannot be reached\. No more requests are sent"):
            await ended(batches, job)
