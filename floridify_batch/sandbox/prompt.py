"""Extraction of the headword, counts, languages and numbered lines from a prompt.

Prompts are free text, so extraction is heuristic: a labelled or quoted word, a number after a verb like "list",
numbered lines. A missing value gets a common default.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from floridify_batch.sandbox.random_generator import Random
from floridify_batch.sandbox.vocabulary import PARTS_OF_SPEECH

_LABELLED = re.compile(r"^\W*[Ww]ord\W*:\W*([^\n\"”`*(]{1,60})", re.MULTILINE)
_QUOTED = re.compile(r"[\"“`*]{1,2}([^\n\"”`*]{1,60})[\"”`*]")
_COUNT = re.compile(
    r"\b(?:give|list|write|generate|provide|exactly|at most|up to|count:?)(?: the| up to)?"
    r" \**([1-9]\d?)\b(?! (?:word|char))",
    re.IGNORECASE,
)
_FEWER = re.compile(r"^At most ([1-9]\d?)\.$", re.MULTILINE)
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
    """Values extracted from the constant part of a request."""

    count: int | None
    language: str
    in_codes: bool
    """Whether the prompt wants ISO 639-1 codes."""


@lru_cache(maxsize=256)
def read_instructions(text: str) -> Instructions:
    """Extract the values of a constant part; cached, since it repeats in every line of a file."""
    count, language = _COUNT.search(text), _LANGUAGE.search(text)
    return Instructions(int(count[1]) if count else None, language[1] if language else "English", "ISO 639" in text)


def own_language(text: str) -> tuple[str, str]:
    """The name and the code of the language that a constant part names."""
    name = read_instructions(text).language
    return name, _LANGUAGES[name]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt with its instructions; without instructions, the prompt takes their place."""

    instructions: Instructions
    text: str
    random: Random

    def word(self) -> str:
        """Return the headword."""
        found = _LABELLED.search(self.text) or _QUOTED.search(self.text)
        return (found[1].strip() if found else "") or "the word"

    def count(self, usual: int, most: int) -> int:
        """Return the requested number of items, or about the usual number."""
        found = _FEWER.search(self.text) or (None if self.instructions.count else _COUNT.search(self.text))
        wanted = int(found[1]) if found else self.instructions.count
        return min(wanted or usual + self.random.below(2), most)

    def language(self, name: str) -> str:
        """Return a language in the requested notation."""
        return _LANGUAGES.get(name, name) if self.instructions.in_codes else name

    def part_of_speech(self) -> str:
        """Return the first part of speech in the prompt."""
        found = _PART.search(self.text)
        return found[1].lower() if found else self.random.pick(PARTS_OF_SPEECH)

    def numbers(self) -> list[int]:
        """Return the numbers of the numbered lines; 1 if there are none."""
        return sorted({int(found) for found in _NUMBERED.findall(self.text)}) or [1]

    def listed(self) -> list[str]:
        """Return the beginnings of the bulleted lines."""
        return [found.strip() for found in _LISTED.findall(self.text)]
