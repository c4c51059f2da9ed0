"""Progress that is told often enough to be seen to move, and no oftener; and a file that tells how far it was read."""

import io
import time
from collections.abc import Callable
from pathlib import Path

EVERY = 0.1
"""Seconds between two tellings: nobody reads faster, and whoever listens has other work."""

type Progress = Callable[[int, int], None]
"""Is told how much is done, of how much; 0 where the whole is not known."""


class Paced:
    """Passes progress on, a few times a second at the most. The end is always told."""

    def __init__(self, tell: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._told_at: float | None = None
        self._told = -1

    def __call__(self, done: int, total: int) -> None:
        """Tell of it, unless something was told just now, or just this."""
        now = self._clock()
        due = self._told_at is None or now - self._told_at >= EVERY or 0 < total <= done
        if due and done != self._told:
            self._told_at, self._told = now, done
            self._tell(done, total)


class CountedFile(io.BufferedReader):
    """A file open for reading that tells how far it has been read, in bytes."""

    def __init__(self, path: Path, progress: Progress) -> None:
        super().__init__(io.FileIO(path))
        self._size = path.stat().st_size
        self._progress = Paced(progress)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read so many bytes, or all."""
        part = super().read(size)
        self._progress(self.tell(), self._size)
        return part
