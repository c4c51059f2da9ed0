"""Requests as values: custom ids, lines of batch files, and the parser of answers.

The `body` of a line is the body that the immediate endpoint takes, and `response.body` of an answer line is the one
that it returns, so that requests and answers are the same in each mode.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple, NewType

import orjson
from pydantic import BaseModel, ValidationError

from floridify_batch.components.answer import pack_schema, wire_schema
from floridify_batch.components.completion import completion_of
from floridify_batch.components.failure import FailureReason, reason_in
from floridify_batch.components.json_repair import is_corrupt, repaired
from floridify_batch.components.model_profile import (
    CACHE_OPTIONS,
    DEFAULT_TEMPERATURE,
    MAX_TEMPERATURE,
    SERVICE_TEMPERATURE,
    ModelProfile,
    profile_of,
)
from floridify_batch.costs.tokenizer import TOKENS_PER_MESSAGE, TOKENS_PER_REQUEST, count_tokens, schema_tokens
from floridify_batch.words.entry import DocId

ENDPOINT: Final = "/v1/chat/completions"

CustomId = NewType("CustomId", str)
"""`{slug}-{24 hex}-{component}[-NN]`, at most 63 characters of `[a-z0-9_-]`; that of a pack ends in `-pN-{6 hex}`."""

_CUSTOM_ID = re.compile(
    r"(?P<slug>[a-z0-9]{0,18})-(?P<document>[0-9a-f]{24})-(?P<component>[a-z]+(?:_[a-z]+)*)"
    r"(?:-(?P<number>\d{2,3})|-p(?P<members>\d{1,2})-[0-9a-f]{6})?"
)

_SLUG_LENGTH, _PACK_SLUG_LENGTH = 18, 8


@dataclass(frozen=True, slots=True)
class CustomIdParts:
    """The parts of a custom id: a document, a component, and a number for one of several.

    `members`: the number of requests that a pack carries, whose id names the document of the first; else 1.
    """

    document: DocId
    component: str
    number: int | None = None
    slug: str = field(default="", compare=False)
    members: int = 1


def custom_id(word: str, document: DocId, component: str, number: int | None = None) -> CustomId:
    """The custom id of a request. The slug is for readers; the document's id makes it unique."""
    suffix = "" if number is None else f"-{number:02d}"
    return CustomId(f"{_slug(word)}-{document}-{component}{suffix}")


def pack_id(members: Sequence[CustomId], word: str) -> CustomId:
    """The custom id of the pack that carries these requests, of which the first is about `word`."""
    first = parse_custom_id(members[0])
    if first is None:
        raise ValueError(members[0])
    digest = blake2b("\n".join(members).encode(), digest_size=3).hexdigest()
    slug = _slug(word)[:_PACK_SLUG_LENGTH]
    return CustomId(f"{slug}-{first.document}-{first.component}-p{len(members)}-{digest}")


@lru_cache(maxsize=256)  # a word's requests are made together
def _slug(word: str) -> str:
    plain = unicodedata.normalize("NFKD", word).lower()
    return re.sub(r"[^a-z0-9]", "", plain)[:_SLUG_LENGTH]


def is_named(identity: str, word: str) -> bool:
    """Whether the custom id of a single request names a word, as far as its slug shows."""
    parts = parse_custom_id(identity)
    return parts is not None and parts.slug == _slug(word)


def parse_custom_id(text: str) -> CustomIdParts | None:
    """Parse a custom id; None for an id in another format."""
    match = _CUSTOM_ID.fullmatch(text)
    if match is None:
        return None
    number = match["number"]
    return CustomIdParts(
        DocId(match["document"]),
        match["component"],
        None if number is None else int(number),
        match["slug"],
        int(match["members"] or 1),
    )


# ── requests ───────────────────────────────────────────────────────────────────────────────────────────────────────


class AnswerError(Exception):
    """An answer cannot be used: `reason` is the kind of failure, the text the details."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Envelope[R: BaseModel]:
    """The part that all requests of one component share, encoded and counted once.

    `output_cap`: the output tokens after which an answer is cut; `output_tokens`: the expected number; `instructions`
    may be empty; `positional`: answers name things by their numbers in the prompt; `temperature` applies to models that
    take one; `options`: fields of the body that replace the usual ones, None to remove one; `packed`: the requests are
    packs, whose answers list one answer for each numbered item.
    """

    component: str
    answer: type[R]
    model: str
    instructions: str
    output_cap: int
    output_tokens: int = 0
    positional: bool = False
    temperature: float = DEFAULT_TEMPERATURE
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    packed: bool = False

    @cached_property
    def _profile(self) -> ModelProfile:
        return profile_of(self.model)

    @cached_property
    def _settings(self) -> dict[str, Any]:
        return {"model": self.model, **self._profile.settings(self.temperature)}

    @property
    def has_fixed_cap(self) -> bool:
        """Whether the user's own options state the output cap, so that a retry has the same one."""
        return any(isinstance(self.options.get(name), int) for name in ("max_tokens", "max_completion_tokens"))

    @property
    def writes_cache(self) -> bool:
        """Whether prompts that are long enough are written to the prompt cache, at a charge."""
        options = {**self._settings, **self.options}.get(CACHE_OPTIONS)
        return self._profile.cache_writes and not (isinstance(options, dict) and options.get("mode") == "explicit")

    @property
    def sampled_at(self) -> float:
        """The temperature that requests state, or the default of a service that is sent none."""
        stated = {**self._settings, **self.options}.get("temperature")
        return min(float(stated), MAX_TEMPERATURE) if isinstance(stated, int | float) else SERVICE_TEMPERATURE

    @cached_property
    def response_format(self) -> dict[str, Any]:
        """The strict schema under the component's name."""
        schema = {"name": self.component, "strict": True, "schema": self._schema}
        return {"type": "json_schema", "json_schema": schema}

    @property
    def _schema(self) -> dict[str, Any]:
        schema = wire_schema(self.answer)
        return pack_schema(schema) if self.packed else schema

    @cached_property
    def fixed_tokens(self) -> int:
        """The input tokens of a request with an empty prompt: schema, instructions and overhead."""
        schema = schema_tokens(self.component, self._schema, system=bool(self.instructions))
        instructions = TOKENS_PER_MESSAGE + count_tokens(self.instructions) if self.instructions else 0
        return schema + instructions + TOKENS_PER_MESSAGE + TOKENS_PER_REQUEST

    def body(self, prompt: str, cap_doublings: int = 0) -> dict[str, Any]:
        """The body for the immediate endpoint; `cap_doublings` doubles the output cap that many times."""
        body = self._settings | {
            self._profile.cap: self.output_cap << cap_doublings,
            "response_format": self.response_format,
            "messages": [*self._instructions, {"role": "user", "content": prompt}],
        }
        if not self.options:
            return body
        return {name: value for name, value in (body | dict(self.options)).items() if value is not None}

    @property
    def _instructions(self) -> list[dict[str, str]]:
        return [{"role": self._profile.role, "content": self.instructions}] if self.instructions else []

    def line(self, identity: CustomId, prompt: str, cap_doublings: int = 0) -> bytes:
        """The request's line in a batch file, with its newline."""
        if self.options:
            line = {"custom_id": identity, "method": "POST", "url": ENDPOINT, "body": self.body(prompt, cap_doublings)}
            return orjson.dumps(line) + b"\n"
        cap = self.output_cap << cap_doublings
        quoted = orjson.dumps(prompt)
        return b'{"custom_id":"%b",%b%d%b%b}]}}\n' % (identity.encode(), self._head, cap, self._middle, quoted)

    @cached_property
    def _head(self) -> bytes:
        """The part of a line from the method to the cap's name: the same for the whole component, so encoded once."""
        start = orjson.dumps({"method": "POST", "url": ENDPOINT, "body": self._settings})
        return start[1:-2] + b',"%b":' % self._profile.cap.encode()

    @cached_property
    def _middle(self) -> bytes:
        """The part of a line between the cap and the prompt."""
        messages = orjson.dumps([*self._instructions, {"role": "user", "content": ""}])
        return b',"response_format":%b,"messages":%b' % (orjson.dumps(self.response_format), messages[:-4])


class SynthesisRequest[R: BaseModel](NamedTuple):
    """A request about one definition, cluster or word."""

    custom_id: CustomId
    envelope: Envelope[R]
    prompt: str
    attempt: int = 1
    cap_doublings: int = 0
    precondition: str = ""
    """Of what the request is about, so that an outdated answer is recognised."""

    @property
    def body(self) -> dict[str, Any]:
        """Return the body for the immediate endpoint."""
        return self.envelope.body(self.prompt, self.cap_doublings)

    @property
    def line(self) -> bytes:
        """The request as a line of a batch file."""
        return self.envelope.line(self.custom_id, self.prompt, self.cap_doublings)

    @property
    def input_tokens(self) -> int:
        """Return the input tokens, before any caching."""
        return self.envelope.fixed_tokens + count_tokens(self.prompt)

    @property
    def output_tokens(self) -> int:
        """The expected output tokens."""
        return self.envelope.output_tokens

    def parse(self, body: Mapping[str, Any]) -> R:
        """Parse the body of a response. Raises `AnswerError`."""
        return parse_answer(self.envelope.answer, body)


OLDER_PRECONDITION_LENGTH = 12


def prompt_digest(prompt: str) -> str:
    """The precondition of a numbered request by an earlier version, or of a recovered one: a digest of its prompt."""
    return blake2b(prompt.encode(), digest_size=6).hexdigest()


def parse_answer[R: BaseModel](answer: type[R], body: Mapping[str, Any], repairs: Counter[str] | None = None) -> R:
    """The validated answer in the body of a chat completion. Raises `AnswerError` with the reason for a bad one.

    `repairs` counts invalid list items that were "dropped" and answers that were "repaired".
    """
    content, cut = content_of(body)
    return _validated(answer, content, Counter() if repairs is None else repairs, cut=cut)


def content_of(body: Mapping[str, Any]) -> tuple[str, bool]:
    """The content in the body of a chat completion, and whether it was cut at the token limit. Raises `AnswerError`."""
    found = completion_of(body)
    if found is None:
        raise AnswerError(FailureReason.MALFORMED, _no_completion(body))
    if found.refusal:
        raise AnswerError(FailureReason.REFUSED, found.refusal)
    if found.finish == "content_filter":
        raise AnswerError(FailureReason.REFUSED, "the service's content filter withheld the answer")
    if found.content is None:
        raise _unusable("the answer has no content", cut=found.cut)
    return found.content, found.cut


def _no_completion(body: Mapping[str, Any]) -> str:
    """The reason for a body without a completion, with the error that it states."""
    stated = reason_in(body.get("error"))
    return f"the answer is not a chat completion: {stated}" if stated else "the answer is not a chat completion"


def _validated[R: BaseModel](answer: type[R], content: str, repairs: Counter[str], *, cut: bool) -> R:
    """The answer in a text, repaired if need be; `cut`: it ended at the token limit."""
    if is_corrupt(content):
        raise _unusable("the answer contains control characters or lone surrogates", cut=cut)
    dropped = Counter[str]()
    try:
        found = answer.model_validate_json(content, context=dropped)
    except ValidationError as error:
        dropped.clear()
        mended = repaired(answer, content, dropped)
        if mended is None:
            if endless := _endless(content, cut=cut):
                raise AnswerError(FailureReason.MALFORMED, endless) from None
            raise _unusable(_why(error), cut=cut) from None
        repairs["repaired"] += 1
        found = mended
    else:
        if cut:
            repairs["repaired"] += 1
    if dropped:
        repairs.update(dropped)
    return found


def _unusable(detail: str, *, cut: bool) -> AnswerError:
    if cut:
        return AnswerError(FailureReason.TRUNCATED, "the answer was cut at its token limit")
    return AnswerError(FailureReason.MALFORMED, detail)


_FEWEST_REPETITIONS, _SAMPLE = 3, 24
_DIGITS = re.compile(r"\d+")


def _endless(content: str, *, cut: bool) -> str:
    """The reason why a larger output cap would only be filled, too; empty if it may help."""
    if len(content) > 2 * len(content.rstrip()):
        return "the answer consists of white space up to its token limit"
    return "the answer repeats itself up to its token limit" if cut and _repeats_itself(content) else ""


def _repeats_itself(content: str) -> bool:
    """Whether the second half of a text, or more, is the same passage several times, apart from numbers."""
    half = _DIGITS.sub("0", content[len(content) // 2 :])
    if len(half) < _FEWEST_REPETITIONS * _SAMPLE:
        return False
    period = len(half) - _SAMPLE - half.rfind(half[-_SAMPLE:], 0, -1)
    return _FEWEST_REPETITIONS * period <= len(half) and half[period:] == half[:-period]


def _why(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]


def component_of(identity: str) -> str:
    """The component in a custom id."""
    return billed_to(identity)[0]


def billed_to(identity: str) -> tuple[str, int]:
    """The component in a custom id, and the number of requests that a line with that id carries."""
    match = _CUSTOM_ID.fullmatch(identity)
    return (match["component"], int(match["members"] or 1)) if match else ("unknown", 1)
