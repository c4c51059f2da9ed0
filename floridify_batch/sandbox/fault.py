"""Fault injection, decided by a seeded hash so that a run is reproducible.

A fault is written `name=value`; `name=value@N` limits it to the first N batches (or immediate requests), so that a
retry in a later batch succeeds. Parsing, validation and `--help` all read the table `KINDS`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from hashlib import blake2b

from floridify_batch.errors import UsageError


class Value(StrEnum):
    """Syntax of a fault's value."""

    SHARE = "SHARE"  # 0..1: a share of lines, batches or requests
    LINES = "SHARE|TEXT"  # a share of lines, or those whose custom_id contains the text
    REJECT = "SHARE:CODE"  # a share of batches, and their error code
    COUNT = "N"
    SECONDS = "S"
    TEXT = "TEXT"
    FLAG = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table of faults."""

    name: str
    value: Value
    effect: str

    @property
    def example(self) -> str:
        """The fault as it is written, with a placeholder for its value."""
        return f"{self.name}={self.value}".rstrip("=")


HTTP = "http_"
"""Prefix of the faults that answer a line with an HTTP status: `http_500`, `http_0`, …"""

ANY_STATUS = "http_NNN"

REJECTION = "invalid_json_line"
"""Default error code of a rejected batch."""

KINDS = (
    Kind("expire", Value.LINES, "the batch expires; these lines end as batch_expired"),
    Kind("missing", Value.LINES, "these lines are missing from both answer files, and from the counts"),
    Kind("null_response", Value.LINES, "these lines have response null and an error"),
    Kind(ANY_STATUS, Value.LINES, "these lines have this HTTP status: http_400, http_429, http_500, http_0 …"),
    Kind("not_json", Value.LINES, "the line is cut in half"),
    Kind("no_id", Value.LINES, "these lines have custom_id null"),
    Kind("refuse", Value.LINES, "the model refuses: refusal is set, content is null"),
    Kind("truncate", Value.LINES, "the content is cut, finish_reason is length"),
    Kind("malformed", Value.LINES, "the content does not fit the schema"),
    Kind("duplicate", Value.LINES, "the line is written twice"),
    Kind("unknown", Value.LINES, "adds a line with an unknown custom_id"),
    Kind("split", Value.SHARE, "this share of the successes is written to the error file"),
    Kind("fail_batch", Value.REJECT, "these batches fail validation with this code"),
    Kind("fail_late", Value.REJECT, "these batches fail at the end, with a partial output"),
    Kind("token_limit", Value.COUNT, "limit on the input tokens of unfinished batches"),
    Kind("limit_at_creation", Value.FLAG, "creations beyond token_limit return 400 token_limit_exceeded"),
    Kind("cancel", Value.SHARE, "these batches are cancelled by another client at the end"),
    Kind("partial_output", Value.SHARE, "finished share of a cancelled or late-failing batch"),
    Kind("list_lag", Value.SECONDS, "a new batch appears in the list only after this time"),
    Kind("list_500", Value.COUNT, "the first N lists of batches return 500"),
    Kind("create_429", Value.COUNT, "the first N creations return 429 and create nothing"),
    Kind("create_500", Value.COUNT, "the first N creations succeed, but return 500"),
    Kind("create_drop", Value.COUNT, "the first N creations succeed, but close the connection"),
    Kind("create_cut", Value.COUNT, "the first N creations succeed, but their response is cut in half"),
    Kind("create_hold", Value.SECONDS, "delay of the response to a creation"),
    Kind("upload_429", Value.COUNT, "the first N uploads return 429 and store nothing"),
    Kind("upload_500", Value.COUNT, "the first N uploads succeed, but return 500"),
    Kind("upload_drop", Value.COUNT, "the first N uploads succeed, but close the connection"),
    Kind("upload_cut", Value.COUNT, "the first N uploads succeed, but their response is cut in half"),
    Kind("content_hold", Value.SECONDS, "delay of the answer files"),
    Kind("content_404", Value.SHARE, "the answer files of these batches return 404"),
    Kind("content_500", Value.COUNT, "the first N downloads return 500"),
    Kind("content_cut", Value.COUNT, "the first N downloads are cut in half"),
    Kind("poll_404", Value.SHARE, "all polls of these batches return 404"),
    Kind("poll_500", Value.SHARE, "this share of polls returns 500"),
    Kind("poll_429", Value.SHARE, "this share of polls returns 429"),
    Kind("chat_limit", Value.COUNT, "rate limit: immediate requests per second, with rate-limit headers"),
    Kind("chat_429", Value.SHARE, "this share of immediate requests returns 429 and retry-after"),
    Kind("chat_500", Value.SHARE, "this share of immediate requests returns 500"),
    Kind("chat_drop", Value.SHARE, "this share of immediate requests is answered by closing the connection"),
    Kind("chat_cut", Value.SHARE, "this share of immediate replies is cut in half"),
    Kind("chat_page", Value.SHARE, "this share of immediate replies is an HTML page with status 200"),
    Kind("chat_wrapped", Value.SHARE, "this share of immediate replies has a byte order mark, and text behind"),
    Kind(
        "chat_repeat",
        Value.SHARE,
        "this share of immediate requests returns the first completion again, as a cache does",
    ),
    Kind("no_metadata", Value.FLAG, "batches are returned and listed without their metadata"),
    Kind("clock_offset", Value.SECONDS, "the times of batches are off by this much"),
    Kind("upper_status", Value.FLAG, "statuses are in capitals, times are ISO 8601"),
    Kind("unknown_status", Value.COUNT, "the first N polls return an undocumented status"),
    Kind("odd_usage", Value.FLAG, "the usage of batches has no details"),
    Kind("null_usage", Value.FLAG, "the usage of batches is null"),
    Kind("foreign_batch", Value.FLAG, "the list begins with batches of another client, in odd forms"),
    Kind("list_loop", Value.FLAG, "the list ignores `after` and always has more"),
    Kind("list_empty", Value.FLAG, "the list of batches is empty"),
    Kind("list_bare", Value.FLAG, "the list is a bare array"),
    Kind("cancel_400", Value.FLAG, "the cancellation of a batch that has ended returns 400"),
    Kind("poll_denied", Value.COUNT, "the first N polls return 404"),
    Kind("content_denied", Value.COUNT, "the first N downloads return 404"),
    Kind("no_files", Value.COUNT, "the first N polls of a completed batch name no answer files"),
    Kind(
        "end_lost", Value.COUNT, "the first poll of a completed batch names no files; the next N are expired, uncounted"
    ),
    Kind("content_short", Value.COUNT, "the first N downloads lack their last lines"),
    Kind("body_text", Value.LINES, "the body of these answers is a JSON string"),
    Kind("poll_page", Value.COUNT, "the first N polls return an HTML page with status 200"),
    Kind("poll_error", Value.COUNT, "the first N polls return a rate limit as an error object with status 200"),
    Kind("create_error", Value.COUNT, "the first N creations create nothing, and return such an error"),
    Kind("no_counts", Value.FLAG, "batches have no request_counts"),
    Kind("indented", Value.FLAG, "the objects of answer files are indented over several lines"),
    Kind("windows_lines", Value.FLAG, "answer files begin with a byte order mark and have CRLF line ends"),
    Kind("queue_full", Value.COUNT, "the first N creations return 400 token_limit_exceeded, with a limit of 20,000"),
    Kind("create_400", Value.COUNT, "the first N creations return 400 and create nothing"),
    Kind("refuse_model", Value.TEXT, "requests to models with this in their names return 400 unsupported_parameter"),
    Kind("file_pending", Value.SECONDS, "a new file is processed, and can be used for a batch, only after this time"),
    Kind("file_uploaded", Value.FLAG, "the status of a file stays uploaded"),
    Kind("file_404", Value.FLAG, "new files are pending, and polls of files return 404"),
    Kind("retry_after", Value.SECONDS, "uploads and creations that return 429 ask for a retry after this time"),
    Kind("quota", Value.FLAG, "creations and immediate requests return 429 insufficient_quota"),
)
_KINDS = {kind.name: kind for kind in KINDS}
CONTENT_FAULTS = ("refuse", "truncate", "malformed")
"""Line faults that also apply to immediate requests."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One parsed fault; its kind decides which fields are used."""

    name: str
    share: float = 0.0
    text: str = ""
    count: int = 0
    seconds: float = 0.0
    code: str = ""
    first: int | None = None
    """Limits the fault to batches (or requests) with a smaller number."""


@dataclass(frozen=True, slots=True)
class Faults:
    """All active faults. A hit depends only on the seed and the key."""

    by_name: Mapping[str, Fault] = field(default_factory=dict)
    seed: int = 0
    lines: tuple[Fault, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str], seed: int = 0) -> "Faults":
        """Parse faults; raise UsageError for an unknown fault or an invalid value."""
        found = {fault.name: fault for fault in map(_parse, texts)}
        order = [kind.name for kind in KINDS if kind.value is Value.LINES]
        lines = [fault for fault in found.values() if _kind(fault.name).value is Value.LINES]
        lines.sort(key=lambda fault: order.index(_kind(fault.name).name))
        return cls(found, seed, tuple(lines))

    def line(self, custom_id: str, number: int) -> Fault | None:
        """Return the fault of a line in a batch; of several, the first in the table."""
        for fault in self.lines:
            if _in_reach(fault, number) and self._hits(fault, f"{number}:{custom_id}", custom_id):
                return fault
        return None

    def hits(self, name: str, key: str, number: int = 0) -> bool:
        """Whether a fault hits a key in a batch (or request)."""
        fault = self.by_name.get(name)
        return fault is not None and _in_reach(fault, number) and self._hits(fault, f"{number}:{key}", key)

    def _hits(self, fault: Fault, key: str, label: str) -> bool:
        if fault.text:
            return fault.text in label
        digest = blake2b(f"{self.seed}:{fault.name}:{key}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64 < fault.share

    def reaches(self, name: str, number: int) -> bool:
        """Whether a fault is active for a batch."""
        fault = self.by_name.get(name)
        return fault is not None and _in_reach(fault, number)

    def refuses_model(self, model: str) -> bool:
        """Whether requests to a model are refused."""
        fault = self.by_name.get("refuse_model")
        return fault is not None and fault.text in model

    def count(self, name: str) -> int:
        """Return the count of a fault; 0 if it is not active."""
        fault = self.by_name.get(name)
        return fault.count if fault else 0

    def seconds(self, name: str) -> float:
        """Return the seconds of a fault; 0 if it is not active."""
        fault = self.by_name.get(name)
        return fault.seconds if fault else 0.0


def table() -> str:
    """Return the table of faults for `--help`."""
    rows = [f"  {kind.example:<28}{kind.effect}" for kind in KINDS]
    return "\n".join(["faults (NAME=VALUE; NAME=VALUE@N affects only the first N batches or requests):", *rows])


def status_of(fault: Fault) -> int | None:
    """Return the HTTP status of a fault like `http_500`; None for other kinds."""
    return int(fault.name.removeprefix(HTTP)) if fault.name.startswith(HTTP) else None


def _in_reach(fault: Fault, number: int) -> bool:
    return fault.first is None or number < fault.first


def _kind(name: str) -> Kind:
    has_status = name.startswith(HTTP) and name.removeprefix(HTTP).isdigit()
    kind = _KINDS.get(ANY_STATUS if has_status else name)
    if kind is None or name == ANY_STATUS:
        near = get_close_matches(name, _KINDS, 1)
        hint = f". Did you mean {near[0]}?" if near else f"; the faults are {', '.join(_KINDS)}."
        raise UsageError(f'Unknown fault "{name}"{hint}')
    return kind


def _parse(text: str) -> Fault:
    name, _, rest = text.strip().partition("=")
    kind = _kind(name)
    value, _, first = rest.partition("@")
    try:
        return _read(kind, name, value, int(first) if first else None)
    except ValueError as problem:
        raise UsageError(f'Invalid fault "{text}"; the syntax is {name}={kind.value} ({kind.effect}).') from problem


def _read(kind: Kind, name: str, value: str, first: int | None) -> Fault:
    match kind.value:
        case Value.FLAG:
            return Fault(name, share=1.0, first=first)
        case Value.COUNT:
            return Fault(name, count=int(value), first=first)
        case Value.SECONDS:
            return Fault(name, seconds=float(value), first=first)
        case Value.TEXT | Value.LINES if kind.value is Value.TEXT or not _is_number(value):
            return Fault(name, text=value or _refuse_empty(), first=first)
        case Value.REJECT:
            share, _, code = value.partition(":")
            return Fault(name, share=_share(share), code=code or REJECTION, first=first)
        case _:
            return Fault(name, share=_share(value), first=first)


def _is_number(value: str) -> bool:
    return value.replace(".", "", 1).replace("-", "", 1).isdigit()


def _share(value: str) -> float:
    share = float(value)
    if not 0.0 <= share <= 1.0:
        raise ValueError(value)
    return share


def _refuse_empty() -> str:
    raise ValueError("no value")
