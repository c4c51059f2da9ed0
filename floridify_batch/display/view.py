"""The state of a run as it is shown: a pure fold over its events, as far as anybody needs to see it.

`RunView.apply(event, now)` returns another view and changes nothing. What cannot be known is None: no figure is guessed
from the past of another sitting, and none is extrapolated from words that have not been planned.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from floridify_batch.components.failure import Failure
from floridify_batch.formatting import counted, expiry, megabytes, span
from floridify_batch.run.event import (
    BatchPolled,
    ChunkMoved,
    ChunkSettled,
    Event,
    ListRead,
    Noticed,
    PartStored,
    Progressed,
    RunBegan,
    RunEnded,
    Totals,
    Transferred,
    Waiting,
    WordFailed,
)
from floridify_batch.timing import Direction

FINISHED_SHOWN = 2
"""Chunks that stay in sight when they are through, so that the eye sees what became of them."""

WORDS_SHOWN = 5
"""Failed words that are remembered with their reasons."""

_FINISHED = frozenset({"STORED", "DONE", "SPLIT", "LOST"})
_IN_FLIGHT = "SUBMITTED"


@dataclass(frozen=True, slots=True)
class Work:
    """How far a piece of work of known length is; `unit` is what is counted: "bytes", "words" or "requests"."""

    done: int
    total: int
    unit: str


@dataclass(frozen=True, slots=True)
class Flight:
    """A chunk on its way, with the latest that the service said of its batch, and then with what came of it.

    `base` is the last poll before the batch began to move, so that hours in the service's queue do not slow its rate.
    `outcome`: how many requests were answered and how many have failed, once their answers have been judged.
    """

    chunk: int
    state: str
    words: int = 0
    requests: int = 0
    batch_id: str | None = None
    polled: BatchPolled | None = None
    polled_at: datetime | None = None
    base: tuple[int, datetime] | None = None
    outcome: tuple[int, int] | None = None

    @property
    def done(self) -> int:
        """Requests that have come to an end, well or badly: the service's count until the answers are judged."""
        if self.outcome is not None:
            return sum(self.outcome)
        return 0 if self.polled is None else self.polled.done + self.polled.failed

    @property
    def failed(self) -> int:
        """Those of them that came to a bad end, as far as is known: an answer may turn out to be of no use."""
        if self.outcome is not None:
            return self.outcome[1]
        return 0 if self.polled is None else self.polled.failed

    @property
    def total(self) -> int:
        """Requests in the batch, by the service's count once it has counted."""
        return (self.polled and self.polled.total) or self.requests

    @property
    def rate(self) -> float | None:
        """Requests a second between two polls of this sitting; None before any progress was reported."""
        if self.base is None or self.polled_at is None or self.done <= self.base[0]:
            return None
        seconds = (self.polled_at - self.base[1]).total_seconds()
        return (self.done - self.base[0]) / seconds if seconds > 0 else None

    def move(self, event: ChunkMoved) -> "Flight":
        """The chunk in another state; what was said of an earlier batch is forgotten with that batch."""
        batch_id = event.batch_id or (self.batch_id if event.state not in ("PLANNED", "SUBMITTING") else None)
        moved = replace(self, state=event.state, words=event.words, requests=event.requests, batch_id=batch_id)
        same = batch_id == self.batch_id
        return moved if same else replace(moved, polled=None, polled_at=None, base=None, outcome=None)

    def poll(self, event: BatchPolled, now: datetime) -> "Flight":
        """The chunk after a poll. The end of a batch is kept as it was first seen: it gets no slower by standing."""
        done = event.done + event.failed
        base = self.base
        if base is None or self.batch_id != event.batch_id or done <= base[0]:
            base = (done, now)
        stands = self.polled is not None and self.batch_id == event.batch_id and self.done == done == self.total
        polled_at = self.polled_at if stands else now
        return replace(self, batch_id=event.batch_id, polled=event, polled_at=polled_at, base=base)


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as its events told it. Times are aware UTC; `start` holds the totals with which this sitting began.

    This sitting began at `began_at`, and the run at `since`.
    `work` is how far the present activity is, where that is known. `watched`: seen from another shell, so that what
    has passed is the run's time, and no sitting's.
    """

    run: str = ""
    model: str = ""
    mode: str = ""
    resumed: bool = False
    totals: Totals = field(default_factory=Totals)
    start: Totals = field(default_factory=Totals)
    began_at: datetime | None = None
    since: datetime | None = None
    ended_at: datetime | None = None
    complete: bool = False
    stopped: bool = False
    watched: bool = False
    activity: str = "Starting"
    work: Work | None = None
    waiting: bool = False
    flights: Mapping[int, Flight] = field(default_factory=dict)
    finished: tuple[Flight, ...] = ()
    failures: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, Failure] = field(default_factory=dict)
    dropped: int = 0
    failed_words: tuple[WordFailed, ...] = ()

    def apply(self, event: Event, now: datetime) -> "RunView":  # noqa: C901, PLR0911 - one case for each event
        """The view after an event that came at `now`."""
        match event:
            case RunBegan():
                return self._begin(event, now)
            case Progressed():
                return replace(self, totals=event.totals)
            case ListRead():
                return self.doing("Planning the list", Work(event.done, event.total, "words"))
            case ChunkMoved():
                return self._move(event)
            case Transferred():
                way = "Uploading" if event.direction is Direction.UP else "Downloading the answers of"
                return self.doing(f"{way} chunk {event.chunk}", Work(event.done, event.total, "bytes"))
            case PartStored():
                stores = f"Storing the answers of chunk {event.chunk}"
                return self.doing(stores, Work(event.done, event.total, "requests"))
            case BatchPolled():
                return self._poll(event, now)
            case ChunkSettled():
                return self._settle(event)
            case WordFailed():
                return replace(self, failed_words=(*self.failed_words, event)[-WORDS_SHOWN:])
            case Waiting():
                return replace(self, activity=event.reason, work=None, waiting=True)
            case RunEnded():
                return self._end(event, now)
            case Noticed():
                return self

    def doing(self, activity: str, work: Work | None = None) -> "RunView":
        """The view once the run does something else, and how far that is."""
        return replace(self, activity=activity, work=work, waiting=False)

    def _begin(self, event: RunBegan, now: datetime) -> "RunView":
        activity = "Going on where the run was stopped" if event.resumed else "Reading the word list"
        begun = RunView(event.run, event.model, event.mode, event.resumed, event.totals, event.totals, now)
        examples = {sample.kind: sample for sample in event.samples}
        return replace(begun, activity=activity, failures=event.failures, examples=examples, since=event.since)

    def _end(self, event: RunEnded, now: datetime) -> "RunView":
        ended = replace(self, totals=event.totals, ended_at=now, complete=event.complete, stopped=event.stopped)
        return ended.doing(verdict(ended))

    def _move(self, event: ChunkMoved) -> "RunView":
        known = self.flights.get(event.chunk)
        moved = (known or Flight(event.chunk, event.state)).move(event)
        if event.state == "DONE" and known is None:
            seen = tuple(each.move(event) if each.chunk == event.chunk else each for each in self.finished)
            return replace(self, finished=seen)
        flights = {number: flight for number, flight in self.flights.items() if number != event.chunk}
        finished = tuple(each for each in self.finished if each.chunk != event.chunk)
        if event.state in _FINISHED:
            finished = (*finished, moved)[-FINISHED_SHOWN:]
        else:
            flights[event.chunk] = moved
        return replace(self.doing(_deed(event)), flights=flights, finished=finished)

    def _poll(self, event: BatchPolled, now: datetime) -> "RunView":
        if any(event.chunk == each.chunk for each in self.finished):
            return self
        known = self.flights.get(event.chunk) or Flight(event.chunk, _IN_FLIGHT, batch_id=event.batch_id)
        polled = replace(self, flights={**self.flights, event.chunk: known.poll(event, now)})
        if self.waiting:
            return polled
        return polled.doing(f"Waiting for {counted(len(polled.in_flight), 'batch', 'batches')}")

    def _settle(self, event: ChunkSettled) -> "RunView":
        failures = dict(Counter(self.failures) + Counter(event.failures))
        examples = {**self.examples, **{sample.kind: sample for sample in event.samples}}
        outcome = (event.answered, sum(event.failures.values()))
        finished = tuple(
            replace(each, outcome=outcome) if each.chunk == event.chunk else each for each in self.finished
        )
        dropped = self.dropped + event.dropped
        settled = self.doing(f"The answers of chunk {event.chunk} are stored")
        return replace(settled, failures=failures, examples=examples, dropped=dropped, finished=finished)

    @property
    def ended_requests(self) -> int:
        """Requests that have come to an end, those included that only the service knows to have."""
        return self.totals.answered + self.totals.failed_requests + sum(each.done for each in self.in_flight)

    @property
    def in_flight(self) -> tuple[Flight, ...]:
        """The chunks whose batches the service has."""
        return tuple(flight for flight in self.flights.values() if flight.state == _IN_FLIGHT)

    @property
    def success_rate(self) -> float | None:
        """The part of the settled requests that was answered; None where nothing is settled."""
        settled = self.totals.answered + self.totals.failed_requests
        return self.totals.answered / settled if settled else None

    @property
    def nothing_to_do(self) -> bool:
        """Whether this sitting found everything done: nothing was asked and nothing was open."""
        was, now = self.start, self.totals
        same = (was.requests, was.answered, was.failed) == (now.requests, now.answered, now.failed)
        return self.complete and same and not now.open_requests and not self.watched

    def elapsed(self, now: datetime) -> timedelta | None:
        """How long this sitting has lasted; of a run that is watched, how long ago it began."""
        return None if self.began_at is None else (self.ended_at or now) - self.began_at

    def words_per_minute(self, now: datetime) -> float | None:
        """Words processed a minute in this sitting; None before the first of them, or where there is no sitting."""
        elapsed, words = self.elapsed(now), self.totals.processed - self.start.processed
        return words * 60 / elapsed.total_seconds() if elapsed and words > 0 else None

    @property
    def eta(self) -> timedelta | None:
        """How long the open requests will take at the rate which the batches in flight report, if they do."""
        rate = sum(flight.rate or 0 for flight in self.in_flight)
        left = self.totals.requests - self.ended_requests
        return timedelta(seconds=left / rate) if rate > 0 and left > 0 and self.ended_at is None else None

    @property
    def deadline(self) -> datetime | None:
        """When the first of the batches in flight expires."""
        times = (flight.polled.expires_at for flight in self.in_flight if flight.polled is not None)
        return min((time for time in times if time is not None), default=None)

    def outlook(self, now: datetime) -> str:
        """How long it will take, in words. An ETA is of what is in flight: nobody knows what will be asked after it."""
        if self.ended_at is not None:
            return "ended"
        if self.eta is not None:
            return f"about {span(self.eta)} for what is in flight"
        if not self.in_flight:
            return "not known yet"
        if self.deadline is None:
            return "waiting"
        return f"waiting, {expiry(self.deadline, now)}"


def verdict(view: RunView) -> str:
    """How a run stands, in one line that says "complete" only where it is."""
    if not view.complete:
        return "Stopped before the end" if view.stopped else "Not complete"
    if view.nothing_to_do:
        return "Nothing to do: every word was done before"
    return "Complete, with failures" if view.totals.failed else "Complete"


def _deed(event: ChunkMoved) -> str:
    size = f"{counted(event.requests, 'request')}, {megabytes(event.bytes)}"
    return {
        "PLANNED": f"Chunk {event.chunk} is ready to be sent ({size})",
        "SUBMITTING": f"Sending chunk {event.chunk} ({size})",
        "SUBMITTED": f"Chunk {event.chunk} was sent ({size})",
        "ANSWERED": f"Reading the answers of chunk {event.chunk}",
        "STORED": f"The answers of chunk {event.chunk} are stored",
        "DONE": f"Chunk {event.chunk} is done",
        "SPLIT": f"Chunk {event.chunk} was too large for the account's limit and is cut again",
        "LOST": f"The service no longer has the batch of chunk {event.chunk}",
    }.get(event.state, f"Chunk {event.chunk}: {event.state.lower()}")
