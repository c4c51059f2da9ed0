"""Every error that a user may meet, drawn by whose turn it is.

    BatchSynthError
    ├── UsageError              2   yours: an option, a file, a word list
    ├── CheckpointError         3   yours: the checkpoint does not fit, is damaged or is in use
    │   └── CheckpointLocked    3
    ├── ServiceError            4   the service's: it refuses us, or cannot be reached
    │   ├── ServiceRefused      4   quota, billing, key: every further request would fail alike
    │   ├── ServiceUncertain    4   no answer, or none that tells whether the deed was done
    │   └── UnknownBatch        4   the service does not know this batch id
    ├── DatabaseError           5   the database's: not reachable, or it refused a write
    └── WorkersLost             7   the workers': they die, are not to be had, or have another version

An error's text is what the user reads: what is wrong, where, and what to do. One failed request is not an error
but a value (`results.Failure`); an exception is for what stops a run.
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
    """The service gave no answer that tells whether it did what it was asked: look before asking again."""


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
