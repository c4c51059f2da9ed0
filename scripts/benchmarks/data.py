"""Data of a benchmark: words with three definitions each, and the counts in the database afterwards."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import Any

from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database

from floridify_batch.components.change import Collection
from floridify_batch.database.layout import STAMPS
from floridify_batch.words.entry import blank_definition

type Document = dict[str, Any]

DEFINITIONS_PER_WORD = 3
COMPONENTS = (
    "synonyms",
    "antonyms",
    "examples",
    "cefr_level",
    "frequency_band",
    "register",
    "domain",
    "grammar_patterns",
    "collocations",
    "usage_notes",
)
REQUESTS_PER_WORD = DEFINITIONS_PER_WORD * len(COMPONENTS)

_BULK = 1000
_ONSETS = ("b", "br", "c", "d", "dr", "f", "g", "gr", "h", "l", "m", "n", "p", "pl", "r", "s", "st", "t", "tr", "v")
_NUCLEI = ("a", "e", "i", "o", "u")
_SYLLABLES = tuple(onset + nucleus for onset in _ONSETS for nucleus in _NUCLEI)
_SENSES = (
    ("noun", "a quality or condition that is met in {word} things, and by which they are told apart from others"),
    ("verb", "to bring something step by step into the state that people of that place call {word}"),
    ("adjective", "having to do with {word}, or showing the patient care that is expected of whoever practises it"),
)


def word(number: int) -> str:
    """Return a distinct pronounceable word per number."""
    syllables = []
    rest = number + len(_SYLLABLES) ** 2
    while rest:
        rest, digit = divmod(rest, len(_SYLLABLES))
        syllables.append(_SYLLABLES[digit])
    return "".join(syllables)


def senses(text: str) -> Iterator[tuple[str, str]]:
    """The parts of speech of a word with the texts of its definitions."""
    return ((part_of_speech, sense.format(word=text)) for part_of_speech, sense in _SENSES)


def write_list(path: Path, count: int) -> None:
    """Write a word list."""
    path.write_text("".join(f"{word(number)}\n" for number in range(count)), encoding="utf-8")


def seed(url: str, database: str, count: int) -> None:
    """Insert words and definitions into an empty database with Floridify's indexes."""
    client: MongoClient[Document]
    with MongoClient(url) as client:
        place: Database[Document] = client[database]
        place[Collection.WORDS].create_index(["text", "languages"])
        place[Collection.DEFINITIONS].create_index(["word_id"])
        for words in batched(map(_word_document, range(count)), _BULK):
            place[Collection.WORDS].insert_many(words)
            place[Collection.DEFINITIONS].insert_many(each for one in words for each in _definition_documents(one))


def _base() -> Document:
    now = datetime.now(UTC)
    return {"_id": ObjectId(), "created_at": now, "updated_at": now, "version": 1}


def _word_document(number: int) -> Document:
    text = word(number)
    return _base() | {
        "text": text,
        "normalized": text,
        "lemma": text,
        "languages": ["en"],
        "homograph_number": None,
    }


def _definition_documents(of: Document) -> Iterator[Document]:
    for part_of_speech, text in senses(of["text"]):
        told = {"word_id": of["_id"], "part_of_speech": part_of_speech, "text": text, "providers": ["wiktionary"]}
        yield _base() | blank_definition() | told


def counts(url: str, database: str) -> dict[str, int]:
    """Return the number of documents; `stamped` counts the stamps of definitions."""
    client: MongoClient[Document]
    with MongoClient(url) as client:
        place: Database[Document] = client[database]
        found = {name: place[name].count_documents({}) for name in (*Collection, STAMPS)}
        return {str(name): count for name, count in found.items()} | {"stamped": _stamped(place)}


def _stamped(place: Database[Document]) -> int:
    stamps = {"$size": {"$objectToArray": {"$ifNull": ["$synthesis", {}]}}}
    grouped = list(place[Collection.DEFINITIONS].aggregate([{"$group": {"_id": None, "stamps": {"$sum": stamps}}}]))
    return int(grouped[0]["stamps"]) if grouped else 0


def drop(url: str, database: str) -> None:
    """Remove the database."""
    client: MongoClient[Document]
    with MongoClient(url) as client:
        client.drop_database(database)
