"""The documents of copies of source definitions, and of the synthesis entries that list them.

A copy has all values of its source, stamps included, and clones of its examples. All ids are derived,
so that writing a draft again changes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from floridify_batch.components.change import Collection, Insert
from floridify_batch.components.document_schema import schemas_of
from floridify_batch.components.synthesis_entry import new_entry, readable_providers, references
from floridify_batch.database.document import encoded, named_by
from floridify_batch.database.layout import TODAY, Layout, as_strings
from floridify_batch.database.ownership import copied_example_id
from floridify_batch.database.removal import Finder, found_by_id
from floridify_batch.words.entry import COPIED, SYNTHESIS, DocId, EntryDraft, SourceCopy, blank_definition, doc_id

if TYPE_CHECKING:
    from pymongo import UpdateOne

type Document = Mapping[str, Any]
type ById = Mapping[DocId, Document]

_BLANK = {"part_of_speech": "", **blank_definition()}
"""A definition without values: a null in place of a list would be unreadable."""

_NOT_COPIED = ("_id", "created_at", "updated_at", "version")


@dataclass(frozen=True, slots=True)
class Listing:
    """Copies that an existing synthesis entry is to list, and the pronunciation and the etymology that it is to get.

    The copies of `moved` sources take these sources' places.
    """

    entry: DocId
    made: datetime
    added: Sequence[SourceCopy]
    moved: Sequence[SourceCopy]
    pronunciation: DocId | None = None
    etymology: Document | None = None


class Sources(NamedTuple):
    """The documents of sources that drafts copy and clone, as they are now."""

    definitions: ById
    examples: ById
    pronunciations: ById


@dataclass(slots=True)
class Copies:
    """The new documents of drafts, in the order in which they are written, and the listings in existing entries.

    Values of the sources that Floridify could not read are not copied.
    """

    layout: Layout = TODAY
    inserts: list[tuple[Insert, datetime]] = field(default_factory=list)
    listings: list[Listing] = field(default_factory=list)

    def add(self, draft: EntryDraft, made: datetime, found: Sources) -> None:
        """Add the documents of a draft; copies of sources that no longer exist are left out."""
        if draft.pronunciation not in found.pronunciations:
            draft = replace(draft, pronunciation=None)
        self.inserts += ((clone, made) for clone in _cloned_pronunciation(draft, found.pronunciations, self.layout))
        there = [each for each in draft.copies if _has_text(found.definitions.get(each.source))]
        for copy in there:
            source = readable(Collection.DEFINITIONS, found.definitions[copy.source], self.layout)
            clones = _clones(copy, source, found.examples, self.layout)
            self.inserts += ((clone, _made(example) or made) for clone, example in clones)
            whole = _copied(copy, source, draft.id, [clone.id for clone, _ in clones])
            self.inserts.append((Insert(Collection.DEFINITIONS, copy.id, whole), made))
        if draft.new:
            entry = new_entry(draft, there)
            if self.layout.split_entries:  # there, an entry names its sources in another field, too
                named = list(dict.fromkeys(each.entry for each in there))
                entry = entry._replace(fields={**entry.fields, "source_provider_data_ids": named})
            self.inserts.append((entry, made))
        elif there or draft.pronunciation or draft.etymology:
            moved = [each for each in there if each.source in draft.listed]
            added = [each for each in there if each.source not in draft.listed]
            values = draft.cloned_pronunciation, draft.etymology
            self.listings.append(Listing(draft.id, made, added, moved, *values))


async def drafted_copies(drafts: Iterable[tuple[EntryDraft, datetime]], finder: Finder, layout: Layout) -> Copies:
    """The documents of drafts, copied from the sources as they are now."""
    drafts, copies = tuple(drafts), Copies(layout)
    wanted = [copy.source for draft, _ in drafts for copy in draft.copies]
    definitions = await found_by_id(finder, Collection.DEFINITIONS, wanted, layout)
    cited = [each for source in definitions.values() for each in source.get("example_ids") or ()]
    examples = await found_by_id(finder, Collection.EXAMPLES, cited, layout)
    named = [draft.pronunciation for draft, _ in drafts if draft.pronunciation]
    found = Sources(definitions, examples, await found_by_id(finder, Collection.PRONUNCIATIONS, named, layout))
    for draft, made in drafts:
        copies.add(draft, made, found)
    return copies


def listed_in(listing: Listing, layout: Layout) -> "Iterator[UpdateOne]":
    """The updates by which an existing synthesis entry refers to copies; each matches until it is applied."""
    from pymongo import UpdateOne

    taken = {"pronunciation_id": listing.pronunciation, "etymology": listing.etymology}
    for name, value in taken.items():
        if value is not None:
            fields = {name: encoded(value, layout), "updated_at": listing.made}
            lacking = named_by(listing.entry, layout) | {name: None}
            yield UpdateOne(lacking, {"$set": fields, "$addToSet": {COPIED: name}, "$inc": {"version": 1}})
    for copies, listed in ((listing.moved, _in_place), (listing.added, _appended)):
        if copies:
            named, values, options = listed(copies, layout)
            values.setdefault("$addToSet", {})["source_entries"] = {"$each": encoded(references(copies), layout)}
            values.setdefault("$set", {})["updated_at"] = listing.made
            yield UpdateOne(named_by(listing.entry, layout) | named, values | {"$inc": {"version": 1}}, **options)


def unlisted(entry: DocId, copies: Iterable[DocId], layout: Layout) -> "UpdateOne":
    """The update by which a synthesis entry no longer lists copies."""
    from pymongo import UpdateOne

    ids = layout.referring_to(copies)
    change = {"$pull": {"definition_ids": ids}, "$inc": {"version": 1}}
    return UpdateOne(named_by(entry, layout) | {"definition_ids": ids}, change)


def relisted(entry: DocId, stay: Iterable[DocId], copies: Iterable[DocId], layout: Layout) -> "UpdateOne":
    """The update by which an entry lists those of its copies again that stay."""
    from pymongo import UpdateOne

    kept = set(stay)
    ids = encoded([each for each in copies if each in kept], layout)
    return UpdateOne(named_by(entry, layout), {"$addToSet": {"definition_ids": {"$each": ids}}})


type _Update = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]
"""The condition that an update has not been applied, its operators and its options."""


def _in_place(copies: Sequence[SourceCopy], layout: Layout) -> _Update:
    places = {f"source{number}": layout.referring_to([copy.source]) for number, copy in enumerate(copies)}
    values = {f"definition_ids.$[{name}]": encoded(copy.id, layout) for name, copy in zip(places, copies, strict=True)}
    filters = [{name: spellings} for name, spellings in places.items()]
    found = {"definition_ids": layout.referring_to(copy.source for copy in copies)}
    return found, {"$set": values}, {"array_filters": filters}


def _appended(copies: Sequence[SourceCopy], layout: Layout) -> _Update:
    ids = encoded([each.id for each in copies], layout)
    return {"definition_ids": {"$not": {"$all": ids}}}, {"$addToSet": {"definition_ids": {"$each": ids}}}, {}


def readable(collection: Collection, source: Document, layout: Layout) -> dict[str, Any]:
    """A source's document with blank values for those that it lacks and those that Floridify could not read."""
    odd = _unreadable(collection, source, layout)
    kept = {name: value for name, value in source.items() if name not in odd}
    if "text" in odd and isinstance(text := source.get("text"), str):
        kept["text"] = text[:_MAX_TEXT]
    return kept | {name: _BLANK[name] for name in odd & _BLANK.keys()}


def _unreadable(collection: Collection, source: Document, layout: Layout) -> set[str]:
    """The fields that Floridify could not read or would miss; a copy gets its own owner."""
    schema = schemas_of(layout.schema)[collection]
    return schema.unreadable(as_strings(source)) | (schema.required - source.keys() - _OWNERS)


_OWNERS = {"word_id", "definition_id"}


_MAX_TEXT = 5000
"""The most characters of a definition that today's Floridify reads."""


def _has_text(source: Document | None) -> bool:
    """Whether a source exists and has a text, without which Floridify cannot read a definition."""
    return source is not None and bool(str(source.get("text") or "").strip())


def _clones(copy: SourceCopy, source: Document, examples: ById, layout: Layout) -> list[tuple[Insert, Document]]:
    """Clones of a source's examples, as far as these exist and are readable, each with its original."""
    originals = (examples.get(DocId(str(each))) for each in source.get("example_ids") or ())
    found = (each for each in originals if each and not _unreadable(Collection.EXAMPLES, each, layout))
    return [(_clone(copy, example), example) for example in found]


def _clone(copy: SourceCopy, example: Document) -> Insert:
    fields = _without_id(example) | {"definition_id": copy.id}
    return Insert(Collection.EXAMPLES, copied_example_id(copy.id, doc_id(example["_id"])), fields)


def _cloned_pronunciation(draft: EntryDraft, pronunciations: ById, layout: Layout) -> Iterator[Insert]:
    """A clone without the recordings: with an entry, Floridify deletes those of its pronunciation."""
    if draft.pronunciation and draft.cloned_pronunciation:
        source = readable(Collection.PRONUNCIATIONS, pronunciations[draft.pronunciation], layout)
        fields = _without_id(source) | {"audio_file_ids": []}
        yield Insert(Collection.PRONUNCIATIONS, draft.cloned_pronunciation, fields)


def _made(example: Document) -> datetime | None:
    """The time of an example, which its clone keeps: an answer replaces examples older than its batch."""
    made = example.get("created_at")
    return made if isinstance(made, datetime) else None


def _copied(copy: SourceCopy, source: Document, entry: DocId, examples: list[DocId]) -> dict[str, Any]:
    nulls = {name for name, value in _BLANK.items() if value == [] and source.get(name, value) is None}
    return {
        **_without_id(source),
        **{name: [] for name in nulls},
        "dictionary_entry_id": entry,
        "providers": readable_providers(source.get("providers") or [copy.provider]),
        "source_definitions": references([copy]),
        "example_ids": examples,
    }


def _without_id(document: Document) -> dict[str, Any]:
    fields = {name: value for name, value in document.items() if name not in _NOT_COPIED}
    return fields if fields.get(SYNTHESIS, fields) is not None else fields | {SYNTHESIS: {}}
