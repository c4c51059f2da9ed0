"""A search for twins: documents that two runs stored for the same thing, and documents that nothing refers to."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pymongo.database import Database

from floridify_batch.components.change import Collection
from floridify_batch.words.entry import SYNTHESIS

type Document = Mapping[str, Any]


def twins(database: Database[dict[str, Any]]) -> list[str]:
    """The twins and the unused documents of a database, each as a sentence; none where every place is filled once."""
    found = {name: {each["_id"]: each for each in database[name].find()} for name in Collection}
    entries = [each for each in found[Collection.ENTRIES].values() if each["provider"] == SYNTHESIS]
    return [
        *_repeated("word", ((each["text"], *each["languages"]) for each in found[Collection.WORDS].values())),
        *_repeated("entry", (each["word_id"] for each in entries)),
        *_definition_faults(found, entries),
        *_reference_faults(found, entries),
    ]


def _definition_faults(
    found: Mapping[Collection, Mapping[Any, Document]], entries: Iterable[Document]
) -> Iterator[str]:
    """Definitions of two answers in one entry, and sources that two definitions are made from."""
    definitions = found[Collection.DEFINITIONS]
    for entry in entries:
        own = [definitions[each] for each in entry["definition_ids"]]
        sources = [source for each in own for name in each["source_definitions"] for source in name["definition_ids"]]
        word = found[Collection.WORDS][entry["word_id"]]["text"]
        yield from _repeated(f"definition of {word}", ((each["text"], str(each["source_definitions"])) for each in own))
        yield from _repeated(f"source of {word}", sources)
        yield from _mixed(f"definitions of {word}", [each for each in own if not each["source_definitions"]])
        yield from _mixed(f"facts of {word}", [found[Collection.FACTS][each] for each in entry["fact_ids"]])
    for each in definitions.values():
        examples = [found[Collection.EXAMPLES][example] for example in each["example_ids"]]
        yield from _mixed(f"examples of {each['text']}", examples)
        yield from _repeated(f"example of {each['text']}", (example["text"] for example in examples))


def _reference_faults(found: Mapping[Collection, Mapping[Any, Document]], entries: Sequence[Document]) -> Iterator[str]:
    """References to one document by two, to none, and documents without any reference."""
    all_entries = list(found[Collection.ENTRIES].values())
    for name, holders, field in (
        (Collection.DEFINITIONS, all_entries, "definition_ids"),
        (Collection.EXAMPLES, found[Collection.DEFINITIONS].values(), "example_ids"),
        (Collection.FACTS, entries, "fact_ids"),
        (Collection.PRONUNCIATIONS, entries, "pronunciation_id"),
    ):
        values = (each.get(field) for each in holders)
        listed = [one for each in values for one in (each if isinstance(each, list) else [each]) if one is not None]
        yield from _repeated(f"reference to {name}", listed)
        yield from (f"{name} without {each}, which is referred to" for each in set(listed) - found[name].keys())
        yield from (f"{name} {each} is not referred to" for each in found[name].keys() - set(listed))


def _mixed(what: str, documents: Iterable[Document]) -> Iterator[str]:
    """Documents of one place by several models; runs that are compared request different ones."""
    models = {(each.get("model_info") or {}).get("name") for each in documents}
    if len(models) > 1:
        yield f"{what} by {models}"


def _repeated(what: str, values: Iterable[Any]) -> Iterator[str]:
    yield from (f"{what} {value}: {number} times" for value, number in Counter(values).items() if number > 1)
