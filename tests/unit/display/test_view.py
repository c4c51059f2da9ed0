"""The fold of events into what is shown of a run, and the wording of its figures."""

import re
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from hypothesis import example, given, settings, strategies as st
from rich.console import Console

from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.costs.usage import Usage
from floridify_batch.display.live_screen import render
from floridify_batch.display.view import (
    FINISHED_SHOWN,
    WORDS_SHOWN,
    RunView,
    Work,
    progress_phrase,
    verdict,
)
from floridify_batch.formatting import brief, dollar_column, dollars, expiry, megabytes, percent, span, stamp
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
    Totals,
    Transferred,
    Waiting,
    WordFailed,
)
from floridify_batch.timing import Direction

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
patient = settings(deadline=None)  # a busy machine proves nothing about a property
STATES = ("PLANNED", "SUBMITTING", "SUBMITTED", "ANSWERED", "STORED", "DONE", "SPLIT", "LOST")


def later(**time: float) -> datetime:
    return NOON + timedelta(**time)


def moved(chunk: int, state: str, batch_id: str | None = None) -> ChunkMoved:
    return ChunkMoved(chunk, state, 50, 400, 1_500_000, batch_id)


def polled(chunk: int, done: int, total: int = 400, failed: int = 0) -> BatchPolled:
    return BatchPolled(chunk, f"batch_{chunk}", "in_progress", total, done, failed, NOON, later(hours=24))


def view_after(*events: tuple[datetime, Event]) -> RunView:
    view = RunView()
    for now, event in events:
        view = view.apply(event, now)
    return view


def began(totals: Totals | None = None, *, resumed: bool = False) -> RunStarted:
    return RunStarted("run-1", "gpt-5-mini", "batch", resumed, totals or Totals(words=100))


parts = st.integers(0, 10**6)
some_totals = st.builds(
    lambda processed, failed, left, answered, lost, waiting, cost: Totals(
        processed + failed + left,
        processed,
        failed,
        answered + lost + waiting,
        answered,
        lost,
        Usage(answered, 0, lost, 0),
        cost,
    ),
    *[parts] * 6,
    st.none() | st.decimals(0, 10**6, places=6),
)
some_text = st.text(max_size=60)
some_failure = st.builds(
    Failure, some_text, st.sampled_from(FailureReason), some_text, status=st.none() | st.integers(0, 599)
)
chunks = st.integers(1, 12)
some_event: st.SearchStrategy[Event] = st.one_of(
    st.builds(RunStarted, some_text, some_text, some_text, st.booleans(), some_totals),
    st.builds(Progressed, some_totals),
    st.builds(ListRead, parts, parts),
    st.builds(ChunkMoved, chunks, st.sampled_from(STATES), parts, parts, parts, st.none() | some_text),
    st.builds(
        BatchPolled,
        chunks,
        some_text,
        some_text,
        parts,
        parts,
        parts,
        st.just(NOON),
        st.none() | st.just(later(hours=24)),
    ),
    st.builds(
        ChunkSettled,
        chunks,
        parts,
        st.dictionaries(some_text, parts, max_size=4),
        st.lists(some_failure, max_size=3).map(tuple),
        st.just(Usage()),
        st.none(),
    ),
    st.builds(Transferred, chunks, st.sampled_from(Direction), parts, parts),
    st.builds(PartStored, chunks, parts, parts),
    st.builds(WordFailed, some_text, some_text),
    st.builds(Waiting, some_text),
    st.builds(Notice, some_text),
    st.builds(RunEnded, st.booleans(), st.booleans(), some_totals),
)
some_events = st.lists(some_event, max_size=30)


@patient
@given(some_events)
def test_a_fold_is_pure(events: list[Event]) -> None:
    """Applying an event leaves the view unchanged, and the same event at the same time gives an equal view."""
    view = RunView()
    for second, event in enumerate(events):
        before = deepcopy(view)
        now = later(seconds=second)
        after = view.apply(event, now)
        assert view == before
        assert after == view.apply(event, now)
        view = after


@patient
@given(some_events)
def test_what_is_remembered_is_bounded(events: list[Event]) -> None:
    """A bounded number of finished chunks and failed words is kept, for any number of events."""
    view = view_after(*((NOON, event) for event in events))
    assert len(view.finished) <= FINISHED_SHOWN
    assert len(view.failed_words) <= WORDS_SHOWN
    assert not {each.chunk for each in view.finished} & set(view.batches)


def test_success_rate_is_not_made_up() -> None:
    """The success rate is unknown until a request is settled; then it is the share of answered requests."""
    assert view_after((NOON, began())).success_rate is None
    settled = Totals(words=10, requests=100, answered=30, failed_requests=10)
    assert view_after((NOON, began()), (NOON, Progressed(settled))).success_rate == 0.75


def test_rate_counts_this_session_only() -> None:
    """Words processed in an earlier session do not count in this session's rate."""
    view = view_after((NOON, began(Totals(words=1000, processed=900), resumed=True)))
    assert view.words_per_minute(later(minutes=2)) is None
    view = view.apply(Progressed(Totals(words=1000, processed=920)), later(minutes=2))
    assert view.words_per_minute(later(minutes=2)) == 10


def test_clock_of_a_session_stops_with_it() -> None:
    """After the end, the elapsed time no longer grows."""
    view = view_after((NOON, began()), (later(minutes=5), RunEnded(True, False, Totals(words=100, processed=100))))
    assert view.elapsed(later(hours=9)) == timedelta(minutes=5)
    assert view.words_per_minute(later(hours=9)) == 20


def test_no_eta_before_batches_report_progress() -> None:
    """Until a second poll reports progress there is no ETA, and the nearest deadline is shown instead."""
    start = Totals(words=100, requests=800)
    view = view_after(
        (NOON, began(start)), (NOON, moved(1, "SUBMITTED", "batch_1")), (NOON, moved(2, "SUBMITTED", "batch_2"))
    )
    assert (view.eta, view.eta_or_deadline(NOON)) == (None, "waiting for results")
    view = view.apply(polled(1, 0), later(hours=1)).apply(polled(1, 0), later(hours=5))
    assert view.eta is None
    assert view.eta_or_deadline(later(hours=5)) == "waiting for results, deadline in 19 h"


def test_an_eta_follows_the_reported_rate() -> None:
    """The ETA is the pending requests divided by the rate between polls; time in the service's queue does not count."""
    view = view_after(
        (NOON, began(Totals(words=100, requests=800))),
        (NOON, moved(1, "SUBMITTED", "batch_1")),
        (later(hours=1), polled(1, 0)),
        (later(hours=2), polled(1, 0)),
        (later(hours=2, minutes=1), polled(1, 190, failed=10)),
    )
    assert view.eta == timedelta(minutes=3)
    assert view.eta_or_deadline(later(hours=2, minutes=1)) == "about 3 min for the batches in flight"


def test_another_batch_of_a_chunk() -> None:
    """The progress of a rejected batch is not attributed to its successor."""
    view = view_after(
        (NOON, began(Totals(words=100, requests=400))),
        (NOON, moved(1, "SUBMITTED", "batch_0")),
        (NOON, BatchPolled(1, "batch_0", "in_progress", 400, 0, 0, NOON, None)),
        (later(minutes=1), BatchPolled(1, "batch_0", "in_progress", 400, 90, 0, NOON, None)),
        (later(minutes=2), moved(1, "PLANNED")),
    )
    assert view.batches[1].batch_id is None
    view = view.apply(moved(1, "SUBMITTED", "batch_1"), later(minutes=3)).apply(polled(1, 300), later(minutes=4))
    assert view.eta is None


def test_finished_chunks_leave_the_flight() -> None:
    """A chunk in flight exists at the service; stored, split and lost ones are kept only for a while."""
    view = view_after((NOON, moved(1, "SUBMITTED", "batch_1")), (NOON, moved(2, "SUBMITTED", "batch_2")))
    assert [each.chunk for each in view.in_flight] == [1, 2]
    view = view.apply(moved(1, "ANSWERED"), NOON)
    assert [each.chunk for each in view.in_flight] == [2]
    view = view.apply(moved(1, "STORED"), NOON).apply(moved(2, "LOST"), NOON)
    assert [(each.chunk, each.state, each.batch_id) for each in view.finished] == [
        (1, "STORED", "batch_1"),
        (2, "LOST", "batch_2"),
    ]
    assert view.apply(polled(2, 5), NOON) == view


def test_what_came_of_a_chunk_replaces_the_services_count() -> None:
    """Until its answers are settled, a chunk has the service's counts; then those of usable answers and failures."""
    view = view_after((NOON, moved(1, "SUBMITTED", "batch_1")), (NOON, polled(1, 398, failed=2)))
    assert [(each.done, each.failed) for each in view.batches.values()] == [(400, 2)]
    view = view.apply(moved(1, "STORED"), NOON)
    view = view.apply(ChunkSettled(1, 391, {"http 500": 2, "malformed": 7}, (), Usage(), None), NOON)
    assert [(each.done, each.failed) for each in view.finished] == [(400, 9)]


def test_requests_in_flight_count_as_the_service_says() -> None:
    """Progress counts settled requests and those that the service reports as done, each once."""
    start = Totals(words=100, requests=800, answered=300, failed_requests=100)
    view = view_after((NOON, began(start)), (NOON, moved(2, "SUBMITTED", "batch_2")), (NOON, polled(2, 90, failed=10)))
    assert view.ended_requests == 500
    done = Progressed(Totals(words=100, requests=800, answered=690, failed_requests=110))
    view = view.apply(moved(2, "ANSWERED"), NOON).apply(moved(2, "STORED"), NOON).apply(done, NOON)
    assert view.ended_requests == 800


@pytest.mark.parametrize(
    ("event", "activity", "work"),
    [
        (ListRead(3, 9), "Planning words", Work(3, 9, "words")),
        (Transferred(2, Direction.UP, 5, 10), "Uploading batch 2", Work(5, 10, "bytes")),
        (Transferred(2, Direction.DOWN, 5, 0), "Downloading results of batch 2", Work(5, 0, "bytes")),
        (PartStored(2, 5, 400), "Storing results of batch 2", Work(5, 400, "requests")),
    ],
)
def test_work_is_measured_while_it_lasts(event: Event, activity: str, work: Work) -> None:
    """Work of known length is shown as the activity with its progress, until the next activity."""
    view = view_after((NOON, began()), (NOON, Waiting("The service does not answer")), (NOON, event))
    assert (view.activity, view.work, view.waiting) == (activity, work, False)
    assert view.apply(moved(2, "STORED"), NOON).work is None


def test_a_poll_alone_shows_a_chunk() -> None:
    """A view that missed a chunk's submission is correct again after the next poll."""
    assert [each.batch_id for each in view_after((NOON, polled(7, 3))).in_flight] == ["batch_7"]


def test_failures_add_up_by_kind() -> None:
    """Failures are counted by kind over all chunks, with the latest example of each kind."""
    first, second = (Failure(f"w-{n}", FailureReason.HTTP, "busy", status=500) for n in (1, 2))
    view = view_after(
        (NOON, ChunkSettled(1, 10, {"http 500": 3, "refused": 1}, (first,), Usage(), None)),
        (NOON, ChunkSettled(2, 10, {"http 500": 4}, (second,), Usage(), None)),
    )
    assert view.failures == {"http 500": 7, "refused": 1}
    assert view.examples == {"http 500": second}


def test_a_reason_to_wait_outlasts_polls() -> None:
    """Polls do not hide the reason for a wait; the next activity does."""
    view = view_after((NOON, Waiting("The database does not respond")), (NOON, polled(1, 0)))
    assert view.activity == "The database does not respond"
    assert view.apply(moved(1, "ANSWERED"), NOON).apply(polled(2, 0), NOON).activity == "Waiting for 1 batch"


@pytest.mark.parametrize(
    ("complete", "stopped", "end", "title"),
    [
        (True, False, Totals(words=5, processed=5, requests=9, answered=9), "Complete"),
        (True, False, Totals(words=5, processed=4, failed=1, requests=9, answered=9), "Finished, with failures"),
        (True, False, Totals(words=5, processed=5), "Nothing to do: every word was already complete"),
        (False, True, Totals(words=5, processed=4), "Stopped early"),
        (False, False, Totals(words=5, processed=4), "Not complete"),
    ],
)
def test_verdicts(complete: bool, stopped: bool, end: Totals, title: str) -> None:
    """The verdict on a run distinguishes completion, failures, a stop and nothing to do."""
    view = view_after((NOON, began(Totals(words=5))), (NOON, RunEnded(complete, stopped, end)))
    assert (verdict(view), view.activity) == (title, title)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "unknown"),
        (Decimal(0), "$0.00"),
        (Decimal("0.00003"), "<$0.0001"),
        (Decimal("0.0042"), "$0.0042"),
        (Decimal("0.5"), "$0.5000"),
        (Decimal("1234.567"), "$1,234.57"),
        (Decimal(-2), "-$2.00"),
    ],
)
def test_money_is_readable(amount: Decimal | None, text: str) -> None:
    """Money has sensible digits; a positive amount is never shown as zero, and an unknown one is shown as unknown."""
    assert dollars(amount) == text


@patient
@given(st.decimals(min_value=Decimal("1e-12"), max_value=10**9))
def test_a_positive_amount_is_never_shown_as_nothing(amount: Decimal) -> None:
    """Any positive amount is shown with a digit other than 0."""
    assert any(digit in "123456789" for digit in dollars(amount))


@pytest.mark.parametrize(
    ("seconds", "long", "short"),
    [
        (-5, "0 s", "0 s"),
        (45, "45 s", "45 s"),
        (200, "3 min 20 s", "3 min"),
        (4800, "1 h 20 min", "80 min"),
        (19 * 3600 + 60, "19 h", "19 h"),
        (90_000, "1 d 1 h", "25 h"),
    ],
)
def test_durations_are_readable(seconds: int, long: str, short: str) -> None:
    """A duration has two units, or one in the short form."""
    assert span(timedelta(seconds=seconds)) == long
    assert brief(timedelta(seconds=seconds)) == short


def test_answers_that_are_not_stored_yet() -> None:
    """When all answers are there and some are not stored, the progress says so, instead of 99 % of the answers."""
    totals = Totals(words=2, requests=10, answered=4, expected=10)
    view = RunView().apply(RunStarted("run-1", "gpt-5-mini", "batch", False, totals), NOON)
    view = view.apply(ChunkMoved(2, "SUBMITTED", 2, 6, 100, "batch_b"), NOON)
    assert (view.percent, progress_phrase(view)) == (40, "40% of answers done")
    view = view.apply(BatchPolled(2, "batch_b", "completed", 6, 6, 0, NOON, None), NOON)
    assert (view.percent, view.awaits_storage) == (99, True)
    assert progress_phrase(view) == "All answers received, 6 not stored yet"
    out = StringIO()
    Console(width=60, file=out).print(render(view, 60, NOON, 24))
    assert "10 of 10, not all stored" in out.getvalue()
    for width in (60, 80, 120):  # the percentage and the bar keep their places beside a long text
        out = StringIO()
        long = replace(view, wave=f"wave 2 of 2: {'component, ' * 12}", totals=replace(totals, expected=1_234_567))
        Console(width=width, file=out).print(render(long, width, NOON, 24))
        assert re.search(r"answers +[━─]+ +99%  \d", out.getvalue())
    view = view.apply(Progressed(replace(totals, answered=10, processed=2)), NOON)
    view = view.apply(ChunkMoved(2, "STORED", 2, 6, 100, "batch_b"), NOON)
    assert (view.percent, progress_phrase(view)) == (100, "100% of answers done")


@given(st.lists(st.decimals(0, 20, places=6), min_size=1, max_size=9))
@example([Decimal("0.000051")])
@example([Decimal("0.00003"), Decimal("0.00003")])
@example([Decimal("0.99997")])
@settings(max_examples=300)
def test_the_amounts_of_a_column_add_up(amounts: list[Decimal]) -> None:
    """The amounts of a column add up to the total below it as they are shown, and none is off by more than a unit."""
    total = dollars(sum(amounts, Decimal(0)))
    unit = Decimal("0.01") if sum(amounts) >= 1 else Decimal("0.0001")
    shown = [Decimal(0) if each.startswith("<") else Decimal(each.strip("$")) for each in dollar_column(amounts)]
    assert sum(shown) == (0 if total.startswith("<") else Decimal(total.strip("$")))
    assert all(abs(each - amount) < unit for each, amount in zip(shown, amounts, strict=True))
    assert all(each != "$0.00" for each, amount in zip(dollar_column(amounts), amounts, strict=True) if amount)


def test_other_figures_are_readable() -> None:
    """Times are in UTC to the second, sizes in the service's units; a rate is rounded to neither 0 nor 100 %."""
    assert stamp(datetime.fromisoformat("2026-11-20T17:00:00+01:00")) == "2026-11-20T16:00:00Z"
    assert (megabytes(3000), megabytes(4_100_000)) == ("3.0 kB", "4.1 MB")
    assert (percent(1), percent(0.99999), percent(0.5)) == ("100.0%", "99.9%", "50.0%")
    assert expiry(NOON, later(minutes=1)) == "past its deadline"


def test_failures_are_those_of_the_whole_run() -> None:
    """After a resume, the failures by kind add up to the failed requests of the whole run, not of this session."""
    totals = Totals(words=10, requests=80, answered=60, failed_requests=14)
    begun = RunStarted("run-1", "gpt-5-mini", "batch", True, totals, {"http 500": 9, "refused": 5})
    view = RunView().apply(begun, NOON)
    view = view.apply(ChunkSettled(2, 4, {"refused": 2}, (), Usage(), None), NOON)
    assert view.failures == {"http 500": 9, "refused": 7}
