"""What happens in a run, as frozen values; whoever wants to know is an `Observer`. Silent by default.

An event states how things are, not how they changed, wherever it can: a display that missed one is right again with
the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from floridify_batch.components.failure import Failure
from floridify_batch.costs.usage import Usage
from floridify_batch.timing import Direction


@dataclass(frozen=True, slots=True)
class Totals:
    """The figures of the whole run. `requests` = answered + failed + open; `cost` is None where it is unknown.

    `retried`: how many of the requests ask for something that had failed before.
    """

    words: int = 0
    processed: int = 0
    failed: int = 0
    requests: int = 0
    answered: int = 0
    failed_requests: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: Decimal | None = Decimal(0)
    retried: int = 0

    @property
    def open_words(self) -> int:
        """Words that are neither processed nor failed yet."""
        return self.words - self.processed - self.failed

    @property
    def open_requests(self) -> int:
        """Requests that were written down and have no outcome yet."""
        return self.requests - self.answered - self.failed_requests


@dataclass(frozen=True, slots=True)
class RunBegan:
    """A run begins, or goes on where it was stopped. `failures` by kind, and one of each kind in `samples`.

    `since` is when the run began first, aware UTC.
    """

    run: str
    model: str
    mode: str
    resumed: bool
    totals: Totals
    failures: Mapping[str, int] = field(default_factory=dict)
    samples: tuple[Failure, ...] = ()
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progressed:
    """Words or requests have been counted anew."""

    totals: Totals


@dataclass(frozen=True, slots=True)
class ListRead:
    """How far the word list has been planned."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ChunkMoved:
    """A chunk is in another state of the ledger."""

    chunk: int
    state: str
    words: int
    requests: int
    bytes: int
    batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class Transferred:
    """How much of a chunk's present file is on the other side, in bytes; `total` is 0 where it is not known."""

    chunk: int
    direction: Direction
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class PartStored:
    """How many of a chunk's requests have been settled and, where they were answered, stored."""

    chunk: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class BatchPolled:
    """What the service says of a batch. `total` is 0 while the service has not counted; times are aware UTC."""

    chunk: int
    batch_id: str
    status: str
    total: int
    done: int
    failed: int
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class ChunkSettled:
    """Every request of a chunk has its outcome, and the answers are stored. `samples`: a few of the failures.

    `dropped`: items of lists that were left out because they, and only they, were bad.
    """

    chunk: int
    answered: int
    failures: Mapping[str, int]
    samples: tuple[Failure, ...]
    usage: Usage
    cost: Decimal | None
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class WordFailed:
    """A word for which nothing more can be asked, though something is missing."""

    word: str
    reason: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing can be done but wait: for the service, or for the database to come back."""

    reason: str


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something that the user should know and need not act on."""

    text: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over, or was stopped; `complete` where every word is processed or failed."""

    complete: bool
    stopped: bool
    totals: Totals


type Event = (
    RunBegan
    | Progressed
    | ListRead
    | ChunkMoved
    | Transferred
    | PartStored
    | BatchPolled
    | ChunkSettled
    | WordFailed
    | Waiting
    | Noticed
    | RunEnded
)


class Observer(Protocol):
    """Whoever is told."""

    def notify(self, event: Event) -> None:
        """Take note of an event; must neither raise nor wait."""


class Silent:
    """An observer that takes no note."""

    def notify(self, event: Event) -> None:
        """Do nothing."""
