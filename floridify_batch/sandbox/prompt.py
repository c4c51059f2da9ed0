"""What a request asks for, read from its text.

Prompts are free text, so they are read by their likely marks: a labelled or quoted word, a number beside what is asked
for, numbered lines. Where a mark is absent, a common value stands in.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from floridify_batch.sandbox.chance import Dice
from floridify_batch.sandbox.vocabulary import PARTS_OF_SPEECH

_LABELLED = re.compile(r"^\W*[Ww]ord\W*:\W*([^\n\"”`*(]{1,60})", re.MULTILINE)
_QUOTED = re.compile(r"[\"“`*]{1,2}([^\n\"”`*]{1,60})[\"”`*]")
_COUNT = re.compile(
    r"\b(?:give|list|write|generate|provide|exactly|at most|up to|count:?)(?: the| up to)?"
    r" \**([1-9]\d?)\b(?! (?:word|char))",
    re.IGNORECASE,
)
_LANGUAGES = {
    "English": "en", "French": "fr", "German": "de", "Spanish": "es", "Italian": "it", "Latin": "la",
    "Portuguese": "pt", "Dutch": "nl", "Russian": "ru", "Greek": "el",
}  # fmt: skip
_LANGUAGE = re.compile(rf"\b({'|'.join(_LANGUAGES)})\b")
_PART = re.compile(r"\b(noun|verb|adjective|adverb)\b", re.IGNORECASE)
_NUMBERED = re.compile(r"^\s*[\[(]?(\d{1,3})[\]).:]", re.MULTILINE)
_LISTED = re.compile(r"^\s*[-*•]\s+\**([^\n:*(]{1,60})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Instructions:
    """What the constant part of a request says."""

    count: int | None
    language: str
    in_codes: bool
    """Whether languages are asked for as ISO 639-1 codes."""


@lru_cache(maxsize=256)
def read_instructions(text: str) -> Instructions:
    """Reads the constant part of a request; as it repeats in every line of a file, it is read once."""
    count, language = _COUNT.search(text), _LANGUAGE.search(text)
    return Instructions(int(count[1]) if count else None, language[1] if language else "English", "ISO 639" in text)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks, as far as it can be told. Where there are no instructions the prompt is read as such."""

    instructions: Instructions
    prompt: str
    dice: Dice

    def word(self) -> str:
        """The word that the prompt is about."""
        found = _LABELLED.search(self.prompt) or _QUOTED.search(self.prompt)
        return (found[1].strip() if found else "") or "the word"

    def count(self, usual: int, most: int) -> int:
        """How many items it asks for, else about the usual number."""
        found = None if self.instructions.count else _COUNT.search(self.prompt)
        wanted = int(found[1]) if found else self.instructions.count
        return min(wanted or usual + self.dice.below(2), most)

    def language(self, name: str) -> str:
        """A language in the notation that is asked for."""
        return _LANGUAGES.get(name, name) if self.instructions.in_codes else name

    def part_of_speech(self) -> str:
        """The part of speech that it names first."""
        found = _PART.search(self.prompt)
        return found[1].lower() if found else self.dice.pick(PARTS_OF_SPEECH)

    def numbers(self) -> list[int]:
        """The numbers of its numbered lines; 1 if there are none."""
        return sorted({int(found) for found in _NUMBERED.findall(self.prompt)}) or [1]

    def listed(self) -> list[str]:
        """The beginnings of its bulleted lines."""
        return [found.strip() for found in _LISTED.findall(self.prompt)]
