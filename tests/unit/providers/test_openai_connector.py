"""One request at once: whatever comes back with 200 is a reply, also where no service wrote it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from floridify_batch.components.domain import DomainIdentificationResponse
from floridify_batch.components.failure import FailureReason
from floridify_batch.components.requests import AnswerError, CustomId, Envelope, SynthesisRequest
from floridify_batch.costs.usage import usage_of
from floridify_batch.errors import ServiceRefused, UsageError
from floridify_batch.providers.openai_connector import OpenAIConnector
from floridify_batch.retry import LONGEST_HELD
from tests.http_services import Handler, fixed_response, raw_response, served

ENVELOPE = Envelope("domain", DomainIdentificationResponse, "gpt-5.4-nano", "Name the field.", 600)
REQUEST = SynthesisRequest(CustomId("bank"), ENVELOPE, "Definition: bank")


@asynccontextmanager
async def answered_with(body: bytes) -> AsyncIterator[OpenAIConnector]:
    """Return a connector to a service that answers everything with 200 and these bytes."""

    async with fixed_response(body) as url:
        connector = OpenAIConnector("any", base_url=url)
        yield connector
        await connector.close()


@pytest.mark.parametrize("body", [b"<html>Sign in to this network</html>", b"", b'{"choices":[', b"[]", b"\xff"])
async def test_no_json_object(body: bytes) -> None:
    """A gateway's page instead of an answer fails that request alone, which was probably billed: its status stays 200,
    so that its cost is unknown.
    """
    async with answered_with(body) as connector:
        reply = await connector.post(REQUEST.body)
        with pytest.raises(AnswerError, match=r"reply \(HTTP 200\) is (not a JSON object|empty)") as caught:
            await connector.complete(REQUEST)
    assert (reply.status, usage_of(reply.body)) == (200, None)
    assert caught.value.reason is FailureReason.MALFORMED


async def test_a_json_object() -> None:
    """An object is accepted as a reply."""
    async with answered_with(b'{"choices": []}') as connector:
        reply = await connector.post(REQUEST.body)
    assert (reply.status, reply.body) == (200, {"choices": []})


@pytest.mark.parametrize("key", ["sk-very secret", "sk-very\nsecret", "“sk-secret”"])
def test_a_key_that_cannot_be_one(key: str) -> None:
    """A key that contains white space is refused, and never printed."""
    with pytest.raises(UsageError, match="OPENAI_API_KEY") as caught:
        OpenAIConnector(key)
    assert "secret" not in str(caught.value)


def test_certificates_that_are_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program that uses the library gets a sentence about certificates that cannot be read, as the command does."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(UsageError, match=r"certificates cannot be read \(No such file.*SSL_CERT_FILE"):
        OpenAIConnector("any")


async def test_a_key_with_a_line_break_behind_it() -> None:
    """White space around a key, as a file or a secret manager leaves it, is removed."""
    async with fixed_response(b'{"choices": []}') as url:
        connector = OpenAIConnector(" sk-secret123\r\n", base_url=url)
        reply = await connector.post(REQUEST.body)
        await connector.close()
    assert reply.status == 200


def busy(times: int) -> type[Handler]:
    """A service without free resources for so many requests."""

    class Door(Handler):
        requests = 0

        def respond(self, body: bytes | None) -> None:  # noqa: ARG002
            type(self).requests += 1
            if self.requests > times:
                self.answer(200, "application/json", b'{"choices": []}')
                return
            content = b'{"error": {"message": "Resource unavailable", "code": "resource_unavailable"}}'
            self.send_response(429)
            self.send_header("Retry-After", "0.01")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Door


@pytest.mark.parametrize(("flex", "status", "requests"), [(True, 200, 10), (False, 429, 7)])
async def test_a_tier_without_free_resources(flex: bool, status: int, requests: int) -> None:
    """Status 429 of the tier flex is waited out, which the service does not charge; other requests end with it."""
    door = busy(9)
    with served(door) as address:
        connector = OpenAIConnector("any", base_url=f"{address}/v1", flex=flex)
        reply = await connector.post(REQUEST.body)
        await connector.close()
    assert (reply.status, vars(door)["requests"]) == (status, requests)


@pytest.mark.parametrize(("flex", "seconds"), [(True, "900"), (False, "600")])
async def test_patience_with_a_tier(flex: bool, seconds: str) -> None:
    """A request of the tier flex has fifteen minutes to be answered, any other one ten."""
    allowed: list[str | None] = []

    class Door(Handler):
        def respond(self, body: bytes | None) -> None:  # noqa: ARG002
            allowed.append(self.headers.get("x-stainless-read-timeout"))
            self.answer(200, "application/json", b'{"choices": []}')

    with served(Door) as address:
        connector = OpenAIConnector("any", base_url=f"{address}/v1", flex=flex)
        await connector.post(REQUEST.body)
        await connector.close()
    assert [each and each.removesuffix(".0") for each in allowed] == [seconds]


def head(length: int, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("response", "sent", "reason"),
    [
        (head(1000) + b'{"choices":[', 1, r"reply \(HTTP 200\) was cut off after 12 bytes"),
        (head(1000), 1, "was cut off after 0 bytes"),
        (head(0, "202 Accepted"), 1, r"\(HTTP 202\) is empty"),
        (b"", 2, "closed the connection without a reply"),
        (b"HTTP/1.1 200 OK\r\nconte", 2, "closed the connection without a reply"),
        (head(1000, "500 Internal Server Error") + b"{", 2, "closed the connection without a reply"),
    ],
)
async def test_a_reply_that_is_lost(response: bytes, sent: int, reason: str) -> None:
    """A reply that breaks off was probably billed, so the request is not repeated; one that never begins may come over
    a stale connection, and is repeated once. Both fail that request alone.
    """
    async with raw_response(response) as (url, count):
        connector = OpenAIConnector("any", base_url=url)
        with pytest.raises(AnswerError, match=reason) as caught:
            await connector.complete(REQUEST)
        await connector.close()
    assert (count(), caught.value.reason) == (sent, FailureReason.MALFORMED)


async def test_a_reply_whose_end_is_lost() -> None:
    """A whole object is a reply, though the connection closed before its stated length."""
    async with raw_response(head(1000) + b'{"choices": []}') as (url, count):
        connector = OpenAIConnector("any", base_url=url)
        reply = await connector.post(REQUEST.body)
        await connector.close()
    assert (count(), reply.status, reply.body) == (1, 200, {"choices": []})


async def test_a_created_completion() -> None:
    """A completion with status 201 is one with status 200."""
    async with raw_response(head(15, "201 Created") + b'{"choices": []}') as (url, _):
        connector = OpenAIConnector("any", base_url=url)
        reply = await connector.post(REQUEST.body)
        await connector.close()
    assert (reply.status, reply.body) == (200, {"choices": []})


@pytest.mark.parametrize("odd", [b'"\\ud800 no"', b"[" + b"9" * 40 + b"]"])
async def test_a_refusal_that_no_line_holds(odd: bytes) -> None:
    """A refusal with a lone surrogate or an endless number is a reply that can be written as an answer line."""
    body = b'{"error":{"message":"no","param":' + odd + b"}}"
    async with raw_response(head(len(body), "400 Bad Request") + body) as (url, _):
        connector = OpenAIConnector("any", base_url=url)
        reply = await connector.post(REQUEST.body)
        await connector.close()
    assert (reply.status, orjson.loads(orjson.dumps(reply.body))["error"]["message"]) == (400, "no")


async def test_a_request_that_is_blocked() -> None:
    """A 403 for one request, such as a gateway's for its text, is that request's failure; a 401 is the account's."""
    page = b"<html>Blocked by policy</html>"
    async with raw_response(head(len(page), "403 Forbidden") + page) as (url, _):
        connector = OpenAIConnector("any", base_url=url)
        reply = await connector.post(REQUEST.body)
        await connector.close()
    assert (reply.status, reply.body["error"]["message"]) == (403, "Blocked by policy")
    async with raw_response(head(2, "401 Unauthorized") + b"{}") as (url, _):
        connector = OpenAIConnector("any", base_url=url)
        with pytest.raises(ServiceRefused):
            await connector.post(REQUEST.body)
        await connector.close()


def _asking(pause: str, status: bytes = b"429 Too Many Requests") -> bytes:
    """A refusal that asks for a pause."""
    head = b"HTTP/1.1 " + status + b"\r\ncontent-type: application/json\r\nconnection: close\r\n"
    return head + b"retry-after: " + pause.encode() + b"\r\ncontent-length: 2\r\n\r\n{}"


@pytest.mark.parametrize("status", [b"429 Too Many Requests", b"503 Service Unavailable"])
async def test_a_pause_of_hours(status: bytes) -> None:
    """A service that asks for a longer pause than a session waits for ends the requests, with the time."""
    async with raw_response(_asking("39600", status)) as (url, sent):
        connector = OpenAIConnector("any", "m", base_url=url)
        connector.longest_pause = LONGEST_HELD
        with pytest.raises(ServiceRefused, match=r"asks for a pause of 1. h.*resume after that"):
            await connector.post({"model": "m", "messages": []})
        await connector.close()
        assert sent() == 1


async def test_a_pause_of_minutes() -> None:
    """A pause of minutes is reported, and waited for."""
    said: list[str] = []
    reported = asyncio.Event()

    def noted(text: str) -> None:
        said.append(text)
        reported.set()

    async with raw_response(_asking("120")) as (url, sent):
        connector = OpenAIConnector("any", "m", base_url=url)
        connector.longest_pause, connector.waiting = LONGEST_HELD, noted
        asked = asyncio.create_task(connector.post({"model": "m", "messages": []}))
        async with asyncio.timeout(60):
            await reported.wait()
        await asyncio.sleep(0.2)
        assert asked.cancel(), "it waits"
        await asyncio.wait([asked])
        await connector.close()
        assert sent() == 1
    assert len(said) == 1
    assert "asks for a pause of 2 min. Waiting." in said[0]
