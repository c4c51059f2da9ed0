"""Print a word's entries from the demonstration's database, as a dictionary would: python -m scripts.show_entry WORD"""

import asyncio
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from floridify_batch.errors import BatchSynthError
from floridify_batch.local_mongo import local_mongod
from floridify_batch.store import MongoStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from floridify_batch.words import Definition, DocId, Entry

MONGO_FOLDER = Path(__file__).parent.parent / "demo-data" / "batch-synth-mongodb"
DATABASE = "floridify"
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def show(url: str, database: str, text: str, console: Console) -> bool:
    """Print the entries of a word, one per homograph. Returns whether the database has any."""
    entries = [entry for entry in asyncio.run(_entries(url, database, text)) if entry.word.stored]
    definitions = [definition for entry in entries for definition in entry.definitions]
    examples = _examples(url, database, (each for definition in definitions for each in definition.example_ids))
    for entry in sorted(entries, key=lambda entry: entry.word.homograph_number or 0):
        _print_entry(entry, examples, console)
    return bool(entries)


async def _entries(url: str, database: str, text: str) -> "list[Entry]":
    store = MongoStore(url, database)
    try:
        return (await store.entries([text], "en"))[text]
    finally:
        await store.close()


def _examples(url: str, database: str, ids: "Iterable[DocId]") -> dict[str, str]:
    from bson import ObjectId
    from pymongo import MongoClient

    client: MongoClient[dict[str, Any]] = MongoClient(url)
    with client:
        wanted = {"_id": {"$in": [ObjectId(each) for each in ids]}}
        return {str(example["_id"]): example["text"] for example in client[database]["examples"].find(wanted)}


def _print_entry(entry: "Entry", examples: "Mapping[str, str]", console: Console) -> None:
    number = str(entry.word.homograph_number or "").translate(_RAISED)
    console.print(Text(f"\n{entry.word.text}{number}", "bold"))
    for part_of_speech, group in groupby(entry.definitions, key=lambda definition: definition.part_of_speech):
        _print_indented(Text(part_of_speech, "italic"), 2, console)
        for position, definition in enumerate(group, 1):
            _print_indented(Text(definition.text), 7, console, label=f"{position}  ")
            for line in _details(definition, examples):
                _print_indented(line, 7, console)


def _print_indented(text: Text, indent: int, console: Console, label: str = "") -> None:
    """Print a text, its label hanging out to the left. (Rich's own padding would fill the lines with spaces.)"""
    for line in text.wrap(console, max(console.width - indent, 20)):
        console.print(Text(label.rjust(indent)) + line, soft_wrap=True)
        label = ""


def _details(definition: "Definition", examples: "Mapping[str, str]") -> "Iterable[Text]":
    """What was synthesised for a definition; nothing for what is absent."""
    band = definition.frequency_band
    labels = (
        *(definition.cefr_level, band and f"frequency band {band} of 5", definition.language_register),
        *(definition.domain, definition.region),
    )
    if any(labels):
        yield Text(" · ".join(label for label in labels if label), "cyan")
    for example in (examples[each] for each in definition.example_ids if each in examples):
        yield Text(f"“{example}”", "italic")
    for name, words in (
        ("synonyms", definition.synonyms),
        ("antonyms", definition.antonyms),
        ("related in other languages", definition.cognates),
        ("goes with", [each["text"] for each in definition.collocations]),
        ("patterns", [each["pattern"] for each in definition.grammar_patterns]),
        ("forms", [each["text"] for each in definition.word_forms]),
        ("usage", [each["text"] for each in definition.usage_notes]),
    ):
        if words:
            yield Text.assemble((f"{name}: ", "dim"), ", ".join(words))


def main() -> None:
    """Show the word on the command line."""
    word = " ".join(sys.argv[1:])
    if not word or not MONGO_FOLDER.exists():
        sys.exit("Run scripts/demo first, then: .venv/bin/python -m scripts.show_entry WORD")
    try:
        with local_mongod(MONGO_FOLDER) as mongo:
            if not show(mongo.url, DATABASE, word, Console(highlight=False)):
                sys.exit(f"The demonstration's database has no entry for {word}.")
    except BatchSynthError as error:
        sys.exit(f"show_entry: {error}")


if __name__ == "__main__":
    main()
