"""The stored documents of words, grouped by word: definitions, entries, and the documents that these refer to."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from floridify_batch.components.change import Collection
from floridify_batch.database.layout import ENTRY_COLLECTIONS, spelled
from floridify_batch.database.removal import RELATIONS, any_spelling, generated
from floridify_batch.words.entry import DIGESTS, SYNTHESIS, DocId, doc_id

if TYPE_CHECKING:
    from floridify_batch.database.store import MongoStore

type Document = Mapping[str, Any]


class Stored(NamedTuple):
    """A document, and the collection that holds it."""

    collection: str
    document: Document

    @property
    def id(self) -> DocId:
        """Its id."""
        return doc_id(self.document["_id"])


@dataclass(slots=True)
class WordDocuments:
    """The documents of one word. Of a deleted word, `word` has nothing except its id.

    `cited`: ids of definitions and linked documents to which documents of other words refer, once they are read.
    """

    word: Document
    definitions: dict[DocId, Stored] = field(default_factory=dict)
    entries: list[Stored] = field(default_factory=list)
    linked: dict[DocId, Stored] = field(default_factory=dict)
    cited: set[DocId] = field(default_factory=set)

    @property
    def id(self) -> DocId:
        """The word's id."""
        return doc_id(self.word["_id"])

    @property
    def is_deleted(self) -> bool:
        """Whether the word's own document is gone."""
        return self.word.keys() == {"_id"}

    @property
    def provided(self) -> dict[DocId, None]:
        """The definitions that entries of sources list, in their order."""
        theirs = (each.document for each in self.entries if each.document.get("provider") != SYNTHESIS)
        lists = (entry.get("definition_ids") for entry in theirs)
        return {doc_id(each): None for listed in lists if isinstance(listed, list) for each in listed}


async def word_documents(store: "MongoStore", words: Sequence[DocId], *, deleted: bool = False) -> list[WordDocuments]:
    """The documents of these words, with those that are left of deleted words where they are wanted."""
    layout, found = store.layout, dict[DocId, WordDocuments]()
    if deleted:
        found = {each: WordDocuments({"_id": spelled(each, as_string=layout.string_ids)}) for each in words}
    for document in await store.find(Collection.WORDS, {"_id": layout.with_ids(words)}):
        found[doc_id(document["_id"])] = WordDocuments(document)
    of_words = {"word_id": any_spelling(words)}
    for document in _sorted(await store.find(Collection.DEFINITIONS, of_words)):
        stored = Stored(Collection.DEFINITIONS, document)
        if owner := found.get(doc_id(document["word_id"])):
            owner.definitions[stored.id] = stored
    for name in layout.entry_collections:
        for document in _sorted(await store.find(name, of_words)):
            if owner := found.get(doc_id(document["word_id"])):
                owner.entries.append(Stored(name, {**document, **ENTRY_COLLECTIONS[name]}))
    await _read_linked(store, found)
    return list(found.values())


async def words_with(store: "MongoStore", query: Mapping[str, Any]) -> list[DocId]:
    """The words of which a document, a definition or an entry matches a query."""
    words = set[DocId]()
    for name in (Collection.WORDS, Collection.DEFINITIONS, *store.layout.entry_collections):
        owner = "_id" if name == Collection.WORDS else "word_id"
        words |= {doc_id(each.get(owner)) for each in await store.find(name, query, (owner,))}
    return sorted(words)


async def _read_linked(store: "MongoStore", found: Mapping[DocId, WordDocuments]) -> None:
    """Read the examples, facts and pronunciations of words."""
    owners = {each: word for word in found.values() for each in word.definitions} | {**found}
    for collection, relation in RELATIONS.items():
        query = {relation.owner: any_spelling(owners)}
        for document in await store.find(collection, query):
            stored = Stored(collection, document)
            if owner := owners.get(doc_id(document[relation.owner])):  # a list of ids matches, too
                owner.linked[stored.id] = stored


async def read_citations(store: "MongoStore", found: Sequence[WordDocuments]) -> None:
    """Read the references to generated documents from other words, and from entries of sources."""
    owners = {
        stored.id: word
        for word in found
        for stored in chain(word.definitions.values(), word.linked.values())
        if stored.collection == Collection.DEFINITIONS or generated(stored.document)
    }
    entries = store.layout.entry_collections
    holders = [
        (name, reference) for name in entries for reference in ("definition_ids", "fact_ids", "pronunciation_id")
    ]
    for name, reference in (*holders, (Collection.DEFINITIONS, "example_ids")):
        shown = ("word_id", "provider", reference)
        for holder in await store.find(name, {reference: any_spelling(owners)}, shown):
            listed = holder[reference] if isinstance(holder[reference], list) else [holder[reference]]
            provider = {**holder, **ENTRY_COLLECTIONS.get(name, {})}.get("provider")
            theirs = reference == "definition_ids" and provider != SYNTHESIS
            for each in filter(owners.__contains__, map(doc_id, listed)):
                if theirs or doc_id(holder["word_id"]) != owners[each].id:
                    owners[each].cited.add(each)


def _sorted(documents: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(documents, key=lambda each: str(each["_id"]))


def as_read(stored: Stored, names: Iterable[str]) -> dict[str, Any]:
    """The condition that these fields of a document are as they were read."""
    fields = {name: {"$eq": stored.document.get(name)} for name in names if name != "_id"}
    return {"_id": stored.document["_id"]} | fields


def own_stamps(document: Document, stamps: Container[DocId]) -> dict[str, DocId]:
    """The stamps on a document that are among these, by their keys."""
    borne = document.get(SYNTHESIS)
    pairs = borne.items() if isinstance(borne, Mapping) else ()
    return {key: doc_id(stamp) for key, stamp in pairs if doc_id(stamp) in stamps}


def digests_of(document: Document) -> Mapping[str, str]:
    """The digests of the values that this tool wrote into a document, by field."""
    found = document.get(DIGESTS)
    return found if isinstance(found, Mapping) else {}


def component_of(key: str) -> str:
    """The component of a stamp's key, which may have a language before it and a number behind."""
    return key.rpartition(":")[2].partition("-")[0]


def linked_ids(document: Document) -> Iterator[DocId]:
    """The examples, facts and pronunciations that a document names."""
    for name in ("example_ids", "fact_ids"):
        yield from map(doc_id, document.get(name) or ())
    if document.get("pronunciation_id"):
        yield doc_id(document["pronunciation_id"])
