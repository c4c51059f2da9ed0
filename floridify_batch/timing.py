"""Injected clocks, sleeps and callbacks, so that tests do not wait; throttled progress events."""

import io
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

type Clock = Callable[[], datetime]
"""The current time, aware, in UTC."""

type Sleep = Callable[[float], Awaitable[None]]
"""Suspends the caller for a number of seconds."""

type Notify = Callable[[str], None]
"""Callback for a sentence to show: the reason for a wait, a server that was started."""

type Progress = Callable[[int, int], None]
"""Progress callback: the amount done and the total, 0 where the total is unknown."""

PROGRESS_INTERVAL = 0.1
"""Minimum seconds between two progress events: faster ones cannot be read, and drawing them costs time."""


def utc_now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def whole_milliseconds(time: datetime) -> datetime:
    """A time without the part below milliseconds, which MongoDB does not store."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def ignore(_: str) -> None:
    """A `Notify` that drops its sentence."""


class Direction(StrEnum):
    """The direction in which a chunk's lines are transferred."""

    UP = "up"
    """Upload of requests."""
    DOWN = "down"
    """Download of answers."""


class ThrottledProgress:
    """Throttle for a progress callback: at most one event per interval, and always the last one."""

    def __init__(self, report: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._clock = clock
        self._reported_at: float | None = None
        self._reported = -1

    def __call__(self, done: int, total: int) -> None:
        """Pass an event on if the interval is over, or the work done, and if it differs from the last one."""
        now = self._clock()
        due = self._reported_at is None or now - self._reported_at >= PROGRESS_INTERVAL or 0 < total <= done
        if due and done != self._reported:
            self._reported_at, self._reported = now, done
            self._report(done, total)


class CountedFile(io.BufferedReader):
    """A file opened for reading that reports progress in bytes."""

    def __init__(self, path: Path, progress: Progress) -> None:
        super().__init__(io.FileIO(path))
        self._size = path.stat().st_size
        self._progress = ThrottledProgress(progress)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes, or all, and report the position."""
        part = super().read(size)
        self._progress(self.tell(), self._size)
        return part
