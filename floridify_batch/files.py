"""Private, synced and atomically replaced files, private folders, and the file names of a chunk."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self, TextIO

PRIVATE_UMASK = 0o077
"""The umask of the command and its child processes: files and folders are accessible to their owner only."""

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def private_file(path: Path) -> IO[bytes]:
    """Open a new file with mode 0600 for writing."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, FILE_MODE), "wb", buffering=1 << 16)


def appended_text(path: Path) -> TextIO:
    """Open a text file for appending, with mode 0600 if it is new."""
    opened = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, FILE_MODE)
    return os.fdopen(opened, "a", encoding="utf-8", buffering=1)


def private_folder(path: Path) -> Path:
    """Create a folder with mode 0700, and its parents; keep one that exists."""
    path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    return path


def sync(file: IO[bytes]) -> None:
    """Flush a file's content to the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk; Windows can't, and doesn't need it."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file's content atomically: after a power failure it is the old or the new one."""
    with replacing(path) as out:
        out.write(content)


def partial_of(path: Path) -> Path:
    """The file that is written before it replaces another one."""
    return path.with_name(f"{path.name}.partial")


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open `path.partial` for writing; sync it and rename it to `path` on exit, unless an exception was raised."""
    partial = partial_of(path)
    with private_file(partial) as out:
        yield out
        sync(out)
    partial.replace(path)
    sync_folder(path.parent)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Lock a file that is about to be written, so that no other process writes it; a missing one is created.

    The operating system releases the lock when the process ends. On Windows there is none. Raises `BlockingIOError`.
    """
    if os.name == "nt":
        yield
        return
    import fcntl

    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not path.exists() or not os.path.samestat(os.fstat(descriptor), path.stat()):
            raise BlockingIOError  # the process that had the lock has just removed or renamed it
        yield
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class ChunkFolder:
    """The folder of a chunk's files: a run's `0001`, or any other folder in which requests are answered.

    `requests` is uploaded; `expected` has a line per request, `ordinals` the chunk's words, `carried` their earlier
    failures that are not retried; `output` and `errors` are downloaded, `failures` has the failed requests.
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
        """The ids that must be settled, with attempts and preconditions."""
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
    def arriving(self) -> Path:
        """The answers to immediate requests, until the last of them is there."""
        return partial_of(self.output)

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
