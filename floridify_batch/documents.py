"""Documents of the Floridify database, read into entries and written from changes: nothing here waits for a server.

The layout is today's: ObjectIds, `words.languages`, entries in `dictionary_entries`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from floridify_batch.changes import Change, Insert
from floridify_batch.words import Definition, DocId, Entry, Stamp, Word

if TYPE_CHECKING:
    from pymongo import UpdateOne

SYNTHESIS = "synthesis"
"""The field under which a document keeps its stamps, and the provider of the entries that we make."""

DEFINITION_FIELDS = (
    "part_of_speech",
    "text",
    "synonyms",
    "antonyms",
    "cognates",
    "example_ids",
    "cefr_level",
    "frequency_band",
    "language_register",
    "domain",
    "region",
    "grammar_patterns",
    "collocations",
    "usage_notes",
    "word_forms",
)

type Document = Mapping[str, Any]
type Stamps = Mapping[Any, Stamp]
"""The stamps that have been read, by the ids that documents bear."""


@dataclass(slots=True)
class Found:
    """The documents of many words, by the ids of the words."""

    words: list[Document] = field(default_factory=list)
    definitions: dict[Any, dict[Any, Document]] = field(default_factory=dict)
    entries: dict[Any, Document] = field(default_factory=dict)

    def borne_stamps(self) -> set[Any]:
        """The ids of all stamps on these documents."""
        documents = [*self.words, *(each for group in self.definitions.values() for each in group.values())]
        return {stamp for document in documents for stamp in (document.get(SYNTHESIS) or {}).values()}


def read_entry(document: Document, found: Found, stamps: Stamps, language: str) -> Entry:
    """A word's entry: with the definitions of its synthesis entry, or all of them where it has none."""
    identity = document["_id"]
    word = Word(doc_id(identity), document["text"], language, document.get("homograph_number"))
    own = found.definitions.get(identity, {})
    synthesis = found.entries.get(identity)
    chosen = [own[each] for each in dict.fromkeys((synthesis or {}).get("definition_ids") or ()) if each in own]
    definitions = tuple(_definition(each, stamps) for each in chosen or own.values())
    return Entry(word, definitions, _stamps_of(document, stamps), doc_id(synthesis["_id"]) if synthesis else None)


def _definition(document: Document, stamps: Stamps) -> Definition:
    fields = {name: document[name] for name in DEFINITION_FIELDS if document.get(name) is not None}
    fields["example_ids"] = [doc_id(each) for each in fields.get("example_ids", ())]
    fields.setdefault("part_of_speech", "")
    fields.setdefault("text", "")
    return Definition(id=doc_id(document["_id"]), stamps=_stamps_of(document, stamps), **fields)


def _stamps_of(document: Document, stamps: Stamps) -> dict[str, Stamp]:
    borne = (document.get(SYNTHESIS) or {}).items()
    return {component: stamps[stamp] for component, stamp in borne if stamp in stamps}


def doc_id(value: object) -> DocId:
    """An id as the rest of the program knows it."""
    return DocId(str(value))


def read_stamp(document: Mapping[str, Any]) -> Stamp:
    """A stamp from its document."""
    return Stamp(
        doc_id(document["_id"]),
        document["run"],
        document["batch_id"],
        document["batch_created"],
        document["model"],
        document["template"],
        document["mode"],
    )


def encoded(value: Any) -> Any:
    """A value as the database holds it: ids as ObjectIds, wherever they stand."""
    from bson import ObjectId

    if isinstance(value, DocId):
        return ObjectId(value)
    if isinstance(value, Mapping):
        return {key: encoded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [encoded(each) for each in value]
    return value


def stamp_fields(stamp: Stamp) -> dict[str, Any]:
    """A stamp as it is stored, without its id."""
    return {name: value for name, value in asdict(stamp).items() if name != "id"}


def new_word(word: Word) -> dict[str, Any]:
    """The document of a word that was not there."""
    return {
        "text": word.text,
        "normalized": word.text.casefold(),
        "lemma": word.text,
        "languages": [word.language],
        "homograph_number": None,
    }


def inserts_of(changes: Iterable[Change]) -> Iterable[tuple[Insert, datetime]]:
    """The new documents of changes, each with the time at which it was made."""
    for change in changes:
        for insert in change.inserts:
            yield insert, change.completed


def upsert(identity: DocId, fields: Document, made: datetime) -> "UpdateOne":
    """Insert a document unless it is there."""
    from pymongo import UpdateOne

    whole = encoded(fields) | {"created_at": made, "updated_at": made, "version": 1}
    return UpdateOne({"_id": encoded(identity)}, {"$setOnInsert": whole}, upsert=True)


def updates_of(changes: Iterable[Change]) -> "dict[str, list[UpdateOne]]":
    """One update per document, however many changes it has, by collection."""
    from pymongo import UpdateOne

    grouped: dict[str, list[UpdateOne]] = {}
    for (collection, identity), values in _merged(changes).items():
        count = values.pop("version")
        operation = {"$set": encoded(values), "$inc": {"version": count}}
        grouped.setdefault(collection, []).append(UpdateOne({"_id": encoded(identity)}, operation))
    return grouped


def _merged(changes: Iterable[Change]) -> dict[tuple[str, DocId], dict[str, Any]]:
    """The new values of each document; under `version`, by how much that goes up."""
    merged: dict[tuple[str, DocId], dict[str, Any]] = {}
    for change in changes:
        stamp = {f"{SYNTHESIS}.{change.component}": change.stamp.id}
        for update, stamped in ((change.target, stamp), *((each, {}) for each in change.updates)):
            values = merged.setdefault((update.collection, update.id), {"version": 0})
            latest = max(values.get("updated_at", change.completed), change.completed)
            values |= {**update.fields, **stamped, "updated_at": latest, "version": values["version"] + 1}
    return merged
