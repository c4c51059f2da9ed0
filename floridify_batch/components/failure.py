"""Failures of requests as values: reason, attempt, and whether a retry can help."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from floridify_batch.retry import is_transient


class FailureReason(StrEnum):
    """Why a request has no usable answer."""

    EXPIRED = "expired"
    """The batch expired before the service processed the request."""
    CANCELLED = "cancelled"
    """The batch was cancelled before the service processed the request."""
    REJECTED = "rejected"
    """The service rejected the whole batch."""
    HTTP = "http"
    """The service responded with a status other than 200."""
    REFUSED = "refused"
    """The model refused, or the service's content filter did."""
    TRUNCATED = "truncated"
    """The answer was cut at its token limit."""
    MALFORMED = "malformed"
    """The answer does not fit its schema."""
    MISSING = "missing"
    """The request is in no answer file."""
    ORPHANED = "orphaned"
    """Answered, but its document is no longer in the database."""
    OUTDATED = "outdated"
    """Answered, but its document has changed since the request."""
    KEPT = "kept"
    """Answered, but a value that was stored since the request is kept."""


_RETRYABLE = frozenset(
    {
        FailureReason.EXPIRED,
        FailureReason.CANCELLED,
        FailureReason.TRUNCATED,
        FailureReason.MALFORMED,
        FailureReason.MISSING,
        FailureReason.OUTDATED,
    }
)

_INTERRUPTED = frozenset({FailureReason.EXPIRED, FailureReason.CANCELLED})


def too_late(failures: Mapping[str, int], retried: int) -> int:
    """The failures that are neither stored nor retried although they have a valid answer, of those counted by kind.

    An outdated answer is retried unless its place was filled meanwhile; `retried` counts failures of all kinds.
    """
    outdated = max(0, failures.get(FailureReason.OUTDATED, 0) - retried)
    return outdated + sum(failures.get(reason, 0) for reason in (FailureReason.ORPHANED, FailureReason.KEPT))


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without a usable answer. `attempt` counts from 1."""

    custom_id: str
    reason: FailureReason
    detail: str
    attempt: int = 1
    cap_doublings: int = 0
    """The number of times that the output cap had been doubled."""
    status: int | None = None
    packed: int = 0
    """The number of requests in the pack that carried it; 0 for a request with a line of its own."""

    @property
    def repeatable(self) -> bool:
        """Whether a retry can help. A pack may have been refused for the sake of another request in it."""
        if self.reason is FailureReason.HTTP:
            return bool(self.packed) or is_transient(self.status)
        return self.reason in _RETRYABLE or (self.reason is FailureReason.REFUSED and bool(self.packed))

    @property
    def next_cap_doublings(self) -> int:
        """The doublings of the output cap at the next attempt: one more after a truncated answer, but not of a pack,
        whose next answer is shorter.
        """
        return self.cap_doublings + (self.reason is FailureReason.TRUNCATED and not self.packed)

    def next_pack(self, most: int) -> int:
        """The number of requests in the pack of the next attempt: a retry shares a request only with those that failed
        like it for no fault of theirs.
        """
        if not self.packed:
            return 1
        if self.reason is FailureReason.TRUNCATED:
            return max(1, min(most, self.packed // 2))
        interrupted = self.reason in _INTERRUPTED or (self.reason is FailureReason.HTTP and is_transient(self.status))
        return most if interrupted else 1

    @property
    def kind(self) -> str:
        """The reason as shown and counted, with the status if there is one."""
        return f"{self.reason} {self.status}" if self.status is not None else str(self.reason)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The failure of a request without a line, by the end of its batch."""

    reason: FailureReason
    detail: str


REASONS = ("error", "message", "detail", "errors", "msg")
"""The fields of an error body in which services state their reasons, by precedence."""


_DEPTH, _MOST_REASONS = 4, 5


def stated_reason(error: Any) -> str | None:
    """Return the reason in an error body of any form: a text, an object, a list, or one within another."""
    return reason_in(error) or (str(error) if error and isinstance(error, dict) else None)


def _text_of(leaf: Any) -> str:
    return str(leaf) if leaf else ""


def reason_in(
    error: Any,
    fields: Sequence[str] = (*REASONS, "code"),
    text: Callable[[Any], str] = _text_of,
    depth: int = _DEPTH,
) -> str:
    """The reason in an error body: the first of an object's `fields` with one, or those of a list; empty without one.

    `text` returns the text of a value that is neither.
    """
    if isinstance(error, list):
        inner = (reason_in(each, fields, text, depth - 1) for each in error[:_MOST_REASONS] if depth)
        return "; ".join(filter(None, inner))
    if isinstance(error, dict):
        inner = (reason_in(error.get(name), fields, text, depth - 1) for name in fields if depth)
        return next(filter(None, inner), "")
    return text(error)
