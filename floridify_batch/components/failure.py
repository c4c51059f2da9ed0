"""One request's failure is a value: why, how often it was tried, and whether a further try can help."""

from dataclasses import dataclass
from enum import StrEnum

from floridify_batch.retry import is_transient


class FailureReason(StrEnum):
    """Why a request has no usable answer."""

    EXPIRED = "expired"
    """The batch's window closed before the service came to it."""
    CANCELLED = "cancelled"
    """The batch was cancelled before the service came to it."""
    REJECTED = "rejected"
    """The service refused the whole batch."""
    HTTP = "http"
    """The service answered with another status than 200."""
    REFUSED = "refused"
    """The model, or the service's filter, declined."""
    TRUNCATED = "truncated"
    """The answer was cut at its token limit."""
    MALFORMED = "malformed"
    """The answer does not fit its shape."""
    MISSING = "missing"
    """No answer file holds it."""
    ORPHANED = "orphaned"
    """It was answered, but what it was about is no longer in the database."""
    OUTDATED = "outdated"
    """It was answered, but what it was about has changed since the request."""
    KEPT = "kept"
    """It was answered, but a value that was stored since the request was kept in its place."""


_WORTH_REPEATING = frozenset(
    {
        FailureReason.EXPIRED,
        FailureReason.CANCELLED,
        FailureReason.TRUNCATED,
        FailureReason.MALFORMED,
        FailureReason.MISSING,
        FailureReason.OUTDATED,
    }
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that came back without a usable answer. `attempt` counts from 1."""

    custom_id: str
    reason: FailureReason
    detail: str
    attempt: int = 1
    cap_doublings: int = 0
    """How often the output cap had been doubled."""
    status: int | None = None

    @property
    def repeatable(self) -> bool:
        """Whether asking again can help."""
        if self.reason is FailureReason.HTTP:
            return is_transient(self.status)
        return self.reason in _WORTH_REPEATING

    @property
    def next_cap_doublings(self) -> int:
        """The doublings of the output cap at the next attempt: one more after a truncated answer."""
        return self.cap_doublings + (self.reason is FailureReason.TRUNCATED)

    @property
    def kind(self) -> str:
        """The reason as it is shown and counted: with the status, where there is one."""
        return f"{self.reason} {self.status}" if self.status is not None else str(self.reason)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The failure of a request without a line, by the end of its batch."""

    reason: FailureReason
    detail: str
