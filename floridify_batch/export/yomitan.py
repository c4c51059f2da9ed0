"""Yomitan: a ZIP archive with an index, banks of terms in format 3, and a bank of tags.

A term has the senses of one part of speech as structured content, in which text needs no escaping. Inflected forms are
terms of their own, which lead to the headword.
"""

from collections.abc import Iterable, Iterator
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import orjson

from floridify_batch.export.detail import Line, labels, lines_of_sense, lines_of_word, spoken
from floridify_batch.export.entry import ExportedEntry, Sense
from floridify_batch.export.format import FORMATS, Format, Header
from floridify_batch.words.language import primary_language

TERMS_PER_BANK = 5000

_RULES = {"verb": "v", "noun": "n", "adjective": "adj", "adverb": "adv"}
"""Yomitan's identifiers of the inflections that are undone for a part of speech."""

_SEQUENCE_DIGITS = 13
"""Hex digits of an id that fit into an integer of JavaScript."""

type Content = dict[str, Any]
type Term = list[Any]


class _Archive(ZipFile):
    """An archive that is complete or removed: one that was not closed has nothing to write when it is collected."""

    def __del__(self) -> None:
        """Write nothing."""


class Yomitan:
    """Writes entries as terms, a bank whenever it is full."""

    def __init__(self, out: IO[bytes], header: Header) -> None:
        self._archive = _Archive(out, "w", ZIP_DEFLATED)
        self._archive.comment = FORMATS[Format.YOMITAN].mark
        self._add("index.json", _index(header))
        self._terms: list[Term] = []
        self._tags: dict[str, str] = {}
        self._banks = 0

    def write(self, entry: ExportedEntry) -> None:
        """Write the terms of an entry."""
        for part_of_speech in entry.by_part_of_speech:
            self._tags.setdefault(_tag(part_of_speech), part_of_speech)
        self._terms += terms_of(entry)
        if len(self._terms) >= TERMS_PER_BANK:
            self._write_bank()

    def finish(self) -> list[str]:
        """Write the last terms and the tags."""
        self._write_bank()
        tags = [[tag, "partOfSpeech", -3, name, 0] for tag, name in self._tags.items() if tag]
        self._add("tag_bank_1.json", tags)
        self._archive.close()
        return []

    def _write_bank(self) -> None:
        if self._terms:
            self._banks += 1
            self._add(f"term_bank_{self._banks}.json", self._terms)
            self._terms = []

    def _add(self, name: str, content: Any) -> None:
        self._archive.writestr(ZipInfo(name), orjson.dumps(content), ZIP_DEFLATED)  # without a time: repeatable


def _index(header: Header) -> dict[str, Any]:
    return {
        "title": header.title,
        "revision": header.date,
        "format": 3,
        "sequenced": True,
        "author": "batch-synth",
        "description": f"{header.title}, exported on {header.date}",
        "sourceLanguage": primary_language(header.language),
        "targetLanguage": primary_language(header.language),
    }


def terms_of(entry: ExportedEntry) -> Iterator[Term]:
    """The terms of an entry: one for each part of speech, and one for each inflected form."""
    pronunciation = [("Pronunciation", spoken(entry))] if entry.pronunciations else []
    word, sequence = [*pronunciation, *lines_of_word(entry)], _sequence(entry)
    for number, (part_of_speech, senses) in enumerate(entry.by_part_of_speech.items()):
        content = [_structured(_sense(sense)) for sense in senses]
        content += [_structured(_lines(word))] if word and number == 0 else []
        rule = _RULES.get(part_of_speech, "")
        yield [entry.headword, "", _tag(part_of_speech), rule, 0, content, sequence, ""]
    for form in entry.forms:
        yield [form.text, "", "", "", -1, [[entry.headword, [form.note or "form"]]], sequence, ""]


def _sequence(entry: ExportedEntry) -> int:
    """A number that the terms of a word share: the beginning of its id."""
    digits = entry.id[:_SEQUENCE_DIGITS]
    try:
        return int(digits, 16)
    except ValueError:
        return 0


def _tag(part_of_speech: str) -> str:
    return "-".join(part_of_speech.split())


def _structured(content: list[Content]) -> Content:
    return {"type": "structured-content", "content": content}


def _sense(sense: Sense) -> list[Content]:
    marks = [_span(" · ".join(labels(sense)) + " ", fontStyle="italic")] if labels(sense) else []
    definition = {"tag": "div", "content": [*marks, sense.text]}
    examples = [{"tag": "li", "content": each.text} for each in sense.examples]
    listed = [{"tag": "ul", "content": examples}] if examples else []
    return [definition, *listed, *_lines(lines_of_sense(sense))]


def _lines(lines: Iterable[Line]) -> list[Content]:
    return [{"tag": "div", "content": [_span(f"{name}: ", fontWeight="bold"), text]} for name, text in lines]


def _span(text: str, **style: str) -> Content:
    return {"tag": "span", "content": text, "style": style}
