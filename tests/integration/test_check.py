"""`check`: doubts about what is in the database, whoever wrote it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from floridify_batch.cli.check import CheckReport, checked, json_of
from floridify_batch.cli.import_ import import_file
from floridify_batch.database.connection import Place
from floridify_batch.words.entry import DocId, copied_id
from tests.documents import LONG_AGO, add_definition, add_entry, add_known, add_word, everything

type Found = Database[dict[str, Any]]

DEMO = Path(__file__).parents[2] / "scripts/demos/data/definitions.jsonl"


@pytest.fixture
def place(mongo_url: str, database_name: str) -> Place:
    return Place(mongo_url, database_name)


def named(report: CheckReport) -> list[tuple[str, str]]:
    return [(word, doubt.check) for word, doubt in report.doubts]


async def test_the_demo_entries_raise_no_doubt(place: Place, database: Found) -> None:
    """The edited definitions of the demo's dictionary pass every check, and the check writes nothing."""
    await import_file(DEMO, place, provider="wiktionary")
    before = everything(database)
    report = await checked(place, None, None)
    assert named(report) == []
    assert report.entries > 10
    assert everything(database) == before


async def test_planted_faults_are_listed_by_severity(place: Place, database: Found) -> None:
    """Faults in senses and of the whole word are found; a word that is not stored is named."""
    word = add_word(database, "bank")
    faulty = add_definition(database, word, "a bank for money", part_of_speech="noun")
    database.definitions.update_one({"_id": faulty}, {"$set": {"synonyms": ["Bank", "shore"], "antonyms": 7}})
    add_entry(database, word, [faulty], "wiktionary")
    report = await checked(place, ["bank", "bänk"], "en")
    assert named(report) == [("bank", "headword"), ("bank", "circular")]
    assert report.missing == ["bänk"]
    assert json_of(report)["doubts"][0] == {
        "word": "bank",
        "check": "headword",
        "severity": "high",
        "component": "synonyms",
        "sense": "noun 1",
        "value": "Bank",
        "sentence": "is the headword itself",
    }


async def test_words_of_odd_texts_are_counted(place: Place, database: Found) -> None:
    """A word whose text is a list or a number is not checked, which the check of a whole database says."""
    add_known(database, "bank")
    database.words.insert_many([{"text": ["bank"], "languages": ["en"]}, {"text": 7, "languages": ["en"]}])
    report = await checked(place, None, None)
    assert (report.entries, report.unreadable) == (1, 2)
    assert (await checked(place, ["bank"], "en")).entries == 1
    database.drop_collection("words")  # its shape is no application's


async def test_a_changed_source_is_listed(place: Place, database: Found) -> None:
    """A copy is listed if its source has changed since; an edited copy of an unchanged source is not."""
    word = add_word(database, "bank")
    changed = add_definition(database, word, "the edge of a river", part_of_speech="noun")
    same = add_definition(database, word, "a business for money", part_of_speech="noun")
    add_entry(database, word, [changed, same], "wiktionary")
    copies = []
    for source, text in ((changed, "the land along a river"), (same, "a place for money")):
        document = database.definitions.find_one({"_id": source})
        assert document is not None
        reference = {"provider": "wiktionary", "definition_ids": [source]}
        identity = type(source)(copied_id(DocId(str(source))))
        copies.append(identity)
        made = {"_id": identity, "text": text, "source_definitions": [reference], "created_at": LONG_AGO}
        database.definitions.insert_one(document | made)
    database.definitions.update_one({"_id": changed}, {"$set": {"updated_at": LONG_AGO + timedelta(days=1)}})
    database.definitions.update_one({"_id": same}, {"$set": {"updated_at": LONG_AGO - timedelta(days=1)}})
    add_entry(database, word, copies)
    report = await checked(place, ["bank"], "en")
    assert [(of, change.source) for of, change in report.changed] == [("bank", "the edge of a river")]
