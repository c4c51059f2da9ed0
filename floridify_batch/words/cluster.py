"""Clusters: a word's source definitions, divided by meaning. A definition outside every cluster is one of its own."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from floridify_batch.words.entry import Cluster, Definition, Entry

_SINGLE = "sense"


def clusters_of(entry: Entry) -> list[Cluster]:
    """The clusters of a word's source definitions, in their order."""
    groups: dict[str, list[Definition]] = {}
    for definition in entry.sources:
        if definition.text.strip():
            groups.setdefault(_slug(definition), []).append(definition)
    ordered = sorted(groups.items(), key=lambda group: order_of(group[1][0]))
    return [
        Cluster(entry.word.id, number, slug, _fields(slug, number, members[0]), tuple(members), entry.stamps)
        for number, (slug, members) in enumerate(ordered)
    ]


def _slug(definition: Definition) -> str:
    return (definition.meaning_cluster or {}).get("slug") or f"{_SINGLE}_{definition.id}"


def order_of(definition: Definition) -> float:
    """The place of a definition's cluster; what is in none comes behind, in the order of the sources."""
    order = (definition.meaning_cluster or {}).get("order")
    return float("inf") if order is None else float(order)


def _fields(slug: str, number: int, member: Definition) -> Mapping[str, Any]:
    if member.meaning_cluster:
        return member.meaning_cluster
    return cluster_fields(slug, f"{member.part_of_speech} {number + 1}".strip(), "", number, None)


def cluster_fields(slug: str, name: str, description: str, order: int, relevance: float | None) -> dict[str, Any]:
    """A cluster as a definition's document holds it."""
    return {
        "id": slug,
        "slug": slug,
        "name": name,
        "description": description,
        "order": order,
        "relevance": relevance,
    }


def slug_of(word: str, text: str, taken: Sequence[str]) -> str:
    """A cluster's slug in its plain form: that of the word before it, and a number behind where it is taken."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_") or _SINGLE
    prefix = re.sub(r"[^a-z0-9]+", "_", word.casefold()).strip("_")
    slug = plain if not prefix or plain.startswith(prefix) else f"{prefix}_{plain}"
    candidates = (slug, *(f"{slug}_{number}" for number in range(2, len(taken) + 2)))
    return next(each for each in candidates if each not in taken)


def name_of(slug: str) -> str:
    """A cluster's name for readers."""
    return slug.replace("_", " ").strip().capitalize()
