"""Log lines: one for each event with new information."""

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
    Notice,
    PartStored,
    Progressed,
    RunEnded,
    RunStarted,
    Totals,
    Transferred,
    Waiting,
    WordFailed,
)
from floridify_batch.timing import Clock

WORDS_LOGGED = 20
"""Failed words with a line each; later ones are only counted."""

_PAUSE = timedelta(seconds=10)
_STEADY = (Progressed, ListRead, Transferred, PartStored)
_QUIET = (Notice, WordFailed, RunEnded)


def write_line(stream: TextIO, line: str) -> None:
    """Write a line and flush it; a closed stream is ignored."""
    encoding = stream.encoding or "utf-8"
    with suppress(OSError, ValueError):
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()


class LogDisplay:
    """An observer that writes a self-contained line for each event with new information.

    `quiet`: errors and the end only.
    """

    def __init__(self, stream: TextIO, clock: Clock, *, quiet: bool = False) -> None:
        self.view = RunView()
        self._stream = stream
        self._clock = clock
        self._quiet = quiet
        self._logged: dict[object, tuple[object, datetime]] = {}
        self._failed_words = 0
        self._written_at: datetime | None = None

    def notify(self, event: Event) -> None:
        """Log an event; a closed stream is ignored."""
        now = self._clock()
        self.view = self.view.apply(event, now)
        if isinstance(event, WordFailed):
            self._failed_words += 1
        if self._is_wanted(event) and self._is_news(event, now):
            self._write_failed_words(now)
            self._write(now, sentence(event, self.view, now))

    def _write(self, now: datetime, text: str) -> None:
        self._written_at = now
        write_line(self._stream, f"{stamp(now)}  {plain(text)}")

    def _write_failed_words(self, now: datetime) -> None:
        if self._failed_words > WORDS_LOGGED:
            last = self.view.failed_words[-1]
            more = counted(self._failed_words - WORDS_LOGGED, "more word")
            self._write(now, f"Failed: {more}, most recently {last.word}: {last.reason}")
            self._failed_words = WORDS_LOGGED

    def _is_wanted(self, event: Event) -> bool:
        if self._quiet and not isinstance(event, _QUIET):
            return False
        return not isinstance(event, WordFailed) or self._failed_words <= WORDS_LOGGED

    def _is_news(self, event: Event, now: datetime) -> bool:
        """Whether the event has new information; figures that change continuously are logged every 10 s."""
        if isinstance(event, Transferred | PartStored) and not self._is_long_silent(now):
            return False
        topic: object = (type(event), event.chunk) if isinstance(event, BatchPolled) else type(event)
        last, logged_at = self._logged.get(topic, (None, now - _PAUSE))
        steady = isinstance(event, _STEADY) and not (isinstance(event, ListRead) and event.done >= event.total)
        if last == event or (steady and now - logged_at < _PAUSE):
            return False
        if not isinstance(event, BatchPolled):
            self._logged.pop(Waiting, None)
        self._logged[topic] = (event, now)
        return True

    def _is_long_silent(self, now: datetime) -> bool:
        """Whether nothing has been logged for 10 s; shorter steps are logged only when they end."""
        return self._written_at is None or now - self._written_at >= _PAUSE


def sentence(event: Event, view: RunView, now: datetime) -> str:  # noqa: PLR0911 - one case for each event
    """An event as a sentence; `view` is the view after it."""
    match event:
        case RunStarted():
            verb = "resumed" if event.resumed else "started"
            mode = f"{event.mode}, sandbox" if event.sandbox else event.mode
            return f"Run {event.run} {verb}: {event.model}, {mode}; {_counts(event.totals)}"
        case Progressed(totals):
            return _counts(totals)
        case BatchPolled():
            deadline = "" if event.expires_at is None else f", {expiry(event.expires_at, now)}"
            done = f"{count(event.done + event.failed)} of {counted(event.total, 'request')} done"
            counts = f"{done}, {count(event.failed)} failed"
            return f"Batch {event.chunk} ({event.batch_id}) {event.status.replace('_', ' ')}: {counts}{deadline}"
        case ChunkSettled():
            return _settled(event)
        case WordFailed(word, reason):
            return f"Failed: {word}: {reason}"
        case Notice(text):
            return text
        case RunEnded(totals=totals):
            return f"{view.activity}: {_counts(totals)}"
    work = view.work
    return f"{view.activity}: {progress(work.done, work.total, work.unit)}" if work else view.activity


def _settled(event: ChunkSettled) -> str:
    kinds = ", ".join(f"{count(number)} {kind}" for kind, number in event.failures.items())
    failed = f"{count(sum(event.failures.values()))} failed{f' ({kinds})' if kinds else ''}"
    dropped = f", {counted(event.dropped, 'invalid list item')} discarded" if event.dropped else ""
    repaired = f", {counted(event.repaired, 'answer')} repaired" if event.repaired else ""
    return f"Batch {event.chunk}: {count(event.answered)} succeeded, {failed}{dropped}{repaired}, {dollars(event.cost)}"


def _counts(totals: Totals) -> str:
    words = f"{count(totals.processed)} of {counted(totals.words, 'word')} processed, {count(totals.failed)} failed"
    requests = f"{count(totals.answered)} of {counted(totals.requests, 'request')} answered"
    retried = f", {count(totals.retried)} retried" if totals.retried else ""
    return f"{words}; {requests}, {count(totals.failed_requests)} failed{retried}; cost {dollars(totals.cost)}"
