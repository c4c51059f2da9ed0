"""Meaning clusters as a definition's document holds them, in the form of the database's version of Floridify."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from floridify_batch.components.change import Provenance, SchemaVersion
from floridify_batch.words.entry import Entry, clusters_of, name_of

_NAMESPACE = UUID("5a1d6f2e-6c0b-4c37-9d53-0c5b7f3c2a41")
"""The namespace of the clusters' ids."""


def cluster_document(entry: Entry, fields: Mapping[str, Any], provenance: Provenance) -> dict[str, Any]:
    """A valid cluster for Floridify, with an id that it keeps, even if the source's cluster is malformed.

    Today's Floridify replaces an id that is no UUID by a new one at each read; that of July 2025 has the slug as the
    id. A definition outside every cluster is a cluster of its own, and the least relevant unless it is the only one.
    """
    relevance = fields.get("relevance")
    if relevance is None:
        relevance = 1.0 if len(clusters_of(entry)) == 1 else 0.0
    whole = {
        "id": _id(entry, fields, provenance),
        "slug": _slug(fields),
        "name": str(fields.get("name") or name_of(_slug(fields))),
        "description": str(fields.get("description") or ""),
        "order": max(0, int(fields.get("order") or 0)),
        "relevance": min(1.0, max(0.0, float(relevance))),
    }
    return {**fields, **whole}


def _slug(fields: Mapping[str, Any]) -> str:
    return str(fields.get("slug") or fields.get("id"))


def _id(entry: Entry, fields: Mapping[str, Any], provenance: Provenance) -> str:
    slug = _slug(fields)
    if provenance.schema is SchemaVersion.JULY_2025:
        return slug
    present = str(fields.get("id"))
    word = entry.word
    place = f"{word.language}/{word.text}/{word.homograph_number or ''}/{slug}"
    return present if _is_uuid(present) else str(uuid5(_NAMESPACE, place))


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
