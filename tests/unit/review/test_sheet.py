"""The rows of an entry."""

import pytest

from floridify_batch.database.entry_text import texts_of
from floridify_batch.database.lookup import Headword
from floridify_batch.review.row import RowKey
from floridify_batch.review.sheet import sheet_rows

SENSE = "0123456789abcdef01234567"


@pytest.mark.parametrize(("identity", "rows"), [(SENSE, 3), ("def/1", 0), ("", 0), (17, 0)])
def test_ids(identity: object, rows: int) -> None:
    """Each row can be found by its key again; a document with an id that no key can have has no row."""
    sense = {"_id": identity, "text": "an edge", "part_of_speech": "noun", "synonyms": ["side"]}
    headword = Headword({"_id": "w", "text": "bank"}, [{"_id": "e", "definition_ids": [identity]}], [sense])
    keys = [each.key for each in sheet_rows(headword, texts_of(headword, "en"), {})]
    assert len(keys) == rows
    assert [str(RowKey.read(each)) for each in keys] == keys
