"""From a caller's objects to a request and back: how every synthesis function asks.

A definition may be ours, a pydantic model, a document of an object mapper or a plain dictionary; what it does not have
is empty here. Nothing is changed in it.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol

from pydantic import BaseModel

from floridify_batch.components.recipe import Recipe, SynthesisComponent
from floridify_batch.pipeline.plan import Question, brief
from floridify_batch.providers.interface import DEFAULT_MODEL, Connector
from floridify_batch.words.entry import Definition, DocId, Entry, Word, derived_id
from floridify_batch.words.language import language_name

DEFAULT_LANGUAGE = "en"
"""The language of a dictionary that does not say."""

_HEX = frozenset("0123456789abcdef")
_ID_LENGTH = 24


class DefinitionLike(Protocol):
    """A definition as far as the functions need it; what else it has is read where it is there."""

    @property
    def text(self) -> str:
        """The definition's wording."""
        ...

    @property
    def part_of_speech(self) -> str:
        """Noun, verb, …"""
        ...


class WordLike(Protocol):
    """A word as a document has it; its `id`, `languages` and `language` are read where they are there."""

    @property
    def text(self) -> str:
        """The word itself."""
        ...


# ── from the caller's objects to ours ──────────────────────────────────────────────────────────────────────────────


def read(source: object, name: str) -> Any:
    """What an object, or a dictionary, has under a name; None where there is nothing."""
    return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)


def text_of(word: str | WordLike) -> str:
    """The text of a word."""
    return word if isinstance(word, str) else word.text


def language_of(word: str | WordLike) -> str:
    """A word's language: Floridify's `languages`, of which the first counts, or the older `language`."""
    several = read(word, "languages")
    return _plain(next(iter(several), None) if several else read(word, "language")) or DEFAULT_LANGUAGE


def _plain(value: object) -> str:
    """A text, or the text that a member of an enumeration stands for; "" for nothing."""
    return str(getattr(value, "value", value) or "")


def document_id(document: object, *else_from: object) -> DocId:
    """A document's own id where it has one of 24 hex digits, else one that follows from what is given."""
    own = str(read(document, "id") or "").lower()
    if len(own) == _ID_LENGTH and set(own) <= _HEX:
        return DocId(own)
    return derived_id(*else_from)


def view_of(definition: object, word: str, position: int = 0) -> Definition:
    """The caller's definition in our shape."""
    text = _plain(read(definition, "text") or read(definition, "definition"))
    part_of_speech = _plain(read(definition, "part_of_speech"))
    provider = _plain(read(definition, "provider"))
    return Definition(
        document_id(definition, word, part_of_speech, text, position),
        part_of_speech,
        text,
        synonyms=_texts(definition, "synonyms"),
        antonyms=_texts(definition, "antonyms"),
        cognates=_texts(definition, "cognates"),
        providers=_texts(definition, "providers") or [provider] * bool(provider),
    )


def _texts(source: object, name: str) -> list[str]:
    return [_plain(each) for each in read(source, name) or ()]


def views_of(definitions: Iterable[object], word: str | WordLike) -> list[Definition]:
    """Definitions of one word in our shape, each under an id of its own."""
    views: dict[DocId, Definition] = {}
    for position, definition in enumerate(definitions):
        view = view_of(definition, text_of(word), position)
        if view.id in views:
            view.id = derived_id(view.id, position)
        views[view.id] = view
    return list(views.values())


def word_of(word: str | WordLike, language: str | None, *besides: object) -> Word:
    """A word in our shape. `besides`: what tells it from words of the same text that have no id of their own."""
    text, code = text_of(word), language or language_of(word)
    return Word(document_id(word, "word", code, text, *besides), text, code)


def entry_of(word: str | WordLike, language: str | None, definitions: Sequence[Definition] = ()) -> Entry:
    """The entry that a word's definitions stand in."""
    return Entry(word_of(word, language, *(each.text for each in definitions)), tuple(definitions))


# ── asking ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def model_of(ai: Connector) -> str:
    """The model that a connector asks, or the usual one where it does not say."""
    return str(getattr(ai, "model_name", DEFAULT_MODEL))


@cache
def _question(component: SynthesisComponent, model: str, language: str, count: int | None) -> Question:
    counts: dict[str, int] | None = None if count is None else {component: count}
    asked = brief([component], model=model, language_name=language_name(language), counts=counts)
    return asked.by_component()[component]


async def ask[R: BaseModel](
    recipe: Recipe[Any, R], entry: Entry, target: Any, ai: Connector, count: int | None = None
) -> R:
    """The answer to one component of a definition, a cluster or an entry."""
    question = _question(recipe.component, model_of(ai), entry.word.language, count)
    answer: R = await ai.complete(question.request(entry, target, None))
    return answer
