"""The fields that are reviewed, and their values as texts that people edit.

A list has one item per line, and so have items with several parts, which are separated by vertical bars. A backslash
precedes a separator, line end or backslash that belongs to the text itself; elsewhere it is a character like others.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import category

from floridify_batch.components.change import Collection
from floridify_batch.components.label import PARTS_OF_SPEECH
from floridify_batch.components.recipe import Scope
from floridify_batch.components.registry import RECIPES
from floridify_batch.export.document_reader import clean
from floridify_batch.words.article import PARTS_OF_SPEECH as ABBREVIATIONS

type Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReviewField:
    """A field of a definition or of a synthesis entry, the holder.

    `stored`: the holder's field. `part`: the field of the mapping in it, of which an `essential` one takes the others
    along when it is rejected. `linked` and `text`: the collection of the documents that the holder's field names, and
    their field. `component` has the stamp of the value, if any.
    """

    name: str
    stored: str
    component: str = ""
    part: str = ""
    essential: bool = False
    linked: Collection | None = None
    text: str = ""
    items: tuple[str, ...] = ()
    """The parts of the items of a list."""

    @property
    def title(self) -> str:
        """The name as people read it, with the parts of an item."""
        name = self.name.replace("_", " ").replace(".", ": ")
        return f"{name} ({' | '.join(self.items).replace('_', ' ')})" if self.items else name

    def value(self, document: Document) -> Any:
        """The value in the holder, or in the linked document."""
        if self.linked is not None:
            return document.get(self.text)
        value = document.get(self.stored)
        return (value.get(self.part) if isinstance(value, Mapping) else None) if self.part else value

    def assigned(self, document: Document, value: Any) -> dict[str, Any]:
        """The fields of the holder, or of the linked document, with another value."""
        if self.linked is not None:
            return {self.text: value}
        if not self.part:
            return {self.stored: value}
        return {self.stored: {**(document.get(self.stored) or {}), self.part: value}}

    def emptied(self, document: Document) -> dict[str, Any]:
        """The fields of the holder, or of the linked document, without the value.

        A mapping is null without its essential part, and without any part that is reviewed.
        """
        value = self.value(document)
        if self.linked is not None:
            return {self.text: ""}
        empty: list[Any] | None = [] if isinstance(value, list) else None
        if self.part and not self.essential:
            fields = self.assigned(document, empty)
            left = (fields[self.stored].get(each) for each, _ in _PARTS[self.component])
            return fields if any(left) else {self.stored: None}
        return {self.stored: empty}

    @property
    def recorded(self) -> str:
        """The field whose digest says who wrote the value."""
        return self.text or self.stored


DEFINITION = ReviewField("definition", "text", "definitions")
PART_OF_SPEECH = ReviewField("part_of_speech", "part_of_speech", "definitions")

_ITEMS = {
    "collocations": ("text", "type", "frequency"),
    "grammar_patterns": ("pattern", "description"),
    "usage_notes": ("text", "type"),
    "word_forms": ("text", "form_type"),
    "phrases": ("phrase", "meaning", "example", "usage_register"),
}
_LINKED: Mapping[str, Sequence[tuple[str, Collection, str]]] = {
    "examples": (("examples", Collection.EXAMPLES, "text"),),
    "facts": (("facts", Collection.FACTS, "content"),),
    "pronunciation": (
        ("pronunciation.ipa", Collection.PRONUNCIATIONS, "ipa"),
        ("pronunciation.respelling", Collection.PRONUNCIATIONS, "phonetic"),
    ),
}
_PARTS: Mapping[str, Sequence[tuple[str, tuple[str, ...]]]] = {
    # The first part of each is essential.
    "etymology": (("text", ()), ("origin_language", ()), ("root_words", ()), ("first_known_use", ())),
    "synonym_chooser": (("essay", ()), ("synonyms_compared", ("word", "distinction"))),
}


def _fields(scope: Scope) -> Iterator[ReviewField]:
    """The fields of the components of a scope, in the registry's order."""
    for name, recipe in RECIPES.items():
        if recipe.scope is not scope or recipe.structural or recipe.on_request:
            continue
        if name in _LINKED:
            for title, collection, text in _LINKED[name]:
                yield ReviewField(title, recipe.field, name, linked=collection, text=text)
        elif name in _PARTS:
            for part, items in _PARTS[name]:
                essential = part == _PARTS[name][0][0]
                yield ReviewField(f"{name}.{part}", recipe.field, name, part, essential, items=items)
        else:
            yield ReviewField(name, recipe.field, name, items=_ITEMS.get(name, ()))
            yield from (ReviewField(each, each, name) for each in recipe.also)


FIELDS: Mapping[Collection, Sequence[ReviewField]] = {
    Collection.DEFINITIONS: (DEFINITION, PART_OF_SPEECH, *_fields(Scope.DEFINITION)),
    Collection.ENTRIES: (*_fields(Scope.WORD),),
}
"""The fields of definitions, and those of synthesis entries."""

BY_NAME = {(holder, each.name): each for holder, fields in FIELDS.items() for each in fields}


# ── values as texts ────────────────────────────────────────────────────────────────────────────────────────────────


def is_reviewable(field: ReviewField, value: Any) -> bool:
    """Whether a value is present, and of a type that can be written as a text and read again."""
    if isinstance(value, list):
        kind = Mapping if field.items else str
        return bool(value) and all(isinstance(each, kind) for each in value)
    return bool(clean(value)) if isinstance(value, str) else _is_number(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def shown(field: ReviewField, value: Any) -> str:
    """A value as a text."""
    if isinstance(value, list):
        return "\n".join(_line(field, each) for each in value)
    return clean(str(value))


def texts_in(field: ReviewField, value: Any) -> list[str]:
    """The texts in a value that checks look at: of items with several parts, the first."""
    if not isinstance(value, list):
        return [value.strip()] if isinstance(value, str) else []
    found = (each.get(field.items[0]) if field.items else each for each in value)
    return [each.strip() for each in found if isinstance(each, str)]


def parsed(field: ReviewField, text: str, current: Any) -> Any:
    """The value of an edited text, in the type of the current value. Raises `ValueError` with a sentence."""
    text = clean(text)
    if isinstance(current, list):
        return _parsed_items(field, text, current) if field.items else _parsed_list(text)
    if field is PART_OF_SPEECH:
        return _parsed_part_of_speech(text)
    return _parsed_number(text, current) if _is_number(current) else text


_SPELLED = {each: each for each in (*PARTS_OF_SPEECH, *ABBREVIATIONS.values())} | dict(ABBREVIATIONS)


def _parsed_part_of_speech(text: str) -> str:
    """The label of a part of speech in any capitalisation, or of its abbreviation."""
    found = _SPELLED.get(" ".join(text.casefold().rstrip(".").split()))
    if found is None:
        raise ValueError(f"“{text}” is no part of speech; write one of {', '.join(PARTS_OF_SPEECH)}")
    return found


def is_visible(text: str) -> bool:
    """Whether a text has a character that can be seen."""
    return any(category(each) not in _UNSEEN and each not in _BLANKS for each in text)


_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp", "Zs")
_BLANKS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe0e\ufe0f\uffa0"
"""Blank characters that are neither spaces nor format characters."""


def _parsed_number(text: str, current: float) -> float:
    plain = text.replace(",", ".")
    try:
        number = float(plain)
    except ValueError:
        raise ValueError(f"“{text}” is not a number") from None
    return int(number) if isinstance(current, int) and number.is_integer() else number


# ── lists ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_MARKS = {each: re.compile(rf"\\[\\{each}\n]|[{each}\n]") for each in ";|"}
_ESCAPED = {each: re.compile(rf"\\([\\{each}\n])") for each in ";|"}
_SPECIAL = {each: re.compile(rf"([\\{each}\n])") for each in ";|"}


def _escaped(text: str, separator: str) -> str:
    return _SPECIAL[separator].sub(r"\\\1", clean(text))


def _unescaped(text: str, separator: str) -> str:
    return _ESCAPED[separator].sub(r"\1", text.strip())


def _divided(text: str, at: str, separator: str) -> list[str]:
    """The parts of a text between separators or line ends that no backslash precedes."""
    parts, start = [], 0
    for mark in _MARKS[separator].finditer(text):
        if mark[0] in at:
            parts.append(text[start : mark.start()])
            start = mark.end()
    return [*parts, text[start:]]


def _line(field: ReviewField, item: Any) -> str:
    """An item of a list."""
    if not field.items:
        return _escaped(item, ";")
    parts = ["" if item.get(name) is None else _escaped(str(item[name]), "|") for name in field.items]
    last = max((at for at, part in enumerate(parts) if part), default=0)
    return " | ".join(parts[: last + 1])


def _parsed_list(text: str) -> list[str]:
    """The distinct items of a list: on lines of their own, or between semicolons, as people type them in a cell."""
    items = (_unescaped(each, ";") for each in _divided(text, ";\n", ";"))
    found = list(dict.fromkeys(filter(None, items)))
    if not found:
        raise ValueError("the list has no item")
    if not all(map(is_visible, found)):
        raise ValueError("an item of the list has no visible character")
    return found


def _parsed_items(field: ReviewField, text: str, current: Sequence[Document]) -> list[Document]:
    """The items of a list; a line that was not edited is the item that it shows, with all its fields."""
    same: dict[str, list[Document]] = {}
    for each in current:
        same.setdefault(_line(field, each), []).append(each)
    lines = [line.strip() for line in _divided(text, "\n", "|") if line.strip()]
    if not lines:
        raise ValueError("the list has no item")
    return [found.pop(0) if (found := same.get(line)) else _parsed_item(field, line, current) for line in lines]


def _parsed_item(field: ReviewField, line: str, current: Sequence[Document]) -> Document:
    parts = [_unescaped(each, "|") for each in _divided(line, "|", "|")]
    if len(parts) > len(field.items):
        most = " | ".join(field.items).replace("_", " ")
        raise ValueError(f"“{line}” has {len(parts)} parts; a line has {most}")
    if not is_visible(parts[0]):
        raise ValueError(f"“{line}” has no {field.items[0]}")
    parts += [""] * (len(field.items) - len(parts))
    alike = next((each for each in current if each.get(field.items[0]) == parts[0]), {})
    return {**alike, **{name: _part(name, text, current) for name, text in zip(field.items, parts, strict=True)}}


def _part(name: str, text: str, current: Sequence[Document]) -> Any:
    """A part of an item, of the type that the others have; an absent one is null unless all of them are texts."""
    kinds = [each.get(name) for each in current]
    number = next(filter(_is_number, kinds), None)
    if number is not None and text:
        return _parsed_number(text, number)
    return text or ("" if all(isinstance(each, str) for each in kinds) else None)
