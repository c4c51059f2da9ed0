"""Settlement: every expected request ends as an answer or as a failure, whatever the service returned.

Answer lines come in any order, in two files, and either file may hold errors. A first pass indexes the lines by custom
id; a second pass goes through the expected requests, word by word, and reads their lines: none can be lost.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from io import BytesIO
from itertools import chain, groupby, islice
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from floridify_batch.components.entry_store import SANDBOX_SUFFIX, is_sandbox_database, sandbox_database
from floridify_batch.components.failure import Failure, FailureReason, Unanswered
from floridify_batch.components.json_repair import encodable
from floridify_batch.components.pack import PackReply, taken_apart
from floridify_batch.components.requests import AnswerError, CustomIdParts, billed_to, parse_custom_id
from floridify_batch.costs.price import Bills
from floridify_batch.costs.usage import Usage, usage_of
from floridify_batch.errors import UsageError
from floridify_batch.pipeline.answer_line import body_of, charge_of, failure_of, may_be_charged, parsed_line
from floridify_batch.pipeline.brief import Brief
from floridify_batch.pipeline.chunk import Expected, damaged

BLOCK_BYTES = 1 << 20
"""The size of a block that is indexed at a time: some 700 lines."""

_DETAIL_LENGTH = 300

type Place = tuple[int, int, int]
"""The place of a line: number of its file, offset, length."""


@dataclass(slots=True)
class AnswerIndex:
    """An index of the lines in open answer files, by custom id.

    `unreadable` counts lines without an id, `unnamed` those of them that may be charged answers, and `repeated` further
    lines of an id. `invented`: whether a sandbox has answered any line.
    """

    files: Sequence[IO[bytes]] = ()
    places: dict[str, Place] = field(default_factory=dict)
    lines: int = 0
    unreadable: int = 0
    unnamed: int = 0
    repeated: int = 0
    invented: bool = False
    _unusable: dict[str, "Worth"] = field(default_factory=dict)

    def add(self, file: int, block: "IndexedBlock") -> None:
        """Add a block of a file. Of several lines with one id, the first of the best ones counts."""
        self.lines += block.lines
        self.invented |= block.invented
        self.unreadable += block.lines - len(block.places)
        self.unnamed += block.unnamed
        for identity, offset, length, worth in block.places:
            known = identity in self.places
            self.repeated += known
            if not known or worth > self._unusable.get(identity, Worth.ANSWER):
                self.places[identity] = (file, offset, length)
                if worth is not Worth.ANSWER:
                    self._unusable[identity] = worth
                elif known:
                    del self._unusable[identity]

    def reports_error(self, identity: str) -> bool:
        """Whether the best line of an id is an error, which is not charged."""
        return self._unusable.get(identity) is Worth.ERROR

    def line(self, identity: str) -> Mapping[str, Any] | None:
        """Read the line of an id; None if there is none.

        Raises `CheckpointError` where the file has changed since it was indexed.
        """
        place = self.places.get(identity)
        if place is None:
            return None
        number, offset, length = place
        file = self.files[number]
        file.seek(offset)
        content = file.read(length)
        named, line = parsed_line(content)
        if named != identity or len(content) < length:
            raise damaged(Path(file.name), "the file changed while it was in use")
        return line


class Worth(IntEnum):
    """The worth of one of several lines with an id: a charged line is never passed over for an error."""

    ERROR = 0
    CHARGED = 1
    ANSWER = 2


class IndexedBlock(NamedTuple):
    """The lines of a block: how many, and of each readable one its id, offset, length and worth.

    `unnamed`: the number of lines without an id that may be charged answers. `invented`: whether a sandbox has answered
    any of them.
    """

    lines: int
    places: Sequence[tuple[str, int, int, Worth]]
    unnamed: int = 0
    invented: bool = False


type Paid = Callable[[str, Usage | None, bool], None]
"""Called with the id of a charged line, its usage (None: unknown), and whether it was answered in the service tier
flex.
"""


def billing(bills: Bills) -> Paid:
    """Bill charged lines to their components."""

    def paid(identity: str, usage: Usage | None, flex: bool) -> None:
        component, requests = billed_to(identity)
        bills.add(component, usage, flex=flex, requests=requests)

    return paid


SANDBOX_FINGERPRINT = "fp_sandbox"
"""The `system_fingerprint` of a sandbox's answers."""


def refuse_invented(index: AnswerIndex, database: str) -> None:
    """Keep a sandbox's answers out of a real database. Raises `UsageError`."""
    if index.invented and not is_sandbox_database(database):
        raise UsageError(
            f"The answers are a sandbox's inventions, but the name of the database {database!r} does not end in "
            f"{SANDBOX_SUFFIX}. Nothing was stored. Run the list with another --checkpoint and either --database "
            f"{sandbox_database(database)} or the --base-url of a real service."
        )


def index_block(path: Path, offset: int, length: int, paid: Paid) -> IndexedBlock:
    """Index a block of whole lines; `paid` is called for each charged line."""
    lines = unnamed = 0
    invented = False
    places: list[tuple[str, int, int, Worth]] = []
    with path.open("rb") as file:
        file.seek(offset)
        block = file.read(length)
    for line in BytesIO(block):
        if line.strip():
            lines += 1
            identity, parsed = parsed_line(line)
            if identity is not None:
                body = body_of(parsed)
                charge = charge_of(parsed, body)
                places.append((identity, offset, len(line), _worth(body, charged=charge is not None)))
                if charge:
                    paid(identity, *charge)
                if body is not None:
                    invented = invented or body.get("system_fingerprint") == SANDBOX_FINGERPRINT
            else:
                unnamed += may_be_charged(line, parsed)
        offset += len(line)
    return IndexedBlock(lines, places, unnamed, invented)


def _worth(body: Mapping[str, Any] | None, *, charged: bool) -> Worth:
    if body is not None and body.get("choices"):
        return Worth.ANSWER
    return Worth.CHARGED if charged else Worth.ERROR


def blocks_of(path: Path) -> Iterator[tuple[int, int]]:
    """Divide a file into blocks of whole lines, some `BLOCK_BYTES` long; yields offsets and lengths."""
    size, offset = path.stat().st_size, 0
    with path.open("rb") as file:
        while offset < size:
            file.seek(offset + BLOCK_BYTES)
            file.readline()
            end = min(file.tell(), size)
            yield offset, end - offset
            offset = end


@contextmanager
def opened_answers(paths: Iterable[Path]) -> Iterator[Sequence[IO[bytes]]]:
    """Open answer files for random access."""
    with ExitStack() as stack:
        # Unbuffered: whole lines are read at known offsets.
        yield [stack.enter_context(path.open("rb", buffering=0)) for path in paths]


@contextmanager
def indexed_answers(paths: Iterable[Path], paid: Paid) -> Iterator[AnswerIndex]:
    """Index the answer files that exist; `paid` is called for each charged line."""
    there = [path for path in paths if path.exists()]
    with opened_answers(there) as files:
        index = AnswerIndex(files)
        for number, path in enumerate(there):
            for offset, length in blocks_of(path):
                index.add(number, index_block(path, offset, length, paid))
        yield index


# ── billing the lines of a batch ───────────────────────────────────────────────────────────────────────────────────


def billed(
    index: AnswerIndex, paths: Sequence[Path], requested: Iterable[str], bills: Bills, *, short: bool
) -> "Billed":
    """Complete the bills of answer files: one answer of each requested id, and none of another id.

    The cost of a requested id without a charged line is unknown, if a line without an id may be its answer, or if there
    is no line and the files are `short`: its answer may exist at the service.
    """
    foreign, absent, refused = set(index.places), dict[str, None](), dict[str, None]()
    for identity in requested:
        if identity not in index.places:
            absent[identity] = None
            continue
        foreign.discard(identity)
        if index.reports_error(identity):
            refused[identity] = None
    if foreign or index.repeated:
        bills = _billed_once(index, foreign, paths, bills.blank())
    paid = billing(bills)
    for identity in islice(chain(absent, refused), max(index.unnamed, len(absent) * short)):
        paid(identity, None, False)
    return Billed(bills, foreign)


class Billed(NamedTuple):
    """The bills of answer files, and the ids in them that were not requested."""

    bills: Bills
    foreign: Set[str]


def _billed_once(index: AnswerIndex, foreign: Collection[str], paths: Sequence[Path], bills: Bills) -> Bills:
    """Bill one answer of each id, and none of those that were not requested."""
    paid = billing(bills)
    with opened_answers(paths) as files:
        lines = AnswerIndex(files, index.places)
        for identity in index.places:
            line = lines.line(identity)
            if identity not in foreign and line is not None and (charge := charge_of(line, body_of(line))):
                paid(identity, *charge)
    return bills


# ── settling ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Answered(NamedTuple):
    """A request with a valid answer."""

    custom_id: str
    parts: CustomIdParts
    answer: Any
    usage: Usage | None
    precondition: str = ""
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class WordOutcome:
    """The settled requests of one word of the list."""

    ordinal: int
    answers: tuple[Answered, ...]
    failures: tuple[Failure, ...]


type Parse = Callable[[str, Mapping[str, Any]], Any]
"""Parses the answer of a component from a response body. Raises `AnswerError`."""


class Lines(Protocol):
    """A look-up of answer lines by custom id."""

    def line(self, identity: str) -> Mapping[str, Any] | None:
        """The line of an id; None if there is none."""


def settle(expected: Iterable[Expected], index: Lines, parse: Parse, unanswered: Unanswered) -> Iterator[WordOutcome]:
    """Settle the requests of each word, in the order of packing."""
    replies = _Replies(index)
    for ordinal, requests in groupby(expected, key=lambda request: request.ordinal):
        settled = [_settle_one(request, replies, parse, unanswered) for request in requests]
        yield WordOutcome(
            ordinal,
            tuple(outcome for outcome in settled if isinstance(outcome, Answered)),
            tuple(outcome for outcome in settled if isinstance(outcome, Failure)),
        )


_PACKS_KEPT = 256
"""Packs whose answers are kept: their members may be about several words, whose other packs come between."""


@dataclass(slots=True)
class _Replies:
    """The lines of answers; those of the latest packs are read and taken apart once."""

    index: Lines
    _lines: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)
    _packs: dict[str, PackReply | AnswerError] = field(default_factory=dict)

    def line(self, request: Expected) -> Mapping[str, Any] | None:
        """The line of a request, or of the pack that carries it; None if there is none."""
        if not request.carrier:
            return self.index.line(request.custom_id)
        if request.carrier not in self._lines:
            if len(self._lines) >= _PACKS_KEPT:
                oldest = next(iter(self._lines))
                del self._lines[oldest]
                self._packs.pop(oldest, None)
            self._lines[request.carrier] = self.index.line(request.carrier)
        return self._lines[request.carrier]

    def member(self, request: Expected, body: Mapping[str, Any]) -> tuple[Mapping[str, Any], Usage | None]:
        """The body and the usage of one member of a pack. Raises `AnswerError`."""
        found = self._packs.get(request.carrier)
        if found is None:
            try:
                found = taken_apart(body, usage_of(body), request.weights)
            except AnswerError as error:
                found = error
            self._packs[request.carrier] = found
        if isinstance(found, AnswerError):
            raise found
        return found.body(request.number), found.usages.get(request.number)


def _settle_one(request: Expected, replies: _Replies, parse: Parse, unanswered: Unanswered) -> Answered | Failure:
    line = replies.line(request)
    if line is None:
        return _failure(request, unanswered.reason, unanswered.detail)
    body = body_of(line)
    if body is None:
        return _failure(request, *failure_of(line))
    parts = parse_custom_id(request.custom_id)
    if parts is None:
        return _failure(request, FailureReason.MALFORMED, "the request's custom ID has an unknown form")
    try:
        own, usage = replies.member(request, body) if request.carrier else (body, usage_of(body))
        answer = parse(parts.component, own)
    except AnswerError as error:
        return _failure(request, error.reason, str(error))
    return Answered(request.custom_id, parts, answer, usage, request.precondition, request.attempt)


def _failure(request: Expected, reason: FailureReason, detail: str, status: int | None = None) -> Failure:
    detail = encodable(detail[:_DETAIL_LENGTH])  # a file of failures takes no lone surrogates
    packed = len(request.weights)
    return Failure(request.custom_id, reason, detail, request.attempt, request.cap_doublings, status, packed)


class BlockToIndex(NamedTuple):
    """A block of whole lines of an answer file, given by its number and path; with empty bills."""

    file: int
    path: str
    offset: int
    length: int
    bills: Bills


def index_lines(_: Brief, block: BlockToIndex) -> tuple[int, IndexedBlock, Bills]:
    """Index a block and bill its charged lines; returns the number of the file, the index and the bills."""
    index = index_block(Path(block.path), block.offset, block.length, billing(block.bills))
    return block.file, index, block.bills
