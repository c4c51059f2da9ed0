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
from floridify_batch.components.requests import SynthesisRequest, component_of
from floridify_batch.errors import CheckpointError, FileDamaged
from floridify_batch.files import ChunkFolder, private_file, private_folder, sync, sync_folder

API_MAX_REQUESTS = 50_000
API_MAX_BYTES = 200_000_000
"""The Batch API's limits for one input file."""


class Expected(NamedTuple):
    """A request of a chunk, as `expected.jsonl` has it: every one of them is settled."""

    ordinal: int
    custom_id: str
    attempt: int
    cap_doublings: int
    precondition: str = ""


@dataclass(frozen=True, slots=True)
class ChunkSize:
    """The size of a chunk; tokens are estimates. `retried` counts requests that failed before."""

    words: int = 0
    requests: int = 0
    bytes: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    retried: int = 0

    def __add__(self, other: "ChunkSize") -> "ChunkSize":
        return ChunkSize(
            self.words + other.words,
            self.requests + other.requests,
            self.bytes + other.bytes,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.retried + other.retried,
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
            size.requests <= self.requests
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
                ),
            )


def failures_by_word(path: Path) -> dict[int, dict[str, Failure]]:
    """The failures of a file, by word and custom id."""
    found: dict[int, dict[str, Failure]] = {}
    for ordinal, failure in read_failures(path):
        found.setdefault(ordinal, {})[failure.custom_id] = failure
    return found


# ── packing ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Group(NamedTuple):
    """The requests of one word of the list, as lines of a chunk's files, with the input tokens of each."""

    ordinal: int
    lines: Sequence[bytes]
    tokens: Sequence[int]
    expected: bytes
    carried: bytes
    size: ChunkSize
    model: str = ""


def group(ordinal: int, requests: Sequence[SynthesisRequest[Any]], failures: Mapping[str, Failure]) -> Group:
    """Prepare a word's requests to one model for packing, with those of its failures that are not retried."""
    lines = [request.line for request in requests]
    tokens = [request.input_tokens for request in requests]
    expected = [
        orjson.dumps([ordinal, r.custom_id, r.attempt, r.cap_doublings, r.precondition]) + b"\n" for r in requests
    ]
    again = {request.custom_id for request in requests}
    carried = [failure_line(ordinal, each) for identity, each in failures.items() if identity not in again]
    output_tokens = sum(request.envelope.output_tokens for request in requests)
    retried = sum(request.attempt > 1 for request in requests)
    size = ChunkSize(1, len(lines), sum(map(len, lines)), sum(tokens), output_tokens, retried)
    model = requests[0].envelope.model if requests else ""
    return Group(ordinal, lines, tokens, b"".join(expected), b"".join(carried), size, model)


class Planned(NamedTuple):
    """A planned word that waits to be packed: its lines are `size.bytes` bytes at `offset` of a page's file."""

    ordinal: int
    offset: int
    expected: bytes
    carried: bytes
    size: ChunkSize
    model: str = ""


def planned(made: Group, page: IO[bytes]) -> Planned:
    """Append a word's lines to a page's file."""
    offset = page.tell()
    page.writelines(made.lines)
    return Planned(made.ordinal, offset, made.expected, made.carried, made.size, made.model)


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
        """Append a word's requests."""
        self._requests.write(lines)
        self._expected.write(word.expected)
        self._carried.write(word.carried)
        self.size += word.size
        self.ordinals.append(word.ordinal)

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
    """Return a word's first request of each component `wanted`, with their lines and components.

    The word's other requests are planned when these are answered. Tokens are a share by size.
    """
    found: set[str] = set()
    kept: list[tuple[bytes, bytes]] = []
    pairs = zip(lines.splitlines(keepends=True), word.expected.splitlines(keepends=True), strict=True)
    for line, expected in pairs:
        component = component_of(orjson.loads(expected)[1])
        if component in wanted and component not in found:
            found.add(component)
            kept.append((line, expected))
    requests, size = b"".join(line for line, _ in kept), word.size
    part = ChunkSize(
        words=1,
        requests=len(kept),
        bytes=len(requests),
        input_tokens=size.input_tokens * len(requests) // max(1, size.bytes),
        output_tokens=size.output_tokens * len(kept) // max(1, size.requests),
    )
    expected_lines = b"".join(expected for _, expected in kept)
    return word._replace(expected=expected_lines, size=part), requests, frozenset(found)
