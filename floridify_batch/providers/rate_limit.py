"""The service's own limits on immediate requests, as its answers state them: whoever would pass one waits for it.

An answer's headers say how many requests may still follow, how many tokens, and when the count begins anew. Requests
that are under way had not been counted when an answer was written, so they are taken off what it states.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from floridify_batch.timing import Sleep

_PART = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
LONGEST_PAUSE = 60.0
"""Seconds after which the service is asked again, whatever it stated."""


def duration(text: str) -> float | None:
    """The seconds in a duration such as `6m0s` or `20ms`; None where it is none."""
    parts = list(_PART.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text.strip():
        return None
    return sum(float(part["number"]) * _SECONDS[part["unit"]] for part in parts)


class Throttle:
    """Lets requests through while the service has room for them. `clock` counts seconds from anywhere."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, sleep: Sleep = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._under_way = 0
        self._room: int | None = None  # None: nobody has said anything of a limit
        self._anew = self._held = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until one more request may go, and hold its place until it is answered."""
        while (pause := self._pause()) > 0:
            await self._sleep(pause)
        if self._room is not None:
            self._room -= 1
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def _pause(self) -> float:
        """Seconds until there may be room."""
        now = self._clock()
        if now >= self._anew:
            self._room = None
        full = self._room is not None and self._room <= 0
        return max(self._held - now, self._anew - now if full else 0.0)

    def note(self, headers: Mapping[str, str]) -> None:
        """Take note of what an answer states; whatever is not stated, or cannot be read, is no limit."""
        requests, anew = _stated(headers, "requests")
        if requests is not None:
            self._room, self._anew = requests - self._under_way, self._clock() + anew
        tokens, anew = _stated(headers, "tokens")
        if tokens == 0:  # how many requests more tokens are good for, nobody says
            self.hold(anew)

    def hold(self, seconds: float) -> None:
        """Let nobody through for so long: the service has refused one for coming too early."""
        self._held = max(self._held, self._clock() + min(seconds, LONGEST_PAUSE))


def _stated(headers: Mapping[str, str], what: str) -> tuple[int | None, float]:
    """How many requests or tokens are left, and the seconds until the count begins anew."""
    left, pause = (
        headers.get(f"x-ratelimit-remaining-{what}", ""),
        duration(headers.get(f"x-ratelimit-reset-{what}", "")),
    )
    return (int(left), min(pause, LONGEST_PAUSE)) if left.isdecimal() and pause is not None else (None, 0.0)
