"""The owner of each of a word's definitions: its synthesis entry, or a source of which the synthesis entry has a copy.

Floridify deletes the definitions of an entry that it replaces. So a synthesis entry owns its definitions: those of
sources are copied, and never changed. A copy is stored with the first answer about its word; until then the synthesis
entry is presented as if it had it. Pure.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from floridify_batch.database.odd_document import OddDocument
from floridify_batch.words.entry import (
    COPIED,
    SYNTHESIS,
    DocId,
    EntryDraft,
    SourceCopy,
    Word,
    copied_id,
    derived_id,
    doc_id,
    is_id,
    single_slug,
    synthesis_entry_id,
)

type Document = Mapping[str, Any]


class Part(NamedTuple):
    """A definition of a synthesis entry, and the document that has its values: for an unstored copy, its source."""

    document: Document
    copied: SourceCopy | None = None
    stored: bool = True


class Ownership(NamedTuple):
    """The definitions of a word's synthesis entry, its sources, and the parts that are not stored yet."""

    definitions: Sequence[Part] = ()
    sources: Sequence[Part] = ()
    draft: EntryDraft | None = None

    @property
    def synthesised(self) -> bool:
        """Whether the synthesis entry has other definitions than copies."""
        return any(each.copied is None for each in self.definitions)


def ownership(
    word: Word,
    own: Mapping[Any, Document],
    entries: Sequence[Document],
    pronunciations: Collection[DocId] = (),
) -> Ownership:
    """Divide a word's definitions among its synthesis entry and its sources, and draft the parts that are not stored.

    A definition that a source's entry lists is the source's. Earlier versions listed it in the synthesis entry, too;
    there its copy takes its place. `pronunciations` are those of the sources that may be cloned.
    """
    ours = synthesis_entry(entries)
    home, derived = doc_id(ours["_id"]) if ours else None, synthesis_entry_id(word.id, word.stamp_prefix)
    spoken, origin = _to_clone(ours or {}, entries, pronunciations), _to_copy(ours or {}, entries)
    shared = _Shared(word.id, word.language, home, derived, spoken, origin)
    return _ownership(own, ours, entries, shared)


def synthesis_entry[D: Mapping[str, Any]](entries: Iterable[D]) -> D | None:
    """The synthesis entry among a word's entries.

    Floridify of July 2025 adds one with each synthesis of its own, and shows the oldest.
    """
    return min((each for each in entries if each.get("provider") == SYNTHESIS), key=_age, default=None)


def _age(document: Document) -> tuple[float, str]:
    made = document.get("created_at")
    return made.timestamp() if isinstance(made, datetime) else float("inf"), str(document.get("_id"))


def pronounced(entries: Iterable[Document]) -> bool:
    """Whether the synthesis entry among a word's entries has a pronunciation."""
    return bool((synthesis_entry(entries) or {}).get("pronunciation_id"))


def _to_clone(ours: Document, entries: Sequence[Document], pronunciations: Collection[DocId]) -> DocId | None:
    """The source's pronunciation that a synthesis entry without one gets a clone of: the first."""
    if not pronunciations or ours.get("pronunciation_id"):
        return None
    named = (doc_id(each.get("pronunciation_id")) for each in entries)
    return next((each for each in named if each in pronunciations), None)


def _to_copy(ours: Document, entries: Sequence[Document]) -> Document | None:
    """The source's etymology that a synthesis entry without one gets a copy of: the first.

    One that an entry got after it had joined is copied, too, unless somebody has removed a copy, or may have: earlier
    versions did not record copies.
    """
    copied = ours.get(COPIED)
    if ours.get("etymology") or "etymology" in (copied or ()):
        return None
    joined = {str(each.get("entry_id")) for each in ours.get("source_entries") or () if isinstance(each, Mapping)}
    if isinstance(copied, list) and "etymology" not in (ours.get(SYNTHESIS) or ()):
        joined = set()
    others = (each for each in entries if each.get("provider") != SYNTHESIS and str(each.get("_id")) not in joined)
    return next(filter(None, (etymology_of(each) for each in others)), None)


def etymology_of(entry: Document) -> dict[str, Any] | None:
    """An entry's etymology in the form that Floridify reads; None if it has no text. Older ones are a text."""
    stored = entry.get("etymology")
    fields = stored if isinstance(stored, Mapping) else {"text": stored}
    if not _text(fields.get("text")):
        return None
    roots = fields.get("root_words")
    return {
        "text": fields["text"],
        "origin_language": _text(fields.get("origin_language")),
        "root_words": [each for each in roots if _text(each)] if isinstance(roots, list) else [],
        "first_known_use": _text(fields.get("first_known_use")),
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def is_copied_etymology(entry: Document, entries: Iterable[Document]) -> bool:
    """Whether the etymology of a synthesis entry is as one of the sources has it."""
    theirs = (etymology_of(each) for each in entries if each.get("provider") != SYNTHESIS)
    return entry.get("etymology") in list(filter(None, theirs))


def _ownership(
    own: Mapping[Any, Document], ours: Document | None, entries: Sequence[Document], shared: "_Shared"
) -> Ownership:
    providing = _providing(entries)
    listed = [each for each in dict.fromkeys((ours or {}).get("definition_ids") or ()) if each in own]
    syntheses = (each for each in entries if each.get("provider") == SYNTHESIS)
    made = {each for entry in syntheses for each in entry.get("definition_ids") or ()}.difference(providing)
    sources = [each for each in _in_order(own, providing) if each not in made and not is_made(own[each], providing)]
    copies = {each: shared.copy(own[each], providing.get(each)) for each in sources}
    if len(copies) == len(own) and not listed and not shared.is_emptied(ours):  # as most words of a new database
        parts = [_unstored(own[each], copy) for each, copy in copies.items()]
        return Ownership(parts, parts, shared.draft(copies.values()))
    return _divided(own, ours or {}, listed, copies, shared)


class _Shared(NamedTuple):
    """The values that a word's definitions share: `home` is its stored synthesis entry, `derived` a new one's id.

    `pronunciation`: the source's pronunciation to clone; `etymology`: the source's to copy.
    """

    word: DocId
    language: str
    home: DocId | None
    derived: DocId
    pronunciation: DocId | None = None
    etymology: Document | None = None

    @property
    def entry(self) -> DocId:
        return self.home or self.derived

    def is_emptied(self, ours: Document | None) -> bool:
        """Whether an editor removed all definitions that the stored synthesis entry of this tool took from sources.

        An entry that lists deleted definitions is not: Floridify deletes them before it synthesises a word again, and
        may have failed there.
        """
        entry = ours or {}
        return (
            self.home == self.derived
            and not entry.get("definition_ids")
            and any(named_sources(entry.get("source_entries")))
        )

    def copy(self, source: Document, entry: Document | None) -> SourceCopy:
        """The copy of a source; one that no entry lists names the entry that it is in, or else the synthesis entry."""
        identity = doc_id(source["_id"])
        if entry is not None:
            return SourceCopy(copied_id(identity), identity, str(entry.get("provider")), doc_id(entry["_id"]))
        providers, within = source.get("providers") or (), source.get("dictionary_entry_id")
        provider = str(providers[0]) if providers else SYNTHESIS
        return SourceCopy(copied_id(identity), identity, provider, doc_id(within) if within else self.entry)

    def draft(self, copies: Iterable[SourceCopy], listed: Iterable[DocId] = ()) -> EntryDraft | None:
        """The part of the synthesis entry that is not stored, if there is any."""
        copies = tuple(copies)
        if not copies and self.pronunciation is None and self.etymology is None:
            return None
        return EntryDraft(
            self.entry,
            self.word,
            self.language,
            self.home is None,
            copies,
            frozenset(listed),
            pronunciation=self.pronunciation,
            etymology=self.etymology,
        )


def _divided(
    own: Mapping[Any, Document],
    ours: Document,
    listed: Sequence[Any],
    copies: Mapping[Any, SourceCopy],
    shared: _Shared,
) -> Ownership:
    """The division of the definitions of a word of which some are the synthesis entry's, or were listed in it."""
    stored = {doc_id(each): document for each, document in own.items() if each not in copies}
    found = _listed_parts(own, listed, copies, stored)
    parts = {each: part for each, part in found.items() if each in copies}
    definitions = [*found.values()]
    moved = [each for each in listed if each in copies]
    written = _written_from(definitions)
    kept = listed or shared.is_emptied(ours)
    taken = set(named_sources(ours.get("source_entries"))) if kept else set[str]()
    joins = not listed or shared.entry == shared.derived  # an entry of Floridify's takes no further sources
    joining: list[Any] = []
    for each, copy in copies.items():
        if each in parts or (copy.source in taken and copy.source not in written):
            continue  # it is listed, or somebody removed it
        if copy.source in written:
            parts[each] = _unstored({**own[each], "meaning_cluster": _cluster(written[copy.source], copy)}, copy)
            continue
        parts[each] = _part(own[each], copy, stored)
        if joins:
            joining.append(each)
    definitions += (parts[each] for each in joining)
    if kept and not definitions:
        raise OddDocument(
            f"somebody has removed every definition from its entry {shared.entry}; list one there, or delete the entry "
            "to begin with the sources' definitions"
        )
    draft = shared.draft([copies[each] for each in (*moved, *joining)], map(doc_id, moved))
    return Ownership(definitions, [parts[each] for each in copies if each in parts], draft)


def _listed_parts(
    own: Mapping[Any, Document],
    listed: Iterable[Any],
    copies: Mapping[Any, SourceCopy],
    stored: Mapping[DocId, Document],
) -> dict[Any, Part]:
    """The definitions that the synthesis entry lists, by their sources, or by their own ids if they are no copies."""
    source_of = {copy.id: each for each, copy in copies.items()}
    found: dict[Any, Part] = {}
    for each in listed:
        source = each if each in copies else source_of.get(doc_id(each))
        if source is None:
            found[each] = Part(own[each], _orphaned_copy(own[each]))
        elif source not in found:
            found[source] = _part(own[source], copies[source], stored)
    return found


def copied_example_id(copy: DocId, example: DocId) -> DocId:
    """The id of the clone of a source's example."""
    return derived_id("example", copy, example)


def _part(source: Document, copy: SourceCopy, stored: Mapping[DocId, Document]) -> Part:
    """The copy of a source: its own document, or the source's."""
    document = stored.get(copy.id)
    return _unstored(source, copy) if document is None else Part(document, copy)


def _unstored(source: Document, copy: SourceCopy) -> Part:
    """An unstored copy; in older layouts, only the entry that lists a source names its provider."""
    return Part(source if "providers" in source else {**source, "providers": [copy.provider]}, copy, stored=False)


def _providing(entries: Iterable[Document]) -> dict[Any, Document]:
    """The source's entry that lists a definition."""
    found: dict[Any, Document] = {}
    for entry in entries:
        if entry.get("provider") != SYNTHESIS:
            for each in entry.get("definition_ids") or ():
                found.setdefault(each, entry)
    return found


def _in_order(own: Mapping[Any, Document], providing: Mapping[Any, Document]) -> Iterator[Any]:
    """A word's definitions in the order of its sources' entries; then those that no source's entry lists."""
    yield from (each for each in providing if each in own)
    yield from (each for each in own if each not in providing)


def is_made(document: Document, providing: Mapping[Any, Document]) -> bool:
    """Whether a definition belongs to a synthesis entry, even to one that does not list it, or not yet."""
    if document["_id"] in providing:
        return False
    return (document.get("providers") or []) == [SYNTHESIS] or bool(document.get("source_definitions"))


def _orphaned_copy(document: Document) -> SourceCopy | None:
    """The copy that a definition is of a source that no longer exists, if it is one."""
    references, source = list(document.get("source_definitions") or ()), copied_source(document)
    if source is None or len(references) != 1:
        return None
    return SourceCopy(
        doc_id(document["_id"]), source, str(references[0].get("provider")), doc_id(references[0].get("entry_id"))
    )


def copied_source(document: Document) -> DocId | None:
    """The source that a definition is a copy of; None for any other definition."""
    named = list(named_sources(document.get("source_definitions")))
    if len(named) != 1 or not is_id(named[0]):
        return None
    source = DocId(named[0])
    return source if copied_id(source) == doc_id(document["_id"]) else None


def _written_from(definitions: Iterable[Part]) -> dict[str, Any]:
    """The clusters of generated definitions, by the sources that they were written from."""
    made = (part.document for part in definitions if part.copied is None)
    pairs = ((each.get("meaning_cluster"), each.get("source_definitions")) for each in made)
    return {name: cluster for cluster, references in pairs for name in named_sources(references)}


def _cluster(cluster: Any, copy: SourceCopy) -> Any:
    """The cluster of a definition, as its source has it: one that was not clustered keeps its place at the end."""
    alone = isinstance(cluster, Mapping) and cluster.get("slug") == single_slug(copy.id)
    return {**cluster, "order": None} if alone else cluster


def named_sources(references: Any) -> Iterator[str]:
    """The ids of the definitions that references name; earlier versions named one in each."""
    for each in references if isinstance(references, list) else ():
        if isinstance(each, Mapping):
            named = each.get("definition_ids")
            yield from map(str, named if isinstance(named, list) else ())
            if each.get("definition_id"):
                yield str(each["definition_id"])
