"""Chunks: packing the requests of whole words into batch files, and the files of a chunk on disk.

Everything is streamed: no chunk is ever in memory. A worker that plans words writes their lines into a file and returns
only their offsets; packing copies the lines from there. `files.ChunkFolder` names the files of a chunk.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import batched, groupby
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.components.pack import Pack, shares
from floridify_batch.components.requests import SynthesisRequest, component_of
from floridify_batch.errors import CheckpointError, FileDamaged
from floridify_batch.files import ChunkFolder, private_file, private_folder, sync, sync_folder

API_MAX_REQUESTS = 50_000
API_MAX_BYTES = 200_000_000
"""The Batch API's limits for one input file."""


class Expected(NamedTuple):
    """A request of a chunk, as `expected.jsonl` has it: every one of them is settled.

    `carrier` is the custom id of the pack that carries it, `number` its number there, and `weights` are those of all
    its members.
    """

    ordinal: int
    custom_id: str
    attempt: int
    cap_doublings: int
    precondition: str = ""
    carrier: str = ""
    number: int = 0
    weights: Sequence[int] = ()

    @property
    def line_id(self) -> str:
        """The custom id of the line that holds its answer."""
        return self.carrier or self.custom_id


@dataclass(frozen=True, slots=True)
class ChunkSize:
    """The size of a chunk; tokens are estimates.

    `retried` counts requests that failed before, `shared` those in packs that need no line of their own.
    """

    words: int = 0
    requests: int = 0
    bytes: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    retried: int = 0
    shared: int = 0

    @property
    def lines(self) -> int:
        """The lines of the batch file."""
        return self.requests - self.shared

    def __add__(self, other: "ChunkSize") -> "ChunkSize":
        return ChunkSize(
            self.words + other.words,
            self.requests + other.requests,
            self.bytes + other.bytes,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.retried + other.retried,
            self.shared + other.shared,
        )


@dataclass(frozen=True, slots=True)
class Budget:
    """The cost limit of one chunk, and the costs of an input and an output token, in US dollars."""

    amount: Decimal
    input: Decimal
    output: Decimal

    def holds(self, size: ChunkSize) -> bool:
        """Whether the expected cost of a chunk of this size is within the limit."""
        return size.input_tokens * self.input + size.output_tokens * self.output <= self.amount


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one chunk; None for no limit."""

    words: int | None = None
    requests: int = API_MAX_REQUESTS
    bytes: int = API_MAX_BYTES
    input_tokens: int | None = None
    budget: Budget | None = None

    def hold(self, size: ChunkSize) -> bool:
        """Whether a chunk of this size is within every limit."""
        return (
            size.lines <= self.requests
            and size.bytes <= self.bytes
            and (self.words is None or size.words <= self.words)
            and (self.input_tokens is None or size.input_tokens <= self.input_tokens)
            and (self.budget is None or self.budget.holds(size))
        )


def read_ordinals(folder: ChunkFolder, words: int | None = None) -> list[int]:
    """The words of a chunk, as ordinals of the word list. Raises `FileDamaged`.

    Given how many `words` there are, they are read from its requests if their own file is damaged.
    """
    path = folder.ordinals
    try:
        with _whole(path):
            return [int(each) for each in orjson.loads(path.read_bytes())]
    except FileDamaged:
        with suppress(FileDamaged):
            ordinals = list(dict.fromkeys(each.ordinal for each in read_expected(folder)))
            if len(ordinals) == words:
                return ordinals
        raise


def read_expected(folder: ChunkFolder) -> Iterator[Expected]:
    """The requests of a chunk in the order of packing: word by word. Raises `FileDamaged`."""
    path = folder.expected
    with _whole(path), path.open("rb") as lines:
        for line in lines:
            yield Expected(*orjson.loads(line))


class ExpectedPage(NamedTuple):
    """The requests about some words, and the ordinals of these words."""

    ordinals: Sequence[int]
    expected: Sequence[Expected]


def expected_pages(folder: ChunkFolder, words: int) -> Iterator[ExpectedPage]:
    """The requests of a chunk, in pages of `words` words. Raises `FileDamaged`."""
    by_word = (list(requests) for _, requests in groupby(read_expected(folder), key=itemgetter(0)))
    for page in batched(by_word, words):
        yield ExpectedPage([word[0].ordinal for word in page], [each for word in page for each in word])


def whole_requests(folder: ChunkFolder, size: int) -> Path:
    """The batch file of a chunk. Raises `FileDamaged` if its size is not the one that was written."""
    path = folder.requests
    with _whole(path):
        there = path.stat().st_size
        if there != size:
            raise ValueError(f"{there:,} bytes, not {size:,}")
    return path


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Raise `FileDamaged` with advice if a chunk's file is missing or damaged."""
    try:
        yield
    except OSError as error:
        raise FileDamaged(f"{path} cannot be read: {error.strerror}. {_RESTORE.format(path.parent)}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise damaged(path, str(error)) from None


def damaged(path: Path, why: str) -> FileDamaged:
    """The error for a damaged file of a chunk."""
    return FileDamaged(f"{path} is damaged ({why}). {_RESTORE.format(path.parent)}")


_RESTORE = (
    "It belongs to the checkpoint: restore the folder {} from a backup, then resume. "
    "Without a backup, batch-synth recover stores the answers that the service still has."
)


def forget_lines(folder: ChunkFolder) -> None:
    """Delete the files of a finished chunk, except its failures."""
    for path in folder.path.iterdir():
        if path != folder.failures:
            path.unlink(missing_ok=True)


# ── failures on disk ───────────────────────────────────────────────────────────────────────────────────────────────


def write_failures(out: IO[bytes], ordinal: int, failures: Iterable[Failure]) -> None:
    """Append a word's failures, a line each."""
    out.writelines(failure_line(ordinal, failure) for failure in failures)


def failure_line(ordinal: int, failure: Failure) -> bytes:
    """A word's failure as a line of `failures.jsonl`."""
    line = {
        "word": ordinal,
        "custom_id": failure.custom_id,
        "reason": failure.reason,
        "status": failure.status,
        "detail": failure.detail,
        "attempt": failure.attempt,
        "cap_doublings": failure.cap_doublings,
    }
    if failure.packed:
        line["packed"] = failure.packed
    return orjson.dumps(line) + b"\n"


def read_failures(path: Path) -> Iterator[tuple[int, Failure]]:
    """The failures of a file with the ordinals of their words; none if the file is absent.

    Raises `FileDamaged`.
    """
    if not path.exists():
        return
    with _whole(path), path.open("rb") as lines:
        for line in lines:
            data = orjson.loads(line)
            yield (
                data["word"],
                Failure(
                    data["custom_id"],
                    FailureReason(data["reason"]),
                    data["detail"],
                    data["attempt"],
                    data["cap_doublings"] if "cap_doublings" in data else data["boost"],  # its name in older files
                    data["status"],
                    data.get("packed", 0),
                ),
            )


def failures_by_word(path: Path) -> dict[int, dict[str, Failure]]:
    """The failures of a file, by word and custom id."""
    found: dict[int, dict[str, Failure]] = {}
    for ordinal, failure in read_failures(path):
        found.setdefault(ordinal, {})[failure.custom_id] = failure
    return found


# ── packing ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Portion(NamedTuple):
    """The requests of one word of the list, and its failures."""

    ordinal: int
    requests: Sequence[SynthesisRequest[Any]]
    failures: Mapping[str, Failure]


class Group(NamedTuple):
    """The requests of words that share packs, or of one word, as lines of a chunk's files.

    `by_word`: of each word's requests, the component and the input tokens, where need be a share of a pack's.
    """

    ordinals: Sequence[int]
    lines: Sequence[bytes]
    by_word: Sequence[Sequence[tuple[str, int]]]
    expected: bytes
    carried: bytes
    size: ChunkSize
    model: str = ""


def joined(portions: Sequence[Portion], packs: Sequence[Pack] = ()) -> Group:
    """Prepare the requests of words that share these packs; each request that is in no pack has a line of its own."""
    places = {member.custom_id: (pack, number) for pack in packs for number, member in enumerate(pack.members, 1)}
    tokens = {pack.custom_id: shares(pack.input_tokens, pack.weights) for pack in packs}
    lines, expected = list[bytes](), list[bytes]()
    by_word: list[list[tuple[str, int]]] = []
    output_tokens = sum(pack.output_tokens for pack in packs)
    for portion in portions:
        counted: list[tuple[str, int]] = []
        for request in portion.requests:
            pack, number = places.get(request.custom_id, (None, 0))
            if number <= 1:
                lines.append(request.line if pack is None else pack.line)
            share = request.input_tokens if pack is None else tokens[pack.custom_id][number - 1]
            counted.append((request.envelope.component, share))
            output_tokens += request.output_tokens if pack is None else 0
            expected.append(_expected_line(portion.ordinal, request, pack, number))
        by_word.append(counted)
    requests = [request for portion in portions for request in portion.requests]
    size = ChunkSize(
        len(portions),
        len(requests),
        sum(map(len, lines)),
        sum(share for counted in by_word for _, share in counted),
        output_tokens,
        sum(request.custom_id in portion.failures for portion in portions for request in portion.requests),
        len(requests) - len(lines),
    )
    carried = b"".join(line for portion in portions for line in _carried(portion))
    model = requests[0].envelope.model if requests else ""
    ordinals = [portion.ordinal for portion in portions]
    return Group(ordinals, lines, by_word, b"".join(expected), carried, size, model)


def _carried(portion: Portion) -> Iterator[bytes]:
    """The failures of a word that are not retried."""
    again = {request.custom_id for request in portion.requests}
    for identity, failure in portion.failures.items():
        if identity not in again:
            yield failure_line(portion.ordinal, failure)


def _expected_line(ordinal: int, request: SynthesisRequest[Any], pack: Pack | None, number: int) -> bytes:
    line = [ordinal, request.custom_id, request.attempt, request.cap_doublings, request.precondition]
    if pack is not None:
        line += [pack.custom_id, number, pack.weights]
    return orjson.dumps(line) + b"\n"


class Planned(NamedTuple):
    """Planned words that wait to be packed: their lines are `size.bytes` bytes at `offset` of a page's file."""

    ordinals: Sequence[int]
    offset: int
    expected: bytes
    carried: bytes
    size: ChunkSize
    model: str = ""


def planned(made: Group, page: IO[bytes]) -> Planned:
    """Append the lines of words to a page's file."""
    offset = page.tell()
    page.writelines(made.lines)
    return Planned(made.ordinals, offset, made.expected, made.carried, made.size, made.model)


def lines_of(word: Planned, page: Path) -> bytes:
    """Read a word's lines from a page's file. Raises `CheckpointError` for a truncated file."""
    with page.open("rb", buffering=0) as file:
        file.seek(word.offset)
        lines = file.read(word.size.bytes)
    if len(lines) < word.size.bytes:
        raise CheckpointError(
            f"{page} was truncated while it was in use. None of its requests were sent; resume the run."
        )
    return lines


class ChunkWriter:
    """Writes a chunk: into a folder `NNNN.partial`, which is renamed when the chunk is finished.

    `number` may be another by then, where several chunks are open.
    """

    def __init__(self, run_folder: Path, number: int) -> None:
        self.number = number
        self.size = ChunkSize()
        self.ordinals: list[int] = []
        self._run_folder = run_folder
        self._partial = ChunkFolder(ChunkFolder.of(run_folder, number).path.with_suffix(".partial"))
        shutil.rmtree(self._partial.path, ignore_errors=True)
        private_folder(self._partial.path)
        self._stack = ExitStack()
        self._requests = self._open(self._partial.requests)
        self._expected = self._open(self._partial.expected)
        self._carried = self._open(self._partial.carried)

    def _open(self, path: Path) -> IO[bytes]:
        return self._stack.enter_context(private_file(path))

    def add(self, word: Planned, lines: bytes) -> None:
        """Append the requests of words."""
        self._requests.write(lines)
        self._expected.write(word.expected)
        self._carried.write(word.carried)
        self.size += word.size
        self.ordinals += word.ordinals

    def finish(self) -> ChunkSize:
        """Finish the chunk: sync its files, then rename its folder."""
        for file in (self._requests, self._expected, self._carried):
            sync(file)
        self._stack.close()
        with private_file(self._partial.ordinals) as out:
            out.write(orjson.dumps(self.ordinals))
            sync(out)
        folder = ChunkFolder.of(self._run_folder, self.number).path
        shutil.rmtree(folder, ignore_errors=True)
        self._partial.path.rename(folder)
        sync_folder(folder)
        sync_folder(folder.parent)
        return self.size

    def discard(self) -> None:
        """Delete the unfinished chunk; its words will be planned again."""
        with suppress(OSError):  # a full disk refuses the buffered rest, which is deleted anyway
            self._stack.close()
        shutil.rmtree(self._partial.path, ignore_errors=True)


def preflight_part(word: Planned, lines: bytes, wanted: Set[str]) -> tuple[Planned, bytes, frozenset[str]]:
    """Return the first request of each component `wanted`, with their lines and components; of a pack, all its members.

    The other requests are planned when these are answered. Tokens are a share by size.
    """
    found: set[str] = set()
    kept, expected = list[bytes](), list[tuple[int, bytes]]()
    by_id: dict[str, list[tuple[int, bytes]]] = {}
    for line in word.expected.splitlines(keepends=True):
        each = Expected(*orjson.loads(line))
        by_id.setdefault(each.line_id, []).append((word.ordinals.index(each.ordinal), line))
    for line, (identity, members) in zip(lines.splitlines(keepends=True), by_id.items(), strict=True):
        component = component_of(identity)
        if component in wanted and component not in found:
            found.add(component)
            kept.append(line)
            expected += members
    requests, size = b"".join(kept), word.size
    part = ChunkSize(
        words=len(word.ordinals),
        requests=len(expected),
        bytes=len(requests),
        input_tokens=size.input_tokens * len(requests) // max(1, size.bytes),
        output_tokens=size.output_tokens * len(expected) // max(1, size.requests),
        shared=len(expected) - len(kept),
    )
    # In the order of words, so that each word's requests are settled together.
    together = b"".join(line for _, line in sorted(expected, key=itemgetter(0)))
    return word._replace(expected=together, size=part), requests, frozenset(found)
