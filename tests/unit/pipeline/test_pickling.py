"""Pickling of the values that worker processes receive and return."""

import pickle
from datetime import UTC, datetime

from floridify_batch.components.change import Collection, Merged
from floridify_batch.words.entry import Definition, DocId, Entry, Stamp, Word, derived_id

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
STAMP = Stamp(derived_id("stamp"), "run", "batch_1", NOON, "gpt-6-luna", "template", "batch")
SENSE = Definition(
    derived_id("sense"),
    "noun",
    "land by a river",
    synonyms=["shore"],
    example_ids=[derived_id("example")],
    meaning_cluster={"slug": "shore"},
    stamps={"synonyms": STAMP},
)
ENTRY = Entry(
    Word(derived_id("word"), "bank", "en", 2),
    (SENSE,),
    stamps={"facts": STAMP},
    synthesis_entry=derived_id("entry"),
    sources=(SENSE,),
    synthesised=True,
    fact_ids=(derived_id("fact"),),
)


def test_all_of_it_arrives() -> None:
    """Pickling preserves an entry and a change, every value in its field."""
    merged = Merged(Collection.WORDS, ENTRY.id, NOON, {"a": [1]}, {"facts": STAMP.id}, {"fact_ids": [STAMP.id]}, 3)
    arrived, happened = pickle.loads(pickle.dumps((ENTRY, merged)))  # noqa: S301  dumped in this line
    assert (arrived, happened) == (ENTRY, merged)
    assert arrived.definitions[0] is arrived.sources[0], "what is one thing here stays one"


def test_ids_arrive_as_ids() -> None:
    """A DocId stays a DocId, since the store writes IDs and texts differently."""
    arrived = pickle.loads(pickle.dumps(ENTRY))  # noqa: S301  dumped in this line
    ids = (arrived.id, arrived.synthesis_entry, *arrived.fact_ids, *arrived.definitions[0].example_ids)
    assert {type(each) for each in ids} == {DocId}
