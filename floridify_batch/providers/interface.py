"""Protocols of the providers: a `Connector` answers one request, `Batches` answer files of requests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, Protocol, override

from pydantic import BaseModel

from floridify_batch.components.requests import SynthesisRequest
from floridify_batch.costs.usage import Usage
from floridify_batch.timing import Direction

DEFAULT_MODEL = "gpt-6-luna"
"""The default model."""

CONCURRENCY = 32
"""Default number of immediate requests in flight."""

HTTP_OK = 200

TERMINAL = frozenset({"completed", "failed", "expired", "cancelled"})
"""The final statuses of a batch."""

ACTIVE = frozenset({"validating", "in_progress", "finalizing", "cancelling"})
"""The other statuses of a batch."""


class Connector(Protocol):
    """A connection that answers single requests, immediately or as part of a batch."""

    async def complete[R: BaseModel](self, request: SynthesisRequest[R]) -> R:
        """Return the parsed answer to a request.

        Raises `AnswerError` for an answer that cannot be used, `ServiceError` for any other failure.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """The endpoint's reply to an immediate request: status and body, as a line of an answer file holds them."""

    status: int
    request_id: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Features of a batch service.

    `discount` is its share off the immediate price. `labels`: a label can be attached to a batch and found again.
    """

    discount: Decimal
    labels: bool = True


@dataclass(frozen=True, slots=True)
class BatchError:
    """One of the service's reasons for rejecting a batch."""

    code: str
    message: str
    line: int | None = None

    @override
    def __str__(self) -> str:
        return ": ".join(filter(None, (self.code, self.message)))


@dataclass(frozen=True, slots=True)
class BatchJob:
    """The state of a batch at the service. `total` is 0 before validation; times are aware UTC."""

    id: str
    status: str
    label: str | None
    created_at: datetime
    expires_at: datetime | None = None
    completed_at: datetime | None = None
    total: int = 0
    done: int = 0
    failed: int = 0
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: tuple[BatchError, ...] = ()
    usage: Usage | None = None
    model: str | None = None
    input_file_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def terminal(self) -> bool:
        """Whether the status is final."""
        return self.status in TERMINAL

    @property
    def known(self) -> bool:
        """Whether the status is one of those that the Batch API documents."""
        return self.terminal or self.status in ACTIVE

    @property
    def run(self) -> str:
        """The run that the metadata name; empty where they name none."""
        return self.metadata.get("run", "")

    @property
    def has_answers(self) -> bool:
        """Whether there is an answer file to download."""
        return bool(self.output_file_id or self.error_file_id)


LOOK_BACK = timedelta(days=35)
"""Period in which batches are searched for: answers are kept for 30 days after the end of a batch."""


@dataclass(frozen=True, slots=True)
class Submission:
    """Identity of a batch before its creation, by which it is found again.

    A batch of a submission has its label or, where the service keeps no labels, its input file, which may have been
    used by `former` batches. Batches that are `taken` are of other submissions. One without the label was created
    within `look_back` before the service's present, as was one with a label that recurs with the same requests
    (`label_recurs`). `preflight`: its requests are answered at once.
    """

    label: str
    file_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    former: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()
    look_back: timedelta = LOOK_BACK
    label_recurs: bool = False
    preflight: bool = False


class Found(NamedTuple):
    """The batch of a submission, if any, and its duplicates, which are cancelled unless they have ended.

    `conclusive`: the list would show the batch. A list that is empty, or names neither labels nor input files, proves
    nothing.
    """

    job: BatchJob | None
    duplicates: tuple[BatchJob, ...] = ()
    conclusive: bool = True


class AnswerSource(Protocol):
    """A service that has the answer files of batches."""

    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        """Download the answer files of a batch, as far as it has any. Raises `UnknownBatch`."""


class Batches(AnswerSource, Protocol):
    """A service that answers files of requests."""

    @property
    def capabilities(self) -> Capabilities:
        """Limits and features of the service."""
        ...

    async def find(self, submission: Submission, *, keep: str | None = None) -> Found:
        """Search the service's list for the batch of a submission.

        Of several, the batch `keep` is kept, or the first; the others are duplicates, and are cancelled.
        """
        ...

    async def others(self, run: str) -> bool:
        """Whether batches of other runs or clients are unfinished and occupy the account's queue."""
        ...

    async def upload(self, requests: Path) -> str:
        """Upload a file of requests; return its id at the service."""
        ...

    async def create(self, submission: Submission) -> BatchJob:
        """Create a batch. Raises `ServiceBusy` if none was created, `ServiceUncertain` if that is unknown."""
        ...

    async def retrieve(self, batch_id: str) -> BatchJob:
        """Return the state of a batch. Raises `UnknownBatch`."""
        ...

    async def cancel(self, batch_id: str) -> BatchJob:
        """Request the cancellation of a batch; finished requests stay and are billed. Raises `UnknownBatch`."""
        ...

    async def close(self) -> None:
        """Close all connections."""


type TransferProgress = Callable[[Path, Direction, int, int], None]
"""Callback: bytes of a file transferred, of how many (0 if unknown)."""


def ignore_transfer(_: Path, __: Direction, ___: int, ____: int) -> None:
    """Discard the progress of a transfer."""
