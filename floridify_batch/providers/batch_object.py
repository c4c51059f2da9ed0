"""Lenient parser for the service's batch object and for lists of them: a missing or odd field affects nothing else.

Services with OpenAI's API differ in details: statuses in capitals, ISO times, usage without details, lists without
`has_more`. An optional figure, such as the usage, is absent if it cannot be read; only a batch without an id is
unreadable.
"""

import json
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import orjson

from floridify_batch.components.json_repair import encodable, leniently_parsed
from floridify_batch.costs.usage import Usage
from floridify_batch.formatting import whole_number
from floridify_batch.providers.error import Unreadable, id_in, reason_in
from floridify_batch.providers.interface import BatchError, BatchJob
from floridify_batch.timing import utc_now

LABEL = "label"
"""Metadata key of the label."""

_SYNONYMS = {
    "canceled": "cancelled",
    "canceling": "cancelling",
    "timeout": "expired",
    "timeout_exceeded": "expired",
    "error": "failed",
    "success": "completed",
    "succeeded": "completed",
    "complete": "completed",
    "done": "completed",
    "ended": "completed",
    "queued": "validating",
    "pending": "validating",
    "running": "in_progress",
    "processing": "in_progress",
}
"""Other services' words for OpenAI's statuses."""

_MILLISECONDS = 10**11
"""Epoch times from here on are in milliseconds."""

_YEARS = range(2000, 2200)
"""The years of credible times."""

_CREDIBLE = 10**15
"""The limit of credible numbers: the cost of more tokens than that is no amount of money."""

_ENDS = ("completed_at", "expired_at", "cancelled_at", "failed_at", "finished_at")


class Page(NamedTuple):
    """A page of the list of batches, whether more follow (None if that is not stated), and the service's time."""

    batches: Sequence[BatchJob]
    has_more: bool | None
    now: datetime | None = None


def parsed_object(content: bytes) -> Mapping[str, Any]:
    """Parse a reply that must be a JSON object. Raises `Unreadable`."""
    parsed = _parsed(content)
    if not isinstance(parsed, dict):
        raise Unreadable("The service's reply is not a JSON object.")
    return parsed


def parsed_page(content: bytes, headers: Mapping[str, str]) -> Page:
    """Parse a page of a list, or a bare array; entries that are no batches are left out. Raises `Unreadable`."""
    parsed = _parsed(content)
    listed = parsed.get("data") if isinstance(parsed, dict) else parsed
    if not isinstance(listed, list):
        raise Unreadable("The service's reply is not a list of batches.")
    more = parsed.get("has_more") if isinstance(parsed, dict) else None
    jobs = []
    for each in listed:
        with suppress(Unreadable):
            jobs.append(job_of(each))
    return Page(jobs, more if isinstance(more, bool) else None, _date(headers))


def _parsed(content: bytes) -> Any:
    content = content.removeprefix(BOM_UTF8)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        parsed = leniently_parsed(content)
        if parsed is None:
            raise Unreadable(f"The service's reply is not JSON ({error}).") from None
    return json.loads(encodable(json.dumps(parsed, ensure_ascii=False)))


def job_of(batch: Any) -> BatchJob:
    """Parse a batch object. Raises `Unreadable` for an object without an id."""
    identity = id_in(batch.get("id")) if isinstance(batch, dict) else None
    if identity is None:
        raise Unreadable("The service's reply contains no batch.")
    metadata = {key: str(value) for key, value in _object(batch.get("metadata")).items() if value is not None}
    counts = _object(batch.get("request_counts"))
    ends = (_time(batch.get(name)) for name in _ENDS)
    return BatchJob(
        id=identity,
        status=_status(batch.get("status")),
        label=metadata.get(LABEL),
        created_at=_time(batch.get("created_at")) or utc_now(),
        expires_at=_time(batch.get("expires_at")),
        completed_at=next((each for each in ends if each), None),
        total=_count(counts.get("total")),
        done=_count(counts.get("completed")),
        failed=_count(counts.get("failed")),
        output_file_id=id_in(batch.get("output_file_id")),
        error_file_id=id_in(batch.get("error_file_id")),
        errors=_errors(batch.get("errors")),
        usage=_usage(batch.get("usage")),
        model=_text(batch.get("model")),
        input_file_id=id_in(batch.get("input_file_id")) or "",
        metadata=metadata,
    )


def _status(value: Any) -> str:
    status = str(value or "").strip().lower().replace("-", "_").replace(" ", "_")
    return _SYNONYMS.get(status, status)


def _errors(value: Any) -> tuple[BatchError, ...]:
    """Parse the reasons of a rejection: a list, an object with a list, a single object, or texts."""
    listed = value.get("data", [value]) if isinstance(value, dict) else value
    return tuple(map(_error, filter(None, listed if isinstance(listed, list) else [listed])))


def _error(value: Any) -> BatchError:
    if not isinstance(value, dict):
        return BatchError("", str(value))
    stated = value.get("message") or reason_in(value) or ""
    return BatchError(str(value.get("code") or ""), str(stated), _whole(value.get("line")))


def _usage(value: Any) -> Usage | None:
    """Parse a usage by either endpoint's names; None unless both totals are whole numbers."""
    usage = _object(value)
    read = _whole(usage.get("input_tokens", usage.get("prompt_tokens")))
    written = _whole(usage.get("output_tokens", usage.get("completion_tokens")))
    if read is None or written is None:
        return None
    read_details = _object(usage.get("input_tokens_details") or usage.get("prompt_tokens_details"))
    written_details = _object(usage.get("output_tokens_details") or usage.get("completion_tokens_details"))
    cached = min(_count(read_details.get("cached_tokens")), read)
    return Usage(read, cached, written, min(_count(written_details.get("reasoning_tokens")), written))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: Any) -> int | None:
    """Return a whole number that is not negative; it may be a string."""
    if isinstance(value, str):
        return whole_number(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _CREDIBLE else None


def _count(value: Any) -> int:
    return _whole(value) or 0


def _time(value: Any) -> datetime | None:
    """Parse a time: epoch seconds or milliseconds, as a number or a string, or ISO 8601; None for anything else."""
    if isinstance(value, bool) or not value:
        return None
    with suppress(ValueError, OverflowError, OSError):
        if isinstance(value, str) and not value.replace(".", "", 1).isdecimal():
            parsed = datetime.fromisoformat(value)
            parsed = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
            return parsed if parsed.year in _YEARS else None
        if isinstance(value, str | int | float):
            seconds = float(value)
            read = datetime.fromtimestamp(seconds / 1000 if seconds >= _MILLISECONDS else seconds, UTC)
            return read if read.year in _YEARS else None
    return None


def _date(headers: Mapping[str, str]) -> datetime | None:
    """Parse the Date header: the service's clock."""
    with suppress(ValueError, TypeError):
        return parsedate_to_datetime(headers.get("date", "")).astimezone(UTC)
    return None
