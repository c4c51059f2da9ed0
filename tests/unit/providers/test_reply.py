"""Successful replies of the immediate endpoint: a completion is found whatever a gateway has put around it."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from floridify_batch.providers.reply import object_in, received

OBJECT = {"choices": [{"message": {"content": "a { b"}}], "usage": {"prompt_tokens": 3}}
PLAIN = orjson.dumps(OBJECT)


class Response:
    """A response whose body arrives in parts, with pauses; None fails as a connection does."""

    def __init__(self, *parts: bytes | None, pause: float = 0, status_code: int = 200) -> None:
        self.parts, self.pause, self.status_code, self.request_id = parts, pause, status_code, "r"

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """Yield the body."""
        for part in self.parts:
            await asyncio.sleep(self.pause)
            if part is None:
                raise ConnectionError
            yield part


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        b"\xef\xbb\xbf" + PLAIN,
        b" \r\n" + PLAIN + b"\n\n",
        PLAIN + b"\n<!-- gateway -->",
        PLAIN + b"\n\xff\xfe",
        b"[" + PLAIN + b"]",
        orjson.dumps(PLAIN.decode()),
        b"data: " + PLAIN + b"\n\ndata: [DONE]\n\n",
        b"data:" + PLAIN + b"\r\n\r\n",
    ],
)
def test_one_object(content: bytes) -> None:
    """One whole object is the reply, whatever is around it."""
    assert object_in(content) == OBJECT


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>" + PLAIN,
        PLAIN[:-1],
        PLAIN + PLAIN,
        PLAIN + b"\n" + PLAIN,
        b"[]",
        b"[" + PLAIN + b"," + PLAIN + b"]",
        b"3",
        b'"text"',
        b"data: " + PLAIN + b"\n\ndata: " + PLAIN,
        b"data: [DONE]",
        b'{"lone": "\\ud800"} x',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_no_object(content: bytes) -> None:
    """Of text without an object, a part of one or several of them, none is taken."""
    assert object_in(content) is None


def test_a_number_of_any_length() -> None:
    """A field with thousands of digits does not hide the others."""
    found = object_in(PLAIN[:-1] + b',"n":' + b"9" * 6000 + b"} x")
    assert found is not None
    assert found["choices"] == OBJECT["choices"]


async def test_a_slow_drip() -> None:
    """A reply that arrives byte by byte has one limit on the whole of it."""
    slow = Response(*([b"x"] * 1000), pause=0.01)
    reply = await received(slow, 0.1, (ConnectionError,))
    assert (reply.status, reply.request_id) == (200, "r")
    assert "was not complete after 0.1 seconds" in reply.body["error"]["message"]


async def test_an_open_end() -> None:
    """A whole object is a reply, though the connection stays open or fails behind it."""
    for response in (Response(PLAIN, b" ", pause=0.06), Response(PLAIN, None)):
        assert (await received(response, 0.1, (ConnectionError,))).body == OBJECT


async def test_an_endless_reply() -> None:
    """A reply without an end is not read into memory without one."""
    parts = [bytes(1 << 20)] * 100
    reply = await received(Response(*parts), 60, (ConnectionError,))
    assert "not a JSON object" in reply.body["error"]["message"]
