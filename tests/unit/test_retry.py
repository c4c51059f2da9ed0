"""Retry policy: the pauses between attempts."""

import pytest

from floridify_batch.errors import ServiceUncertain
from floridify_batch.retry import Backoff, retrying


async def pauses(backoff: Backoff, asked: float | None) -> list[float]:
    """The pauses of a call that always fails, and asks for a retry after some seconds."""
    slept: list[float] = []

    async def fail() -> None:
        raise ServiceUncertain("The service is temporarily unavailable.", asked)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    with pytest.raises(ServiceUncertain):
        await retrying(fail, backoff, ServiceUncertain, sleep=sleep)
    return slept


async def test_a_huge_pause_is_bounded_by_the_patience() -> None:
    """A service that asks for an hour is retried at the end of the patience, not after the hour."""
    [pause] = await pauses(Backoff(1.0, attempts=2, patience=5.0), asked=3600.0)
    assert 4.0 < pause <= 5.0
    assert await pauses(Backoff(1.0, attempts=2, longest_asked=60.0), asked=3600.0) == [60.0]


async def test_a_short_pause_is_as_asked() -> None:
    """A pause that the service asks for takes the place of the backoff's own."""
    assert await pauses(Backoff(1.0, attempts=3, patience=100.0), asked=7.0) == [7.0, 7.0]
    assert await pauses(Backoff(1.0, attempts=3, patience=100.0), asked=None) == [1.0, 2.0]
