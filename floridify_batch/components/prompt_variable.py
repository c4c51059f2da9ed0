"""The variables of prompts: the values with which a template is rendered, by name."""

from collections.abc import Callable, Container, Mapping
from itertools import islice, zip_longest
from typing import Any

from floridify_batch.words.entry import (
    Definition,
    Entry,
)


def sense_of(entry: Entry) -> dict[str, str] | None:
    """The part of speech and the definition that distinguish a word from its homographs; None if there are none."""
    defined = [each for each in entry.definitions if each.has_text]
    if not defined or not (entry.homograph or len({each.part_of_speech for each in defined}) > 1):
        return None
    return {"part_of_speech": defined[0].part_of_speech, "definition": defined[0].text}


def other_senses(entry: Entry, definition: Definition, beside: Container[str] = ()) -> list[str]:
    """The beginnings of the word's other definitions as the same part of speech, which are not meant.

    `beside`: the ids of definitions that stand in the same prompt.
    """
    same = (
        _beginning(each.text)
        for each in entry.definitions
        if each.part_of_speech == definition.part_of_speech
        and each.text != definition.text
        and each.has_text
        and each.id not in beside
    )
    return list(islice(same, _OTHER_SENSES))


def _beginning(text: str) -> str:
    words = text.split()
    return text if len(words) <= _SENSE_WORDS else " ".join(words[:_SENSE_WORDS]) + "…"


_OTHER_SENSES = 8

_SENSE_WORDS = 8

CHOOSER_SYNONYMS = 8
"""The most synonyms that are compared with each other."""


def synonyms_of(entry: Entry) -> list[str]:
    """The synonyms of all definitions, each definition's best ones first, without duplicates."""
    rounds = zip_longest(*(definition.synonyms for definition in entry.definitions))
    distinct = dict.fromkeys(word for each in rounds for word in each if word)
    return list(distinct)[:CHOOSER_SYNONYMS]


def judged_examples(definition: Definition) -> list[str]:
    """The examples of a definition that are judged: its first ones."""
    return definition.example_texts[:MAX_JUDGED_EXAMPLES]


MAX_JUDGED_EXAMPLES = 8
"""The most examples of a definition that are judged; sources may have dozens."""


def provider_of(definition: Definition) -> str:
    """The first source that a definition names."""
    return definition.providers[0] if definition.providers else "unknown"


def _attributes_of(definition: Definition) -> dict[str, Any]:
    """A definition with every attribute that Floridify gives its templates."""
    attributes = {name: getattr(definition, name) for name in _ATTRIBUTES}
    return attributes | {"provider": provider_of(definition), "definition": definition.text, "examples": []}


_OF_THIS_TOOL = ("stamps", "digests", "extra", "copied", "edits", "synthesis_judgements", "example_texts")

_ATTRIBUTES = tuple(name for name in Definition.__slots__ if name not in _OF_THIS_TOOL)

VARIABLES: Mapping[str, Callable[[Entry, Any], Any]] = {
    "word": lambda entry, _: entry.word.text,
    "language_code": lambda entry, _: entry.word.language,
    "definition": lambda _, definition: definition.text,
    "first_definition": lambda entry, _: entry.definitions[0].text,
    "first_part_of_speech": lambda entry, _: entry.definitions[0].part_of_speech,
    "sense": lambda entry, _: sense_of(entry),
    "other_senses": other_senses,
    "part_of_speech": lambda _, definition: definition.part_of_speech,
    "judged_examples": lambda _, definition: judged_examples(definition),
    "existing_synonyms": lambda _, definition: definition.synonyms,
    "existing_antonyms": lambda _, definition: definition.antonyms,
    "provider_data": lambda entry, _: [{"name": name, "etymology_text": text} for name, text in entry.etymologies],
    "synonyms": lambda entry, _: synonyms_of(entry),
    "sources": lambda entry, _: [(provider_of(each), each.part_of_speech, each.text) for each in entry.sources],
    "meaning_cluster": lambda _, cluster: cluster.slug if cluster.definitions[0].meaning_cluster else "",
    "definitions": lambda _, cluster: [_attributes_of(each) for each in cluster.definitions],
}
