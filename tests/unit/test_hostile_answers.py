"""Hostile answer files: in any mixture of odd lines, no readable answer is lost, and none that came back costs zero."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st

from floridify_batch.components.cefr_level import CEFRLevelResponse
from floridify_batch.components.failure import FailureReason, Unanswered
from floridify_batch.components.requests import custom_id, parse_answer
from floridify_batch.costs.price import Bills
from floridify_batch.pipeline.chunk import Expected
from floridify_batch.pipeline.settlement import billed, billing, indexed_answers, settle
from floridify_batch.providers.json_lines import put_on_lines
from floridify_batch.words.entry import derived_id

IDS = [custom_id("bank", derived_id(number), "cefr_level") for number in range(6)]
EXPECTED = [Expected(number, identity, 1, 0) for number, identity in enumerate(IDS)]
GOOD = {"reasoning": 'Often, {as} a "noun".', "level": "A1", "confidence": 0.9}
USAGE = {"prompt_tokens": 9, "completion_tokens": 1}

ODD_USAGES: list[Any] = [
    None,
    [],
    {"prompt_tokens": -1, "completion_tokens": 1},
    {"prompt_tokens": 0},
    {"prompt_tokens": "9" * 5000},
    "9",
]
ODD_STATUSES = ["200 OK", "200", 200.0, 201, True, 0, None, "9" * 5000, [200]]
ODD_BODIES: list[Any] = [None, "", [], {}, "cut {", 5, {"choices": []}]


@dataclass(frozen=True)
class Item:
    """A part of an answer file about one request: is its answer readable, and may its service have billed it?"""

    text: bytes
    number: int | None = None
    readable: bool = False
    charged: bool = False
    alone: bool = False
    """Whether nothing else may follow on its last line."""


def body_of(content: Any = GOOD, usage: Any = USAGE) -> dict[str, Any]:
    message = {"role": "assistant", "content": json.dumps(content), "refusal": None}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}


def line_of(identity: Any, status: Any, body: Any, error: Any = None) -> dict[str, Any]:
    return {"id": "r", "custom_id": identity, "response": {"status_code": status, "body": body}, "error": error}


@st.composite
def answers(draw: Callable[..., Any], number: int) -> Item:
    """A whole answer in an odd form."""
    status = draw(st.sampled_from([200, 200, *ODD_STATUSES]))
    body: Any = body_of(usage=draw(st.sampled_from([USAGE, USAGE, *ODD_USAGES])))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        body = json.dumps(body)
    line: Any = line_of(
        draw(st.sampled_from([IDS[number], IDS[number], IDS[number].upper(), f" {IDS[number]} "])), status, body
    )
    if draw(st.booleans()):
        line["extra"] = draw(st.sampled_from(["\ud800", "}{", "\u2028", 10**30, float("nan"), {"custom_id": 5}]))
    return Item(laid_out(draw, line), number, readable=True, charged=True)


def laid_out(draw: Callable[..., Any], line: Any) -> bytes:
    """A line, compact or indented."""
    text = json.dumps(line, indent=draw(st.sampled_from([None, None, 0, 1, 4])))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))).encode()


@st.composite
def items(draw: Callable[..., Any]) -> Item:
    """A part of an answer file."""
    number = draw(st.integers(0, len(IDS) - 1))
    kind = draw(st.sampled_from(["answer", "answer", "answer", "cut", "error", "empty", "unnamed", "noise"]))
    if kind == "answer":
        answer: Item = draw(answers(number))
        return answer
    if kind == "cut":
        whole = draw(answers(number)).text
        return Item(whole[: draw(st.integers(1, len(whole) - 1))], number, charged=True, alone=True)
    if kind == "error":
        error = {"error": draw(st.sampled_from([{"message": "no"}, "no", ["no"], {"code": {"a": 1}}]))}
        status = draw(st.sampled_from([400, 500, "503", 429.0]))
        return Item(laid_out(draw, line_of(IDS[number], status, error)), number)
    if kind == "empty":
        return Item(laid_out(draw, line_of(IDS[number], 200, draw(st.sampled_from(ODD_BODIES)))), number, charged=True)
    if kind == "unnamed":
        identity = draw(st.sampled_from([None, 5, [], "\ud800"]))
        return Item(laid_out(draw, line_of(identity, 200, body_of())), number, charged=True)
    other: Item = draw(noise)
    return other


noise = st.sampled_from(
    [
        Item(json.dumps(line_of("request-1", 200, body_of())).encode()),
        *(
            Item(text, alone=True)
            for text in (b"<html>{x}</html>", b"[DONE]", b"null", b"\xff\xfe", b'"text"', b"[]", b"\x00")
        ),
    ]
)


def file_of(draw: Callable[..., Any], parts: Sequence[Item]) -> bytes:
    """The parts as one file, on lines of their own or several on one."""
    content: bytes = b"\xef\xbb\xbf" * draw(st.booleans())
    for part in parts:
        ends = [b"\n", b"\r\n", b"\n\n"] if part.alone else [b"\n", b"\r\n", b"\n\n", b"", b" ", b",", b"\r", b",\n"]
        content += part.text + draw(st.sampled_from(ends))
    return content


@settings(
    derandomize=True, deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_mixture_of_lines(tmp_path: Path, data: st.DataObject) -> None:
    """Each readable answer is used, each request ends once, and none that the service answered costs zero."""
    output, errors = data.draw(st.lists(items(), max_size=7)), data.draw(st.lists(items(), max_size=3))
    paths = (tmp_path / "output.jsonl", tmp_path / "errors.jsonl")
    for path, parts in zip(paths, (output, errors), strict=True):
        path.write_bytes(file_of(data.draw, parts))
        put_on_lines(path)
    bills = Bills("gpt-6-luna", batch=True)
    with indexed_answers(paths, billing(bills)) as index:
        bills, _ = billed(index, paths, IDS, bills, short=False)
        outcomes = list(settle(EXPECTED, index, parse, Unanswered(FailureReason.MISSING, "no line")))
    answered = [each.custom_id for outcome in outcomes for each in outcome.answers]
    failed = [each.custom_id for outcome in outcomes for each in outcome.failures]
    assert sorted(answered + failed) == sorted(IDS)
    returned = [*output, *errors]
    assert {IDS[each.number] for each in returned if each.readable and each.number is not None} <= set(answered)
    charged = {each.number for each in returned if each.charged}
    assert len(charged) <= bills_of(bills) <= len(IDS)


def test_an_answer_without_an_id_beside_an_error(tmp_path: Path) -> None:
    """An answer without an id may be that of a request with an error line: its cost is unknown, and not zero."""
    lines = [line_of(IDS[0], 200, body_of()), line_of(IDS[1], 400, {"error": "no"}), line_of(None, 200, body_of())]
    path = tmp_path / "output.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    bills = Bills("gpt-6-luna", batch=True)
    with indexed_answers([path], billing(bills)) as index:
        bills, _ = billed(index, [path], IDS[:2], bills, short=False)
    assert (bills.requests, bills.unmetered) == (1, 1)


def parse(_: str, body: Any) -> CEFRLevelResponse:
    return parse_answer(CEFRLevelResponse, body)


def bills_of(bills: Bills) -> int:
    """The number of requests that a bill holds, with or without usage."""
    return bills.requests + bills.unmetered
