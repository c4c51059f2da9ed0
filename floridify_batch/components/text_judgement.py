"""Judgements of stored texts: the score of a text with the reason for it, found by a digest of what was judged.

A sense's document holds the judgements of its definition and its examples. A judgement is about a text in its sense: it
no longer counts once the text, the definition or the part of speech has changed.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from floridify_batch.components.change import value_digest
from floridify_batch.components.doubt import Doubt, Severity
from floridify_batch.words.entry import JUDGEMENTS

DEFINITIONS, EXAMPLES = "definitions", "examples"
"""The components whose texts are judged."""

BEST_SCORE = 5


class Judgement(NamedTuple):
    """The score of a text, from 1 to 5, and the reason for it."""

    score: int
    reason: str


_SEVERITIES = {1: Severity.HIGH, 2: Severity.MEDIUM, 3: Severity.LOW}
"""The severity of a low score; a better one is no doubt."""


def score_doubt(judgement: Judgement, component: str, sense: str, text: str) -> Doubt | None:
    """The doubt about a text with a low score; None for a good one."""
    severity = _SEVERITIES.get(judgement.score)
    reason = f": {judgement.reason}" * bool(judgement.reason)
    sentence = f"has the score {judgement.score} of {BEST_SCORE}{reason}"
    return Doubt("judgement", severity, component, sense, text, sentence) if severity else None


def text_digest(part_of_speech: str, definition: str, example: str = "") -> str:
    """The digest of a definition, or of an example of it."""
    return value_digest([part_of_speech.strip(), definition.strip(), example.strip()])


def judgement_of(sense: Mapping[str, Any], component: str, text: str) -> Judgement | None:
    """The judgement of a text in a sense's document; None for a text that was not judged, or has changed since."""
    stored = sense.get(JUDGEMENTS)
    if not stored or component not in (DEFINITIONS, EXAMPLES):
        return None
    named = (sense.get(name) for name in ("part_of_speech", "text"))
    part_of_speech, definition = (value if isinstance(value, str) else "" for value in named)
    if component == DEFINITIONS:
        digest = text_digest(part_of_speech, text)
    else:
        digest = text_digest(part_of_speech, definition, text)
    return _by_digest(stored).get(digest)


def _by_digest(stored: Any) -> dict[str, Judgement]:
    """The readable judgements of a field that other programs may have written to."""
    found: dict[str, Judgement] = {}
    for each in stored if isinstance(stored, list) else ():
        if not isinstance(each, Mapping):
            continue
        digest, score, reason = each.get("digest"), each.get("score"), each.get("reason")
        if isinstance(digest, str) and type(score) is int and 1 <= score <= BEST_SCORE:
            found[digest] = Judgement(score, reason if isinstance(reason, str) else "")
    return found
