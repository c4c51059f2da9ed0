"""The changes that decisions make in the documents of words. Pure.

A decided value is marked in place of its digest, so that it counts as a person's, whatever it is: a run replaces it
only where it is to replace edited values. A rejected value has a stamp, too, by which it counts as answered.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from floridify_batch.components.change import Collection, SchemaVersion, is_review_mark, value_digest
from floridify_batch.components.document_schema import schemas_of
from floridify_batch.database.document import first_language, languages_of, stamp_prefix
from floridify_batch.database.lookup import ids_in
from floridify_batch.database.ownership import copied_example_id, copied_source, is_made
from floridify_batch.database.revised_document import Revised
from floridify_batch.database.word_documents import Stored, WordDocuments, digests_of
from floridify_batch.export.document_reader import clean
from floridify_batch.review.decision import DecidedRow, Verdict
from floridify_batch.review.field import DEFINITION, PART_OF_SPEECH, ReviewField, is_reviewable, parsed, shown
from floridify_batch.review.row import LONGEST_CELL, RowKey
from floridify_batch.words.entry import DIGESTS, SYNTHESIS, DocId, copied_id, doc_id, is_id


class Outcome(StrEnum):
    """The result for a decided row."""

    ACCEPTED = "accepted"
    EDITED = "edited"
    REJECTED = "rejected"
    UNCHANGED = "unchanged"
    """The database is as the row says."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The documents that a row is about: the holder of the field, and the document that has its text."""

    word: WordDocuments
    holder: Stored
    text: Stored


@dataclass(slots=True)
class Revision:
    """The changes of decided rows in these words.

    `copyable`: definitions of sources that can be copied, of which the copies are not stored. `rejected`: the
    definitions that rows of the file reject; all other decisions about them are without effect.
    """

    found: Iterable[WordDocuments]
    schema: SchemaVersion
    copyable: Set[DocId] = frozenset()
    rejected: Set[DocId] = frozenset()
    revised: dict[DocId, Revised] = field(default_factory=dict)
    senses: dict[DocId, Stored] = field(default_factory=dict)
    """The definitions to remove."""
    linked: dict[DocId, Stored] = field(default_factory=dict)
    """The examples, facts and pronunciations to remove where nothing else names them."""
    _holders: dict[DocId, tuple[WordDocuments, Stored]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Index the definitions and the entries by id."""
        for word in self.found:
            for each in (*word.definitions.values(), *word.entries):
                self._holders[each.id] = word, each

    def take(self, row: DecidedRow) -> Outcome:
        """Derive the changes of a row. Raises `ValueError` with the reason why it is not applied."""
        if row.key.holder in self.rejected and row.key.field is not DEFINITION:
            if row.verdict is Verdict.EDIT:
                raise ValueError("another row rejects the definition that it belongs to")
            return Outcome.UNCHANGED
        found = self._located(row.key)
        if found is None or found.holder.id in self.senses or found.text.id in self.linked:
            if row.verdict is Verdict.REJECT:
                return Outcome.UNCHANGED
            raise ValueError("its value is no longer in the database")
        if row.verdict is Verdict.REJECT:
            return self._reject(row.key, found)
        return self._keep(row, found)

    # ── documents ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _located(self, key: RowKey) -> _Found | None:
        """The documents of a row; in place of a source, its copy. Raises `ValueError` for a source without one."""
        word, holder = self._holders.get(key.holder, (None, None))
        place = key.place
        if word is None or holder is None:
            return None
        if key.collection == Collection.ENTRIES and holder.document.get("provider") != SYNTHESIS:
            raise ValueError("its entry is a source's, which is not changed")
        if key.collection == Collection.DEFINITIONS:
            copy = copy_of(word, holder)
            if copy is not None:
                place = copied_example_id(copy.id, place) if place else None
                holder = copy
            elif is_of_source(word, holder.id) and holder.id not in self.copyable:
                raise ValueError("its definition is a source's, which is not changed, and no entry has a copy of it")
        text = holder if place is None else word.linked.get(place)
        if text is None:
            if place and place in {*map(doc_id, ids_in(holder.document, key.field.stored))}:
                raise ValueError(f"the document {place} is missing, or does not name its word or its definition")
            return None
        for each in (word.word, holder.document, text.document):
            _check_writable(each)
        return _Found(word, holder, text)

    def _revised(self, stored: Stored) -> Revised:
        return self.revised.setdefault(stored.id, Revised(stored))

    def _mark(self, stored: Stored, name: str) -> None:
        if not _is_marked(stored, name):
            self._revised(stored).marks[name] = None

    # ── values that stay ───────────────────────────────────────────────────────────────────────────────────────────

    def _keep(self, row: DecidedRow, found: _Found) -> Outcome:
        """Accept or edit a value."""
        each, text = row.key.field, self._revised(found.text)
        current = each.value(text.document)
        is_same = value_digest(current) == row.key.digest
        if not is_same and not is_reviewable(each, current):
            raise ValueError("somebody has removed the value since")
        value = current if row.verdict is Verdict.ACCEPT else self._edited(row, current)
        if not is_same and (row.verdict is Verdict.ACCEPT or value_digest(value) != value_digest(current)):
            raise ValueError(_changed(each, current))
        if value_digest(value) == value_digest(current):
            if _is_marked(found.text, each.recorded):
                return Outcome.UNCHANGED
            self._mark(found.text, each.recorded)
            return Outcome.ACCEPTED if is_same else Outcome.EDITED
        fields = each.assigned(text.document, value)
        self._check(found.text, each, fields, "Floridify could not read the edited value")
        text.fields |= fields
        self._mark(found.text, each.recorded)
        return Outcome.EDITED

    def _edited(self, row: DecidedRow, current: Any) -> Any:
        """The edited value; the apostrophe before a text that looks like a formula is not a part of it."""
        each, before, edited = row.key.field, shown(row.key.field, current), row.edited
        if edited.startswith(_PROTECTED) and (before.startswith(_FORMULA) or edited.startswith(_NO_WORD)):
            edited = edited[1:]
        if len(edited) <= LONGEST_CELL < len(before):
            raise ValueError("the stored value is longer than a cell of Excel, so the edited one may be cut")
        return current if clean(edited) == before else parsed(each, edited, current)

    def _check(self, stored: Stored, each: ReviewField, fields: Mapping[str, Any], sentence: str) -> None:
        """Raise `ValueError` for a value that Floridify could not read, unless it could not read the present one."""
        schema = schemas_of(self.schema).get(str(each.linked or _schema_of(stored)))
        if schema is None:
            return
        before = {name: stored.document.get(name) for name in fields}
        fault = schema.fault(fields, whole=False)
        if fault and not schema.fault(before, whole=False):
            raise ValueError(f"{sentence} ({fault})")

    # ── values that go ─────────────────────────────────────────────────────────────────────────────────────────────

    def _reject(self, key: RowKey, found: _Found) -> Outcome:
        """Remove a value, or an example, or a sense."""
        each, text = key.field, self._revised(found.text)
        current, decided = each.value(text.document), _is_marked(found.text, each.recorded)
        if not current and each.recorded in text.marks:
            # Another row of the file has emptied it; the result must not depend on the order of the rows.
            current = each.value(found.text.document)
            decided = True
        if not current and decided:
            return Outcome.UNCHANGED
        if current and value_digest(current) != key.digest:
            raise ValueError(_changed(each, current))
        if each is PART_OF_SPEECH:
            raise ValueError("a part of speech can be edited, but not rejected")
        if each is DEFINITION:
            self._remove_sense(found.word, found.holder)
        elif each.linked is not None and not _has_other_form(each, text.document):
            return self._remove_linked(each, found)
        elif each.value(text.document) or not decided:
            self._empty(each, found)
        return Outcome.REJECTED

    def _empty(self, each: ReviewField, found: _Found) -> None:
        """Remove a value from the document that holds it."""
        text = self._revised(found.text)
        fields = each.emptied(text.document)
        self._check(found.text, each, fields, "Floridify could not read its document without the value")
        text.fields |= fields
        self._mark(found.text, each.recorded)
        if each.linked is None:
            self._stamp(each, found, text.document.get(each.recorded))

    def _remove_linked(self, each: ReviewField, found: _Found) -> Outcome:
        """Take an example, a fact or a pronunciation out of its holder.

        A removed document gets no new values: the removal is conditional on its texts as they were read.
        """
        holder = self._revised(found.holder)
        named = holder.document.get(each.stored)
        left = [one for one in named if doc_id(one) != found.text.id] if isinstance(named, list) else None
        stays = left == named and _is_marked(found.holder, each.stored)
        if left != named:
            holder.fields[each.stored] = left
        self._mark(found.holder, each.stored)
        self._stamp(each, found, left)
        self.revised.pop(found.text.id, None)
        self.linked[found.text.id] = found.text
        return Outcome.UNCHANGED if stays else Outcome.REJECTED

    def _stamp(self, each: ReviewField, found: _Found, left: Any) -> None:
        """Stamp an empty value, unless it has a stamp: without one, a run would request it."""
        if left:
            return
        owner, prefix = found.holder, ""
        if found.holder.collection != Collection.DEFINITIONS:
            owner = Stored(Collection.WORDS, found.word.word)
            language = next(iter(languages_of(found.holder.document)), first_language(found.word.word))
            prefix = stamp_prefix(found.word.word, language)
        key = prefix + each.component
        if each.component and key not in (owner.document.get(SYNTHESIS) or {}):
            self._revised(owner).stamps[key] = None

    def _remove_sense(self, word: WordDocuments, holder: Stored) -> None:
        """Remove a definition with its examples; the word counts as defined by a person where none is left."""
        self.revised.pop(holder.id, None)
        self.senses[holder.id] = holder
        for each in word.linked.values():
            if doc_id(each.document.get("definition_id")) == holder.id:
                self.linked[each.id] = each
                self.revised.pop(each.id, None)
        for entry in (each for each in word.entries if each.document.get("provider") == SYNTHESIS):
            listed = {*map(doc_id, ids_in(entry.document, "definition_ids"))}
            if holder.id in listed and listed <= self.senses.keys():
                self._mark(entry, "definitions")


def is_of_source(word: WordDocuments, definition: DocId) -> bool:
    """Whether a definition is not the synthesis entry's own."""
    ours = (each.document for each in word.entries if each.document.get("provider") == SYNTHESIS)
    listed = any(definition in map(doc_id, ids_in(each, "definition_ids")) for each in ours)
    return definition in word.provided or not (listed or is_made(word.definitions[definition].document, {}))


def copy_of(word: WordDocuments, definition: Stored) -> Stored | None:
    """The copy of a source's definition; a copy's id leads back to its source, which is none."""
    if copied_source(definition.document) is not None or not is_id(definition.id):
        return None
    return word.definitions.get(copied_id(definition.id))


_FORMULA = ("=", "+", "-", "@", "\t")
_PROTECTED = tuple(f"'{each}" for each in _FORMULA)
_NO_WORD = ("'=", "'+", "'@")
"""Beginnings of protected texts that are not words in quotation marks, such as '-ing'."""

_FORMS = ("ipa", "phonetic")
"""The two forms of a pronunciation, of which one may stay without the other."""


def _has_other_form(each: ReviewField, document: Mapping[str, Any]) -> bool:
    """Whether a text is one form of a pronunciation that has the other one, too."""
    return each.text in _FORMS and any(document.get(form) for form in _FORMS if form != each.text)


_LONGEST = 60


def _changed(each: ReviewField, current: Any) -> str:
    now = " ".join(shown(each, current).split())
    return f"the value has changed since; it reads now “{now[:_LONGEST]}{'…' * (len(now) > _LONGEST)}”"


def _check_writable(document: Mapping[str, Any]) -> None:
    """Raise `ValueError` for a document whose write the database would refuse, and with it those of other rows."""
    for name, kind in _WRITTEN_INTO.items():
        if name in document and not isinstance(document[name], kind):
            raise ValueError(f"the document {document['_id']} has {name} of a wrong type; repair it in the database")


_WRITTEN_INTO: Mapping[str, Any] = {DIGESTS: Mapping, SYNTHESIS: Mapping, "version": int | float}
"""The types of fields that each write adds to."""


def _is_marked(stored: Stored, name: str) -> bool:
    """Whether a value in the database is a reviewed one."""
    return is_review_mark(digests_of(stored.document).get(name))


def _schema_of(stored: Stored) -> str:
    return str(Collection.DEFINITIONS if stored.collection == Collection.DEFINITIONS else Collection.ENTRIES)
