"""Expected lengths of answers: from a component's recipe at first, from measured answers as soon as there are any.

A recipe gives the mean length of an answer and its spread: the range of that mean with a model that has not been
measured yet. Prose and lists without a number vary most; a label with a reason varies with the reason; two sentences
or a transcription hardly vary.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil, sqrt
from typing import NamedTuple


class Spread(NamedTuple):
    """The least and the most that a mean length is expected to be, as factors of the recipe's length."""

    low: float
    high: float


LIST_SPREAD = Spread(0.6, 1.6)
LABEL_SPREAD = Spread(0.7, 1.8)
PROSE_SPREAD = Spread(0.6, 1.8)

_DEVIATION = 0.7
"""Standard deviation of an answer's length, relative to the mean: the largest among the measured components."""

_CONFIDENCE = 1.96
_LEAST_MARGIN = 0.03
"""The least relative margin, for any number of answers: the next answers are about other words."""

ITEM_TOKENS, LIST_TOKENS = 4.5, 4
"""The output tokens of the number and the comma of an answer in a pack, and of the list around all of them."""


_ENOUGH_WORDS = 10
"""New words from which their mean number of senses is more credible than the prior."""


def pack_tokens(requests: int, packs: float) -> int:
    """The output tokens that requests in packs need beside their answers."""
    return round(requests * ITEM_TOKENS + packs * LIST_TOKENS)


class AnswerShape(StrEnum):
    """The part of a component's answer that is requested."""

    STORED = "stored"
    """What is stored, and the reasons of labels."""
    FULL = "full"
    """Everything, as the library's functions return it; answers of earlier versions, which recorded no shape, too."""
    BARE = "bare"
    """What is stored alone."""


class AnswerKind(NamedTuple):
    """A kind of answer whose lengths are alike: its component, the fingerprint of its template, and its shape."""

    component: str
    template: str
    shape: AnswerShape


class Origin(StrEnum):
    """The source of an expected length."""

    PRIOR = "expected"
    RUN = "this run"
    DATABASE = "the database"


@dataclass(frozen=True, slots=True)
class Observed:
    """The number of billed answers, and their output tokens."""

    answers: int = 0
    output: int = 0

    def __add__(self, other: "Observed") -> "Observed":
        return Observed(self.answers + other.answers, self.output + other.output)


class BatchLengths(NamedTuple):
    """The lengths of a batch's answers to a component, with their shape."""

    component: str
    shape: AnswerShape
    seen: Observed


@dataclass(frozen=True, slots=True)
class Length:
    """The expected mean output tokens of an answer, with the source of that figure."""

    low: float
    expected: float
    high: float
    origin: Origin = Origin.PRIOR
    answers: int = 0

    def of(self, requests: int) -> tuple[int, int, int]:
        """The output tokens of several answers: low, expected, high."""
        return int(requests * self.low), round(requests * self.expected), ceil(requests * self.high)


def packed_length(length: Length, pack: int) -> Length:
    """The length of an answer in packs of so many."""
    more = pack_tokens(pack, 1) / pack
    return replace(length, low=length.low + more, expected=length.expected + more, high=length.high + more)


def prior(tokens: int, spread: Spread) -> Length:
    """The length before any answer was measured."""
    return Length(tokens * spread.low, tokens, tokens * spread.high)


SENSES_EXPECTED = 3
"""Expected number of senses of a word without definitions, before any is measured."""

_SENSES_SPREAD = Spread(0.5, 1.6)


class SenseCount(NamedTuple):
    """The senses that a model has defined, and the number of their words."""

    words: int = 0
    senses: int = 0

    @property
    def mean(self) -> Length:
        """The expected senses of a new word: measured, or the prior while too few words have any."""
        if self.words < _ENOUGH_WORDS:
            return prior(SENSES_EXPECTED, _SENSES_SPREAD)
        return measured(Observed(self.words, self.senses), Origin.DATABASE, _SENSES_SPREAD)


def measured(seen: Observed, origin: Origin, spread: Spread) -> Length:
    """The mean of measured answers, with a confidence interval that is never wider than the spread."""
    mean = seen.output / seen.answers
    margin = max(_LEAST_MARGIN, _CONFIDENCE * _DEVIATION / sqrt(seen.answers))
    return Length(mean * max(spread.low, 1 - margin), mean, mean * min(spread.high, 1 + margin), origin, seen.answers)
