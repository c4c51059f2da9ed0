"""The entries of a word list, of a language or of a whole database, read in pages, so that memory stays constant."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

from floridify_batch.components.change import Collection
from floridify_batch.database.document import first_language
from floridify_batch.database.layout import with_text
from floridify_batch.database.lookup import (
    PAGE,
    WITHOUT_FETCHED_PAGES,
    Headword,
    all_words,
    by_number,
    headwords_of,
    of_language,
    unreadable_words,
)
from floridify_batch.database.provenance import stamps_of
from floridify_batch.database.store import MongoStore
from floridify_batch.export.document_reader import DocumentReader
from floridify_batch.export.entry import ExportedEntry
from floridify_batch.words.entry import spellings_of

type Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Selection:
    """The words to export: those of a list, or all; in one language, or in each of theirs."""

    words: Sequence[str] | None = None
    language: str | None = None


@dataclass(slots=True)
class EntrySource:
    """Reads the selected entries. After the last one, the counts say what was left out."""

    store: MongoStore
    selection: Selection
    reader: DocumentReader = field(default_factory=DocumentReader)
    absent: int = 0
    """Words of the list that the database does not have."""
    undefined: int = 0
    """Words without a definition."""
    unnamed: int = 0
    """Words whose text has no characters."""
    _stamps: dict[Any, Mapping[str, Any]] = field(default_factory=dict)

    async def languages(self) -> list[str]:
        """The languages of all words."""
        if self.selection.language:
            return [self.selection.language]
        found = [await self.store.distinct(Collection.WORDS, name) for name in ("languages", "language")]
        return sorted({each for values in found for each in values if isinstance(each, str)}) or ["en"]

    async def total(self) -> int:
        """The number of words that are selected."""
        if self.selection.words is not None:
            return len(self.selection.words)
        return await self.store.count(Collection.WORDS, of_language(self.selection.language))

    async def pages(self) -> AsyncIterator[tuple[int, list[ExportedEntry]]]:
        """The entries of each page, with the number of words that were looked up for it."""
        async for looked_up, words in self._word_pages():
            headwords = await headwords_of(self.store, words, WITHOUT_FETCHED_PAGES)
            self._stamps |= await stamps_of(self.store, headwords, self._stamps)
            yield looked_up, [entry for each in headwords for entry in self._entries(each)]

    def _entries(self, headword: Headword) -> Iterator[ExportedEntry]:
        """The entries of a headword that have a sense, in the selected language or in each of its own."""
        first = first_language(headword.word)
        chosen = self.selection.language
        languages = headword.languages(first)
        several = len(languages) > 1
        for language in [chosen or first] if chosen or not several else languages:
            own = headword.in_language(language) if several else headword
            entry = self.reader.entry(own, language if several else first, self._stamps)
            if entry.senses and entry.headword:
                yield entry
            self.undefined += not entry.senses
            self.unnamed += bool(entry.senses) and not entry.headword

    # ── words ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _word_pages(self) -> AsyncIterator[tuple[int, list[Document]]]:
        words = self.selection.words
        return self._all_words() if words is None else self._listed_words(words)

    async def _listed_words(self, words: Sequence[str]) -> AsyncIterator[tuple[int, list[Document]]]:
        """The words of a list, in its order: homographs by their numbers."""
        for page in batched(words, PAGE):
            spellings = {text: spellings_of(text) for text in page}
            query = with_text({"$in": sorted({each for known in spellings.values() for each in known})})
            stored: dict[str, list[Document]] = {}
            for word in await self.store.find(Collection.WORDS, query | of_language(self.selection.language)):
                stored.setdefault(word["text"], []).append(word)
            found = [_first_of(stored, spellings[text]) for text in page]
            self.absent += sum(not each for each in found)
            yield len(page), [word for each in found for word in sorted(each, key=by_number)]

    async def _all_words(self) -> AsyncIterator[tuple[int, list[Document]]]:
        async for words in all_words(self.store, self.selection.language):
            yield len(words), words
        number, first = await unreadable_words(self.store, self.selection.language)
        if first is not None:
            self.reader.count_odd(Collection.WORDS, first, "text", number)


def _first_of(stored: Mapping[str, list[Document]], spellings: Iterable[str]) -> list[Document]:
    """The words of the first spelling that the database has."""
    return next((stored[each] for each in spellings if each in stored), [])
