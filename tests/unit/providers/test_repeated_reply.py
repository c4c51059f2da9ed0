"""Repeated replies: one completion for different requests is no answer, and what looks like it is one."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from floridify_batch.errors import ServiceRefused
from floridify_batch.providers.repeated_reply import STREAK, Prompt, RepeatedReplies

LONG = orjson.dumps(
    {"synonyms": ["a rather long synonym that nobody repeats", "another one, which is no shorter than the first"]}
).decode()
SHORT = '{"register":"neutral"}'


def prompt(number: int, length: int = 0) -> Prompt:
    """One of different prompts."""
    return Prompt.of({"messages": [{"role": "user", "content": f"{number:04d}{'.' * length}"}]})


def completion(content: str, identity: str = "chatcmpl-1", *, created: int = 1, tokens: int = 9) -> Mapping[str, Any]:
    """A completion of the service."""
    return {
        "id": identity,
        "created": created,
        "choices": [{"message": {"content": content}}],
        "usage": {"prompt_tokens": tokens, "completion_tokens": 3},
    }


def test_two_equal_replies() -> None:
    """A long completion that a cache returns for another prompt is repeated, and so is the one before."""
    replies, cached = RepeatedReplies(), completion(LONG)
    assert [replies.note(prompt(1), cached), replies.note(prompt(2), cached)] == [False, True]
    assert replies.is_repeated(cached)
    assert replies.identity == "chatcmpl-1"
    assert [replies.bills(cached), replies.bills(cached)] == [True, False]


def test_fields_of_a_gateway() -> None:
    """Fields that a gateway adds to each reply do not hide that its completions are one."""
    replies = RepeatedReplies()
    replies.note(prompt(1), {**completion(LONG), "cache": "miss"})
    assert replies.note(prompt(2), {**completion(LONG), "cache": "hit"})


@pytest.mark.parametrize(
    "other",
    [
        completion(LONG, "chatcmpl-2"),
        completion(LONG, created=2),
        completion(LONG, tokens=10),
        completion(LONG + " "),
    ],
)
def test_completions_of_their_own(other: Mapping[str, Any]) -> None:
    """Completions that differ in the id, the time, the usage or the answer are not one."""
    replies = RepeatedReplies()
    assert not replies.note(prompt(1), completion(LONG))
    assert not replies.note(prompt(2), other)


def test_one_request_twice() -> None:
    """A cache may return the completion of the same request."""
    replies = RepeatedReplies()
    assert not any(replies.note(prompt(1), completion(LONG)) for _ in range(50))
    assert replies.stop() is None


def test_one_id_for_all() -> None:
    """An id that a server gives to all completions is no sign, even of equal ones."""
    replies = RepeatedReplies()
    replies.note(prompt(1), completion(SHORT))
    for number in range(2, 100):
        assert not replies.note(prompt(number, number * 3), completion(LONG))
    assert replies.stop() is None


@pytest.mark.parametrize("identity", ["chatcmpl-1", "", None])
def test_naturally_equal_answers(identity: str | None) -> None:
    """A register that is neutral for every definition is stored for each: other prompts have another usage."""
    replies = RepeatedReplies()
    for number in range(200):
        reply = {**completion(SHORT, tokens=100 + number % 60), "id": identity}
        assert not replies.note(prompt(number, number % 60 * 4), reply)
    assert replies.stop() is None


def test_naturally_equal_answers_without_usage() -> None:
    """Without usage, equal short answers prove nothing."""
    replies = RepeatedReplies()
    for number in range(200):
        assert not replies.note(prompt(number, number), {**completion(SHORT), "usage": None})
    assert replies.stop() is None


def test_equal_short_replies() -> None:
    """Of short completions, many with one usage for prompts of very different lengths are repeated."""
    replies, cached = RepeatedReplies(), completion(SHORT)
    noted = [replies.note(prompt(number, number * 10), cached) for number in range(20)]
    assert noted == [False] * 9 + [True] * 11
    assert replies.is_repeated(cached)


def test_a_streak_ends_the_requests() -> None:
    """After a number of repeated replies in a row no more requests are sent; another answer resets the count."""
    replies, cached = RepeatedReplies(), completion(LONG)
    for number in range(STREAK - 1):
        replies.note(prompt(number), cached)
    replies.note(prompt(900), completion(LONG, "chatcmpl-2"))
    assert replies.stop() is None
    for number in range(STREAK):
        assert replies.stop() is None
        replies.note(prompt(number), cached)
    assert isinstance(error := replies.stop(), ServiceRefused)
    assert "one completion (chatcmpl-1) for 30 different requests in a row" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"id": 3},
        {"id": "x", "choices": []},
        {"id": "x", "choices": [{"message": None}]},
        {"id": "x", "choices": [{"message": {"content": None}}]},
        {"id": "x", "choices": [{"message": {"content": ["a"]}}]},
        {"id": ["x"], "choices": [{"message": {"content": LONG}}]},
    ],
)
def test_replies_without_an_answer(body: Mapping[str, Any]) -> None:
    """Errors, refusals and replies in odd forms are never repeated ones."""
    replies = RepeatedReplies()
    assert not any(replies.note(prompt(number), body) for number in range(50))
    assert not replies.is_repeated(body)
