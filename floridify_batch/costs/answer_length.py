"""How long an answer is expected to be: by a table at first, by what was answered as soon as anything was.

The table's lengths stand with the recipes (`output_tokens`); here stands how far the mean over many answers may lie
from them with a model that nobody has measured yet.
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
"""Of each component, the least and the most that its mean is expected to be, as parts of the table's length.

What is as long as the model likes (prose, lists without a number) varies most; a closed answer with a reason varies by
the reason; two sentences or a transcription hardly vary.
"""

_ANY_SPREAD = (0.5, 2.0)

_DEVIATION = 0.7
"""Standard deviation of an answer's length, as a part of the mean: no component's is larger in what was looked at."""

_CONFIDENCE = 1.96
_LEAST_SPREAD = 0.03
"""However many answers there are: those that come next are about other words."""


class Origin(StrEnum):
    """Where an expectation comes from."""

    PRIOR = "expected"
    RUN = "this run"
    DATABASE = "the database"


@dataclass(frozen=True, slots=True)
class Observed:
    """Answers that were billed, and the output tokens of all of them."""

    answers: int = 0
    output: int = 0

    def __add__(self, other: "Observed") -> "Observed":
        return Observed(self.answers + other.answers, self.output + other.output)


@dataclass(frozen=True, slots=True)
class Length:
    """The output tokens that an answer is expected to have in the mean, with what that is drawn from."""

    low: float
    expected: float
    high: float
    origin: Origin = Origin.PRIOR
    answers: int = 0

    def of(self, requests: int) -> tuple[int, int, int]:
        """The tokens of so many answers: low, expected, high."""
        return int(requests * self.low), round(requests * self.expected), ceil(requests * self.high)


def prior(component: str, tokens: int) -> Length:
    """The length that the table gives."""
    low, high = SPREADS.get(component, _ANY_SPREAD)
    return Length(tokens * low, tokens, tokens * high)


def measured(component: str, seen: Observed, origin: Origin) -> Length:
    """The mean of what was answered, as sure as that many answers make it, and never less sure than the table."""
    mean = seen.output / seen.answers
    low, high = SPREADS.get(component, _ANY_SPREAD)
    spread = max(_LEAST_SPREAD, _CONFIDENCE * _DEVIATION / sqrt(seen.answers))
    return Length(mean * max(low, 1 - spread), mean, mean * min(high, 1 + spread), origin, seen.answers)
