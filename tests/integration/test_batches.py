"""Batch services over real HTTP: nothing is sent twice, no answer is lost."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from floridify_batch.components.domain import DomainIdentificationResponse
from floridify_batch.components.failure import FailureReason
from floridify_batch.components.requests import AnswerError, CustomId, Envelope, SynthesisRequest
from floridify_batch.errors import ServiceError, ServiceRefused, ServiceUncertain, UnknownBatch, UsageError
from floridify_batch.providers.immediate import ImmediateBatches
from floridify_batch.providers.interface import Batches, BatchJob, Submission
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.providers.openai_connector import OpenAIConnector
from floridify_batch.words.entry import derived_id
from tests.sandbox import Sandbox

SECONDS = 3600.0
"""Duration of a batch; the sandbox's clock is advanced by the tests."""
LINES = 12
type Request = SynthesisRequest[DomainIdentificationResponse]


def request(text: str, model: str = "gpt-5.4-nano") -> Request:
    envelope = Envelope("domain", DomainIdentificationResponse, model, "Name the field.", 600)
    return SynthesisRequest(CustomId(f"{text}-{derived_id(text)}-domain"), envelope, f"Definition: {text}")


REQUESTS = [request(f"sense{number}") for number in range(LINES)]
IDS = {each.custom_id for each in REQUESTS}


@pytest.fixture
async def batches(sandbox: Sandbox) -> AsyncIterator[OpenAIBatches]:
    batches = OpenAIBatches("any", base_url=sandbox.url)
    yield batches
    await batches.close()


async def found_by(batches: Batches, label: str) -> BatchJob | None:
    """The batch of a label, if the service lists it."""
    return (await batches.find(Submission(label))).job


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file of requests, in a chunk's folder."""
    folder = tmp_path / "0001"
    folder.mkdir()
    path = folder / "requests.jsonl"
    write(path, REQUESTS)
    return path


def write(path: Path, requests: Iterable[Request]) -> None:
    path.write_bytes(b"".join(each.line for each in requests))


@pytest.fixture
def label(tmp_path: Path) -> str:
    """A label that no other test uses."""
    return f"{tmp_path.name}/0001/1"


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(days=1)


async def begun(batches: OpenAIBatches, file: Path, label: str) -> BatchJob:
    return await batches.create(Submission(label, await batches.upload(file), {"run": "test"}))


async def counted(batches: Batches, job: BatchJob) -> BatchJob | None:
    """Return a batch once it is in progress."""
    job = await batches.retrieve(job.id)
    return job if job.total else None


async def ended(batches: OpenAIBatches, sandbox: Sandbox, job: BatchJob) -> BatchJob:
    sandbox.control(finish=True)
    return await batches.retrieve(job.id)


def ids_in(*paths: Path) -> list[str]:
    lines = [line for path in paths if path.exists() for line in path.read_bytes().splitlines()]
    return [orjson.loads(line)["custom_id"] for line in lines]


def names(folder: Path, pattern: str) -> set[str]:
    return {path.name for path in folder.glob(pattern)}


async def eventually[T](look: Callable[[], Awaitable[T | None]]) -> T:
    """Poll until `look` returns a value, and return that value."""
    for _ in range(1_000):
        if found := await look():
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


def labelled(sandbox: Sandbox, label: str) -> list[dict[str, Any]]:
    return [batch for batch in sandbox.stats()["batches"] if batch["label"] == label]


# ── a batch from birth to end ──────────────────────────────────────────────────────────────────────────────────────


async def test_whole_life(batches: OpenAIBatches, sandbox: Sandbox, file: Path, label: str, tmp_path: Path) -> None:
    """A batch has its label, counts its answers, and writes successes and failures to two files."""
    output, errors = tmp_path / "output.jsonl", tmp_path / "errors.jsonl"
    with sandbox.faults("http_400=sense7-"):
        job = await begun(batches, file, label)
        assert (job.label, job.terminal, job.expires_at is not None) == (label, False, True)
        job = await ended(batches, sandbox, job)
    await batches.answers(job, output, errors)
    assert (job.status, job.total, job.done, job.failed) == ("completed", LINES, LINES - 1, 1)
    assert job.model == "gpt-5.4-nano"
    assert job.usage is not None
    assert job.usage.input > job.usage.output > 0
    assert job.completed_at is not None
    assert abs(job.completed_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert ids_in(errors) == [REQUESTS[7].custom_id]
    assert {*ids_in(output), *ids_in(errors)} == IDS
    assert not names(tmp_path, "*.partial")


@pytest.mark.parametrize(("fault", "files"), [("http_500=1", {"errors.jsonl"}), ("split=0", {"output.jsonl"})])
async def test_only_one_file(
    batches: OpenAIBatches, sandbox: Sandbox, file: Path, label: str, tmp_path: Path, fault: str, files: set[str]
) -> None:
    """A batch without successes, or without failures, has one answer file only; the other one does not exist."""
    with sandbox.faults(fault):
        job = await ended(batches, sandbox, await begun(batches, file, label))
    await batches.answers(job, tmp_path / "output.jsonl", tmp_path / "errors.jsonl")
    assert names(tmp_path, "*.jsonl") == files


async def test_cancelled(batches: OpenAIBatches, sandbox: Sandbox, file: Path, label: str, tmp_path: Path) -> None:
    """A cancelled batch ends, and its finished answers can be downloaded."""
    output = tmp_path / "output.jsonl"
    with sandbox.faults("partial_output=0.5"):
        job = await begun(batches, file, label)
        await eventually(lambda: counted(batches, job))
        assert (await batches.cancel(job.id)).status in ("cancelling", "cancelled")
        job = await ended(batches, sandbox, job)
    await batches.answers(job, output, tmp_path / "errors.jsonl")
    assert (job.status, len(ids_in(output))) == ("cancelled", LINES // 2)


async def test_rejected(batches: OpenAIBatches, sandbox: Sandbox, file: Path, label: str) -> None:
    """A rejected batch has the service's code and message."""
    with sandbox.faults("fail_batch=1:mismatched_model"):
        job = await ended(batches, sandbox, await begun(batches, file, label))
    (error,) = job.errors
    assert (job.status, error.code) == ("failed", "mismatched_model")
    assert "mismatched_model" in error.message


# ── sent once ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fault", ["create_500=9", "create_drop=9"])
async def test_created_once(batches: OpenAIBatches, sandbox: Sandbox, file: Path, label: str, fault: str) -> None:
    """A creation whose reply is lost is not repeated automatically, and its batch is found by its label."""
    held = await batches.upload(file)
    with sandbox.faults(fault), pytest.raises(ServiceUncertain):
        await batches.create(Submission(label, held))
    (made,) = labelled(sandbox, label)
    found = (await batches.find(Submission(label))).job
    assert found is not None
    assert found.id == made["id"]


async def test_not_created(batches: OpenAIBatches, sandbox: Sandbox, file: Path, label: str) -> None:
    """A creation refused with Retry-After created nothing: there is no batch to find."""
    held = await batches.upload(file)
    with sandbox.faults("create_429=1"), pytest.raises(ServiceUncertain):
        await batches.create(Submission(label, held))
    assert (await batches.find(Submission(label))).job is None
    assert labelled(sandbox, label) == []


async def test_shown_before_the_one_that_is_kept(
    batches: OpenAIBatches, sandbox: Sandbox, file: Path, label: str
) -> None:
    """A duplicate of a label is cancelled when it is first listed, even before the list shows the one that is kept."""
    other = await begun(batches, file, label)
    with sandbox.faults("list_lag=0.3"):
        await asyncio.sleep(0.4)
        kept = await begun(batches, file, label)
        await batches.find(Submission(label), keep=kept.id)
    assert (await batches.retrieve(other.id)).status in ("cancelling", "cancelled")
    assert (await batches.retrieve(kept.id)).status not in ("cancelling", "cancelled")


@pytest.mark.parametrize("fault", ["upload_500=9", "upload_drop=9"])
async def test_uploaded_once(batches: OpenAIBatches, sandbox: Sandbox, file: Path, fault: str) -> None:
    """An upload whose reply is lost is not repeated automatically."""
    before = sandbox.stats()["files_uploaded"]
    with sandbox.faults(fault), pytest.raises(ServiceUncertain):
        await batches.upload(file)
    assert sandbox.stats()["files_uploaded"] == before + 1


async def test_list_lags(batches: OpenAIBatches, sandbox: Sandbox, file: Path, label: str) -> None:
    """A batch that is not listed yet is not found, and is found once it is listed."""
    with sandbox.faults("list_lag=1.5"):
        job = await begun(batches, file, label)
        assert (await batches.find(Submission(label))).job is None
        found = await eventually(lambda: found_by(batches, label))
    assert found.id == job.id


@pytest.mark.parametrize("tied", [False, True], ids=["apart", "tied"])
async def test_second_is_cancelled(
    batches: OpenAIBatches, sandbox: Sandbox, file: Path, label: str, tied: bool
) -> None:
    """Of two batches with one label the first is adopted, and the second cancelled before it costs much."""
    held = await batches.upload(file)
    for number in range(3):  # two creations are seldom in two seconds of the clock
        label = f"{label}-{number}"
        jobs = [await batches.create(Submission(label, held))]
        await asyncio.sleep(0 if tied else 1 - time.time() % 1)
        jobs.append(await batches.create(Submission(label, held)))
        if tied == (jobs[0].created_at == jobs[1].created_at):
            break
    found = (await batches.find(Submission(label))).job
    assert found is not None
    first, second = labelled(sandbox, label)
    assert found.id == jobs[0].id == first["id"]
    assert first["status"] in ("validating", "in_progress")
    assert second["status"] in ("cancelling", "cancelled")


async def test_far_back(batches: OpenAIBatches, file: Path, label: str) -> None:
    """A batch is found behind more than a page of newer ones, but not one from before the period of the search."""
    held = await batches.upload(file)
    job = await batches.create(Submission(label, held))
    await asyncio.gather(*(batches.create(Submission(f"{label}-{number}", held)) for number in range(101)))
    found = (await batches.find(Submission(label))).job
    assert found is not None
    assert found.id == job.id


# ── asked again ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fault", ["poll_500=0.6", "poll_429=0.6"])
async def test_polls_fail(batches: OpenAIBatches, sandbox: Sandbox, file: Path, label: str, fault: str) -> None:
    """A poll without a valid reply is repeated until it has one."""
    job = await begun(batches, file, label)
    with sandbox.faults(f"{fault}@{sandbox.next_batch()}"):
        assert (await batches.retrieve(job.id)).id == job.id


async def test_download_cut(batches: OpenAIBatches, sandbox: Sandbox, file: Path, label: str, tmp_path: Path) -> None:
    """A truncated download of an answer file is repeated, and complete at the end."""
    output, errors = tmp_path / "output.jsonl", tmp_path / "errors.jsonl"
    result: list[str] = []
    patient = OpenAIBatches("any", base_url=sandbox.url, waiting=result.append)
    job = await ended(batches, sandbox, await begun(batches, file, label))
    with sandbox.faults("content_cut=1"):
        await patient.answers(job, output, errors)
    assert sorted(ids_in(output)) == sorted(IDS)
    assert result
    assert not names(tmp_path, "*.partial")
    await patient.close()


# ── refused ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_unknown(batches: OpenAIBatches, tmp_path: Path) -> None:
    """An unknown batch or answer file raises its own type of error."""
    for asked in (batches.retrieve("batch_none"), batches.cancel("batch_none")):
        with pytest.raises(UnknownBatch, match="batch_none"):
            await asked
    gone = BatchJob("batch_none", "completed", None, datetime.now(UTC), output_file_id="file-none")
    with pytest.raises(UnknownBatch, match="file-none"):
        await batches.answers(gone, tmp_path / "output.jsonl", tmp_path / "errors.jsonl")
    assert not (tmp_path / "output.jsonl").exists()


async def test_wrong_key(sandbox: Sandbox, file: Path) -> None:
    """A refused key fails every kind of call immediately."""
    refused = OpenAIBatches("bad-key", base_url=sandbox.url)
    for asked in (
        refused.check(),
        refused.find(Submission("label")),
        refused.upload(file),
        refused.create(Submission("label", "file-1")),
        refused.retrieve("batch_1"),
    ):
        with pytest.raises(ServiceRefused, match="refuses this key"):
            await asked
    await refused.close()


async def test_quota(batches: OpenAIBatches, sandbox: Sandbox, file: Path, label: str) -> None:
    """An exhausted quota stops the run without retries, and no batch is created."""
    held = await batches.upload(file)
    with sandbox.faults("quota"), pytest.raises(ServiceRefused, match="exceeded your current quota"):
        await batches.create(Submission(label, held))
    assert labelled(sandbox, label) == []


async def test_unreachable_address(free_port: int) -> None:
    """An unreachable address is reported immediately; an invalid one is refused before."""
    nobody = OpenAIBatches("any", base_url=f"http://127.0.0.1:{free_port}/v1")
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1 cannot be reached"):
        await nobody.check()
    await nobody.close()
    with pytest.raises(UsageError, match="not a valid API base URL"):
        OpenAIBatches("any", base_url="localhost:8080")


# ── answered at once ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def immediate(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[ImmediateBatches]:
    immediate = ImmediateBatches(OpenAIConnector("any", base_url=sandbox.url), tmp_path)
    yield immediate
    await immediate.close()


async def test_listed_and_denied(batches: OpenAIBatches, sandbox: Sandbox, file: Path, label: str) -> None:
    """A listed batch is found, even if the service reports it as unknown when it is retrieved."""
    job = await begun(batches, file, label)
    with sandbox.faults("poll_404=1"):
        found = (await batches.find(Submission(label))).job
    assert found is not None
    assert (found.id, found.label, found.created_at) == (job.id, label, job.created_at)


async def completed(batches: ImmediateBatches, job: BatchJob) -> BatchJob:
    async def look() -> BatchJob | None:
        standing = await batches.retrieve(job.id)
        return standing if standing.terminal else None

    return await eventually(look)


async def test_immediate(immediate: ImmediateBatches, sandbox: Sandbox, file: Path) -> None:
    """Each line is sent once, and its answer is in the chunk's output file."""
    before = sandbox.stats()["chat_requests"]
    job = await completed(immediate, await immediate.create(Submission("label", await immediate.upload(file))))
    assert (job.status, job.total, job.done, job.failed) == ("completed", LINES, LINES, 0)
    assert sorted(ids_in(file.with_name("output.jsonl"))) == sorted(IDS)
    assert sandbox.stats()["chat_requests"] == before + LINES


async def test_immediate_resumes(immediate: ImmediateBatches, sandbox: Sandbox, file: Path, label: str) -> None:
    """After a crash with a half-written line, answered requests are not sent again, and none is omitted."""
    job = await completed(immediate, await immediate.create(Submission(label, "0001")))
    output, partial = file.with_name("output.jsonl"), file.with_name("output.jsonl.partial")
    whole = output.read_bytes().splitlines(keepends=True)
    output.unlink()
    partial.write_bytes(b"".join(whole[:5]) + whole[5][: len(whole[5]) // 2])
    before = sandbox.stats()["chat_requests"]
    another = ImmediateBatches(OpenAIConnector("any", base_url=sandbox.url), file.parent.parent)
    found = (await another.find(Submission(label))).job
    assert found is not None
    assert found.id == job.id
    assert (await completed(another, found)).done == LINES
    assert sandbox.stats()["chat_requests"] == before + LINES - 5
    assert output.read_bytes().splitlines(keepends=True)[:5] == whole[:5]
    assert sorted(ids_in(output)) == sorted(IDS)
    assert (await another.find(Submission("another label"))).job is None
    await another.close()


async def test_immediate_within_limits(sandbox: Sandbox, file: Path, label: str) -> None:
    """With rate limits in the service's answers, hardly a request is sent too early, and none is lost."""
    with sandbox.faults("chat_limit=5"):
        before = sandbox.stats()["chat_requests"]
        connector = OpenAIConnector("any", base_url=sandbox.url, concurrency=3)
        batches = ImmediateBatches(connector, file.parent.parent)
        job = await completed(batches, await batches.create(Submission(label, "0001")))
        await batches.close()
        asked = sandbox.stats()["chat_requests"] - before
    assert (job.done, job.failed) == (LINES, 0)
    assert LINES <= asked <= LINES + 3


async def test_immediate_refused_line(immediate: ImmediateBatches, file: Path) -> None:
    """A line that the service refuses becomes an answer line with its status; the others are answered."""
    write(file, [*REQUESTS, request("odd", model="nonsense-1")])
    job = await completed(immediate, await immediate.create(Submission("label", "0001")))
    assert (job.done, job.failed) == (LINES, 1)
    lines = map(orjson.loads, file.with_name("output.jsonl").read_bytes().splitlines())
    (refused,) = [line["response"] for line in lines if line["response"]["status_code"] != 200]
    assert (refused["status_code"], refused["body"]["error"]["code"]) == (404, "model_not_found")


async def test_immediate_wrong_key(sandbox: Sandbox, immediate: ImmediateBatches, file: Path) -> None:
    """A refused key stops the requests; with another one, all are answered."""
    refused = ImmediateBatches(OpenAIConnector("bad-key", base_url=sandbox.url), file.parent.parent)
    job = await refused.create(Submission("label", "0001"))
    with pytest.raises(ServiceRefused, match="refuses this key"):
        await completed(refused, job)
    await refused.close()
    assert (await completed(immediate, job)).done == LINES


async def test_immediate_no_noise(sandbox: Sandbox, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """If all requests in flight fail with the same error, it is raised once."""
    refused = ImmediateBatches(OpenAIConnector("bad-key", base_url=sandbox.url), file.parent.parent)
    job = await refused.create(Submission("label", "0001"))
    with pytest.raises(ServiceRefused):
        await completed(refused, job)
    await refused.close()
    del refused, job
    gc.collect()
    await asyncio.sleep(0)
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.usefixtures("file")
async def test_immediate_quota(immediate: ImmediateBatches, sandbox: Sandbox) -> None:
    """An account without credit is recognised by the first answer with that error."""
    with sandbox.faults("quota"), pytest.raises(ServiceRefused, match="quota"):
        async with asyncio.timeout(10):
            await completed(immediate, await immediate.create(Submission("label", "0001")))


async def test_immediate_cancelled(immediate: ImmediateBatches, file: Path) -> None:
    """Answers from before a cancellation are kept, and no request is sent after it."""
    write(file, (request(f"sense{number}") for number in range(200)))
    job = await immediate.create(Submission("label", "0001"))
    await eventually(lambda: counted(immediate, job))
    job = await immediate.cancel(job.id)
    assert (job.status, job.done < 200) == ("cancelled", True)
    assert len(ids_in(file.with_name("output.jsonl"))) == job.done
    with pytest.raises(UnknownBatch):
        await immediate.retrieve("immediate:0002")


# ── one request ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def connector(sandbox: Sandbox) -> AsyncIterator[OpenAIConnector]:
    connector = OpenAIConnector("any", base_url=sandbox.url)
    yield connector
    await connector.close()


async def test_complete(connector: OpenAIConnector) -> None:
    """A request returns a value of its response type."""
    answer = await connector.complete(REQUESTS[0])
    assert isinstance(answer, DomainIdentificationResponse)
    assert 0 <= answer.confidence <= 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("refuse=1", FailureReason.REFUSED),
        ("truncate=1", FailureReason.TRUNCATED),
        ("malformed=1", FailureReason.MALFORMED),
    ],
)
async def test_no_usable_answer(
    connector: OpenAIConnector, sandbox: Sandbox, fault: str, reason: FailureReason
) -> None:
    """An unusable answer raises an error with its kind."""
    with sandbox.faults(fault), pytest.raises(AnswerError) as caught:
        await connector.complete(REQUESTS[0])
    assert caught.value.reason is reason


async def test_status(connector: OpenAIConnector) -> None:
    """A refused request raises an error with the service's message."""
    with pytest.raises(AnswerError, match="nonsense-1") as caught:
        await connector.complete(request("odd", model="nonsense-1"))
    assert caught.value.reason is FailureReason.HTTP


async def test_asked_to_wait(connector: OpenAIConnector, sandbox: Sandbox) -> None:
    """A request refused by a rate limit is retried after the service's Retry-After, and answered."""
    before = sandbox.stats()["chat_requests"]
    with sandbox.faults(f"chat_429=1@{before + 1}"):
        assert await connector.complete(REQUESTS[0])
    assert sandbox.stats()["chat_requests"] == before + 2
