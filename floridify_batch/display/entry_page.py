"""The command `show`: an entry as a dictionary would print it.

What a database holds was written by others, too: a field may be missing or of another type, and no text of it reaches
the terminal but through `plain`.
"""

import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from floridify_batch.database.connection import Place, opened
from floridify_batch.database.lookup import Headword, headwords, ids_in, near_spellings, other_languages
from floridify_batch.database.store import MongoStore
from floridify_batch.display.text import plain
from floridify_batch.errors import DatabaseError
from floridify_batch.words.entry import SYNTHESIS, clean_word

SHOWN, UNKNOWN = 0, 1

WIDEST = 100
"""Columns that are used at most: nobody reads longer lines."""

_INDENT, _SENSE, _LEAST = 2, 6, 20
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

type Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text that is wrapped within its indent, into which its label hangs out to the left."""

    text: Text
    indent: int = 0
    label: str = ""


async def show(word: str, place: Place, *, language: str = "en", as_json: bool = False) -> int:
    """Print every homograph of a word; say what there is instead where the database does not have it."""
    if not place.exists:
        raise DatabaseError(
            f"There is no database yet: {place.data_folder} does not exist. Name yours with --mongo-url "
            "(MONGODB_URL), or make one with batch-synth import or batch-synth run."
        )
    text = clean_word(word)[0] or " ".join(word.split())
    async with opened(place, _aside) as store:
        found = await headwords(store, text, language)
        if not found:
            _aside(await _unknown(store, text, language))
            return UNKNOWN
    if as_json:
        typer.echo(as_one_json(found))
        return SHOWN
    console = Console(highlight=False)
    for headword in found:
        print_page(page(headword), console)
    return SHOWN


async def _unknown(store: MongoStore, text: str, language: str) -> str:
    sentences = [f"There is no entry for {text!r} in the language {language}."]
    languages = await other_languages(store, text)
    if languages:
        sentences.append(f"It is there in other languages: add --language {' or '.join(languages)}.")
    near = await near_spellings(store, text, language)
    if near:
        sentences.append(f"Did you mean {', '.join(near[:-1])}{' or ' * bool(near[:-1])}{near[-1]}?")
    return " ".join(sentences)


def _aside(sentence: str) -> None:
    typer.echo(plain(sentence), err=True)


# ── on paper ───────────────────────────────────────────────────────────────────────────────────────────────────────


def print_page(paragraphs: Iterable[Paragraph], console: Console) -> None:
    """Print paragraphs, wrapped. (Rich's own padding would fill the lines with spaces.)"""
    width = min(console.width, WIDEST)
    for paragraph in paragraphs:
        label = paragraph.label
        for line in paragraph.text.wrap(console, max(width - paragraph.indent, _LEAST)) or [Text()]:
            line.rstrip()
            console.print(Text(label.rjust(paragraph.indent)) + line if line else line, soft_wrap=True)
            label = ""


def page(headword: Headword) -> Iterator[Paragraph]:
    """A headword and all that is known of it, in the order in which a dictionary has it."""
    yield Paragraph(Text())
    yield Paragraph(_head(headword))
    examples = {example.get("_id"): _said(example, "text") for example in headword.examples}
    senses = headword.senses
    mixed = len({tuple(_texts(sense, "providers")) for sense in senses}) > 1
    for part_of_speech, group in _by_part_of_speech(senses).items():
        yield Paragraph(Text(part_of_speech, "italic"), _INDENT)
        for number, sense in enumerate(group, 1):
            yield Paragraph(Text(_said(sense, "text")), _SENSE, f"{number}  ")
            for line in _details(sense, examples, mixed):
                yield Paragraph(line, _SENSE)
    if not senses:
        yield Paragraph(Text("No definition yet.", "dim"), _INDENT)
    yield from _of_word(headword)


def _head(headword: Headword) -> Text:
    number = headword.word.get("homograph_number")
    raised = str(number).translate(_RAISED) if isinstance(number, int) else ""
    spoken = [_pronunciation(each) for each in headword.pronunciations]
    return Text.assemble((f"{_said(headword.word, 'text')}{raised}", "bold"), *(f"  {each}" for each in spoken if each))


def _pronunciation(document: Document) -> str:
    ipa, phonetic = _said(document, "ipa").strip("/"), _said(document, "phonetic")
    return "  ".join([f"/{ipa}/"] * bool(ipa) + [phonetic] * bool(phonetic))


def _by_part_of_speech(senses: Iterable[Document]) -> dict[str, list[Document]]:
    groups: dict[str, list[Document]] = {}
    for sense in senses:
        groups.setdefault(_said(sense, "part_of_speech") or "no part of speech", []).append(sense)
    return groups


def _details(sense: Document, examples: Mapping[Any, str], mixed: bool) -> Iterator[Text]:
    """What is known of one sense; nothing of what is absent."""
    band = _said(sense, "frequency_band")
    labels = [
        *(_said(sense, name) for name in ("language_register", "domain", "region", "cefr_level")),
        f"frequency band {band} of 5" if band else "",
    ]
    if any(labels):
        yield Text(" · ".join(filter(None, labels)), "cyan")
    for example in filter(None, (examples.get(each) for each in ids_in(sense, "example_ids"))):
        yield Text(f"“{example}”", "italic")
    named: tuple[tuple[str, Sequence[str]], ...] = (
        ("synonyms", _texts(sense, "synonyms")),
        ("antonyms", _texts(sense, "antonyms")),
        ("in other languages", _texts(sense, "cognates")),
        ("goes with", _texts(sense, "collocations", "{text}")),
        ("patterns", _texts(sense, "grammar_patterns", "{pattern} ({description})")),
        ("forms", _texts(sense, "word_forms", "{text} ({form_type})")),
        ("source", _texts(sense, "providers") if mixed else ()),
    )
    yield from (_named(name, ", ".join(words)) for name, words in named if words)
    yield from (_named("usage", note) for note in _texts(sense, "usage_notes", "{text} ({type})"))


def _of_word(headword: Headword) -> Iterator[Paragraph]:
    """What belongs to the word as a whole, from each of its entries."""
    origins = [(_said(entry, "provider"), text) for entry in headword.entries if (text := _etymology(entry))]
    if headword.synthesis and origins and origins[0][0] == SYNTHESIS:
        origins = origins[:1]  # what was made from the others stands for them
    for provider, text in origins:
        yield Paragraph(_named(f"Etymology ({provider})" if len(origins) > 1 else "Etymology", text), _INDENT)
    for entry in headword.entries:
        yield from _listed("Phrases", _phrases(entry))
        yield from _listed("Which synonym", _choice(entry))
    yield from _listed("Facts", [Text(_said(each, "content")) for each in headword.facts])
    sources = dict.fromkeys(_said(entry, "provider") for entry in headword.entries)
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
        ("origin", _said(etymology, "origin_language")),
        ("roots", ", ".join(_texts(etymology, "root_words"))),
        ("first known use", _said(etymology, "first_known_use")),
    )
    known = "; ".join(f"{name}: {value}" for name, value in more if value)
    return " ".join(filter(None, (_said(etymology, "text"), f"({known})" if known else "")))


def _phrases(entry: Document) -> list[Text]:
    phrases = []
    for each in _items(entry, "phrases"):
        if isinstance(each, Mapping):
            register, example = _said(each, "usage_register"), _said(each, "example")
            rest = [f"({register})" if register else "", _said(each, "meaning"), f"“{example}”" if example else ""]
            phrases.append(Text.assemble((_said(each, "phrase"), "bold"), "  ", " ".join(filter(None, rest))))
    return phrases


def _choice(entry: Document) -> list[Text]:
    """An essay on synonyms, and what distinguishes each: whatever list of theirs the document has."""
    chooser = entry.get("synonym_chooser")
    if not isinstance(chooser, Mapping):
        return []
    lines = [Text(_said(chooser, "essay"))] if _said(chooser, "essay") else []
    lists = (each for value in chooser.values() if isinstance(value, list) for each in value)
    compared = (each for each in lists if isinstance(each, Mapping) and _said(each, "word"))
    return lines + [Text.assemble((_said(each, "word"), "bold"), "  ", _said(each, "distinction")) for each in compared]


def _named(name: str, text: str) -> Text:
    return Text.assemble((f"{name}: ", "dim"), text)


# ── out of documents ───────────────────────────────────────────────────────────────────────────────────────────────


def _said(document: Document, name: str) -> str:
    """A field's value as harmless text; nothing where there is none."""
    value = document.get(name)
    return "" if value is None or isinstance(value, list | Mapping) else plain(str(value))


def _items(document: Document, name: str) -> Sequence[Any]:
    value = document.get(name)
    return value if isinstance(value, list) else ()


def _texts(document: Document, name: str, form: str = "") -> list[str]:
    """A list's texts; its documents put in words by a form of their fields, without the brackets of absent ones."""
    texts = []
    for item in _items(document, name):
        if form and isinstance(item, Mapping):
            filled = form.format_map(_Said(item))
            texts.append(filled.removesuffix(" ()"))
        elif isinstance(item, str):
            texts.append(plain(item))
    return [text for text in texts if text]


class _Said(dict[str, str]):
    """The texts of a document's fields, by name."""

    def __init__(self, document: Document) -> None:
        super().__init__({name: _said(document, name).replace("_", " ") for name in document})

    def __missing__(self, name: str) -> str:
        return ""


def as_one_json(found: Sequence[Headword]) -> str:
    """The documents of every homograph, as they are. What could steer a terminal is escaped, as JSON allows."""
    text = json.dumps([asdict(headword) for headword in found], ensure_ascii=False, indent=2, default=_spelled)
    return "".join(json.dumps(each)[1:-1] if _steers(each) else each for each in text)


def _steers(character: str) -> bool:
    return character != "\n" and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _spelled(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
