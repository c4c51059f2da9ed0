"""Fault isolation: chunks and words that cannot be stored, read or planned are deferred, and the others continue.

Their states in the ledger stay, so that the next session processes them once the cause is removed. If one after the
other fails, the cause lies elsewhere, and the run stops.
"""

from collections.abc import Iterator
from typing import NoReturn

from floridify_batch.errors import BatchSynthError, DatabaseError, PartialFailure, ServiceError, stops_run
from floridify_batch.run.event import Notice
from floridify_batch.run.ledger import ChunkRecord, ChunkState
from floridify_batch.run.state import Run

MAX_CHUNKS_IN_A_ROW = 3
"""Chunks that fail with no success between them, at which the run stops."""

MAX_WORDS = 100
"""Words that cannot be read or planned, at which the run stops."""

_SHOWN = 3


class Isolation:
    """The chunks and words that a session has deferred, with their errors."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._chunks: dict[int, Exception] = {}
        self._words: dict[str, Exception] = {}
        self._in_a_row = 0
        self._any_success = False

    def __bool__(self) -> bool:
        return bool(self._chunks or self._words)

    def holds(self, record: ChunkRecord) -> bool:
        """Whether a chunk is left for later, or only words of it are that cannot be planned again."""
        return record.number in self._chunks or (bool(self._words) and record.state in _RETURNED)

    def __contains__(self, number: object) -> bool:
        return number in self._chunks

    @property
    def in_flight(self) -> int:
        """The number of batches in flight that are left for later."""
        states = (self._run.ledger.chunk(number).state for number in self._chunks)
        return sum(state is ChunkState.SUBMITTED for state in states)

    def defer_chunk(self, record: ChunkRecord, error: Exception) -> None:
        """Defer a chunk. Raises the error if it affects the run, or if chunk after chunk fails."""
        if stops_run(error):
            raise error
        self._chunks[record.number] = error
        self._in_a_row += 1
        if self._in_a_row >= MAX_CHUNKS_IN_A_ROW:
            self.raise_error()
        self._run.observer.notify(Notice(f"Batch {record.number} is left for later: {_stated(error)}"))

    def defer_word(self, word: str, error: Exception) -> None:
        """Defer a word. Raises the error if too many words are deferred."""
        self._words[word] = error
        if len(self._words) >= MAX_WORDS:
            self.raise_error()
        self._run.observer.notify(Notice(f"{word} is left for later: {_stated(error)}"))

    def succeeded(self, record: ChunkRecord) -> None:
        """Note that a chunk was stored."""
        self._chunks.pop(record.number, None)
        self._in_a_row = 0
        self._any_success = True

    def raise_error(self, denied: ServiceError | None = None) -> NoReturn:
        """Raise the error with which a run ends that has nothing else to do; `denied`: of its missing batches."""
        if denied is not None:
            raise type(denied)(" ".join(filter(None, (str(denied), self._left()))))
        first = next(iter([*self._chunks.values(), *self._words.values()]))
        kind = PartialFailure if self._any_success or not isinstance(first, BatchSynthError) else type(first)
        raise kind(f"{self._left()} Remove the cause, then resume.") from first

    def _left(self) -> str:
        """Return the sentences on deferred chunks and words."""
        if not self:
            return ""
        done = "Everything else is done." if self._any_success else ""
        return " ".join([*self._left_chunks(), *self._left_words(), *filter(None, [done])])

    def _left_chunks(self) -> Iterator[str]:
        for number, error in [*self._chunks.items()][:_SHOWN]:
            yield f"Batch {number} is not processed: {_stated(error)}"
        if len(self._chunks) > _SHOWN:
            yield f"{len(self._chunks) - _SHOWN} more batches are not processed."
        for number, error in self._chunks.items():
            record = self._run.ledger.chunk(number)
            if isinstance(error, DatabaseError) and record.state is ChunkState.ANSWERED:
                yield f"`batch-synth resume --give-up {record.batch_id}` gives up its refused answers."
                break

    def _left_words(self) -> Iterator[str]:
        for word, error in [*self._words.items()][:_SHOWN]:
            yield f"{word} is not planned: {_stated(error)}"
        if len(self._words) > _SHOWN:
            yield f"{len(self._words) - _SHOWN} more words are not planned."


_RETURNED = (ChunkState.STORED, ChunkState.SPLIT)


def _stated(error: Exception) -> str:
    """Return an error as a sentence; an unexpected one with its type."""
    stated = str(error) if isinstance(error, BatchSynthError) else f"unexpected {type(error).__name__}: {error}"
    return stated if stated.endswith(".") else f"{stated}."
