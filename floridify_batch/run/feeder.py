"""The feeder: looks up, plans and packs words, and enters full chunks in the ledger.

Words come from two sources: chunks whose answers are stored, and the list. Both feed one packer, and a chunk that is
not full is finished only at the end of the list or when nothing in flight can fill it; otherwise waves and retries
would make thousands of tiny batches.
"""

import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from floridify_batch.components.failure import Failure
from floridify_batch.errors import DatabaseError, FileDamaged, UsageError, stops_run
from floridify_batch.files import private_folder
from floridify_batch.pipeline.chunk import (
    ChunkSize,
    ChunkWriter,
    Planned,
    failures_by_word,
    forget_lines,
    lines_of,
    preflight_part,
)
from floridify_batch.pipeline.plan import PAGE_WORDS, Finished, PageToPlan, PlannedPage, WordToPlan, finish, plan_words
from floridify_batch.run.event import ChunkMoved, ListRead, Notice, WordFailed
from floridify_batch.run.isolation import Isolation
from floridify_batch.run.ledger import ChunkRecord, ChunkState
from floridify_batch.run.state import Run
from floridify_batch.run.word_place import FINISHED, NOWHERE, places, settled_ids
from floridify_batch.run.worker import abandon
from floridify_batch.words.entry import DocId, Entry

if TYPE_CHECKING:
    from asyncio import Future

_THE_LIST = 0
"""The origin of words that come from the list; others come from the chunk of this number."""

_NO_FAILURES: Mapping[str, Failure] = {}

type _Found = Mapping[str, Sequence[Entry]]
type _Begun = tuple[_Page, _Found, Future[PlannedPage]]


class _Page(NamedTuple):
    """Words that are looked up and planned together. `end`: how far the list is read after it."""

    origin: int
    ordinals: Sequence[int]
    failures: Mapping[int, Mapping[str, Failure]]
    asked: Mapping[int, frozenset[str]]
    end: int


@dataclass(slots=True)
class _Returned:
    """A chunk whose words are being planned again, with the ids that were answered or have failed in it."""

    number: int
    asked: Iterator[tuple[int, frozenset[str]]]
    failures: Mapping[int, Mapping[str, Failure]]


@dataclass(slots=True)
class _OpenChunk:
    """A chunk that is being packed, with the origin of each of its words."""

    writer: ChunkWriter
    origins: list[int]


class Feeder:
    """Packs the remaining requests into one chunk after another."""

    def __init__(
        self, run: Run, stopping: Callable[[], bool] = lambda: False, isolation: Isolation | None = None
    ) -> None:
        self._run = run
        self._isolation = Isolation(run) if isolation is None else isolation
        self._stopping = stopping
        self._place = places(run)
        self._next = run.ledger.list_cursor
        self._requested = frozenset(run.ledger.requested)
        self._returned: deque[ChunkRecord] = deque()
        self._reading: _Returned | None = None
        self._planning: deque[_Begun] = deque()
        self._single: deque[_Page] = deque()
        self._left: set[int] = set()
        self._pieces = (run.checkpoint.folder / "planned.partial").absolute()
        self._piece: Path | None = None
        self._pending: deque[tuple[Planned, int]] = deque()
        self._open: dict[str, _OpenChunk] = {}
        self._outstanding: Counter[int] = Counter()
        self._unsaved = False
        self._untidy: list[str] = []
        self._done: list[int] = []
        shutil.rmtree(self._pieces, ignore_errors=True)
        for record in run.ledger.in_state(ChunkState.STORED, ChunkState.SPLIT):
            self.return_chunk(record)

    def return_chunk(self, record: ChunkRecord) -> None:
        """Take the words of a chunk that is stored or split; their further requests are planned for a later chunk."""
        self._returned.append(record)
        self._outstanding[record.number] += 1  # the chunk itself, until it has been read to its end

    async def next_chunk(self, *, alone: bool) -> ChunkRecord | None:
        """Return the next chunk, planned and on disk; None if there is none yet, or if the driver is stopping.

        `alone`: nothing is in flight, so no words will return to fill a chunk.
        """
        while not self._stopping():
            while self._pending:
                if not self._pack():
                    return self._cut(self._pending[0][0].model)
            if not await self._plan_page():
                break
        if self._stopping():
            self._save_progress()
            return None
        for model, chunk in self._open.items():
            if alone or _THE_LIST in chunk.origins or self._is_full(chunk.writer):
                return self._cut(model)
        self._save_progress()
        return None

    async def next_preflight(self, wanted: Set[str]) -> ChunkRecord | None:
        """Cut a chunk with one request of each component `wanted`, as far as the next words have any; before others.

        It holds one model, as each chunk does.
        """
        while not self._pending and not self._stopping() and await self._plan_page():
            pass
        missing, others = set(wanted), deque[tuple[Planned, int]]()
        model = self._pending[0][0].model if self._pending else ""
        while self._pending:
            word, origin = self._pending.popleft()
            fits = missing and word.model == model
            part, lines, found = preflight_part(word, self._lines(word), missing) if fits else (word, b"", ())
            if not found:
                others.append((word, origin))
                continue
            missing.difference_update(found)
            self._add(part, lines, origin)
        self._pending = others
        return self._cut(model, preflight=True) if model in self._open else None

    async def finish_returned(self) -> None:
        """Finish returned words without further requests; the others stay in their chunks.

        No chunk is made, and none can be made afterwards: the next feeder plans the other words.
        """
        while not self._stopping() and await self._plan_page(from_list=False):
            self._pending = deque((packed, origin) for packed, origin in self._pending if origin == _THE_LIST)
        self._save_progress()

    def close(self) -> None:
        """Discard the unfinished chunk; its words will be planned again."""
        for chunk in self._open.values():
            chunk.writer.discard()
        self._open = {}
        for _, __, outcomes in self._planning:
            abandon(outcomes)
        for _ in range(1 + len(self._planning)):  # a worker may create a page's file during the removal
            shutil.rmtree(self._pieces, ignore_errors=True)

    # ── words in ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _plan_page(self, *, from_list: bool = True) -> bool:
        """Plan the next page, while later ones are in progress; False if there is none."""
        while len(self._planning) <= self._run.pool.ahead and (page := self._next_page(from_list=from_list)):
            try:
                self._planning.append(await self._begun(page))
            except Exception as error:
                self._divide(page, error)
        if not self._planning:
            return False
        page, found, planned = self._planning[0]
        try:
            outcomes = await planned
            refused = await self._refused_words(outcomes, found)
        except Exception as error:
            self._planning.popleft()
            self._divide(page, error)
        else:
            self._planning.popleft()
            await self._take(page, found, outcomes, refused)
        self._outstanding[page.origin] -= 1
        return True

    def _divide(self, page: _Page, error: Exception) -> None:
        """Plan the words of a page one by one if the page cannot be read or planned, and leave a single one for later.

        A word that is left stays where it is, in the list or in its chunk. Raises an error that affects the run; a
        template may fail for one word only.
        """
        if stops_run(error) and not isinstance(error, UsageError):
            raise error
        if len(page.ordinals) > 1:
            self._single.extend(page._replace(ordinals=[ordinal]) for ordinal in page.ordinals)
            self._outstanding[page.origin] += len(page.ordinals)
            return
        self._outstanding[page.origin] += 1
        self._left.update(page.ordinals if page.origin == _THE_LIST else ())
        for ordinal in page.ordinals:
            self._isolation.defer_word(self._run.words[ordinal], error)

    def _next_page(self, *, from_list: bool) -> _Page | None:
        if self._single:
            page = self._single.popleft()
            self._outstanding[page.origin] -= 1  # counted again when its planning begins
            return page
        while chunk := self._opened():
            try:
                asked = dict(islice(chunk.asked, PAGE_WORDS))
            except FileDamaged as error:
                self._leave(chunk.number, error)
                continue
            if asked:
                here = [ordinal for ordinal in asked if self._place[ordinal] == chunk.number]
                return _Page(chunk.number, here, chunk.failures, asked, self._next)
            self._reading = None
            self._outstanding[chunk.number] -= 1
            self._unsaved = True
        if not from_list:
            return None
        fresh = range(self._next, min(self._next + PAGE_WORDS, len(self._run.words)))
        self._next = fresh.stop
        here = [ordinal for ordinal in fresh if self._place[ordinal] == NOWHERE]
        requested = dict.fromkeys(self._requested.intersection(here), frozenset[str]())
        return _Page(_THE_LIST, here, {}, requested, fresh.stop) if fresh else None

    def _opened(self) -> _Returned | None:
        """The next returned chunk; only its failures are in memory, however many chunks have returned."""
        while self._reading is None and self._returned:
            record = self._returned.popleft()
            folder = self._run.folder(record)
            settled = self._unfinished(record, settled_ids(folder, record))
            try:
                self._reading = _Returned(record.number, settled, failures_by_word(folder.failures))
            except FileDamaged as error:
                self._leave(record.number, error)
        return self._reading

    def _unfinished(
        self, record: ChunkRecord, settled: Iterator[tuple[int, frozenset[str]]]
    ) -> Iterator[tuple[int, frozenset[str]]]:
        """The words of a returned chunk that are to be planned again; those whose end is known are finished first."""
        finished = self._run.finished.pop(record.number, set())
        for ordinal in finished:
            if self._place[ordinal] == record.number:
                self._finish(Finished(ordinal, None))
        return iter(()) if len(finished) == record.words else (each for each in settled if each[0] not in finished)

    def _leave(self, number: int, error: FileDamaged) -> None:
        """Leave a returned chunk for later; it stays outstanding."""
        self._reading = None
        self._isolation.defer_chunk(self._run.ledger.chunk(number), error)

    async def _begun(self, page: _Page) -> _Begun:
        run = self._run
        texts = [run.words[ordinal] for ordinal in page.ordinals]
        found = await run.store.entries(texts, run.ledger.run.settings.language) if texts else {}
        private_folder(self._pieces)
        words = [
            WordToPlan(ordinal, found[text], page.failures.get(ordinal, _NO_FAILURES), page.asked.get(ordinal))
            for ordinal, text in zip(page.ordinals, texts, strict=True)
        ]
        planned = run.pool.begin(plan_words, PageToPlan(words, str(self._pieces), run.limits()))
        self._outstanding[page.origin] += 1  # the page, until its words are counted one by one
        return page, found, planned

    async def _refused_words(self, outcomes: PlannedPage, found: _Found) -> Mapping[DocId, str]:
        """Create the documents of new words that will be requested; return those that the database refuses."""
        run = self._run
        planned = [each for each in outcomes.words if isinstance(each, Planned)]
        ordinals = (ordinal for each in planned for ordinal in each.ordinals)
        entries = [entry for ordinal in ordinals for entry in found[run.words[ordinal]]]
        return await run.store.ensure_words([entry.word for entry in entries if not entry.word.stored])

    async def _take(self, page: _Page, found: _Found, outcomes: PlannedPage, refused: Mapping[DocId, str]) -> None:
        run = self._run
        if self._piece:
            self._piece.unlink(missing_ok=True)
        self._piece = Path(outcomes.piece)
        for outcome in outcomes.words:
            if isinstance(outcome, Finished):
                self._finish(outcome)
            elif refused and (reasons := self._refusals(outcome, found, refused)):
                for ordinal, reason in reasons.items():
                    self._finish(Finished(ordinal, reason))
                self._plan_again(page, [each for each in outcome.ordinals if each not in reasons])
            else:
                self._pending.append((outcome, page.origin))
                self._outstanding[page.origin] += len(outcome.ordinals)
        await self._tidy()
        if page.origin == _THE_LIST:
            run.observer.notify(ListRead(page.end, len(run.words)))

    def _refusals(self, planned: Planned, found: _Found, refused: Mapping[DocId, str]) -> dict[int, str]:
        """The planned words that the database refuses, with its reasons."""
        entries = ((ordinal, entry) for ordinal in planned.ordinals for entry in found[self._run.words[ordinal]])
        return {ordinal: refused[entry.id] for ordinal, entry in entries if entry.id in refused}

    def _plan_again(self, page: _Page, ordinals: Sequence[int]) -> None:
        """Plan words of a page again, whose packs held a word that the database refuses."""
        if ordinals:
            self._single.append(page._replace(ordinals=ordinals))
            self._outstanding[page.origin] += 1

    async def _tidy(self) -> None:
        """Tidy up finished words that need it; an update that the database refuses is reported, and left out."""
        if not self._untidy:
            return
        try:
            await self._run.exclusively(self._tidy_up)
        except DatabaseError as error:
            if stops_run(error):
                raise
            self._run.observer.notify(Notice(f"Finished words could not all be put in order: {error}"))
        self._untidy = []

    async def _tidy_up(self) -> None:
        """Update finished words, as they are now: another run may have added to them since they were planned."""
        run = self._run
        found = await run.store.entries(self._untidy, run.ledger.run.settings.language)
        entries = (entry for homographs in found.values() for entry in homographs)
        await run.store.update([update for entry in entries for update in finish(entry, run.ledger.run.id)])

    def _finish(self, outcome: Finished) -> None:
        """Mark a word without further requests as processed, incomplete or failed."""
        word, ledger = self._run.words[outcome.ordinal], self._run.ledger
        if outcome.reason is None:
            ledger.process(word)
        else:
            words = ledger.incomplete_words if outcome.incomplete else ledger.failed_words
            words[word] = outcome.reason
            self._run.observer.notify(WordFailed(word, outcome.reason, outcome.incomplete))
        self._untidy += [word] if outcome.untidy else ()
        self._place[outcome.ordinal] = FINISHED
        self._unsaved = True

    # ── chunks out ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _pack(self) -> bool:
        """Pack the next word into the open chunk, unless that is full. An empty chunk takes a word of any size."""
        packed, origin = self._pending[0]
        chunk = self._open.get(packed.model)
        if chunk and not self._run.limits().hold(chunk.writer.size + packed.size):
            return False
        self._pending.popleft()
        self._add(packed, self._lines(packed), origin)
        return True

    def _add(self, word: Planned, lines: bytes, origin: int) -> None:
        """Append a word to the open chunk of its model."""
        if word.model not in self._open:
            taken = {chunk.writer.number for chunk in self._open.values()}
            number = next(each for each in count(len(self._run.ledger.chunks) + 1) if each not in taken)
            self._open[word.model] = _OpenChunk(ChunkWriter(self._run.checkpoint.folder, number), [])
        chunk = self._open[word.model]
        chunk.writer.add(word, lines)
        chunk.origins += [origin] * len(word.ordinals)

    def _lines(self, word: Planned) -> bytes:
        if self._piece is None:
            raise RuntimeError("no page was planned")
        return lines_of(word, self._piece)

    def _is_full(self, writer: ChunkWriter) -> bool:
        """Whether an open chunk has reached a limit that no further word fits."""
        return not self._run.limits().hold(writer.size + ChunkSize(words=1, requests=1))

    def _cut(self, model: str, *, preflight: bool = False) -> ChunkRecord:
        """Finish the open chunk of a model and enter it in the ledger, with the finished words and chunks."""
        writer, origins = self._open[model].writer, self._open[model].origins
        writer.number = len(self._run.ledger.chunks) + 1
        size = writer.finish()
        del self._open[model]
        record = ChunkRecord(
            number=writer.number,
            words=size.words,
            requests=size.requests,
            bytes=size.bytes,
            input_tokens=size.input_tokens,
            output_tokens=size.output_tokens,
            retried=size.retried,
            shared=size.shared,
            wave=self._wave(origins),
            form=self._run.ledger.form_of(model),
            preflight=preflight,
        )
        self._run.ledger.add(record)
        for ordinal in writer.ordinals:
            self._place[ordinal] = record.number
        self._outstanding.subtract(origins)
        self._unsaved = True
        self._save_progress()
        self._run.observer.notify(ChunkMoved(record.number, record.state, record.words, record.requests, record.bytes))
        return record

    def _wave(self, origins: Iterable[int]) -> int:
        """The wave of a chunk: the first for words of the list, else the one after their last chunk's."""
        before = [self._run.ledger.chunk(origin) if origin else None for origin in set(origins)]
        wave = min((each.wave + bool(each.answered) if each else 1 for each in before), default=1)
        estimate = self._run.ledger.estimate
        return min(wave, max(1, len(estimate.waves))) if estimate and estimate.waves else wave

    def _save_progress(self) -> None:
        """Save the cursor, finished words and finished chunks together, if anything has changed."""
        if not self._unsaved:
            return
        ledger = self._run.ledger
        ledger.list_cursor = min(self._unplaced(), default=self._next)
        ledger.retrying = [ordinal for ordinal in ledger.retrying if self._place[ordinal] == NOWHERE]
        ledger.requested = [ordinal for ordinal in ledger.requested if self._place[ordinal] == NOWHERE]
        done = [record.number for record in ledger.in_state(ChunkState.STORED, ChunkState.SPLIT)]
        done = [number for number in done if not self._outstanding[number]]
        for number in done:
            ledger.move(number, ChunkState.DONE)
        self._run.save()
        self._unsaved = False
        self._forget_done()
        self._done = done

    def _forget_done(self) -> None:
        """Delete the request lines of chunks that were finished before the last save, so that the previous copy does
        not need them.
        """
        for number in self._done:
            forget_lines(self._run.folder(self._run.ledger.chunk(number)))
        self._done = []

    def _unplaced(self) -> Iterator[int]:
        """The words of the list that are planned or left for later, but in no chunk of the ledger."""
        yield from self._left
        for page in self._single:
            yield from (page.ordinals if page.origin == _THE_LIST else ())
        for page, _, __ in self._planning:
            yield from (page.ordinals if page.origin == _THE_LIST else ())
        waiting = (packed for packed, origin in self._pending if origin == _THE_LIST)
        yield from (ordinal for packed in waiting for ordinal in packed.ordinals)
        for chunk in self._open.values():
            pairs = zip(chunk.writer.ordinals, chunk.origins, strict=True)
            yield from (ordinal for ordinal, origin in pairs if origin == _THE_LIST)
