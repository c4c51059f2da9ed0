"""Files of requests answered as a batch: the seam through which every batch leaves.

Uploads and creations are never repeated by the SDK: the Batch API knows no idempotency keys, and a repeated creation
is a second batch that is paid for. Whoever creates looks for the label first, and adopts what is there.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from floridify_batch.components.request import ENDPOINT
from floridify_batch.costs.price import BATCH_DISCOUNT, Usage
from floridify_batch.errors import ServiceError, ServiceUncertain, UnknownBatch
from floridify_batch.files import replacing
from floridify_batch.providers.batch_list import Listed, Listing, Page
from floridify_batch.providers.connector import new_client
from floridify_batch.providers.service_error import Unreadable, identity_of, in_our_words
from floridify_batch.timing import CountedFile, Direction, Notify, ThrottledProgress, ignore, utc_now

if TYPE_CHECKING:
    from openai.types import Batch
    from tenacity import RetryCallState

TERMINAL = frozenset({"completed", "failed", "expired", "cancelled"})
"""The states from which a batch does not move any more."""

_LABEL = "label"
_PAGE = 100
_CLOCK_SLACK = timedelta(hours=1)
_LONGEST_LIFE = timedelta(days=2)
_MAX_BACKOFF = 60.0
_CONNECTIONS = 8
_DOWNLOAD_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class BatchError:
    """Why the service rejected a batch."""

    code: str
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class BatchJob:
    """What the service says of a batch. `total` is 0 while it has not counted; times are aware UTC."""

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

    @property
    def terminal(self) -> bool:
        """Whether the batch will not move any more."""
        return self.status in TERMINAL


class Batches(Protocol):
    """Whoever answers files of requests. `discount` is the share that it takes off the immediate price."""

    @property
    def discount(self) -> Decimal:
        """The share taken off the immediate price."""
        ...

    async def find(self, label: str, since: datetime, *, keep: str | None = None) -> BatchJob | None:
        """The batch of a label that was created after a time, if the service shows one.

        Of several, one is wanted: that with the id `keep`, or the first. The others are cancelled.
        """
        ...

    async def others(self, run: str) -> bool:
        """Whether batches that are not of this run are unfinished, and have their share of the account's queue."""
        ...

    async def upload(self, requests: Path) -> str:
        """Hand a file of requests over; returns the id under which the service holds it."""
        ...

    async def create(self, file_id: str, label: str, metadata: Mapping[str, str]) -> BatchJob:
        """Begin a batch. Raises `ServiceUncertain` where it may or may not have begun."""
        ...

    async def retrieve(self, batch_id: str) -> BatchJob:
        """How a batch stands. Raises `UnknownBatch`."""
        ...

    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        """Bring the answer files of a batch to these places, so far as it has any. Raises `UnknownBatch`."""

    async def cancel(self, batch_id: str) -> BatchJob:
        """Ask for the end of a batch; what is finished stays and is paid for. Raises `UnknownBatch`."""
        ...

    async def close(self) -> None:
        """Let go of everything."""


type Moving = Callable[[Path, Direction, int, int], None]
"""Is told how many bytes of a file are over, of how many (0 where that is not known)."""


def move_silently(_: Path, __: Direction, ___: int, ____: int) -> None:
    """Tell nobody."""


class OpenAIBatches:
    """OpenAI's Batch API. `patience` is for how many seconds a service that does not answer is asked again."""

    discount = BATCH_DISCOUNT

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str | None = None,
        patience: float = 3600.0,
        waiting: Notify = ignore,
        moving: Moving = move_silently,
    ) -> None:
        # Without the SDK's retries: creations must not be repeated, and everything else is, by us, in our own time.
        self._client = new_client(api_key, base_url, _CONNECTIONS).with_options(max_retries=0)
        self._patience = patience
        self._waiting = waiting
        self._moving = moving
        self._listing = Listing(self._turned)

    async def check(self) -> None:
        """Ask for a sign of life, once. Raises `ServiceRefused` for a bad key, `ServiceError` where nobody answers."""
        try:
            page = await in_our_words(partial(self._client.batches.list, limit=1))
            listed = page.data
        except (UnknownBatch, Unreadable, AttributeError):  # a web page, or another kind of service
            listed = None
        if not isinstance(listed, list):
            raise ServiceError(
                f"What answers at {self._client.base_url} does not speak OpenAI's Batch API; check --base-url, "
                "which usually ends in /v1."
            )

    async def find(self, label: str, since: datetime, *, keep: str | None = None) -> BatchJob | None:
        """The batch of a label. Another one of the same label is cancelled: nobody else will ever want it."""
        listed = await self._listing.labelled(label, since - _CLOCK_SLACK)
        found = [await self._standing(each) for each in listed]
        found.reverse()  # the list begins with the newest; of batches of the same second, the last one is the oldest
        found.sort(key=lambda job: (job.id != keep, job.created_at))
        wanted = keep or (found[0].id if found else None)  # the one that is kept may not be in the list yet
        for job in found:
            with suppress(UnknownBatch):
                if job.id != wanted and not job.terminal:
                    await self.cancel(job.id)
        return next(iter(found), None)

    async def _standing(self, listed: Listed) -> BatchJob:
        """How a listed batch stands. One that the service then denies was made all the same."""
        try:
            return await self._repeated(partial(self._retrieve, listed.id))
        except UnknownBatch:
            return BatchJob(listed.id, "in_progress", listed.label, listed.created_at)

    async def _turned(self, after: str | None) -> Page:
        return await self._repeated(partial(self._page, after))

    async def _page(self, after: str | None) -> Page:
        from openai import omit

        page = await self._client.batches.list(limit=_PAGE, after=after or omit)
        jobs = [job_of(batch) for batch in page.data]
        return Page([Listed(job.id, job.label, job.created_at) for job in jobs], bool(page.has_more))

    async def others(self, run: str) -> bool:
        """Whether batches that are not of this run are unfinished, and have their share of the account's queue."""
        return await self._repeated(partial(self._others, run))

    async def _others(self, run: str) -> bool:
        since = utc_now() - _LONGEST_LIFE
        async for batch in self._client.batches.list(limit=_PAGE):
            job = job_of(batch)
            if not job.terminal and not (job.label or "").startswith(f"{run}/"):
                return True
            if job.created_at < since:
                break
        return False

    async def upload(self, requests: Path) -> str:
        """Hand a file of requests over, streamed; returns the id under which the service holds it."""
        with CountedFile(requests, partial(self._moving, requests, Direction.UP)) as content:
            return identity_of(await in_our_words(partial(self._client.files.create, file=content, purpose="batch")))

    async def create(self, file_id: str, label: str, metadata: Mapping[str, str]) -> BatchJob:
        """Begin a batch. Raises `ServiceUncertain` where it may or may not have begun."""
        return await in_our_words(partial(self._create, file_id, {_LABEL: label, **metadata}))

    async def _create(self, file_id: str, metadata: dict[str, str]) -> BatchJob:
        batch = await self._client.batches.create(
            input_file_id=file_id, endpoint=ENDPOINT, completion_window="24h", metadata=metadata
        )
        return job_of(batch)

    async def retrieve(self, batch_id: str) -> BatchJob:
        """How a batch stands. Raises `UnknownBatch`."""
        return await self._repeated(partial(self._retrieve, batch_id))

    async def _retrieve(self, batch_id: str) -> BatchJob:
        return job_of(await self._client.batches.retrieve(batch_id))

    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        """Bring the answer files of a batch to these places, so far as it has any. Raises `UnknownBatch`."""
        for file_id, path in ((job.output_file_id, output), (job.error_file_id, errors)):
            if file_id:
                await self._repeated(partial(self._download, file_id, path))

    async def _download(self, file_id: str, path: Path) -> None:
        moving = ThrottledProgress(partial(self._moving, path, Direction.DOWN))
        async with self._client.files.with_streaming_response.content(file_id) as response:
            size = _size(response.headers)
            with replacing(path) as out:
                async for part in response.iter_bytes(_DOWNLOAD_BLOCK):
                    out.write(part)
                    moving(out.tell(), size)

    async def cancel(self, batch_id: str) -> BatchJob:
        """Ask for the end of a batch; what is finished stays and is paid for. Raises `UnknownBatch`."""
        return await self._repeated(partial(self._cancel, batch_id))

    async def _cancel(self, batch_id: str) -> BatchJob:
        from openai import ConflictError

        try:
            return job_of(await self._client.batches.cancel(batch_id))
        except ConflictError:  # it ended by itself in the meantime
            return await self._retrieve(batch_id)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.close()

    async def _repeated[T](self, deed: Callable[[], Awaitable[T]]) -> T:
        """Do what may be done twice, again and again until the service answers or patience ends."""
        from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(ServiceUncertain),
            wait=wait_random_exponential(multiplier=1, max=_MAX_BACKOFF),
            stop=stop_after_delay(self._patience),
            before_sleep=self._tell,
            reraise=True,
        )
        return await retrying(in_our_words, deed)

    def _tell(self, state: "RetryCallState") -> None:
        error = state.outcome.exception() if state.outcome else None
        self._waiting(f"{error} Trying again.")


def _size(headers: Mapping[str, str]) -> int:
    """How many bytes a body will have; 0 where the service does not say, or says how many they are in disguise."""
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() and "content-encoding" not in headers else 0


def job_of(batch: "Batch") -> BatchJob:
    """A batch of the service, in our words. Raises `Unreadable` for what is none."""
    counts = batch.request_counts
    ended = batch.completed_at or batch.expired_at or batch.cancelled_at or batch.failed_at
    errors = (batch.errors.data or []) if batch.errors else []
    return BatchJob(
        id=identity_of(batch),
        status=batch.status,
        label=(batch.metadata or {}).get(_LABEL),
        created_at=_time(batch.created_at),
        expires_at=_time(batch.expires_at) if batch.expires_at else None,
        completed_at=_time(ended) if ended else None,
        total=counts.total if counts else 0,
        done=counts.completed if counts else 0,
        failed=counts.failed if counts else 0,
        output_file_id=batch.output_file_id,
        error_file_id=batch.error_file_id,
        errors=tuple(BatchError(each.code or "", each.message or "", each.line) for each in errors),
        usage=_usage(batch.usage),
        model=batch.model,
    )


def _usage(usage: Any) -> Usage | None:
    if usage is None:
        return None
    return Usage(
        usage.input_tokens,
        usage.input_tokens_details.cached_tokens,
        usage.output_tokens,
        usage.output_tokens_details.reasoning_tokens,
    )


def _time(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
