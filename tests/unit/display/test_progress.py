"""The progress of a run: one figure that never falls, and counts that add up, for every sequence of events."""

from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given, settings, strategies as st

from floridify_batch.costs.usage import Forecast, Usage
from floridify_batch.display.view import RunView, wave_of
from floridify_batch.run.event import BatchPolled, ChunkMoved, ChunkSettled, Event, Progressed, RunEnded, RunStarted
from floridify_batch.run.ledger import ChunkRecord, ChunkState, Ledger
from tests.ledgers import run_info

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
WAVES = ("definitions", "synonyms, domain")
S = ChunkState


def record(number: int, requests: int, retried: int = 0, wave: int = 1) -> ChunkRecord:
    """A planned chunk."""
    return ChunkRecord(
        number=number,
        words=10,
        requests=requests,
        bytes=1,
        input_tokens=1,
        output_tokens=1,
        retried=retried,
        wave=wave,
    )


class Simulation:
    """A run of two waves as its ledger and events show it: each word has 1 request, then 2; some are retried."""

    def __init__(self, words: int, draw: st.DataObject, estimate: int | None) -> None:
        self._draw = draw
        forecast = None
        if estimate is not None:
            forecast = Forecast(requests=estimate, input_tokens=1, output_tokens=1, waves=WAVES)
        self.ledger = Ledger(start_time=0.0, run=run_info(words=words), estimate=forecast)

    def _number(self, most: int) -> int:
        return self._draw.draw(st.integers(0, most))

    def events(self) -> Iterator[Event]:
        """The events of the run, in the order in which a driver sends them."""
        ledger = self.ledger
        yield RunStarted("run-1", "m", "batch", False, ledger.totals())
        for wave, planned in ((1, ledger.run.words), (2, 2 * ledger.run.words)):
            requests, retried = planned, 0
            for attempt in range(3):
                if not requests:
                    break
                requests = yield from self._chunk(requests, wave, retried, last=attempt == 2)
                retried = requests
        ledger.move(len(ledger.chunks), S.DONE)
        self._finish_words()
        yield Progressed(ledger.totals())
        yield RunEnded(True, False, ledger.totals())

    def _chunk(self, requests: int, wave: int, retried: int, *, last: bool) -> Generator[Event, None, int]:
        ledger, number = self.ledger, len(self.ledger.chunks) + 1
        ledger.add(record(number, requests, retried, wave))
        ledger.list_cursor = ledger.run.words
        if number > 1:
            ledger.move(number - 1, S.DONE)
        yield from self._moved(number)
        for state in (S.SUBMITTING, S.SUBMITTED):
            ledger.move(number, state)
            yield from self._moved(number)
        done = 0
        for _ in range(self._number(3)):
            done += self._number(requests - done)
            yield BatchPolled(number, "b", "in_progress", requests, done, self._number(done), NOON, None)
        yield BatchPolled(number, "b", "completed", requests, requests, 0, NOON, None)
        ledger.move(number, S.ANSWERED)
        yield from self._moved(number)
        failures = self._number(requests)
        kinds = {"expired": failures} if failures else {}
        ledger.move(number, S.STORED, answered=requests - failures, failures=kinds, cost=Decimal(1))
        yield from self._moved(number)
        yield ChunkSettled(number, requests - failures, kinds, (), Usage(), Decimal(1))
        return 0 if last else failures

    def _moved(self, number: int) -> Iterator[Event]:
        record = self.ledger.chunk(number)
        yield Progressed(self.ledger.totals())
        yield ChunkMoved(number, record.state, record.words, record.requests, record.bytes, "b")

    def _finish_words(self) -> None:
        words = [f"word{number}" for number in range(self.ledger.run.words)]
        failed = self._number(len(words))
        incomplete = self._number(len(words) - failed)
        self.ledger.failed_words = dict.fromkeys(words[:failed], "no")
        self.ledger.incomplete_words = dict.fromkeys(words[failed : failed + incomplete], "missing 1 of 3")
        for word in words[failed + incomplete :]:
            self.ledger.process(word)


@settings(deadline=None)
@given(st.data(), st.integers(1, 40), st.none() | st.integers(0, 200))
def test_progress_never_falls_and_counts_add_up(data: st.DataObject, words: int, estimate: int | None) -> None:
    """The bar never falls and ends at 100 %, and all counts add up, for any failures, retries and estimates."""
    view = RunView()
    for event in Simulation(words, data, estimate).events():
        before, view = view, view.apply(event, NOON)
        totals = view.totals
        assert before.percent <= view.percent <= 100
        assert totals.words == totals.processed + totals.incomplete + totals.failed + totals.open_words
        assert totals.unique_requests == totals.answered + totals.failed_for_good + totals.pending
        assert min(totals.open_words, totals.pending, totals.failed_for_good) >= 0
        assert view.percent < 100 or isinstance(event, RunEnded)
    assert (view.percent, view.totals.pending, view.totals.open_words) == (100, 0, 0)
    failed = view.totals.failed_requests
    assert view.totals.failed_for_good + view.totals.retried == failed


def test_the_bar_does_not_wait_for_words() -> None:
    """While the service answers and while results are stored, the bar counts each answer once."""
    view = RunView()
    ledger = Ledger(
        start_time=0.0,
        run=run_info(words=10),
        list_cursor=10,
        estimate=Forecast(requests=30, input_tokens=1, output_tokens=1, waves=WAVES),
    )
    ledger.add(record(1, 10))
    seen = []
    polling: list[Event] = [
        RunStarted("r", "m", "batch", False, ledger.totals()),
        ChunkMoved(1, "SUBMITTED", 10, 10, 1, "b"),
        BatchPolled(1, "b", "in_progress", 10, 6, 0, NOON, None),
        BatchPolled(1, "b", "completed", 10, 9, 1, NOON, None),
        ChunkMoved(1, "ANSWERED", 10, 10, 1, "b"),
    ]
    for event in polling:
        view = view.apply(event, NOON)
        seen.append(view.percent)
    for state in (S.SUBMITTING, S.SUBMITTED, S.ANSWERED):
        ledger.move(1, state)
    ledger.move(1, S.STORED, answered=9, failures={"expired": 1})
    storing: list[Event] = [Progressed(ledger.totals()), ChunkMoved(1, "STORED", 10, 10, 1, "b")]
    for event in storing:
        view = view.apply(event, NOON)
        seen.append(view.percent)
    assert seen == [0, 0, 20, 30, 30, 30, 30]
    assert view.wave == wave_of(view.totals) == "wave 1 of 2: definitions"


def test_no_wave_is_named_where_there_is_one() -> None:
    """A run with a single wave shows no wave."""
    ledger = Ledger(start_time=0.0, run=run_info(words=1))
    assert wave_of(ledger.totals()) == ""
