"""Answers of another service in place of invented ones: `--answers-from`."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import orjson
import pytest

from floridify_batch.errors import UsageError
from floridify_batch.sandbox.batch import MOVES, Batches
from floridify_batch.sandbox.endpoint import Endpoint
from floridify_batch.sandbox.fault import Faults
from floridify_batch.sandbox.sandbox_settings import SandboxSettings
from floridify_batch.sandbox.storage import BatchRecord, Folder
from tests.http_services import Handler, served

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
GIVEN_UP = Event()


class Model(Handler):
    """A service that does what the last message of a request says."""

    def respond(self, body: bytes | None) -> None:
        """Answer, refuse, hang up, hang, or send a page."""
        match text := orjson.loads(body or b"")["messages"][-1]["content"]:
            case "refuse":
                self.answer(400, "application/json", b'{"error":{"message":"no grammar for this schema"}}')
            case "page":
                self.answer(200, "text/html", b"<html>")
            case "hang up":
                self.connection.close()
            case "hang":
                GIVEN_UP.wait(5)
            case _:
                chat = {"id": "chatcmpl-1", "choices": [{"message": {"content": f"{text}!"}}], "usage": USAGE}
                self.answer(200, "application/json", orjson.dumps(chat))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(Model) as address:
        yield f"{address}/v1"
        GIVEN_UP.set()


@pytest.fixture
async def endpoint(url: str) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(url, seconds=30)
    yield endpoint
    await endpoint.close()


def _line(text: str, **changes: Any) -> bytes:
    body = {"model": "a-small-model", "messages": [{"role": "user", "content": text}]} | changes
    request = {"custom_id": text.replace(" ", "-"), "method": "POST", "url": "/v1/chat/completions", "body": body}
    return orjson.dumps(request) + b"\n"


async def _completed(folder: Folder, endpoint: Endpoint, lines: bytes) -> tuple[BatchRecord, dict[str, Any]]:
    written = folder.partial()
    written.write_bytes(lines)
    file = folder.keep(written, purpose="batch", filename="requests.jsonl", created=0, expires=None)
    settings = SandboxSettings(folder.path, validating_seconds=0, running_seconds=0)
    batches = Batches(folder, settings, Faults.parse([], 0), endpoint)
    order = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    record = batches.create(order, None)
    await batches.finish()
    await batches.close()
    record = folder.batch(record.id)
    assert not MOVES[record.status]
    files = [each for each in (record.output_file_id, record.error_file_id) if each]
    answers = [orjson.loads(raw) for each in files for raw in folder.content(each).read_bytes().splitlines()]
    return record, {answer["custom_id"]: answer for answer in answers}


async def test_answers_of_a_service_are_those_of_the_batch(tmp_path: Path, endpoint: Endpoint) -> None:
    """Each request of any model gets the endpoint's answer as it is; the usage of the batch is the sum of theirs."""
    with Folder(tmp_path) as folder:
        record, answers = await _completed(folder, endpoint, b"".join(_line(f"word {n}") for n in range(9)))
    assert {answer["response"]["body"]["choices"][0]["message"]["content"] for answer in answers.values()} == {
        f"word {n}!" for n in range(9)
    }
    assert answers["word-4"]["response"]["body"]["usage"] == USAGE
    assert (record.status, record.completed, record.failed) == ("completed", 9, 0)
    assert (record.input_tokens, record.output_tokens) == (63, 27)


async def test_errors_of_a_service_cost_the_request_alone(tmp_path: Path, endpoint: Endpoint) -> None:
    """Refusals, pages, lost connections and time-outs become error lines, and the other requests are answered."""
    texts = ("good", "refuse", "page", "hang up")
    with Folder(tmp_path) as folder:
        record, answers = await _completed(folder, endpoint, b"".join(map(_line, texts)) + _line("odd", temperature=9))
    assert (record.completed, record.failed) == (1, 4)
    assert answers["good"]["response"]["status_code"] == 200
    assert answers["refuse"]["response"]["status_code"] == 400
    assert answers["refuse"]["response"]["body"]["error"]["message"] == "no grammar for this schema"
    assert answers["odd"]["response"]["body"]["error"]["param"] == "temperature"
    failed = {name: answers[name]["error"] for name in ("page", "hang-up")}
    assert [answers[name]["response"] for name in failed] == [None, None]
    assert failed["page"]["message"] == "The endpoint answered with status 200 and no JSON."
    assert failed["hang-up"]["message"].startswith("The endpoint cannot be reached: ")


async def test_a_late_answer_is_an_error(url: str) -> None:
    """A request without an answer within the time limit fails with the reason."""
    endpoint = Endpoint(url, seconds=0.05)
    late = await endpoint.answer(orjson.loads(_line("hang"))["body"])
    assert (late.status, late.body) == (0, None)
    assert late.error == {
        "code": "request_timeout",
        "message": "The endpoint did not answer within 0.05 seconds.",
    }
    await endpoint.close()


async def test_requests_to_a_service_end_with_the_sandbox(tmp_path: Path, url: str) -> None:
    """A sandbox that is stopped does not wait for an endpoint that hangs."""
    endpoint = Endpoint(url, seconds=60)
    with Folder(tmp_path) as folder:
        waiting = asyncio.create_task(_completed(folder, endpoint, _line("hang")))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waiting, 1)
    await endpoint.close()


def test_an_address_must_be_a_url() -> None:
    """An address without a scheme is refused before a request is sent."""
    with pytest.raises(UsageError, match="is no URL"):
        Endpoint("localhost:8080/v1", seconds=1)
