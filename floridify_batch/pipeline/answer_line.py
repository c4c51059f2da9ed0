"""Answer lines: the parser of one line of an answer file, its custom id, chat completion, charge and error.

Each function tries OpenAI's form first; the forms of other services are looked for only where that fails. A form is
used if it can mean one thing only. A line that is not an error is charged, whether or not its answer can be read: where
its usage is unknown, its cost is, too.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from floridify_batch.components.failure import FailureReason, stated_reason
from floridify_batch.components.json_repair import encodable, leniently_parsed
from floridify_batch.components.requests import parse_custom_id
from floridify_batch.costs.usage import Usage, is_flex, usage_of

HTTP_OK = 200
_FIRST_ERROR = 400
_MAX_ENCODINGS = 3
"""The number of times that a value may have been written as a JSON string."""

_CUSTOM_ID_FIELD = re.compile(rb'"custom_id"\s*:\s*"([^"\\]{1,200})"')
_STATUS = re.compile(r"\s*(\d{1,3})\b")
_CUT_SHORT = {"batch_expired": FailureReason.EXPIRED, "batch_cancelled": FailureReason.CANCELLED}

DAMAGED: Mapping[str, Any] = {}
"""The content of a line that names a request, but is not JSON."""


# ── the line ───────────────────────────────────────────────────────────────────────────────────────────────────────


def parsed_line(line: bytes) -> tuple[str | None, Mapping[str, Any]]:
    """Parse a line and its custom id; None for a line without one, `DAMAGED` for one that is not JSON."""
    parsed = leniently_parsed(line.removeprefix(BOM_UTF8))
    if parsed is None:
        return named_in(line), DAMAGED
    identity = parsed.get("custom_id") if isinstance(parsed, dict) else None
    if isinstance(identity, str) and (identity.isascii() or encodable(identity) == identity):
        return _restored(identity), parsed
    return None, parsed if isinstance(parsed, dict) else DAMAGED


def may_be_charged(line: bytes, parsed: Mapping[str, Any]) -> bool:
    """Whether a line without a readable id may be a charged answer: an object, whole or damaged, that is no error."""
    if parsed is DAMAGED:
        return line.removeprefix(BOM_UTF8).lstrip().startswith(b"{")
    return charge_of(parsed, body_of(parsed)) is not None


def named_in(line: bytes) -> str | None:
    """Find the custom id in a line without parsing it; None if there is none."""
    match = _CUSTOM_ID_FIELD.search(line)
    return None if match is None else _restored(match[1].decode(errors="replace"))


def _restored(identity: str) -> str:
    """The custom id of ours that differs from this one in case and white space only; else the id as it is."""
    if identity.islower() and " " not in identity and identity.isprintable():
        return identity
    ours = "".join(identity.split()).lower()
    return ours if parse_custom_id(ours) else identity


# ── the response ───────────────────────────────────────────────────────────────────────────────────────────────────


def body_of(line: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the body of a successful response; None if there is none that can be read."""
    response = (line or {}).get("response")
    if isinstance(response, dict):
        body = response.get("body")
        if response.get("status_code") == HTTP_OK and isinstance(body, dict) and body.get("choices"):
            return body
    return _body_elsewhere(line or {})


def charge_of(line: Mapping[str, Any], body: Mapping[str, Any] | None) -> tuple[Usage | None, bool] | None:
    """Return the usage of a line with this body (None: unknown), and whether it was answered in the service tier flex.

    None for an error, which is not charged.
    """
    if body is not None:
        return usage_of(body), is_flex(body)
    return None if is_error(line) else (None, False)


def is_error(line: Mapping[str, Any]) -> bool:
    """Whether a line without a body reports an error; a damaged or empty line reports nothing."""
    status = status_of(line)
    if status is not None and status >= HTTP_OK:
        return status >= _FIRST_ERROR
    return any(_reports_error(each) for each in (*_bodies(line), line))


def status_of(line: Mapping[str, Any]) -> int | None:
    """Return the HTTP status of a line, which may be a text such as "200 OK"; None if it states none."""
    response = _decoded(line.get("response"))
    for each in (response, line):
        if isinstance(each, dict) and (status := _status(each.get("status_code"))) is not None:
            return status
    return None


def _status(stated: Any) -> int | None:
    if isinstance(stated, str):
        match = _STATUS.match(stated)
        return int(match[1]) if match else None
    if isinstance(stated, bool) or not isinstance(stated, int | float):
        return None
    return int(stated) if 0 <= stated < 1000 else None  # noqa: PLR2004


def _body_elsewhere(line: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return a completion where other services write it; an object without one if the status says that it is one."""
    status = status_of(line)
    if status is not None and status >= _FIRST_ERROR:
        return None
    bodies = list(_bodies(line))
    completion = next((body for body in bodies if body.get("choices") and not body.get("error")), None)
    if completion is None and status == HTTP_OK:
        return next((body for body in bodies if "status_code" not in body), None)
    return completion


def _bodies(line: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a line that may be its body: the usual one first."""
    response = _decoded(line.get("response"))
    nested = _decoded(response.get("body")) if isinstance(response, dict) else None
    for each in (nested, response, _decoded(line.get("body"))):
        if isinstance(each, dict):
            yield each
    if "choices" in line:
        yield line


def _decoded(value: Any) -> Any:
    """Decode a value that a service writes as a JSON string, or as one within another."""
    for _ in range(_MAX_ENCODINGS):
        if not isinstance(value, str):
            return value
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


# ── the error ──────────────────────────────────────────────────────────────────────────────────────────────────────


def failure_of(line: Mapping[str, Any]) -> tuple[FailureReason, str, int | None]:
    """Return the reason, the service's message and the status of a line without an answer."""
    if line is DAMAGED:
        return FailureReason.MALFORMED, "its line in the answer file is damaged", None
    error, status = line.get("error"), status_of(line)
    if isinstance(error, dict) and (reason := _CUT_SHORT.get(str(error.get("code")))):
        return reason, stated_reason(error) or "", None
    stated = next(filter(None, map(stated_reason, _sayings(line))), None)
    if status is not None and HTTP_OK <= status < _FIRST_ERROR:
        return FailureReason.MALFORMED, "the answer is not a chat completion", None
    return FailureReason.HTTP, stated or "the service gave no reason", status or 0


def _sayings(line: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the parts of a line that may state why it has no answer."""
    response = _decoded(line.get("response"))
    if isinstance(response, dict):
        yield _decoded(response.get("body"))
        yield {name: value for name, value in response.items() if name in ("error", "detail", "message", "errors")}
    else:
        yield response
    yield line.get("error")
    yield _decoded(line.get("body"))
    yield {name: value for name, value in line.items() if name in ("detail", "message", "errors")}


def _reports_error(body: Mapping[str, Any]) -> bool:
    return not body.get("choices") and any(body.get(name) for name in ("error", "errors", "detail"))
