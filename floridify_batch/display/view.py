"""The displayed state of a run: a pure fold over its events.

`RunView.apply(event, now)` returns a new view. Unknown figures are None: rates come from this session only, and nothing
is extrapolated from words that have not been planned.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from floridify_batch.components.failure import Failure
from floridify_batch.formatting import count, counted, expiry, megabytes, share, span
from floridify_batch.run.event import (
    BatchPolled,
    ChunkMoved,
    ChunkSettled,
    Event,
    ListRead,
    Notice,
    PartStored,
    Progressed,
    RunEnded,
    RunStarted,
    Stopping,
    Totals,
    Transferred,
    Waiting,
    WordFailed,
)
from floridify_batch.timing import Direction

FINISHED_SHOWN = 2
"""Finished batches that stay on the screen, so that their outcome can be read."""

WORDS_SHOWN = 5
"""Failed words that are kept with their reasons."""

_SHORTEST_MEAN = timedelta(seconds=10)
"""A shorter session has no words per minute: words of earlier sessions may just have been stored."""

_ALL = 100
_FINISHED = frozenset({"STORED", "DONE", "SPLIT", "LOST"})
_IN_FLIGHT = "SUBMITTED"
_COUNTED = (_IN_FLIGHT, "ANSWERED")


@dataclass(frozen=True, slots=True)
class Work:
    """Progress of a step of known length; `unit` is "bytes", "words" or "requests"."""

    done: int
    total: int
    unit: str


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """A batch with its last poll, and its outcome once its results are processed.

    `base`: the last poll before the batch made progress, so that time in the service's queue does not lower its rate.
    `outcome`: answered and failed requests, once the results are processed.
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
        """Completed and failed requests: as reported by the service until the results are processed."""
        if self.outcome is not None:
            return sum(self.outcome)
        return 0 if self.polled is None else self.polled.done + self.polled.failed

    @property
    def failed(self) -> int:
        """Failed requests: as reported by the service until the results are processed."""
        if self.outcome is not None:
            return self.outcome[1]
        return 0 if self.polled is None else self.polled.failed

    @property
    def total(self) -> int:
        """Requests in the batch, as reported by the service once it has counted them."""
        return (self.polled and self.polled.total) or self.requests

    @property
    def rate(self) -> float | None:
        """Requests per second between two polls of this session; None before any progress."""
        if self.base is None or self.polled_at is None or self.done <= self.base[0]:
            return None
        seconds = (self.polled_at - self.base[1]).total_seconds()
        return (self.done - self.base[0]) / seconds if seconds > 0 else None

    def move(self, event: ChunkMoved) -> "BatchProgress":
        """The batch in another state; polls of an earlier submission are discarded."""
        batch_id = event.batch_id or (self.batch_id if event.state not in ("PLANNED", "SUBMITTING") else None)
        moved = replace(self, state=event.state, words=event.words, requests=event.requests, batch_id=batch_id)
        same = batch_id == self.batch_id
        return moved if same else replace(moved, polled=None, polled_at=None, base=None, outcome=None)

    def poll(self, event: BatchPolled, now: datetime) -> "BatchProgress":
        """The batch after a poll. One that has ended keeps the time of its first complete poll: its rate stays."""
        done = event.done + event.failed
        base = self.base
        if base is None or self.batch_id != event.batch_id or done <= base[0]:
            base = (done, now)
        stands = self.polled is not None and self.batch_id == event.batch_id and self.done == done == self.total
        polled_at = self.polled_at if stands else now
        return replace(self, batch_id=event.batch_id, polled=event, polled_at=polled_at, base=base)


@dataclass(frozen=True, slots=True)
class RunView:
    """A run, folded from its events. Times are aware UTC.

    `start`: the totals at the start of this session, which started at `started_at`; the run started at `since`.
    `work`: the progress of the current activity, if known. `watched`: displayed by another process, which has no
    session of its own, so elapsed times are the run's. `percent`: the progress of the run, which never falls.
    `stopping`: the user has asked the session to stop.
    """

    run: str = ""
    model: str = ""
    mode: str = ""
    resumed: bool = False
    totals: Totals = field(default_factory=Totals)
    start: Totals = field(default_factory=Totals)
    started_at: datetime | None = None
    since: datetime | None = None
    ended_at: datetime | None = None
    complete: bool = False
    stopped: bool = False
    watched: bool = False
    stopping: bool = False
    sandbox: bool = False
    percent: int = 0
    wave: str = ""
    activity: str = "Starting"
    work: Work | None = None
    waiting: bool = False
    batches: Mapping[int, BatchProgress] = field(default_factory=dict)
    finished: tuple[BatchProgress, ...] = ()
    failures: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, Failure] = field(default_factory=dict)
    dropped: int = 0
    repaired: int = 0
    failed_words: tuple[WordFailed, ...] = ()

    def apply(self, event: Event, now: datetime) -> "RunView":
        """The view after an event at time `now`."""
        applied = self._apply(event, now)
        # A chunk's new totals come just before its move: for a moment, its answers would be counted twice.
        return applied if isinstance(event, Progressed) else applied.advanced(self.percent)

    def advanced(self, before: int) -> "RunView":
        """The view with its progress brought up to date, and never below `before`."""
        percent = max(before, self.totals.percent(self.answers_in_flight))
        return self if percent == self.percent else replace(self, percent=percent)

    def _apply(self, event: Event, now: datetime) -> "RunView":  # noqa: C901, PLR0911, PLR0912 - one case for each event
        match event:
            case RunStarted():
                return self._begin(event, now)
            case Progressed():
                return replace(self, totals=event.totals, wave=wave_of(event.totals))
            case ListRead():
                return self.with_activity("Planning words", Work(event.done, event.total, "words"))
            case ChunkMoved():
                return self._move(event)
            case Transferred():
                verb = "Uploading" if event.direction is Direction.UP else "Downloading results of"
                return self.with_activity(f"{verb} batch {event.chunk}", Work(event.done, event.total, "bytes"))
            case PartStored():
                return self.with_activity(
                    f"Storing results of batch {event.chunk}", Work(event.done, event.total, "requests")
                )
            case BatchPolled():
                return self._poll(event, now)
            case ChunkSettled():
                return self._settle(event)
            case WordFailed():
                return replace(self, failed_words=(*self.failed_words, event)[-WORDS_SHOWN:])
            case Waiting():
                return replace(self, activity=event.reason, work=None, waiting=True)
            case Stopping():
                return replace(self, stopping=True)
            case RunEnded():
                return self._end(event, now)
            case Notice():
                return self

    def with_activity(self, activity: str, work: Work | None = None) -> "RunView":
        """The view with another activity and its progress."""
        return replace(self, activity=activity, work=work, waiting=False)

    def _begin(self, event: RunStarted, now: datetime) -> "RunView":
        activity = "Resuming" if event.resumed else "Reading the word list"
        begun = RunView(event.run, event.model, event.mode, event.resumed, event.totals, event.totals, now)
        examples = {sample.kind: sample for sample in event.samples}
        begun = replace(begun, wave=wave_of(event.totals), examples=examples, since=event.started_at)
        return replace(begun, activity=activity, failures=event.failures, sandbox=event.sandbox)

    def _end(self, event: RunEnded, now: datetime) -> "RunView":
        ended = replace(self, totals=event.totals, ended_at=now, complete=event.complete, stopped=event.stopped)
        ended = replace(ended, stopping=False)
        return ended.with_activity(verdict(ended))

    def _move(self, event: ChunkMoved) -> "RunView":
        known = self.batches.get(event.chunk)
        moved = (known or BatchProgress(event.chunk, event.state)).move(event)
        if event.state == "DONE" and known is None:
            seen = tuple(each.move(event) if each.chunk == event.chunk else each for each in self.finished)
            return replace(self, finished=seen)
        batches = {number: batch for number, batch in self.batches.items() if number != event.chunk}
        finished = tuple(each for each in self.finished if each.chunk != event.chunk)
        if event.state in _FINISHED:
            finished = (*finished, moved)[-FINISHED_SHOWN:]
        else:
            batches[event.chunk] = moved
        return replace(self.with_activity(_activity_of(event)), batches=batches, finished=finished)

    def _poll(self, event: BatchPolled, now: datetime) -> "RunView":
        if any(event.chunk == each.chunk for each in self.finished):
            return self
        known = self.batches.get(event.chunk) or BatchProgress(event.chunk, _IN_FLIGHT, batch_id=event.batch_id)
        polled = replace(self, batches={**self.batches, event.chunk: known.poll(event, now)})
        if self.waiting:
            return polled
        return polled.with_activity(f"Waiting for {counted(len(polled.in_flight), 'batch', 'batches')}")

    def _settle(self, event: ChunkSettled) -> "RunView":
        failures = dict(Counter(self.failures) + Counter(event.failures))
        examples = {**self.examples, **{sample.kind: sample for sample in event.samples}}
        outcome = (event.answered, sum(event.failures.values()))
        finished = tuple(
            replace(each, outcome=outcome) if each.chunk == event.chunk else each for each in self.finished
        )
        settled = self.with_activity(f"Batch {event.chunk} stored")
        return replace(
            settled,
            failures=failures,
            examples=examples,
            dropped=self.dropped + event.dropped,
            repaired=self.repaired + event.repaired,
            finished=finished,
        )

    @property
    def answers_in_flight(self) -> int:
        """Requests that the service has completed and whose results are not stored yet."""
        return sum(each.done - each.failed for each in self.batches.values() if each.state in _COUNTED)

    @property
    def awaits_storage(self) -> bool:
        """Whether all expected answers are there, and the run is incomplete because some are not stored yet."""
        totals = self.totals
        done = totals.answered + totals.failed_for_good + self.answers_in_flight
        return bool(totals.expected and self.answers_in_flight and done >= totals.expected and self.percent < _ALL)

    @property
    def ended_requests(self) -> int:
        """Completed and failed requests, including those reported by the service and not yet collected."""
        return self.totals.answered + self.totals.failed_requests + sum(each.done for each in self.in_flight)

    @property
    def in_flight(self) -> tuple[BatchProgress, ...]:
        """The batches in flight."""
        return tuple(batch for batch in self.batches.values() if batch.state == _IN_FLIGHT)

    @property
    def success_rate(self) -> float | None:
        """The share of completed requests that were answered; None before any is complete."""
        settled = self.totals.answered + self.totals.failed_requests
        return self.totals.answered / settled if settled else None

    @property
    def nothing_to_do(self) -> bool:
        """Whether this session found the run complete: no request was sent and none was pending."""
        was, now = self.start, self.totals
        same = was.requests == now.requests and was.answered == now.answered
        same = same and (was.failed, was.incomplete) == (now.failed, now.incomplete)
        idle = not now.requests or was.open_words == now.open_words
        return self.complete and same and idle and not now.open_requests and not self.watched

    def elapsed(self, now: datetime) -> timedelta | None:
        """The duration of this session; of a watched run, the time since it started."""
        return None if self.started_at is None else (self.ended_at or now) - self.started_at

    def words_per_minute(self, now: datetime) -> float | None:
        """Words processed per minute in this session; None before the first, and in its first seconds."""
        elapsed, words = self.elapsed(now), self.totals.processed - self.start.processed
        if elapsed is None or elapsed < _SHORTEST_MEAN or words <= 0:
            return None
        return words * 60 / elapsed.total_seconds()

    @property
    def eta(self) -> timedelta | None:
        """The time that the pending requests take at the rate of the batches in flight; None if the rate is unknown."""
        rate = sum(batch.rate or 0 for batch in self.in_flight)
        left = self.totals.requests - self.ended_requests
        return timedelta(seconds=left / rate) if rate > 0 and left > 0 and self.ended_at is None else None

    @property
    def deadline(self) -> datetime | None:
        """The expiry of the first batch in flight that expires."""
        times = (batch.polled.expires_at for batch in self.in_flight if batch.polled is not None)
        return min((time for time in times if time is not None), default=None)

    def eta_or_deadline(self, now: datetime) -> str:
        """The ETA of the batches in flight, else their deadline."""
        if self.ended_at is not None:
            return ""
        if self.eta is not None:
            return f"about {span(self.eta)} for the batches in flight"
        if not self.in_flight:
            return ""
        if self.deadline is None or all(each.total and each.done >= each.total for each in self.in_flight):
            return "waiting for results"
        return f"waiting for results, {expiry(self.deadline, now)}"


def stopping_sentence(view: RunView) -> str:
    """The step that a session finishes before it stops, with its progress: "storing results of batch 2, 31%"."""
    step, work = f"{view.activity[:1].lower()}{view.activity[1:]}", view.work
    now = f" ({step}, {share(work.done, work.total)}; the rest on resume)" if work and work.total else ""
    return f"Stopping: finishing the current step{now}. Press Ctrl-C again to stop now. Nothing is lost either way."


def verdict(view: RunView) -> str:
    """The outcome of a run in one line."""
    if not view.complete:
        return "Stopped early" if view.stopped else "Not complete"
    if view.nothing_to_do:
        return "Nothing to do: every word was already complete"
    return "Finished, with failures" if view.totals.failed or view.totals.incomplete else "Complete"


def progress_phrase(view: RunView) -> str:
    """The progress of a run in one phrase."""
    if view.awaits_storage:
        return f"All answers received, {count(view.answers_in_flight)} not stored yet"
    return f"{view.percent}% of answers done"


def word_counts(totals: Totals) -> str:
    """The words by outcome in one phrase: "40 of 63 words processed, 20 incomplete, 3 failed"."""
    outcomes = f"{count(totals.incomplete)} incomplete, {count(totals.failed)} failed"
    return f"{count(totals.processed)} of {counted(totals.words, 'word')} processed, {outcomes}"


def request_counts(totals: Totals) -> str:
    """The requests by outcome in one phrase: "290 of 300 requests answered, 12 retried, 3 failed for good"."""
    noun = "request" if (totals.expected or totals.unique_requests) == 1 else "requests"
    answered = f"{count(totals.answered)} of {requests_expected(totals)} {noun} answered"
    retried = f", {count(totals.retried)} retried" if totals.retried else ""
    outdated = f", {count(totals.outdated)} outdated" if totals.outdated else ""
    return f"{answered}{retried}{outdated}, {count(totals.without_answer)} failed for good"


def requests_expected(totals: Totals) -> str:
    """The requests of the whole run, marked where they are estimated: "~1,539"; those so far without an estimate."""
    if totals.expected is None or totals.expected == totals.unique_requests:
        return count(totals.unique_requests)
    return f"~{count(totals.expected)}"


def wave_of(totals: Totals) -> str:
    """The current wave with its components: "wave 1 of 2: definitions"; empty if there is only one."""
    waves = totals.waves
    if len(waves) <= 1:
        return ""
    wave = min(max(1, totals.wave), len(waves))
    return f"wave {wave} of {len(waves)}: {waves[wave - 1]}"


def _activity_of(event: ChunkMoved) -> str:
    size = f"{counted(event.requests, 'request')}, {megabytes(event.bytes)}"
    return {
        "PLANNED": f"Batch {event.chunk} ready ({size})",
        "SUBMITTING": f"Submitting batch {event.chunk} ({size})",
        "SUBMITTED": f"Batch {event.chunk} submitted ({size})",
        "ANSWERED": f"Processing results of batch {event.chunk}",
        "STORED": f"Batch {event.chunk} stored",
        "DONE": f"Batch {event.chunk} done",
        "SPLIT": f"Batch {event.chunk} is split: its words are planned again",
        "LOST": f"Batch {event.chunk} given up",
    }.get(event.state, f"Batch {event.chunk}: {event.state.lower()}")
