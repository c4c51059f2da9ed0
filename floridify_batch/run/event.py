"""Events of a run, as frozen values, and the `Observer` protocol that receives them.

Wherever possible, an event states the current figures rather than a change, so that a display that missed one is
correct again with the next.
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
    """The figures of the whole run. `cost` is None if it is unknown.

    `words` = processed + incomplete + failed + remaining: an incomplete word has some of its answers, a failed one has
    none. `requests` counts every attempt; `retried` are those that retry a failed one, and `failed_for_good` the
    failures that will not be retried; `outdated` of these have a valid answer, whose document is gone or has another
    value by now. `expected`: the requests of the whole run without retries, as estimated and then
    as planned; None if there is no estimate. `wave`: the current one of `waves`, named after its components.
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
    incomplete: int = 0
    failed_for_good: int = 0
    expected: int | None = None
    wave: int = 1
    waves: tuple[str, ...] = ()
    outdated: int = 0

    @property
    def without_answer(self) -> int:
        """The requests that have no valid answer, and will not be retried."""
        return self.failed_for_good - self.outdated

    @property
    def open_words(self) -> int:
        """Remaining words: neither processed, incomplete nor failed yet."""
        return self.words - self.processed - self.incomplete - self.failed

    @property
    def pending(self) -> int:
        """Requests without an outcome, and failed ones that may still be retried."""
        return self.open_requests + max(0, self.failed_requests - self.retried - self.failed_for_good)

    @property
    def unique_requests(self) -> int:
        """Requests without retries: answered + finally failed + pending."""
        return self.answered + self.failed_for_good + self.pending

    def percent(self, in_flight: int = 0) -> int:
        """The progress of the run: its answers, those `in_flight` included, in percent of the expected total.

        Without an estimate, finished words in percent of the list. 100 only when no word remains.
        """
        if self.words and not self.open_words and not self.pending:
            return 100
        done, total = self.answered + self.failed_for_good + in_flight, self.expected
        if total is None:
            done, total = self.words - self.open_words, self.words
        return min(99, 100 * done // total) if total > 0 else 0

    @property
    def open_requests(self) -> int:
        """Requests without an outcome."""
        return self.requests - self.answered - self.failed_requests


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run starts or resumes. `samples`: a failure of each kind; `started_at`: the first start of the run.

    `sandbox`: its answers are invented.
    """

    run: str
    model: str
    mode: str
    resumed: bool
    totals: Totals
    failures: Mapping[str, int] = field(default_factory=dict)
    samples: tuple[Failure, ...] = ()
    started_at: datetime | None = None
    sandbox: bool = False


@dataclass(frozen=True, slots=True)
class Progressed:
    """The figures of the run have changed."""

    totals: Totals


@dataclass(frozen=True, slots=True)
class ListRead:
    """Words of the list that have been planned."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ChunkMoved:
    """A chunk has moved to another state."""

    chunk: int
    state: str
    words: int
    requests: int
    bytes: int
    batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class Transferred:
    """Progress of an upload or download of a chunk's file in bytes; `total` is 0 if it is unknown."""

    chunk: int
    direction: Direction
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class PartStored:
    """Requests of a chunk whose results are processed and stored."""

    chunk: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class BatchPolled:
    """The status of a batch as reported by the service; `total` is 0 until it has counted. Times are aware UTC."""

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
    """All results of a chunk are processed and stored. `samples`: examples of its failures.

    `dropped`: invalid list items that were discarded from otherwise valid answers; `repaired`: answers that are used
    although they are not plain JSON.
    """

    chunk: int
    answered: int
    failures: Mapping[str, int]
    samples: tuple[Failure, ...]
    usage: Usage
    cost: Decimal | None
    dropped: int = 0
    repaired: int = 0


@dataclass(frozen=True, slots=True)
class WordFailed:
    """A word will get no further answers, for `reason`; `incomplete`: it has some."""

    word: str
    reason: str
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """The run waits for the service or the database."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stopping:
    """The user has asked the session to stop; the current step is being finished."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Information that requires no action."""

    text: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The session has ended; `complete`: every word is processed, incomplete or failed."""

    complete: bool
    stopped: bool
    totals: Totals


type Event = (
    RunStarted
    | Progressed
    | ListRead
    | ChunkMoved
    | Transferred
    | PartStored
    | BatchPolled
    | ChunkSettled
    | WordFailed
    | Waiting
    | Stopping
    | Notice
    | RunEnded
)


class Observer(Protocol):
    """A receiver of events."""

    def notify(self, event: Event) -> None:
        """Handle an event; must neither raise nor block."""


class NullObserver:
    """An observer that ignores events."""

    def notify(self, event: Event) -> None:
        """Do nothing."""
