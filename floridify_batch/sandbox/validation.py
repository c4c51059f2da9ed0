"""Validation of a batch's input file, and the token count of each line.

Only errors that invalidate the whole file count here. A line whose request the service refuses gets its error later,
as from the immediate endpoint.
"""

import re
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from floridify_batch.sandbox.body import check_body, knows_model
from floridify_batch.sandbox.fault import HTTP, Faults
from floridify_batch.sandbox.reply import prompt_tokens
from floridify_batch.sandbox.storage import BatchRecord, Folder, write_whole

MAX_REQUESTS = 50_000
MAX_BYTES = 200_000_000
_MAX_ERRORS = 100
_CUSTOM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LINE_KEYS = frozenset({"custom_id", "method", "url", "body"})
_FAILING = ("null_response", "expire")

REFUSED = 0
"""Token count of a refused line; every valid request has more."""


class Stopped(Exception):
    """Raised when the sandbox shuts down during file work."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of the validation; without errors the input is valid."""

    errors: tuple[Mapping[str, Any], ...]
    model: str | None
    total: int
    expected_failures: int
    input_tokens: int


@dataclass(slots=True)
class _Inspection:
    """State of a validation in progress."""

    record: BatchRecord
    faults: Faults
    any_model: bool
    errors: list[Mapping[str, Any]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    tokens: array[int] = field(default_factory=lambda: array("I"))
    model: str | None = None
    failures: int = 0

    def error(self, code: str, message: str, param: str | None = None, line: int | None = None) -> None:
        self.errors.append({"code": code, "message": message, "param": param, "line": line})

    def verdict(self) -> Verdict:
        return Verdict(tuple(self.errors), self.model, len(self.tokens), self.failures, sum(self.tokens))


def validate_input(
    record: BatchRecord, folder: Folder, faults: Faults, stopping: Callable[[], bool], *, any_model: bool = False
) -> Verdict:
    """Validate a batch's input and count the tokens of each line; raise Stopped on shutdown."""
    inspection = _Inspection(record, faults, any_model)
    path = folder.content(record.input_file_id)
    if path.stat().st_size > MAX_BYTES:
        inspection.error("file_too_large", f"The input file is larger than {MAX_BYTES:,} bytes.")
        return inspection.verdict()
    for number, raw in numbered_lines(path):
        if not number % 100 and stopping():
            raise Stopped
        if len(inspection.tokens) == MAX_REQUESTS:
            inspection.error("too_many_tasks", f"The input file holds more than {MAX_REQUESTS:,} requests.")
        if len(inspection.errors) >= _MAX_ERRORS or len(inspection.tokens) == MAX_REQUESTS:
            break
        _inspect(inspection, number, raw)
    if not inspection.tokens and not inspection.errors:
        inspection.error("empty_file", "The input file is empty: it holds no requests.")
    write_whole(folder.tokens(record.id), inspection.tokens.tobytes())
    return inspection.verdict()


def counted_lines(record: BatchRecord, folder: Folder) -> Iterator[tuple[bytes, int]]:
    """Yield the lines of a validated input with their tokens, `REFUSED` for a refused line."""
    tokens = array("I")
    if record.total:
        tokens.frombytes(folder.tokens(record.id).read_bytes())
    for (_, raw), count in zip(numbered_lines(folder.content(record.input_file_id)), tokens, strict=False):
        yield raw, count


def input_tokens(path: Path) -> int:
    """Count the tokens of a valid input file."""
    return sum(prompt_tokens(orjson.loads(raw)["body"]) for _, raw in numbered_lines(path))


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the non-blank lines of a file with their numbers, starting at 1."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if not raw.isspace():
                yield number, raw


def _inspect(inspection: _Inspection, number: int, raw: bytes) -> None:
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError:
        line = None
    if not isinstance(line, dict):
        inspection.error("invalid_json_line", "This line is not parseable as valid JSON.", line=number)
        return
    _check_envelope(inspection, number, line)
    _check_model(inspection, number, line.get("body"))
    if inspection.errors:
        return
    _count(inspection, line)


def _check_envelope(inspection: _Inspection, number: int, line: Mapping[str, Any]) -> None:
    custom_id = line.get("custom_id")
    if custom_id is None:
        inspection.error("missing_required_parameter", "Missing required parameter: 'custom_id'.", "custom_id", number)
    elif not isinstance(custom_id, str) or not _CUSTOM_ID.fullmatch(custom_id):
        inspection.error(
            "invalid_custom_id", f"'{custom_id}' does not match {_CUSTOM_ID.pattern}.", "custom_id", number
        )
    elif custom_id in inspection.seen:
        message = f"The custom_id '{custom_id}' for this request has already been used in another request."
        inspection.error("duplicate_custom_id", message, "custom_id", number)
    else:
        inspection.seen.add(custom_id)
    if line.get("method") != "POST":
        inspection.error("invalid_method", "The method of every request must be POST.", "method", number)
    if line.get("url") != inspection.record.endpoint:
        message = f"The URL provided for this request ({line.get('url')}) does not match the batch endpoint."
        inspection.error("url_mismatch", message, "url", number)
    for name in line.keys() - _LINE_KEYS:
        inspection.error("unknown_parameter", f"Unknown parameter: '{name}'.", name, number)


def _check_model(inspection: _Inspection, number: int, body: object) -> None:
    if not isinstance(body, dict):
        inspection.error("missing_required_parameter", "Missing required parameter: 'body'.", "body", number)
        return
    model = body.get("model")
    if not knows_model(model, any_model=inspection.any_model):
        message = f"The provided model '{model}' is not supported by the Batch API."
        inspection.error("model_not_found", message, "body.model", number)
    elif inspection.model is None:
        inspection.model = model
    elif model != inspection.model:
        message = f"The model '{model}' does not match the model of the first request ('{inspection.model}')."
        inspection.error("mismatched_model", message, "body.model", number)


def _count(inspection: _Inspection, line: Mapping[str, Any]) -> None:
    body = line["body"]
    refused = check_body(body, any_model=inspection.any_model) is not None
    inspection.tokens.append(REFUSED if refused else prompt_tokens(body))
    fault = inspection.faults.line(line["custom_id"], inspection.record.number)
    failing = fault is not None and (fault.name in _FAILING or fault.name.startswith(HTTP))
    inspection.failures += refused or failing
