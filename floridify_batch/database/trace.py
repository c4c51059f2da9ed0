"""The trace of a run: the values and documents of a word that it wrote, and those that are unchanged since. Pure.

A value is undone if its digest is still the one that was recorded with its stamp. A copy gets back the value of its
source; every other document had none, since only empty values are requested. A list is one value, with the documents
that it names.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from floridify_batch.components.change import Collection, value_digest
from floridify_batch.components.recipe import Scope
from floridify_batch.components.registry import RECIPES, SynthesisComponent
from floridify_batch.database.attribution import Stamps, linked_documents, written_definitions
from floridify_batch.database.document import EXTRA_DEFINITION_FIELDS, EXTRA_ENTRY_FIELDS
from floridify_batch.database.merge import is_edited
from floridify_batch.database.ownership import copied_example_id, copied_source, is_copied_etymology, named_sources
from floridify_batch.database.removal import TEXTS, is_changed, is_older
from floridify_batch.database.word_documents import (
    Stored,
    WordDocuments,
    component_of,
    digests_of,
    linked_ids,
    own_stamps,
)
from floridify_batch.words.entry import (
    DIGESTS,
    SYNTHESIS,
    DocId,
    SourceCopy,
    blank_definition,
    copied_id,
    derived_id,
    doc_id,
    synthesis_entry_id,
)
from floridify_batch.words.language import database_language, primary_language

type Document = Mapping[str, Any]

MARK = "undo"
"""The stamp of a word that is being undone: an interrupted undo finds its words by it."""

ENTRIES, EMPTIED, WORDS = "synthesis entries", "emptied entries", "words"
"""The names of documents that are counted beside the components; emptied entries were there before the run."""

_OWN_TEXTS = ("part_of_speech", "text", "meaning_cluster")
_NOT_VALUES = frozenset({"meaning_cluster", "source_definitions", "model_info"})
_DEFINITION_VALUES = (*(name for name in blank_definition() if name not in _NOT_VALUES), *EXTRA_DEFINITION_FIELDS)
_ENTRY_VALUES = ("pronunciation_id", "fact_ids", "etymology", "phrases", "synonym_chooser", *EXTRA_ENTRY_FIELDS)
_WORD_FIELDS = frozenset(
    ("_id", "text", "normalized", "lemma", "languages", "language", "homograph_number", SYNTHESIS, DIGESTS)
) | {"created_at", "updated_at", "version"}


class UndoResult(StrEnum):
    """The result for a value or a document that a run wrote."""

    REMOVED = "removed"
    EDITED = "edited"
    """It stays, because it was edited."""
    IN_USE = "in use"
    """It stays, because other documents or the values of other runs need it."""
    UNRECORDED = "not recorded"
    """It stays, because an earlier version wrote it without a digest."""


class Rewrite(NamedTuple):
    """Values that a document gets in place of those of the run."""

    stored: Stored
    values: Mapping[str, Any]


class Unlisting(NamedTuple):
    """Definitions that an entry no longer lists, and the copies of their sources that it lists again."""

    entry: Stored
    definitions: Sequence[Any]
    copies: Sequence[SourceCopy]


class Relinking(NamedTuple):
    """Examples, facts or a pronunciation to which a field refers again."""

    stored: Stored
    name: str
    documents: Sequence[DocId]


class Unstamping(NamedTuple):
    """Stamps and digests that a document loses."""

    stored: Stored
    stamps: Sequence[str]
    digests: Sequence[str]


@dataclass(slots=True)
class Trace:
    """The changes that undo a run in the documents of a word, and the number of values and documents by result."""

    word: Document
    results: dict[tuple[str, DocId], UndoResult] = field(default_factory=dict)
    """The results by component, or by the name of a kind of documents, and by document."""
    rewrites: list[Rewrite] = field(default_factory=list)
    relinkings: list[Relinking] = field(default_factory=list)
    unlistings: list[Unlisting] = field(default_factory=list)
    removed: list[Stored] = field(default_factory=list)
    unstampings: list[Unstamping] = field(default_factory=list)
    word_removed: bool = False

    @property
    def counts(self) -> Counter[tuple[str, UndoResult]]:
        """The numbers of results by component."""
        return Counter((name, result) for (name, _), result in self.results.items())

    @property
    def is_due(self) -> bool:
        """Whether there is anything to undo."""
        return bool(self.word_removed or self.removed or self.unstampings)


def trace_of(found: WordDocuments, stamps: Stamps) -> Trace:
    """The trace of the run of these stamps."""
    return _Tracer(found, stamps, Trace(found.word)).traced()


@dataclass(slots=True)
class _Tracer:
    """The comparison of a word's documents with the values that a run wrote."""

    found: WordDocuments
    stamps: Stamps
    trace: Trace
    values: dict[DocId, dict[str, Any]] = field(default_factory=dict)
    """The values after the undo, by document and field."""
    undone: dict[DocId, list[str]] = field(default_factory=dict)
    """The components whose values are undone, by document."""
    kept: set[str] = field(default_factory=set)
    """The components of which something stays."""
    made: set[DocId] = field(default_factory=set)
    """The examples, facts and pronunciations of values that are undone."""
    gone: set[DocId] = field(default_factory=set)
    """The documents that are removed."""

    def traced(self) -> Trace:
        """The trace of the word."""
        synthesised = [each for each in self.found.entries if each.document.get("provider") == SYNTHESIS]
        for stored in self.found.definitions.values():
            self._compare_values(stored, Scope.DEFINITION)
        for stored in synthesised:
            self._compare_values(stored, Scope.WORD)
        self.trace.rewrites = [
            Rewrite(stored, self.values[stored.id])
            for stored in (*self.found.definitions.values(), *synthesised)
            if self.values.get(stored.id)
        ]
        self._remove_definitions()
        self._remove_entries(synthesised)
        self._unlist(synthesised)
        self._remove_linked()
        self._remove_word()
        for stored in (*self.found.definitions.values(), *synthesised, Stored(Collection.WORDS, self.found.word)):
            if stored.id not in self.gone:
                self._unstamp(stored)
        return self.trace

    # ── values ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _is_marked(self) -> bool:
        """Whether an undo of these runs has begun at the word; a deleted word cannot be marked."""
        return self.found.is_deleted or MARK in own_stamps(self.found.word, self.stamps)

    def _compare_values(self, stored: Stored, scope: Scope) -> None:
        marked = self._is_marked()
        for key, stamp in own_stamps(stored.document, self.stamps).items():
            names = fields_of(key, scope)
            if not names:
                continue
            made = linked_documents(self.found, key, stored, stamp, self.stamps[stamp], marked=marked)
            result = self._result(stored.document, names, made)
            self.trace.results[key, stored.id] = result
            self._relink(stored, names[0], made)
            if result is not UndoResult.REMOVED:
                self.kept.add(key)
                continue
            self.undone.setdefault(stored.id, []).append(key)
            restored = {name: self._restored(stored, name, made) for name in names}
            self.values.setdefault(stored.id, {}).update(
                {name: value for name, value in restored.items() if name in digests_of(stored.document)}
            )
            self.made |= made

    def _relink(self, stored: Stored, name: str, made: Set[DocId]) -> None:
        """List documents again that the undo has taken out of a list, and of which one was edited meanwhile."""
        edited = any(is_changed(self.found.linked[each].document) for each in made)
        ours = digests_of(stored.document).get(name) == value_digest(stored.document.get(name))
        missing = [each for each in self.found.linked if each in made - set(linked_ids(stored.document))]
        if self._is_marked() and edited and ours and missing:
            self.trace.relinkings.append(Relinking(stored, name, missing))

    def _result(self, document: Document, names: Sequence[str], made: Set[DocId]) -> UndoResult:
        """The result for a value in these fields, of which the first is the component's own."""
        digests = digests_of(document)
        if names[0] not in digests and document.get(names[0]):
            return UndoResult.UNRECORDED
        if any(digests[name] != value_digest(document.get(name)) for name in names if name in digests):
            return UndoResult.EDITED
        linked = [self.found.linked[each].document for each in made]
        dangling = not made and names[0].endswith(("_ids", "_id")) and document.get(names[0])
        if dangling or any(is_changed(each) for each in linked):
            return UndoResult.EDITED
        return UndoResult.UNRECORDED if any(not digests_of(each) for each in linked) else UndoResult.REMOVED

    def _restored(self, stored: Stored, name: str, made: Set[DocId]) -> Any:
        """The value before the run: of a copy, its source's."""
        value = stored.document.get(name)
        if name.endswith("_ids"):
            return [each for each in value or () if doc_id(each) not in made]
        source = self._source(stored)
        if source is not None and source.document.get(name):
            return source.document[name]
        return [] if isinstance(value, list) else None

    def _after(self, stored: Stored) -> dict[str, Any]:
        """A document after the undo, with the stamps that stay, and without digests."""
        undone = set(self.undone.get(stored.id, ())) | {MARK}
        borne = stored.document.get(SYNTHESIS)
        stays = {key: each for key, each in borne.items() if key not in undone} if isinstance(borne, Mapping) else {}
        return {**stored.document, **self.values.get(stored.id, {}), SYNTHESIS: stays, DIGESTS: {}}

    # ── documents ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _remove_definitions(self) -> None:
        """Remove the definitions that the run wrote; the copies that they had replaced return."""
        for key, identity in written_definitions(self.found, self.stamps):
            stored = self.found.definitions[identity]
            result = self._definition_result(stored)
            component = component_of(key)
            self.trace.results[component, identity] = result
            if result is UndoResult.REMOVED:
                self._take([stored])
            else:
                self.kept.add(key)

    def _definition_result(self, stored: Stored) -> UndoResult:
        """The result for a definition that the run wrote."""
        digests, after = digests_of(stored.document), self._after(stored)
        if "text" not in digests:
            return UndoResult.UNRECORDED
        if any(digests[each] != value_digest(after.get(each)) for each in _OWN_TEXTS if each in digests):
            return UndoResult.EDITED
        own = set(own_stamps(stored.document, self.stamps))
        if after[SYNTHESIS].keys() - own or stored.id in self.found.cited:
            return UndoResult.IN_USE
        examples = (each for each in self.found.linked.values() if each.collection == Collection.EXAMPLES)
        foreign = any(
            doc_id(each.document.get("definition_id")) == stored.id and each.id not in self.made for each in examples
        )
        return (
            UndoResult.EDITED if foreign or any(after.get(name) for name in _DEFINITION_VALUES) else UndoResult.REMOVED
        )

    def _returning(self, definition: Stored) -> Iterator[SourceCopy]:
        """The copies of the sources that a definition was written from."""
        for each in definition.document.get("source_definitions") or ():
            for name in named_sources([each]) if isinstance(each, Mapping) else ():
                source = DocId(name)
                if source in self.found.definitions:
                    yield SourceCopy(copied_id(source), source, str(each.get("provider")), doc_id(each.get("entry_id")))

    def _remove_entries(self, entries: Sequence[Stored]) -> None:
        """Remove the synthesis entry that the first answer made, if nothing but unchanged copies is left in it."""
        prefixes = (f"{primary_language(str(each))}:" for each in self.found.word.get("languages") or ())
        derived = {synthesis_entry_id(self.found.id, each) for each in ("", *prefixes)}
        copies = [each for each in self.found.definitions.values() if self._is_plain_copy(each)]
        if not entries and self._is_marked():  # the undo that was interrupted has removed it
            self._take(each for each in copies if doc_id(each.document.get("dictionary_entry_id")) in derived)
            return
        for entry in entries:
            if entry.id not in derived or not self._is_blank(entry):
                continue
            result, older = self._entry_result(entry, {each.id for each in copies}), self._is_older(entry)
            if not older or result is UndoResult.REMOVED:
                self.trace.results[EMPTIED if older else ENTRIES, entry.id] = result
            if result is UndoResult.REMOVED:
                clone = self.found.linked.get(self._clone(entry) or entry.id)
                own = (each for each in copies if _is_owned(each.document, entry.id))
                self._take([entry, *own, *([clone] if clone is not None else [])])

    def _unlist(self, entries: Iterable[Stored]) -> None:
        """Take the removed definitions out of the entries; in one that stays, copies of their sources return."""
        removed = [each for each in self.trace.removed if each.collection == Collection.DEFINITIONS]
        for entry in entries:
            listed = [each for each in entry.document.get("definition_ids") or () if doc_id(each) in self.gone]
            written = [each for each in removed if _is_owned(each.document, entry.id) and entry.id not in self.gone]
            copies = [copy for each in written for copy in self._returning(each)]
            if listed or copies:
                self.trace.unlistings.append(Unlisting(entry, listed, copies))

    def _is_older(self, entry: Stored) -> bool:
        """Whether an entry was there before the run."""
        return all(is_older(entry.document, moment) for moment in self.stamps.values())

    def _is_blank(self, entry: Stored) -> bool:
        """Whether an entry has no values and no stamps except those of definitions that the run wrote."""
        after = self._after(entry)
        ours = {key for key in own_stamps(entry.document, self.stamps) if key not in self.kept}
        own = {"pronunciation_id": self._clone(entry) is None}
        own["etymology"] = not is_copied_etymology(after, (each.document for each in self.found.entries))
        valued = any(after.get(name) and own.get(name, True) for name in _ENTRY_VALUES)
        return not valued and not after[SYNTHESIS].keys() - ours

    def _clone(self, entry: Stored) -> DocId | None:
        """The entry's pronunciation, if it is a clone of a source's that is as the original."""
        named = self._after(entry).get("pronunciation_id")
        for theirs in (each.document.get("pronunciation_id") for each in self.found.entries):
            if named and theirs and doc_id(named) == derived_id("pronunciation", entry.id, doc_id(theirs)):
                found = [self.found.linked.get(doc_id(each)) for each in (named, theirs)]
                texts = {tuple(each.document.get(name) for name in TEXTS) for each in found if each is not None}
                return doc_id(named) if len(texts) == 1 else None
        return None

    def _entry_result(self, entry: Stored, copies: Set[DocId]) -> UndoResult:
        """The result for a blank entry: it is removed if it lists exactly all copies in order."""
        own = {each.id for each in self.found.definitions.values() if _is_owned(each.document, entry.id)}
        if own - copies - self.gone:
            return UndoResult.EDITED
        listed = [each for each in map(doc_id, entry.document.get("definition_ids") or ()) if each not in self.gone]
        if not listed and self._is_marked():
            return UndoResult.REMOVED
        written = [self.found.definitions[each] for each in self.gone if each in self.found.definitions]
        covered = {copied_id(each) for each in listed} | {
            copy.source for each in written for copy in self._returning(each)
        }
        named = {DocId(each) for each in named_sources(entry.document.get("source_entries"))}
        if (named & self.found.definitions.keys()) - covered:
            return UndoResult.EDITED  # somebody has taken a copy out of it
        expected = [each for each in map(copied_id, self._sources()) if each in copies]
        recorded = digests_of(entry.document).get("definition_ids")
        ordered = recorded is not None and recorded == value_digest(entry.document.get("definition_ids"))
        return (
            UndoResult.REMOVED
            if listed == expected or (ordered and set(listed) == set(expected))
            else UndoResult.EDITED
        )

    def _sources(self) -> list[DocId]:
        """The definitions of sources, in the order in which copies of them are listed."""
        listed = self.found.provided
        return [*listed, *(each for each in self.found.definitions if each not in listed)]

    def _source(self, stored: Stored) -> Stored | None:
        """The source that a definition is a copy of, if it is still there."""
        copied = copied_source(stored.document)
        return self.found.definitions.get(copied) if copied else None

    def _is_plain_copy(self, stored: Stored) -> bool:
        """Whether a definition is a copy that is as its source, with the same examples."""
        source, after = self._source(stored), self._after(stored)
        if source is None or after[SYNTHESIS] or stored.id in self.found.cited:
            return False
        texts = {each.id: each.document.get("text") for each in self.found.linked.values()}
        originals = map(doc_id, source.document.get("example_ids") or ())
        clones = {copied_example_id(stored.id, each): texts[each] for each in originals if each in texts}
        listed = list(map(doc_id, after.get("example_ids") or ()))
        documents = {each.id: each.document for each in self.found.linked.values()}
        same = set(listed) == clones.keys() and all(texts.get(each, text) == text for each, text in clones.items())
        return same and not is_edited(after, source.document, documents)

    def _remove_linked(self) -> None:
        """Remove the run's examples, facts and pronunciations that nothing refers to after the undo."""
        every = (*self.found.definitions.values(), *self.found.entries)
        stays = [each for each in every if each.id not in self.gone]
        referred = {each for stored in stays for each in linked_ids(self._after(stored))} | self.found.cited
        owners = {each.id for each in self.trace.removed}
        for stored in self.found.linked.values():
            clone = stored.collection == Collection.EXAMPLES and doc_id(stored.document.get("definition_id")) in owners
            if (stored.id in self.made or clone) and stored.id not in referred:
                self._take([stored])

    def _remove_word(self) -> None:
        """Remove the word that the run made, if it has nothing else."""
        if self.found.is_deleted:
            return
        word = self.found.word
        languages = word.get("languages") or [word.get("language")]
        derived = derived_id("word", database_language(str(languages[0])), word.get("text"))
        every = (*self.found.definitions.values(), *self.found.entries, *self.found.linked.values())
        bare = word.keys() <= _WORD_FIELDS and word.get("text") == word.get("lemma") and len(languages) == 1
        stamps = self._after(Stored(Collection.WORDS, word))[SYNTHESIS].keys()
        own = {key for key in own_stamps(word, self.stamps) if component_of(key) not in self._kept_components()}
        if self.found.id != derived or not bare or stamps - own:
            return
        if all(each.id in self.gone for each in every):
            self.trace.results[WORDS, self.found.id] = UndoResult.REMOVED
            self.trace.word_removed = True
            self.gone.add(self.found.id)

    def _kept_components(self) -> set[str]:
        return {component_of(each) for each in self.kept}

    def _take(self, documents: Iterable[Stored]) -> None:
        taken = [each for each in documents if each not in self.trace.removed]
        self.trace.removed += taken
        self.gone |= {each.id for each in taken}

    # ── stamps ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _unstamp(self, stored: Stored) -> None:
        """Remove the stamps of values that are undone; those of a word go when nothing of theirs stays."""
        undone = self.undone.get(stored.id, [])
        values = {name for key in undone for scope in Scope for name in fields_of(key, scope)}
        components = self._kept_components()
        others = [
            key
            for key in own_stamps(stored.document, self.stamps)
            if key not in undone and not _has_value(stored, key) and component_of(key) not in components
        ]
        if undone or others:
            names = [each for each in digests_of(stored.document) if each in values]
            self.trace.unstampings.append(Unstamping(stored, [*undone, *others], names))


def fields_of(key: str, scope: Scope) -> Sequence[str]:
    """The fields in which a component's value is, in the documents of this scope; none for other components."""
    if key == SynthesisComponent.CLUSTER_DEFINITIONS:
        return ("meaning_cluster",) if scope is Scope.DEFINITION else ()
    recipe = RECIPES[SynthesisComponent(key)] if key in RECIPES else None
    if recipe is None or recipe.structural or recipe.scope is not scope:
        return ()
    return (recipe.field, *recipe.also)


def _has_value(stored: Stored, key: str) -> bool:
    """Whether a document holds the value of a component that stamps it."""
    scope = Scope.DEFINITION if stored.collection == Collection.DEFINITIONS else Scope.WORD
    return stored.collection != Collection.WORDS and bool(fields_of(key, scope))


def _is_owned(document: Document, entry: DocId) -> bool:
    return doc_id(document.get("dictionary_entry_id")) == entry
