"""The two answer files of a batch, written in one pass over its input with no file in memory."""

from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import orjson

from floridify_batch.sandbox.body import check_body
from floridify_batch.sandbox.chance import Dice
from floridify_batch.sandbox.fault import CONTENT_FAULTS, Fault, Faults, status_of
from floridify_batch.sandbox.refusal import Refusal, by_status
from floridify_batch.sandbox.reply import completion, digest, reply
from floridify_batch.sandbox.storage import BatchRecord, Folder, write_whole
from floridify_batch.sandbox.validation import REFUSED, Stopped, numbered_lines

_BLOCK = 1_000
"""Answers are shuffled within as many lines: the order of a batch's answers means nothing."""

_OK = 200
_USABLE = ("", "duplicate", "unknown")
"""The faults with which an answer is still of use, none included."""

_EXPIRED = {
    "code": "batch_expired",
    "message": "This request could not be executed before the completion window expired.",
}
_UNANSWERED = {"code": "server_error", "message": "The request could not be executed."}


@dataclass(frozen=True, slots=True)
class Results:
    """What a pass over the input has written; a path is None when there is nothing of its kind."""

    output: Path | None
    errors: Path | None
    completed: int
    failed: int
    input_tokens: int
    output_tokens: int


class _AnswerFile:
    """A file of answers in no particular order, which exists only once it has a line."""

    def __init__(self, path: Path, dice: Dice) -> None:
        self._path = path
        self._dice = dice
        self._block: list[bytes] = []
        self._file: IO[bytes] | None = None

    def add(self, line: bytes) -> None:
        self._block.append(line)
        if len(self._block) == _BLOCK:
            self._flush()

    def close(self) -> Path | None:
        """Ends the file; the path, or None if no line was added."""
        if self._block:
            self._flush()
        if self._file is None:
            return None
        self._file.close()
        return self._path

    def _flush(self) -> None:
        if self._file is None:
            self._file = self._path.open("wb")
        self._dice.shuffle(self._block)
        self._file.writelines(self._block)
        self._block.clear()


class _Answering:
    """A pass under way over the input of one batch."""

    def __init__(self, record: BatchRecord, folder: Folder, faults: Faults, created: float, fast: bool) -> None:
        dice = Dice(f"{faults.seed}:{record.number}".encode())
        self.record, self.faults = record, faults
        self.created, self.fast = int(created), fast
        self.output = _AnswerFile(folder.partial(), dice)
        self.errors = _AnswerFile(folder.partial(), dice)
        self.bodies: set[bytes] = set()
        self.completed = self.failed = self.input_tokens = self.output_tokens = 0

    def settle(self, line: Mapping[str, Any], tokens: int, *, reached: bool) -> None:
        """Answers a line, or leaves it where the batch ended before its turn."""
        custom_id = line["custom_id"]
        fault = self.faults.line(custom_id, self.record.number)
        name = fault.name if fault else ""
        if not reached or name == "expire":
            if self.record.ending == "expired":
                self._fail(custom_id, error=_EXPIRED)
        elif name == "null_response":
            self._fail(custom_id, error=_UNANSWERED)
        elif refusal := _refusal(line["body"], tokens, fault):
            self._fail(custom_id, refusal=refusal)
        else:
            self._answer(line, tokens, name)

    def _fail(self, custom_id: str, *, refusal: Refusal | None = None, error: Mapping[str, Any] | None = None) -> None:
        self.failed += 1
        status, body = (refusal.status, refusal.body()) if refusal else (0, None)
        self.errors.add(self._line(custom_id, status, body, error))

    def _answer(self, line: Mapping[str, Any], tokens: int, fault: str) -> None:
        body, custom_id = line["body"], line["custom_id"]
        answer = reply(body, tokens, fault=fault if fault in CONTENT_FAULTS else "", fast=self.fast)
        self.completed += 1
        self.input_tokens += answer.prompt_tokens
        self.output_tokens += answer.completion_tokens
        chat = completion(body, answer, self._identity(custom_id), self.created)
        written = self._line(custom_id, _OK, chat, None)
        if fault in _USABLE and answer.is_good:
            self.bodies.add(digest(body))
        self._put(custom_id, written, chat, fault)

    def _put(self, custom_id: str, written: bytes, chat: Mapping[str, Any], fault: str) -> None:
        target = self.errors if self.faults.hits("split", custom_id, self.record.number) else self.output
        if fault == "missing":
            return
        if fault == "not_json":
            written = written[: len(written) // 2] + b"\n"
        target.add(written)
        if fault == "duplicate":
            target.add(written)
        elif fault == "unknown":
            target.add(self._line(f"unknown-{self._identity(custom_id)[:12]}", _OK, chat, None))

    def _line(
        self, custom_id: str, status: int, body: Mapping[str, Any] | None, error: Mapping[str, Any] | None
    ) -> bytes:
        identity = self._identity(custom_id)
        response = None if body is None else {"status_code": status, "request_id": identity, "body": body}
        line = {"id": f"batch_req_{identity}", "custom_id": custom_id, "response": response, "error": error}
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)

    def _identity(self, custom_id: str) -> str:
        return blake2b(f"{self.record.id}:{custom_id}".encode(), digest_size=16).hexdigest()


def write_results(
    record: BatchRecord, folder: Folder, faults: Faults, *, stopping: Callable[[], bool], now: float, fast: bool
) -> Results:
    """Answers a batch's input as far as it is finished and writes both files; raises Stopped when asked to stop."""
    answering = _Answering(record, folder, faults, now, fast)
    finished = int(record.total * record.finished_share)
    for index, (raw, tokens) in enumerate(_lines(record, folder)):
        if not index % 100 and stopping():
            raise Stopped
        answering.settle(orjson.loads(raw), tokens, reached=index < finished)
    write_whole(folder.bodies(record.id), b"".join(answering.bodies))
    return Results(
        answering.output.close(),
        answering.errors.close(),
        answering.completed,
        answering.failed,
        answering.input_tokens,
        answering.output_tokens,
    )


def _lines(record: BatchRecord, folder: Folder) -> Iterator[tuple[bytes, int]]:
    tokens = array("I")
    if record.total:
        tokens.frombytes(folder.tokens(record.id).read_bytes())
    for (_, raw), count in zip(numbered_lines(folder.content(record.input_file_id)), tokens, strict=False):
        yield raw, count


def _refusal(body: Mapping[str, Any], tokens: int, fault: Fault | None) -> Refusal | None:
    status = status_of(fault) if fault else None
    if status is not None:
        return by_status(status)
    return check_body(body) if tokens == REFUSED else None
