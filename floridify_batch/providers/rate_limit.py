"""Throttle of immediate requests by the rate limits that the service states in its headers.

A reply states how many requests and tokens remain, and when the limit resets. Requests in flight had not been counted
when a reply was written, so they are subtracted from what it states.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from floridify_batch.formatting import whole_number
from floridify_batch.retry import LONGEST_THROTTLE
from floridify_batch.timing import Sleep

_PART = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def duration(text: str) -> float | None:
    """Parse a duration such as `6m0s` or `20ms` into seconds; None for any other text."""
    parts = list(_PART.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text.strip():
        return None
    return sum(float(part["number"]) * _SECONDS[part["unit"]] for part in parts)


class Throttle:
    """Rate limiter for immediate requests. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, sleep: Sleep = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._in_flight = 0
        self._room: int | None = None  # None: no limit was stated
        self._resets_at = self._held_until = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until one more request may be sent, and count it as in flight until it is answered."""
        while (pause := self._pause()) > 0:
            await self._sleep(pause)
        if self._room is not None:
            self._room -= 1
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    def _pause(self) -> float:
        """Return the seconds until a request may be sent."""
        now = self._clock()
        if now >= self._resets_at:
            self._room = None
        full = self._room is not None and self._room <= 0
        return max(self._held_until - now, self._resets_at - now if full else 0.0)

    def note(self, headers: Mapping[str, str]) -> None:
        """Update the limits from a reply's headers; a header that is missing or unreadable is no limit."""
        requests, reset = _stated(headers, "requests")
        if requests is not None:
            self._room, self._resets_at = requests - self._in_flight, self._clock() + reset
        tokens, reset = _stated(headers, "tokens")
        if tokens == 0:  # how many requests a number of tokens allows is unknown
            self.hold(reset)

    def hold(self, seconds: float) -> None:
        """Send nothing for a number of seconds, after a refusal."""
        self._held_until = max(self._held_until, self._clock() + min(seconds, LONGEST_THROTTLE))


def _stated(headers: Mapping[str, str], what: str) -> tuple[int | None, float]:
    """Return the remaining requests or tokens, and the seconds until the limit resets."""
    left, pause = (
        headers.get(f"x-ratelimit-remaining-{what}", ""),
        duration(headers.get(f"x-ratelimit-reset-{what}", "")),
    )
    number = whole_number(left)
    return (None, 0.0) if number is None or pause is None else (number, min(pause, LONGEST_THROTTLE))
