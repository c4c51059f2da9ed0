"""Chance that can be repeated: the same seed throws the same dice."""

from array import array
from collections.abc import Sequence
from hashlib import shake_128

_THROWS = 256
_SIDES = 1 << 16


class Dice:
    """A run of throws decided by a seed. Much cheaper to set up than `random.Random`, which matters once per line."""

    __slots__ = ("_at", "_round", "_seed", "_throws")

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._round = 0
        self._fill()

    def _fill(self) -> None:
        digest = shake_128(self._seed + self._round.to_bytes(4)).digest(_THROWS * 2)
        self._throws = array("H", digest)
        self._round += 1
        self._at = 0

    def below(self, sides: int) -> int:
        """A whole number from 0 to `sides` - 1, for up to 65,536 sides."""
        if self._at == _THROWS:
            self._fill()
        throw = self._throws[self._at]
        self._at += 1
        return throw * sides >> 16

    def between(self, low: int, high: int) -> int:
        """A whole number, both ends included; a range wider than the dice's sides is used from its low end on."""
        return low + self.below(min(high - low + 1, _SIDES))

    def share(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number with two digits after the point."""
        return round(low + (high - low) * self.below(1001) / 1000, 2)

    def pick[T](self, pool: Sequence[T]) -> T:
        """One of the pool."""
        return pool[self.below(len(pool))]

    def some[T](self, pool: Sequence[T], count: int) -> list[T]:
        """Up to `count` neighbours at different places in the pool, each at most once."""
        size = len(pool)
        count = min(count, size)
        start, stride = self.below(size), 1 + self.below(max(1, size // max(1, count)) or 1)
        return [pool[(start + index * stride) % size] for index in range(count)]

    def shuffle[T](self, items: list[T]) -> None:
        """Puts the items in another order, in place."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]
