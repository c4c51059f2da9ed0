"""Errors that a service states in a reply with status 200, over real HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from floridify_batch.errors import QueueFull, ServiceBusy, ServiceError, ServiceRefused, ServiceUncertain, UnknownBatch
from floridify_batch.providers.error import Unreadable
from floridify_batch.providers.interface import BatchJob, Submission
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.providers.openai_connector import OpenAIConnector
from floridify_batch.providers.stated_error import stated_error
from floridify_batch.timing import utc_now
from tests.http_services import fixed_response, raw_response

QUOTA = {"error": {"message": "You exceeded your current quota.", "type": "insufficient_quota", "code": None}}
RATE = {"error": {"message": "Slow down.", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}
ODD = {"error": "Unexpected endpoint or method"}
STEPS = ("upload", "create", "retrieve", "find", "cancel", "check", "answers")
CHAT = {"model": "m", "messages": [{"role": "user", "content": "?"}]}


async def step_of(name: str, batches: OpenAIBatches, folder: Path) -> None:
    """Call the service once."""
    requests = folder / "requests.jsonl"
    requests.write_bytes(b"{}\n")
    job = BatchJob("batch_1", "completed", None, utc_now(), output_file_id="file-2")
    match name:
        case "upload":
            await batches.upload(requests)
        case "create":
            await batches.create(Submission("run/0001/1", "file-1"))
        case "find":
            await batches.find(Submission("run/0001/1"))
        case "check":
            await batches.check()
        case "answers":
            await batches.answers(job, folder / "output.jsonl", folder / "errors.jsonl")
        case _:
            await getattr(batches, name)("batch_1")


@asynccontextmanager
async def replying(body: Any) -> AsyncIterator[OpenAIBatches]:
    """The connection to a service that answers everything with status 200 and the same body."""
    async with fixed_response(orjson.dumps(body), "application/json") as url:
        batches = OpenAIBatches("any", base_url=url, patience=0)
        try:
            yield batches
        finally:
            await batches.close()


@pytest.mark.parametrize("step", STEPS)
async def test_quota(tmp_path: Path, step: str) -> None:
    """An account without money stops the run with the service's message, whatever the status of the reply."""
    async with replying(QUOTA) as batches:
        with pytest.raises(ServiceRefused, match="exceeded your current quota"):
            await step_of(step, batches, tmp_path)


@pytest.mark.parametrize("step", STEPS)
async def test_rate_limit(tmp_path: Path, step: str) -> None:
    """A rate limit is waited for: nothing was done."""
    async with replying(RATE) as batches:
        with pytest.raises(ServiceBusy, match="Slow down"):
            await step_of(step, batches, tmp_path)


@pytest.mark.parametrize("step", [step for step in STEPS if step != "check"])
async def test_an_unknown_error(tmp_path: Path, step: str) -> None:
    """An error of an unknown kind has an unknown outcome, and its message is shown."""
    async with replying(ODD) as batches:
        with pytest.raises(ServiceUncertain, match="Unexpected endpoint"):
            await step_of(step, batches, tmp_path)


async def test_a_server_without_batches() -> None:
    """A server that states an unknown endpoint with status 200 is refused before anything is sent there."""
    async with replying(ODD) as batches:
        with pytest.raises(ServiceError, match=r"does not speak.*Unexpected endpoint"):
            await batches.check()


async def test_answers_are_kept(tmp_path: Path) -> None:
    """An error in place of an answer file replaces no file that was downloaded before."""
    (tmp_path / "output.jsonl").write_bytes(b"before")
    async with replying(RATE) as batches:
        with pytest.raises(ServiceBusy):
            await step_of("answers", batches, tmp_path)
    assert (tmp_path / "output.jsonl").read_bytes() == b"before"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"code": 429, "message": "x"}}, 429),
        ({"error": {"code": "502", "message": "x"}}, 502),
        ({"error": {"message": "x"}, "status": 503}, 503),
        ({"object": "error", "message": "x", "type": "BadRequestError", "code": 400}, 400),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, 503),
        ({"error": {"type": "authentication_error"}}, 401),
        ({"error": {"error": {"code": "insufficient_quota", "message": "x"}}}, 429),
        ({"error": {"status": "RATE LIMIT"}}, 429),
        ({"error": {"code": ["odd"], "type": {}}}, None),
        ({"error": {"code": True, "message": "x"}}, None),
        ({"error": None}, None),
        ({"error": {"code": 429}, "choices": [{"message": {"content": "x"}}]}, None),
        ({"id": "batch_1", "status": "failed", "error": {"code": "invalid_request_error"}}, None),
        ({"id": "file-1", "bytes": 3, "filename": "a", "error": {"code": 500}}, None),
        ({"custom_id": "a", "error": {"code": 500}}, None),
        ({"data": [{}], "error": {"code": 500}}, None),
        (["error"], None),
        ("error", None),
        (None, None),
    ],
)
def test_kinds(body: object, status: int | None) -> None:
    """The status is the one that an error states, or that of its code or type; an object with an error is no error."""
    error = stated_error(body, httpx2.Response(200, request=httpx2.Request("GET", "http://x")))
    assert (error and error.status_code) == status


async def test_kinds_of_errors(tmp_path: Path) -> None:
    """A full queue, an unknown batch and an odd error are told apart."""
    full = {"error": {"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}}
    unknown = {"error": {"type": "not_found_error", "message": "No batch"}}
    for body, kind in ((full, QueueFull), (unknown, UnknownBatch), (ODD, Unreadable)):
        async with replying(body) as batches:
            with pytest.raises(kind):
                await step_of("create", batches, tmp_path)


async def test_an_immediate_request() -> None:
    """An immediate request is billed for no error that its reply states: the error has its own status."""
    async with fixed_response(orjson.dumps(QUOTA), "application/json") as url:
        connector = OpenAIConnector("any", "m", base_url=url)
        with pytest.raises(ServiceRefused, match="exceeded your current quota"):
            await connector.post(CHAT)
        await connector.close()
    refused = {"error": {"type": "invalid_request_error", "message": "Too long."}}
    async with fixed_response(orjson.dumps(refused), "application/json") as url:
        connector = OpenAIConnector("any", "m", base_url=url)
        reply = await connector.post(CHAT)
        await connector.close()
    assert (reply.status, reply.body) == (400, refused)


async def test_an_immediate_rate_limit() -> None:
    """An immediate request that is over a rate limit is sent again, after the pause that the reply asks for."""
    content = orjson.dumps(RATE)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nretry-after: 0.01\r\nconnection: close\r\n"
    async with raw_response(head + b"content-length: %d\r\n\r\n" % len(content) + content) as (url, sent):
        connector = OpenAIConnector("any", "m", base_url=url)
        reply = await connector.post(CHAT)
        await connector.close()
        assert (reply.status, sent()) == (429, 7)
