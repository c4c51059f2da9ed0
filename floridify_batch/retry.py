"""Retry policy: which failures are transient, and the backoff, attempts and patience of every retry loop.

The service's connector, its batches, uploads, downloads and look-ups, the database and the driver of a run take their
policies from here, so that a change of policy is a change of this module alone.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING

from floridify_batch.timing import Notify, Sleep, ignore

if TYPE_CHECKING:
    from tenacity import RetryCallState

_TRANSIENT_STATUSES = frozenset({0, 408, 409, 425, 429})
_SERVER_ERRORS = range(500, 600)

TOO_MANY_REQUESTS = 429

ACCOUNT_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
"""Error codes of an account that cannot pay. They come with a transient status, but every retry fails, too."""

QUEUE_FULL = "token_limit_exceeded"
"""Error code of a batch that does not fit into the account's queue: transient while other batches are in flight."""


def is_transient(status: int | None) -> bool:
    """Whether a retry after an HTTP status may succeed. 0 means a reply without a readable status."""
    return status in _TRANSIENT_STATUSES or status in _SERVER_ERRORS


@dataclass(frozen=True, slots=True)
class Backoff:
    """An exponential backoff: pauses in seconds, doubled from `first` up to `longest`.

    It ends after `attempts`, or after `patience` seconds, which no pause exceeds. `jitter` draws each pause at random
    below its value. A Retry-After of the service takes its place, up to `longest_asked`.
    """

    first: float
    longest: float = 60.0
    attempts: float = inf
    patience: float = inf
    jitter: bool = False
    longest_asked: float = 600.0

    def pause(self, attempt: int) -> float:
        """Return the seconds to wait after an attempt, counted from 1."""
        return min(self.first * 2.0 ** min(attempt - 1, 32), self.longest)

    def within(self, patience: float) -> "Backoff":
        """Return this backoff with another patience."""
        return replace(self, patience=patience)

    def up_to(self, attempts: float) -> "Backoff":
        """Return this backoff with another limit on attempts."""
        return replace(self, attempts=attempts)


REQUEST = Backoff(0.5, attempts=7, jitter=True, longest_asked=60.0)
"""One immediate request."""

FLEX_REQUEST = Backoff(1.0, jitter=True, patience=3600.0)
"""One immediate request in the service tier flex: a tier without free resources says so by status 429."""

QUERY = Backoff(1.0, jitter=True)
"""An idempotent call of the Batch API; its patience is that of the command."""

CHECK = Backoff(0.5, attempts=3, longest_asked=5.0)
"""The first call of a session, which shows whether the service can be used: somebody waits for it."""

POLL_ATTEMPTS = 5
"""Attempts of a poll or download of one batch, after which a run goes on with the other batches."""

SUBMISSION = Backoff(2.0, attempts=5)
"""An upload, or the creation of a batch. Runs with a checkpoint retry without end."""

PROCESSING = Backoff(0.5, longest=10.0)
"""Polls of a file that the service has not processed yet."""

UNSENT_PATIENCE = 60.0
"""Seconds for which a session that does not wait for batches goes on creating those whose creation was not accepted."""

DOUBTFUL_CREATIONS = 3
"""Creations with an unknown outcome after which none is repeated if the service's list cannot show what became of them.
"""

MISSING_BATCH = Backoff(2.0, patience=600.0)
"""A batch, or its answers, that the service denies though this session has seen the batch."""

UNSEEN_PATIENCE = 15.0
"""Seconds for which a denied batch is requested again that this session has never seen."""

DATABASE = Backoff(0.5, longest=30.0, jitter=True)
"""A read or an idempotent write of the database; its patience is the run's setting."""

FULL_QUEUE = Backoff(1.0, longest=16.0)
"""A submission into a queue that other clients fill: pauses in poll intervals."""

LIST_LAG = 2.0
"""Seconds after which a new batch usually appears in the service's list."""

LONG_PAUSE = 60.0
"""Seconds from which a pause is stated with the error that it follows."""

LONGEST_HELD = 600.0
"""Seconds for which immediate requests wait for a rate limit; a service that asks for more ends the session."""

LONGEST_THROTTLE = 60.0
"""Longest pause, in seconds, that a rate limit imposes on immediate requests, whatever its headers state."""


LOOKUP_SECONDS = 60.0
"""Default seconds for which a batch is searched before it counts as absent."""

_LOOKS = (0.0, 1 / 30, 1 / 10, 1 / 4, 1 / 2, 1.0)
"""The times of the look-ups of a search, as shares of its length."""


def lookup_pauses(seconds: float) -> tuple[float, ...]:
    """Return the pause before each of the six looks after which a batch counts as absent."""
    return tuple((then - before) * seconds for before, then in zip((0.0, *_LOOKS), _LOOKS, strict=False))


async def retrying[T](
    call: Callable[[], Awaitable[T]],
    backoff: Backoff,
    transient: type[Exception],
    notify: Notify = ignore,
    sleep: Sleep | None = None,
) -> T:
    """Call, and retry transient errors by a backoff; raise the last error when it ends.

    `notify` gets each error that is retried. An error's `retry_after` takes the place of the pause.
    """
    import asyncio  # not at the top: failures read this module, and asyncio takes long to import

    from tenacity import AsyncRetrying, retry_if_exception_type

    def report(state: "RetryCallState") -> None:
        pause = state.next_action.sleep if state.next_action else 0.0
        notify(f"{_error(state)} The next attempt is in {pause:,.0f} s." if pause >= LONG_PAUSE else str(_error(state)))

    retries = AsyncRetrying(
        retry=retry_if_exception_type(transient),
        wait=lambda state: _pause(backoff, state),
        stop=lambda state: _is_over(backoff, state),
        before_sleep=report,
        reraise=True,
        sleep=sleep or asyncio.sleep,
    )
    return await retries(_awaited, call)


async def _awaited[T](call: Callable[[], Awaitable[T]]) -> T:
    return await call()  # motor returns futures, which tenacity does not take for coroutines


def _error(state: "RetryCallState") -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _pause(backoff: Backoff, state: "RetryCallState") -> float:
    """The pause before the next attempt, which is at the end of the patience at the latest."""
    left = max(0.0, backoff.patience - (state.seconds_since_start or 0.0))
    return min(_unlimited_pause(backoff, state), left)


def _unlimited_pause(backoff: Backoff, state: "RetryCallState") -> float:
    from tenacity import wait_random_exponential

    asked: float | None = getattr(_error(state), "retry_after", None)
    if asked is not None:
        return min(asked, backoff.longest_asked)
    if backoff.jitter:
        return float(wait_random_exponential(multiplier=backoff.first, max=backoff.longest)(state))
    return backoff.pause(state.attempt_number)


def _is_over(backoff: Backoff, state: "RetryCallState") -> bool:
    return state.attempt_number >= backoff.attempts or (state.seconds_since_start or 0.0) >= backoff.patience
