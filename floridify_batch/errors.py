"""Errors with a message for the user and an exit code, grouped by who can act on them.

    BatchSynthError
    ├── UsageError              2   yours: an option, a file, a word list
    ├── CheckpointError         3   yours: the checkpoint does not fit, is damaged or is in use
    │   └── CheckpointLocked    3
    ├── ServiceError            4   the service's: it refuses us, or cannot be reached
    │   ├── ServiceRefused      4   quota, billing, key: every further request would fail alike
    │   ├── ServiceUncertain    4   no reply, or one that leaves the outcome unknown
    │   └── UnknownBatch        4   the service does not know this batch id
    ├── DatabaseError           5   the database's: not reachable, or it refused a write
    └── WorkersLost             7   the workers': they die, are not to be had, or have another version

An error's text is the message on the screen: what is wrong, where, and what to do. A failed request is not an error
but a value (`components.failure.Failure`); an exception stops the run.
"""

from typing import ClassVar


class BatchSynthError(Exception):
    """Something stopped the command; the text says what, and what to do."""

    exit_code: ClassVar[int] = 1


class UsageError(BatchSynthError):
    """The command was given something it cannot work with."""

    exit_code = 2


class CheckpointError(BatchSynthError):
    """The checkpoint is damaged, of another run, or cannot be written."""

    exit_code = 3


class CheckpointLocked(CheckpointError):
    """Another living process works on this checkpoint."""


class ServiceError(BatchSynthError):
    """The service cannot be reached, or answered in a way that nobody can go on from."""

    exit_code = 4


class ServiceRefused(ServiceError):
    """The service refuses the account (key, quota, billing): nothing was changed, nothing further was sent."""


class ServiceUncertain(ServiceError):
    """A transient failure of the service whose outcome is unknown: whatever is not idempotent is looked up first.

    `retry_after`: the seconds that the service asks for before a retry, where it states them.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnknownBatch(ServiceError):
    """The service does not know the batch, or no longer holds its files."""


class DatabaseError(BatchSynthError):
    """The database cannot be reached, or refused a write."""

    exit_code = 5


class WorkersLost(BatchSynthError):
    """Worker processes die one after the other: is there enough memory? Resume with fewer --workers."""

    exit_code = 7

    def __str__(self) -> str:
        """What was said of it, or the sentence above."""
        return super().__str__() or str(self.__doc__)
