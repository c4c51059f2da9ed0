"""Repeated replies: one completion that the immediate endpoint returns for different requests.

A gateway's cache does that if it compares prompts by their similarity, or leaves out a part of them. Each such reply
looks like an answer. It is recognised by what a second completion would not have in common with it: the id, the time
and the usage are equal, too, although the prompts differ. Two things are no such replies: some servers give all
completions one id, and a short answer, such as a register, is naturally equal for many definitions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import orjson

from floridify_batch.costs.usage import usage_of
from floridify_batch.errors import ServiceRefused

_LONG_ANSWER = 100
"""Characters of an answer that no other prompt is answered with by chance: two equal replies are enough."""

_SHORT_REPEATS, _LENGTH_DIFFERENCE = 10, 64
"""Equal replies with a short answer that count as repeated, if their prompts differ in length by that many characters:
prompts with an equal number of tokens do not.
"""

STREAK = 30
"""Repeated replies in a row after which no further request is sent."""

LIKELY_CAUSE = (
    "The likely cause is a cache between batch-synth and the service, which takes different prompts for one: turn it "
    "off for these requests."
)

_REMEMBERED = 20_000
"""Replies that are compared with later ones; those of a long run are forgotten in turn."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt's digest and its length in characters."""

    digest: bytes
    length: int

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Prompt":
        """The prompt of a request's body."""
        messages = orjson.dumps(body.get("messages") or body)
        return cls(_digest(messages), len(messages.decode()))


@dataclass(frozen=True, slots=True)
class _Equal:
    """Equal replies: their id and answer, and the prompts that they were returned for."""

    identity: str
    answer: str
    states_usage: bool
    first: Prompt
    prompts: int = 1
    shortest: int = 0
    longest: int = 0

    def with_prompt(self, prompt: Prompt) -> "_Equal":
        """These replies, with one for another prompt."""
        lengths = (self.shortest, self.longest, prompt.length)
        return replace(self, prompts=self.prompts + 1, shortest=min(lengths), longest=max(lengths))

    @property
    def is_repeated(self) -> bool:
        """Whether they are one completion for several requests."""
        if len(self.answer) >= _LONG_ANSWER:
            return self.prompts > 1
        differ = self.longest - self.shortest >= _LENGTH_DIFFERENCE
        return self.states_usage and differ and self.prompts >= _SHORT_REPEATS


class RepeatedReplies:
    """The replies of a session, and those among them that are repeated."""

    def __init__(self) -> None:
        self._equal: dict[bytes, _Equal] = {}
        self._answers: dict[str, str | None] = {}  # by id; None: an id of several answers identifies none
        self._billed: set[bytes] = set()
        self._latest = b""
        self._streak = 0
        self.identity = ""
        """The id of the latest repeated reply; empty without one."""

    def note(self, prompt: Prompt, body: Mapping[str, Any]) -> bool:
        """Compare a reply with those before; whether it is repeated."""
        identity, answer = body.get("id"), _answer(body)
        if not (isinstance(identity, str) and identity and answer):
            self._latest, self._streak = b"", 0
            return False
        digest = _completion(body)
        self._note_id(identity, answer)
        self._streak = self._streak + 1 if digest == self._latest else 1
        self._latest = digest
        equal = self._equal.pop(digest, None)
        if equal is None:
            equal = _Equal(identity, answer, usage_of(body) is not None, prompt, 1, prompt.length, prompt.length)
        elif equal.first != prompt:
            equal = equal.with_prompt(prompt)
        _remember(self._equal, digest, equal)
        repeated = self._is_repeated(equal)
        self.identity = identity if repeated else self.identity
        return repeated

    def _note_id(self, identity: str, answer: str) -> None:
        known = self._answers.pop(identity, answer)
        _remember(self._answers, identity, answer if known == answer else None)

    def _is_repeated(self, equal: _Equal) -> bool:
        return equal.is_repeated and self._answers.get(equal.identity) is not None

    def is_repeated(self, body: Mapping[str, Any]) -> bool:
        """Whether a reply that was noted is repeated."""
        equal = self._equal.get(_completion(body))
        return equal is not None and self._is_repeated(equal)

    def bills(self, body: Mapping[str, Any]) -> bool:
        """Whether a repeated reply has not been billed yet: its completion was generated once."""
        completion = _completion(body)
        is_first = completion not in self._billed
        self._billed.add(completion)
        return is_first

    def stop(self) -> ServiceRefused | None:
        """Return the error of a service that has returned nothing but one completion for a while."""
        latest = self._equal.get(self._latest)
        if self._streak < STREAK or latest is None or not self._is_repeated(latest):
            return None
        return ServiceRefused(
            f"The service returned one completion ({latest.identity}) for {self._streak} different requests in a row, "
            f"so that no more are sent. {LIKELY_CAUSE} Then resume: these requests are retried."
        )


def _completion(body: Mapping[str, Any]) -> bytes:
    """The digest of a completion; a gateway may add fields of its own to it."""
    return _digest(orjson.dumps([body.get("id"), body.get("created"), body.get("usage"), _answer(body)]))


def _answer(body: Mapping[str, Any]) -> str:
    """The text of a completion; empty without one."""
    try:
        content = body["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return ""
    return content if isinstance(content, str) else ""


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=12).digest()


def _remember[K, V](known: dict[K, V], key: K, value: V) -> None:
    """Add an entry as the latest one, and forget the oldest ones beyond the limit."""
    known[key] = value
    if len(known) > _REMEMBERED:
        del known[next(iter(known))]
