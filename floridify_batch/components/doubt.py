"""Doubts about stored values: what is doubtful, and how severe that is."""

from enum import IntEnum
from typing import NamedTuple


class Severity(IntEnum):
    """The severity of a fault."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3

    def __str__(self) -> str:
        return self.name.lower()


class Doubt(NamedTuple):
    """A fault in a value, which a check or another model has found."""

    check: str
    severity: Severity
    component: str
    sense: str
    value: str
    sentence: str
