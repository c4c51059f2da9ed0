"""What is a parameter wherever it is needed, so that tests need neither wait nor listen: clocks, sleeps, listeners."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum

type Clock = Callable[[], datetime]
"""Tells the time, aware, in UTC."""

type Sleep = Callable[[float], Awaitable[None]]
"""Lets so many seconds pass."""

type Told = Callable[[str], None]
"""Whoever is told a sentence: why there is a wait, or what was started."""


def utc_now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)


def tell_nobody(_: str) -> None:
    """Take no note."""


class Direction(StrEnum):
    """Which way a chunk's lines go."""

    UP = "up"
    """Requests, to the service."""
    DOWN = "down"
    """Answers, from it."""
