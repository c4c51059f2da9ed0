"""Meaning clusters in the form of each version of Floridify."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from floridify_batch.components.change import Provenance, SchemaVersion
from floridify_batch.components.document_schema import schemas_of
from floridify_batch.components.meaning_cluster import cluster_document
from floridify_batch.words.entry import Definition, Entry, Stamp, Word, derived_id

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
SOURCE = Provenance(
    "x",
    Stamp(derived_id(), "run", "batch", NOON, "gpt-6-luna", "t", "batch"),
    NOON,
    None,
    "en",
    "English",
    replace=False,
)
RIVER, MONEY = (Definition(derived_id(text), "noun", text) for text in ("river", "money"))
BANK = Entry(Word(derived_id("bank"), "bank", "en"), (RIVER,), sources=(RIVER,))


def cluster(**fields: Any) -> dict[str, Any]:
    return {"id": "bank_slope", "slug": "bank_slope", "name": "Slope", "description": "", "order": 0} | fields


def test_a_cluster_has_an_id_that_floridify_keeps() -> None:
    """Today's Floridify keeps an id that is a UUID, the same at each run; that of July 2025 has the slug as the id."""
    today = cluster_document(BANK, cluster(), SOURCE)
    assert str(UUID(today["id"])) == today["id"] == cluster_document(BANK, cluster(), SOURCE)["id"]
    assert cluster_document(BANK, cluster(slug="bank_money"), SOURCE)["id"] != today["id"]
    assert cluster_document(BANK, today, SOURCE) == today
    july = SOURCE._replace(schema=SchemaVersion.JULY_2025)
    assert cluster_document(BANK, today, july)["id"] == "bank_slope"


def test_a_cluster_has_a_relevance() -> None:
    """A definition outside every cluster is the least relevant one, unless there is no other."""
    assert cluster_document(BANK, cluster(relevance=None), SOURCE)["relevance"] == 1.0
    both = replace(BANK, sources=(RIVER, MONEY))
    assert cluster_document(both, cluster(relevance=None), SOURCE)["relevance"] == 0.0
    assert cluster_document(both, cluster(relevance=0.25), SOURCE)["relevance"] == 0.25


@pytest.mark.parametrize("odd", [{"order": 0.5}, {"order": -1}, {"relevance": 7}, {"name": None, "description": None}])
def test_an_odd_cluster_of_a_source_does_not_spread(odd: dict[str, Any]) -> None:
    """An odd cluster in a source becomes one in our definition that Floridify can read."""
    fields = {"meaning_cluster": cluster_document(BANK, cluster(**odd), SOURCE)}
    assert schemas_of(SchemaVersion.TODAY)["definitions"].fault(fields, whole=False) == ""
