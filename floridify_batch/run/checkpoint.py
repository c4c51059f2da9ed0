"""The checkpoint: the ledger's file, replaced whole and synced; its folder of chunk files; and its lock.

A save writes the new file beside the old one, syncs it, keeps the old one as `.previous`, renames, and syncs the
folder: at every moment one whole checkpoint is on the disk.
"""

import os
import re
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from itertools import chain, count as count_from
from math import inf
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from floridify_batch.components.failure import Failure
from floridify_batch.errors import CheckpointError, CheckpointLocked
from floridify_batch.files import FILE_MODE, ChunkFolder, private_file, private_folder, replacing, sync, sync_folder
from floridify_batch.formatting import count, dollars, to_type
from floridify_batch.pipeline.chunk import forget_lines, read_failures
from floridify_batch.run.ledger import VERSION, Adopted, ChunkState, Ledger
from floridify_batch.timing import Clock, utc_now
from floridify_batch.words.word_log import WordLog

_CHUNK_FOLDER = re.compile(r"(?P<number>\d{4,})(?:\.partial)?")


class Checkpoint:
    """The file of a run's ledger, beside the folder with its chunk files."""

    def __init__(self, path: Path, clock: Clock = utc_now) -> None:
        self.path = path
        self.folder = _folder_of(path)
        self.words_path = self.folder / "words.txt"
        self.previous_path = path.with_name(path.name + ".previous")
        self._lock_path = path.with_name(f".{path.name}.lock")
        self._holder_path = path.with_name(f".{path.name}.lock.holder")
        self._clock = clock

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────

    def load(self) -> Ledger | None:
        """Load the ledger; None if there is no file, or one with only the six documented keys.

        Raises `CheckpointError` if the file is damaged, has another version, or cannot be read.
        """
        data = self._read()
        if data is None or "run" not in data:
            return None
        data = migrated(data)
        if data.get("version") != VERSION:
            raise CheckpointError(
                f"{self.path} has version {data.get('version')!r}, and this batch-synth reads versions up to "
                f"{VERSION}; use the batch-synth that wrote it, or another --checkpoint."
            )
        try:
            ledger = Ledger.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise self._damaged(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        for contradiction in _contradictions(ledger):
            raise self._damaged(contradiction)
        return ledger

    def adopted(self) -> Adopted:
        """Return the words and the cost of a checkpoint with only the six documented keys."""
        data = self._read()
        if data is None or "run" in data:
            return Adopted()
        words = data.get("processed_words")
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise self._damaged("processed_words is missing or not a list")
        cost, tokens = _amount(data.get("total_cost")), data.get("total_tokens")
        past = f"had cost {dollars(cost)}, which is included in the total" if cost else "recorded no cost"
        return Adopted(
            frozenset(words),
            cost or Decimal(0),
            tokens if isinstance(tokens, int) and tokens > 0 else 0,
            (f"Adopted {self.path}: {count(len(words))} words are already processed; the old run {past}.",),
        )

    def _read(self) -> dict[str, Any] | None:
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CheckpointError(f"The checkpoint {self.path} cannot be read: {error.strerror}.") from None
        try:
            data = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise self._damaged(str(error)) from None
        if not isinstance(data, dict):
            raise self._damaged("it is not a JSON object")
        return data

    def _damaged(self, why: str) -> CheckpointError:
        if self.previous_path.exists():
            cure = f"To restore the previous version, copy {self.previous_path} over it, then resume."
        else:
            cure = "Restore it from a backup, or pass another --checkpoint."
        return CheckpointError(f"The checkpoint {self.path} is damaged ({why}) and was left unchanged. {cure}")

    def absent(self, advice: str = ".") -> CheckpointError:
        """Return the error of a missing checkpoint, with its previous copy or advice."""
        if not self.previous_path.exists():
            return CheckpointError(f"Checkpoint not found: {self.path}{advice}")
        return CheckpointError(
            f"Checkpoint not found: {self.path}. Its previous version {self.previous_path} exists: copy it to "
            f"{self.path}, then resume: {to_type('resume', self.path)}"
        )

    # ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────

    def save(self, ledger: Ledger) -> None:
        """Save the ledger by replacing the file atomically. Raises `CheckpointError`, leaving the present file
        intact.
        """
        totals = ledger.totals()
        ledger.timestamp = self._clock().isoformat()
        ledger.total_cost = None if totals.cost is None else float(totals.cost)
        ledger.total_tokens = totals.usage.total + ledger.carried_tokens
        try:
            self._replace(_written(ledger))
        except OSError as error:
            raise CheckpointError(
                f"The checkpoint {self.path} cannot be written: {error.strerror}. "
                "Saved data is intact; free some space or grant write access, then resume."
            ) from None

    def _replace(self, content: Iterable[bytes]) -> None:
        with replacing(self.path) as out:
            out.writelines(content)
            sync(out)  # before the previous copy is replaced: a full disk is noticed here
            if self.path.exists():
                self._keep_previous()

    def _keep_previous(self) -> None:
        """Keep the present file as the previous copy, by a hard link; without one on file systems that have none."""
        with suppress(OSError):
            self.previous_path.unlink(missing_ok=True)
            os.link(self.path, self.previous_path)

    def create_folder(self) -> None:
        """Create the folder for chunk files, private to the user. Raises `CheckpointError`."""
        try:
            private_folder(self.folder)
        except OSError as error:
            raise CheckpointError(f"The folder {self.folder} cannot be created: {error.strerror}.") from None

    def rotate(self, ledger: Ledger) -> Path:
        """Rename a finished run with its time, so that a new one can start. Returns the new path of its checkpoint.

        The folder is renamed first: after a crash in between, the checkpoint is still in place and the rotation is
        repeated. Raises `CheckpointError`.
        """
        stamp = datetime.fromisoformat(ledger.timestamp).strftime("%Y%m%dT%H%M%S")
        target = self._rotated_path(stamp)
        try:
            self.previous_path.unlink(missing_ok=True)
            if self.words_path.exists():
                self.folder.rename(_folder_of(target))
                sync_folder(self.path.parent)
            self.path.replace(target)
            sync_folder(self.path.parent)
        except OSError as error:
            raise CheckpointError(
                f"The finished run {self.path} cannot be renamed to {target}: {error.strerror}."
            ) from None
        return target

    def _rotated_path(self, stamp: str) -> Path:
        """A free name for a rotated run, or the one that its folder already has."""
        moved = not self.words_path.exists()  # every run's folder has its list
        endings = chain([""], (f"-{number}" for number in count_from(2)))
        name = self.path.name.removesuffix(".json")
        targets = (self.path.with_name(f"{name}.{stamp}{ending}.json") for ending in endings)
        return next(target for target in targets if not target.exists() and (moved or not _folder_of(target).exists()))

    def size(self) -> int:
        """The bytes of the run's files."""
        inside = (each for each in self.folder.rglob("*") if each.is_file())
        return sum(each.stat().st_size for each in (self.path, self.previous_path, *inside) if each.exists())

    def remove(self) -> None:
        """Remove a run's files, the checkpoint last, so that an interrupted removal can be repeated.

        Raises `CheckpointError`.
        """
        try:
            self.previous_path.unlink(missing_ok=True)
            if self.folder.exists():
                shutil.rmtree(self.folder)
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise CheckpointError(f"{error.filename} cannot be removed: {error.strerror}.") from None

    def tidy(self, ledger: Ledger) -> None:
        """Remove chunk folders that are not in the ledger, whose words are planned again, and request lines of finished
        chunks.

        Lines are kept while the previous copy of the checkpoint needs them: until the chunk is DONE there, too.
        """
        needed = self._open_before()
        for folder in self.folder.iterdir():
            ours = _CHUNK_FOLDER.fullmatch(folder.name)
            if ours is None:
                continue
            number = int(ours["number"])
            known = folder.name == ours["number"] and number <= len(ledger.chunks)
            if not known:
                shutil.rmtree(folder, ignore_errors=True)
            elif ledger.chunk(number).state is ChunkState.DONE and number not in needed:
                forget_lines(ChunkFolder(folder))

    def _open_before(self) -> set[int]:
        """The chunks that are not DONE in the previous copy; none if there is no readable copy."""
        try:
            chunks = orjson.loads(self.previous_path.read_bytes())["chunks"]
            return {chunk["number"] for chunk in chunks if chunk["state"] != ChunkState.DONE}
        except (OSError, ValueError, KeyError, TypeError):
            return set()

    # ── failures ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def failure_samples(self, ledger: Ledger) -> dict[str, tuple[int, Failure]]:
        """One failure of each kind that the ledger counts, with its word's ordinal, read from the chunks' files."""
        found: dict[str, tuple[int, Failure]] = {}
        for record in ledger.chunks:
            if missing := record.failures.keys() - found.keys():
                found |= _first_of(missing, ChunkFolder.of(self.folder, record.number).failures)
        return found

    # ── the lock ───────────────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the checkpoint for this process. Raises `CheckpointLocked` if another process holds the lock.

        The operating system releases the lock when its process ends, so that no stale lock remains.
        """
        from filelock import FileLock, Timeout

        try:
            self._lock_path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_path.touch(mode=FILE_MODE)
            lock = FileLock(self._lock_path, timeout=0, mode=FILE_MODE)
            lock.acquire()
        except Timeout:
            raise CheckpointLocked(
                f"{self.path} is in use by {self._holder()}; wait for that process, or stop it."
            ) from None
        except OSError as error:
            raise CheckpointError(
                f"{self._lock_path} cannot be created: {error.strerror}; the folder must be writable."
            ) from None
        try:
            self._write_holder()
            yield
        finally:
            self._holder_path.unlink(missing_ok=True)
            if not self.path.exists():  # a refused command leaves no files behind
                self._lock_path.unlink(missing_ok=True)
            lock.release()

    def is_held(self) -> bool:
        """Whether a process holds the lock, judged by the lock file; takes no lock."""
        try:
            holder = orjson.loads(self._holder_path.read_bytes())
            return holder["host"] != socket.gethostname() or _is_alive(int(holder["pid"]))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _write_holder(self) -> None:
        since = self._clock().isoformat(timespec="seconds")
        with private_file(self._holder_path) as out:
            out.write(orjson.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": since}))

    def _holder(self) -> str:
        try:
            holder = orjson.loads(self._holder_path.read_bytes())
            return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
            return "another process"


def _first_of(kinds: Set[str], path: Path) -> dict[str, tuple[int, Failure]]:
    """Read the first failure of each of these kinds; a damaged file yields no sample."""
    found: dict[str, tuple[int, Failure]] = {}
    with suppress(OSError, CheckpointError):
        for ordinal, failure in read_failures(path):
            if failure.kind in kinds:
                found.setdefault(failure.kind, (ordinal, failure))
            if len(found) == len(kinds):
                break
    return found


def _amount(value: Any) -> Decimal | None:
    """Parse an amount of money; None for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < inf:
        return None
    return Decimal(str(value))


def _written(ledger: Ledger) -> Iterator[bytes]:
    """Encode the ledger as JSON, in parts; its long lists are kept as JSON and are not copied."""
    rest = ledger.model_dump(mode="json", exclude={"processed_words", "failed_words"})
    known = {"version": rest.pop("version"), "processed_words": [], "failed_words": ledger.failed_words}
    before, empty, after = orjson.dumps(known | rest, option=orjson.OPT_INDENT_2).partition(_NO_WORDS)
    words = ledger.processed_words
    yield before + empty.removesuffix(b"[]")
    yield (words if isinstance(words, WordLog) else WordLog(words)).json()
    yield after


_NO_WORDS = b'"processed_words": []'
"""Placeholder for the word lists; only the version comes before it."""


def _contradictions(ledger: Ledger) -> Iterator[str]:
    """Return the contradictions in a ledger, which would make a resumed run skip or repeat words."""
    for place, record in enumerate(ledger.chunks, 1):
        if record.number != place:
            yield f"chunk {record.number} is at the place of chunk {place}"
    finished = len(ledger.processed_words) + len(ledger.missing)
    if finished > ledger.run.words:
        yield f"{finished} of {ledger.run.words} words are finished"
    if not 0 <= ledger.list_cursor <= ledger.run.words:
        yield f"list_cursor: {ledger.list_cursor} is outside the list of {ledger.run.words} words"
    for ordinal in ledger.retrying:
        if not 0 <= ordinal < ledger.run.words:
            yield f"retrying: {ordinal} is outside the list of {ledger.run.words} words"
    try:
        datetime.fromisoformat(ledger.timestamp or utc_now().isoformat())
    except ValueError:
        yield "timestamp: not a valid time"


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # there, signal 0 would end the process
        return True
    try:
        os.kill(pid, 0)
    except PermissionError:  # a process of another user
        return True
    except ProcessLookupError:
        return False
    return True


def _folder_of(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".json") + ".files")


type JsonObject = dict[str, Any]


def migrated(data: JsonObject) -> JsonObject:
    """Upgrade a checkpoint's JSON to the present version, step by step; an unknown version is returned as it is."""
    while type(version := data.get("version")) is int and version in _MIGRATIONS:
        data = _MIGRATIONS[version](data)
    return data


_CHUNK_FIELDS_OF_1 = {
    "alone": "queue_was_empty",
    "doubtful": "creation_in_doubt",
    "absent_reason": "unanswered_reason",
    "absent_detail": "unanswered_detail",
    "paid": "billed",
    "billed": "service_usage",
}
"""Fields of a chunk in version 1 that have other names now."""


def _from_1(data: JsonObject) -> JsonObject:
    """Upgrade version 1, whose chunk records had other field names."""
    chunks = data.get("chunks")
    if not isinstance(chunks, list):
        return data | {"version": 2}
    renamed = [
        {_CHUNK_FIELDS_OF_1.get(name, name): value for name, value in chunk.items()}
        if isinstance(chunk, dict)
        else chunk
        for chunk in chunks
    ]
    return data | {"version": 2, "chunks": renamed}


_MIGRATIONS: Mapping[int, Callable[[JsonObject], JsonObject]] = {1: _from_1}
"""By version, the step to the next one."""
