"""Reservoir sampling, and the projection of a sample of words to the whole list."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from random import Random

_CONFIDENCE = 1.96


class Reservoir[T]:
    """A uniform random sample of fixed size over a stream; reproducible by its seed."""

    def __init__(self, size: int, seed: int) -> None:
        self.kept: list[T] = []
        self.offered = 0
        self._size = size
        self._random = Random(seed)  # noqa: S311  a sample, not a secret

    def offer(self, thing: T) -> None:
        """Offer an item, which may replace another one."""
        self.offered += 1
        if len(self.kept) < self._size:
            self.kept.append(thing)
            return
        place = self._random.randrange(self.offered)
        if place < self._size:
            self.kept[place] = thing


type Counted = Sequence[tuple[str, int]]
"""A word's requests: component and input tokens of each."""


@dataclass(frozen=True, slots=True)
class Projection:
    """A projection: mean input tokens per component, and the margin of error of the total."""

    means: Mapping[str, float]
    margin: int


def projected(sample: Sequence[Counted], words: int) -> Projection:
    """Project a sample to `words` words, with a margin of 95 % confidence.

    A word's requests share its definitions, so their lengths correlate: the sampling unit is the word, and the margin
    follows from the deviation of words from the sum of their requests' means.
    """
    requests, tokens = Counter[str](), Counter[str]()
    for component, count in _flat(sample):
        requests[component] += 1
        tokens[component] += count
    means = {component: tokens[component] / number for component, number in requests.items()}
    if len(sample) < 2 or words <= len(sample):  # noqa: PLR2004  a single word has no variance
        return Projection(means, 0)
    squares = sum(sum(count - means[component] for component, count in word) ** 2 for word in sample)
    deviation = sqrt(squares / (len(sample) - 1))
    unseen = 1 - len(sample) / words
    return Projection(means, ceil(_CONFIDENCE * words * deviation * sqrt(unseen / len(sample))))


def _flat(sample: Iterable[Counted]) -> Iterable[tuple[str, int]]:
    return (pair for word in sample for pair in word)
