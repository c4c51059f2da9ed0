"""Settling: every request that was expected ends as an answer or as a failure, whatever came back.

Answer lines come in any order and in two files, and a line's file says nothing about its worth. A first pass notes
where each id's line is; a second reads the lines word by word, starting from what was expected: nothing can be lost.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from floridify_batch.chunks import Expected
from floridify_batch.failures import Failure, FailureReason
from floridify_batch.pricing import Usage, usage_of
from floridify_batch.requests import AnswerError, CustomIdParts, parse_custom_id

HTTP_OK = 200
_DETAIL_LENGTH = 300
_TIME_RAN_OUT = frozenset({"batch_expired", "batch_cancelled"})


class _Place(NamedTuple):
    file: IO[bytes]
    offset: int
    length: int
    usable: bool


@dataclass(slots=True)
class AnswerIndex:
    """Where each id's line stands, while the answer files are open.

    `unreadable` counts lines that are no JSON or name no id, `repeated` further lines of an id.
    """

    places: dict[str, _Place] = field(default_factory=dict)
    lines: int = 0
    unreadable: int = 0
    repeated: int = 0

    def line(self, identity: str) -> Mapping[str, Any] | None:
        """An id's line, read from its file; None where there is none."""
        place = self.places.get(identity)
        if place is None:
            return None
        place.file.seek(place.offset)
        parsed: Mapping[str, Any] = orjson.loads(place.file.read(place.length))
        return parsed


type Paid = Callable[[str, Usage], None]


@contextmanager
def indexed_answers(paths: Iterable[Path], paid: Paid) -> Iterator[AnswerIndex]:
    """Note every line of the answer files, of which any may be absent; `paid` gets the id and the usage of each
    answered line.

    Of several lines with one id, the first usable one counts, since a request that was answered is answered.
    """
    index = AnswerIndex()
    with ExitStack() as stack:
        for path in paths:
            if path.exists():
                # Unbuffered: the second pass reads whole lines at known places, in another order than they stand.
                _index_file(path, stack.enter_context(path.open("rb", buffering=0)), index, paid)
        yield index


def _index_file(path: Path, places: IO[bytes], index: AnswerIndex, paid: Paid) -> None:
    offset = 0
    with path.open("rb") as lines:
        for line in lines:
            if line.strip():
                index.lines += 1
                _index_line(line, _Place(places, offset, len(line), usable=False), index, paid)
            offset += len(line)


def _index_line(line: bytes, place: _Place, index: AnswerIndex, paid: Paid) -> None:
    parsed: Mapping[str, Any] = {}
    with suppress(orjson.JSONDecodeError):
        read = orjson.loads(line)
        parsed = read if isinstance(read, dict) else {}
    identity = parsed.get("custom_id")
    if not isinstance(identity, str):
        index.unreadable += 1
        return
    body = _body(parsed)
    if body is not None:
        paid(identity, usage_of(body))
    known = index.places.get(identity)
    if known is not None:
        index.repeated += 1
    if known is None or (body is not None and not known.usable):
        index.places[identity] = place._replace(usable=body is not None)


def _body(line: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The answer's body, where the request was answered."""
    response = line.get("response")
    if not isinstance(response, dict) or response.get("status_code") != HTTP_OK:
        return None
    body = response.get("body")
    return body if isinstance(body, dict) else None


# ── settling ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Answered:
    """A request with its usable answer."""

    custom_id: str
    parts: CustomIdParts
    answer: Any
    usage: Usage
    mark: str = ""


@dataclass(frozen=True, slots=True)
class WordOutcome:
    """What became of the requests of one word of the list."""

    ordinal: int
    answers: tuple[Answered, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """What a request without a line is to be called, given how its batch ended."""

    reason: FailureReason
    detail: str


type Parse = Callable[[str, Mapping[str, Any]], Any]
"""The answer to a component's request in a response's body. Raises `AnswerError`."""


def settle(
    expected: Iterable[Expected], index: AnswerIndex, parse: Parse, unanswered: Unanswered
) -> Iterator[WordOutcome]:
    """The outcome of every word, in the order in which they were packed."""
    for ordinal, requests in groupby(expected, key=lambda request: request.ordinal):
        settled = [_settle_one(request, index, parse, unanswered) for request in requests]
        yield WordOutcome(
            ordinal,
            tuple(outcome for outcome in settled if isinstance(outcome, Answered)),
            tuple(outcome for outcome in settled if isinstance(outcome, Failure)),
        )


def _settle_one(request: Expected, index: AnswerIndex, parse: Parse, unanswered: Unanswered) -> Answered | Failure:
    line = index.line(request.custom_id)
    if line is None:
        return _failure(request, unanswered.reason, unanswered.detail)
    body = _body(line)
    if body is None:
        return _unusable(request, line)
    parts = parse_custom_id(request.custom_id)
    if parts is None:
        return _failure(request, FailureReason.MALFORMED, "the request's id is none of ours")
    try:
        return Answered(request.custom_id, parts, parse(parts.component, body), usage_of(body), request.mark)
    except AnswerError as error:
        return _failure(request, error.reason, str(error))


def _unusable(request: Expected, line: Mapping[str, Any]) -> Failure:
    """The failure that a line without an answer states: the service's own words, so far as there are any."""
    response, error = line.get("response"), line.get("error")
    if isinstance(response, dict):
        body = response.get("body")
        status = response.get("status_code")
        error = body.get("error") if isinstance(body, dict) else body
        return _failure(request, FailureReason.HTTP, _text(error), status if isinstance(status, int) else 0)
    if isinstance(error, dict) and str(error.get("code")) in _TIME_RAN_OUT:
        return _failure(request, FailureReason.EXPIRED, _text(error))
    return _failure(request, FailureReason.HTTP, _text(error), 0)


def _text(error: Any) -> str:
    if isinstance(error, dict):
        return str(error.get("message") or error.get("code") or error)
    return str(error) if error else "the service gave no reason"


def _failure(request: Expected, reason: FailureReason, detail: str, status: int | None = None) -> Failure:
    return Failure(request.custom_id, reason, detail[:_DETAIL_LENGTH], request.attempt, request.boost, status)
