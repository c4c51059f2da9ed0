"""Upgrades of the JSON of checkpoints that earlier versions wrote, step by step."""

from collections.abc import Callable, Mapping
from typing import Any

type JsonObject = dict[str, Any]


def migrated(data: JsonObject) -> JsonObject:
    """Upgrade a checkpoint's JSON to the present version, step by step; an unknown version is returned as it is."""
    while type(version := data.get("version")) is int and version in _MIGRATIONS:
        data = _MIGRATIONS[version](data)
    return data


_CHUNK_FIELDS_OF_1 = {
    "alone": "queue_was_empty",
    "doubtful": "creation_in_doubt",
    "absent_reason": "unanswered_reason",
    "absent_detail": "unanswered_detail",
    "paid": "billed",
    "billed": "service_usage",
}
"""Fields of a chunk in version 1 that have other names now."""


def _from_1(data: JsonObject) -> JsonObject:
    """Upgrade version 1, whose chunk records had other field names."""
    chunks = data.get("chunks")
    if not isinstance(chunks, list):
        return data | {"version": 2}
    renamed = [
        {_CHUNK_FIELDS_OF_1.get(name, name): value for name, value in chunk.items()}
        if isinstance(chunk, dict)
        else chunk
        for chunk in chunks
    ]
    return data | {"version": 2, "chunks": renamed}


_MIGRATIONS: Mapping[int, Callable[[JsonObject], JsonObject]] = {1: _from_1}
"""By version, the step to the next one."""
