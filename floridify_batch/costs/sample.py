"""A sample of what is too much to be counted: kept at random while it passes, and reckoned up to the whole."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from random import Random

_CONFIDENCE = 1.96


class Reservoir[T]:
    """So many of all that is offered, each with the same chance; the same ones each time, since the seed is one."""

    def __init__(self, size: int, seed: int) -> None:
        self.kept: list[T] = []
        self.offered = 0
        self._size = size
        self._random = Random(seed)  # noqa: S311  a sample, not a secret

    def offer(self, thing: T) -> None:
        """Keep a thing, perhaps in the place of another."""
        self.offered += 1
        if len(self.kept) < self._size:
            self.kept.append(thing)
            return
        place = self._random.randrange(self.offered)
        if place < self._size:
            self.kept[place] = thing


type Counted = Sequence[tuple[str, int]]
"""A word's requests: of which component each is, and how many input tokens it has."""


@dataclass(frozen=True, slots=True)
class Projection:
    """What a sample says of the whole: the mean tokens of each component's requests, and by how much all may be off."""

    means: Mapping[str, float]
    margin: int


def projected(sample: Sequence[Counted], words: int) -> Projection:
    """Reckon a sample of words up to `words`. The margin is that of 95 % confidence.

    A word's requests share its definitions, so that they are long or short together: what varies by chance is the
    word, and the margin follows from how far words lie from what their requests' means would give them.
    """
    requests, tokens = Counter[str](), Counter[str]()
    for component, count in _flat(sample):
        requests[component] += 1
        tokens[component] += count
    means = {component: tokens[component] / number for component, number in requests.items()}
    if len(sample) < 2 or words <= len(sample):  # noqa: PLR2004  one word says nothing of how words differ
        return Projection(means, 0)
    squares = sum(sum(count - means[component] for component, count in word) ** 2 for word in sample)
    deviation = sqrt(squares / (len(sample) - 1))
    unseen = 1 - len(sample) / words
    return Projection(means, ceil(_CONFIDENCE * words * deviation * sqrt(unseen / len(sample))))


def _flat(sample: Iterable[Counted]) -> Iterable[tuple[str, int]]:
    return (pair for word in sample for pair in word)
