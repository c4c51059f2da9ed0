"""Private, synced and atomically replaced files; and the names of the files that a chunk is made of."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self


def private_file(path: Path) -> IO[bytes]:
    """A new file that only its owner can read, open for writing."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb", buffering=1 << 16)


def sync(file: IO[bytes]) -> None:
    """Bring a file's content to the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk; a system that cannot sync folders (Windows) has no such moment to guard."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Give a file a new content that is there whole or not at all, whenever the power goes."""
    with replacing(path) as out:
        out.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write a file beside another one, which it replaces once it is whole and synced; not after an exception."""
    partial = path.with_name(path.name + ".partial")
    with private_file(partial) as out:
        yield out
        sync(out)
    partial.replace(path)
    sync_folder(path.parent)


@dataclass(frozen=True, slots=True)
class ChunkFolder:
    """The folder of a chunk's files: of a run's `0001`, or wherever else requests become answers.

    `requests` is uploaded; `expected` has a line per request, `ordinals` the chunk's words, `carried` the failures of
    these words that are not retried; `output` and `errors` are what came back, `failures` what failed.
    """

    path: Path

    @classmethod
    def of(cls, run_folder: Path, number: int) -> Self:
        """The folder of a run's chunk."""
        return cls(run_folder / f"{number:04d}")

    @property
    def number(self) -> int:
        """The chunk's number in its run."""
        return int(self.path.name)

    @property
    def requests(self) -> Path:
        """The batch file: a line per request."""
        return self.path / "requests.jsonl"

    @property
    def expected(self) -> Path:
        """The ids that must be settled, with attempts and marks."""
        return self.path / "expected.jsonl"

    @property
    def ordinals(self) -> Path:
        """The places of the chunk's words in the word list."""
        return self.path / "ordinals.json"

    @property
    def carried(self) -> Path:
        """Earlier failures of the chunk's words, of requests that are not in it."""
        return self.path / "carried.jsonl"

    @property
    def output(self) -> Path:
        """The service's file of answers."""
        return self.path / "output.jsonl"

    @property
    def errors(self) -> Path:
        """The service's file of errors."""
        return self.path / "errors.jsonl"

    @property
    def answers(self) -> tuple[Path, Path]:
        """Both files of the service, of which either may be absent."""
        return self.output, self.errors

    @property
    def failures(self) -> Path:
        """The requests that ended without a stored answer."""
        return self.path / "failures.jsonl"
