"""Scripts: the usual script of a language, and the letters of a text that are in it."""

import re
from collections.abc import Mapping
from functools import cache, lru_cache

from floridify_batch.words.language import primary_language

LATIN = "Latn"

FEWEST_LETTERS = 4
"""The letters of a script by which a text counts as written in it."""

_NOT_LATIN = re.compile(
    "[\u0370-\u1cff\u1f00-\u1fff\u2c00-\u2c5f\u2c80-\u2fff\u3005\u3040-\u312f\u3400-\ua4cf\ua4d0-\ua71f"
    "\ua840-\uaaff\uabc0-\ud7fb\uf900-\ufaff\ufb07-\ufdff\ufe70-\ufefc\uff66-\uffdc\U00020000-\U0003ffff]"
)
"""Letters of other scripts than Latin, without the phonetic letters."""

_LATIN_LETTER = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")

_NO_ASCII_LETTERS = bytes(each for each in range(128) if not chr(each).isalpha())

_LETTERS: Mapping[str, str] = {
    "Cyrl": "\u0400-\u052f",
    "Grek": "\u0370-\u03ff\u1f00-\u1fff",
    "Arab": "\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufefc",
    "Hebr": "\u0590-\u05ff\ufb1d-\ufb4f",
    "Deva": "\u0900-\u097f",
    "Beng": "\u0980-\u09ff",
    "Taml": "\u0b80-\u0bff",
    "Thai": "\u0e00-\u0e7f",
    "Geor": "\u10a0-\u10ff\u1c90-\u1cbf",
    "Armn": "\u0530-\u058f",
    "Hans": "\u3400-\u9fff\U00020000-\U0003ffff",
    "Hant": "\u3400-\u9fff\U00020000-\U0003ffff",
    "Jpan": "\u3040-\u30ff\u3400-\u9fff",
    "Kore": "\uac00-\ud7fb\u1100-\u11ff\u3400-\u9fff",
}
"""Character classes of scripts by ISO 15924 code."""

_SEVERAL_SCRIPTS = frozenset({"sr", "sh", "bs", "mn", "uz", "kk", "ky", "tg", "tk", "az", "tt", "ku", "pa", "ks", "sd"})


@lru_cache(maxsize=64)
def script_of(language: str) -> str:
    """The ISO 15924 code of a language's usual script; empty if it has several, or none is known."""
    if primary_language(language) in _SEVERAL_SCRIPTS:
        return ""
    from langcodes import Language
    from langcodes.tag_parser import LanguageTagError

    try:
        return Language.get(language).maximize().script or ""
    except (LanguageTagError, ValueError):
        return ""


def foreign_letters(text: str) -> list[str]:
    """The letters of a text that are of other scripts than Latin."""
    return [] if text.isascii() else _NOT_LATIN.findall(text)


def may_be_foreign(text: str) -> bool:
    """Whether a text may have more letters of other scripts than Latin ones, and at least some."""
    if text.isascii():
        return False
    others = len(text) - len(text.encode("latin-1", "ignore"))
    return others >= FEWEST_LETTERS and others > len(text.encode("ascii", "ignore").translate(None, _NO_ASCII_LETTERS))


def latin_letters(text: str) -> int:
    """The number of Latin letters in a text."""
    return len(_LATIN_LETTER.findall(text))


def is_written_in(text: str, script: str) -> bool:
    """Whether a text has a letter of a script; true for Latin and for a script whose letters are not listed."""
    letters = _letter_of(script)
    return letters is None or letters.search(text) is not None


@cache
def _letter_of(script: str) -> re.Pattern[str] | None:
    letters = _LETTERS.get(script)
    return re.compile(f"[{letters}]") if letters else None
