"""Answers of a real model: requests are passed on to the Chat Completions endpoint of another service.

The endpoint decides which models exist and what an answer looks like, so its answers are returned as they are.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from floridify_batch.errors import UsageError
from floridify_batch.sandbox.refusal import Refusal

if TYPE_CHECKING:
    from httpx2 import AsyncClient

CONCURRENCY = 4
"""Requests of a batch in flight at the endpoint."""

_OK = 200
_SCHEMES = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Passed:
    """The outcome of a request that was passed on: status and body of the endpoint's answer, or an error."""

    status: int = 0
    body: Any = None
    error: Mapping[str, Any] | None = None

    @property
    def is_answer(self) -> bool:
        """Whether the endpoint has answered the request."""
        return self.status == _OK

    def tokens(self, name: str) -> int:
        """Return a count of tokens of the usage; 0 if the answer has none."""
        usage = self.body.get("usage") if isinstance(self.body, dict) else None
        count = usage.get(name) if isinstance(usage, dict) else None
        return count if type(count) is int and count > 0 else 0


@dataclass(slots=True)
class Endpoint:
    """The Chat Completions endpoint of a service. Raises UsageError for an address that is no URL."""

    url: str
    seconds: float
    _client: "AsyncClient | None" = field(default=None, init=False)

    def __post_init__(self) -> None:
        if not self.url.startswith(_SCHEMES):
            raise UsageError(f"--answers-from {self.url} is no URL; expected one such as http://127.0.0.1:8080/v1")

    async def answer(self, body: Mapping[str, Any]) -> Passed:
        """Pass a request on; a time-out, a lost connection or an unreadable answer is an error of this request."""
        import httpx2

        client = self._connected()
        try:
            async with asyncio.timeout(self.seconds):
                reply = await client.post("chat/completions", json=body)
            return Passed(reply.status_code, orjson.loads(reply.content))
        except TimeoutError:
            return _failed("request_timeout", f"The endpoint did not answer within {self.seconds:g} seconds.")
        except httpx2.HTTPError as problem:
            return _failed("server_error", f"The endpoint cannot be reached: {problem or type(problem).__name__}.")
        except orjson.JSONDecodeError:
            return _failed("server_error", f"The endpoint answered with status {reply.status_code} and no JSON.")

    async def write(
        self, requests: Iterable[Mapping[str, Any] | None], path: Path, notify: Callable[[int], None]
    ) -> None:
        """Write the outcomes of requests, one line each, in their order; null for None.

        `notify` is called with the number of requests that have an outcome.
        """
        in_flight: deque[asyncio.Task[Passed | None]] = deque()
        with path.open("wb") as file:
            async with asyncio.TaskGroup() as tasks:
                for number, body in enumerate(requests):
                    notify(number - len(in_flight))
                    if len(in_flight) == CONCURRENCY:
                        file.write(_line(await in_flight.popleft()))
                    in_flight.append(tasks.create_task(self._answer_any(body)))
                while in_flight:
                    file.write(_line(await in_flight.popleft()))

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.aclose()

    async def _answer_any(self, body: Mapping[str, Any] | None) -> Passed | None:
        return None if body is None else await self.answer(body)

    def _connected(self) -> "AsyncClient":
        from httpx2 import AsyncClient, Limits

        if self._client is None:
            limits = Limits(max_connections=None)
            self._client = AsyncClient(base_url=f"{self.url.rstrip('/')}/", timeout=None, limits=limits)
        return self._client


def outcomes(path: Path) -> Iterator[Passed | None]:
    """Yield the outcomes that `Endpoint.write` has written."""
    with path.open("rb") as file:
        for raw in file:
            outcome = orjson.loads(raw)
            yield outcome and Passed(**outcome)


def refusal_of(passed: Passed) -> Refusal:
    """Return the refusal of an immediate request that the endpoint has not answered."""
    error = passed.error or {}
    return Refusal(502, str(error.get("message")), code=str(error.get("code")), kind="server_error")


def _failed(code: str, message: str) -> Passed:
    return Passed(error={"code": code, "message": message})


def _line(passed: Passed | None) -> bytes:
    return orjson.dumps(passed, option=orjson.OPT_APPEND_NEWLINE)
