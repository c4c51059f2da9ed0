"""The privileges that the server states for the user of a connection. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any


def may_write(collection: str, privileges: Iterable[Mapping[str, Any]], database: str) -> bool:
    """Whether privileges allow to insert and update documents of a collection."""
    allowed: set[str] = set()
    for privilege in privileges:
        resource = privilege.get("resource") or {}
        here = resource.get("db") in ("", database) and resource.get("collection") in ("", collection)
        if here or resource.get("anyResource"):
            allowed.update(privilege.get("actions") or ())
    return {"insert", "update"} <= allowed or "anyAction" in allowed
