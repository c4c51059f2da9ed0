"""The data folder: one JSON file per batch and per uploaded or written file, beside the contents.

Records are replaced whole, by a rename, so that a killed sandbox goes on where it was. They are not synced: what must
survive here is the end of the process, not of the machine.
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
"""How many bytes of a file are in memory at a time."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file as the service knows it; the content is in `Folder.content(id)`."""

    id: str
    number: int
    purpose: str
    filename: str
    bytes: int
    created: float
    expires: float | None = None
    deleted: bool = False

    def is_there(self, now: float) -> bool:
        """Whether it is neither deleted nor expired."""
        return not self.deleted and (self.expires is None or now < self.expires)

    def public(self) -> dict[str, Any]:
        """The object that the files endpoint answers with."""
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
    """A batch at one moment. `entered` holds when each status was entered, in wall-clock seconds."""

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
    """The status that writing the answers leads to."""
    finished_share: float = 1.0
    """How much of the input is answered, when the ending comes before its time."""
    total: int = 0
    expected_failures: int = 0
    completed: int = 0
    failed: int = 0
    input_tokens: int = 0
    """Of the whole input, once it is validated; then of what was answered."""
    output_tokens: int = 0
    errors: tuple[Mapping[str, Any], ...] = ()
    output_file_id: str | None = None
    error_file_id: str | None = None


class Folder:
    """A data folder in use by this process alone."""

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
            raise UsageError(f"another sandbox serves {path}; stop it, or choose another --data folder") from held
        self.files = {record.id: record for record in _load(self._files, FileRecord)}
        self.batches = {record.id: record for record in _load(self._batches, BatchRecord)}

    def close(self) -> None:
        """Lets another process serve the folder."""
        self._lock.release()

    def content(self, file_id: str) -> Path:
        """Where the content of a file is."""
        return self._files / f"{file_id}.jsonl"

    def tokens(self, batch_id: str) -> Path:
        """Where the token counts of a batch's input lines are, as 32-bit numbers."""
        return self._batches / f"{batch_id}.tokens"

    def bodies(self, batch_id: str) -> Path:
        """Where the digests of a batch's answered bodies are, 8 bytes each."""
        return self._batches / f"{batch_id}.bodies"

    def all_bodies(self) -> Iterator[Path]:
        """The digests of all batches and of the immediate requests."""
        yield from sorted(self._batches.glob("*.bodies"))

    def partial(self) -> Path:
        """A place to write a content to before it has a record; same disk, so that keeping it is a rename."""
        return self._files / f"{token_hex(8)}.partial"

    def keep(self, written: Path, *, purpose: str, filename: str, created: float, expires: float | None) -> FileRecord:
        """Makes a written content a file of the service."""
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
        """Stores the record of a file."""
        self.files[record.id] = record
        _replace(self._files / f"{record.id}.json", record)

    def save_batch(self, record: BatchRecord) -> None:
        """Stores the record of a batch."""
        self.batches[record.id] = record
        _replace(self._batches / f"{record.id}.json", record)

    def file(self, file_id: str, now: float) -> FileRecord:
        """A file that is there; raises the 404 for one that never was, is deleted or has expired."""
        record = self.files.get(file_id)
        if record is None or not record.is_there(now):
            raise not_found("File", file_id)
        return record

    def batch(self, batch_id: str) -> BatchRecord:
        """A batch by its id; raises the 404 for an unknown one."""
        try:
            return self.batches[batch_id]
        except KeyError:
            raise not_found("Batch", batch_id) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def write_whole(path: Path, content: bytes) -> None:
    """Replaces a file in one step."""
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
