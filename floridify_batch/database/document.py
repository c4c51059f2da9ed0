"""Documents of Floridify's database: read into entries, and written from changes. Pure.

The spelling of ids and languages follows the database's `Layout`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from floridify_batch.components.change import Collection, Merged, value_digest
from floridify_batch.components.recipe import Scope
from floridify_batch.components.registry import RECIPES
from floridify_batch.costs.answer_length import BatchLengths
from floridify_batch.database.example_text import example_texts
from floridify_batch.database.layout import PLAIN, TODAY, Layout, spelled
from floridify_batch.database.odd_document import ENTRY_TYPES, WORD_TYPES, OddDocument, check_types, check_versions
from floridify_batch.database.ownership import Part, copied_example_id, ownership, pronounced, synthesis_entry
from floridify_batch.words.entry import (
    COPIED,
    DIGESTS,
    JUDGEMENTS,
    SYNTHESIS,
    Definition,
    DocId,
    Entry,
    EntryDraft,
    Stamp,
    Word,
    derived_id,
    doc_id,
    is_hashable,
)
from floridify_batch.words.language import primary_language

if TYPE_CHECKING:
    from pymongo import UpdateOne


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
    "providers",
    "meaning_cluster",
    JUDGEMENTS,
)

EXTRA_DEFINITION_FIELDS = tuple(
    recipe.field
    for recipe in RECIPES.values()
    if recipe.scope is Scope.DEFINITION and recipe.field not in Definition.__slots__
)
EXTRA_ENTRY_FIELDS = tuple(
    recipe.field for recipe in RECIPES.values() if recipe.scope is Scope.WORD and recipe.field not in Entry.__slots__
)
"""The fields of components that definitions and entries have no attribute for."""

OWNERSHIP_FIELDS = ("source_definitions", "dictionary_entry_id")

ENTRY_FIELDS = (
    "definition_ids",
    "pronunciation_id",
    "etymology",
    "fact_ids",
    "phrases",
    "synonym_chooser",
    "provider",
    "source_entries",
    COPIED,
    "created_at",
    "languages",
    "language",
)

SHOWN_OF_WORDS = ("text", "homograph_number", "languages", "language", SYNTHESIS, "version")
SHOWN_OF_DEFINITIONS = (
    *("word_id", *OWNERSHIP_FIELDS, SYNTHESIS, DIGESTS, "version"),
    *(*DEFINITION_FIELDS, *EXTRA_DEFINITION_FIELDS),
)
SHOWN_OF_ENTRIES = ("word_id", SYNTHESIS, DIGESTS, "version", *ENTRY_FIELDS, *EXTRA_ENTRY_FIELDS)
"""The fields that are read."""

type Document = Mapping[str, Any]
type Stamps = Mapping[Any, Stamp]
"""Known stamps, by the ids that documents refer to them with."""


@dataclass(slots=True)
class Found:
    """The documents of many words, by word id."""

    words: list[Document] = field(default_factory=list)
    definitions: dict[Any, dict[Any, Document]] = field(default_factory=dict)
    entries: dict[Any, list[Document]] = field(default_factory=dict)
    pronunciations: set[DocId] = field(default_factory=set)
    """The ids of the sources' pronunciations that have both a respelling and an IPA transcription."""
    edits: Mapping[DocId, str] = field(default_factory=dict)
    """Digests of the edited texts of examples, facts and pronunciations, if they are read."""
    examples: Mapping[DocId, str] = field(default_factory=dict)
    """The texts of the definitions' first examples, if they are read."""

    def holders(self) -> Iterable[tuple[Collection, Document]]:
        """The definitions and the entries."""
        yield from ((Collection.DEFINITIONS, each) for group in self.definitions.values() for each in group.values())
        yield from ((Collection.ENTRIES, each) for group in self.entries.values() for each in group)

    def wanted_pronunciations(self) -> list[Any]:
        """The ids of the sources' pronunciations of words whose synthesis entry has none."""
        groups = (group for group in self.entries.values() if any(each.get("pronunciation_id") for each in group))
        lacking = (group for group in groups if not pronounced(group))
        return [entry["pronunciation_id"] for group in lacking for entry in group if entry.get("pronunciation_id")]

    def stamp_ids(self) -> set[Any]:
        """The ids of all stamps on these documents."""
        return stamps_on([*self.words, *(each for _, each in self.holders())])


def stamps_on(documents: Iterable[Document]) -> set[Any]:
    """The ids of the stamps on documents."""
    borne = (document.get(SYNTHESIS) for document in documents)
    found = (stamp for stamps in borne if isinstance(stamps, Mapping) for stamp in stamps.values())
    return set(filter(is_hashable, found))


def read_entry(document: Document, found: Found, stamps: Stamps, language: str) -> Entry:
    """A word's entry: with the definitions of its synthesis entry, or with copies of all sources if it has none.

    Where one of its documents cannot be read, the entry has the reason and nothing else.
    """
    try:
        return _entry(document, found, stamps, language)
    except OddDocument as error:
        reason = str(error)
    except (TypeError, AttributeError, ValueError, KeyError) as error:
        reason = f"a document of the word {document['_id']} cannot be read ({type(error).__name__}: {error})"
    return Entry(Word(doc_id(document["_id"]), str(document.get("text")), language), odd=reason)


def _entry(document: Document, found: Found, stamps: Stamps, language: str) -> Entry:
    identity = document["_id"]
    entries, own = found.entries.get(identity, []), found.definitions.get(identity, {})
    entries, own = in_one_language(document, entries, own, language)
    prefix = stamp_prefix(document, language)
    ours = synthesis_entry(entries) or {}
    theirs = [entry for entry in entries if entry.get("provider") != SYNTHESIS]
    check_types("word", document, WORD_TYPES)
    for each in (*own.values(), *(ours,) * bool(ours)):
        check_types("definition" if each is not ours else "entry", each, ENTRY_TYPES)
    number = document.get("homograph_number")
    word = Word(doc_id(identity), document["text"], language, number, stamp_prefix=prefix)
    owned = ownership(word, own, entries, found.pronunciations)
    check_versions(document, [each.document for each in owned.definitions if each.stored], ours)
    parts = {id(each): each for each in (*owned.definitions, *owned.sources)}  # most are both
    definitions = {place: _definition(part, stamps, found) for place, part in parts.items()}
    return Entry(
        word=word,
        definitions=tuple(definitions[id(each)] for each in owned.definitions),
        stamps=_stamps_of(document, stamps, prefix),
        entry_stamps=_stamps_of(ours, stamps),
        digests=ours.get(DIGESTS) or {},
        synthesis_entry=doc_id(ours["_id"]) if ours else None,
        sources=tuple(definitions[id(each)] for each in owned.sources),
        synthesised=owned.synthesised,
        etymologies=tuple(_etymologies(theirs)),
        pronunciation_id=_pronunciation(ours, owned.draft),
        etymology=ours.get("etymology") or (owned.draft.etymology if owned.draft is not None else None),
        fact_ids=tuple(doc_id(each) for each in ours.get("fact_ids") or ()),
        phrases=tuple(ours.get("phrases") or ()),
        synonym_chooser=ours.get("synonym_chooser"),
        extra=_extra(ours, EXTRA_ENTRY_FIELDS),
        draft=owned.draft,
        edits=_edits(ours, ("pronunciation_id", "fact_ids"), found.edits),
    )


def _pronunciation(entry: Document, draft: EntryDraft | None) -> DocId | None:
    """The id of a synthesis entry's pronunciation, or of the clone that it is going to have."""
    if stored := entry.get("pronunciation_id"):
        return doc_id(stored)
    return draft.cloned_pronunciation if draft is not None else None


def first_language(word: Document) -> str:
    """The first language of a word; English where it states none."""
    return next(iter(languages_of(word)), "en")


def languages_of(document: Document) -> list[str]:
    """The languages that a word or an entry states."""
    stated = document.get("languages") or document.get("language") or ()
    if isinstance(stated, str):
        return [stated]
    return [str(each) for each in stated] if isinstance(stated, list | tuple) else []


def stamp_prefix(word: Document, language: str) -> str:
    """The prefix of the keys of the stamps about a further language of a word."""
    several = len(languages_of(word)) > 1 and primary_language(first_language(word)) != primary_language(language)
    return f"{primary_language(language)}:" if several else ""


def in_one_language[D: Mapping[str, Any]](
    word: Document, entries: list[D], own: dict[Any, D], language: str
) -> tuple[list[D], dict[Any, D]]:
    """The entries and the definitions of a word without those in other languages.

    A synthesis entry is left out only of a word of several languages: Floridify's say that they are English. Of such a
    word, entries without a language, and definitions that no entry lists, are in its first one.
    """
    several = len(languages_of(word)) > 1
    first = first_language(word) if several else language
    foreign = [
        each
        for each in entries
        if (several or each.get("provider") != SYNTHESIS) and _is_foreign(languages_of(each) or [first], language)
    ]
    loose = _unlisted(entries, own) if _is_foreign([first], language) else ()
    if not foreign and not loose:
        return entries, own
    kept = [each for each in entries if not any(each is other for other in foreign)]
    theirs = {each for entry in foreign for each in entry.get("definition_ids") or ()}
    theirs -= {each for entry in kept for each in entry.get("definition_ids") or ()}
    return kept, {identity: each for identity, each in own.items() if identity not in theirs and identity not in loose}


def _is_foreign(languages: Iterable[str], language: str) -> bool:
    return all(primary_language(each) != primary_language(language) for each in languages)


def _unlisted(entries: Iterable[Document], own: Mapping[Any, Document]) -> set[Any]:
    """The definitions that no entry lists, except those that a synthesis entry is about to list."""
    listed = {each for entry in entries for each in entry.get("definition_ids") or ()}
    return {
        identity
        for identity, each in own.items()
        if identity not in listed and not each.get("source_definitions") and each.get("providers") != [SYNTHESIS]
    }


def _etymologies(entries: Iterable[Document]) -> Iterable[tuple[str, str]]:
    for entry in entries:
        etymology = entry.get("etymology") or {}
        text = etymology.get("text") if isinstance(etymology, Mapping) else etymology
        if text and isinstance(text, str):
            yield str(entry.get("provider") or "unknown"), text


def _edits(document: Document, names: Iterable[str], edits: Mapping[DocId, str]) -> Mapping[str, str]:
    """Digests of the edited texts in the documents that these fields name, by field."""
    found: dict[str, str] = {}
    for name in names if edits else ():
        value = document.get(name)
        ids = value if isinstance(value, list) else [value]
        if texts := [edits[doc_id(each)] for each in ids if doc_id(each) in edits]:
            found[name] = value_digest(texts)
    return found


def _definition(part: Part, stamps: Stamps, found: Found) -> Definition:
    document, copy = part.document, part.copied
    fields = {name: value for name in DEFINITION_FIELDS if (value := document.get(name)) is not None}
    if examples := fields.get("example_ids"):
        ids = [doc_id(each) for each in examples]
        if copy is not None and not part.stored:
            ids = [copied_example_id(copy.id, each) for each in ids]
        fields["example_ids"] = ids
    fields.setdefault("part_of_speech", "")
    fields.setdefault("text", "")
    cluster = fields.get("meaning_cluster")
    if cluster:
        fields["meaning_cluster"] = with_slug(cluster)
    extra = _extra(document, EXTRA_DEFINITION_FIELDS)
    identity = copy.id if copy is not None else doc_id(document["_id"])
    return Definition(
        id=identity,
        stamps=_stamps_of(document, stamps),
        digests=document.get(DIGESTS) or {},
        extra=extra,
        copied=copy,
        edits=_edits(document, ("example_ids",), found.edits),
        example_texts=example_texts(document, found.examples),
        **fields,
    )


def with_slug(cluster: Mapping[str, Any]) -> Mapping[str, Any]:
    """A meaning cluster with its slug; in older layouts it has an id only, which is its slug."""
    return cluster if cluster.get("slug") else {**cluster, "slug": cluster.get("id")}


def _extra(document: Document, names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := document.get(name)) is not None}


def _stamps_of(document: Document, stamps: Stamps, prefix: str = "") -> dict[str, Stamp]:
    borne = document.get(SYNTHESIS)
    if not borne:
        return {}
    found = ((key, stamps.get(each)) for key, each in borne.items() if key.startswith(prefix))
    return {key.removeprefix(prefix): stamp for key, stamp in found if stamp is not None}


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
        document.get("scale"),
    )


def encoded(value: Any, layout: Layout = TODAY) -> Any:
    """A value as the database holds it, with references at any depth in the layout's spelling."""
    if isinstance(value, dict):  # most values of a document are plain, and need no call
        return {key: each if type(each) in PLAIN else encoded(each, layout) for key, each in value.items()}
    if isinstance(value, DocId):
        return spelled(value, as_string=layout.string_references)
    if isinstance(value, list | tuple):
        return [each if type(each) in PLAIN else encoded(each, layout) for each in value]
    return value


def encoded_id(identity: DocId, layout: Layout = TODAY) -> Any:
    """An `_id` in the layout's spelling."""
    return spelled(identity, as_string=layout.string_ids)


def stamp_fields(stamp: Stamp) -> dict[str, Any]:
    """The fields of a stamp's document, without its id."""
    return {name: value for name, value in asdict(stamp).items() if name != "id" and value is not None}


def observations(seen: Mapping[DocId, BatchLengths], layout: Layout = TODAY) -> "list[UpdateOne]":
    """Updates that record the answer lengths of a batch on its stamps; no stamp is created."""
    from pymongo import UpdateOne

    return [
        UpdateOne(
            named_by(identity, layout),
            {"$set": {"component": component, "shape": shape, "answers": each.answers, "output": each.output}},
        )
        for identity, (component, shape, each) in seen.items()
    ]


def run_progress(run: str, answers: int, now: datetime, layout: Layout = TODAY) -> "UpdateOne":
    """Raise the number of answers that a run has stored; creates its document if there is none."""
    from pymongo import UpdateOne

    identity = run_document(run)
    first = {"_id": encoded_id(identity, layout), "run": run, "created_at": now, "version": 1}
    progress = {"$setOnInsert": first, "$max": {"stored_answers": answers}}  # no time: storing twice changes no byte
    return UpdateOne(named_by(identity, layout), progress, upsert=True)


def run_document(run: str) -> DocId:
    """The id of a run's document."""
    return derived_id("run", run)


def new_word(word: Word, layout: Layout = TODAY) -> dict[str, Any]:
    """The document of a new word."""
    return {
        "text": word.text,
        "normalized": word.text.casefold(),
        "lemma": word.text,
        **layout.language_fields(word.language),
        "homograph_number": None,
    }


def upsert(identity: DocId, fields: Document, made: datetime, layout: Layout = TODAY) -> "UpdateOne":
    """Insert a document unless it exists under either spelling of its id."""
    from pymongo import UpdateOne

    whole = encoded(dict(fields), layout) | {"created_at": made, "updated_at": made, "version": 1}
    if layout.both_ids:
        whole["_id"] = encoded_id(identity, layout)  # the condition matches two spellings, so the new one is named
    return UpdateOne(named_by(identity, layout), {"$setOnInsert": whole}, upsert=True)


def named_by(identity: DocId, layout: Layout) -> dict[str, Any]:
    """The condition that a document has this id."""
    return {"_id": layout.with_ids([identity]) if layout.both_ids else encoded_id(identity, layout)}


def updates_of(merged: Iterable[Merged], layout: Layout = TODAY) -> "list[UpdateOne]":
    """The updates of documents, each of which matches only while the values are there that it was derived from."""
    from pymongo import UpdateOne

    return [
        UpdateOne(
            named_by(each.id, layout) | _not_done(each, layout) | _as_read(each, layout), _operation(each, layout)
        )
        for each in merged
    ]


_NOTHING: Document = {"$in": [None, "", [], {}]}
"""A condition that a field is absent or empty."""


def _as_read(document: Merged, layout: Layout) -> dict[str, Any]:
    """The condition that the fields are as they were read."""
    return {name: encoded(value, layout) if value else _NOTHING for name, value in document.before.items()}


def _not_done(document: Merged, layout: Layout) -> dict[str, Any]:
    """A condition that the update was not applied yet: all stamps are written together, so one is enough."""
    first = next(iter(document.stamps.items()), None)
    if first is None:
        return {}
    component, stamp = first[0], encoded(first[1], layout)
    unlike = {"$nin": layout.referring_to([stamp])["$in"]} if layout.both_references else {"$ne": stamp}
    return {f"{SYNTHESIS}.{component}": unlike}


def _operation(document: Merged, layout: Layout) -> dict[str, Any]:
    values: dict[str, Any] = encoded(document.fields, layout)
    values |= {f"{SYNTHESIS}.{component}": encoded(stamp, layout) for component, stamp in document.stamps.items()}
    values |= {f"{DIGESTS}.{name}": digest for name, digest in document.digests.items()}
    operation: dict[str, Any] = {
        "$set": values | {"updated_at": document.at},
        "$inc": {"version": document.version},
    }
    if document.adds:
        operation["$addToSet"] = {name: {"$each": encoded(ids, layout)} for name, ids in document.adds.items()}
    return operation
