"""Errors by exit code. The text of an error is shown to the user: the problem, its place and the remedy.

    exit code  error                  cause
    0          (none)                 the command succeeded
    1          BatchSynthError        some words failed, or an unexpected error
    1          PartialFailure         some chunks or words could not be processed; everything else is done
    2          UsageError             an option, a file or a word list
    3          CheckpointError        the checkpoint: damaged, of another run, not writable
    3          CheckpointLocked       the checkpoint is in use by another process
    3          FileDamaged            a file of a chunk is missing or damaged
    4          ServiceError           the service: unreachable, or an unusable reply
    4          ServiceRefused         the service refuses the account: key, quota, billing
    4          AccessDenied           the service denies access to one resource, or to all
    4          ServiceUncertain       the service may or may not have carried out a request
    4          IncompleteAnswers      answer files are missing, or shorter than the service counts
    4          QueueFull              the account's queue has no room for a batch
    4          ServiceBusy            the service did not accept a call, for now
    4          UnknownBatch           the service does not know the batch
    4          FormRefused            the service refused every request of a batch for the same reason
    5          DatabaseError          the database refused a read or a write
    5          DatabaseUnreachable    the database cannot be reached
    5          OtherDatabase          the database does not hold what the run has stored
    5          WriteLockLost          another run has taken over the database's write lock
    6          (none)                 the cost limit was reached; words remain
    6          AnswersOutdated        many subjects changed while their requests were in flight
    7          WorkersLost            worker processes: terminated, not available, of another version
    130        (none)                 interrupted by Ctrl-C

A failed request is not an error but a value (`Failure`); an exception stops the run.
"""

from typing import ClassVar


class BatchSynthError(Exception):
    """Base of all errors that stop a command."""

    exit_code: ClassVar[int] = 1


class UsageError(BatchSynthError):
    """Invalid input: an option, a file or a word list."""

    exit_code = 2


class CheckpointError(BatchSynthError):
    """The checkpoint is damaged, belongs to another run, or cannot be written."""

    exit_code = 3


class CheckpointLocked(CheckpointError):
    """Another process holds the checkpoint's lock."""


class FileDamaged(CheckpointError):
    """A file of a chunk is missing or damaged; other chunks are not affected."""


class FileNotWritten(CheckpointError):
    """A file of the user's choice cannot be written, for want of space or of permission."""


class PartialFailure(BatchSynthError):
    """Some chunks or words could not be processed; everything else is done."""


class ServiceError(BatchSynthError):
    """The service is unreachable, or its reply is unusable."""

    exit_code = 4


class ServiceRefused(ServiceError):
    """The service refuses the account (key, quota, billing); every further request would fail too."""


class AccessDenied(ServiceRefused):
    """The service denies access: to everything, or only to one batch or file."""


class FormRefused(ServiceError):
    """The service refused every request of a batch for the same reason: further batches would be refused as well."""


class ServiceUncertain(ServiceError):
    """A transient failure of the service whose outcome is unknown: calls that are not idempotent need a look-up before
    a retry.

    `retry_after`: the seconds that the service asks for before a retry, where it states them.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServiceBusy(ServiceUncertain):
    """The service did not accept a call, for now: a rate limit, or no connection. Nothing was done."""


class UnknownBatch(ServiceError):
    """The service does not know the batch, or no longer has its files."""


class IncompleteAnswers(ServiceError):
    """The answer files of a batch that has ended are missing, foreign, or shorter than the service's own count."""


class ShortAnswers(IncompleteAnswers):
    """The answer files of a batch lack answers; those that they hold are the batch's own."""


class QueueFull(ServiceError):
    """The service refused to create a batch because the account's queue is full."""


class DatabaseError(BatchSynthError):
    """The database is unreachable, or refused a write."""

    exit_code = 5


class DatabaseUnreachable(DatabaseError):
    """The database cannot be reached, or did not answer for as long as the command waits."""


class OtherDatabase(DatabaseError):
    """The database lacks the run's stored answers: the user decides whether to use it."""


class WriteLockLost(DatabaseError):
    """The database's write lock expired, and another run took it: storing starts again from what is stored now."""


class EditedMeanwhile(DatabaseError):
    """A document was edited between its reading and the write derived from it: the answers are settled once more."""


class AnswersOutdated(BatchSynthError):
    """Too many answers of a batch are outdated: the user decides whether to repeat their requests."""

    exit_code = 6


class WorkersLost(BatchSynthError):
    """Worker processes keep terminating, perhaps for want of memory. Resume with fewer --workers."""

    exit_code = 7

    def __str__(self) -> str:
        """The message, or the docstring's first line."""
        return super().__str__() or str(self.__doc__)


def concerns_one_batch(error: ServiceError) -> bool:
    """Whether an error in a call about one batch concerns that batch, so that others go on."""
    return isinstance(error, AccessDenied) or not isinstance(error, ServiceRefused)


def stops_run(error: Exception) -> bool:
    """Whether an error affects the whole run, and not only the chunk or the word at which it occurred.

    Damaged files and writes that the database refuses belong to a chunk, unexpected errors to a chunk or a word. A run
    cannot go on without its service, database or disk, nor past a decision of the user (`AnswersOutdated`).
    """
    if isinstance(error, FileDamaged):
        return False
    if isinstance(error, DatabaseError):
        return isinstance(error, DatabaseUnreachable | OtherDatabase | WriteLockLost)
    return isinstance(error, BatchSynthError | OSError | MemoryError)
