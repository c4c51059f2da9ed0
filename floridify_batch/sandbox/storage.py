"""The data folder: one JSON record per batch and per file, beside the contents.

Records are replaced atomically by a rename, so that a killed sandbox can continue. They are not synced: they must
survive a crash of the process, not of the machine.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

import orjson
from filelock import FileLock, Timeout

from floridify_batch.errors import UsageError
from floridify_batch.sandbox.refusal import not_found

BLOCK = 1 << 20
"""Bytes of a file in memory at a time."""

CHARGES = "charges.jsonl"
"""The file of the charges for immediate requests."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """Metadata of a file; its content is at `Folder.content(id)`."""

    id: str
    number: int
    purpose: str
    filename: str
    bytes: int
    created: float
    expires: float | None = None
    deleted: bool = False

    def is_there(self, now: float) -> bool:
        """Whether the file is neither deleted nor expired."""
        return not self.deleted and (self.expires is None or now < self.expires)

    def public(self) -> dict[str, Any]:
        """Return the file object of the API."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": int(self.created),
            "expires_at": None if self.expires is None else int(self.expires),
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """The state of a batch. `entered` has the wall-clock time of each status, in seconds."""

    id: str
    number: int
    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: Mapping[str, str] | None
    output_expires: float | None
    created: float
    expires: float
    status: str = "validating"
    model: str | None = None
    entered: Mapping[str, float] = field(default_factory=dict)
    ending: str = "completed"
    """The status that follows the writing of the answers."""
    finished_share: float = 1.0
    """The answered share of the input, below 1 for an early end."""
    total: int = 0
    expected_failures: int = 0
    completed: int = 0
    failed: int = 0
    input_tokens: int = 0
    """Tokens of the validated input, then of the answered requests."""
    output_tokens: int = 0
    errors: tuple[Mapping[str, Any], ...] = ()
    output_file_id: str | None = None
    error_file_id: str | None = None


class Folder:
    """A data folder locked by this process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = path / "files"
        self._batches = path / "batches"
        for folder in (self._files, self._batches):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path / "lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout as held:
            raise UsageError(f"Another sandbox serves {path}; stop it, or choose another --data folder") from held
        self.files = {record.id: record for record in _load(self._files, FileRecord)}
        self.batches = {record.id: record for record in _load(self._batches, BatchRecord)}

    def close(self) -> None:
        """Release the lock of the folder."""
        self._lock.release()

    def content(self, file_id: str) -> Path:
        """Return the path of a file's content."""
        return self._files / f"{file_id}.jsonl"

    def tokens(self, batch_id: str) -> Path:
        """Return the path of a batch's token counts, one 32-bit number per input line."""
        return self._batches / f"{batch_id}.tokens"

    def bodies(self, batch_id: str) -> Path:
        """Return the path of the digests of a batch's answered bodies, 8 bytes each."""
        return self._batches / f"{batch_id}.bodies"

    def passed(self, batch_id: str) -> Path:
        """Return the path of the outcomes of a batch's requests at another service."""
        return self._batches / f"{batch_id}.passed"

    def charges(self) -> Path:
        """Return the path of the charges for immediate requests, a line each."""
        return self._batches / CHARGES

    def all_bodies(self) -> Iterator[Path]:
        """Yield the digests of all batches and immediate requests."""
        yield from sorted(self._batches.glob("*.bodies"))

    def partial(self) -> Path:
        """Return a temporary path on the same disk, from which `keep` renames the content."""
        return self._files / f"{token_hex(8)}.partial"

    def keep(self, written: Path, *, purpose: str, filename: str, created: float, expires: float | None) -> FileRecord:
        """Turn a temporary file into a file of the service."""
        record = FileRecord(
            id=f"file-{token_hex(12)}",
            number=1 + max((file.number for file in self.files.values()), default=0),
            purpose=purpose,
            filename=filename,
            bytes=written.stat().st_size,
            created=created,
            expires=expires,
        )
        written.rename(self.content(record.id))
        self.save_file(record)
        return record

    def save_file(self, record: FileRecord) -> None:
        """Save the record of a file."""
        self.files[record.id] = record
        _replace(self._files / f"{record.id}.json", record)

    def save_batch(self, record: BatchRecord) -> None:
        """Save the record of a batch."""
        self.batches[record.id] = record
        _replace(self._batches / f"{record.id}.json", record)

    def file(self, file_id: str, now: float) -> FileRecord:
        """Return a file; raise a 404 if it is unknown, deleted or expired."""
        record = self.files.get(file_id)
        if record is None or not record.is_there(now):
            raise not_found("File", file_id)
        return record

    def batch(self, batch_id: str) -> BatchRecord:
        """Return a batch; raise a 404 if it is unknown."""
        try:
            return self.batches[batch_id]
        except KeyError:
            raise not_found("Batch", batch_id) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file atomically."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(content)
    partial.rename(path)


def _replace(path: Path, record: FileRecord | BatchRecord) -> None:
    write_whole(path, orjson.dumps(record))


def _load[R: (FileRecord, BatchRecord)](folder: Path, kind: type[R]) -> list[R]:
    for partial in folder.glob("*.partial"):
        partial.unlink()
    records = [kind(**orjson.loads(path.read_bytes())) for path in folder.glob("*.json")]
    return sorted(records, key=lambda record: record.number)
