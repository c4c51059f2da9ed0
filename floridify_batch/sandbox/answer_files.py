"""The output file and the error file of a batch, written in one streaming pass over its input."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import repeat
from pathlib import Path
from typing import IO, Any

import orjson

from floridify_batch.sandbox.body import check_body
from floridify_batch.sandbox.endpoint import Passed, outcomes
from floridify_batch.sandbox.fault import CONTENT_FAULTS, Fault, Faults, status_of
from floridify_batch.sandbox.random_generator import Random
from floridify_batch.sandbox.refusal import Refusal, by_status, unsupported_model
from floridify_batch.sandbox.reply import completion, digest, reply
from floridify_batch.sandbox.storage import BatchRecord, Folder, write_whole
from floridify_batch.sandbox.validation import REFUSED, Stopped, counted_lines

_BLOCK = 1_000
"""Answers are shuffled within blocks of this many lines, since the order of a batch's answers is undefined."""

_OK = 200
_USABLE = ("", "duplicate", "unknown", "body_text")
"""Faults that leave an answer usable, including none."""

_EXPIRED = {
    "code": "batch_expired",
    "message": "This request could not be executed before the completion window expired.",
}
_UNANSWERED = {"code": "server_error", "message": "The request could not be executed."}


@dataclass(frozen=True, slots=True)
class Results:
    """Files and counts of a finished batch; a path is None when its file would be empty."""

    output: Path | None
    errors: Path | None
    completed: int
    failed: int
    input_tokens: int
    output_tokens: int


class _AnswerFile:
    """An answer file in random order, created with its first line."""

    def __init__(self, path: Path, random: Random) -> None:
        self._path = path
        self._random = random
        self._block: list[bytes] = []
        self._file: IO[bytes] | None = None

    def add(self, line: bytes) -> None:
        self._block.append(line)
        if len(self._block) == _BLOCK:
            self._flush()

    def open(self) -> None:
        """Create the file, though it has no lines."""
        self._file = self._path.open("wb")

    def close(self) -> Path | None:
        """Close the file and return its path, or None if it has no lines."""
        if self._block:
            self._flush()
        if self._file is None:
            return None
        self._file.close()
        return self._path

    def _flush(self) -> None:
        if self._file is None:
            self._file = self._path.open("wb")
        self._random.shuffle(self._block)
        self._file.writelines(self._block)
        self._block.clear()


class _AnswerWriter:
    """Writes the answers of one batch."""

    def __init__(self, record: BatchRecord, folder: Folder, faults: Faults, created: float, fast: bool) -> None:
        random = Random(f"{faults.seed}:{record.number}".encode())
        self.record, self.faults = record, faults
        self.created, self.fast = int(created), fast
        self.output = _AnswerFile(folder.partial(), random)
        self.errors = _AnswerFile(folder.partial(), random)
        self.bodies: set[bytes] = set()
        self.completed = self.failed = self.input_tokens = self.output_tokens = 0
        self.any_model = False

    def settle(self, line: Mapping[str, Any], tokens: int, passed: Passed | None, *, reached: bool) -> None:
        """Answer a line; skip it if the batch ended before reaching it. `passed`: its outcome at another service."""
        custom_id = line["custom_id"]
        fault = self.faults.line(custom_id, self.record.number)
        name = fault.name if fault else ""
        if not reached or name == "expire":
            if self.record.ending == "expired":
                self._fail(custom_id, error=_EXPIRED)
        elif name == "null_response":
            self._fail(custom_id, error=_UNANSWERED)
        elif refusal := self._refusal(line["body"], tokens, fault):
            self._fail(custom_id, refusal=refusal)
        elif passed and name not in CONTENT_FAULTS:
            self._pass_on(line, passed, name)
        else:
            self._answer(line, tokens, name)

    def _refusal(self, body: Mapping[str, Any], tokens: int, fault: Fault | None) -> Refusal | None:
        status = status_of(fault) if fault else None
        if status is not None:
            return by_status(status)
        if self.faults.refuses_model(body["model"]):
            return unsupported_model(body["model"])
        return check_body(body, any_model=self.any_model) if tokens == REFUSED else None

    def _fail(self, custom_id: str, *, refusal: Refusal | None = None, error: Mapping[str, Any] | None = None) -> None:
        self.failed += 1
        status, body = (refusal.status, refusal.body()) if refusal else (0, None)
        self.errors.add(self._line(custom_id, status, body, error))

    def _answer(self, line: Mapping[str, Any], tokens: int, fault: str) -> None:
        body, custom_id = line["body"], line["custom_id"]
        answer = reply(body, tokens, fault=fault if fault in CONTENT_FAULTS else "", fast=self.fast)
        self.completed += fault != "missing"
        self.input_tokens += answer.prompt_tokens
        self.output_tokens += answer.completion_tokens
        chat = completion(body, answer, self._identity(custom_id), self.created)
        body_text = fault == "body_text"
        written = self._line(custom_id, _OK, orjson.dumps(chat).decode() if body_text else chat, None)
        if fault in _USABLE and answer.is_good:
            self.bodies.add(digest(body))
        self._put(custom_id, written, chat, fault)

    def _pass_on(self, line: Mapping[str, Any], passed: Passed, fault: str) -> None:
        custom_id = line["custom_id"]
        if not passed.is_answer:
            self.failed += 1
            self.errors.add(self._line(custom_id, passed.status, passed.body, passed.error))
            return
        self.completed += fault != "missing"
        self.input_tokens += passed.tokens("prompt_tokens")
        self.output_tokens += passed.tokens("completion_tokens")
        if fault in _USABLE:
            self.bodies.add(digest(line["body"]))
        self._put(custom_id, self._line(custom_id, _OK, passed.body, None), passed.body, fault)

    def _put(self, custom_id: str, written: bytes, chat: Mapping[str, Any], fault: str) -> None:
        target = self.errors if self.faults.hits("split", custom_id, self.record.number) else self.output
        if fault == "missing":
            return
        if fault == "not_json":
            written = written[: len(written) // 2] + b"\n"
        elif fault == "no_id":
            written = self._line(None, _OK, chat, None)
        target.add(written)
        if fault == "duplicate":
            target.add(written)
        elif fault == "unknown":
            target.add(self._line(f"unknown-{self._identity(custom_id)[:12]}", _OK, chat, None))

    def _line(
        self, custom_id: str | None, status: int, body: Mapping[str, Any] | str | None, error: Mapping[str, Any] | None
    ) -> bytes:
        identity = self._identity(custom_id or "")
        response = None if body is None else {"status_code": status, "request_id": identity, "body": body}
        line = {"id": f"batch_req_{identity}", "custom_id": custom_id, "response": response, "error": error}
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)

    def _identity(self, custom_id: str) -> str:
        return blake2b(f"{self.record.id}:{custom_id}".encode(), digest_size=16).hexdigest()


def write_results(
    record: BatchRecord, folder: Folder, faults: Faults, *, stopping: Callable[[], bool], now: float, fast: bool
) -> Results:
    """Write both answer files for the finished share of a batch's input; raise Stopped on shutdown."""
    writer = _AnswerWriter(record, folder, faults, now, fast)
    finished = int(record.total * record.finished_share)
    passed = folder.passed(record.id)
    writer.any_model = passed.exists()
    given = outcomes(passed) if writer.any_model else repeat(None)
    for index, (raw, tokens) in enumerate(counted_lines(record, folder)):
        if not index % 100 and stopping():
            raise Stopped
        reached = index < finished
        writer.settle(orjson.loads(raw), tokens, next(given, None) if reached else None, reached=reached)
    if record.ending == "completed" and not (writer.completed or writer.failed):
        writer.output.open()  # a completed batch has an answer file, even an empty one
    write_whole(folder.bodies(record.id), b"".join(writer.bodies))
    return Results(
        writer.output.close(),
        writer.errors.close(),
        writer.completed,
        writer.failed,
        writer.input_tokens,
        writer.output_tokens,
    )
