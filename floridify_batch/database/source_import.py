"""The import of a dictionary file's articles into MongoDB, a block at a time; the writes of several blocks overlap.

Neither the file nor its ids are held in memory. An import is idempotent: after an interruption, the same import again
writes what is missing.
"""

import asyncio
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from floridify_batch.components.change import Collection
from floridify_batch.database.layout import TODAY, with_text
from floridify_batch.database.odd_document import OddDocument, check_types, check_versions
from floridify_batch.database.source_entry import (
    ILLUSTRATED,
    IMPORTED,
    IMPORTED_FIELDS,
    Draft,
    Present,
    Sense,
    drafted,
    word_insert,
    word_of,
    words_found,
    writes,
)
from floridify_batch.database.store import MongoStore
from floridify_batch.errors import DatabaseError
from floridify_batch.words.article import Article
from floridify_batch.words.dictionary_file import ReadStats
from floridify_batch.words.entry import DocId, Word, doc_id

if TYPE_CHECKING:
    from pymongo import UpdateOne


BLOCK = 1000
"""The number of articles that are looked up and written together."""

IN_FLIGHT = 4
"""The number of blocks that are written while the next one is read."""

_ADVICE = "Repair the database, then run the same command again; imported entries are kept."

type Progressed = Callable[[int, int], None]
"""Notify how many bytes of how many have been read."""


@dataclass(slots=True)
class Distinct:
    """Counts distinct strings by their hashes, in 8 bytes per occurrence."""

    _parts: tuple[array[int], ...] = field(default_factory=lambda: tuple(array("q") for _ in range(64)))

    def add(self, thing: str) -> None:
        """Add an occurrence."""
        fingerprint = hash(thing)
        self._parts[fingerprint % len(self._parts)].append(fingerprint)

    def occurrences(self) -> int:
        """The number of occurrences."""
        return sum(map(len, self._parts))

    def count(self) -> int:
        """The number of distinct strings, counted per partition to keep sets small."""
        return sum(len(set(part)) for part in self._parts)


@dataclass(slots=True)
class Tally:
    """Counts of an import. Words, entries and definitions that are neither new, removed nor repeated existed before.

    `removed`: definitions that people have removed since an earlier import, and that are not restored. `odd`: the
    definitions of entries that cannot be added to, with the first reason in `first_odd`.
    """

    words: Distinct = field(default_factory=Distinct)
    entries: Distinct = field(default_factory=Distinct)
    definitions: Distinct = field(default_factory=Distinct)
    removed: Distinct = field(default_factory=Distinct)
    odd: int = 0
    first_odd: str = ""
    new_words: int = 0
    new_entries: int = 0
    new_definitions: int = 0


async def import_articles(
    store: MongoStore, articles: Iterable[Article], language: str, reading: ReadStats, progress: Progressed
) -> Tally:
    """Write articles to the database. Raises `DatabaseError`; earlier blocks stay written."""
    _require_current_layout(store)
    await store.ensure_indexes()
    importer = _Importer(store, language)
    try:
        for block in blocks(articles, BLOCK):
            await importer.add(block)
            progress(reading.done, reading.size)
        await importer.drain(0)
    finally:
        await importer.abandon()
    return importer.tally


def _require_current_layout(store: MongoStore) -> None:
    """Refuse a database whose new documents are not in today's layout; others of their kind may be."""
    if replace(store.layout, both_ids=False, both_references=False, both_languages=False) != TODAY:
        raise DatabaseError(
            f"{store.layout.describe()} Importing into this layout is not supported; pass another --database."
        )


def blocks(articles: Iterable[Article], size: int) -> Iterator[list[Article]]:
    """Blocks of some `size` articles; consecutive articles of a word stay together."""
    block: list[Article] = []
    for article in articles:
        full = len(block) >= size and article.text != block[-1].text
        if full or len(block) >= 2 * size:
            yield block
            block = []
        block.append(article)
    if block:
        yield block


class _Importer:
    """Writes blocks: words immediately, since later blocks must find them; all else while the next blocks are read."""

    def __init__(self, store: MongoStore, language: str) -> None:
        self.tally = Tally()
        self._store = store
        self._language = language
        self._writing: set[asyncio.Task[None]] = set()

    async def add(self, block: Sequence[Article]) -> None:
        """Write a block, once fewer than `IN_FLIGHT` blocks are being written."""
        now = datetime.now(UTC)
        drafts = drafted(await self._placed(block, now))
        present = await self._present(drafts)
        definitions: list[UpdateOne] = []
        entries: list[UpdateOne] = []
        named: dict[str, list[UpdateOne]] = {Collection.EXAMPLES: [], Collection.PRONUNCIATIONS: []}
        for draft in drafts:
            entry = present.get((draft.word.id, draft.provider))
            if entry is not None and entry.odd:
                self._leave_out(draft.word.text, entry.odd, len(draft.senses))
                continue
            self.tally.entries.add(entry.id if entry else draft.entry_id)
            written = writes(draft, entry, now)
            definitions += written.definitions
            named[Collection.EXAMPLES] += written.examples
            named[Collection.PRONUNCIATIONS] += written.pronunciations
            if written.entry is not None:
                entries.append(written.entry)
            for identity in written.named:
                self.tally.definitions.add(identity)
            for identity in written.removed:
                self.tally.removed.add(identity)
        await self.drain(IN_FLIGHT - 1)
        self._writing.add(asyncio.create_task(self._write(named, definitions, entries)))

    def _leave_out(self, text: str, reason: str, definitions: int) -> None:
        self.tally.odd += definitions
        self.tally.first_odd = self.tally.first_odd or f"{text}: {reason}"

    async def drain(self, at_most: int) -> None:
        """Wait until at most `most` blocks are being written. Raises the error of a failed block."""
        while len(self._writing) > at_most:
            done, self._writing = await asyncio.wait(self._writing, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()

    async def abandon(self) -> None:
        """Cancel the writes that are still pending after an error."""
        for task in self._writing:
            task.cancel()
        await asyncio.gather(*self._writing, return_exceptions=True)

    async def _placed(self, block: Sequence[Article], now: datetime) -> list[tuple[Word, Article]]:
        """Each article with its word; new words are inserted."""
        texts = list({article.text for article in block})
        query = with_text({"$in": texts}) | self._store.layout.of_language(self._language)
        documents = await self._store.find(Collection.WORDS, query, ["text", "homograph_number"])
        found = words_found([each for each in documents if not _odd_word(each)], self._language)
        odd = {each["text"]: _odd_word(each) for each in documents if each["text"] not in found}
        for each in block:
            if each.text in odd:
                self._leave_out(each.text, odd[each.text], len(each.definitions))
        usable = (each for each in block if each.text not in odd)
        placed = [(word_of(each, found.setdefault(each.text, {}), self._language), each) for each in usable]
        words = {word.id: word for word, _ in placed}
        for identity in words:
            self.tally.words.add(identity)
        new = [word_insert(word, now) for word in words.values() if not word.stored]
        self.tally.new_words += (await self._store.bulk(Collection.WORDS, new, _ADVICE)).new
        return placed

    async def _present(self, drafts: Sequence[Draft]) -> dict[tuple[DocId, str], Present]:
        """The existing entries of the sources; none for a new word."""
        words = [draft.word.id for draft in drafts if draft.word.stored]
        if not words:
            return {}
        of_words = self._store.layout.referring_to(words)
        query = {"word_id": of_words, "provider": {"$in": list({draft.provider for draft in drafts})}}
        shown = ("word_id", "provider", "etymology", "pronunciation_id", "version", *_LISTS)
        found = await self._store.find(Collection.ENTRIES, query, shown)
        odd = {id(each): reason for each in found if (reason := _odd(each))}
        entries = [each for each in found if id(each) not in odd]
        ours = {draft.entry_id for draft in drafts}
        illustrated = await self._illustrated(entries) if any(each.examples for each in drafts) else frozenset[DocId]()
        theirs = await self._senses([entry for entry in entries if doc_id(entry["_id"]) not in ours])
        present: dict[tuple[DocId, str], Present] = {}
        for entry in sorted(found, key=lambda each: (doc_id(each["_id"]) not in ours, str(each["_id"]))):
            if fault := odd.get(id(entry)):
                seen = Present(doc_id(entry["_id"]), frozenset(), has_etymology=False, odd=fault)
            else:
                seen = _present_entry(entry, theirs, illustrated)
            present.setdefault((doc_id(entry["word_id"]), entry["provider"]), seen)
        return present

    async def _senses(self, entries: Sequence[dict[str, Any]]) -> dict[DocId, Sense]:
        """The senses of entries that were not imported by us, by definition id: ours have derived ids."""
        ids = [each for entry in entries for each in entry.get("definition_ids") or ()]
        if not ids:
            return {}
        query = {"_id": self._store.layout.with_ids(map(str, ids))}
        found = await self._store.find(Collection.DEFINITIONS, query, ["part_of_speech", "text"])
        return {doc_id(each["_id"]): (each.get("part_of_speech", ""), each.get("text", "")) for each in found}

    async def _illustrated(self, entries: Sequence[dict[str, Any]]) -> frozenset[DocId]:
        """The definitions of entries that have examples, or that an import has given some."""
        ids = [each for entry in entries for each in entry.get("definition_ids") or ()]
        named = self._store.layout.with_ids(map(str, ids))
        had = {"_id": named, "$or": [{"example_ids.0": {"$exists": True}}, {ILLUSTRATED: True}]}
        return frozenset(doc_id(each["_id"]) for each in await self._store.find(Collection.DEFINITIONS, had, ["_id"]))

    async def _write(
        self,
        named: "Mapping[str, Sequence[UpdateOne]]",
        definitions: "Sequence[UpdateOne]",
        entries: "Sequence[UpdateOne]",
    ) -> None:
        """Write documents before those that refer to them, and count the new ones."""
        for collection, operations in named.items():
            await self._store.bulk(collection, operations, _ADVICE)
        new_definitions = (await self._store.bulk(Collection.DEFINITIONS, definitions, _ADVICE)).new
        new_entries = (await self._store.bulk(Collection.ENTRIES, entries, _ADVICE)).new
        self.tally.new_definitions += new_definitions  # only now: other blocks are counted during the writes
        self.tally.new_entries += new_entries


_LISTS: Mapping[str, tuple[type, ...]] = dict.fromkeys(("definition_ids", IMPORTED, IMPORTED_FIELDS), (list,))
"""The fields of an entry that an import adds to."""


def _odd_word(word: dict[str, Any]) -> str:
    """The reason why nothing can refer to a word; "" if there is none."""
    try:
        check_types("word", word, {})
    except OddDocument as error:
        return str(error)
    return ""


def _odd(entry: dict[str, Any]) -> str:
    """The reason why nothing can be added to an entry; "" if there is none."""
    if isinstance(entry["_id"], str):
        return f"its entry {entry['_id']} has a text as its _id, where others have an ObjectId"
    try:
        check_types("entry", entry, _LISTS)
        check_versions({}, (), entry)
    except OddDocument as error:
        return str(error)
    return ""


def _present_entry(entry: dict[str, Any], theirs: Mapping[DocId, Sense], illustrated: frozenset[DocId]) -> Present:
    ids = [doc_id(each) for each in entry.get("definition_ids") or ()]
    senses = {theirs[each]: each for each in reversed(ids) if each in theirs}
    has_etymology, has_pronunciation = bool(entry.get("etymology")), bool(entry.get("pronunciation_id"))
    ours = illustrated.intersection(ids)
    given = frozenset(str(each) for name in (IMPORTED, IMPORTED_FIELDS) for each in entry.get(name) or ())
    return Present(doc_id(entry["_id"]), frozenset(ids), has_etymology, senses, has_pronunciation, ours, given)
