"""Errors of the database's driver as messages for the user, and the check of the user's privileges. Pure."""

from collections.abc import Iterable, Iterator, Mapping
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
    """The reason for which an operation of a bulk write was refused, with the document and the fields, if stated."""
    message = str(error.get("errmsg", "no reason given"))
    found = error.get("errInfo")
    if not isinstance(found, Mapping) or "failingDocumentId" not in found:
        return message
    faults = list(dict.fromkeys(_faults(found.get("details"))))
    more = [f"{len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
    return f"{message} (document {'; '.join([str(found['failingDocumentId']), *faults[:_SHOWN], *more])})"


_SHOWN = 3


def _faults(details: Any, field: str = "") -> Iterator[str]:
    """The faults in the details of a failed validation, each with its field; they are nested as the validator is."""
    if isinstance(details, list):
        for each in details:
            yield from _faults(each, field)
    if not isinstance(details, Mapping):
        return
    name = details.get("propertyName") or _compared(details) or field
    for missing in details.get("missingProperties") or ():
        yield f"field {missing}: missing"
    nested = [fault for key in _NESTED for fault in _faults(details.get(key), name)]
    if not nested and "reason" in details:
        yield f"field {name}: {details['reason']}" if name else str(details["reason"])
    yield from nested


_NESTED = ("details", "schemaRulesNotSatisfied", "propertiesNotSatisfied", "clausesNotSatisfied")


def _compared(details: Mapping[str, Any]) -> str:
    """The field that an operator of a query compares; keywords of a schema have no "$"."""
    condition = details.get("specifiedAs")
    if not (str(details.get("operatorName")).startswith("$") and isinstance(condition, Mapping)):
        return ""
    return next((str(name) for name in condition if not str(name).startswith("$")), "")
