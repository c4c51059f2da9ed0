"""Replies of the immediate endpoint: the completion in a successful one, whatever a gateway has done to it.

A request with a status of 2xx has probably been billed. Its reply always has status 200 here, also without a usable
completion: an answer line of that status without usage makes the cost unknown, and its failure counts as an attempt.
"""

import asyncio
import json
from codecs import BOM_UTF8
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any, Protocol

import orjson

from floridify_batch.providers.interface import HTTP_OK, Reply

_EVENT_DATA = "data:"
_MOST_BYTES = 1 << 25
"""A reply is read up to this size; a completion has some kilobytes."""


class Response(Protocol):
    """The part of an HTTP response, with a status of 2xx, that has the reply."""

    @property
    def status_code(self) -> int:
        """The status."""
        ...

    @property
    def request_id(self) -> str | None:
        """The service's id of the request."""
        ...

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        ...


async def received(response: Response, seconds: float, failures: tuple[type[Exception], ...]) -> Reply:
    """Read a successful response. `seconds` limits the whole body, `failures` are the errors of a connection.

    A body that does not end is used if the completion in it is whole.
    """
    content, fault = bytearray(), ""
    try:
        async with asyncio.timeout(seconds):
            async for part in response.iter_bytes():
                content += part
                if len(content) > _MOST_BYTES:
                    break
    except TimeoutError:
        fault = f"was not complete after {seconds:,g} seconds ({len(content):,} bytes)"
    except failures:
        fault = f"was cut off after {len(content):,} bytes"
    identity = response.request_id or ""
    body = object_in(bytes(content))
    if body is not None:
        return Reply(HTTP_OK, identity, body)
    fault = fault or ("is not a JSON object" if content.strip() else "is empty")
    return unusable_reply(f"the service's reply (HTTP {response.status_code}) {fault}", identity)


def unusable_reply(reason: str, identity: str = "") -> Reply:
    """Return the reply of a request that was probably billed, and has no answer for this reason."""
    return Reply(HTTP_OK, identity, {"error": {"message": reason, "code": None}})


def object_in(content: bytes) -> dict[str, Any] | None:
    """The one JSON object in a body; None if there is none, or more than one.

    Accepted around it: a byte order mark, an array or a string of JSON, further text behind it, and the form of a
    server-sent event.
    """
    content = content.removeprefix(BOM_UTF8).strip()
    try:
        return _unwrapped(orjson.loads(content))
    except orjson.JSONDecodeError:
        text = content.decode(errors="replace")
    found = list(_events(text) if text.startswith(_EVENT_DATA) else _leading_object(text))
    return found[0] if len(found) == 1 else None


def _unwrapped(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        with suppress(orjson.JSONDecodeError):
            value = orjson.loads(value)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) else None


def _events(text: str) -> Iterator[dict[str, Any]]:
    """The objects in the data of server-sent events; of a real stream, there are many."""
    for line in text.splitlines():
        with suppress(orjson.JSONDecodeError):
            value = orjson.loads(line.removeprefix(_EVENT_DATA)) if line.startswith(_EVENT_DATA) else None
            if isinstance(value, dict):
                yield value


def _leading_object(text: str) -> Iterator[dict[str, Any]]:
    """The object at the beginning of a text, and the one behind it, which makes them ambiguous."""
    decoder = json.JSONDecoder(parse_int=_number(int), parse_float=_number(float))
    for _ in range(2):
        try:
            value, end = decoder.raw_decode(text)
            if isinstance(value, dict):
                yield orjson.loads(orjson.dumps(value))  # refuses a lone surrogate, which no answer line can hold
        except (ValueError, RecursionError, TypeError):
            return
        text = text[end:].lstrip()


def _number(kind: Callable[[str], float]) -> Callable[[str], float]:
    """A parser of numbers that takes those of any length."""
    return lambda digits: kind(digits) if len(digits) < 19 else float(digits)  # noqa: PLR2004 - digits of 64 bits
