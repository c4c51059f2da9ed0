"""What gives way to an answer: which documents go, so that nothing is left behind and nothing of others is lost.

A document goes where it was generated, belongs to what the answer is about, is older than the answer's batch, and
nothing refers to it any more. All of this is read from the database when the removal is due, and none of it is
remembered: where a process died between the new references and the removal, storing the answer again removes the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from floridify_batch.components.change import Collection, Merged, Replaced, Writes
from floridify_batch.database.document import Document, doc_id
from floridify_batch.database.layout import Layout, spelled
from floridify_batch.words.entry import SYNTHESIS, DocId


@dataclass(frozen=True, slots=True)
class Bond:
    """How documents belong to others: by `owner`, they name whose they are; a `holder` refers to them by `field`."""

    owner: str
    holder: Collection
    field: str


BONDS: Mapping[Collection, Bond] = {
    Collection.EXAMPLES: Bond("definition_id", Collection.DEFINITIONS, "example_ids"),
    Collection.FACTS: Bond("word_id", Collection.ENTRIES, "fact_ids"),
    Collection.PRONUNCIATIONS: Bond("word_id", Collection.ENTRIES, "pronunciation_id"),
}
"""The collections of which documents may be replaced."""


class Finder(Protocol):
    """Where documents are looked for."""

    async def find(
        self, collection: str, query: Mapping[str, Any], shown: Sequence[str] | None = None, limit: int = 0
    ) -> list[dict[str, Any]]:
        """The documents that a query finds."""
        ...


def looked_up(layout: Layout) -> Iterable[tuple[str, list[str]]]:
    """The collections and fields by which replaced documents, and references to them, are looked for."""
    for collection, bond in BONDS.items():
        yield collection, [bond.owner]
        for holder in _holders(bond, layout):
            yield holder, [bond.field]


def _holders(bond: Bond, layout: Layout) -> tuple[str, ...]:
    return layout.entry_collections if bond.holder == Collection.ENTRIES else (bond.holder,)


def generated(document: Document) -> bool:
    """Whether a model wrote this, rather than a person or a source."""
    return document.get("type") == "generated" or bool(document.get("model_info") or document.get(SYNTHESIS))


def replaced_by(writes: Writes) -> dict[Collection, list[tuple[Replaced, datetime]]]:
    """What is replaced, by collection, each with the time before which it must have been made."""
    found: dict[Collection, list[tuple[Replaced, datetime]]] = {}
    for replaced, before, _ in writes.removals:
        found.setdefault(replaced.collection, []).append((replaced, before))
    return found


# ── what stays ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def keeping_others(writes: Writes, finder: Finder) -> Writes:
    """The same, such that what no model wrote keeps its place in the lists that are replaced."""
    kept: set[DocId] = set()
    for collection, group in replaced_by(writes).items():
        before = [identity for replaced, _ in group for identity in replaced.before]
        if before:
            shown = ("type", "model_info", SYNTHESIS)
            found = await finder.find(collection, {"_id": _any_spelling(before)}, shown)
            kept |= {doc_id(document["_id"]) for document in found if not generated(document)}
    return keeping(writes, kept)


def keeping(writes: Writes, kept: set[DocId]) -> Writes:
    """The same, such that the documents of these ids keep their places in lists."""
    staying: dict[tuple[DocId, str], list[DocId]] = {}
    for replaced, _, referring in writes.removals:
        stay = [identity for identity in replaced.before if identity in kept]
        staying |= {(each, BONDS[replaced.collection].field): stay for each in referring if stay}
    return writes._replace(updates=[_joined(each, staying) for each in writes.updates]) if staying else writes


def _joined(document: Merged, staying: Mapping[tuple[DocId, str], Sequence[DocId]]) -> Merged:
    lists = {name: listed for name, listed in document.fields.items() if isinstance(listed, list)}
    longer = {name: [*staying.get((document.id, name), ()), *listed] for name, listed in lists.items()}
    return replace(document, fields=document.fields | longer)


# ── what goes ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def removable(writes: Writes, finder: Finder, layout: Layout) -> dict[Collection, list[Any]]:
    """The `_id`s of the documents that are to go, by collection, once everything else is written."""
    gone: dict[Collection, list[Any]] = {}
    for collection, group in replaced_by(writes).items():
        bond = BONDS[collection]
        before = [identity for replaced, _ in group for identity in replaced.before]
        query = {"$or": [{"_id": _any_spelling(before)}, {bond.owner: _any_spelling(each.owner for each, _ in group)}]}
        shown = (bond.owner, "type", "model_info", SYNTHESIS, "created_at")
        due = candidates(await finder.find(collection, query, shown), bond, group)
        holding = {bond.field: _any_spelling(doc_id(document["_id"]) for document in due)}
        for holder in _holders(bond, layout) if due else ():
            due = unreferred(due, bond, await finder.find(holder, holding, (bond.field,)))
        if due:
            gone[collection] = [document["_id"] for document in due]
    return gone


def candidates(found: Iterable[Document], bond: Bond, group: Iterable[tuple[Replaced, datetime]]) -> list[Document]:
    """Those documents that go unless something refers to them."""
    before: set[DocId] = set()
    made_before: dict[DocId, datetime] = {}
    for replaced, moment in group:
        before.update(replaced.before)
        made_before[replaced.owner] = max(moment, made_before.get(replaced.owner, moment))

    def due(document: Document) -> bool:
        moment, made = made_before.get(doc_id(document.get(bond.owner))), document.get("created_at")
        older = moment is not None and isinstance(made, datetime) and made < moment
        return generated(document) and (older or doc_id(document["_id"]) in before)

    return [document for document in found if due(document)]


def unreferred(due: Iterable[Document], bond: Bond, holders: Iterable[Document]) -> list[Document]:
    """Those documents to which none of the holders refers."""
    values = (holder.get(bond.field) for holder in holders)
    lists = (value if isinstance(value, list) else [value] for value in values)
    referred = {doc_id(each) for listed in lists for each in listed}
    return [document for document in due if doc_id(document["_id"]) not in referred]


def _any_spelling(ids: Iterable[DocId]) -> dict[str, Any]:
    """A condition that these ids meet however they are spelled: who may delete looks twice."""
    return {"$in": [spelled(each, as_string=way) for each in ids for way in (True, False)]}
