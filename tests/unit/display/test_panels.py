"""The screens of a run, its estimate and summary, and the tables of its batches."""

import io
import re
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from hypothesis import given, settings, strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.text import Text

from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.costs.answer_length import LIST_SPREAD, Observed, Origin, measured
from floridify_batch.costs.price import rates
from floridify_batch.costs.usage import Forecast, Usage
from floridify_batch.display.estimate_panel import Caution, estimate_panel
from floridify_batch.display.json_output import JsonDisplay
from floridify_batch.display.live_region import Frame
from floridify_batch.display.live_screen import render
from floridify_batch.display.log_output import LogDisplay
from floridify_batch.display.output import LiveDisplay, display_for, logged as with_log
from floridify_batch.display.summary import NextCommands, summary_panel
from floridify_batch.display.table import (
    BatchFacts,
    BatchRow,
    FailureRow,
    batch_panel,
    batches_table,
    failures_shown,
    failures_table,
)
from floridify_batch.display.text import lines_of, plain, sentence_lines, shorten
from floridify_batch.display.view import RunView
from floridify_batch.errors import DatabaseError
from floridify_batch.formatting import dollars, expiry
from floridify_batch.pipeline.chunk import ChunkSize
from floridify_batch.pipeline.estimate import Estimate, Expectation, Sampled
from floridify_batch.pipeline.quote import estimated
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
from tests.screen import Screen

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
patient = settings(deadline=None)  # a busy machine proves nothing about a property
WIDTHS = (80, 120, 200)
HOSTILE = "\x1b[31mred\x1b[0m \x1b]0;title\x07[bold]kept[/bold] \x9b2J\u202etxet\x08 \x1b(B\r\nnext"


class Clock:
    """A clock that advances only when it is set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **time: float) -> None:
        self.now += timedelta(**time)


def seen(
    content: RenderableType, width: int = 120, *, colour: bool = False, height: int = 50, crop: bool = True
) -> str:
    """Return the output of a console of this width."""
    out = io.StringIO()
    Console(
        file=out, width=width, height=height, force_terminal=colour, color_system="truecolor" if colour else None
    ).print(content, crop=crop)
    return out.getvalue()


def polled(chunk: int, done: int, status: str = "in_progress") -> BatchPolled:
    return BatchPolled(chunk, f"batch_{chunk:032x}", status, 400, done, 0, NOON, NOON + timedelta(hours=24))


def view_of(*events: Event) -> RunView:
    view = RunView()
    for event in events:
        view = view.apply(event, NOON)
    return view


def settled(detail: str, **failures: int) -> ChunkSettled:
    failure = Failure(f"cat-{'0' * 24}-synonyms", FailureReason.REFUSED, detail)
    return ChunkSettled(1, 10, failures, (failure,), Usage(), None)


figures = st.integers(0, 10**7)
texts = st.text(max_size=80) | st.text("猫に小判語é\u0301한국", max_size=80) | st.just(HOSTILE)
totals = st.builds(
    lambda a, b, c, d, e, f: Totals(a + b + c, a, b, d + e + f, d, e, Usage(a, 0, b, 0), None), *[figures] * 6
)
ids = st.none() | texts
states = st.sampled_from(["PLANNED", "SUBMITTING", "SUBMITTED", "ANSWERED", "STORED", "DONE", "SPLIT", "LOST"])
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(RunStarted, texts, texts, texts, st.booleans(), totals),
    st.builds(Progressed, totals),
    st.builds(ListRead, figures, figures),
    st.builds(ChunkMoved, st.integers(1, 20), states, figures, figures, figures, ids),
    st.builds(
        BatchPolled,
        st.integers(1, 20),
        texts,
        texts,
        figures,
        figures,
        figures,
        st.just(NOON),
        st.none() | st.just(NOON),
    ),
    st.builds(Transferred, st.integers(1, 20), st.sampled_from(Direction), figures, figures),
    st.builds(PartStored, st.integers(1, 20), figures, figures),
    st.builds(settled, texts, refused=figures, expired=figures, missing=figures),
    st.builds(WordFailed, texts, texts),
    st.builds(Waiting, texts),
    st.builds(RunEnded, st.booleans(), st.booleans(), totals),
)


def figure(screen: str, name: str, nth: int = 0) -> int:
    """Return the number beside a name."""
    return int(re.findall(rf"\b{name} +([\d,]+)", screen)[nth].replace(",", ""))


@patient
@given(st.lists(events, max_size=15))
def test_counts_add_up_in_every_state(story: list[Event]) -> None:
    """Words are processed, incomplete, failed or remaining, and requests answered, failed or pending: sums add up."""
    screen = "\n".join(seen(render(view_of(Progressed(Totals()), *story), 120, NOON)).splitlines()[5:10])
    assert figure(screen, "words") == figure(screen, "processed") + figure(screen, "failed") + figure(
        screen, "remaining"
    )
    assert figure(screen, "requests") == (
        figure(screen, "stored") + figure(screen, "failed", 1) + figure(screen, "pending")
    )


@patient
@given(st.lists(events, max_size=15), st.sampled_from(WIDTHS))
def test_no_line_is_wider_than_the_screen(story: list[Event], width: int) -> None:
    """Every line fits the width and every frame is closed, for any words and messages."""
    lines = seen(render(view_of(*story), width, NOON), width).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert all(line.startswith("│") and line.rstrip().endswith("│") for line in lines[1:10])
    assert len({cell_len(line.rstrip()) for line in lines[:11]}) == 1


def test_a_full_run_fits_80_by_24() -> None:
    """A run with many batches and many kinds of failures leaves a line of a 24-line terminal free."""
    kinds = {f"http {status}": status for status in range(500, 512)}
    going = [event for chunk in range(1, 40) for event in (ChunkMoved(chunk, "SUBMITTED", 1, 2, 3), polled(chunk, 5))]
    view = view_of(*going, ChunkMoved(1, "STORED", 1, 2, 3), settled("no", **kinds), WordFailed("cat", "refused"))
    screen = seen(render(view, 80, NOON, 24), 80).splitlines()
    assert len(screen) <= 23
    assert [line for line in screen if line.startswith("and ")] == ["and 36 more", "and 10 more kinds"]


def test_screens_hold_what_happens() -> None:
    """A screen shows the activity, the deadline, the state of each batch, and one failure of each kind."""
    view = view_of(
        RunStarted("run-1", "gpt-5-mini", "batch", False, Totals(words=10, requests=400)),
        ChunkMoved(1, "SUBMITTED", 10, 400, 9000, "batch_1"),
        polled(1, 100),
        settled("It declined.", refused=2),
        polled(1, 100),
        WordFailed("猫", "definitions refused"),
    )
    screen = seen(render(view, 120, NOON + timedelta(hours=5)))
    for text in (
        "run-1 · gpt-5-mini · batch",
        "Waiting for 1 batch",
        "waiting for results, deadline in 19 h",
        "in progress",
    ):
        assert text in screen
    for text in ("100/400", f"batch_{1:032x}", "cat synonyms: It declined.", "猫 (definitions refused)"):
        assert text in screen


@pytest.mark.parametrize("colour", [False, True])
def test_what_texts_contain_is_never_obeyed(colour: bool) -> None:
    """Escape codes in words and messages are removed, and markup in them is shown literally."""
    view = view_of(
        RunStarted(HOSTILE, HOSTILE, HOSTILE, False, Totals(words=1)),
        ChunkMoved(1, HOSTILE, 1, 1, 1, HOSTILE),
        ChunkSettled(1, 0, {HOSTILE: 1}, (Failure(HOSTILE, FailureReason.HTTP, HOSTILE),), Usage(), None),
        WordFailed(HOSTILE, HOSTILE),
        Waiting(HOSTILE),
    )
    row = BatchRow(1, "SUBMITTED", HOSTILE, HOSTILE)
    facts = BatchFacts(HOSTILE, HOSTILE, 1, 1, 0, NOON, None, 1, 1, None, HOSTILE, HOSTILE, (HOSTILE,))
    for content in (
        render(view, 200, NOON),
        summary_panel(view, NOON, commands=NextCommands(HOSTILE, HOSTILE, HOSTILE, HOSTILE)),
        batches_table([row], NOON, 200),
        batch_panel(facts, NOON),
        failures_table([FailureRow(HOSTILE, HOSTILE, HOSTILE, HOSTILE)], 200),
        estimate_panel(Estimate(HOSTILE), notes=[HOSTILE]),
    ):
        screen = seen(content, 200, colour=colour)
        own = re.sub(r"\x1b\[[\d;]*m", "", screen)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", own)
        assert "\x1b[31mred" not in screen
        assert "[bold]kept[/bold]" in own


@patient
@given(st.text() | st.just(HOSTILE))
def test_plain_text_is_one_harmless_line(text: str) -> None:
    """Plain text has no control characters, can be encoded, and sanitising it again changes nothing."""
    once = plain(text)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", once)
    assert plain(once) == once
    assert once.encode().decode() == once


def test_joiners_of_words_are_kept() -> None:
    """The joiners that Persian and Hindi words are spelt with stay."""
    assert plain("क्\u200dष") == "क्\u200dष"


@patient
@given(st.text("ab 猫é-", max_size=200), st.integers(4, 40), st.none() | st.integers(1, 3))
def test_sentences_break_between_words(text: str, width: int, most: int | None) -> None:
    """Lines break between words only; only a long word exceeds the width, and no word is lost."""
    text = " ".join(text.split())
    lines = lines_of(text, width, most)
    assert most is None or len(lines) <= most
    assert " ".join(lines) == text or (lines[-1].endswith("…") and len(lines) == most)
    assert all(cell_len(line) <= width or " " not in line for line in lines)


def test_a_command_in_a_sentence_is_not_broken() -> None:
    """A command at the end of a long sentence is on a separate line."""
    sentence = "Batches are in flight. Collect them with: batch-synth resume --checkpoint words.checkpoint.json"
    command = "  batch-synth resume --checkpoint words.checkpoint.json"
    assert sentence_lines(sentence, 60) == ["Batches are in flight. Collect them with:", command]
    assert sentence_lines(sentence, 20)[-1] == command
    assert sentence_lines(sentence, 200) == [sentence]


@patient
@given(st.text("猫ab_1", max_size=60), st.integers(1, 60))
def test_an_id_is_shortened_in_its_middle(text: str, cells: int) -> None:
    """A shortened ID fits its column; one that fits is unchanged."""
    short = shorten(text, cells)
    assert cell_len(short) <= cells
    assert (short == text) == (cell_len(text) <= cells)


def test_bars_can_be_read_without_colour() -> None:
    """The two parts of a bar are different characters."""
    screen = seen(render(view_of(Progressed(Totals(words=2, processed=1))), 80, NOON), 80)
    assert re.search("━+─+ +50%", screen)


def test_unknown_costs_are_shown_as_unknown() -> None:
    """If a price is unknown, no panel and no screen shows an amount."""
    view = view_of(Progressed(Totals(words=1, cost=None)))
    assert re.search(r"cost so far +unknown", seen(render(view, 80, NOON)))
    assert re.search(r"cost +unknown", seen(summary_panel(view, NOON)))
    panel = seen(estimate_panel(Estimate("mystery-1", 1, now={"synonyms": Expectation(1, 9, 9)})), 80)
    assert "No price known for mystery-1" in panel
    assert "--price in=0.05,out=0.25" in panel
    assert "$" not in panel


def test_an_estimate_has_prices_and_sizes() -> None:
    """The batch price is half the standard one, later requests are marked, and further chunks are summed up."""
    estimate = Estimate(
        "gpt-5-mini",
        words=9,
        complete=2,
        unknown=3,
        now={"synonyms": Expectation(4000, 1_000_000, 1_000_000)},
        later={"examples": Expectation(9, 0, 0)},
        chunks=[ChunkSize(2, 1000, 3_000_000)] * 6,
    )
    panel = seen(estimate_panel(estimate, notes=["One word was left out."], details=True), 80)
    for text in (
        "regular price    $2.25",
        "batch price      $1.12",
        "savings          $1.13 (50%)",
        "One word was left out.",
    ):
        assert text in panel
    assert "9 words: 2 already complete, 3 new" in panel
    assert "2 already complete, 3 new, 1 cannot be read" in seen(estimate_panel(replace(estimate, unreadable=1)), 80)
    assert "and 2 more: 2,000 requests, 4 words, 6.0 MB" in panel
    assert re.search(r"examples +- +9 ", panel)


def test_nothing_is_cut_at_60_columns() -> None:
    """In a narrow terminal, columns are left out rather than cut: costs, states and deadlines are whole."""
    estimate = Estimate(
        "gpt-6-luna",
        words=26,
        unknown=26,
        now={"definitions": Expectation(26, 8_163, 3_328)},
        later={"synonyms": Expectation(78, 60_918, 9_672), "domain": Expectation(78, 60_918, 9_672)},
        chunks=[ChunkSize(20, 26, 45_400)],
    )
    rows = [BatchRow(n, "DONE", f"batch_{n:032x}", total=120, cost=Decimal("0.0024"), created_at=NOON) for n in (1, 2)]
    known = Totals(words=26, expected=260, waves=("definitions", "3 components"))
    view = view_of(RunStarted("run-1", "m", "batch", False, known), polled(1, 5))
    for screen in (estimate_panel(estimate, width=60), batches_table(rows, NOON, 60), render(view, 60, NOON)):
        assert "…" not in seen(screen, 60)
    assert f"waiting for results, {expiry(NOON + timedelta(hours=24), NOON)}" in seen(render(view, 60, NOON), 60)


def test_long_prompts_are_named() -> None:
    """Prompts long enough for the service's cache are named, with their cache writes in the cost, if they make any."""
    now = {"synonyms": Expectation(10, 10 * 1024, 50), "domain": Expectation(10, 10 * 1023, 50)}
    writing = Estimate("gpt-6-luna", 10, now=now, cache_writers={"synonyms": 1, "domain": 1})
    explicit = Estimate("gpt-6-luna", 10, now=now)
    for details in (False, True):
        panel = " ".join(seen(estimate_panel(writing, details=details), 200).split())
        assert "Prompts of synonyms have 1,024 or more tokens; the cost includes cache writes" in panel
        assert "cache" not in seen(estimate_panel(explicit, details=details), 200)
    rate = rates("gpt-6-luna", batch=True)
    assert rate is not None
    costs = [each.cost(each.wholes(), batch=True) for each in (writing, explicit)]
    assert costs[0] is not None
    assert costs[1] is not None
    assert costs[0] - costs[1] == 10 * 1024 * (rate.cache_write - rate.input) > 0


@pytest.mark.parametrize(
    ("limit", "days", "sentence"),
    [
        (None, 2, "8,000,000 queued input tokens; pass your account's limit with --max-queued-tokens"),
        (5_000_000, 3, "with 5,000,000 queued tokens at once, 3 rounds: up to 3 days"),
        (40_000_000, 2, "up to 24 hours per wave"),
    ],
)
def test_the_days_that_a_run_may_take(limit: int | None, days: int, sentence: str) -> None:
    """A wave whose tokens exceed the account's queue takes several rounds of batches; the limit may be unknown."""
    estimate = Estimate(
        "gpt-6-luna",
        30_000,
        now={"definitions": Expectation(30_000, 8_000_000, 900_000)},
        later={"synonyms": Expectation(15_000, 4_000_000, 900_000)},
        chunks=[ChunkSize(30_000, 30_000, 60_000_000, 8_000_000)],
        queue_limit=limit,
    )
    assert sentence in " ".join(seen(estimate_panel(estimate), 200).split())
    event = estimated(estimate, None, None)
    assert (event.queued_tokens, event.queue_limit, event.days) == (8_000_000, limit, days)
    assert estimated(replace(estimate, immediate=True), None, None).days is None


def test_the_estimate_and_its_question_fit_80_by_24() -> None:
    """The estimate of a usual run leaves room for the list's summary above it and the question below; it adds up."""
    names = [each.value for each in SynthesisComponent if each not in ("definitions", "definition_text")]
    estimate = Estimate(
        "gpt-6-luna",
        words=63,
        unknown=63,
        now={"definitions": Expectation(63, 20_000, 9_000)},
        later=dict.fromkeys(names, Expectation(189, 60_000, 9_000)),
        chunks=[ChunkSize(63, 63, 150_000)],
        edited=3,
        unrecorded=2,
    )
    place = "floridify_sandbox in /home/user/batch-synth-mongodb"
    notes = [Caution(f"Sandbox: the answers are invented. Database: {place}.")]
    panel = seen(estimate_panel(estimate, max_cost=Decimal(20), notes=notes), 80)
    assert len(panel.splitlines()) <= 24
    usual = replace(estimate, edited=0, unrecorded=0)
    assert len(seen(estimate_panel(usual, max_cost=Decimal(20), notes=notes), 80).splitlines()) <= 20
    rows = [
        int(each.replace(",", ""))
        for each in re.findall(r"│ (?:\d \D*?\d*[^\d│]*?|all)  +~?([\d,]+) +[\d,]+ +[\d,]+ ", panel)
    ]
    assert len(rows) >= 3
    assert sum(rows[:-1]) == rows[-1] == estimate.total.requests
    assert "--details" in panel
    assert "1 batch (0.1 MB) in the first of" in panel


@pytest.mark.parametrize("details", [False, True])
@pytest.mark.parametrize("tokens", [9, 331, 12_345, 1_234_567])
def test_the_costs_of_an_estimate_add_up(tokens: int, details: bool) -> None:
    """The costs of the rows add up to the total, which is the price below and that of the checkpoint."""
    names = [each.value for each in SynthesisComponent if each not in ("definitions", "definition_text")]
    estimate = Estimate(
        "gpt-6-luna",
        words=63,
        unknown=63,
        now={"definitions": Expectation(63, tokens, tokens), "synonyms": Expectation(2, 700, 90)},
        later={name: Expectation(189, 3 * tokens + 7 * len(name), tokens) for name in names},
        chunks=[ChunkSize(63, 63, 150_000)],
        preflight=True,
    )
    assert estimate.preflight_requests == 2
    shown = seen(estimate_panel(estimate, details=details), 120)
    table, _, prices = shown.partition("regular price")
    *rows, total = [Decimal(each.replace(",", "")) for each in re.findall(r" \$([\d.,]+) +│$", table, re.MULTILINE)]
    assert sum(rows) == total
    expected = estimate.forecast().expected
    assert expected is not None
    assert f"${total:,}" == dollars(expected)
    assert f"batch price      ${total:,} " in prices


@pytest.mark.parametrize("height", [24, 26, 40])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_notes_that_do_not_fit_are_counted(width: int, height: int) -> None:
    """In a terminal, the estimate and its question fit the screen: further notes are counted, and --details has all."""
    estimate = Estimate("gpt-6-luna", words=9, unknown=9, now={"definitions": Expectation(9, 2_000, 900)})
    notes = [f"Note {number}: {'words of the note ' * number}" for number in range(1, 9)]
    panel = seen(estimate_panel(estimate, notes=notes), width, colour=True, height=height)
    assert len(panel.splitlines()) < height
    shown = sum(f"Note {number}:" in panel for number in range(1, 9))
    folded = re.search(r"and (\d+) more notes?: add --details", panel)
    assert shown + int(folded[1] if folded else 0) == len(notes)
    assert shown >= 1
    whole = seen(estimate_panel(estimate, notes=notes, details=True), width, colour=True, height=height)
    assert all(f"Note {number}:" in whole for number in range(1, 9))
    assert "Note 8:" in seen(estimate_panel(estimate, notes=notes), width)


@pytest.mark.parametrize(("width", "height"), [(60, 24), (80, 24), (60, 10)])
def test_warnings_are_never_folded(width: int, height: int) -> None:
    """Of the notes on an estimate, the warnings come first, and only the others are folded."""
    estimate = Estimate("gpt-6-luna", words=9, unknown=9, now={"definitions": Expectation(9, 2_000, 900)})
    notes = [f"Note {number}: {'words of the note ' * 5}" for number in range(1, 9)]
    warnings = [Caution(f"Warning {number}: {'words of the warning ' * 3}") for number in range(1, 5)]
    panel = seen(estimate_panel(estimate, notes=[*notes, *warnings]), width, colour=True, height=height)
    assert all(f"Warning {number}:" in panel for number in range(1, 5))
    assert "more notes: add --details" in panel
    assert "Note 1:" not in panel.partition("Warning 4")[0]


def test_a_range_of_one_value_is_left_out() -> None:
    """A price whose low and high values read alike has no range."""
    estimate = Estimate("gpt-6-luna", words=1, unknown=1, now={"definitions": Expectation(1, 9, 1)})
    assert not re.search(r"\((\S+)-\1,", seen(estimate_panel(estimate), 80))


def test_an_estimate_says_what_it_is_drawn_from() -> None:
    """Default and measured answer lengths are distinguished, and the margin of a sample is shown."""
    now = {"synonyms": Expectation(9_000_000, 10**10, 10**9), "domain": Expectation(10, 10, 50)}
    lengths = {"synonyms": measured(Observed(1234, 123_400), Origin.DATABASE, LIST_SPREAD)}
    estimate = Estimate("gpt-6-luna", 10**6, now=now, lengths=lengths, sampled=Sampled(8_950_000, 2_000, 20_000_000))
    for width in (80, 120):
        screen = seen(estimate_panel(estimate, width=width, details=True), width)
        panel = " ".join(screen.replace("│", " ").split())
        assert "measured on 1,234 answers of the database (synonyms)" in panel
        assert "typical output length (domain); will be replaced by measured values" in panel
        assert "Input tokens of 8,950,000 requests are estimated from a random sample of 2,000 words: ± 0.20%" in panel
        assert "10,000.0 M" in panel
        assert "…" not in panel


def test_an_estimate_that_is_drawn_from_one_answer() -> None:
    """A count of one has the singular."""
    lengths = {"synonyms": measured(Observed(1, 100), Origin.RUN, LIST_SPREAD)}
    estimate = Estimate("gpt-6-luna", 10, now={"synonyms": Expectation(10, 10, 50)}, lengths=lengths)
    assert "measured on 1 answer of this run" in seen(estimate_panel(estimate, details=True), 80)


def test_estimate_above_cost_limit() -> None:
    """A cost limit below the estimate plus the cost so far is reported before anything is sent."""
    estimate = Estimate("gpt-6-luna", 10, now={"synonyms": Expectation(10, 10**7, 0)})
    for spent, message in (
        ("0", "nothing beyond it is sent"),
        ("0.6", "the run will stop before finishing"),
    ):
        panel = seen(estimate_panel(estimate, max_cost=Decimal(1), spent=Decimal(spent)), 120)
        assert message in panel


def test_an_immediate_run_is_priced_as_one() -> None:
    """An immediate run is shown at the standard price, without a saving."""
    estimate = Estimate("gpt-5-mini", now={"synonyms": Expectation(1, 1_000_000, 1_000_000)}, immediate=True)
    panel = seen(estimate_panel(estimate), 80)
    assert "$2.25" in panel
    assert "savings" not in panel


def test_a_summary_says_what_to_type_next() -> None:
    """The summary of a stopped run has the command to resume; failures come with the command that lists them."""
    totals = Totals(10, 6, 1, 90, 60, 5, Usage(7, 0, 8, 0), Decimal("0.25"))
    view = view_of(RunStarted("r", "m", "batch", False, Totals()), RunEnded(False, True, totals))
    panel = seen(
        summary_panel(view, NOON, commands=NextCommands("batch-synth show cat", failures="batch-synth failures"))
    )
    for text in ("Stopped early", "$0.2500", "batch-synth failures"):
        assert text in panel
    assert "omplete" not in panel
    assert re.search(r"words processed +6 of 10", panel)
    assert re.search(r"words failed +1 ", panel)
    assert re.search(r"words remaining +3 ", panel)
    assert re.search(r"show an entry +batch-synth show cat", panel)
    assert "this session" not in panel


def test_summary_of_session_and_run() -> None:
    """After a resume, the figures of this session are beside those of the whole run, with separate times."""
    start = Totals(10, 4, 1, 50, 40, 5, Usage(1000, 0, 100, 0), Decimal(2))
    usage = Usage(3000, 0, 300, 0)
    end = Totals(10, 8, 1, 90, 80, 10, usage, Decimal(5), 6, incomplete=1, failed_for_good=4)
    begun = RunStarted("r", "m", "batch", True, start, started_at=NOON - timedelta(hours=9))
    view = view_of(begun).apply(RunEnded(True, False, end), NOON + timedelta(minutes=5))
    panel = seen(summary_panel(view, NOON + timedelta(hours=1)))
    for figures in (
        "time +5 min +9 h 5 min",
        "words processed +4 +8 of 10",
        "words incomplete +1 +1",
        "requests answered +40 +80 of 84",
        "requests retried +6 +6",
        "failed for good +4 +4",
    ):
        assert re.search(figures, panel)
    assert re.search(r"input tokens +2,000 +3,000", panel)
    assert re.search(r"cost +\$3.00 +\$5.00", panel)


@pytest.mark.parametrize(
    ("cost", "complete", "result"),
    [
        (Decimal(3), True, "25% below the estimate ($4.00, range $2.00-$8.00)"),
        (Decimal(5), True, "25% above the estimate ($4.00, range $2.00-$8.00)"),
        (Decimal(1), False, "25% of the estimate so far ($4.00, range $2.00-$8.00)"),
    ],
)
def test_a_summary_holds_the_cost_against_the_estimate(cost: Decimal, complete: bool, result: str) -> None:
    """The summary compares the cost with the estimate of the whole run; an unknown cost is not guessed."""
    forecast = Forecast(
        requests=1, input_tokens=1, output_tokens=1, low=Decimal(2), expected=Decimal(4), high=Decimal(8)
    )
    view = view_of(RunEnded(complete, not complete, Totals(words=1, processed=complete, cost=cost)))
    assert result in seen(summary_panel(view, NOON, forecast=forecast))
    for unknown in (None, forecast.model_copy(update={"expected": None})):
        assert "estimate" not in seen(summary_panel(view, NOON, forecast=unknown))


@pytest.mark.parametrize("width", WIDTHS)
def test_a_summary_stays_narrow(width: int) -> None:
    """The panel of failures is readable at any width and with long reasons."""
    view = view_of(settled("busy " * 90, refused=3), WordFailed("cat", "refused " * 40))
    lines = seen(summary_panel(view, NOON, width=width), width).splitlines()
    assert {cell_len(line) for line in lines} == {min(width, 100)}
    assert re.search(r"3 +refused +cat synonyms: busy busy", "\n".join(lines))


def test_commands_of_a_summary_can_be_copied() -> None:
    """On a terminal of any width a command is one line of output, which the terminal may wrap."""
    command = "batch-synth resume --checkpoint /a/very/long/path/" + "of/folders/" * 9 + "words.checkpoint.json"
    processed = view_of(Progressed(Totals(words=1, processed=1)))
    assert f"{command}\n" in seen(summary_panel(processed, NOON, commands=NextCommands(command)), 40, crop=False)


@pytest.mark.parametrize("width", WIDTHS)
def test_batch_ids_can_be_copied(width: int) -> None:
    """At every width a batch's ID is whole, and no line is too long."""
    rows = [BatchRow(n, "SUBMITTED", f"batch_{n:032x}", "in_progress", 10**4, 10**4, created_at=NOON) for n in (1, 2)]
    screen = seen(batches_table(rows, NOON, width), width)
    assert all(f"batch_{n:032x}" in screen for n in (1, 2))
    assert max(map(cell_len, screen.splitlines())) <= width


def test_foreign_batch() -> None:
    """The panel of a batch shows its errors, its unknown figures, and whether it belongs to this run."""
    facts = BatchFacts("batch_1", "failed", 0, 0, 0, NOON, None, None, None, None, None, None, ("line 3: bad",), False)
    panel = seen(batch_panel(facts, NOON))
    for text in ("line 3: bad", "not counted yet", "unknown", "This batch does not belong to this checkpoint."):
        assert text in panel


@pytest.mark.parametrize("width", WIDTHS)
def test_no_column_of_the_batches_is_left_out(width: int) -> None:
    """At every width each figure of a batch has its column; the count of failures is explained."""
    row = BatchRow(
        7, "SUBMITTED", "batch_1", "in_progress", 31_000, 50_000, 12, 1700, None, NOON, NOON + timedelta(hours=19)
    )
    screen = seen(batches_table([row], NOON + timedelta(hours=5), width), width)
    for text in (
        "7",
        "in progress",
        "31,000/50,000",
        "12",
        "1,700",
        "5 h",
        "14 h",
        "batch_1",
        "failed: as reported by the service",
    ):
        assert text in screen


def test_many_stored_chunks_are_summed_up() -> None:
    """Of hundreds of chunks, those in flight and the latest are listed, and the cost of the others is summed up."""
    rows = [BatchRow(n, "DONE", f"batch_{n}", total=50_000, cost=Decimal(2)) for n in range(1, 399)]
    rows += [BatchRow(n, "SUBMITTED", f"batch_{n}", "in_progress", total=50_000) for n in (399, 400)]
    screen = seen(batches_table(rows, NOON, 120, 25), 120)
    assert "380 earlier batches stored: 19,000,000 requests, $760.00" in screen
    assert [f"batch_{n} " in screen for n in (380, 381, 400)] == [False, True, True]
    everything = seen(batches_table(rows, NOON, 120), 120)
    assert all(f"batch_{row.chunk} " in everything for row in rows)


def test_ten_thousand_failures_are_a_short_table() -> None:
    """Failures are grouped by reason with their number and an example; the rest of a long list is counted."""
    rows = [FailureRow(f"word{n}", "domain", "http 500" if n % 3 else "refused", "busy") for n in range(12_000)]
    screen = seen(failures_table(rows, 80, 24), 80)
    assert screen.startswith("12,000 failures\n")
    assert re.search(r"8,000 +http 500 +word1 domain: busy", screen)
    assert re.search(r"4,000 +refused +word0 domain: busy", screen)
    assert "and 11,986 more" in screen
    assert len(screen.splitlines()) == 23
    assert (len(failures_shown(rows, 24)), len(failures_shown(rows, None))) == (14, 12_000)


def test_empty_tables_say_so() -> None:
    """An empty table is replaced by a sentence."""
    assert seen(batches_table([], NOON, 80)).strip() == "No batches yet."
    assert seen(failures_table([], 80)).strip() == "No failures."


def test_failures_are_listed_and_counted() -> None:
    """Failures are aligned in columns with their words, and counted by kind."""
    rows = [
        FailureRow("猫に小判" * 20, "synonyms", "http 500", "busy " * 60),
        FailureRow("cat", "domain", "refused", "no"),
    ]
    screen = seen(failures_table(rows, 80), 80)
    assert screen.startswith("2 failures\n")
    assert re.search(r"1 +http 500 +猫", screen)
    assert re.search(r"1 +refused +cat domain: no", screen)
    assert max(map(cell_len, screen.splitlines())) <= 80


@pytest.mark.parametrize("width", [60, 80, 200])
def test_texts_of_failures_are_whole_in_a_file_and_where_there_is_room(width: int) -> None:
    """A file has every failure with its whole texts; so has a terminal, if all fit; else each has one line."""
    reason = " ".join(f"part{number}" for number in range(40))
    rows = [FailureRow("café au lait", "regional_variants", "refused", reason, document="1", sense="coffee with milk")]
    for height in (None, 90):
        screen = seen(failures_table(rows, width, height), width)
        assert "…" not in screen
        assert "part39" in "".join(screen.split())
        assert max(map(cell_len, screen.splitlines())) <= width
    many = seen(failures_table(rows * 9, width, 24), width)
    assert len(many.splitlines()) < 24


def test_a_failure_has_the_text_of_its_sense() -> None:
    """A failure about a sense has its text, at 80 columns, too; one about a word has none; an id is a last resort."""
    rows = [
        FailureRow("bank", "synonyms", "refused", "no", document="65f0", sense="the side of a river"),
        FailureRow("bank", "etymology", "refused", "no", document="65f1", sense=""),
    ]
    screen = seen(failures_table(rows, 80), 80)
    assert re.search(r"bank +synonyms +the side of a river +refused", screen)
    assert re.search(r"bank +etymology +- +refused", screen)
    assert "65f" not in seen(failures_table(rows[1:], 200), 200)
    assert "65f1" in seen(failures_table([replace(rows[1], sense=None)], 200), 200)


def on_paper(columns: int = 80) -> tuple[Console, Screen]:
    """Return a console that treats its stream as a terminal, and the visible text."""
    terminal = Screen(columns)
    return Console(file=terminal, width=columns, height=24, force_terminal=True, color_system=None), terminal


def test_a_run_that_ended_leaves_no_screen() -> None:
    """At the end the screen is erased, since the summary follows; notices stay, once."""
    console, terminal = on_paper()
    with LiveDisplay(console, Clock()) as display:
        display.notify(RunStarted("run-1", "m", "batch", False, Totals(words=2)))
        display.notify(Notice("Two lines [bold]skipped[/bold]\x1b[2J"))
        display.notify(RunEnded(True, False, Totals(words=2, processed=2, requests=2, answered=2)))
    assert "╭" in terminal.log
    assert list(filter(None, terminal.lines)) == ["Two lines [bold]skipped[/bold]"]


def test_a_run_that_broke_off_leaves_its_screen() -> None:
    """If an error ends a run, the last screen remains above the error, and the cursor is below it."""
    console, terminal = on_paper()
    with suppress(ConnectionError), LiveDisplay(console, Clock()) as display:
        display.notify(RunStarted("run-1", "m", "batch", False, Totals(words=2)))
        display.notify(Waiting("The database does not respond"))
        raise ConnectionError
    terminal.write("gone")
    assert sum(line.startswith("╭") for line in terminal.lines) == 1
    assert any("The database does not respond" in line for line in terminal.lines)
    assert terminal.lines[-1] == "gone"


def test_other_output_appears_above_the_screen() -> None:
    """Lines that are printed or logged during a frame appear above it, whole, and the frame stays closed."""
    console, terminal = on_paper()
    with LiveDisplay(console, Clock()) as display:
        display.notify(RunStarted("run-1", "m", "batch", False, Totals(words=2)))
        typer.echo("A line")
        print("half ", end="", file=sys.stderr)  # noqa: T201  as a library might
        assert not any("half" in line for line in terminal.lines)
        print("and half", file=sys.stderr)  # noqa: T201
    lines = terminal.lines
    assert lines[:2] == ["A line", "half and half"]
    assert lines[2].startswith("╭")
    assert sum(line.startswith("╭") for line in lines) == sum(line.startswith("╰") for line in lines) == 1


def test_a_narrower_terminal_leaves_no_trace_of_the_wider_one() -> None:
    """A frame that a narrower terminal rewrapped is erased completely; the lines above it stay."""
    console, terminal = on_paper(120)
    view = view_of(Progressed(Totals(words=2)), polled(1, 5))
    frame = Frame(console, lambda: render(view, console.width, NOON))
    terminal.write("before\n")
    frame.draw()
    terminal.narrow(80)
    console.width = 80
    frame.draw()
    assert terminal.lines == ["before", *(line.rstrip() for line in seen(render(view, 80, NOON), 80).splitlines())]


@patient
@given(st.lists(st.lists(st.text("abc 猫", max_size=10), min_size=1, max_size=8), min_size=1, max_size=6))
def test_only_what_changed_is_written(frames: list[list[str]]) -> None:
    """After any sequence of frames, only the last is visible; a frame that is drawn twice writes no text."""
    console, terminal = on_paper()
    content = [""]
    frame = Frame(console, lambda: Text(content[0]))
    for lines in frames:
        content[0] = "\n".join(lines)
        frame.draw()
    assert [line for line in terminal.lines if line] == [line.rstrip() for line in frames[-1] if line.strip()]
    before = len(terminal.log)
    frame.draw()
    assert not re.search(r"[abc猫]", terminal.log[before:])


def test_a_live_screen_ages_without_events() -> None:
    """The screen follows the clock: ages and deadlines change without events."""
    clock = Clock()
    console, _ = on_paper()
    display = LiveDisplay(console, clock)
    display.notify(polled(1, 5))
    clock.pass_by(hours=5)
    assert "deadline in 19 h" in seen(display._screen(), 80)


def test_a_standing_screen_is_not_drawn_again() -> None:
    """Without an event and within the same second, the screen is not redrawn; after an event it is."""
    display = LiveDisplay(on_paper()[0], Clock())
    assert [display._is_new(), display._is_new()] == [True, False]
    display.notify(polled(1, 5))
    assert [display._is_new(), display._is_new()] == [True, False]


def logged(clock: Clock, *story: Event, out: io.StringIO | None = None) -> list[str]:
    out = out or io.StringIO()
    log = LogDisplay(out, clock)
    for event in story:
        clock.pass_by(seconds=1)
        log.notify(event)
    return out.getvalue().splitlines()


def test_a_log_line_stands_alone() -> None:
    """A log line has its time in UTC and one whole sentence, without control characters."""
    lines = logged(
        Clock(),
        RunStarted("run-1", "gpt-5-mini", "batch", True, Totals(words=1200, processed=1000)),
        polled(3, 100),
        WordFailed("cat", HOSTILE),
        RunEnded(True, False, Totals(words=1200, processed=1200)),
    )
    assert lines[0] == (
        "2026-11-20T12:00:01Z  Run run-1 resumed: gpt-5-mini, batch; 1,000 of 1,200 words processed, 0 incomplete, "
        "0 failed; 0 of 0 requests answered, 0 failed for good; cost $0.00"
    )
    assert lines[1] == (
        "2026-11-20T12:00:02Z  Batch 3 (batch_0…00000003) in progress: 100 of 400 requests done, deadline in 23 h"
    )
    assert lines[2] == "2026-11-20T12:00:03Z  Failed: cat: red [bold]kept[/bold] txet next"
    assert len(lines) == 4


def test_a_log_has_a_line_per_change_and_per_tenth() -> None:
    """A batch has a line per status and per 10 % of its requests, and the run one per 10 % of its answers."""
    totals = [Totals(words=4, requests=400, answered=each, expected=400) for each in (0, 150, 152)]
    waits = (Waiting("The database does not respond"),) * 2
    polls = (polled(1, 5), polled(1, 5), polled(1, 39), polled(2, 5), polled(1, 40), polled(1, 40, "finalizing"))
    story: list[Event] = [
        Progressed(totals[0]),
        *polls,
        *waits,
        Progressed(totals[1]),
        ListRead(1, 9),
        Progressed(totals[2]),
    ]
    lines = [line.partition("  ")[2] for line in logged(Clock(), *story, ListRead(1, 9))]
    assert sum(line.startswith("Batch 1") for line in lines) == 3
    assert sum(line.startswith("Batch 2") for line in lines) == 1
    assert sum(line == "The database does not respond" for line in lines) == 1
    assert [line[:12] for line in lines if line.startswith("Progress")] == ["Progress 11%", "Progress 48%"]


@patient
@given(st.lists(events, max_size=15))
def test_a_log_writes_at_most_a_line_per_event(story: list[Event]) -> None:
    """Any event has at most one log line, for any texts in it."""
    out = io.StringIO(newline="")
    logged(Clock(), *story, out=out)
    lines = out.getvalue().split("\n")[:-1]
    assert len(lines) <= len(story)
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  ", line) for line in lines)


def test_log_of_long_work() -> None:
    """A long upload has a log line every ten seconds; a short one has none."""
    clock, out = Clock(), io.StringIO()
    log = LogDisplay(out, clock)
    log.notify(ChunkMoved(1, "SUBMITTING", 50, 400, 150_000_000))
    for megabyte in range(1, 151):
        clock.pass_by(seconds=0.2)
        log.notify(Transferred(1, Direction.UP, megabyte * 10**6, 150 * 10**6))
    lines = out.getvalue().splitlines()
    assert [line.partition("  ")[2] for line in lines] == [
        "Submitting batch 1 (400 requests, 150.0 MB)",
        "Uploading batch 1: 50.0 of 150.0 MB",
        "Uploading batch 1: 100.0 of 150.0 MB",
        "Uploading batch 1: 150.0 of 150.0 MB",
    ]


def test_a_log_does_not_list_failed_words_by_the_thousand() -> None:
    """The first failed words have lines; later ones are counted in the next line."""
    words = [WordFailed(f"word{n}", "refused") for n in range(1, 3001)]
    lines = logged(Clock(), *words, RunEnded(True, False, Totals(words=3000, failed=3000)))
    assert len(lines) == 22
    assert lines[19].endswith("Failed: word20: refused")
    assert lines[20].endswith("Incomplete or failed: 2,980 more words, most recently word3000: refused")
    assert "Finished, with failures: 0 of 3,000 words processed" in lines[21]


def test_quiet_log() -> None:
    """A quiet log has errors and the last line only."""
    well = (RunStarted("r", "m", "batch", False, Totals(words=1)), polled(1, 5), Progressed(Totals(words=1)))
    end = RunEnded(True, False, Totals(words=1, processed=1, requests=3, answered=3))
    out = io.StringIO()
    with display_for("quiet", Console(file=out), out, Clock()) as display:
        for event in (*well, Notice("Chunk 3 is lost"), WordFailed("cat", "refused"), polled(1, 6), end):
            display.notify(event)
    lines = [line.partition("  ")[2] for line in out.getvalue().splitlines()]
    assert lines[:2] == ["Chunk 3 is lost", "Failed: cat: refused"]
    words, requests = "1 of 1 word processed, 0 incomplete, 0 failed", "3 of 3 requests answered, 0 failed for good"
    assert lines[2:] == [f"Complete: {words}; {requests}; cost $0.00"]


@pytest.mark.parametrize(
    ("output", "terminal", "kind"),
    [
        ("auto", True, LiveDisplay),
        ("auto", False, LogDisplay),
        ("plain", True, LogDisplay),
        ("quiet", True, LogDisplay),
        ("json", True, JsonDisplay),
        ("json", False, JsonDisplay),
    ],
)
def test_the_display_is_the_one_that_was_asked_for(output: str, terminal: bool, kind: type) -> None:
    """A live screen is shown in a terminal, unless the user requests lines."""
    console = Console(file=io.StringIO(), force_terminal=terminal)
    with display_for(output, console, io.StringIO(), Clock()) as display:
        assert type(display) is kind


def test_a_display_that_there_is_not_is_refused() -> None:
    """Another name is refused before anything is shown."""
    with pytest.raises(ValueError, match="yaml"), display_for("yaml", Console(), io.StringIO(), Clock()):
        pass


@pytest.mark.parametrize(
    ("event", "result"),
    [
        (Transferred(3, Direction.UP, 62_000_000, 150_000_000), "Uploading batch 3 .* 41%  62.0 of 150.0 MB"),
        (Transferred(3, Direction.DOWN, 500_000, 0), "Downloading results of batch 3  -  0.5 MB"),
        (PartStored(3, 20_480, 50_000), "Storing results of batch 3 .* 40%  20,480 of 50,000 requests"),
        (ListRead(8_200, 20_000), "Planning words .* 41%  8,200 of 20,000 words"),
    ],
)
@pytest.mark.parametrize("width", WIDTHS)
def test_work_of_known_length_has_a_bar(event: Event, result: str, width: int) -> None:
    """Countable work is shown as a bar, a share and its figures; without a known total there is no bar."""
    line = seen(render(view_of(event), width, NOON), width).splitlines()[1]
    assert re.search(result, line)
    assert ("━" in line) == ("%" in line)


def test_hundreds_of_batches_take_the_room_of_a_few() -> None:
    """The screen has the same number of lines with 400 batches in flight as with 40."""
    going = [polled(chunk, 5) for chunk in range(1, 401)]
    few, many = (seen(render(view_of(*going[:number]), 120, NOON, 40)).splitlines() for number in (40, 400))
    assert len(few) == len(many)
    assert many[-1] == "and 392 more"


def test_figures_keep_their_places() -> None:
    """No label and no column moves sideways, from the first word to 18 million requests."""
    large = Totals(600_000, 1000, 99, 18_000_000, 3_000_000, 99, Usage(4_500_000_000, 0, 900_000_000, 0), Decimal(900))
    for width in WIDTHS:
        screens = [
            seen(render(view_of(Progressed(each), polled(1, each.answered)), width, NOON), width)
            for each in (Totals(), large)
        ]
        places = [
            [match.start() for match in re.finditer(r"[a-z]+ ", "\n".join(each.splitlines()[5:10]))] for each in screens
        ]
        assert places[0] == places[1]


def test_an_observer_never_raises() -> None:
    """A closed stream does not stop the run."""
    out = io.StringIO()
    out.close()
    LogDisplay(out, Clock()).notify(Notice("unheard"))


def test_the_stop_stays_on_the_screen() -> None:
    """From the first Ctrl-C until the end, every event leaves the line about the stop on the screen."""
    started = RunStarted("r1", "gpt-6-luna", "batch", resumed=False, totals=Totals(words=3))
    view = view_of(started, Stopping(), PartStored(1, 10, 20), Waiting("The database does not answer"), polled(1, 3))
    assert "Press Ctrl-C again to stop now. Nothing is lost" in " ".join(seen(render(view, 200, NOON), 200).split())
    ended = view.apply(RunEnded(complete=False, stopped=True, totals=Totals(words=3)), NOON)
    assert "Ctrl-C" not in seen(render(ended, 80, NOON), 80)


def test_a_stop_while_storing_says_what_is_not_counted() -> None:
    """A stop while results are stored names the step with its progress, and the summary what its cost leaves out."""
    view = view_of(
        RunStarted("r", "gpt-6-luna", "batch", False, Totals(words=9, requests=40, expected=40)),
        ChunkMoved(2, "SUBMITTED", 9, 40, 1000, batch_id="batch_1"),
        BatchPolled(2, "batch_1", "completed", 40, 39, 1, NOON, None),
        ChunkMoved(2, "ANSWERED", 9, 40, 1000, batch_id="batch_1"),
        PartStored(2, 10, 40),
        Stopping(),
    )
    line = "Stopping: finishing the current step (storing results of batch 2, 25%; the rest on resume)."
    for width in (60, 80, 120):
        screen = " ".join(re.sub(r"[│╭╮╰╯─━]", " ", seen(render(view, width, NOON, 24), width)).split())
        assert line in screen
        assert "Press Ctrl-C again to stop now. Nothing is lost either way." in screen
    ended = view.apply(RunEnded(False, True, Totals(words=9, requests=40, expected=40)), NOON)
    forecast = Forecast(
        requests=40, input_tokens=1, output_tokens=1, low=Decimal(2), expected=Decimal(4), high=Decimal(8)
    )
    summary = seen(summary_panel(ended, NOON, forecast=forecast))
    assert "not counted yet: 39 answers, stored on resume" in summary
    assert "estimate: $4.00, range $2.00-$8.00" in summary
    assert "0%" not in summary


def test_a_long_command_has_a_line_of_its_own() -> None:
    """A next command that is too long to stand beside its purpose stands below it, whole."""
    command = f"batch-synth show bank --checkpoint '{'long name ' * 4}.checkpoint.json'"
    view = view_of(RunEnded(True, False, Totals(words=1, processed=1)))
    commands = NextCommands(show=command, report="batch-synth report")
    lines = seen(summary_panel(view, NOON, width=80, commands=commands), 80, crop=False).splitlines()
    assert f"    {command}" in lines
    assert "  report        batch-synth report" in lines


def test_a_log_beside_the_screen(tmp_path: Path) -> None:
    """`--log-file` appends log lines to a private file, whatever the display shows; a final error is the last line."""
    path, clock, shown = tmp_path / "run.log", Clock(), io.StringIO()
    for reason in ("first", "second"):
        with (
            suppress(DatabaseError),
            display_for("quiet", Console(file=shown), shown, clock) as display,
            with_log(display, path, clock) as observer,
        ):
            observer.notify(Waiting(reason))
            raise DatabaseError("the database is away")
    lines = [line.partition("  ")[2] for line in path.read_text().splitlines()]
    ended = "Stopped by an error: the database is away"
    assert lines == ["first", ended, "second", ended]
    assert path.stat().st_mode & 0o777 == 0o600
    assert shown.getvalue() == ""
    with display_for("quiet", Console(file=shown), shown, clock) as display, with_log(display, None, clock) as observer:
        assert observer is display
