"""The details of entries in the words of dictionary readers: labels, and named lines."""

from collections.abc import Iterable, Iterator

from floridify_batch.export.entry import ExportedEntry, Item, Sense
from floridify_batch.words.entry import SYNTHESIS

type Line = tuple[str, str]
"""A name and a text."""


def labels(sense: Sense) -> list[str]:
    """The labels of a sense."""
    band = f"frequency band {sense.frequency_band} of 5" if sense.frequency_band else ""
    return [*filter(None, (sense.language_register, sense.domain, sense.region, sense.cefr_level, band))]


def lines_of_sense(sense: Sense) -> Iterator[Line]:
    """The named lines of a sense, except labels and examples."""
    for name, words in (
        ("Synonyms", sense.synonyms),
        ("Antonyms", sense.antonyms),
        ("Cognates", sense.cognates),
        ("Collocations", tuple(each.text for each in sense.collocations)),
        ("Patterns", tuple(noted(sense.grammar_patterns))),
        ("Forms", tuple(noted(sense.word_forms))),
        *((name.replace("_", " ").capitalize(), words) for name, words in sense.extra.items()),
    ):
        if words:
            yield name, ", ".join(words)
    yield from (("Usage", text) for text in noted(sense.usage_notes))


def lines_of_word(entry: ExportedEntry) -> Iterator[Line]:
    """The named lines of a word as a whole."""
    if entry.etymology:
        yield "Etymology", entry.etymology.sentence
    for phrase in entry.phrases:
        example = f"“{phrase.example}”" if phrase.example else ""
        register = f"({phrase.register})" if phrase.register else ""
        yield "Phrase", " ".join(filter(None, (f"{phrase.text}:", phrase.meaning, register, example)))
    if choice := entry.synonym_chooser:
        yield "Choosing a synonym", choice.essay
        yield from ((each.text, each.note) for each in choice.compared)
    yield from (("Fact", each.text) for each in entry.facts)
    yield from ((name.replace("_", " ").capitalize(), ", ".join(words)) for name, words in entry.extra.items())
    if written := written_by(entry):
        yield "Written by", written


def spoken(entry: ExportedEntry) -> str:
    """The pronunciations in one line."""
    forms = (f"/{each.ipa}/" if each.ipa else each.respelling for each in entry.pronunciations)
    return ", ".join(dict.fromkeys(forms))


def noted(items: Iterable[Item]) -> Iterator[str]:
    """Items with their notes in brackets."""
    return (f"{each.text} ({each.note})" if each.note else each.text for each in items)


def written_by(entry: ExportedEntry) -> str:
    """The models that wrote an entry, with the day of the latest answer, and its sources."""
    origins = [*entry.provenance.values(), *(each for sense in entry.senses for each in sense.provenance.values())]
    latest: dict[str, str] = {}
    for origin in origins:
        latest[origin.model] = max(latest.get(origin.model, ""), origin.date)
    models = [_named(model, date) for model, date in latest.items() if model]
    sources = dict.fromkeys(name for sense in entry.senses for name in sense.sources if name != SYNTHESIS)
    return ", ".join([*models, *sources])


def _named(model: str, date: str) -> str:
    return f"{model} ({date})" if date else model
