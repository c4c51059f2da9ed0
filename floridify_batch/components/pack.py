"""Packs: several requests to one component in one line of a batch file.

A pack is only a carrier. Its members keep their custom ids, preconditions and attempts, their answers are taken apart
on receipt, and each gets its share of the usage. Instructions and schema appear once for all of them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import takewhile
from typing import Any, Final, NamedTuple

import orjson
from pydantic import BaseModel
from pydantic_core import from_json

from floridify_batch.components.answer import ITEMS, NUMBER
from floridify_batch.components.failure import FailureReason
from floridify_batch.components.json_repair import is_corrupt, sole_object
from floridify_batch.components.requests import AnswerError, CustomId, Envelope, SynthesisRequest, content_of, pack_id
from floridify_batch.costs.answer_length import pack_tokens
from floridify_batch.costs.tokenizer import count_tokens
from floridify_batch.costs.usage import Usage

TASK: Final = f"Several numbered items follow. Answer each by itself, in their order, with its number in `{NUMBER}`."

_CAP_FACTOR = 3
"""The output cap of a pack, as a multiple of its expected output: a runaway answer costs its cap."""

_BLANK_LINES = re.compile(r"\n\s*\n")
_ITEM = re.compile(r"(\d{1,4})\. ")


@dataclass(frozen=True)
class Pack:
    """A request that carries others, with the shared parts of their prompts (`head` and `tail`) stated once."""

    custom_id: CustomId
    envelope: Envelope[Any]
    members: tuple[SynthesisRequest[Any], ...]
    items: tuple[str, ...]
    head: str = ""
    tail: str = ""

    @cached_property
    def prompt(self) -> str:
        """The numbered items; after a user's template, whose instructions are part of the prompt, with the task."""
        numbered = (f"{number}. {item}" for number, item in enumerate(self.items, 1))
        task = () if self.envelope.instructions else (TASK,)
        return "\n\n".join(filter(None, (self.head, *task, *numbered, self.tail)))

    @property
    def line(self) -> bytes:
        """The pack as a line of a batch file."""
        return self.envelope.line(self.custom_id, self.prompt)

    @property
    def input_tokens(self) -> int:
        """The input tokens, before any caching."""
        return self.envelope.fixed_tokens + count_tokens(self.prompt)

    @property
    def output_tokens(self) -> int:
        """The expected output tokens."""
        return self.envelope.output_tokens

    @cached_property
    def weights(self) -> tuple[int, ...]:
        """The input tokens of each member's item, by which the usage is shared out."""
        return item_weights(self.items)


def item_weights(items: Sequence[str]) -> tuple[int, ...]:
    """The weights of the members with these items."""
    return tuple(max(1, count_tokens(item)) for item in items)


def packed(requests: Sequence[SynthesisRequest[Any]], word: str) -> Pack | None:
    """Pack requests to one component, the first of them about `word`; None where their prompts have little in common.

    The prompts of our own templates are items as they are. A user's template is rendered whole, instructions included:
    the lines that all prompts begin and end with appear once.
    """
    members = tuple(requests)
    identity = pack_id([each.custom_id for each in members], word)
    carrier = carrier_of(members[0].envelope, len(members))
    if carrier.instructions:
        return Pack(identity, carrier, members, tuple(_compact(each.prompt) for each in members))
    lines = [each.prompt.splitlines() for each in members]
    head = _common(lines)
    tail = _common([each[len(head) :][::-1] for each in lines])[::-1]
    if 2 * (len(head) + len(tail)) < max(map(len, lines)):
        return None
    items = tuple(_compact("\n".join(each[len(head) : len(each) - len(tail)])) for each in lines)
    if not all(items):
        return None
    return Pack(identity, carrier, members, items, "\n".join(head).strip(), "\n".join(tail).strip())


def _compact(prompt: str) -> str:
    """A prompt without blank lines, which separate items."""
    return _BLANK_LINES.sub("\n", prompt.strip())


def _common(texts: Sequence[Sequence[str]]) -> list[str]:
    """The lines with which all texts begin."""
    return [lines[0] for lines in takewhile(lambda lines: len({*lines}) == 1, zip(*texts, strict=False))]


@lru_cache(maxsize=512)
def _cached_carrier(envelope: Envelope[Any], members: int) -> Envelope[Any]:
    expected = members * envelope.output_tokens + pack_tokens(members, 1)
    return replace(
        envelope,
        instructions=f"{envelope.instructions}\n\n{TASK}" if envelope.instructions else "",
        output_cap=max(envelope.output_cap, _CAP_FACTOR * expected),
        output_tokens=expected,
        packed=True,
    )


def carrier_of[R: BaseModel](envelope: Envelope[R], members: int) -> Envelope[R]:
    """The envelope of a pack of `members` requests with this one."""
    return _cached_carrier(envelope, members)


class Divided(NamedTuple):
    """A pack's prompt, divided: the shared parts around the items, which are numbered from 1."""

    head: str
    items: tuple[str, ...]
    tail: str


def divided_prompt(prompt: str) -> Divided:
    """Divide the prompt of a pack."""
    head, task, after = prompt.partition(TASK)
    blocks = (after if task else prompt).strip().split("\n\n")
    found = (_ITEM.match(block) for block in blocks)
    own = [*takewhile(lambda pair: pair[1] and int(pair[1][1]) == pair[0], enumerate(found, 1))]
    items = tuple(block[match.end() :] for block, (_, match) in zip(blocks, own, strict=False) if match)
    return Divided(head.strip() if task else "", items, "\n\n".join(blocks[len(items) :]))


# ── answers ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class PackReply:
    """The answer to a pack, taken apart: the content of each member's answer, by number, with its share of the usage.

    `failure` is that of the members without an item.
    """

    contents: Mapping[int, str]
    usages: Mapping[int, Usage]
    failure: AnswerError

    def body(self, number: int) -> dict[str, Any]:
        """A member's answer as the body of a response. Raises `AnswerError` where there is none."""
        if number not in self.contents:
            raise self.failure
        message = {"content": self.contents[number], "refusal": None}
        return {"choices": [{"message": message, "finish_reason": "stop"}]}


def taken_apart(body: Mapping[str, Any], usage: Usage | None, weights: Sequence[int]) -> PackReply:
    """Take the answer to a pack apart, given the weights of its members. Raises `AnswerError` for one of no use."""
    content, cut = content_of(body)
    if is_corrupt(content):
        raise AnswerError(FailureReason.MALFORMED, "the answer contains control characters or lone surrogates")
    contents = _by_number(_items(content, cut=cut), len(weights))
    shares = _shared(usage, weights, [len(contents.get(number, "")) for number in range(1, len(weights) + 1)])
    failure = AnswerError(FailureReason.MISSING, "the answer to its pack leaves it out")
    if cut:
        failure = AnswerError(FailureReason.TRUNCATED, "the answer to its pack was cut at its token limit")
    return PackReply(contents, dict(enumerate(shares, 1)), failure)


def _items(content: str, *, cut: bool) -> list[dict[str, Any]]:
    """The items of an answer; of one that was cut, those before the last, which may be half-written."""
    try:
        found: Any = orjson.loads(content)
    except orjson.JSONDecodeError:
        found = _partial(content) if cut else sole_object(content)
    items = found.get(ITEMS) if isinstance(found, dict) else None
    if not isinstance(items, list):
        if cut:
            return []
        raise AnswerError(FailureReason.MALFORMED, "the answer to a pack has no list of items")
    return [each for each in items if isinstance(each, dict)]


def _partial(content: str) -> Any:
    try:
        found = from_json(content, allow_partial=True)
    except ValueError:
        return None
    items = found.get(ITEMS) if isinstance(found, dict) else None
    return {ITEMS: items[:-1]} if isinstance(items, list) else None


def _by_number(items: Sequence[Mapping[str, Any]], members: int) -> dict[int, str]:
    """The items by number. Of a number that occurs twice none is used; an unknown one makes all of them doubtful."""
    contents: dict[int, str] = {}
    twice: set[int] = set()
    for item in items:
        number = item.get(NUMBER)
        if type(number) is not int or not 1 <= number <= members:
            raise AnswerError(FailureReason.MALFORMED, f"the answer to a pack of {members} has an item {number!r}")
        if number in contents:
            twice.add(number)
        contents[number] = orjson.dumps({name: each for name, each in item.items() if name != NUMBER}).decode()
    return {number: content for number, content in contents.items() if number not in twice}


# ── shares ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """Share out a number by weight, by the largest remainder: the shares add up to it."""
    whole = sum(weights)
    if not whole:
        return shares(total, [1] * len(weights))
    found = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: -(total * weights[place] % whole))
    for place in by_remainder[: total - sum(found)]:
        found[place] += 1
    return found


def _shared(usage: Usage | None, weights: Sequence[int], lengths: Sequence[int]) -> list[Usage]:
    """Share out the usage of a pack: input by the members' weights, output by the lengths of their answers."""
    if usage is None:
        return []
    read = (shares(total, weights) for total in (usage.input, usage.cached, usage.cache_write))
    written = (shares(total, lengths) for total in (usage.output, usage.reasoning))
    found = zip(*read, *written, strict=True)
    return [Usage(sent, cached, output, reasoning, write) for sent, cached, write, output, reasoning in found]
