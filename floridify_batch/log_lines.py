"""Plain lines for logs: one for each event that says something new."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TextIO

from floridify_batch.events import (
    BatchPolled,
    ChunkSettled,
    Event,
    ListRead,
    Noticed,
    Progressed,
    RunBegan,
    RunEnded,
    Totals,
    Waiting,
    WordFailed,
)
from floridify_batch.frames import plain
from floridify_batch.run_view import RunView
from floridify_batch.seams import Clock
from floridify_batch.wording import count, dollars, expiry, stamp

_PAUSE = timedelta(seconds=10)


class LogDisplay:
    """An observer that writes a line per event that says something new; each line can be understood alone."""

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self.view = RunView()
        self._stream = stream
        self._clock = clock
        self._said: dict[object, tuple[object, datetime]] = {}

    def notify(self, event: Event) -> None:
        """Take note of an event; a stream that has gone away is no matter."""
        now = self._clock()
        self.view = self.view.apply(event, now)
        if self._is_news(event, now):
            line = f"{stamp(now)}  {plain(sentence(event, self.view, now))}\n"
            encoding = self._stream.encoding or "utf-8"
            with suppress(OSError, ValueError):
                self._stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
                self._stream.flush()

    def _is_news(self, event: Event, now: datetime) -> bool:
        """Whether this was not just said; counts that move all the time are told now and then."""
        topic: object = (type(event), event.chunk) if isinstance(event, BatchPolled) else type(event)
        said, told_at = self._said.get(topic, (None, now - _PAUSE))
        steady = isinstance(event, Progressed) or (isinstance(event, ListRead) and event.done < event.total)
        if said == event or (steady and now - told_at < _PAUSE):
            return False
        if not isinstance(event, BatchPolled):
            self._said.pop(Waiting, None)
        self._said[topic] = (event, now)
        return True


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
            counts = f"{count(event.done)} of {count(event.total)} requests done, {count(event.failed)} failed"
            return f"Chunk {event.chunk}: {event.batch_id} is {event.status.replace('_', ' ')}, {counts}{ends}"
        case ChunkSettled():
            failed = ", ".join(f"{count(number)} {kind}" for kind, number in event.failures.items()) or "none"
            cost = dollars(event.cost)
            dropped = f"; {count(event.dropped)} bad items left out of lists" if event.dropped else ""
            outcome = f"{count(event.answered)} requests answered, failed: {failed}{dropped}"
            return f"Chunk {event.chunk}: {outcome}; cost {cost}"
        case WordFailed(word, reason):
            return f"Failed: {word}: {reason}"
        case Noticed(text):
            return text
        case RunEnded(totals=totals):
            return f"{view.activity}: {_counts(totals)}"
    return view.activity


def _counts(totals: Totals) -> str:
    words = f"{count(totals.processed)} of {count(totals.words)} words processed, {count(totals.failed)} failed"
    requests = f"{count(totals.answered)} of {count(totals.requests)} requests answered"
    return f"{words}; {requests}, {count(totals.failed_requests)} failed; cost {dollars(totals.cost)}"
