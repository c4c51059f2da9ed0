"""The report: its figures are the ledger's, what is unknown stays unknown, and no text can be more than text."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest

from floridify_batch.costs.usage import Forecast, Spent, Usage
from floridify_batch.database.value_count import ModelCount, ValueCount, ValueCounts
from floridify_batch.display.report import WORDS_LISTED, BatchStatus, Example, Report, report_of
from floridify_batch.display.report_page import FIRST_LINE, page
from floridify_batch.run.ledger import ChunkRecord, ChunkState, Ledger
from tests.ledgers import run_info

S = ChunkState
T0 = 1_795_100_000.0
HOUR = 3600.0
HOSTILE = '<img src=x onerror="alert(1)">{{ 7*7 }}&amp;\u202e\x1b[31m'
TEXT_CONTRAST = 4.5
SHAPE_CONTRAST = 3.0


def ledger(*chunks: ChunkRecord, after: float = 2 * HOUR, words: int = 10, **more: Any) -> Ledger:
    """A run that was last saved a number of seconds after its start."""
    chosen: dict[str, Any] = {
        "words_file": "lists/words.txt",
        "components": ("synonyms", "cefr_level"),
        "mongo_url": "mongodb://who:secret@db.example.org",
    }
    facts = {name: more.pop(name) for name in list(more) if name in Ledger.model_fields}
    stamp = datetime.fromtimestamp(T0 + after, UTC).isoformat()
    return Ledger(
        start_time=T0, run=run_info(words=words, **chosen | more), timestamp=stamp, chunks=list(chunks), **facts
    )


def chunk(number: int = 1, state: ChunkState = S.DONE, **more: Any) -> ChunkRecord:
    """Return a chunk of ten requests, submitted at the start, for an hour, in its state."""
    facts: dict[str, Any] = {"words": 5, "requests": 10, "bytes": 9000, "input_tokens": 2500, "output_tokens": 600}
    if state is not S.PLANNED:
        facts |= {"created_at": T0, "batch_id": f"batch_{number}"}
    if state in (S.ANSWERED, S.STORED, S.DONE, S.LOST):
        facts |= {"completed_at": T0 + HOUR}
    if state in (S.STORED, S.DONE):
        usage = Usage(input=2000, output=500)
        facts |= {"answered": 8, "failures": {"refused": 2}, "usage": usage, "cost": Decimal("0.25")}
    return ChunkRecord(number=number, state=state, **facts | more)


def spent(answered: int, failed: int, cost: str | None) -> Spent:
    tokens = Usage(input=answered * 250, output=answered * 50)
    return Spent(answered=answered, failed=failed, usage=tokens, cost=None if cost is None else Decimal(cost))


def view(of: Ledger, **examples: Example) -> Report:
    return report_of(of, examples, "words.checkpoint.json")


class _Reader(HTMLParser):
    """A parser of the report: its elements, and its text outside scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._styling = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._styling = tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._styling:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    return reader


# ── figures ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_headline_is_the_ledgers() -> None:
    """Words, requests, tokens and cost on the page are those of the ledger, to the last digit shown."""
    of = ledger(chunk(), chunk(2), chunk(3, S.SUBMITTED), processed_words=["a", "b"], failed_words={"c": "why"})
    text = read(page(view(of))).text
    for shown in (
        "In progress, 30%: 3 of 10 words done so far.",
        "2 processed, of 10 0 incomplete, 1 failed, 7 remaining",
        "Requests 30 16 answered 4 failed for good, 10 pending",
        "Tokens 5,000 4,000 input 1,000 output",
        "Cost so far $0.5000",
        "run1",
        "gpt-6-luna, batch",
        "synonyms, cefr level",
        "2026-11-19 14:53:20 UTC",
    ):
        assert shown in text


def test_the_components_add_up() -> None:
    """The table of components is sorted by cost, and its last line is the sum and the run's cost."""
    parts = {"cefr_level": spent(6, 1, "0.10"), "synonyms": spent(10, 3, "0.40")}
    report = view(ledger(chunk(), chunk(2), spent=parts))
    assert [line.name for line in report.components] == ["synonyms", "cefr_level"]
    assert [line.share for line in report.components] == [100.0, 25.0]
    assert report.divided
    assert report.divided_cost == report.totals.cost == Decimal("0.50")
    assert "all 16 4 4,000 800 $0.5000" in read(page(report)).text


def test_components_that_were_not_counted_apart() -> None:
    """Answers of an older version belong to no component, and the page says so; without components it has no table."""
    undivided = "Answers from before components were counted separately are not included."
    assert undivided in page(view(ledger(chunk(), chunk(2), spent={"synonyms": spent(8, 2, "0.25")})))
    assert undivided not in page(view(ledger(chunk(), spent={"synonyms": spent(8, 2, "0.25")})))
    assert "Cost by component" not in page(view(ledger(chunk())))


def test_failures_are_grouped_by_their_reason() -> None:
    """Each failure reason is listed once, the most frequent first, with its number and an example if there is one."""
    of = ledger(chunk(failures={"refused": 1, "http 500": 5}), chunk(2, failures={"refused": 1}))
    report = view(of, refused=Example("naïve", "cefr_level", "I'm sorry."))
    assert [(reason.kind, reason.requests) for reason in report.reasons] == [("http 500", 5), ("refused", 2)]
    text = read(page(report)).text
    assert "http 500 5 no longer on disk" in text
    assert "refused 2 naïve , cefr level: I'm sorry." in text


def test_nothing_failed() -> None:
    """The page states it if no word failed."""
    html = page(view(ledger(chunk(failures={}, answered=10), words=1, processed_words=["a"])))
    assert "No failed requests." in html
    assert "Finished: all requested components of every word are stored." in html
    assert "failed (stacked)" not in html


# ── money ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def forecast(expected: str) -> Forecast:
    return Forecast(
        requests=10,
        input_tokens=1,
        output_tokens=1,
        low=Decimal("0.1"),
        expected=Decimal(expected),
        high=Decimal("0.9"),
    )


@pytest.mark.parametrize(
    ("expected", "words"),
    [("0.20", "25.0% above the estimate"), ("0.50", "50.0% below the estimate"), ("0.25", "as estimated")],
)
def test_cost_against_the_estimate(expected: str, words: str) -> None:
    """The cost of a finished run is compared with its estimate; that of a run in progress is not."""
    finished = ledger(chunk(), words=1, processed_words=["a"], estimate=forecast(expected))
    text = read(page(view(finished))).text
    assert words in text
    assert "range $0.1000-$0.9000" in text
    assert words not in page(view(ledger(chunk(), words=2, processed_words=["a"], estimate=forecast(expected))))


def test_the_price_of_immediate_mode() -> None:
    """The cost in immediate mode is twice the batch price for this model, and the saving is the difference."""
    report = view(ledger(chunk(cost=Decimal("0.000225"))))
    assert report.other_mode.dollars is not None
    saved = report.other_mode.dollars - Decimal("0.000225")
    assert saved > 0
    assert f"${saved:.4f} below the standard rate" in page(report)


def test_a_price_option_says_nothing_of_the_other_mode() -> None:
    """With a user's price for this mode, the page states nothing about the other."""
    report = view(ledger(chunk(), price={"input": "0.05", "output": "0.25"}))
    assert report.other_mode.dollars is None
    assert "standard rate" not in page(report)


def test_an_unknown_cost_is_never_nothing() -> None:
    """If the price is unknown, every cost of answers reads "unknown", and no amount of dollars is shown."""
    parts = {"synonyms": spent(8, 2, None)}
    report = view(ledger(chunk(cost=None), spent=parts, model="gpt-nobody-knows"))
    assert report.totals.cost is None
    html = page(report)
    assert "$" not in read(html).text
    assert "the cost is unknown" in html
    assert html.count("unknown") >= 4
    assert "The bars compare tokens." in html


def test_what_an_adopted_checkpoint_had_cost() -> None:
    """Costs from before this run are in the sum, and excluded from the comparison with the estimate."""
    report = view(ledger(chunk(), carried_cost=Decimal("2.00")))
    assert report.totals.cost == Decimal("2.25")
    assert report.paid == Decimal("0.25")
    assert "Includes $2.00 paid before this run." in page(report)


# ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────────


STATUSES = [
    (chunk(state=S.PLANNED), BatchStatus.READY),
    (chunk(state=S.SUBMITTING), BatchStatus.READY),
    (chunk(state=S.SUBMITTED), BatchStatus.IN_FLIGHT),
    (chunk(state=S.ANSWERED), BatchStatus.ANSWERED),
    (chunk(state=S.STORED), BatchStatus.STORED),
    (chunk(state=S.DONE), BatchStatus.STORED),
    (chunk(state=S.DONE, answered=0, failures={"rejected": 10}), BatchStatus.LOST),
    (chunk(state=S.LOST), BatchStatus.LOST),
    (chunk(state=S.SPLIT), BatchStatus.SPLIT),
    (chunk(state=S.DONE, answered=0, failures={}), BatchStatus.SPLIT),
]


@pytest.mark.parametrize(("record", "status"), STATUSES)
def test_the_status_of_a_chunk(record: ChunkRecord, status: BatchStatus) -> None:
    """Every state has a word and a symbol on the page, so that it does not depend on colours."""
    report = view(ledger(record))
    assert report.statuses == [(status, 1)]
    assert f"{status.mark} 1 {status}" in read(page(report)).text


def test_every_status_has_its_own_symbol() -> None:
    """No two statuses share a symbol."""
    assert len({status.mark for status in BatchStatus}) == len(BatchStatus)


def test_the_time_line() -> None:
    """A bar extends from creation to completion, or, in flight, to the last save of the run."""
    past, in_flight, waiting = view(ledger(chunk(), chunk(2, S.SUBMITTED), chunk(3, S.PLANNED))).bars
    assert past.left == in_flight.left == 0.0
    assert in_flight.width == pytest.approx(2 * past.width)
    assert 95 < in_flight.width < 100
    assert past.failed_width == pytest.approx(past.width * 2 / 10)
    assert waiting.left is None


def test_a_service_whose_clock_is_behind() -> None:
    """A batch created before the start of the run, by the service's clock, is still on the axis."""
    (bar,) = view(ledger(chunk(created_at=T0 - 1))).bars
    assert bar.left == 0.0


def test_progress_ends_at_the_ledgers_figures() -> None:
    """The filled area ends at the answered requests, with the failed ones on top, up to the dashed line."""
    plot = view(ledger(chunk(), chunk(2, created_at=T0 + HOUR, completed_at=T0 + 2 * HOUR))).progress
    assert plot is not None
    top = int(plot.counts[-1].label)
    heights = [float(each.split()[-1]) for each in re.findall(r"L[\d.]+ [\d.]+", plot.answered)]
    assert min(heights) == pytest.approx(100 - 100 * 16 / top, abs=0.01)
    assert plot.sent.endswith(f"L100.00 {100 - 100 * 20 / top:.2f}")
    assert f"L100.00 {100 - 100 * 20 / top:.2f}" in plot.failed


def test_a_retried_failure_is_not_in_the_chart() -> None:
    """Failures that a later batch answered are not in the chart, and their retries are not counted as sent again."""
    retry = chunk(2, requests=4, retried=4, answered=4, failures={}, created_at=T0 + HOUR, completed_at=T0 + 2 * HOUR)
    plot = view(ledger(chunk(failures={"expired": 4}, answered=6), retry)).progress
    assert plot is not None
    heights = {
        name: re.findall(r"L100\.00 ([\d.]+)", getattr(plot, name))[0] for name in ("sent", "answered", "failed")
    }
    assert len(set(heights.values())) == 1


@pytest.mark.parametrize("seconds", [0.0, 1, 7, 59, 61, 3599, 5 * HOUR, 23 * HOUR, 80 * HOUR, 24 * HOUR * 100])
def test_times_are_round_and_few(seconds: float) -> None:
    """The time axis has a few round times in order, from the start, for a run of any length."""
    ticks = view(ledger(chunk(created_at=T0, completed_at=T0 + seconds), after=seconds)).times
    assert ticks[0].label == "start"
    assert len(ticks) <= 6
    places = [tick.at for tick in ticks]
    assert places == sorted(set(places))
    assert len({tick.label for tick in ticks}) == len(ticks)


# ── runs of every size ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_that_has_just_begun() -> None:
    """Before the first request, the page says so, and shows neither a chart nor a table."""
    html = page(view(ledger(after=1)))
    for message in ("Just started", "No requests sent yet.", "No cost yet.", "No batches yet."):
        assert message in html
    assert "<table" not in html


def test_four_hundred_chunks() -> None:
    """The timeline of many chunks has the same height as that of some, and labels only some of them."""
    html = page(view(ledger(*(chunk(number) for number in range(1, 401)))))
    heights = [float(height) for height in re.findall(r'<svg[^>]* height="([\d.]+)"', html)]
    assert max(heights) < 500
    labels = re.findall(r'text-anchor="end">(\d+)<', html)
    assert labels[-1] == "400"
    assert len(labels) < 40
    assert len(re.findall(r"<title>Batch \d+: stored, 10 requests, 2 failed</title>", html)) == 400


def test_ten_thousands_of_failed_words() -> None:
    """Of very many failed words, a few are listed, with the command that lists all."""
    failed = {f"word{number}": "synonyms: refused: no" for number in range(30_000)}
    html = page(view(ledger(chunk(), words=40_000, failed_words=failed)))
    assert len(html) < 100_000
    assert len(re.findall(r'<th scope="row" class="name">word\d+', html)) == WORDS_LISTED
    text = read(html).text
    assert f"And {30_000 - WORDS_LISTED:,} more words: batch-synth failures --checkpoint words.checkpoint.json" in text


def test_an_immediate_run_has_the_standard_rate() -> None:
    """The page of an immediate run names its mode and rate."""
    text = read(page(view(ledger(chunk(), immediate=True)))).text
    assert "gpt-6-luna, immediate" in text
    assert "at the standard rate" in text


def test_invented_answers_are_called_so() -> None:
    """The page of a sandbox run says that its answers are invented."""
    assert "The answers are invented by the sandbox." in page(view(ledger(chunk(), sandbox=True)))
    assert "invented" not in page(view(ledger(chunk())))


def test_models_and_doubts() -> None:
    """The page names the models of components, and the commands that list doubts and the origin of each value."""
    shown = page(view(ledger(chunk(), models={"usage_notes": "gpt-6-sol"})))
    assert ", batch; usage notes: gpt-6-sol</dd>" in shown
    assert "batch-synth check --all --checkpoint words.checkpoint.json" in shown
    assert "batch-synth show WORD --checkpoint words.checkpoint.json" in shown


# ── a page that does nothing ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def hostile_service() -> str:
    """A page whose texts all contain markup and control characters."""
    of = ledger(
        chunk(failures={HOSTILE: 2}, batch_id=HOSTILE),
        failed_words={HOSTILE: HOSTILE},
        spent={HOSTILE: spent(8, 2, "0.25")},
        words_file=f"{HOSTILE}.txt",
        model=HOSTILE,
        models={HOSTILE: HOSTILE},
        language=HOSTILE,
        database=HOSTILE,
        components=(HOSTILE,),
    )
    return page(report_of(of, {HOSTILE: Example(HOSTILE, HOSTILE, HOSTILE)}, HOSTILE))


def test_texts_from_elsewhere_are_texts(hostile_service: str) -> None:
    """No word, reason, name or file creates an element, runs a template or changes the direction of text."""
    reader = read(hostile_service)
    assert not {"img", "script", "iframe"} & {tag for tag, _ in reader.tags}
    assert not [name for _, attributes in reader.tags for name in attributes if name.startswith("on")]
    assert '<img src=x onerror="alert(1)">{{ 7*7 }}&amp;' in reader.text
    assert "49" not in reader.text
    assert "\u202e" not in hostile_service
    assert "\x1b" not in hostile_service


def test_the_page_loads_nothing(hostile_service: str) -> None:
    """The page contains no address, and its policy blocks all loading."""
    reader = read(hostile_service)
    addresses = [
        value
        for _, attributes in reader.tags
        for name, value in attributes.items()
        if name in ("src", "href", "action", "data", "poster", "srcset")
    ]
    assert addresses == ["data:,"]
    assert not re.search(r"https?://|@import|url\((?!#)", hostile_service)
    policy = next(attributes for _, attributes in reader.tags if attributes.get("http-equiv"))
    assert (policy["content"] or "").startswith("default-src 'none'")


def test_no_secret_is_shown() -> None:
    """The database's address, which may contain a password, is not on the page."""
    assert "secret" not in page(view(ledger(chunk())))


def test_the_page_begins_as_a_report() -> None:
    """A report is recognised by its first line."""
    assert page(view(ledger())).startswith(FIRST_LINE)


def test_charts_have_text_for_screen_readers() -> None:
    """Every chart has a title and a description; every other drawing is hidden from screen readers."""
    html = page(view(ledger(chunk(), chunk(2, S.SUBMITTED), spent={"synonyms": spent(8, 2, "0.25")})))
    reader = read(html)
    named = [each["aria-labelledby"] for tag, each in reader.tags if tag == "svg" and each.get("role") == "img"]
    assert len(named) == 3
    for names in named:
        title, description = (names or "").split()
        assert re.search(rf'<title id="{title}">[^<]+</title>', html)
        assert re.search(rf'<desc id="{description}">[^<]+</desc>', html)
    outer = [each for tag, each in reader.tags if tag == "svg" and "viewbox" not in each]
    assert all(each.get("role") == "img" or each.get("aria-hidden") == "true" for each in outer)


def themes() -> Iterator[tuple[str, dict[str, str]]]:
    css = files("floridify_batch.display").joinpath("pages", "report.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    for name, block in (("light", light), ("dark", dark)):
        yield name, dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("theme", "colours"), list(themes()))
def test_contrast(theme: str, colours: dict[str, str]) -> None:
    """In both themes, texts and shapes have the contrast that WCAG requires: 4.5 for texts, 3 for shapes."""
    for name in ("ink", "soft", "good-ink"):
        assert contrast(colours[name], colours["paper"]) >= TEXT_CONTRAST, f"{theme}: {name}"
    for name in ("good", "bad", "open-edge"):
        assert contrast(colours[name], colours["paper"]) >= SHAPE_CONTRAST, f"{theme}: {name}"


def test_provenance() -> None:
    """The values of models with their days, those of people and the doubtful ones are shown if they were counted."""
    found = ValueCount({"gpt-6-luna": ModelCount(1200, "2026-03-01", "2026-03-04"), HOSTILE: ModelCount(1)})
    found.people["edited in review"], found.doubtful = 3, 5
    values = ValueCounts(
        7, {"usage_notes": found, "domain": ValueCount({"gpt-6-luna": ModelCount(2, "2026-03-01", "2026-03-01")})}
    )
    without, shown = report_of(ledger(chunk()), {}, "x"), report_of(ledger(chunk()), {}, "x", values)
    assert "Provenance" not in read(page(without)).text
    text = read(page(shown)).text
    assert "usage notes" in text
    assert "gpt-6-luna: 1,200 (2026-03-01 to 2026-03-04)" in text
    assert "edited in review: 3 5" in text
    assert "Values stored for 7 entries of this run" in text
