"""The throttle: the remaining requests and tokens, as the service's headers state them."""

import pytest
from hypothesis import given, strategies as st

from floridify_batch.providers.rate_limit import Throttle, duration
from floridify_batch.retry import LONGEST_THROTTLE


class Time:
    """A clock that advances only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


def stated(left: int, reset: str = "2s", what: str = "requests") -> dict[str, str]:
    return {f"x-ratelimit-remaining-{what}": str(left), f"x-ratelimit-reset-{what}": reset}


async def go(throttle: Throttle, headers: dict[str, str] | None = None) -> None:
    """Send one request, and note its answer's headers."""
    async with throttle.turn():
        pass
    throttle.note(headers or {})


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("6m0s", 360), ("20ms", 0.02), ("1h2m3.5s", 3723.5), ("2d", 172_800)]
)
def test_durations(text: str, seconds: float) -> None:
    """Durations are read as the service writes them."""
    assert duration(text) == pytest.approx(seconds)


@given(st.text(max_size=8))
def test_any_text_as_a_duration(text: str) -> None:
    """Any text of a header is parsed as a number of seconds, or as no duration."""
    seconds = duration(text)
    assert seconds is None or seconds >= 0


async def test_nothing_is_stated() -> None:
    """Without rate-limit headers there is no throttle."""
    time = Time()
    throttle = Throttle(time, time.sleep)
    for headers in (
        {},
        {"x-ratelimit-remaining-requests": "many"},
        {**stated(0, "9s"), "x-ratelimit-remaining-requests": "0" * 5_000},
        stated(0, "soon"),
        stated(5000),
    ):
        await go(throttle, headers)
    await go(throttle)
    assert time.sleeps == []


async def test_no_room_left() -> None:
    """A request without remaining quota waits until the limit is reset, and no longer."""
    time = Time()
    throttle = Throttle(time, time.sleep)
    await go(throttle, stated(1, "2s"))
    await go(throttle)
    await go(throttle)
    await go(throttle)
    assert time.sleeps == [2.0]


async def test_those_under_way_count() -> None:
    """Requests in flight use up the quota that an answer states."""
    time = Time()
    throttle = Throttle(time, time.sleep)
    async with throttle.turn(), throttle.turn():
        throttle.note(stated(3, "1s"))  # of an answer to somebody else
        await go(throttle)
        assert time.sleeps == []
        await go(throttle)
        assert time.sleeps == [1.0]


async def test_refused() -> None:
    """After a 429, all requests wait for its Retry-After, at most a minute."""
    time = Time()
    throttle = Throttle(time, time.sleep)
    throttle.hold(3)
    throttle.hold(1)
    await go(throttle, stated(50))
    throttle.hold(86_400)
    await go(throttle)
    assert time.sleeps == [3.0, LONGEST_THROTTLE]


async def test_no_tokens_left() -> None:
    """Without remaining tokens, requests wait for the reset; with few, they are sent."""
    time = Time()
    throttle = Throttle(time, time.sleep)
    await go(throttle, stated(40_000, "30s", "tokens"))
    await go(throttle, stated(0, "4s", "tokens"))
    await go(throttle)
    assert time.sleeps == [4.0]
