"""Errors of the database's driver as messages for the user, and the check of the user's privileges. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from floridify_batch.errors import DatabaseUnreachable

WORD_REFUSED = "the database refuses its word"
"""The beginning of the reason of a word whose document could not be created."""


def unreachable(error: Exception) -> DatabaseUnreachable:
    """The error that the server does not answer."""
    return DatabaseUnreachable(
        f"The database cannot be reached: {plain(error)}. Check --mongo-url (MONGODB_URL) and that the server runs."
    )


def plain(error: Exception) -> str:
    """A driver's message without the description of the topology at its end."""
    return str(error).split(", Timeout:")[0].split(" (configured timeouts:")[0].split(", full error:")[0].rstrip(".")


def may_write(collection: str, privileges: Iterable[Mapping[str, Any]], database: str) -> bool:
    """Whether privileges allow to insert and update documents of a collection."""
    allowed: set[str] = set()
    for privilege in privileges:
        resource = privilege.get("resource") or {}
        here = resource.get("db") in ("", database) and resource.get("collection") in ("", collection)
        if here or resource.get("anyResource"):
            allowed.update(privilege.get("actions") or ())
    return {"insert", "update"} <= allowed or "anyAction" in allowed


def stated(error: Mapping[str, Any]) -> str:
    """The reason for which an operation of a bulk write was refused."""
    return str(error.get("errmsg", "no reason given"))
