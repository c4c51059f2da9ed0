"""Item counts: the number of items for a target, scaled with part of speech, senses and language as Floridify's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from floridify_batch.words.entry import Entry
from floridify_batch.words.language import database_language

_PARTS_OF_SPEECH: Mapping[str, float] = {
    **dict.fromkeys(("adjective", "verb"), 1.0),
    "noun": 0.8,
    "adverb": 0.7,
    "interjection": 0.4,
    **dict.fromkeys(("preposition", "conjunction", "determiner", "pronoun", "particle", "article", "numeral"), 0.3),
}
_OTHER_PART_OF_SPEECH, _NO_PART_OF_SPEECH = 0.5, 0.8
_OTHER_LANGUAGE = 0.4
_PER_SENSE, _MOST_SENSES = 0.15, 1.5


@dataclass(frozen=True, slots=True)
class _Scale:
    """The usual number of items, its bounds, and what it depends on."""

    usual: int
    least: int
    most: int
    language: bool = False
    senses: bool = False
    part_of_speech: bool = False


_SCALES: Mapping[str, _Scale] = {
    "synonyms": _Scale(5, 2, 12, language=True, senses=True, part_of_speech=True),
    "antonyms": _Scale(3, 1, 8, language=True, senses=True, part_of_speech=True),
    "examples": _Scale(2, 1, 4, language=True),
    "collocations": _Scale(4, 2, 8, language=True, senses=True, part_of_speech=True),
    "usage_notes": _Scale(2, 1, 3, language=True),
    "grammar_patterns": _Scale(2, 1, 3, part_of_speech=True),
    "facts": _Scale(2, 1, 4, senses=True),
}


def item_count(component: str, entry: Entry, target: Any) -> int | None:
    """The number of items to request for a target; None for a component whose number does not depend on it."""
    scale = _SCALES.get(component)
    if scale is None:
        return None
    factor = _of_language(entry) if scale.language else 1.0
    factor *= _of_senses(entry) if scale.senses else 1.0
    factor *= _of_part_of_speech(target) if scale.part_of_speech else 1.0
    return max(scale.least, min(scale.most, round(scale.usual * factor)))


def _of_language(entry: Entry) -> float:
    return 1.0 if database_language(entry.word.language) == "en" else _OTHER_LANGUAGE


def _of_senses(entry: Entry) -> float:
    return min(_MOST_SENSES, 1.0 + _PER_SENSE * max(0, len(entry.definitions) - 1))


def _of_part_of_speech(target: Any) -> float:
    name = str(getattr(target, "part_of_speech", "") or "").strip().casefold()
    return _PARTS_OF_SPEECH.get(name, _OTHER_PART_OF_SPEECH) if name else _NO_PART_OF_SPEECH
