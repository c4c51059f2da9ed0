"""The progress of a run: one figure that never falls, and counts that add up, for every sequence of events."""

import io
import re
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import Phase, given, settings, strategies as st
from rich.console import Console

from floridify_batch.cli.watch import view_of
from floridify_batch.costs.usage import Forecast, Usage
from floridify_batch.display.json_output import event_object
from floridify_batch.display.live_screen import render
from floridify_batch.display.log_output import sentence
from floridify_batch.display.report import report_of
from floridify_batch.display.report_page import page
from floridify_batch.display.view import RunView, wave_of
from floridify_batch.providers.interface import BatchJob
from floridify_batch.run.event import (
    BatchPolled,
    ChunkMoved,
    ChunkSettled,
    Event,
    Progressed,
    RunEnded,
    RunStarted,
    Stopping,
)
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
    """A run of two waves as its ledger and events show it: each word has 1 request, then 2; some are retried.

    Batches are answered, queued again, split or lost, and sessions are stopped and resumed.
    """

    def __init__(self, words: int, draw: st.DataObject, estimate: int | None) -> None:
        self._draw = draw
        forecast = None
        if estimate is not None:
            forecast = Forecast(requests=estimate, input_tokens=1, output_tokens=1, waves=WAVES)
        self.ledger = Ledger(start_time=0.0, run=run_info(words=words), estimate=forecast, timestamp=NOON.isoformat())

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
        for each in list(ledger.in_state(S.STORED)):
            ledger.move(each.number, S.DONE)
        self._finish_words()
        yield Progressed(ledger.totals())
        yield RunEnded(True, False, ledger.totals())

    def _chunk(self, requests: int, wave: int, retried: int, *, last: bool) -> Generator[Event, None, int]:
        ledger, number = self.ledger, len(self.ledger.chunks) + 1
        ledger.add(record(number, requests, retried, wave))
        ledger.list_cursor = ledger.run.words
        if number > 1 and ledger.chunk(number - 1).state is S.STORED:
            ledger.move(number - 1, S.DONE)
        yield from self._moved(number)
        fate = self._draw.draw(st.sampled_from(("answered", "answered", "queued again", "split", "lost", "stopped")))
        for state in (S.SUBMITTING, S.SUBMITTED, *((S.PLANNED, S.SUBMITTING, S.SUBMITTED) * (fate == "queued again"))):
            yield from self._move(number, state)
        if fate == "split" and requests > 1:
            yield from self._move(number, S.SPLIT)
            half = requests // 2
            failed = yield from self._chunk(half, wave, min(half, retried), last=last)
            more = yield from self._chunk(requests - half, wave, max(0, retried - half), last=last)
            return failed + more
        yield from self._polls(number, requests)
        if fate == "stopped":
            yield Stopping()
            yield RunEnded(False, True, ledger.totals())
            yield RunStarted("run-1", "m", "batch", True, ledger.totals())
            yield BatchPolled(number, f"b{number}", "completed", requests, requests, 0, NOON, None)
        failures = requests if fate == "lost" else self._number(requests)
        yield from self._move(number, S.LOST if fate == "lost" else S.ANSWERED)
        kinds = {"expired": failures} if failures else {}
        ledger.move(
            number, S.STORED, answered=requests - failures, failures=kinds, cost=Decimal(1), stored_at=NOON.timestamp()
        )
        yield from self._moved(number)
        yield ChunkSettled(number, requests - failures, kinds, (), Usage(), Decimal(1))
        return 0 if last else failures

    def _polls(self, number: int, requests: int) -> Iterator[Event]:
        done = 0
        for _ in range(self._number(3)):
            done += self._number(requests - done)
            yield BatchPolled(number, f"b{number}", "in_progress", requests, done, self._number(done), NOON, None)
        yield BatchPolled(number, f"b{number}", "completed", requests, requests, 0, NOON, None)

    def _move(self, number: int, state: ChunkState) -> Iterator[Event]:
        self.ledger.move(number, state, batch_id=f"b{number}", created_at=NOON.timestamp())
        yield from self._moved(number)

    def _moved(self, number: int) -> Iterator[Event]:
        record = self.ledger.chunk(number)
        yield Progressed(self.ledger.totals())
        yield ChunkMoved(number, record.state, record.words, record.requests, record.bytes, f"b{number}")

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
        assert isinstance(event, RunStarted) or before.percent <= view.percent <= 100
        assert totals.words == totals.processed + totals.incomplete + totals.failed + totals.open_words
        assert totals.unique_requests == totals.answered + totals.failed_for_good + totals.pending
        assert min(totals.open_words, totals.pending, totals.failed_for_good) >= 0
        assert view.percent < 100 or isinstance(event, RunEnded)
    assert (view.percent, view.totals.pending, view.totals.open_words) == (100, 0, 0)
    failed = view.totals.failed_requests
    assert view.totals.failed_for_good + view.totals.retried == failed


def figure(screen: str, name: str, nth: int = 0) -> int:
    """The number beside a name."""
    return int(re.findall(rf"\b{name} +([\d,]+)", screen)[nth].replace(",", ""))


def screen_of(view: RunView) -> str:
    """The live screen, 120 columns wide."""
    console = Console(file=io.StringIO(), width=120)
    with console.capture() as captured:
        console.print(render(view, 120, NOON))
    return captured.get()


def check_screen(view: RunView) -> None:
    """Check that the screen shows the view's progress, and that its counts add up."""
    screen = screen_of(view)
    assert re.findall(r"answers [^%]* (\d+)%", screen) == [str(view.percent)]
    figures = "\n".join(line for line in screen.splitlines() if not re.search(r"answers |words .*%", line))
    outcomes = ("processed", "incomplete", "failed", "remaining")
    assert figure(figures, "words") == view.totals.words == sum(figure(figures, each) for each in outcomes)
    requests = figure(figures, "stored") + figure(figures, "failed", 1) + figure(figures, "pending")
    assert figure(figures, "requests") == requests


def polled_job(polled: BatchPolled) -> BatchJob:
    """Return the batch as a poll shows it."""
    return BatchJob(
        polled.batch_id, polled.status, None, NOON, total=polled.total, done=polled.done, failed=polled.failed
    )


def check_words(text: str) -> None:
    """Check that the words in a sentence add up: each has one outcome."""
    match = re.search(r"([\d,]+) of ([\d,]+) words? processed, ([\d,]+) incomplete, ([\d,]+) failed", text)
    assert match is not None, text
    processed, words, incomplete, failed = (int(each.replace(",", "")) for each in match.groups())
    assert processed + incomplete + failed <= words


@settings(
    deadline=None, max_examples=5, phases=(Phase.explicit, Phase.reuse, Phase.generate)
)  # shrinking takes minutes
@given(st.data(), st.integers(1, 40), st.none() | st.integers(0, 200))
def test_every_screen_shows_the_same_figures(data: st.DataObject, words: int, estimate: int | None) -> None:
    """The live screen, the log, JSON events, `status` and the report have one progress, and counts that add up."""
    simulation, view, jobs = Simulation(words, data, estimate), RunView(), dict[str, BatchJob]()
    for event in simulation.events():
        before, view = view, view.apply(event, NOON)
        if isinstance(event, BatchPolled):
            jobs[event.batch_id] = polled_job(event)
        if isinstance(event, ChunkMoved) and event.state in ("PLANNED", "SUBMITTING"):
            jobs.pop(event.batch_id or "", None)
        if (view.totals, view.percent) != (before.totals, before.percent):  # else it shows the same figures
            check_screen(view)
        assert event_object(event, NOON, view)["percent"] == view.percent
        if isinstance(event, RunStarted | RunEnded):
            check_words(sentence(event, view, NOON))
        if isinstance(event, ChunkMoved | BatchPolled | RunEnded):
            watched = view_of(simulation.ledger, jobs, NOON)
            assert watched.totals == view.totals
            assert watched.percent == view.totals.percent(view.answers_in_flight)
        if isinstance(event, ChunkSettled | RunEnded):
            check_report(simulation.ledger)


def check_report(ledger: Ledger) -> None:
    """Check that the report's figures add up, and that its chart ends at them: a retried failure does not count."""
    report = report_of(ledger, {}, "words.checkpoint.json")
    text, totals = " ".join(re.sub(r"<[^>]+>", " ", page(report)).split()), ledger.totals()
    shown = re.search(r"Requests ([\d,]+) ([\d,]+) answered(?:, [\d,]+ retried)? ([\d,]+) failed.*?, ([\d,]+) p", text)
    assert shown is not None
    requests, answered, failed, pending = (int(each.replace(",", "")) for each in shown.groups())
    assert requests == answered + failed + pending == totals.unique_requests
    assert not totals.answered or ledger.finished or f"In progress, {totals.percent()}%" in text
    if report.progress:
        top = int(report.progress.counts[-1].label.replace(",", ""))
        highest = totals.answered + totals.failed_requests - totals.retried
        ends = [float(each) for each in re.findall(r"L100\.00 ([\d.]+) L", report.progress.failed)]
        assert ends[0] == pytest.approx(100 - 100 * highest / top, abs=0.01)


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
