"""Conflicts between an update and an edit: judged by the document as it is after the update matched nothing."""

from typing import Any

import pytest
from bson import ObjectId

from floridify_batch.components.change import Collection, Merged
from floridify_batch.database.conflict import unmatched
from floridify_batch.words.entry import DocId
from tests.fakes import NOON

SENSE, STAMP = DocId("1" * 24), DocId("a" * 24)
BEFORE = {"cefr_level": None, "example_ids": [DocId("b" * 24)], "text": "land beside a river"}


def update(**more: Any) -> Merged:
    fields = {"cefr_level": "B1", "example_ids": [DocId("c" * 24)]}
    return Merged(Collection.DEFINITIONS, SENSE, NOON, fields, before={**BEFORE}, **more)


@pytest.mark.parametrize(
    ("now", "judged"),
    [
        ({}, "unedited"),
        ({"cefr_level": ""}, "unedited"),
        ({"example_ids": None}, "unedited"),
        ({"domain": "law"}, "unedited"),
        ({"cefr_level": "A1"}, "edited"),
        ({"text": "a company"}, "edited"),
        ({"example_ids": [ObjectId("b" * 24), ObjectId("d" * 24)]}, "edited"),
        ({"cefr_level": "A1", "synthesis": {"cefr_level": ObjectId(STAMP)}}, "written"),
        ({"cefr_level": "A1", "synthesis": {"cefr_level": ObjectId("e" * 24)}}, "edited"),
    ],
)
def test_an_update_that_matched_nothing(now: dict[str, Any], judged: str) -> None:
    """It is in conflict where a value differs from the one that it was derived from; other spellings do not count."""
    stored = {"_id": ObjectId(SENSE), **BEFORE, "example_ids": [ObjectId("b" * 24)], **now}
    edited, unedited = unmatched([update(stamps={"cefr_level": STAMP})], {SENSE: stored})
    assert (bool(edited), bool(unedited)) == (judged == "edited", judged == "unedited")


def test_an_update_without_a_stamp() -> None:
    """One that has no stamp was written if its values are there; a document that is gone is in no conflict."""
    written = {**BEFORE, "cefr_level": "B1", "example_ids": [ObjectId("c" * 24)]}
    assert unmatched([update()], {SENSE: written}) == ([], [])
    assert unmatched([update()], {}) == ([], [])


def test_a_cluster_of_an_older_layout() -> None:
    """A cluster without a slug is the one that was read with its id as slug."""
    cluster = {"id": "land", "name": "Land"}
    merged = Merged(Collection.DEFINITIONS, SENSE, NOON, {"meaning_cluster": {}})
    merged.before = {"meaning_cluster": {**cluster, "slug": "land"}}
    assert unmatched([merged], {SENSE: {"meaning_cluster": cluster}}) == ([], [merged])
