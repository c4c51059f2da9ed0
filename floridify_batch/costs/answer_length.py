"""Expected answer length: a prior per component until there are answers, then the measured mean.

The priors' means are part of the recipes (`output_tokens`); here are their ranges for a model without measurements.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, sqrt

_LISTS = (0.6, 1.6)
_SHORT = (0.7, 1.8)
_PROSE = (0.6, 1.8)

SPREADS: Mapping[str, tuple[float, float]] = {
    "definitions": (0.5, 2.0),
    "cluster_definitions": (0.4, 2.5),
    "definition_text": _PROSE,
    "pronunciation": (0.8, 1.3),
    "etymology": _PROSE,
    "phrases": (0.4, 1.6),
    "synonyms": _LISTS,
    "antonyms": (0.5, 1.6),
    "examples": (0.7, 1.4),
    "cefr_level": _SHORT,
    "frequency_band": _SHORT,
    "register": _SHORT,
    "domain": _SHORT,
    "grammar_patterns": _LISTS,
    "collocations": _LISTS,
    "usage_notes": _LISTS,
    "regional_variants": (0.8, 1.6),
    "word_forms": _LISTS,
    "facts": _LISTS,
    "synonym_chooser": (0.6, 1.7),
}
"""The range of a component's mean length, as factors of the prior's mean.

Free-length answers (prose, open lists) vary most, labels by the length of their reason, two sentences or a
transcription hardly at all.
"""

_ANY_SPREAD = (0.5, 2.0)

_DEVIATION = 0.7
"""Relative standard deviation of an answer's length; an upper bound over the components measured."""

_CONFIDENCE = 1.96
_LEAST_SPREAD = 0.03
"""Lower bound of the relative error, however many answers there are: the next ones are about other words."""


class Origin(StrEnum):
    """The source of an expected length."""

    PRIOR = "expected"
    RUN = "this run"
    DATABASE = "the database"


@dataclass(frozen=True, slots=True)
class Observed:
    """The number of billed answers and the sum of their output tokens."""

    answers: int = 0
    output: int = 0

    def __add__(self, other: "Observed") -> "Observed":
        return Observed(self.answers + other.answers, self.output + other.output)


@dataclass(frozen=True, slots=True)
class Length:
    """The expected output tokens of an answer, with the range of the mean and its source."""

    low: float
    expected: float
    high: float
    origin: Origin = Origin.PRIOR
    answers: int = 0

    def of(self, requests: int) -> tuple[int, int, int]:
        """The tokens of a number of answers: low, expected, high."""
        return int(requests * self.low), round(requests * self.expected), ceil(requests * self.high)


def prior(component: str, tokens: int) -> Length:
    """The expected length before any measurement."""
    low, high = SPREADS.get(component, _ANY_SPREAD)
    return Length(tokens * low, tokens, tokens * high)


def measured(component: str, seen: Observed, origin: Origin) -> Length:
    """The measured mean with its confidence interval, no wider than the prior's range."""
    mean = seen.output / seen.answers
    low, high = SPREADS.get(component, _ANY_SPREAD)
    spread = max(_LEAST_SPREAD, _CONFIDENCE * _DEVIATION / sqrt(seen.answers))
    return Length(mean * max(low, 1 - spread), mean, mean * min(high, 1 + spread), origin, seen.answers)
