"""Put the demonstration's definitions into a database, in today's Floridify layout, as if Floridify had found them.

Ids follow from the contents, so that seeding a database twice changes nothing.
"""

import json
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from floridify_batch.changes import Collection
from floridify_batch.documents import new_word, upsert
from floridify_batch.words import DocId, Word, derived_id

if TYPE_CHECKING:
    from pymongo import MongoClient, UpdateOne

DEFINITIONS = Path(__file__).with_name("demo_data") / "definitions.jsonl"

PROVIDER = "wiktionary"
"""Floridify knows its providers by name; the definitions are ours all the same."""

type Line = dict[str, Any]
type Writes = dict[Collection, list["UpdateOne"]]


def seed(client: "MongoClient[Any]", database: str) -> int:
    """Write the words, definitions and entries that are not there yet. Returns how many words there are."""
    lines = [json.loads(line) for line in DEFINITIONS.read_text(encoding="utf-8").splitlines()]
    writes: Writes = {Collection.WORDS: [], Collection.DEFINITIONS: [], Collection.ENTRIES: []}
    for word, group in groupby(lines, key=_word_of):
        _add(writes, word, list(group))
    for collection, operations in writes.items():
        client[database][collection].bulk_write(operations, ordered=False)
    return len({line["word"] for line in lines})


def _word_of(line: Line) -> Word:
    text, language, number = line["word"], line["language"], line.get("homograph_number")
    return Word(derived_id("demo", "word", language, text, number), text, language, number)


def _add(writes: Writes, word: Word, lines: list[Line]) -> None:
    """Add a word, its definitions and its entry: every field is there, absent values are null."""
    now = datetime.now(UTC)
    entry = derived_id("demo", "entry", word.id)
    definitions = {
        derived_id("demo", "definition", word.id, line["part_of_speech"], text): (line["part_of_speech"], text)
        for line in lines
        for text in line["definitions"]
    }
    word_fields = new_word(word) | {"homograph_number": word.homograph_number}
    writes[Collection.WORDS].append(upsert(word.id, word_fields, now))
    writes[Collection.DEFINITIONS] += [
        upsert(identity, _definition(word.id, entry, *said), now) for identity, said in definitions.items()
    ]
    writes[Collection.ENTRIES].append(upsert(entry, _entry(word, list(definitions)), now))


def _definition(word: DocId, entry: DocId, part_of_speech: str, text: str) -> dict[str, Any]:
    lists = ("synonyms", "antonyms", "cognates", "example_ids", "grammar_patterns", "collocations", "usage_notes")
    nulls = ("meaning_cluster", "cefr_level", "frequency_band", "language_register", "domain", "region", "model_info")
    return {
        "word_id": word,
        "part_of_speech": part_of_speech,
        "text": text,
        **{name: [] for name in (*lists, "word_forms", "source_definitions")},
        **dict.fromkeys(nulls),
        "dictionary_entry_id": entry,
        "providers": [PROVIDER],
    }


def _entry(word: Word, definitions: list[DocId]) -> dict[str, Any]:
    nulls = ("pronunciation_id", "etymology", "raw_data", "synonym_chooser", "model_info")
    return {
        "word_id": word.id,
        "definition_ids": definitions,
        "provider": PROVIDER,
        "languages": [word.language],
        **{name: [] for name in ("fact_ids", "phrases", "source_entries")},
        **dict.fromkeys(nulls),
    }
