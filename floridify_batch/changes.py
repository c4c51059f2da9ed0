"""What an answer changes in the database, as a value: nothing here knows how a database is spoken to.

There are several of these for every request, and they may come from another process: named tuples are pickled at a
third of what slotted dataclasses cost.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from floridify_batch.words import DocId, Stamp


class Collection(StrEnum):
    """The collections that are written to."""

    WORDS = "words"
    DEFINITIONS = "definitions"
    ENTRIES = "dictionary_entries"
    EXAMPLES = "examples"
    FACTS = "facts"
    PRONUNCIATIONS = "pronunciations"


_NO_IDS: Mapping[str, DocId] = {}


class Insert(NamedTuple):
    """A new document under an id that follows from its request, so that inserting it twice inserts it once."""

    collection: Collection
    id: DocId
    fields: Mapping[str, Any]


class Update(NamedTuple):
    """New values for some fields of a document that exists, and ids that join its lists unless they are there."""

    collection: Collection
    id: DocId
    fields: Mapping[str, Any]
    adds: Mapping[str, DocId] = _NO_IDS


class Replaced(NamedTuple):
    """What gives way to an answer: generated documents of `collection` that belong to `owner`, a definition or a word.

    `before` are those that were referred to until now; what no model wrote stays among them.
    """

    collection: Collection
    owner: DocId
    before: tuple[DocId, ...] = ()


class Change(NamedTuple):
    """All that one answer changes: `target` is the document that its custom id names, and gets the stamp.

    Inserts come before updates, and what is replaced goes last: at no moment does a document refer to one that does
    not exist.
    """

    component: str
    target: Update
    stamp: Stamp
    completed: datetime
    inserts: tuple[Insert, ...] = ()
    updates: tuple[Update, ...] = ()
    replaces: tuple[Replaced, ...] = ()
