"""Stations 2 to 5: words are looked up, planned and packed; full chunks are cut and entered in the ledger.

Words come from two sources: chunks whose answers are stored, and the list. Both feed one packer, and a chunk that is
not full is cut only at the end of the list or when nothing that is in flight can fill it; otherwise waves and retries
would make thousands of tiny batches.
"""

from array import array
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from floridify_batch.chunks import (
    ChunkSize,
    ChunkWriter,
    Group,
    failures_by_word,
    forget_lines,
    group,
    read_expected,
    read_ordinals,
)
from floridify_batch.events import ChunkMoved, ListRead, WordFailed
from floridify_batch.failures import Failure, FailureReason
from floridify_batch.finishing import finish
from floridify_batch.ledger import ChunkRecord, ChunkState
from floridify_batch.planning import left_over, plan
from floridify_batch.run import PAGE_WORDS, Run
from floridify_batch.words import Entry

if TYPE_CHECKING:
    from floridify_batch.changes import Update
    from floridify_batch.requests import SynthesisRequest

_NOWHERE = 0
_FINISHED = -1
_THE_LIST = 0
"""The origin of words that come from the list; others come from the chunk of this number."""

_NO_FAILURES: Mapping[str, Failure] = {}


class _Page(NamedTuple):
    origin: int
    ordinals: Sequence[int]
    failures: Mapping[int, Mapping[str, Failure]]
    asked: Set[str] = frozenset()


@dataclass(slots=True)
class _Returned:
    """A chunk whose words are being planned again; `asked` are the ids that were answered or have failed in it."""

    number: int
    ordinals: Iterator[int]
    failures: Mapping[int, Mapping[str, Failure]]
    asked: Set[str]


class Feeder:
    """Cuts one chunk after another out of what is left to be asked."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._place = _places(run)
        self._next = run.ledger.list_cursor
        self._returned: deque[ChunkRecord] = deque()
        self._reading: _Returned | None = None
        self._pending: deque[tuple[Group, int]] = deque()
        self._writer: ChunkWriter | None = None
        self._origins: list[int] = []
        self._outstanding: Counter[int] = Counter()
        self._unsaved = False
        self._tidied: list[Update] = []
        for record in run.ledger.in_state(ChunkState.STORED, ChunkState.SPLIT):
            self.give_back(record)

    def give_back(self, record: ChunkRecord) -> None:
        """Take the words of a chunk that is stored or split: what they still need is asked in a later one."""
        self._returned.append(record)
        self._outstanding[record.number] += 1  # the chunk itself, until it has been read to its end

    @property
    def has_returned(self) -> bool:
        """Whether words that came back are still to be planned."""
        return bool(self._returned or self._reading)

    async def next_chunk(self, *, alone: bool) -> ChunkRecord | None:
        """The next chunk, planned and on disk; None while none can be cut.

        `alone`: nothing is in flight, so that no word will come back to fill a chunk.
        """
        while True:
            while self._pending:
                if not self._pack():
                    return self._cut()
            page = self._next_page()
            if page is None:
                break
            await self._plan(page)
        if self._origins and (alone or _THE_LIST in self._origins or self._is_full()):
            return self._cut()
        self._settle_accounts()
        return None

    def close(self) -> None:
        """Give up the chunk that was not cut; its words are planned again another time."""
        if self._writer:
            self._writer.discard()
            self._writer = None

    # ── words in ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _next_page(self) -> _Page | None:
        while chunk := self._opened():
            page = list(islice(chunk.ordinals, PAGE_WORDS))
            if page:
                here = [ordinal for ordinal in page if self._place[ordinal] == chunk.number]
                return _Page(chunk.number, here, chunk.failures, chunk.asked)
            self._reading = None
            self._outstanding[chunk.number] -= 1
            self._unsaved = True
        fresh = range(self._next, min(self._next + PAGE_WORDS, len(self._run.words)))
        self._next = fresh.stop
        return _Page(_THE_LIST, [each for each in fresh if self._place[each] == _NOWHERE], {}) if fresh else None

    def _opened(self) -> _Returned | None:
        """The returned chunk whose turn it is; only its failures are in memory, however many chunks came back."""
        if self._reading is None and self._returned:
            record = self._returned.popleft()
            folder = self._run.folder(record)
            failures = failures_by_word(folder / "failures.jsonl")
            split = record.state is ChunkState.SPLIT
            asked = frozenset() if split else frozenset(each.custom_id for each in read_expected(folder))
            self._reading = _Returned(record.number, iter(read_ordinals(folder)), failures, asked)
        return self._reading

    async def _plan(self, page: _Page) -> None:
        run = self._run
        texts = [run.words[ordinal] for ordinal in page.ordinals]
        entries = await run.store.entries(texts, run.ledger.run.settings.language) if texts else {}
        for ordinal, text in zip(page.ordinals, texts, strict=True):
            self._plan_word(ordinal, entries[text], page)
        if self._tidied:
            await run.store.update(self._tidied)
            self._tidied = []
        asked_about = {run.words[packed.ordinal] for packed, _ in self._pending}
        await run.store.ensure_words(
            entry.word for text in texts if text in asked_about for entry in entries[text] if not entry.word.stored
        )
        if page.origin == _THE_LIST:
            run.observer.notify(ListRead(self._next, len(run.words)))

    def _plan_word(self, ordinal: int, entries: Sequence[Entry], page: _Page) -> None:
        failures = page.failures.get(ordinal, _NO_FAILURES)
        requests = self._requests(entries, failures)
        vanished = {each.custom_id for each in requests if each.attempt == 1} & page.asked
        if vanished:
            failures = {**failures, **{identity: _vanished(identity) for identity in vanished}}
            requests = self._requests(entries, failures)
        if requests:
            self._pending.append((group(ordinal, requests, failures), page.origin))
            self._outstanding[page.origin] += 1
        else:
            reason = left_over(entries, self._run.brief, failures)
            self._finish(ordinal, reason)
            if reason is None and page.origin != _THE_LIST:
                self._tidied += [update for entry in entries for update in finish(entry)]

    def _requests(self, entries: Sequence[Entry], failures: Mapping[str, Failure]) -> "list[SynthesisRequest[Any]]":
        return [request for entry in entries for request in plan(entry, self._run.brief, failures)]

    def _finish(self, ordinal: int, reason: str | None) -> None:
        """A word for which nothing is left to ask is processed, or has failed for a reason."""
        word, ledger = self._run.words[ordinal], self._run.ledger
        if reason is None:
            ledger.processed_words.append(word)
        else:
            ledger.failed_words[word] = reason
            self._run.observer.notify(WordFailed(word, reason))
        self._place[ordinal] = _FINISHED
        self._unsaved = True

    # ── chunks out ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _pack(self) -> bool:
        """Put the next word into the open chunk, unless that is full. Its first word it takes whatever the size."""
        packed, origin = self._pending[0]
        if self._writer is None:
            self._writer = ChunkWriter(self._run.checkpoint.folder, len(self._run.ledger.chunks) + 1)
        if self._writer.size.words and not self._run.limits().hold(self._writer.size + packed.size):
            return False
        self._pending.popleft()
        self._writer.add(packed)
        self._origins.append(origin)
        return True

    def _is_full(self) -> bool:
        """Whether the open chunk can take no further word, whichever came."""
        one_more = ChunkSize(words=1, requests=1)
        return self._writer is not None and not self._run.limits().hold(self._writer.size + one_more)

    def _cut(self) -> ChunkRecord:
        """Finish the open chunk and enter it in the ledger, together with all that its words leave behind."""
        writer, self._writer = self._writer, None
        if writer is None:
            raise RuntimeError("there is no open chunk to cut")
        size = writer.finish()
        record = ChunkRecord(
            number=writer.number,
            words=size.words,
            requests=size.requests,
            bytes=size.bytes,
            input_tokens=size.input_tokens,
            output_tokens=size.output_tokens,
            retried=size.retried,
        )
        self._run.ledger.add(record)
        for ordinal in writer.ordinals:
            self._place[ordinal] = record.number
        self._outstanding.subtract(self._origins)
        self._origins = []
        self._unsaved = True
        self._settle_accounts()
        self._run.observer.notify(ChunkMoved(record.number, record.state, record.words, record.requests, record.bytes))
        return record

    def _settle_accounts(self) -> None:
        """Bring the cursor, finished words and finished chunks to the disk together, if anything is new."""
        if not self._unsaved:
            return
        ledger = self._run.ledger
        ledger.list_cursor = min(self._unplaced(), default=self._next)
        done = [record.number for record in ledger.in_state(ChunkState.STORED, ChunkState.SPLIT)]
        done = [number for number in done if not self._outstanding[number]]
        for number in done:
            ledger.move(number, ChunkState.DONE)
        self._run.save()
        self._unsaved = False
        for number in done:
            forget_lines(self._run.folder(ledger.chunk(number)))

    def _unplaced(self) -> Iterator[int]:
        """The list's words that are planned and in no chunk that the ledger knows."""
        yield from (packed.ordinal for packed, origin in self._pending if origin == _THE_LIST)
        if self._writer:
            pairs = zip(self._writer.ordinals, self._origins, strict=True)
            yield from (ordinal for ordinal, origin in pairs if origin == _THE_LIST)


def _vanished(identity: str) -> Failure:
    """An answer that was stored and is not found again: to ask for it once more would be to pay for ever."""
    return Failure(identity, FailureReason.ORPHANED, "it was answered and stored, but the database does not show it")


def _places(run: Run) -> "array[int]":
    """Where each word of the list is: finished, in the last chunk that holds it, or nowhere yet."""
    place = array("i", bytes(4 * len(run.words)))
    for record in run.ledger.chunks:
        if record.state is not ChunkState.DONE:
            for ordinal in read_ordinals(run.folder(record)):
                place[ordinal] = record.number
    finished = run.ledger.failed_words.keys() | set(run.ledger.processed_words)
    for ordinal, word in enumerate(run.words):
        if word in finished:
            place[ordinal] = _FINISHED
    return place
