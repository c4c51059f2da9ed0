"""A seeded pseudo-random generator."""

from array import array
from collections.abc import Sequence
from hashlib import shake_128

_BLOCK = 256
_RANGE = 1 << 16


class Random:
    """A seeded pseudo-random generator, much cheaper to construct than `random.Random`: every line needs its own."""

    __slots__ = ("_at", "_numbers", "_round", "_seed")

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._round = 0
        self._fill()

    def _fill(self) -> None:
        digest = shake_128(self._seed + self._round.to_bytes(4)).digest(_BLOCK * 2)
        self._numbers = array("H", digest)
        self._round += 1
        self._at = 0

    def below(self, bound: int) -> int:
        """Return an integer from 0 to `bound` - 1; `bound` is at most 65,536."""
        if self._at == _BLOCK:
            self._fill()
        number = self._numbers[self._at]
        self._at += 1
        return number * bound >> 16

    def between(self, low: int, high: int) -> int:
        """Return an integer, both ends included; of a range wider than 65,536 only the low end is used."""
        return low + self.below(min(high - low + 1, _RANGE))

    def share(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return a number with two decimal places."""
        return round(low + (high - low) * self.below(1001) / 1000, 2)

    def pick[T](self, pool: Sequence[T]) -> T:
        """Return one element of the pool."""
        return pool[self.below(len(pool))]

    def some[T](self, pool: Sequence[T], count: int) -> list[T]:
        """Return up to `count` distinct elements of the pool."""
        size = len(pool)
        count = min(count, size)
        start, stride = self.below(size), 1 + self.below(max(1, size // max(1, count)) or 1)
        return [pool[(start + index * stride) % size] for index in range(count)]

    def shuffle[T](self, items: list[T]) -> None:
        """Shuffle a list in place."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]
