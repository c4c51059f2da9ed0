"""Words and definitions put into a database as Floridify would have found them, and read back for comparison."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

LONG_AGO = datetime(2025, 3, 1, 12, tzinfo=UTC)
"""When everything was written that a test finds in its database."""

_LISTS = [
    "synonyms",
    "antonyms",
    "cognates",
    "example_ids",
    "grammar_patterns",
    "collocations",
    "usage_notes",
    "word_forms",
]
_NULLS = ["meaning_cluster", "cefr_level", "frequency_band", "language_register", "domain", "region", "model_info"]

type Document = dict[str, Any]


def add_word(
    database: Database[Document], text: str, *, language: str = "en", homograph: int | None = None
) -> ObjectId:
    """A word without definitions."""
    document = {
        "text": text,
        "normalized": text.casefold(),
        "lemma": text,
        "languages": [language],
        "homograph_number": homograph,
    }
    return _add(database, "words", document)


def add_definition(database: Database[Document], word: ObjectId, text: str, **fields: Any) -> ObjectId:
    """A definition of which nothing is synthesised yet, but for the fields that are given."""
    document = {
        "word_id": word,
        "part_of_speech": "noun",
        "text": text,
        "providers": ["wiktionary"],
        "dictionary_entry_id": None,
        "source_definitions": [],
        **{name: [] for name in _LISTS},
        **dict.fromkeys(_NULLS),
    }
    return _add(database, "definitions", document | fields)


def add_entry(
    database: Database[Document], word: ObjectId, definitions: Sequence[ObjectId], provider: str = "synthesis"
) -> ObjectId:
    """An entry over definitions."""
    nulls = "pronunciation_id etymology raw_data synonym_chooser model_info"
    document = {
        "word_id": word,
        "definition_ids": list(definitions),
        "provider": provider,
        "languages": ["en"],
        "fact_ids": [],
        "phrases": [],
        "source_entries": [],
        **dict.fromkeys(nulls.split()),
    }
    return _add(database, "dictionary_entries", document)


def add_known(database: Database[Document], *texts: str) -> None:
    """Words with one definition each, which no other word has."""
    for text in texts:
        add_definition(database, add_word(database, text), f"the thing that is called {text}")


def _add(database: Database[Document], collection: str, document: Mapping[str, Any]) -> ObjectId:
    whole = {**document, "created_at": LONG_AGO, "updated_at": LONG_AGO, "version": 1}
    identity: ObjectId = database[collection].insert_one(whole).inserted_id
    return identity


def contents(database: Database[Document]) -> dict[tuple[str, int | None], list[Document]]:
    """What a reader finds under each word: its definitions without ids, times or stamps, and with their examples."""
    examples = {example["_id"]: example["text"] for example in database.examples.find()}
    found: dict[tuple[str, int | None], list[Document]] = {}
    for word in database.words.find():
        senses = found.setdefault((word["text"], word["homograph_number"]), [])
        for definition in database.definitions.find({"word_id": word["_id"]}):
            shown = {name: value for name, value in definition.items() if name not in _UNSEEN}
            shown["examples"] = [examples[each] for each in shown.pop("example_ids")]
            shown["source_definitions"] = [each["text"] for each in shown["source_definitions"]]
            shown["model"] = (shown.pop("model_info") or {}).get("name")
            senses.append(shown)
        senses.sort(key=repr)
    return found


def everything(database: Database[Document]) -> dict[str, list[bytes]]:
    """Every byte of every document, by collection."""
    raw: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
    names = sorted(database.list_collection_names())
    return {name: [bytes(each.raw) for each in database.with_options(raw)[name].find().sort("_id")] for name in names}


_UNSEEN = {"_id", "word_id", "dictionary_entry_id", "created_at", "updated_at", "synthesis"}
