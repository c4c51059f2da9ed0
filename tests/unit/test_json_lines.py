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

from floridify_batch.events import BatchPolled, ChunkSettled, Event, Noticed, RunBegan, Totals, WordFailed
from floridify_batch.failures import Failure, FailureReason
from floridify_batch.json_lines import JsonDisplay, event_name, event_object
from floridify_batch.pricing import Usage
from tests.unit.test_display import events

DOCUMENT = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
KINDS: tuple[type, ...] = Event.__value__.__args__


def told(*story: Event) -> list[dict[str, Any]]:
    """What a program reads of these events."""
    out = io.StringIO()
    display = JsonDisplay(out, lambda: NOON)
    for event in story:
        display.notify(event)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_is_an_object_with_its_own_fields() -> None:
    """Money is text, times are in UTC, parts are objects of their own, and nothing is left out."""
    failure = Failure("cat-0-domain", FailureReason.HTTP, "busy", status=500)
    settled = ChunkSettled(3, 7, {"http 500": 1}, (failure,), Usage(5, 1, 4, 2), Decimal("0.1000000000000000055"))
    east = datetime(2026, 11, 20, 13, tzinfo=timezone(timedelta(hours=1)))
    one, other = told(settled, BatchPolled(3, "batch_1", "in_progress", 9, 2, 1, east, None))
    assert one == {
        "time": "2026-11-20T12:00:00.000Z",
        "event": "chunk_settled",
        "chunk": 3,
        "answered": 7,
        "failures": {"http 500": 1},
        "samples": [
            {
                "custom_id": "cat-0-domain",
                "reason": "http",
                "detail": "busy",
                "attempt": 1,
                "boost": 0,
                "status": 500,
            }
        ],
        "usage": {"input": 5, "cached": 1, "output": 4, "reasoning": 2},
        "cost": "0.1000000000000000055",
        "dropped": 0,
    }
    assert (other["created_at"], other["expires_at"]) == ("2026-11-20T12:00:00.000Z", None)


@pytest.mark.parametrize(("cost", "text"), [("0E-9", "0.000000000"), ("4E-7", "0.0000004"), ("2E+3", "2000")])
def test_money_is_a_plain_decimal(cost: str, text: str) -> None:
    """Very little money, and very much, is written out: a reader that takes plain decimals alone can read it."""
    (one,) = told(ChunkSettled(1, 1, {}, (), Usage(), Decimal(cost)))
    assert one["cost"] == text


@settings(deadline=None)  # a busy machine proves nothing about a property
@given(events)
def test_an_event_is_one_line_of_ascii(event: Event) -> None:
    """Whatever the texts of an event are, it is one line that any reader and any terminal can take."""
    out = io.StringIO(newline="")
    JsonDisplay(out, lambda: NOON).notify(event)
    line, end = out.getvalue().split("\n")
    assert end == ""
    assert re.fullmatch(r"[ -~]+", line)
    assert json.loads(line) == event_object(event, NOON)


def test_a_reader_that_has_gone_away_stops_nothing() -> None:
    """A stream that was closed does not stop the run."""
    out = io.StringIO()
    out.close()
    JsonDisplay(out, lambda: NOON).notify(Noticed("unheard"))


def fields_in_the_row_of(name: str) -> list[str]:
    """The fields that the document's tables give to what has this name, without what it says of them in brackets."""
    (row,) = re.findall(rf"^\| {re.escape(name)} \|.*$", DOCUMENT, re.MULTILINE)
    return re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", row.split("|")[-2]))


@pytest.mark.parametrize("kind", KINDS, ids=event_name)
def test_every_event_and_field_is_documented(kind: type) -> None:
    """The document names each event with each of its fields, and names no others."""
    assert fields_in_the_row_of(f"`{event_name(kind)}`") == [field.name for field in fields(kind)]


@pytest.mark.parametrize(("name", "kind"), [("`totals`", Totals), ("`usage`", Usage), ("a failure", Failure)])
def test_every_part_of_an_event_is_documented(name: str, kind: type) -> None:
    """The objects inside events are documented field by field, too."""
    assert set(fields_in_the_row_of(name)) == {field.name for field in fields(kind)}


def test_every_reason_of_a_failure_is_documented() -> None:
    """The document names each reason that a failure can have, and no others."""
    _, reasons = DOCUMENT.split("A failure's `reason` is")
    assert set(re.findall(r"`(\w+)`", reasons.split("\n\n")[0])) == set(FailureReason)


def test_no_other_event_is_documented() -> None:
    """An event that there is no more would have to stay: the document promises it."""
    table = DOCUMENT.split("## Events")[1].split("## Objects")[0]
    assert set(re.findall(r"^\| `(\w+)` \| (?!it says)", table, re.MULTILINE)) == {event_name(kind) for kind in KINDS}


def test_the_examples_of_the_document_are_real() -> None:
    """The lines that the document shows have exactly the fields that such events have."""
    names = {event_name(kind): [field.name for field in fields(kind)] for kind in KINDS}
    (block,) = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    for line in block.splitlines():
        shown = json.loads(line)
        assert [*shown] == ["time", "event", *names[shown["event"]]]


def test_the_view_is_kept_for_the_end() -> None:
    """Whoever shows the events knows how the run stands, as every display does."""
    display = JsonDisplay(io.StringIO(), lambda: NOON)
    display.notify(RunBegan("run-1", "m", "batch", False, Totals(words=2)))
    display.notify(WordFailed("cat", "refused"))
    assert display.view.failed_words == (WordFailed("cat", "refused"),)
