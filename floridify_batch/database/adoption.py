"""The adoption of values of earlier versions: stamped values get the missing digests, and so count as generated.

Earlier versions stamped values without recording what they wrote, so that later runs keep them as a person's.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, NamedTuple

from floridify_batch.components.change import Writes, value_digest
from floridify_batch.components.recipe import Scope
from floridify_batch.database.attribution import Stamps, written_definitions
from floridify_batch.database.layout import STAMPS
from floridify_batch.database.removal import RELATIONS, TEXTS, generated
from floridify_batch.database.trace import fields_of
from floridify_batch.database.word_documents import (
    Stored,
    WordDocuments,
    as_read,
    digests_of,
    own_stamps,
    word_documents,
    words_with,
)
from floridify_batch.words.entry import DIGESTS, SYNTHESIS, DocId, copied_id, doc_id

if TYPE_CHECKING:
    from floridify_batch.database.store import MongoStore

_PAGE = 200
_ADVICE = "What was adopted so far stays; repair the database, then run `batch-synth mend --adopt` again."


class _Adopted(NamedTuple):
    """Fields of a document that are adopted, as the value of a component or as the text of a document of ours."""

    label: str
    stored: Stored
    names: Sequence[str]


class Adoption:
    """One pass over a database; nothing is written unless `write`."""

    def __init__(self, store: "MongoStore", now: datetime, *, write: bool) -> None:
        self._store = store
        self._now = now
        self._write = write
        self.counts: Counter[str] = Counter()

    async def adopt(self) -> Counter[str]:
        """Count the values to adopt by component, or adopt them. Idempotent."""
        stamps = {doc_id(each["_id"]): None for each in await self._store.find(STAMPS, {}, ("_id",))}
        for page in batched(await words_with(self._store, {SYNTHESIS: {"$type": "object"}}), _PAGE):
            if self._write:
                await self._copy_sources(page)
            for found in await word_documents(self._store, page):
                await self._adopt(list(_adopted(found, stamps)))
        return self.counts

    async def _copy_sources(self, words: Sequence[DocId]) -> None:
        """Copy sources' definitions that have values of ours: a digest is never written into a provider's document."""
        found = await word_documents(self._store, words)
        stamped = {each.id for word in found for each in word.definitions.values() if each.document.get(SYNTHESIS)}
        entries = await self._store.entries_of(words)
        drafts = [entry.draft for entry in entries.values() if entry.draft is not None]
        wanted = [each for each in drafts if any(copy.source in stamped for copy in each.copies)]
        if wanted:
            await self._store.apply(Writes((), (), (), drafts=[(each, self._now) for each in wanted]))

    async def _adopt(self, adopted: Sequence[_Adopted]) -> None:
        from pymongo import UpdateOne

        changes: dict[str, list[UpdateOne]] = {}
        for label, stored, names in adopted:
            self.counts[label] += 1
            digests = {f"{DIGESTS}.{name}": value_digest(stored.document.get(name)) for name in names}
            change = UpdateOne(as_read(stored, names), {"$set": digests})
            changes.setdefault(stored.collection, []).append(change)
        for collection, operations in changes.items() if self._write else ():
            await self._store.bulk(collection, operations, _ADVICE)


def _adopted(found: WordDocuments, stamps: Stamps) -> Iterator[_Adopted]:
    """The values of a word's documents that have a stamp and no digest, and the generated texts that have none."""
    provided = found.provided
    for stored in found.definitions.values():
        if stored.id not in provided or copied_id(stored.id) not in found.definitions:
            yield from _values(stored, Scope.DEFINITION, stamps)
    for stored in found.entries:
        if stored.document.get("provider") == SYNTHESIS:
            yield from _values(stored, Scope.WORD, stamps)
    for key, identity in written_definitions(found, stamps):
        stored = found.definitions[identity]
        if "text" not in digests_of(stored.document):
            names = [each for each in ("part_of_speech", "text", "meaning_cluster") if stored.document.get(each)]
            yield _Adopted(key.partition("-")[0], stored, names)
    for stored in found.linked.values():
        if stored.collection in RELATIONS and generated(stored.document) and not digests_of(stored.document):
            yield _Adopted(stored.collection, stored, [each for each in TEXTS if each in stored.document])


def _values(stored: Stored, scope: Scope, stamps: Stamps) -> Iterator[_Adopted]:
    for key in own_stamps(stored.document, stamps):
        names = [
            each
            for each in fields_of(key, scope)
            if stored.document.get(each) and each not in digests_of(stored.document)
        ]
        if names:
            yield _Adopted(key, stored, names)
