"""Packs as values: prompts, schemas, shares, and what becomes of an answer."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.components.pack import Pack, divided_prompt, packed, shares, taken_apart
from floridify_batch.components.registry import RECIPES, SynthesisComponent
from floridify_batch.components.requests import AnswerError, CustomId, Envelope, SynthesisRequest, parse_custom_id
from floridify_batch.costs.usage import Usage
from floridify_batch.words.entry import derived_id

ANSWER = RECIPES[SynthesisComponent.CEFR_LEVEL].answer
USAGE = Usage(101, 10, 57, 3, 4)


def request(number: int, prompt: str, instructions: str = "Grade.") -> SynthesisRequest[Any]:
    envelope = Envelope("cefr_level", ANSWER, "gpt-6-luna", instructions, 600, 45)
    return SynthesisRequest(CustomId(f"bank-{derived_id('sense', number)}-cefr_level"), envelope, prompt)


def pack_of(*prompts: str, instructions: str = "Grade.") -> Pack:
    pack = packed([request(number, prompt, instructions) for number, prompt in enumerate(prompts)], "bank")
    assert pack is not None
    return pack


def body(content: str, finish: str = "stop") -> dict[str, Any]:
    return {"choices": [{"message": {"content": content}, "finish_reason": finish}]}


def items(*numbers: int) -> str:
    return json.dumps({"items": [{"number": number, "level": f"B{number}"} for number in numbers]})


def test_items() -> None:
    """A pack numbers the prompts of its members, without blank lines in them, and says the instructions once."""
    pack = pack_of("Word: bank\n\nDefinition: <<a\n\nb>>", "Word: bank\n\nDefinition: <<c>>")
    assert pack.prompt == "1. Word: bank\nDefinition: <<a\nb>>\n\n2. Word: bank\nDefinition: <<c>>"
    assert divided_prompt(pack.prompt).items == pack.items
    assert pack.envelope.instructions.startswith("Grade.\n\n")


def test_own_templates() -> None:
    """The lines that the prompts of a user's template begin and end with appear once; others stay in the items."""
    prompt = "Rules:\n1. Be brief.\n\nSense: {}\n\nAnswer in English."
    pack = pack_of(prompt.format("a"), prompt.format("b"), instructions="")
    assert (pack.head, pack.items, pack.tail) == (
        "Rules:\n1. Be brief.",
        ("Sense: a", "Sense: b"),
        "Answer in English.",
    )
    assert divided_prompt(pack.prompt) == (pack.head, pack.items, pack.tail)


@pytest.mark.parametrize("prompts", [("a\nb\nc", "x\ny\nz"), ("same", "same")])
def test_own_templates_without_a_common_frame(prompts: tuple[str, str]) -> None:
    """Prompts of a user's template that have little in common, or no difference, are not packed."""
    assert packed([request(number, prompt, "") for number, prompt in enumerate(prompts)], "bank") is None


def test_one_schema() -> None:
    """The schema of a pack is the same for any number of members, and the output cap grows with them."""
    small, large = pack_of("a", "b"), pack_of(*"abcdefghijkl")
    assert small.envelope.response_format == large.envelope.response_format
    assert small.envelope.output_cap == 600 < large.envelope.output_cap == 3 * large.output_tokens


def test_identity() -> None:
    """The id of a pack tells its component, its first document and the number of its members, in 63 characters."""
    longest = SynthesisComponent.REGIONAL_VARIANTS
    members = [CustomId(f"internationalisati-{derived_id(number)}-{longest}") for number in range(20)]
    envelope = Envelope(longest, ANSWER, "gpt-6-luna", "x", 600)
    pack = packed([SynthesisRequest(each, envelope, "x") for each in members], "internationalisation")
    assert pack is not None
    parts = parse_custom_id(pack.custom_id)
    assert parts is not None
    assert (parts.document, parts.component, parts.members) == (derived_id(0), longest, 20)
    assert len(pack.custom_id) <= 63


@given(st.integers(0, 10**6), st.lists(st.integers(0, 10**4), min_size=1, max_size=20))
def test_shares(total: int, weights: list[int]) -> None:
    """Shares add up to the whole, and each is within one of its exact part."""
    found = shares(total, weights)
    assert sum(found) == total
    if sum(weights):
        assert all(abs(share - total * each / sum(weights)) < 1 for share, each in zip(found, weights, strict=True))


def test_usage_adds_up() -> None:
    """The usage of the members adds up to what was billed, input by their items and output by their answers."""
    reply = taken_apart(body(items(2, 1)), USAGE, [1, 3])
    assert sum(reply.usages.values(), Usage()) == USAGE
    assert reply.usages[1].input < reply.usages[2].input
    assert reply.body(1)["choices"][0]["message"]["content"] == '{"level":"B1"}'


@pytest.mark.parametrize(
    ("content", "finish", "answered", "reason"),
    [
        (items(1, 3), "stop", {1, 3}, FailureReason.MISSING),
        (items(1, 2, 2, 3), "stop", {1, 3}, FailureReason.MISSING),
        (items(1, 2, 3)[:-20], "length", {1, 2}, FailureReason.TRUNCATED),
        ('{"ite', "length", set(), FailureReason.TRUNCATED),
        (f"```json\n{items(1, 2)}\n```", "stop", {1, 2}, FailureReason.MISSING),
    ],
)
def test_partial_answers(content: str, finish: str, answered: set[int], reason: FailureReason) -> None:
    """Finished items are kept; a number that is missing, double or half-written fails alone."""
    reply = taken_apart(body(content, finish), USAGE, [1, 1, 1])
    assert set(reply.contents) == answered
    for number in {1, 2, 3} - answered:
        with pytest.raises(AnswerError) as failed:
            reply.body(number)
        assert failed.value.reason is reason


@pytest.mark.parametrize("content", [items(0, 1, 2), items(1, 2, 4), "[]", "{}", '{"items":[{"number":"1"}]}'])
def test_doubtful_numbers(content: str) -> None:
    """An answer with numbers that no item has is not used at all: the others may be shifted."""
    with pytest.raises(AnswerError) as failed:
        taken_apart(body(content), USAGE, [1, 1, 1])
    assert failed.value.reason is FailureReason.MALFORMED


@pytest.mark.parametrize(
    ("reason", "status", "size", "doublings"),
    [
        (FailureReason.MISSING, None, 1, 0),
        (FailureReason.REFUSED, None, 1, 0),
        (FailureReason.HTTP, 400, 1, 0),
        (FailureReason.HTTP, 500, 6, 0),
        (FailureReason.EXPIRED, None, 6, 0),
        (FailureReason.TRUNCATED, None, 2, 0),
    ],
)
def test_retries(reason: FailureReason, status: int | None, size: int, doublings: int) -> None:
    """A retry of a pack's member is alone, unless the pack was only interrupted, or was too long."""
    failure = Failure("x", reason, "", status=status, packed=5)
    assert (failure.repeatable, failure.next_pack(6), failure.next_cap_doublings) == (True, size, doublings)
    alone = Failure("x", reason, "", status=status)
    assert alone.next_pack(6) == 1
