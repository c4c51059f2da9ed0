"""A dictionary entry, laid out as in a printed dictionary.

Other programs write to the database, too: any field may be missing or of another type, and all text is sanitised.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from floridify_batch.components.doubt import Doubt
from floridify_batch.components.quality_check import doubts
from floridify_batch.database.document import EXTRA_DEFINITION_FIELDS
from floridify_batch.database.entry_text import entry_texts
from floridify_batch.database.lookup import Headword, ids_in
from floridify_batch.database.provenance import Origin, Stamps, changes, labelled_origins
from floridify_batch.display.text import plain
from floridify_batch.words.entry import SYNTHESIS
from floridify_batch.words.language import language_name

WIDEST = 100
"""Maximum line width."""

_INDENT, _SENSE, _LEAST = 2, 6, 20
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

type Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text wrapped at its indent, with a label hanging to the left."""

    text: Text
    indent: int = 0
    label: str = ""


# ── layout ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def print_page(paragraphs: Iterable[Paragraph], console: Console) -> None:
    """Print paragraphs, wrapped. (Rich's padding would fill the lines with spaces.)"""
    width = min(console.width, WIDEST)
    for paragraph in paragraphs:
        label = paragraph.label
        for line in paragraph.text.wrap(console, max(width - paragraph.indent, _LEAST)) or [Text()]:
            line.rstrip()
            console.print(Text(label.rjust(paragraph.indent)) + line if line else line, soft_wrap=True)
            label = ""


def page(headword: Headword, language: str = "en") -> Iterator[Paragraph]:
    """A headword with everything stored about it, in dictionary order, and in each of its languages."""
    languages = headword.languages(language)
    if len(languages) < 2:  # noqa: PLR2004
        yield from _page(headword)
        return
    for each in languages:
        yield from _page(headword.in_language(each), language_name(each))


def remarks(headword: Headword, language: str, stamps: Stamps) -> Iterator[Paragraph]:
    """The origins of a headword's generated values, and doubts about its values."""
    by_origin: dict[str, list[str]] = {}
    languages = headword.languages(language)
    for own in [headword.in_language(each) for each in languages] if len(languages) > 1 else [headword]:
        for label, origin in _origins(own, stamps):
            by_origin.setdefault(origin, []).append(label)
    yield from _listed("Written by", [_named(", ".join(labels), origin) for origin, labels in by_origin.items()])
    found = [doubt for texts in entry_texts(headword) for doubt in doubts(texts)]
    yield from _listed("Doubts", list(map(_doubt, found)))


def _origins(headword: Headword, stamps: Stamps) -> Iterator[tuple[str, str]]:
    """The label and the origins of each sense with generated, edited or reviewed values, and of the word."""
    for label, found in labelled_origins(headword, stamps):
        if line := _origin(found):
            yield label, line


def _origin(found: Mapping[str, Origin]) -> str:
    """The models and days of values, with the values of each, and those that people have edited or reviewed."""
    written: dict[str, list[str]] = {}
    changed: dict[str, list[str]] = {}
    for component, origin in found.items():
        name = component.replace("_", " ")
        model = f"{plain(origin.model)} ({origin.date})" if origin.date else plain(origin.model)
        if model:
            written.setdefault(model, []).append(name)
        for change in changes(origin):
            changed.setdefault(change, []).append(name)
    parts = [f"{by}: {', '.join(sorted(names))}" for by, names in (*written.items(), *sorted(changed.items()))]
    return "; ".join(parts)


def _doubt(doubt: Doubt) -> Text:
    where = " ".join(filter(None, (doubt.sense, doubt.component.replace("_", " "))))
    return _named(where, f"“{plain(doubt.value)}” {plain(doubt.sentence)} ({doubt.severity})")


def _page(headword: Headword, language: str = "") -> Iterator[Paragraph]:
    yield Paragraph(Text())
    yield Paragraph(_head(headword) + Text(f"  ({plain(language)})" if language else ""))
    examples = {example.get("_id"): _text(example, "text") for example in headword.examples}
    yield from _senses(headword.senses, examples)
    if not headword.senses:
        yield Paragraph(Text("No definition yet.", "dim"), _INDENT)
    yield from _of_word(headword)
    for entry in headword.entries:
        if entry.get("provider") == SYNTHESIS and entry is not headword.synthesis:
            yield Paragraph(Text("Another synthesis entry", "dim"), _INDENT)
            yield from _senses(headword.listed_in([entry]), examples)


def _senses(senses: Sequence[Document], examples: Mapping[Any, str]) -> Iterator[Paragraph]:
    """Senses by part of speech, each with its details."""
    mixed = len({tuple(_texts(sense, "providers")) for sense in senses}) > 1
    for part_of_speech, group in _by_part_of_speech(senses).items():
        yield Paragraph(Text(part_of_speech, "italic"), _INDENT)
        for number, sense in enumerate(group, 1):
            yield Paragraph(Text(_text(sense, "text")), _SENSE, f"{number}  ")
            for line in _details(sense, examples, mixed):
                yield Paragraph(line, _SENSE)


def _head(headword: Headword) -> Text:
    number = headword.word.get("homograph_number")
    raised = str(number).translate(_RAISED) if isinstance(number, int) else ""
    spoken = [_pronunciation(each) for each in headword.pronunciations]
    return Text.assemble((f"{_text(headword.word, 'text')}{raised}", "bold"), *(f"  {each}" for each in spoken if each))


def _pronunciation(document: Document) -> str:
    ipa, phonetic = _text(document, "ipa").strip("/"), _text(document, "phonetic")
    return "  ".join([f"/{ipa}/"] * bool(ipa) + [f"{phonetic} (respelling)"] * bool(phonetic))


def _by_part_of_speech(senses: Iterable[Document]) -> dict[str, list[Document]]:
    groups: dict[str, list[Document]] = {}
    for sense in senses:
        groups.setdefault(_text(sense, "part_of_speech") or "no part of speech", []).append(sense)
    return groups


def _details(sense: Document, examples: Mapping[Any, str], mixed: bool) -> Iterator[Text]:
    """The stored details of one sense."""
    band = _text(sense, "frequency_band")
    labels = [
        *(_text(sense, name) for name in ("language_register", "domain", "region", "cefr_level")),
        f"frequency band {band} of 5" if band else "",
    ]
    if any(labels):
        yield Text(" · ".join(filter(None, labels)), "cyan")
    for example in filter(None, (examples.get(each) for each in ids_in(sense, "example_ids"))):
        yield Text(f"“{example}”", "italic")
    named: tuple[tuple[str, Sequence[str]], ...] = (
        ("synonyms", _texts(sense, "synonyms")),
        ("antonyms", _texts(sense, "antonyms")),
        ("cognates", _texts(sense, "cognates")),
        ("collocations", _texts(sense, "collocations", "{text}")),
        ("patterns", _texts(sense, "grammar_patterns", "{pattern} ({description})")),
        ("forms", _texts(sense, "word_forms", "{text} ({form_type})")),
        ("source", _texts(sense, "providers") if mixed else ()),
        *((name.replace("_", " "), _texts(sense, name) or [_text(sense, name)]) for name in EXTRA_DEFINITION_FIELDS),
    )
    yield from (_named(name, ", ".join(words)) for name, words in named if any(words))
    yield from (_named("usage", note) for note in _texts(sense, "usage_notes", "{text} ({type})"))


def _of_word(headword: Headword) -> Iterator[Paragraph]:
    """The details of the word as a whole, from each of its entries."""
    origins = [(_text(entry, "provider"), text) for entry in headword.entries if (text := _etymology(entry))]
    if headword.synthesis and origins and origins[0][0] == SYNTHESIS:
        origins = origins[:1]  # synthesised from the others
    for provider, text in origins:
        yield Paragraph(_named(f"Etymology ({provider})" if len(origins) > 1 else "Etymology", text), _INDENT)
    for entry in headword.entries:
        yield from _listed("Phrases", _phrases(entry))
        yield from _listed("Choosing a synonym", _choice(entry))
    yield from _listed("Facts", [Text(_text(each, "content")) for each in headword.facts])
    sources = dict.fromkeys(_text(entry, "provider") for entry in headword.entries)
    sources |= dict.fromkeys(name for sense in headword.definitions for name in _texts(sense, "providers"))
    if names := [name for name in sources if name]:
        yield Paragraph(_named("Sources", ", ".join(names)), _INDENT)


def _listed(title: str, items: Sequence[Text]) -> Iterator[Paragraph]:
    if items:
        yield Paragraph(Text(title, "dim"), _INDENT)
        yield from (Paragraph(item, _SENSE, "-  ") for item in items)


def _etymology(entry: Document) -> str:
    etymology = entry.get("etymology")
    if not isinstance(etymology, Mapping):
        return ""
    more = (
        ("origin", _text(etymology, "origin_language")),
        ("roots", ", ".join(_texts(etymology, "root_words"))),
        ("first known use", _text(etymology, "first_known_use")),
    )
    known = "; ".join(f"{name}: {value}" for name, value in more if value)
    return " ".join(filter(None, (_text(etymology, "text"), f"({known})" if known else "")))


def _phrases(entry: Document) -> list[Text]:
    phrases = []
    for each in _items(entry, "phrases"):
        if isinstance(each, Mapping):
            register, example = _text(each, "usage_register"), _text(each, "example")
            rest = [f"({register})" if register else "", _text(each, "meaning"), f"“{example}”" if example else ""]
            phrases.append(Text.assemble((_text(each, "phrase"), "bold"), "  ", " ".join(filter(None, rest))))
    return phrases


def _choice(entry: Document) -> list[Text]:
    """The synonym essay, and the distinctions from any list of compared words in the document."""
    chooser = entry.get("synonym_chooser")
    if not isinstance(chooser, Mapping):
        return []
    lines = [Text(_text(chooser, "essay"))] if _text(chooser, "essay") else []
    lists = (each for value in chooser.values() if isinstance(value, list) for each in value)
    compared = (each for each in lists if isinstance(each, Mapping) and _text(each, "word"))
    return lines + [Text.assemble((_text(each, "word"), "bold"), "  ", _text(each, "distinction")) for each in compared]


def _named(name: str, text: str) -> Text:
    return Text.assemble((f"{name}: ", "dim"), text)


# ── document fields ────────────────────────────────────────────────────────────────────────────────────────────────


def _text(document: Document, name: str) -> str:
    """A field's value as sanitised text; empty if missing."""
    value = document.get(name)
    return "" if value is None or isinstance(value, list | Mapping) else plain(str(value))


def _items(document: Document, name: str) -> Sequence[Any]:
    value = document.get(name)
    return value if isinstance(value, list) else ()


def _texts(document: Document, name: str, form: str = "") -> list[str]:
    """The texts of a list; documents in it are formatted by `form`, without empty brackets."""
    texts = []
    for item in _items(document, name):
        if form and isinstance(item, Mapping):
            filled = form.format_map(_Fields(item))
            texts.append(filled.removesuffix(" ()"))
        elif isinstance(item, str):
            texts.append(plain(item))
    return [text for text in texts if text]


class _Fields(dict[str, str]):
    """A document's fields as text, by name; missing ones are empty."""

    def __init__(self, document: Document) -> None:
        super().__init__({name: _text(document, name).replace("_", " ") for name in document})

    def __missing__(self, name: str) -> str:
        return ""
