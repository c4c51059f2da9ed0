"""The counts of stored values: each is a model's or a person's, and doubtful or not."""

from datetime import UTC, datetime
from typing import Any

from floridify_batch.components.change import review_mark, value_digest
from floridify_batch.database.lookup import Headword
from floridify_batch.database.value_count import ModelCount, ValueCount, ValueCounts

WORD: dict[str, Any] = {"_id": "w", "text": "bank", "languages": ["en"]}
STAMPS = {
    name: {"_id": name, "model": model, "batch_created": datetime(2026, 3, day, tzinfo=UTC)}
    for name, model, day in (("s1", "gpt-6-luna", 1), ("s2", "gpt-6-luna", 4), ("s3", "gpt-5-mini", 2))
}


def sense(identity: str, stamp: str, words: list[str], digest: str | None = None) -> dict[str, Any]:
    """A sense with synonyms that a model wrote, and the digest that is recorded of them."""
    recorded = value_digest(words) if digest is None else digest
    fields = {"synthesis": {"synonyms": stamp}, "synthesis_digests": {"synonyms": recorded}}
    return {"_id": identity, "part_of_speech": "noun", "text": f"sense {identity}", "synonyms": words, **fields}


def test_values_are_counted() -> None:
    """A value counts for its model with the range of days, or for people; a list with doubtful items counts once."""
    senses = [
        sense("a", "s1", ["shore"]),
        sense("b", "s2", ["Bank", "banks"]),
        sense("c", "s3", ["side"]),
        sense("d", "s1", ["edge"], value_digest(["brink"])),
        sense("e", "s1", ["rim"], review_mark(value_digest(["rim"]))),
    ]
    entry = {"_id": "x", "provider": "synthesis", "definition_ids": [each["_id"] for each in senses]}
    counts = ValueCounts()
    for _ in range(2):
        counts.take(Headword(WORD, [entry], senses), "en", STAMPS)
    luna, mini = ModelCount(4, "2026-03-01", "2026-03-04"), ModelCount(2, "2026-03-02", "2026-03-02")
    found = counts.components["synonyms"]
    assert found.models == {"gpt-6-luna": luna, "gpt-5-mini": mini}
    assert dict(found.people) == {"edited": 2, "accepted": 2}
    assert (counts.entries, found.doubtful) == (2, 2)


def test_a_value_of_a_source_is_not_counted() -> None:
    """A value that no model wrote and nobody has changed is counted only if it is doubtful."""
    source = {"_id": "a", "part_of_speech": "noun", "text": "a bank for money", "synonyms": ["shore"]}
    counts = ValueCounts()
    counts.take(Headword(WORD, [{"_id": "x", "provider": "wiktionary", "definition_ids": ["a"]}], [source]), "en", {})
    assert counts.components == {"definitions": ValueCount(doubtful=1)}
