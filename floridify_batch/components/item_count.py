"""Item counts of a definition, scaled by its part of speech, its word's senses and its language, as Floridify's are."""

from collections.abc import Mapping
from dataclasses import dataclass

from floridify_batch.words.entry import Definition, Entry
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
class CountScale:
    """The bounds of a component's number of items, and the properties of a word that it depends on."""

    least: int
    most: int
    language: bool = False
    senses: bool = False
    part_of_speech: bool = False

    def count(self, usual: int, entry: Entry, definition: Definition) -> int:
        """The number of items to request for a definition; `usual` is that of an English verb with one sense."""
        factor = _of_language(entry) if self.language else 1.0
        factor *= _of_senses(entry) if self.senses else 1.0
        factor *= _of_part_of_speech(definition) if self.part_of_speech else 1.0
        return max(self.least, min(self.most, round(usual * factor)))


def _of_language(entry: Entry) -> float:
    return 1.0 if database_language(entry.word.language) == "en" else _OTHER_LANGUAGE


def _of_senses(entry: Entry) -> float:
    return min(_MOST_SENSES, 1.0 + _PER_SENSE * max(0, len(entry.definitions) - 1))


def _of_part_of_speech(definition: Definition) -> float:
    name = definition.part_of_speech.strip().casefold()
    return _PARTS_OF_SPEECH.get(name, _OTHER_PART_OF_SPEECH) if name else _NO_PART_OF_SPEECH
