"""Stations 4 and 5: what words are asked, as lines, and how the lines of many words become a chunk's files.

Lines are most of what a run moves. Whoever plans words, be it another process, writes their lines into a file of their
own, a piece, and hands over only where they stand; packing copies them from there.
"""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from floridify_batch.components.failure import Failure
from floridify_batch.components.request import SynthesisRequest
from floridify_batch.errors import CheckpointError
from floridify_batch.files import private_file, sync, sync_folder
from floridify_batch.pipeline.chunk import ChunkSize, chunk_folder, failure_line


class Group(NamedTuple):
    """The requests of one word of the list as the lines of its chunk's files, with each one's input tokens."""

    ordinal: int
    lines: Sequence[bytes]
    tokens: Sequence[int]
    expected: bytes
    carried: bytes
    size: ChunkSize


def group(ordinal: int, requests: Sequence[SynthesisRequest[Any]], failures: Mapping[str, Failure]) -> Group:
    """A word's requests made ready for packing, with those of its failures that are not asked again."""
    lines = [request.line for request in requests]
    tokens = [request.input_tokens for request in requests]
    expected = [orjson.dumps([ordinal, r.custom_id, r.attempt, r.boost, r.mark]) + b"\n" for r in requests]
    again = {request.custom_id for request in requests}
    carried = [failure_line(ordinal, each) for identity, each in failures.items() if identity not in again]
    output_tokens = sum(request.envelope.output_tokens for request in requests)
    retried = sum(request.attempt > 1 for request in requests)
    size = ChunkSize(1, len(lines), sum(map(len, lines)), sum(tokens), output_tokens, retried)
    return Group(ordinal, lines, tokens, b"".join(expected), b"".join(carried), size)


class Planned(NamedTuple):
    """A word's requests that wait to be packed: their lines stand in a piece, `size.bytes` long from `offset` on."""

    ordinal: int
    offset: int
    expected: bytes
    carried: bytes
    size: ChunkSize


def planned(made: Group, piece: IO[bytes]) -> Planned:
    """A word whose lines are put down at the end of a piece."""
    offset = piece.tell()
    piece.writelines(made.lines)
    return Planned(made.ordinal, offset, made.expected, made.carried, made.size)


def lines_of(word: Planned, piece: Path) -> bytes:
    """The lines of a word that wait in a piece. Raises `CheckpointError` where they are not all there."""
    with piece.open("rb", buffering=0) as file:
        file.seek(word.offset)
        lines = file.read(word.size.bytes)
    if len(lines) < word.size.bytes:
        raise CheckpointError(f"{piece} was cut short while it was in use. Nothing of it was sent: resume.")
    return lines


class ChunkWriter:
    """A chunk while it is being packed: a folder `NNNN.partial`, renamed when it is finished."""

    def __init__(self, run_folder: Path, number: int) -> None:
        self.number = number
        self.size = ChunkSize()
        self.ordinals: list[int] = []
        self._folder = chunk_folder(run_folder, number)
        self._partial = self._folder.with_suffix(".partial")
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(mode=0o700, parents=True)
        self._stack = ExitStack()
        self._requests = self._open("requests.jsonl")
        self._expected = self._open("expected.jsonl")
        self._carried = self._open("carried.jsonl")

    def _open(self, name: str) -> IO[bytes]:
        return self._stack.enter_context(private_file(self._partial / name))

    def add(self, word: Planned, lines: bytes) -> None:
        """Write a word's requests down."""
        self._requests.write(lines)
        self._expected.write(word.expected)
        self._carried.write(word.carried)
        self.size += word.size
        self.ordinals.append(word.ordinal)

    def finish(self) -> ChunkSize:
        """Make the chunk last: its files are synced before its folder gets its name."""
        for file in (self._requests, self._expected, self._carried):
            sync(file)
        self._stack.close()
        with private_file(self._partial / "ordinals.json") as out:
            out.write(orjson.dumps(self.ordinals))
            sync(out)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._partial.rename(self._folder)
        sync_folder(self._folder)
        sync_folder(self._folder.parent)
        return self.size

    def discard(self) -> None:
        """Give the chunk up; its words are planned again another time."""
        with suppress(OSError):  # a full disk refuses what is still to be written, and nobody wants it any more
            self._stack.close()
        shutil.rmtree(self._partial, ignore_errors=True)
