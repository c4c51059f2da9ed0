"""Conflicts between an update and an edit that somebody made after the update's document was read. Pure.

An update matches only while the values are there that it was derived from. One that has matched nothing was written
before, is about a document that is gone, compares with a value in another spelling, or is in conflict with an edit.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from floridify_batch.components.change import Merged, value_digest
from floridify_batch.database.document import Document, with_slug
from floridify_batch.words.entry import SYNTHESIS, DocId


class Unmatched(NamedTuple):
    """Updates without a matching document: those in conflict with an edit, and those whose values are as read."""

    edited: list[Merged]
    unedited: list[Merged]


def unmatched(updates: Iterable[Merged], found: Mapping[DocId, Document]) -> Unmatched:
    """Judge updates that may not have matched by their documents as they are now; written ones are in neither list."""
    judged = Unmatched([], [])
    for update in updates:
        document = found.get(update.id)
        if document is not None and update.before and not _is_written(update, document):
            (judged.edited if _is_edited(update, document) else judged.unedited).append(update)
    return judged


def _is_written(update: Merged, document: Document) -> bool:
    """Whether an update was applied: all its stamps are written together."""
    stamps = document.get(SYNTHESIS) or {}
    if update.stamps:
        return any(str(stamps.get(component)) == stamp for component, stamp in update.stamps.items())
    return all(value_digest(document.get(name)) == value_digest(value) for name, value in update.fields.items())


def _is_edited(update: Merged, document: Document) -> bool:
    """Whether a field has another value than the one that was read; filling a place that is empty by now loses none."""
    now = {name: value for name in update.before if (value := document.get(name))}
    return any(value_digest(_as_read(name, value)) != value_digest(update.before[name]) for name, value in now.items())


def _as_read(name: str, value: Any) -> Any:
    """A value in the form in which entries have it."""
    return with_slug(value) if name == "meaning_cluster" and isinstance(value, Mapping) else value
