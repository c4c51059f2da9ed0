"""Replies with status 200 that are none: pages, halves, and JSON of another kind, over real HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, override

import orjson
import pytest

from floridify_batch.cli.service import opened_batches_of
from floridify_batch.errors import ServiceError, ServiceRefused, ServiceUncertain, UnknownBatch
from floridify_batch.providers.error import reason_in
from floridify_batch.providers.interface import Submission
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.resources import Resources, Secrets
from tests.http_services import Handler, fixed_response, served
from tests.ledgers import run_settings

EFFECTS: dict[str, Callable[[OpenAIBatches, Path], Any]] = {
    "retrieve": lambda batches, _: batches.retrieve("batch_1"),
    "find": lambda batches, _: batches.find(Submission("run/0001/1")),
    "cancel": lambda batches, _: batches.cancel("batch_1"),
    "create": lambda batches, _: batches.create(Submission("run/0001/1", "file-1")),
    "upload": lambda batches, requests: batches.upload(requests),
}


@asynccontextmanager
async def connected(kind: str, body: bytes) -> AsyncIterator[OpenAIBatches]:
    """The connection to a service that answers everything with the same body."""
    async with fixed_response(body, kind) as url:
        batches = OpenAIBatches("any", base_url=url, patience=0)
        try:
            yield batches
        finally:
            await batches.close()


@pytest.mark.parametrize("body", [b'{"id": "batch_1", "obj', b"", b"{}", b"null", b"[]", b"<html>Maintenance</html>"])
@pytest.mark.parametrize("step", EFFECTS)
async def test_odd_replies(tmp_path: Path, step: str, body: bytes) -> None:
    """An unreadable reply is ambiguous, so that the caller looks up the outcome."""
    if (step, body) == ("find", b"[]"):
        pytest.skip("a bare array is an empty list of batches")
    requests = tmp_path / "requests.jsonl"
    requests.write_bytes(b"{}\n")
    kind = "text/html" if body.startswith(b"<") else "application/json"
    async with connected(kind, body) as batches:
        with pytest.raises(ServiceUncertain):
            await EFFECTS[step](batches, requests)


@pytest.mark.parametrize("body", [b"{}", b"null", b"<html>Hello</html>"])
async def test_another_kind_of_service(body: bytes) -> None:
    """An address with another kind of server is recognised before anything is sent there."""
    kind = "text/html" if body.startswith(b"<") else "application/json"
    async with connected(kind, body) as batches:
        with pytest.raises(ServiceError, match="does not speak"):
            await batches.check()


async def test_a_service_that_refuses_is_let_go_of(tmp_path: Path) -> None:
    """The connection is closed if the first request is refused."""
    left = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
        await reader.read()
        left.set()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    resources = Resources(run_settings(), Secrets(None), Checkpoint(tmp_path / "run.json"))
    with pytest.raises(ServiceRefused) as refused:
        async with resources.opened_batches("any", url):
            pytest.fail("it was not refused")
    server.close()
    await asyncio.wait_for(left.wait(), 10)
    assert "refuses this key" in str(refused.value)


@pytest.mark.parametrize(
    ("status", "label", "there"),
    [("in_progress", "run/0001/1", False), ("in_progress", "run10/0001/1", True), ("completed", "other/0001/1", False)],
)
async def test_others_in_the_queue(status: str, label: str, there: bool) -> None:
    """Only unfinished batches of others count towards the account's queue."""
    batch = {"id": "batch_1", "status": status, "metadata": {"label": label}, "created_at": 1_790_000_000}
    body = orjson.dumps({"object": "list", "data": [batch], "has_more": False})
    async with connected("application/json", body) as batches:
        assert await batches.others("run") is there


def refusing(status: int, message: str) -> type[Handler]:
    """A service that refuses every request with a status and a message."""

    class Refusing(Handler):
        @override
        def respond(self, body: bytes | None) -> None:
            content = orjson.dumps({"error": {"message": message, "code": None}})
            self.answer(status, "application/json", content)

    return Refusing


@pytest.mark.parametrize(
    ("key", "status", "message", "shown"),
    [
        ("e", 400, "The model is not served here.", "The model is not served here."),
        ("any", 400, "There is not any model.", "There is not any model."),
        ("e", 401, "Incorrect API key provided: e. Here, there are others.", "provided: ***. Here, there are others."),
        ("sk-secret1", 400, "sk-secret1 may not use this model.", "*** may not use this model."),
    ],
)
async def test_keys_in_messages(key: str, status: int, message: str, shown: str) -> None:
    """A key is masked in the service's messages; one of a few letters, as self-hosted servers take, masks no text."""
    with served(refusing(status, message)) as url:
        batches = OpenAIBatches(key, base_url=f"{url}/v1", patience=0)
        try:
            with pytest.raises(ServiceError) as caught:
                await batches.retrieve("batch_1")
        finally:
            await batches.close()
    assert shown in str(caught.value)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 429, 500])
@pytest.mark.parametrize(("message", "end"), [("Not now", ": Not now."), ("Why?", ": Why?"), ("No.  ", ": No.")])
async def test_messages_without_a_full_stop(status: int, message: str, end: str) -> None:
    """The sentence that follows a service's message does not run into it."""
    with served(refusing(status, message)) as url:
        batches = OpenAIBatches("any", base_url=f"{url}/v1", patience=0)
        try:
            with pytest.raises(ServiceError) as caught:
                await batches.retrieve("batch_1")
        finally:
            await batches.close()
    assert str(caught.value).endswith(end)


def uncancellable(status: int, state: str) -> type[Handler]:
    """A service that refuses to cancel a batch of this state."""

    class Uncancellable(Handler):
        @override
        def respond(self, body: bytes | None) -> None:
            batch = orjson.dumps({"id": "batch_1", "status": state, "created_at": 1_790_000_000})
            refused = self.path.endswith("/cancel")
            self.answer(status if refused else 200, "application/json", b"{}" if refused else batch)

    return Uncancellable


@pytest.mark.parametrize("status", [400, 405, 409, 500])
@pytest.mark.parametrize(("state", "ends"), [("completed", True), ("cancelling", True), ("in_progress", False)])
async def test_refused_cancellation(status: int, state: str, ends: bool) -> None:
    """If a batch has ended, or is being cancelled, it does not matter how the service refuses to cancel it."""
    with served(uncancellable(status, state)) as url:
        batches = OpenAIBatches("any", base_url=f"{url}/v1", patience=0)
        try:
            with nullcontext() if ends else pytest.raises(ServiceError):
                assert (await batches.cancel("batch_1")).status == state
        finally:
            await batches.close()


async def test_a_denied_batch_is_requested_once() -> None:
    """A 404 is no transient failure: commands that only look (status, recover) send one request, and report it."""
    paths: list[str] = []

    class Denying(refusing(404, "No such batch.")):  # type: ignore[misc]
        @override
        def respond(self, body: bytes | None) -> None:
            paths.append(self.path)
            super().respond(body)

    with served(Denying) as url:
        async with opened_batches_of(None, None, Secrets("any", None), f"{url}/v1", 0.0) as batches:
            with pytest.raises(UnknownBatch):
                await batches.retrieve("batch_1")
    assert paths == ["/v1/batches/batch_1"]


@pytest.mark.parametrize(
    "body",
    [
        {"error": "No model"},
        {"detail": "No model"},
        {"detail": [{"loc": ["body"], "msg": "No model"}]},
        {"errors": [{"message": "No model"}]},
        {"error": {"error": {"message": "No model"}}},
    ],
)
def test_reasons_of_any_form(body: object) -> None:
    """The reason of a refusal is shown whatever the form of the body."""
    assert reason_in(body) == "No model"


class Redirecting(Handler):
    """A service that redirects each creation of a batch to itself."""

    creations = 0

    @override
    def respond(self, body: bytes | None) -> None:
        type(self).creations += 1
        self.send_response(307)
        self.send_header("Location", "/v1/batches")
        self.send_header("Content-Length", "0")
        self.end_headers()


async def test_redirected_creations() -> None:
    """A redirect never repeats a creation: its outcome is unknown, so that the caller looks it up."""
    with served(Redirecting) as url:
        batches = OpenAIBatches("any", base_url=f"{url}/v1", patience=0)
        with pytest.raises(ServiceUncertain, match="redirects"):
            await batches.create(Submission("run/0001/1", "file-1"))
        await batches.close()
    assert Redirecting.creations == 1


@pytest.mark.parametrize(("failures", "requests"), [(2, 3), (3, 3)])
async def test_the_first_call_of_a_session(failures: int, requests: int) -> None:
    """One or two transient failures do not refuse a command at its start; more of them do, after two seconds."""

    class Door(Handler):
        sent = 0

        def respond(self, body: bytes | None) -> None:  # noqa: ARG002
            type(self).sent += 1
            status = 500 if self.sent <= failures else 200
            self.answer(status, "application/json", b'{"object": "list", "data": []}')

    reported: list[str] = []
    with served(Door) as address:
        batches = OpenAIBatches("any", base_url=f"{address}/v1", waiting=reported.append)
        with nullcontext() if failures < requests else pytest.raises(ServiceUncertain, match="HTTP 500"):
            await batches.check()
        await batches.close()
    assert (Door.sent, len(reported)) == (requests, requests - 1)
