"""Plain lines for logs: one for each event that says something new."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TextIO

from floridify_batch.display.text import plain
from floridify_batch.display.view import RunView
from floridify_batch.formatting import count, counted, dollars, expiry, progress, stamp
from floridify_batch.run.event import (
    BatchPolled,
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
from floridify_batch.timing import Clock

WORDS_TOLD = 20
"""Failed words that have a line each; of those after them, how many there are is told now and then."""

_PAUSE = timedelta(seconds=10)
_STEADY = (Progressed, ListRead, Transferred, PartStored)
_QUIET = (Noticed, WordFailed, RunEnded)


def write_line(stream: TextIO, line: str) -> None:
    """Write a line at once; a stream that has gone away is no matter."""
    encoding = stream.encoding or "utf-8"
    with suppress(OSError, ValueError):
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()


class LogDisplay:
    """An observer that writes a line per event that says something new; each line can be understood alone.

    `quiet`: only of what went wrong, and of the end.
    """

    def __init__(self, stream: TextIO, clock: Clock, *, quiet: bool = False) -> None:
        self.view = RunView()
        self._stream = stream
        self._clock = clock
        self._quiet = quiet
        self._said: dict[object, tuple[object, datetime]] = {}
        self._failed_words = 0
        self._told_at: datetime | None = None

    def notify(self, event: Event) -> None:
        """Take note of an event; a stream that has gone away is no matter."""
        now = self._clock()
        self.view = self.view.apply(event, now)
        if isinstance(event, WordFailed):
            self._failed_words += 1
        if self._is_wanted(event) and self._is_news(event, now):
            self._tell_of_more_failed_words(now)
            self._tell(now, sentence(event, self.view, now))

    def _tell(self, now: datetime, text: str) -> None:
        self._told_at = now
        write_line(self._stream, f"{stamp(now)}  {plain(text)}")

    def _tell_of_more_failed_words(self, now: datetime) -> None:
        if self._failed_words > WORDS_TOLD:
            last = self.view.failed_words[-1]
            more = counted(self._failed_words - WORDS_TOLD, "more word")
            self._tell(now, f"Failed: {more}, the last of them {last.word}: {last.reason}")
            self._failed_words = WORDS_TOLD

    def _is_wanted(self, event: Event) -> bool:
        if self._quiet and not isinstance(event, _QUIET):
            return False
        return not isinstance(event, WordFailed) or self._failed_words <= WORDS_TOLD

    def _is_news(self, event: Event, now: datetime) -> bool:
        """Whether this was not just said; counts that move all the time are told now and then."""
        if isinstance(event, Transferred | PartStored) and not self._is_long_silent(now):
            return False
        topic: object = (type(event), event.chunk) if isinstance(event, BatchPolled) else type(event)
        said, told_at = self._said.get(topic, (None, now - _PAUSE))
        steady = isinstance(event, _STEADY) and not (isinstance(event, ListRead) and event.done >= event.total)
        if said == event or (steady and now - told_at < _PAUSE):
            return False
        if not isinstance(event, BatchPolled):
            self._said.pop(Waiting, None)
        self._said[topic] = (event, now)
        return True

    def _is_long_silent(self, now: datetime) -> bool:
        """Whether it is time for a sign of life; what is through sooner is told of once it is."""
        return self._told_at is None or now - self._told_at >= _PAUSE


def sentence(event: Event, view: RunView, now: datetime) -> str:  # noqa: PLR0911 - one case for each event
    """An event in one sentence, after which the view is `view`."""
    match event:
        case RunBegan():
            verb = "goes on" if event.resumed else "begins"
            return f"Run {event.run} {verb}: {event.model}, {event.mode}; {_counts(event.totals)}"
        case Progressed(totals):
            return _counts(totals)
        case BatchPolled():
            ends = "" if event.expires_at is None else f", {expiry(event.expires_at, now)}"
            done = f"{count(event.done + event.failed)} of {count(event.total)} requests done"
            counts = f"{done}, {count(event.failed)} of them failed"
            return f"Chunk {event.chunk}: {event.batch_id} is {event.status.replace('_', ' ')}, {counts}{ends}"
        case ChunkSettled():
            failed = ", ".join(f"{count(number)} {kind}" for kind, number in event.failures.items()) or "none"
            cost = dollars(event.cost)
            dropped = f"; {counted(event.dropped, 'bad item')} left out of lists" if event.dropped else ""
            outcome = f"{counted(event.answered, 'request')} answered, failed: {failed}{dropped}"
            return f"Chunk {event.chunk}: {outcome}; cost {cost}"
        case WordFailed(word, reason):
            return f"Failed: {word}: {reason}"
        case Noticed(text):
            return text
        case RunEnded(totals=totals):
            return f"{view.activity}: {_counts(totals)}"
    work = view.work
    return f"{view.activity}: {progress(work.done, work.total, work.unit)}" if work else view.activity


def _counts(totals: Totals) -> str:
    words = f"{count(totals.processed)} of {counted(totals.words, 'word')} processed, {count(totals.failed)} failed"
    requests = f"{count(totals.answered)} of {counted(totals.requests, 'request')} answered"
    again = f", {count(totals.retried)} asked again" if totals.retried else ""
    return f"{words}; {requests}, {count(totals.failed_requests)} failed{again}; cost {dollars(totals.cost)}"
