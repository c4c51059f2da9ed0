"""The migration of documents that earlier versions wrote: definitions that an entry must own, and unreadable fields.

Earlier versions listed providers' definitions in synthesis entries, and wrote values into them. The entries get copies;
the providers' definitions stay unchanged. The migration is idempotent: each step finds only the documents left to do.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from floridify_batch.components.change import Collection, SchemaVersion, Writes
from floridify_batch.components.model_profile import DEFAULT_TEMPERATURE
from floridify_batch.components.synthesis_entry import references
from floridify_batch.database.document import encoded
from floridify_batch.database.layout import ENTRY_COLLECTIONS, STAMPS
from floridify_batch.words.entry import SYNTHESIS, DocId, SourceCopy, copied_id, doc_id

if TYPE_CHECKING:
    from floridify_batch.database.store import MongoStore

type Document = Mapping[str, Any]

_PAGE = 200
_ADVICE = "What was migrated so far stays; repair the database, then run `batch-synth mend` again."
_UNKNOWN_MODEL = "unknown"


@dataclass(slots=True)
class Migrated:
    """Counts of a migration, completed or pending."""

    entries: int = 0
    definitions: int = 0
    temperatures: int = 0
    references: int = 0
    relevances: int = 0
    models: int = 0

    @property
    def total(self) -> int:
        """The number of changes."""
        return self.definitions + self.temperatures + self.references + self.relevances + self.models


class Migration:
    """One pass over a database; nothing is written unless `write`."""

    def __init__(self, store: "MongoStore", now: datetime, *, write: bool) -> None:
        self._store = store
        self._now = now
        self._write = write
        self.counts = Migrated()

    async def migrate(self) -> Migrated:
        """Count the documents to migrate, or migrate them."""
        await self._set_temperatures()
        await self._name_sources()
        await self._set_relevances()
        if self._store.layout.schema is SchemaVersion.JULY_2025:
            await self._name_models()
        for name in self._store.layout.entry_collections:
            entries = await self._store.find(name, _of_synthesis(name), ("word_id",))
            for page in batched(entries, _PAGE):
                await self._move([doc_id(each["word_id"]) for each in page])
        return self.counts

    async def _move(self, words: Sequence[DocId]) -> None:
        """Give synthesis entries copies of the sources' definitions that they list."""
        found = await self._store.entries_of(words)
        drafts = [entry.draft for entry in found.values() if entry.draft is not None and entry.draft.listed]
        moved = [
            replace(draft, copies=tuple(each for each in draft.copies if each.source in draft.listed))
            for draft in {draft.id: draft for draft in drafts}.values()
        ]
        self.counts.entries += len(moved)
        self.counts.definitions += sum(len(draft.copies) for draft in moved)
        if self._write and moved:
            await self._store.apply(Writes((), (), (), drafts=[(draft, self._now) for draft in moved]))

    async def _set_temperatures(self) -> None:
        for collection in (Collection.DEFINITIONS, Collection.EXAMPLES, Collection.FACTS):
            found = await self._store.find(collection, {"model_info.temperature": {"$type": "null"}}, ("_id",))
            change = {"$set": {"model_info.temperature": DEFAULT_TEMPERATURE}}
            self.counts.temperatures += len(found)
            await self._update(collection, ((each["_id"], change) for each in found))

    async def _name_sources(self) -> None:
        """Rewrite references to sources that earlier versions wrote, one for each definition."""
        older = {"source_definitions.definition_id": {"$exists": True}}
        found = await self._store.find(
            Collection.DEFINITIONS, older, ("source_definitions", "dictionary_entry_id", "word_id")
        )
        self.counts.references += len(found)
        for page in batched(found, _PAGE):
            listing = await self._listing([each for document in page for each in _older_sources(document)])
            changes = ((each["_id"], self._referring(each, listing)) for each in page)
            await self._update(Collection.DEFINITIONS, changes)

    def _referring(self, document: Document, listing: Mapping[DocId, Document]) -> dict[str, Any]:
        own = doc_id(document.get("dictionary_entry_id") or document["word_id"])
        older = [each for each in document["source_definitions"] if isinstance(each, Mapping)]
        copies = [_source(each, listing, own) for each in older if each.get("definition_id")]
        kept = [each for each in older if not each.get("definition_id")]
        return {"$set": {"source_definitions": [*kept, *encoded(references(copies), self._store.layout)]}}

    async def _listing(self, definitions: Sequence[Any]) -> dict[DocId, Document]:
        """The source's entry that lists each definition."""
        found: dict[DocId, Document] = {}
        query = {"definition_ids": self._store.layout.referring_to(definitions)}
        for name in self._store.layout.entry_collections:
            for entry in await self._store.find(name, query, ("provider", "definition_ids")):
                if {**entry, **ENTRY_COLLECTIONS[name]}.get("provider") != SYNTHESIS:
                    found |= {doc_id(each): entry for each in entry["definition_ids"]}
        return found

    async def _set_relevances(self) -> None:
        """Set the relevance of clusters of one definition: 1 where it is the only one, else 0."""
        missing = {"meaning_cluster.relevance": {"$type": "null"}}
        found = await self._store.find(Collection.DEFINITIONS, missing, ("word_id",))
        self.counts.relevances += len(found)
        for page in batched(found, _PAGE):
            of_words = {"word_id": self._store.layout.referring_to(each["word_id"] for each in page)}
            query = of_words | {"meaning_cluster": {"$type": "object"}}
            clustered = await self._store.find(Collection.DEFINITIONS, query, ("word_id", "meaning_cluster"))
            clusters: dict[DocId, set[Any]] = {}
            for each in clustered:
                clusters.setdefault(doc_id(each["word_id"]), set()).add(_slug(each["meaning_cluster"]))
            await self._update(Collection.DEFINITIONS, _relevances(page, clusters))

    async def _name_models(self) -> None:
        """Name the model of synthesis entries, without which Floridify of July 2025 cannot read them."""
        name = self._store.layout.own_collection(Collection.ENTRIES)
        found = await self._store.find(name, {"model_info": None}, (SYNTHESIS, "definition_ids"))
        self.counts.models += len(found)
        for page in batched(found, _PAGE):
            ids = {doc_id(each) for entry in page for each in (entry.get(SYNTHESIS) or {}).values()}
            stamps = await self._store.find(STAMPS, {"_id": self._store.layout.with_ids(ids)}, ("model",))
            models = {doc_id(each["_id"]): each["model"] for each in stamps}
            await self._update(name, ((entry["_id"], _named_model(entry, models)) for entry in page))

    async def _update(self, collection: str, changes: "Iterable[tuple[Any, dict[str, Any]]]") -> None:
        from pymongo import UpdateOne

        if self._write:
            operations: list[UpdateOne] = [UpdateOne({"_id": identity}, change) for identity, change in changes]
            await self._store.bulk(collection, operations, _ADVICE)


def _of_synthesis(collection: str) -> dict[str, Any]:
    """The query for a collection's synthesis entries."""
    if ENTRY_COLLECTIONS[collection].get("provider") == SYNTHESIS:
        return {}
    return {"provider": SYNTHESIS}


def _older_sources(document: Document) -> Iterator[Any]:
    return (each["definition_id"] for each in document["source_definitions"] if each.get("definition_id"))


def _source(reference: Document, listing: Mapping[DocId, Document], own: DocId) -> SourceCopy:
    """The source that an older reference names; one that no source's entry lists is in the definition's own entry."""
    source = doc_id(reference["definition_id"])
    entry = listing.get(source, {})
    provider = str(entry.get("provider") or reference.get("provider"))
    return SourceCopy(copied_id(source), source, provider, doc_id(entry.get("_id", own)))


def _slug(cluster: Document) -> Any:
    return cluster.get("slug") or cluster.get("id")


def _relevances(
    definitions: Iterable[Document], clusters: Mapping[DocId, set[Any]]
) -> Iterator[tuple[Any, dict[str, Any]]]:
    for each in definitions:
        alone = len(clusters.get(doc_id(each["word_id"]), ())) == 1
        yield each["_id"], {"$set": {"meaning_cluster.relevance": 1.0 if alone else 0.0}}


def _named_model(entry: Document, models: Mapping[DocId, str]) -> dict[str, Any]:
    stamps = (doc_id(each) for each in (entry.get(SYNTHESIS) or {}).values())
    name = next((models[each] for each in stamps if each in models), _UNKNOWN_MODEL)
    info = {"name": name, "confidence": 1.0, "temperature": DEFAULT_TEMPERATURE, "generation_count": 1}
    return {"$set": {"model_info": info}}
