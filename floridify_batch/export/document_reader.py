"""Entries for export from documents. Other programs write to the database, too: a value of the wrong type is left out
and counted, and everything else is read.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from math import isfinite
from typing import Any

from floridify_batch.components.change import Collection
from floridify_batch.database.document import EXTRA_DEFINITION_FIELDS, EXTRA_ENTRY_FIELDS, first_language
from floridify_batch.database.entry_text import cited_senses
from floridify_batch.database.lookup import Headword, ids_in
from floridify_batch.database.ownership import etymology_of
from floridify_batch.database.provenance import Origin, Stamps, sense_origins, text_origin, word_origins
from floridify_batch.export.entry import (
    Etymology,
    Example,
    ExportedEntry,
    Fact,
    Item,
    Phrase,
    Pronunciation,
    Sense,
    SynonymChoice,
)
from floridify_batch.words.language import primary_language

type Document = Mapping[str, Any]

_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""Control characters, surrogates and non-characters: no format needs them, and XML forbids most of them."""

_LINE_ENDS = re.compile("\r\n?|\x85|\u2028|\u2029")


def clean(text: str) -> str:
    """A text without control characters, and with line feeds as its only line ends."""
    if text.isprintable():  # as most texts are
        return text.strip()
    return _UNWANTED.sub("", _LINE_ENDS.sub("\n", text)).strip()


@dataclass(slots=True)
class DocumentReader:
    """Reads entries, and counts values of the wrong type and references to documents that do not exist."""

    odd: Counter[str] = field(default_factory=Counter)
    """Values of the wrong type, by collection and field."""
    first_odd: dict[str, str] = field(default_factory=dict)
    """The id of the first document with such a value."""
    dangling: Counter[str] = field(default_factory=Counter)
    """References to documents that do not exist, by field."""

    def entry(self, headword: Headword, language: str, stamps: Stamps) -> ExportedEntry:
        """The entry of a headword in one of its languages."""
        word, first = headword.word, first_language(headword.word)
        further = primary_language(language) != primary_language(first)
        synthesis: Document = headword.synthesis or {}
        stored = {
            "definition_ids": _ids_of(headword.definitions),
            "pronunciation_id": _ids_of(headword.pronunciations),
            "fact_ids": _ids_of(headword.facts),
        }
        for each in headword.entries:
            for name, ids in stored.items():
                self._count_dangling(each, name, ids)
        return ExportedEntry(
            id=f"{word['_id']}-{language}" if further else str(word["_id"]),
            headword=self._text(Collection.WORDS, word, "text"),
            homograph=self._number(word, "homograph_number"),
            language=language,
            senses=tuple(self._senses(headword, stamps)),
            pronunciations=tuple(self._pronunciations(headword)),
            etymology=next(filter(None, map(self._etymology, headword.entries)), None),
            phrases=tuple(phrase for each in headword.entries for phrase in self._phrases(each)),
            synonym_chooser=next(filter(None, map(self._choice, headword.entries)), None),
            facts=tuple(self._facts(headword)),
            extra=self._extra(Collection.ENTRIES, synthesis, EXTRA_ENTRY_FIELDS),
            images=sum(len(ids_in(each, "image_ids")) for each in headword.entries),
            recordings=sum(len(ids_in(each, "audio_file_ids")) for each in headword.pronunciations),
            provenance=_clean(word_origins(headword, stamps)),
            changed=max(filter(None, map(_changed, _documents(headword))), default=None),
        )

    # ── parts of an entry ──────────────────────────────────────────────────────────────────────────────────────────

    def _senses(self, headword: Headword, stamps: Stamps) -> Iterator[Sense]:
        """The senses that have a text."""
        stored = _ids_of(headword.examples)
        for _, document, cited in cited_senses(headword):
            self._count_dangling(document, "example_ids", stored)
            if text := self._text(Collection.DEFINITIONS, document, "text"):
                yield self._sense(document, text, cited, sense_origins(document, headword, stamps, cited))

    def _sense(
        self, document: Document, text: str, examples: Iterable[Document], provenance: Mapping[str, Origin]
    ) -> Sense:
        where = Collection.DEFINITIONS
        texts = partial(self._text, where, document)
        lists = partial(self._texts, where, document)
        items = partial(self._items, where, document)
        return Sense(
            id=str(document["_id"]),
            part_of_speech=texts("part_of_speech"),
            text=text,
            cefr_level=texts("cefr_level"),
            frequency_band=texts("frequency_band"),
            language_register=texts("language_register"),
            domain=texts("domain"),
            region=texts("region"),
            synonyms=lists("synonyms"),
            antonyms=lists("antonyms"),
            cognates=lists("cognates"),
            examples=tuple(filter(None, map(self._example, examples))),
            collocations=items("collocations", "text", "type"),
            grammar_patterns=items("grammar_patterns", "pattern", "description"),
            word_forms=items("word_forms", "text", "form_type"),
            usage_notes=items("usage_notes", "text", "type"),
            extra=self._extra(where, document, EXTRA_DEFINITION_FIELDS),
            sources=lists("providers"),
            images=len(ids_in(document, "image_ids")),
            provenance=_clean(provenance),
        )

    def _example(self, document: Document) -> Example | None:
        text = self._text(Collection.EXAMPLES, document, "text")
        origin = text_origin(document, "text")
        return Example(str(document["_id"]), text, _clean_origin(origin) if origin.is_known else None) if text else None

    def _pronunciations(self, headword: Headword) -> Iterator[Pronunciation]:
        seen = set[tuple[str, str]]()
        for document in headword.pronunciations:
            ipa, respelling = (self._text(Collection.PRONUNCIATIONS, document, name) for name in ("ipa", "phonetic"))
            spoken = ipa.strip("/[] "), respelling
            if any(spoken) and spoken not in seen:
                seen.add(spoken)
                yield Pronunciation(str(document["_id"]), *spoken)

    def _etymology(self, entry: Document) -> Etymology | None:
        stored = entry.get("etymology")
        if stored is not None and not isinstance(stored, str | Mapping):
            self.count_odd(Collection.ENTRIES, entry, "etymology")
            return None
        found = etymology_of(entry)
        if found is None:
            return None
        roots = tuple(filter(None, map(clean, found["root_words"])))
        language, use = (clean(found[name] or "") for name in ("origin_language", "first_known_use"))
        return Etymology(clean(found["text"]), language, roots, use)

    def _phrases(self, entry: Document) -> Iterator[Phrase]:
        names = ("phrase", "meaning", "example", "usage_register")
        for each in self._mappings(Collection.ENTRIES, entry, "phrases"):
            phrase = Phrase(*(self._text(Collection.ENTRIES, each, name, entry) for name in names))
            if phrase.text:
                yield phrase

    def _choice(self, entry: Document) -> SynonymChoice | None:
        chooser = entry.get("synonym_chooser")
        if chooser is None:
            return None
        if not isinstance(chooser, Mapping):
            self.count_odd(Collection.ENTRIES, entry, "synonym_chooser")
            return None
        lists = (each for value in chooser.values() if isinstance(value, list) for each in value)
        compared = (each for each in lists if isinstance(each, Mapping))
        pairs = (
            Item(*(self._text(Collection.ENTRIES, each, name, entry) for name in ("word", "distinction")))
            for each in compared
        )
        choice = SynonymChoice(
            self._text(Collection.ENTRIES, chooser, "essay", entry), tuple(each for each in pairs if each.text)
        )
        return choice if any(choice) else None

    def _facts(self, headword: Headword) -> Iterator[Fact]:
        for document in headword.facts:
            text, category = (self._text(Collection.FACTS, document, name) for name in ("content", "category"))
            if text:
                yield Fact(str(document["_id"]), text, category)

    # ── fields ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _text(self, where: str, document: Document, name: str, holder: Document | None = None) -> str:
        value = document.get(name)
        if isinstance(value, str):
            return clean(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
            return str(value) if isinstance(value, int) else f"{value:.15g}"
        if value is not None:
            self.count_odd(where, holder or document, name)
        return ""

    def _number(self, document: Document, name: str) -> int | None:
        value = document.get(name)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        self.count_odd(Collection.WORDS, document, name)
        return None

    def _list(self, where: str, document: Document, name: str, kind: type) -> Iterator[Any]:
        value = document.get(name)
        if value is not None and not isinstance(value, list):
            self.count_odd(where, document, name)
            return
        for each in value or ():
            if isinstance(each, kind):
                yield each
            elif each is not None:
                self.count_odd(where, document, name)

    def _texts(self, where: str, document: Document, name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(filter(None, map(clean, self._list(where, document, name, str)))))

    def _mappings(self, where: str, document: Document, name: str) -> Iterator[Document]:
        yield from self._list(where, document, name, Mapping)

    def _items(self, where: str, document: Document, name: str, text: str, note: str) -> tuple[Item, ...]:
        items = (
            Item(self._text(where, each, text, document), self._text(where, each, note, document).replace("_", " "))
            for each in self._mappings(where, document, name)
        )
        return tuple(dict.fromkeys(each for each in items if each.text))

    def _extra(self, where: str, document: Document, names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """The values of components without a field of their own: texts, or lists of texts."""
        values = {
            name: self._texts(where, document, name)
            if isinstance(document.get(name), list)
            else tuple(filter(None, [self._text(where, document, name)]))
            for name in names
        }
        return {name: value for name, value in values.items() if value}

    def count_odd(self, where: str, document: Document, name: str, number: int = 1) -> None:
        """Count a value of the wrong type; `number`: those of further documents, too."""
        key = f"{where}.{name}"
        self.odd[key] += number
        self.first_odd.setdefault(key, str(document.get("_id")))

    def _count_dangling(self, document: Document, name: str, stored: Set[str]) -> None:
        if missing := len(set(map(str, ids_in(document, name))) - stored):
            self.dangling[name] += missing


def _ids_of(documents: Iterable[Document]) -> set[str]:
    return {str(each["_id"]) for each in documents}


# ── times ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _documents(headword: Headword) -> Iterator[Document]:
    yield headword.word
    for each in (headword.entries, headword.definitions, headword.examples, headword.pronunciations, headword.facts):
        yield from each


def _changed(document: Document) -> datetime | None:
    """The time of a document's last change, or of its creation."""
    times = (document.get(name) for name in ("updated_at", "created_at"))
    time = next((each for each in times if isinstance(each, datetime)), None)
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


# ── provenance ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _clean(provenance: Mapping[str, Origin]) -> dict[str, Origin]:
    return {name: _clean_origin(origin) for name, origin in provenance.items()}


def _clean_origin(origin: Origin) -> Origin:
    return origin._replace(model=clean(origin.model))
