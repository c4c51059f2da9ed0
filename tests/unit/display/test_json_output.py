"""Events as lines of JSON, and the document that says what they hold."""

import io
import json
import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.costs.answer_length import LIST_SPREAD, Observed, Origin, measured
from floridify_batch.costs.price import Price
from floridify_batch.costs.usage import Usage
from floridify_batch.display.json_output import JsonDisplay, event_name, event_object, write_event
from floridify_batch.pipeline.chunk import ChunkSize
from floridify_batch.pipeline.estimate import Estimate, Expectation, Sampled, Span
from floridify_batch.pipeline.quote import ChunkQuote, ComponentQuote, Estimated, Output, estimated
from floridify_batch.run.event import BatchPolled, ChunkSettled, Event, Notice, RunStarted, Totals, WordFailed
from tests.unit.display.test_panels import events

DOCUMENT = (Path(__file__).parents[3] / "docs" / "events.md").read_text(encoding="utf-8")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
KINDS: tuple[type, ...] = (*Event.__value__.__args__, Estimated)


def events_of(*story: Event) -> list[dict[str, Any]]:
    """The JSON lines of these events."""
    out = io.StringIO()
    display = JsonDisplay(out, lambda: NOON)
    for event in story:
        display.notify(event)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_is_an_object_with_its_own_fields() -> None:
    """Money is text, times are in UTC, nested values are objects, and no field is omitted."""
    failure = Failure("cat-0-domain", FailureReason.HTTP, "busy", status=500)
    settled = ChunkSettled(3, 7, {"http 500": 1}, (failure,), Usage(5, 1, 4, 2), Decimal("0.1000000000000000055"))
    east = datetime(2026, 11, 20, 13, tzinfo=timezone(timedelta(hours=1)))
    one, other = events_of(settled, BatchPolled(3, "batch_1", "in_progress", 9, 2, 1, east, None))
    assert one == {
        "time": "2026-11-20T12:00:00.000Z",
        "event": "chunk_settled",
        "percent": 0,
        "expected": None,
        "wave": 1,
        "chunk": 3,
        "answered": 7,
        "failures": {"http 500": 1},
        "samples": [
            {
                "custom_id": "cat-0-domain",
                "reason": "http",
                "detail": "busy",
                "attempt": 1,
                "cap_doublings": 0,
                "status": 500,
                "packed": 0,
            }
        ],
        "usage": {"input": 5, "cached": 1, "output": 4, "reasoning": 2, "cache_write": 0},
        "cost": "0.1000000000000000055",
        "dropped": 0,
        "repaired": 0,
    }
    assert (other["created_at"], other["expires_at"]) == ("2026-11-20T12:00:00.000Z", None)


@pytest.mark.parametrize(("cost", "text"), [("0E-9", "0.000000000"), ("4E-7", "0.0000004"), ("2E+3", "2000")])
def test_money_is_a_plain_decimal(cost: str, text: str) -> None:
    """Very small and very large amounts are plain decimals, without an exponent."""
    (one,) = events_of(ChunkSettled(1, 1, {}, (), Usage(), Decimal(cost)))
    assert one["cost"] == text


def quoted(estimate: Estimate, max_cost: Decimal | None = None) -> dict[str, Any]:
    """Return an estimate as its JSON event states it."""
    out = io.StringIO()
    write_event(out, estimated(estimate, max_cost, Decimal("0E-9"), ["a note"]), NOON)
    (line,) = out.getvalue().splitlines()
    events_of: dict[str, Any] = json.loads(line)
    return events_of


def test_an_estimate_for_programs() -> None:
    """An estimate as one JSON object: requests now and later by component, chunks and costs."""
    events_of = quoted(
        Estimate(
            "gpt-5-mini",
            words=3,
            complete=1,
            unknown=1,
            unclustered=2,
            now={"synonyms": Expectation(4, 400, 80), "domain": Expectation(4, 200, 40)},
            later={"synonyms": Expectation(2, 200, 40)},
            chunks=[ChunkSize(2, 8, 900, 600, 120)],
            lengths={"synonyms": measured(Observed(50, 1000), Origin.DATABASE, LIST_SPREAD)},
            sampled=Sampled(6, 2, 30),
        ),
        Decimal(5),
    )
    assert (events_of["event"], events_of["model"], events_of["mode"]) == ("estimated", "gpt-5-mini", "batch")
    assert [events_of[name] for name in ("words", "complete", "unknown", "unclustered")] == [3, 1, 1, 2]
    assert events_of["now"] == {"requests": 8, "input_tokens": 600, "output_tokens": 120}
    assert events_of["later"] == {"requests": 2, "input_tokens": 200, "output_tokens": 40}
    assert events_of["output"]["low"] < events_of["output"]["expected"] == 160 < events_of["output"]["high"]
    assert events_of["cost"]["expected"] == events_of["batch_cost"] == "0.0002600000"
    assert float(events_of["cost"]["low"]) < 0.00026 < float(events_of["cost"]["high"])
    assert Decimal(events_of["immediate_cost"]) == Decimal("0.00052")
    assert (events_of["max_cost"], events_of["spent"]) == ("5", "0.000000000")
    assert events_of["chunks"] == [{"words": 2, "requests": 8, "bytes": 900}]
    assert (events_of["sampled"], events_of["notes"]) == ({"requests": 6, "words": 2, "margin": 30}, ["a note"])
    assert list(events_of["components"]) == ["synonyms", "domain"]
    synonyms = events_of["components"]["synonyms"]
    assert (synonyms["now"]["requests"], synonyms["later"]["requests"]) == (4, 2)
    assert (synonyms["origin"], synonyms["answers"], synonyms["output"]["expected"]) == ("the database", 50, 120)
    assert Decimal(synonyms["cost"]) == Decimal("0.000195")


def test_an_estimate_without_a_price() -> None:
    """Unknown figures are null; a user's price applies to the run's mode alone."""
    now = {"domain": Expectation(1, 10**6, 10**6)}
    unknown = quoted(Estimate("gpt-of-nobody", now=now))
    assert [unknown[name] for name in ("cost", "batch_cost", "immediate_cost", "max_cost")] == [None] * 4
    assert unknown["components"]["domain"]["cost"] is None
    own = quoted(Estimate("gpt-5-mini", now=now, immediate=True, price=Price(Decimal(1), Decimal(2))))
    assert (own["batch_cost"], own["mode"]) == (None, "immediate")
    assert Decimal(own["immediate_cost"]) == 3


@settings(deadline=None)  # a busy machine proves nothing about a property
@given(events)
def test_an_event_is_one_line_of_ascii(event: Event) -> None:
    """An event is one line of ASCII, for any texts in it."""
    out = io.StringIO(newline="")
    display = JsonDisplay(out, lambda: NOON)
    display.notify(event)
    line, end = out.getvalue().split("\n")
    assert end == ""
    assert re.fullmatch(r"[ -~]+", line)
    assert json.loads(line) == event_object(event, NOON, display.view)


def test_a_reader_that_has_gone_away_stops_nothing() -> None:
    """A closed stream does not stop the run."""
    out = io.StringIO()
    out.close()
    JsonDisplay(out, lambda: NOON).notify(Notice("unheard"))


def fields_in_the_row_of(name: str) -> list[str]:
    """Return the fields in the document's tables under a name, without the remarks in brackets."""
    (row,) = re.findall(rf"^\| {re.escape(name)} \|.*$", DOCUMENT, re.MULTILINE)
    return re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", row.split("|")[-2]))


@pytest.mark.parametrize("kind", KINDS, ids=event_name)
def test_every_event_and_field_is_documented(kind: type) -> None:
    """The document names each event with each of its fields, and names no others."""
    assert fields_in_the_row_of(f"`{event_name(kind)}`") == [field.name for field in fields(kind)]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("`totals`", Totals),
        ("`usage`", Usage),
        ("a failure", Failure),
        ("`now` and `later`", Expectation),
        ("`output` and `cost`", Span),
        ("`output` and `cost`", Output),
        ("estimate of a component", ComponentQuote),
        ("size of a chunk", ChunkQuote),
        ("`sampled`", Sampled),
    ],
)
def test_every_part_of_an_event_is_documented(name: str, kind: type) -> None:
    """The objects inside events are documented field by field, too."""
    assert set(fields_in_the_row_of(name)) == {field.name for field in fields(kind)}


def test_every_reason_of_a_failure_is_documented() -> None:
    """The document names each failure reason, and no others."""
    _, reasons = DOCUMENT.split("A failure's `reason` is")
    assert set(re.findall(r"`(\w+)`", reasons.split("\n\n")[0])) == set(FailureReason)


def test_no_other_event_is_documented() -> None:
    """No event is removed: the document promises it."""
    table = DOCUMENT.split("## Events")[1].split("## Objects")[0]
    assert set(re.findall(r"^\| `(\w+)` \| (?!meaning)", table, re.MULTILINE)) == {event_name(kind) for kind in KINDS}


def test_the_examples_of_the_document_are_real() -> None:
    """The example lines of the document have exactly the fields of their events."""
    names = {event_name(kind): [field.name for field in fields(kind)] for kind in KINDS}
    (block,) = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    for line in block.splitlines():
        shown = json.loads(line)
        assert [*shown] == ["time", "event", "percent", "expected", "wave", *names[shown["event"]]]


def test_the_view_is_kept_for_the_end() -> None:
    """JSON events carry the progress of the run, as every display shows it."""
    display = JsonDisplay(io.StringIO(), lambda: NOON)
    display.notify(RunStarted("run-1", "m", "batch", False, Totals(words=2)))
    display.notify(WordFailed("cat", "refused"))
    assert display.view.failed_words == (WordFailed("cat", "refused"),)
