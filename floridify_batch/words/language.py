"""Languages: BCP 47 tags and English names, read into one form, compared, and named for prompts."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache

from floridify_batch.errors import UsageError

LANGUAGE_NAMES: Mapping[str, str] = {
    "ar": "Arabic",
    "bg": "Bulgarian",
    "bn": "Bengali",
    "ca": "Catalan",
    "cs": "Czech",
    "cy": "Welsh",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "eo": "Esperanto",
    "es": "Spanish",
    "et": "Estonian",
    "eu": "Basque",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "ga": "Irish",
    "gl": "Galician",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "id": "Indonesian",
    "is": "Icelandic",
    "it": "Italian",
    "ja": "Japanese",
    "ka": "Georgian",
    "ko": "Korean",
    "la": "Latin",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "mk": "Macedonian",
    "ms": "Malay",
    "mt": "Maltese",
    "nb": "Norwegian Bokmål",
    "nl": "Dutch",
    "nn": "Norwegian Nynorsk",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sk": "Slovak",
    "sl": "Slovenian",
    "sq": "Albanian",
    "sr": "Serbian",
    "sv": "Swedish",
    "sw": "Swahili",
    "ta": "Tamil",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "vi": "Vietnamese",
    "zh": "Chinese",
}


_CODES: Mapping[str, str] = {name.casefold(): code for code, name in LANGUAGE_NAMES.items()}


def language_name(tag: str) -> str:
    """A language's English name, with its region: "English", "Portuguese (BR)"; the tag where the name is unknown."""
    primary, *rest = tag.split("-")
    name = LANGUAGE_NAMES.get(primary)
    if name is None:
        return tag
    return f"{name} ({', '.join(rest)})" if rest else name


def language_named(text: str) -> str:
    """Read a language: a tag (`EN`, `eng`, `en_GB`) or an English name, as a normal tag. Raises `UsageError`."""
    tag = _tag(text)
    if tag is None:
        raise UsageError(
            f"--language {text!r} is not a language{_suggestion(text)}. Pass a tag such as en, de or pt-BR."
        )
    return tag


FLORIDIFY_LANGUAGES = frozenset({"en", "fr", "es", "de", "it"})
"""The languages that Floridify's models know."""


def database_language(tag: str) -> str:
    """The language of words in the database: `en` for `en-GB`; one that Floridify does not know is unchanged."""
    primary = tag.split("-", maxsplit=1)[0]
    return primary if primary in FLORIDIFY_LANGUAGES else tag


UNDETERMINED = "und"
"""The code of a language that is not stated."""


def primary_language(text: str) -> str:
    """The language of a tag or name without its region; any other text is returned as it is."""
    return (_tag(text) or text.strip().casefold()).split("-")[0]


@lru_cache(maxsize=4096)
def _tag(text: str) -> str | None:
    """The normal form of a tag or of an English name; None for anything else."""
    name = text.strip().casefold()
    if name in LANGUAGE_NAMES:
        return name
    if name in _CODES:
        return _CODES[name]
    from langcodes import Language
    from langcodes.tag_parser import LanguageTagError

    try:
        language = Language.get(text.strip())
    except (LanguageTagError, ValueError):
        return None
    known = language.language not in (None, "und", "mul", "zxx", "mis") and language.is_valid()
    return language.to_tag() if known else None


def _suggestion(text: str) -> str:
    close = get_close_matches(text.strip().casefold(), [*_CODES, *LANGUAGE_NAMES], n=1)
    if not close:
        return ""
    code = _CODES.get(close[0], close[0])
    return f"; did you mean {code} ({LANGUAGE_NAMES[code]})"
