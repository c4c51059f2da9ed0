"""One request at once: whatever comes back with 200 is a reply, also where no service wrote it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from floridify_batch import answers
from floridify_batch.connector import OpenAIConnector
from floridify_batch.failures import FailureReason
from floridify_batch.requests import AnswerError, CustomId, Envelope, SynthesisRequest

ENVELOPE = Envelope("domain", answers.DomainIdentificationResponse, "gpt-5.4-nano", "Name the field.", 600)
REQUEST = SynthesisRequest(CustomId("bank"), ENVELOPE, "Definition: bank")


@asynccontextmanager
async def answered_with(body: bytes) -> AsyncIterator[OpenAIConnector]:
    """A connector to a service that answers everything with 200 and these bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        (length,) = (line.split(b":")[1] for line in head.lower().splitlines() if line.startswith(b"content-length"))
        await reader.readexactly(int(length))
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        connector = OpenAIConnector("any", base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        yield connector
        await connector.close()


@pytest.mark.parametrize("body", [b"<html>Sign in to this network</html>", b"", b'{"choices":[', b"[]", b"\xff"])
async def test_no_json_object(body: bytes) -> None:
    """A page in place of an answer is the failure of that request, which may be asked again, and ends nothing else."""
    async with answered_with(body) as connector:
        reply = await connector.post(REQUEST.body)
        with pytest.raises(AnswerError, match="no JSON object") as caught:
            await connector.complete(REQUEST)
    assert (reply.status, "no JSON object" in reply.body["error"]["message"]) == (0, True)
    assert caught.value.reason is FailureReason.HTTP


async def test_a_json_object() -> None:
    """An object is a reply as it stands."""
    async with answered_with(b'{"choices": []}') as connector:
        reply = await connector.post(REQUEST.body)
    assert (reply.status, reply.body) == (200, {"choices": []})
