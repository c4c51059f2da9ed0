"""The rows of an entry: each value with its sense, its author and the doubts about it."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from floridify_batch.components.change import Collection, value_digest
from floridify_batch.components.doubt import Doubt
from floridify_batch.components.quality_check import EntryTexts, doubts
from floridify_batch.components.text_judgement import judgement_of
from floridify_batch.database.entry_text import by_language, changed_sources, stored_headwords, texts_of
from floridify_batch.database.lookup import Headword, ids_in, of_language
from floridify_batch.database.provenance import Origin, Stamps, is_of_person, origins, stamps_of, text_origin
from floridify_batch.database.store import MongoStore
from floridify_batch.review.field import DEFINITION, FIELDS, ReviewField, is_reviewable, shown, texts_in
from floridify_batch.review.row import RowKey, SheetRow, is_key_part
from floridify_batch.words.entry import SYNTHESIS, doc_id

type Document = Mapping[str, Any]

A_PERSON = "a person"


@dataclass(slots=True)
class SheetSource:
    """Reads the rows of these texts, or of all words, in one language or in all, in constant memory.

    `progress` receives the number of words so far, and of all.
    """

    store: MongoStore
    texts: Sequence[str] | None
    language: str | None
    progress: Callable[[int, int], object]
    words: int = 0
    found: set[str] = field(default_factory=set)
    """The listed texts that are in the database."""

    async def rows(self) -> AsyncIterator[SheetRow]:
        """The rows, word by word."""
        stamps: dict[Any, Document] = {}
        listed = self.texts
        total = await self.store.count(Collection.WORDS, of_language(self.language)) if listed is None else len(listed)
        async for headword in stored_headwords(self.store, listed, self.language):
            stamps |= await stamps_of(self.store, [headword], stamps)
            for own, language in by_language(headword, self.language):
                for row in sheet_rows(own, texts_of(own, language), stamps):
                    yield row
            self.words += 1
            self.found |= {str(headword.word["text"])} if listed is not None else set()
            self.progress(self.words, max(self.words, total))


def sheet_rows(headword: Headword, texts: EntryTexts, stamps: Stamps) -> Iterator[SheetRow]:
    """The rows of a headword in one language; `texts` are those of the same entry."""
    return _Sheet(headword, texts, stamps).rows()


@dataclass(slots=True)
class _Sheet:
    """The rows of one entry."""

    headword: Headword
    texts: EntryTexts
    stamps: Stamps
    faults: dict[tuple[str, str, str], list[Doubt]] = field(default_factory=dict)
    """The doubts by component, sense and text."""
    linked: dict[Any, Document] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    """The present texts of changed sources, by the sense that is their copy."""

    def rows(self) -> Iterator[SheetRow]:
        """The rows of the senses in their order, and those of the word as a whole."""
        for doubt in doubts(self.texts):
            self.faults.setdefault((doubt.component, doubt.sense, doubt.value), []).append(doubt)
        self.changed = {each.sense: each.source for each in changed_sources(self.headword)}
        parts = (self.headword.examples, self.headword.facts, self.headword.pronunciations)
        self.linked = {document["_id"]: document for each in parts for document in each}
        for sense, texts in zip(self.headword.senses, self.texts.senses, strict=True):
            yield from self._rows_of(Collection.DEFINITIONS, sense, texts.label)
        if self.headword.synthesis is not None:
            yield from self._rows_of(Collection.ENTRIES, self.headword.synthesis, "")

    def _rows_of(self, collection: Collection, holder: Document, label: str) -> Iterator[SheetRow]:
        sense = f"{label}: {holder.get('text')}" if label else ""
        for each in FIELDS[collection]:
            for document in self._documents(each, holder):
                value = each.value(document)
                if is_reviewable(each, value) and all(is_key_part(doc_id(one["_id"])) for one in (holder, document)):
                    place = doc_id(document["_id"]) if each.linked else None
                    key = RowKey(collection, doc_id(holder["_id"]), each, place, value_digest(value))
                    found = "\n".join(self._doubts(each, label, value))
                    yield SheetRow(
                        str(key),
                        self.texts.headword,
                        sense,
                        each.title,
                        shown(each, value),
                        self._author(each, holder, document),
                        found,
                        _score(each, holder, value),
                    )

    def _documents(self, each: ReviewField, holder: Document) -> Iterable[Document]:
        """The documents that hold a field's values: the holder, or those that its field names."""
        if each.linked is None:
            return (holder,)
        return (self.linked[identity] for identity in ids_in(holder, each.stored) if identity in self.linked)

    # ── doubts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _doubts(self, each: ReviewField, label: str, value: Any) -> Iterator[str]:
        """The sentences about a value, each with its severity; of a list, each names the item."""
        found = [
            doubt for text in texts_in(each, value) for doubt in self.faults.get((each.component, label, text), ())
        ]
        for doubt in sorted(dict.fromkeys(found), key=lambda doubt: -doubt.severity):
            named = f"“{doubt.value}” " if isinstance(value, list) else ""
            yield f"{doubt.severity}: {named}{doubt.sentence}"
        if each is DEFINITION and label in self.changed:
            yield f"changed: its source reads now “{self.changed[label]}”"

    # ── authors ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _author(self, each: ReviewField, holder: Document, document: Document) -> str:
        """The model and the day, a person, or the sources."""
        if is_of_person(document, each.recorded):
            return A_PERSON
        if each.linked is not None or each.component == DEFINITION.component:
            origin: Origin | None = text_origin(document, each.recorded)
        else:
            origin = origins(holder, self.stamps).get(each.component)
        if origin is not None and origin.model:
            return f"{origin.model}, {origin.date}" if origin.date else origin.model
        return ", ".join(_sources(holder)) or A_PERSON


def _score(each: ReviewField, holder: Document, value: Any) -> str:
    """The score that another model gave to a text."""
    judgement = judgement_of(holder, each.component, value) if isinstance(value, str) else None
    return str(judgement.score) if judgement else ""


def _sources(holder: Document) -> list[str]:
    names = holder.get("providers")
    return [each for each in names if isinstance(each, str) and each != SYNTHESIS] if isinstance(names, list) else []
