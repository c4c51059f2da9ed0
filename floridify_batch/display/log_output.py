"""Log lines: one for each event with new information."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TextIO

from floridify_batch.display.text import plain, shorten
from floridify_batch.display.view import RunView, request_counts, stopping_sentence, word_counts
from floridify_batch.formatting import count, counted, dollars, expiry, progress, stamp
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
from floridify_batch.timing import Clock

WORDS_LOGGED = 20
"""Failed words with a line each; later ones are only counted."""

_PAUSE = timedelta(seconds=10)
_STEP = 10
"""Percent of a batch, and of the run, from one line to the next."""

_PACED = (ListRead, Transferred, PartStored)
_QUIET = (Notice, WordFailed, Stopping, RunEnded)
_MOVES = ("SUBMITTING", "SUBMITTED", "ANSWERED", "SPLIT", "LOST")
"""The states of a batch that have a line; its outcome has one of its own."""

_ID = 16
"""Columns of a batch id in a line."""


def write_line(stream: TextIO, line: str) -> None:
    """Write a line and flush it; a closed stream is ignored."""
    encoding = stream.encoding or "utf-8"
    with suppress(OSError, ValueError):
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()


class LogDisplay:
    """An observer that writes self-contained lines: one per change of state, and one per 10 % of progress.

    `quiet`: errors and the end only.
    """

    def __init__(self, stream: TextIO, clock: Clock, *, quiet: bool = False) -> None:
        self.view = RunView()
        self._stream = stream
        self._clock = clock
        self._quiet = quiet
        self._logged: dict[object, object] = {}
        self._failed_words = 0
        self._written_at: datetime | None = None

    def notify(self, event: Event) -> None:
        """Log an event; a closed stream is ignored."""
        now, step = self._clock(), self.view.percent // _STEP
        self.view = self.view.apply(event, now)
        if isinstance(event, WordFailed):
            self._failed_words += 1
        if self._is_wanted(event) and self._is_news(event, now):
            self._write_failed_words(now)
            self._write(now, sentence(event, self.view, now))
        if self.view.percent // _STEP > step and not self._quiet and not isinstance(event, RunStarted | RunEnded):
            self._write(now, _progress(self.view))

    def _write(self, now: datetime, text: str) -> None:
        self._written_at = now
        write_line(self._stream, f"{stamp(now)}  {plain(text)}")

    def _write_failed_words(self, now: datetime) -> None:
        if self._failed_words > WORDS_LOGGED:
            last = self.view.failed_words[-1]
            more = counted(self._failed_words - WORDS_LOGGED, "more word")
            self._write(now, f"Incomplete or failed: {more}, most recently {last.word}: {last.reason}")
            self._failed_words = WORDS_LOGGED

    def _is_wanted(self, event: Event) -> bool:
        if isinstance(event, Progressed) or (self._quiet and not isinstance(event, _QUIET)):
            return False
        if isinstance(event, ChunkMoved):
            return event.state in _MOVES
        return not isinstance(event, WordFailed) or self._failed_words <= WORDS_LOGGED

    def _is_news(self, event: Event, now: datetime) -> bool:
        """Whether the event has new information; figures that change continuously are logged every 10 s."""
        if isinstance(event, _PACED):
            return self._is_long_silent(now) or (isinstance(event, ListRead) and event.done >= event.total)
        topic: object = (type(event), event.chunk) if isinstance(event, BatchPolled) else type(event)
        news = _poll_news(event) if isinstance(event, BatchPolled) else event
        if self._logged.get(topic) == news:
            return False
        if not isinstance(event, BatchPolled):
            self._logged.pop(Waiting, None)
        self._logged[topic] = news
        return True

    def _is_long_silent(self, now: datetime) -> bool:
        """Whether nothing has been logged for 10 s; shorter steps are logged only when they end."""
        return self._written_at is None or now - self._written_at >= _PAUSE


def _poll_news(event: BatchPolled) -> tuple[str, str, int]:
    """The part of a poll that is worth a line: the status, and the progress in steps of 10 %."""
    done = event.done + event.failed
    return event.batch_id, event.status, done * 100 // event.total // _STEP if event.total else 0


def sentence(event: Event, view: RunView, now: datetime) -> str:  # noqa: PLR0911 - one case for each event
    """An event as a sentence; `view` is the view after it."""
    match event:
        case RunStarted():
            verb = "resumed" if event.resumed else "started"
            mode = f"{event.mode}, sandbox" if event.sandbox else event.mode
            return f"Run {event.run} {verb}: {event.model}, {mode}; {_counts(view.totals)}"
        case BatchPolled():
            return _polled(event, now)
        case ChunkSettled():
            return _settled(event)
        case WordFailed(word, reason, incomplete):
            return f"{'Incomplete' if incomplete else 'Failed'}: {word}: {reason}"
        case Notice(text):
            return text
        case Stopping():
            return stopping_sentence(view)
        case RunEnded():
            return f"{view.activity}: {_counts(view.totals)}"
    work = view.work
    return f"{view.activity}: {progress(work.done, work.total, work.unit)}" if work else view.activity


def _polled(event: BatchPolled, now: datetime) -> str:
    batch = f"Batch {event.chunk} ({shorten(plain(event.batch_id), _ID)})"
    done = f"{count(event.done + event.failed)} of {counted(event.total, 'request')} done"
    failed = f", {count(event.failed)} failed" if event.failed else ""
    ended = event.total and event.done + event.failed >= event.total
    deadline = "" if event.expires_at is None or ended else f", {expiry(event.expires_at, now)}"
    return f"{batch} {event.status.replace('_', ' ')}: {done}{failed}{deadline}"


def _settled(event: ChunkSettled) -> str:
    kinds = ", ".join(f"{count(number)} {kind}" for kind, number in event.failures.items())
    failed = f"{count(sum(event.failures.values()))} failed{f' ({kinds})' if kinds else ''}"
    dropped = f", {counted(event.dropped, 'invalid list item')} discarded" if event.dropped else ""
    repaired = f", {counted(event.repaired, 'answer')} repaired" if event.repaired else ""
    outcome = f"{count(event.answered)} succeeded, {failed}{dropped}{repaired}"
    return f"Batch {event.chunk} stored: {outcome}, {dollars(event.cost)}"


def _progress(view: RunView) -> str:
    wave = f" ({view.wave})" if view.wave else ""
    waiting = view.answers_in_flight
    more = f"; {counted(waiting, 'more answer')} not stored yet" if waiting else ""
    return f"Progress {view.percent}%{wave}: {_counts(view.totals)}{more}"


def _counts(totals: Totals) -> str:
    return f"{word_counts(totals)}; {request_counts(totals)}; cost {dollars(totals.cost)}"
