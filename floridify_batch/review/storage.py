"""The storing of decisions, page by page."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from floridify_batch.components.change import Collection, Writes
from floridify_batch.database.document import first_language, languages_of
from floridify_batch.database.removal import any_spelling, looked_up
from floridify_batch.database.revised_document import write_revised
from floridify_batch.database.word_documents import WordDocuments, word_documents
from floridify_batch.review.decision import DecidedRow, ReadRow, RefusedRow
from floridify_batch.review.revision import Outcome, Revision, copy_of, is_of_source
from floridify_batch.words.entry import DocId, EntryDraft, doc_id

if TYPE_CHECKING:
    from floridify_batch.database.store import MongoStore

_PAGE = 200


@dataclass(slots=True)
class ReviewResult:
    """The numbers of rows by outcome, of those that were refused, and of those without a decision."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    refused: int = 0
    undecided: int = 0
    words: int = 0
    """The number of words that were found, counted once for each page of rows."""

    @property
    def changes(self) -> int:
        """The number of rows that change the database."""
        return self.outcomes.total() - self.outcomes[Outcome.UNCHANGED]


@dataclass(slots=True)
class DecisionStore:
    """Stores decisions, or counts them unless `write`; `notify` is called for each row that is refused."""

    store: "MongoStore"
    now: datetime
    notify: Callable[[RefusedRow], object]
    write: bool = True
    rejected: frozenset[DocId] = frozenset()
    """The definitions that rows of the file reject."""
    result: ReviewResult = field(default_factory=ReviewResult)

    async def take(self, rows: Iterable[ReadRow]) -> ReviewResult:
        """Store the decisions of these rows. Idempotent."""
        if self.write:
            await self.store.ensure(looked_up(self.store.layout))
        for page in batched(self._decided(rows), _PAGE):
            await self._take(page)
        return self.result

    def _decided(self, rows: Iterable[ReadRow]) -> Iterator[DecidedRow]:
        for row in rows:
            if isinstance(row, DecidedRow):
                yield row
            elif row is None:
                self.result.undecided += 1
            else:
                self._refuse(row)

    def _refuse(self, row: RefusedRow) -> None:
        self.result.refused += 1
        self.notify(row)

    async def _take(self, page: Sequence[DecidedRow]) -> None:
        words = await self._words(page)
        self.result.words += len(words)
        revision = await self._revision(page, words)
        taken = [(row, outcome) for row in page if (outcome := self._outcome(revision, row)) is not None]
        if self.write and not await self._written(revision):
            taken = await self._as_stored(taken, words)
        self.result.outcomes.update(outcome for _, outcome in taken)

    def _outcome(self, revision: Revision, row: DecidedRow) -> Outcome | None:
        try:
            outcome = revision.take(row)
        except ValueError as error:
            self._refuse(RefusedRow(row.number, str(error)))
            return None
        return Outcome.UNCHANGED if row.repeated else outcome

    async def _as_stored(
        self, taken: Iterable[tuple[DecidedRow, Outcome]], words: Sequence[DocId]
    ) -> list[tuple[DecidedRow, Outcome]]:
        """The rows that were stored although some writes met an edit; the others are refused."""
        again = Revision(await word_documents(self.store, words), self.store.schema, rejected=self.rejected)
        stored: list[tuple[DecidedRow, Outcome]] = []
        for row, outcome in taken:
            if (now := self._outcome(again, row)) is Outcome.UNCHANGED:
                stored.append((row, outcome))
            elif now is not None:
                self._refuse(RefusedRow(row.number, "somebody edited its document just now; store the file again"))
        return stored

    async def _written(self, revision: Revision) -> bool:
        """Write a revision; returns whether every document was as it was read."""
        removed = (*revision.linked.values(), *revision.senses.values())
        return await write_revised(self.store, revision.revised.values(), removed, self.now)

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _words(self, page: Iterable[DecidedRow]) -> list[DocId]:
        """The words of these rows."""
        holders: dict[Collection, set[DocId]] = {Collection.DEFINITIONS: set(), Collection.ENTRIES: set()}
        for row in page:
            holders[row.key.collection].add(row.key.holder)
        collections = [(str(Collection.DEFINITIONS), holders[Collection.DEFINITIONS])]
        collections += [(name, holders[Collection.ENTRIES]) for name in self.store.layout.entry_collections]
        words = set[DocId]()
        for name, ids in collections:
            found = await self.store.find(name, {"_id": any_spelling(ids)}, ("word_id",)) if ids else ()
            words |= {doc_id(each["word_id"]) for each in found if each.get("word_id")}
        return sorted(words)

    async def _revision(self, page: Sequence[DecidedRow], words: Sequence[DocId]) -> Revision:
        """An empty revision of the words' documents; sources that rows are about are copied first."""
        found = await word_documents(self.store, words)
        sources = set(_uncopied(page, found))
        drafts = await self._drafts([each.word for each in found if sources & each.definitions.keys()])
        wanted = [each for each in drafts if any(copy.source in sources for copy in each.copies)]
        if wanted and self.write:
            await self.store.apply(Writes((), (), (), drafts=[(each, self.now) for each in wanted]))
            found = await word_documents(self.store, words)
        copyable = frozenset(copy.source for each in wanted if not self.write for copy in each.copies)
        return Revision(found, self.store.schema, copyable, self.rejected)

    async def _drafts(self, words: Iterable[Mapping[str, Any]]) -> list[EntryDraft]:
        """The unstored parts of the synthesis entries of these words, in each of their languages."""
        by_language: dict[str, list[DocId]] = {}
        for word in words:
            for language in languages_of(word) or [first_language(word)]:
                by_language.setdefault(language, []).append(doc_id(word["_id"]))
        drafts: list[EntryDraft] = []
        for language, identities in by_language.items():
            entries = await self.store.entries_of(identities, language)
            drafts += [each.draft for each in entries.values() if each.draft is not None]
        return drafts


def _uncopied(page: Iterable[DecidedRow], found: Iterable[WordDocuments]) -> Iterator[DocId]:
    """The definitions of sources that rows are about, of which there are no copies."""
    holders = {row.key.holder for row in page}
    for word in found:
        for identity, stored in word.definitions.items():
            if identity in holders and is_of_source(word, identity) and copy_of(word, stored) is None:
                yield identity
