"""Conversion of a caller's words and definitions into `Word` and `Definition`.

A definition may be a dataclass, a pydantic model, a document of an object mapper or a mapping; missing attributes are
empty. No object is changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from floridify_batch.words.entry import Definition, DocId, Entry, Word, derived_id

DEFAULT_LANGUAGE = "en"

_HEX = frozenset("0123456789abcdef")
_ID_LENGTH = 24


class DefinitionLike(Protocol):
    """A definition; further attributes are read if it has them."""

    @property
    def text(self) -> str:
        """The wording of the definition."""
        ...

    @property
    def part_of_speech(self) -> str:
        """Noun, verb, …"""
        ...


class WordLike(Protocol):
    """A word document; its `id`, `languages` and `language` are read if it has them."""

    @property
    def text(self) -> str:
        """The headword."""
        ...


def read(source: object, name: str) -> Any:
    """Return an attribute of an object or a value of a mapping; None if it is missing."""
    return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)


def text_of(word: str | WordLike) -> str:
    """Return the headword of a string or a word document."""
    return word if isinstance(word, str) else word.text


def language_of(word: str | WordLike) -> str:
    """Return the language of a word: the first of Floridify's `languages`, or the older `language`."""
    languages = read(word, "languages")
    return plain(next(iter(languages), None) if languages else read(word, "language")) or DEFAULT_LANGUAGE


def plain(value: object) -> str:
    """Return a string, or the string value of an enum member; "" for None."""
    return str(getattr(value, "value", value) or "")


def document_id(document: object, *identity: object) -> DocId:
    """Return a document's own id if it has 24 hex digits, else an id derived from `identity`."""
    own = str(read(document, "id") or "").lower()
    if len(own) == _ID_LENGTH and set(own) <= _HEX:
        return DocId(own)
    return derived_id(*identity)


def view_of(definition: object, word: str, position: int = 0) -> Definition:
    """Convert a caller's definition."""
    text = plain(read(definition, "text") or read(definition, "definition"))
    part_of_speech = plain(read(definition, "part_of_speech"))
    provider = plain(read(definition, "provider"))
    return Definition(
        document_id(definition, word, part_of_speech, text, position),
        part_of_speech,
        text,
        synonyms=_texts(definition, "synonyms"),
        antonyms=_texts(definition, "antonyms"),
        cognates=_texts(definition, "cognates"),
        providers=_texts(definition, "providers") or [provider] * bool(provider),
        example_texts=[each for each in read(definition, "examples") or () if isinstance(each, str)],
    )


def _texts(source: object, name: str) -> list[str]:
    return [plain(each) for each in read(source, name) or ()]


def views_of(definitions: Iterable[object], word: str | WordLike) -> list[Definition]:
    """Convert the definitions of one word; each gets a distinct id."""
    views: dict[DocId, Definition] = {}
    for position, definition in enumerate(definitions):
        view = view_of(definition, text_of(word), position)
        if view.id in views:
            view.id = derived_id(view.id, position)
        views[view.id] = view
    return list(views.values())


def word_of(word: str | WordLike, language: str | None, *details: object) -> Word:
    """Convert a word. `details` distinguish words of one spelling without an id."""
    text, code = text_of(word), language or language_of(word)
    return Word(document_id(word, "word", code, text, *details), text, code)


def entry_of(word: str | WordLike, language: str | None, definitions: Sequence[Definition] = ()) -> Entry:
    """Return the entry of a word with these definitions."""
    return Entry(word_of(word, language, *(each.text for each in definitions)), tuple(definitions))
