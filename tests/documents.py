"""Fixtures of Floridify's documents, and comparisons of database contents."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from floridify_batch.words.entry import DocId, copied_id

LONG_AGO = datetime(2025, 3, 1, 12, tzinfo=UTC)
"""Creation time of all fixtures."""

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
    """Insert a word without definitions."""
    document = {
        "text": text,
        "normalized": text.casefold(),
        "lemma": text,
        "languages": [language],
        "homograph_number": homograph,
    }
    return _add(database, "words", document)


def add_definition(database: Database[Document], word: ObjectId, text: str, **fields: Any) -> ObjectId:
    """Insert a definition without generated values, except for the given fields."""
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
    """Insert an entry with definitions."""
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
    """Insert words with one distinct definition each."""
    for text in texts:
        add_definition(database, add_word(database, text), f"the thing that is called {text}")


def _add(database: Database[Document], collection: str, document: Mapping[str, Any]) -> ObjectId:
    whole = {**document, "created_at": LONG_AGO, "updated_at": LONG_AGO, "version": 1}
    identity: ObjectId = database[collection].insert_one(whole).inserted_id
    return identity


def owned(database: Database[Document]) -> list[Document]:
    """Return the definitions that synthesis entries list."""
    entries = database.dictionary_entries.find({"provider": "synthesis"})
    listed = [each for entry in entries for each in entry["definition_ids"]]
    return list(database.definitions.find({"_id": {"$in": listed}}))


def copy_of(database: Database[Document], source: ObjectId) -> Document:
    """Return the copy of a source's definition in the synthesis entry."""
    copy = database.definitions.find_one({"_id": ObjectId(copied_id(DocId(str(source))))})
    assert copy is not None
    return copy


def contents(database: Database[Document]) -> dict[tuple[str, int | None], list[Document]]:
    """Return the definitions of each word with their examples, without ids, times and stamps."""
    examples = {example["_id"]: example["text"] for example in database.examples.find()}
    texts = {definition["_id"]: definition["text"] for definition in database.definitions.find()}
    found: dict[tuple[str, int | None], list[Document]] = {}
    for word in database.words.find():
        senses = found.setdefault((word["text"], word["homograph_number"]), [])
        for definition in database.definitions.find({"word_id": word["_id"]}):
            shown = {name: value for name, value in definition.items() if name not in _UNSEEN}
            shown["examples"] = [examples[each] for each in shown.pop("example_ids")]
            shown["source_definitions"] = [
                (each["provider"], sorted(texts[sense] for sense in each["definition_ids"]))
                for each in shown["source_definitions"]
            ]
            if "example_ids" in shown.get("synthesis_digests", {}):  # a digest of ids
                shown["synthesis_digests"] = shown["synthesis_digests"] | {"example_ids": None}
            shown["model"] = (shown.pop("model_info") or {}).get("name")
            senses.append(shown)
        senses.sort(key=repr)
    return found


def everything(database: Database[Document]) -> dict[str, list[bytes]]:
    """Return the bytes of all documents by collection."""
    raw: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
    names = sorted(database.list_collection_names())
    return {name: [bytes(each.raw) for each in database.with_options(raw)[name].find().sort("_id")] for name in names}


_UNSEEN = {"_id", "word_id", "dictionary_entry_id", "created_at", "updated_at", "synthesis", "synthesis_digests"}
