"""What goes wrong on request, decided by a seeded hash so that a run can be repeated.

A fault is written `name=value`, and `name=value@N` confines it to the first N batches (or chat calls), so that a
repeat in a later batch succeeds. `KINDS` is the one table of them: parsing, checking and `--help` all read it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from hashlib import blake2b

from floridify_batch.errors import UsageError


class Value(StrEnum):
    """How the value of a fault is read."""

    SHARE = "SHARE"  # 0..1: of lines, batches or calls
    LINES = "SHARE|TEXT"  # a share of lines, or the lines whose custom_id contains the text
    REJECT = "SHARE:CODE"  # a share of batches, and the error code they are rejected with
    COUNT = "N"
    SECONDS = "S"
    FLAG = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table."""

    name: str
    value: Value
    effect: str


HTTP = "http_"
"""Begins the faults that answer a line with an HTTP status: `http_500`, `http_0`, …"""

ANY_STATUS = "http_NNN"

REJECTION = "invalid_json_line"
"""The code of a rejected batch when none is given."""

KINDS = (
    Kind("expire", Value.LINES, "the batch expires; these lines are batch_expired"),
    Kind("missing", Value.LINES, "these lines are in neither answer file"),
    Kind("null_response", Value.LINES, "answered with response null and an error"),
    Kind(ANY_STATUS, Value.LINES, "answered with this HTTP status: http_400, http_429, http_500, http_0 …"),
    Kind("not_json", Value.LINES, "the answer's line is cut mid way"),
    Kind("refuse", Value.LINES, "the model refuses: refusal is set, content is null"),
    Kind("truncate", Value.LINES, "the content is cut, finish_reason is length"),
    Kind("malformed", Value.LINES, "the content does not fit the schema"),
    Kind("duplicate", Value.LINES, "the answer is there twice"),
    Kind("unknown", Value.LINES, "beside the answer there is one with a custom_id never asked for"),
    Kind("split", Value.SHARE, "this share of the successes is in the error file"),
    Kind("fail_batch", Value.REJECT, "these batches end as failed, with this code"),
    Kind("fail_late", Value.REJECT, "these batches end as failed when their time is up, with what they have finished"),
    Kind("token_limit", Value.COUNT, "cap on the input tokens of unfinished batches"),
    Kind("cancel", Value.SHARE, "these batches are cancelled by somebody else when their time is up"),
    Kind("partial_output", Value.SHARE, "share of lines that a batch has finished that is cancelled or fails late"),
    Kind("list_lag", Value.SECONDS, "a new batch is listed only after this time"),
    Kind("list_500", Value.COUNT, "the first N listings of batches answer 500"),
    Kind("create_429", Value.COUNT, "the first N creates answer 429 and make nothing"),
    Kind("create_500", Value.COUNT, "the first N creates make the batch, then answer 500"),
    Kind("create_drop", Value.COUNT, "the first N creates make the batch, then cut the connection"),
    Kind("create_cut", Value.COUNT, "the first N creates make the batch, then cut their reply in the middle"),
    Kind("create_hold", Value.SECONDS, "a create is answered only after this time"),
    Kind("upload_429", Value.COUNT, "the first N uploads answer 429 and store nothing"),
    Kind("upload_500", Value.COUNT, "the first N uploads store the file, then answer 500"),
    Kind("upload_drop", Value.COUNT, "the first N uploads store the file, then cut the connection"),
    Kind("upload_cut", Value.COUNT, "the first N uploads store the file, then cut their reply in the middle"),
    Kind("content_404", Value.SHARE, "the answer files of these batches are gone"),
    Kind("content_500", Value.COUNT, "the first N downloads answer 500"),
    Kind("content_cut", Value.COUNT, "the first N downloads are cut in the middle"),
    Kind("poll_404", Value.SHARE, "all polls of these batches answered with 404"),
    Kind("poll_500", Value.SHARE, "polls of a batch answered with 500"),
    Kind("poll_429", Value.SHARE, "polls of a batch answered with 429"),
    Kind("chat_limit", Value.COUNT, "so many immediate requests a second; headers tell what is left, others get 429"),
    Kind("chat_429", Value.SHARE, "immediate requests answered with 429 and retry-after"),
    Kind("chat_500", Value.SHARE, "immediate requests answered with 500"),
    Kind("quota", Value.FLAG, "creates and immediate requests answered with 429 insufficient_quota"),
)
_KINDS = {kind.name: kind for kind in KINDS}
CONTENT_FAULTS = ("refuse", "truncate", "malformed")
"""The faults of lines that an immediate answer can have too."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as asked for; which of the values counts depends on its kind."""

    name: str
    share: float = 0.0
    text: str = ""
    count: int = 0
    seconds: float = 0.0
    code: str = ""
    first: int | None = None
    """Only the batches (or calls) numbered below this are hit."""


@dataclass(frozen=True, slots=True)
class Faults:
    """All faults in force. The seed and the key of a thing decide whether it is hit, nothing else does."""

    by_name: Mapping[str, Fault] = field(default_factory=dict)
    seed: int = 0
    lines: tuple[Fault, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str], seed: int = 0) -> "Faults":
        """Reads faults as written; raises UsageError for what is no fault or no value of it."""
        found = {fault.name: fault for fault in map(_parse, texts)}
        order = [kind.name for kind in KINDS if kind.value is Value.LINES]
        lines = [fault for fault in found.values() if _kind(fault.name).value is Value.LINES]
        lines.sort(key=lambda fault: order.index(_kind(fault.name).name))
        return cls(found, seed, tuple(lines))

    def line(self, custom_id: str, number: int) -> Fault | None:
        """The fault that hits this line of the batch with this number; with several, the first in the table."""
        for fault in self.lines:
            if _in_reach(fault, number) and self._hits(fault, f"{number}:{custom_id}", custom_id):
                return fault
        return None

    def hits(self, name: str, key: str, number: int = 0) -> bool:
        """Whether a fault with a share hits the thing with this key, in the batch (or call) with this number."""
        fault = self.by_name.get(name)
        return fault is not None and _in_reach(fault, number) and self._hits(fault, f"{number}:{key}", key)

    def _hits(self, fault: Fault, key: str, label: str) -> bool:
        if fault.text:
            return fault.text in label
        digest = blake2b(f"{self.seed}:{fault.name}:{key}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64 < fault.share

    def reaches(self, name: str, number: int) -> bool:
        """Whether the fault is in force for the batch with this number."""
        fault = self.by_name.get(name)
        return fault is not None and _in_reach(fault, number)

    def count(self, name: str) -> int:
        """The number given with a fault; 0 if it is not in force."""
        fault = self.by_name.get(name)
        return fault.count if fault else 0

    def seconds(self, name: str) -> float:
        """The time given with a fault; 0 if it is not in force."""
        fault = self.by_name.get(name)
        return fault.seconds if fault else 0.0


def table() -> str:
    """The faults as `--help` shows them."""
    rows = [f"  {f'{kind.name}={kind.value}'.rstrip('='):<28}{kind.effect}" for kind in KINDS]
    return "\n".join(["faults (name=VALUE; name=VALUE@N hits the first N batches or calls only):", *rows])


def status_of(fault: Fault) -> int | None:
    """The HTTP status that a fault like `http_500` answers with; None for the other kinds."""
    return int(fault.name.removeprefix(HTTP)) if fault.name.startswith(HTTP) else None


def _in_reach(fault: Fault, number: int) -> bool:
    return fault.first is None or number < fault.first


def _kind(name: str) -> Kind:
    has_status = name.startswith(HTTP) and name.removeprefix(HTTP).isdigit()
    kind = _KINDS.get(ANY_STATUS if has_status else name)
    if kind is None or name == ANY_STATUS:
        near = get_close_matches(name, _KINDS, 1)
        hint = f". Did you mean {near[0]}?" if near else f"; known are {', '.join(_KINDS)}"
        raise UsageError(f'the sandbox knows no fault "{name}"{hint}')
    return kind


def _parse(text: str) -> Fault:
    name, _, rest = text.strip().partition("=")
    kind = _kind(name)
    value, _, first = rest.partition("@")
    try:
        return _read(kind, name, value, int(first) if first else None)
    except ValueError as problem:
        raise UsageError(f'the fault "{text}" should read {name}={kind.value} ({kind.effect})') from problem


def _read(kind: Kind, name: str, value: str, first: int | None) -> Fault:
    match kind.value:
        case Value.FLAG:
            return Fault(name, share=1.0, first=first)
        case Value.COUNT:
            return Fault(name, count=int(value), first=first)
        case Value.SECONDS:
            return Fault(name, seconds=float(value), first=first)
        case Value.LINES if not _is_number(value):
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
