"""The ledger: where every chunk of a run stands, and which words are finished.

Theory of operation. A chunk's state is written down before the deed that it names, so that whoever finds the file
after a crash knows what may have happened:

    PLANNED     the chunk's files are on disk; nothing was sent
    SUBMITTING  submission n may or may not exist at the service: look for its label before creating anything
    SUBMITTED   the batch exists, its id is known, and it is being paid for
    ANSWERED    both answer files are on our disk
    STORED      every answer is in the database, every failure in `failures.jsonl`
    DONE        each of its words is in a later chunk, processed or failed: the chunk is history
    SPLIT       too large for the account's token limit, or never sent and too dear for the present `--max-cost`:
                nothing was answered, its words are planned again in smaller chunks
    LOST        the service no longer knows the batch, or no longer holds its files: nothing is asked again unasked

A word of the list is at every moment in exactly one place: beyond `list_cursor`, in the highest-numbered chunk that
holds it and is not DONE, in `processed_words`, or in `failed_words`. So a chunk's words that are in none of the others
are the ones to be planned again. Words that failed and are given another chance leave every chunk: they are beyond
`list_cursor` again, and those that no new chunk holds yet are in `retrying`, by their places in the list.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator

from floridify_batch.costs.account import Adopted, Dollars, Forecast, Spent, TokenCount
from floridify_batch.costs.price import Rates, Usage, together
from floridify_batch.run.event import Totals
from floridify_batch.run.settings import RunInfo
from floridify_batch.words.word_log import WordLog

VERSION = 1


class ChunkState(StrEnum):
    """Where a chunk stands."""

    PLANNED = "PLANNED"
    SUBMITTING = "SUBMITTING"
    SUBMITTED = "SUBMITTED"
    ANSWERED = "ANSWERED"
    STORED = "STORED"
    DONE = "DONE"
    SPLIT = "SPLIT"
    LOST = "LOST"


_S = ChunkState

TRANSITIONS: Mapping[ChunkState, frozenset[ChunkState]] = {
    _S.PLANNED: frozenset({_S.SUBMITTING, _S.SPLIT}),
    _S.SUBMITTING: frozenset({_S.SUBMITTED}),
    _S.SUBMITTED: frozenset({_S.ANSWERED, _S.PLANNED, _S.SPLIT, _S.LOST}),
    _S.ANSWERED: frozenset({_S.STORED}),
    _S.STORED: frozenset({_S.DONE}),
    _S.SPLIT: frozenset({_S.DONE}),
    _S.LOST: frozenset({_S.STORED}),
    _S.DONE: frozenset(),
}


COMMITTED = (ChunkState.SUBMITTING, ChunkState.SUBMITTED, ChunkState.ANSWERED)
"""The states in which a chunk is being paid for, and its bill is still to come."""

SETTLED = (ChunkState.STORED, ChunkState.DONE)
"""The states in which a chunk's bill is in."""


class IllegalMove(RuntimeError):
    """A chunk cannot go from its state to that one; nothing was changed."""


class ChunkRecord(BaseModel):
    """What the ledger knows of a chunk. Times are epoch seconds, `cost` US dollars, None where it is unknown.

    `alone`: none of ours was in flight when it was submitted, so that a full queue is of its own making. `doubtful`:
    it was created again after an answer that told nothing, so that another batch of its label may still show itself.
    `billed`: what the service says that the batch used, where it says so; `usage` is the sum over its answers, of which
    there were `paid`, usable or not (None in older checkpoints, which did not count them).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    number: int
    state: ChunkState = ChunkState.PLANNED
    words: int
    requests: int
    bytes: int
    input_tokens: int
    output_tokens: int
    retried: int = 0
    submission: int = 0
    alone: bool = False
    doubtful: bool = False
    file_id: str | None = None
    batch_id: str | None = None
    created_at: float | None = None
    completed_at: float | None = None
    stored_at: float | None = None
    absent_reason: str | None = None
    absent_detail: str | None = None
    answered: int = 0
    paid: int | None = None
    failures: dict[str, int] = Field(default_factory=dict)
    usage: TokenCount = TokenCount()
    billed: TokenCount | None = None
    cost: Dollars | None = Decimal(0)

    @property
    def failed(self) -> int:
        """How many requests came back without a usable answer."""
        return sum(self.failures.values())

    def label(self, run: str) -> str:
        """The name under which this submission is known at the service."""
        return f"{run}/{self.number:04d}/{self.submission}"


type ProcessedWords = Annotated[Sequence[str], PlainValidator(WordLog.of), PlainSerializer(list, return_type=list[str])]


class Ledger(BaseModel):
    """A run's progress, in the form in which the checkpoint holds it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    version: int = VERSION
    processed_words: ProcessedWords = Field(default_factory=WordLog)
    failed_words: dict[str, str] = Field(default_factory=dict)
    start_time: float
    total_cost: float | None = 0.0
    total_tokens: int = 0
    timestamp: str = ""
    run: RunInfo
    list_cursor: int = 0
    retrying: list[int] = Field(default_factory=list)
    token_limit: int | None = None
    carried_cost: Dollars = Decimal(0)
    carried_tokens: int = 0
    estimate: Forecast | None = None
    spent: dict[str, Spent] = Field(default_factory=dict)
    chunks: list[ChunkRecord] = Field(default_factory=list)

    def chunk(self, number: int) -> ChunkRecord:
        """A chunk by its number; numbers begin at 1 and have no gaps."""
        return self.chunks[number - 1]

    def add(self, record: ChunkRecord) -> None:
        """Enter a new chunk. Raises `IllegalMove` unless it is the next one."""
        if record.number != len(self.chunks) + 1:
            raise IllegalMove(f"chunk {record.number} cannot follow chunk {len(self.chunks)}")
        self.chunks.append(record)

    def move(self, number: int, to: ChunkState, **facts: Any) -> ChunkRecord:
        """Bring a chunk into another state, with what has become known. Raises `IllegalMove`, changing nothing."""
        record = self.chunk(number)
        if to not in TRANSITIONS[record.state]:
            raise IllegalMove(f"chunk {number} cannot go from {record.state} to {to}")
        return self._replace(record, state=to, **facts)

    def note(self, number: int, **facts: Any) -> ChunkRecord:
        """Note what has become known of a chunk without moving it."""
        return self._replace(self.chunk(number), **facts)

    def _replace(self, record: ChunkRecord, **facts: Any) -> ChunkRecord:
        replaced = record.model_copy(update=facts)
        self.chunks[record.number - 1] = replaced
        return replaced

    def change_pace(self, pace: Mapping[str, Any]) -> None:
        """Change settings by which a run goes on differently and remains the same: its pace, and what it may spend."""
        settings = self.run.settings.model_copy(update=dict(pace))
        self.run = self.run.model_copy(update={"settings": settings})

    def process(self, word: str) -> None:
        """Enter a word for which nothing is missing any more."""
        if not isinstance(self.processed_words, WordLog):
            self.processed_words = WordLog(self.processed_words)
        self.processed_words.append(word)

    def retry(self, ordinals: Mapping[str, int]) -> None:
        """Give every failed word another chance, as if it had never been asked; `ordinals` are places in the list."""
        again = {ordinals[word] for word in self.failed_words}
        self.list_cursor = min(again | {self.list_cursor})
        self.retrying = sorted(again.union(self.retrying))
        self.failed_words = {}

    def spend(self, spent: Mapping[str, Spent]) -> None:
        """Add what a chunk's answers cost, by component."""
        for component, more in spent.items():
            self.spent[component] = self.spent.get(component, Spent()) + more

    def adopt(self, adopted: Adopted, words: Iterable[str]) -> None:
        """Take over what a checkpoint of the six known keys alone says was done and paid before this run."""
        self.processed_words = WordLog(word for word in words if word in adopted.words)
        self.carried_cost, self.carried_tokens = adopted.cost, adopted.tokens

    def price_with(self, rate: Rates) -> None:
        """Give a price to what was paid while nobody knew one, from what it used."""
        for record in self.chunks:
            if record.cost is None:
                self.note(record.number, cost=rate.cost(record.usage.usage()))
        for component, spent in self.spent.items():
            if spent.cost is None:
                self.spent[component] = spent.model_copy(update={"cost": rate.cost(spent.usage.usage())})

    def in_state(self, *states: ChunkState) -> Iterator[ChunkRecord]:
        """The chunks in any of these states, in the order of their numbers."""
        return (record for record in self.chunks if record.state in states)

    @property
    def finished(self) -> bool:
        """Whether every word of the list is processed or failed."""
        return len(self.processed_words) + len(self.failed_words) == self.run.words and all(
            record.state is ChunkState.DONE for record in self.chunks
        )

    def failures(self) -> dict[str, int]:
        """How many requests have failed of each kind, in the whole run."""
        counted: Counter[str] = Counter()
        for record in self.chunks:
            counted.update(record.failures)
        return dict(counted)

    def totals(self) -> Totals:
        """The figures of the whole run. A split chunk's requests count where they are asked again.

        What an adopted checkpoint had cost before is a part of the cost.
        """
        counted = [record for record in self.chunks if not _given_up(record)]
        return Totals(
            words=self.run.words,
            processed=len(self.processed_words),
            failed=len(self.failed_words),
            requests=sum(record.requests for record in counted),
            answered=sum(record.answered for record in counted),
            failed_requests=sum(record.failed for record in counted),
            usage=sum((record.usage.usage() for record in counted), Usage()),
            cost=cost_of(counted, self.carried_cost),
            retried=sum(record.retried for record in counted),
        )


def _given_up(record: ChunkRecord) -> bool:
    """Whether none of the chunk's requests was taken: it was split, and its words were planned again."""
    return record.state is ChunkState.SPLIT or (record.state is ChunkState.DONE and not record.answered + record.failed)


def cost_of(records: Sequence[ChunkRecord], before: Decimal = Decimal(0)) -> Decimal | None:
    """What chunks have cost together, and before; None as soon as one of them has an unknown cost."""
    return together([before, *(record.cost for record in records)])
