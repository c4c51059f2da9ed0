"""OpenAI's Batch API: the adapter through which files of requests are sent and answers come back.

Uploads and creations are not retried here: the Batch API has no idempotency keys, and a repeated creation is a second
batch that is billed. The caller searches for the label first, and adopts the batch that exists.
"""

from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate

from floridify_batch.components.request import ENDPOINT
from floridify_batch.costs.price import BATCH_DISCOUNT
from floridify_batch.costs.usage import Usage
from floridify_batch.errors import ServiceError, ServiceUncertain, UnknownBatch
from floridify_batch.files import replacing
from floridify_batch.providers.batch_list import Listed, Listing, Page
from floridify_batch.providers.error import Unreadable, identity_of, translating
from floridify_batch.providers.interface import (
    BatchError,
    BatchJob,
    Capabilities,
    TransferProgress,
    ignore_transfer,
)
from floridify_batch.providers.openai_connector import new_client
from floridify_batch.providers.transfer import LIBRARY
from floridify_batch.retry import QUERY, retrying
from floridify_batch.timing import CountedFile, Direction, Notify, ThrottledProgress, ignore, utc_now

if TYPE_CHECKING:
    from openai.types import Batch

CAPABILITIES = Capabilities(
    discount=BATCH_DISCOUNT, max_requests=50_000, max_bytes=200_000_000, retention=timedelta(days=30)
)

_LABEL = "label"
_PAGE = 100
_CLOCK_SLACK = timedelta(hours=1)
_LONGEST_LIFE = timedelta(days=2)
_CONNECTIONS = 8
_DOWNLOAD_BLOCK = 1 << 16

type Method[**P, T] = Callable[Concatenate[OpenAIBatches, P], Coroutine[Any, Any, T]]


def _retried[**P, T](method: "Method[P, T]") -> "Method[P, T]":
    """Retry an idempotent call until the service answers or the adapter's patience ends; translate its errors."""

    @wraps(method)
    async def call(self: "OpenAIBatches", /, *args: P.args, **kwargs: P.kwargs) -> T:
        bound = partial(translating, partial(method, self, *args, **kwargs))
        return await retrying(bound, QUERY.within(self.patience), ServiceUncertain, self.report_retry)

    return call


def _once[**P, T](method: "Method[P, T]") -> "Method[P, T]":
    """Call once, and translate errors."""

    @wraps(method)
    async def call(self: "OpenAIBatches", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await translating(partial(method, self, *args, **kwargs))

    return call


class OpenAIBatches:
    """OpenAI's Batch API. `patience`: seconds for which transient failures are retried; `waiting` gets each of them."""

    capabilities = CAPABILITIES

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str | None = None,
        patience: float = 3600.0,
        waiting: Notify = ignore,
        moving: TransferProgress = ignore_transfer,
    ) -> None:
        self._client = new_client(api_key, base_url, _CONNECTIONS)
        self.patience = patience
        self._waiting = waiting
        self._moving = moving
        self._listing = Listing(self._page)

    def report_retry(self, error: str) -> None:
        """Report a transient failure that is retried."""
        self._waiting(f"{error} Retrying.")

    async def check(self) -> None:
        """Check the connection once. Raises `ServiceRefused` for a bad key, `ServiceError` without a usable reply."""
        try:
            page = await translating(partial(self._client.batches.list, limit=1))
            listed = page.data
        except (UnknownBatch, Unreadable, AttributeError):  # a web page, or another kind of service
            listed = None
        if not isinstance(listed, list):
            raise ServiceError(
                f"The server at {self._client.base_url} does not speak OpenAI's Batch API; check --base-url, "
                "which usually ends in /v1."
            )

    # ── the list of batches ────────────────────────────────────────────────────────────────────────────────────────

    async def find(self, label: str, since: datetime, *, keep: str | None = None) -> BatchJob | None:
        """Return the batch with a label; cancel others with the same label, which nobody will collect."""
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
        """Return the state of a listed batch. One that the service then denies was created all the same."""
        try:
            return await self.retrieve(listed.id)
        except UnknownBatch:
            return BatchJob(listed.id, "in_progress", listed.label, listed.created_at)

    @_retried
    async def _page(self, after: str | None) -> Page:
        from openai import omit

        page = await self._client.batches.list(limit=_PAGE, after=after or omit)
        jobs = [job_of(batch) for batch in page.data]
        return Page([Listed(job.id, job.label, job.created_at) for job in jobs], bool(page.has_more))

    @_retried
    async def others(self, run: str) -> bool:
        """Whether batches of other runs or clients are unfinished and occupy the account's queue."""
        since = utc_now() - _LONGEST_LIFE
        async for batch in self._client.batches.list(limit=_PAGE):
            job = job_of(batch)
            if not job.terminal and not (job.label or "").startswith(f"{run}/"):
                return True
            if job.created_at < since:
                break
        return False

    async def kept(self, since: datetime, run: str | None = None) -> list[BatchJob]:
        """Return the batches of all runs, or of one, that were created after a time, oldest first.

        A batch names its run in its metadata, and its input file lists what is expected: what was paid for does not
        depend on a checkpoint. Raises `ServiceError`.
        """
        return [job for job in reversed(await self._created_since(since)) if _is_of_a_run(job, run)]

    @_retried
    async def _created_since(self, since: datetime) -> list[BatchJob]:
        found: list[BatchJob] = []
        async for batch in self._client.batches.list(limit=_PAGE):
            job = job_of(batch)
            if job.created_at < since:
                break
            found.append(job)
        return found

    # ── one batch ──────────────────────────────────────────────────────────────────────────────────────────────────

    @_once
    async def upload(self, requests: Path) -> str:
        """Upload a file of requests, streamed; return its id at the service."""
        with CountedFile(requests, partial(self._moving, requests, Direction.UP)) as content:
            return identity_of(await self._client.files.create(file=content, purpose="batch"))

    @_once
    async def create(self, file_id: str, label: str, metadata: Mapping[str, str]) -> BatchJob:
        """Create a batch. Raises `ServiceUncertain` if it is unknown whether the batch was created."""
        batch = await self._client.batches.create(
            input_file_id=file_id, endpoint=ENDPOINT, completion_window="24h", metadata={_LABEL: label, **metadata}
        )
        return job_of(batch)

    @_retried
    async def retrieve(self, batch_id: str) -> BatchJob:
        """Return the state of a batch. Raises `UnknownBatch`."""
        return job_of(await self._client.batches.retrieve(batch_id))

    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        """Download the answer files of a batch, as far as it has any. Raises `UnknownBatch`."""
        for file_id, path in ((job.output_file_id, output), (job.error_file_id, errors)):
            if file_id:
                await self._download(file_id, path)

    async def requests(self, job: BatchJob, path: Path) -> None:
        """Download the input file of a batch. Raises `UnknownBatch` if the service no longer has it."""
        try:
            await self._download(job.input_file_id, path)
        except UnknownBatch:
            raise UnknownBatch("the service no longer has the file of its requests") from None

    @_retried
    async def _download(self, file_id: str, path: Path) -> None:
        moving = ThrottledProgress(partial(self._moving, path, Direction.DOWN))
        async with self._client.files.with_streaming_response.content(file_id) as response:
            size = _size(response.headers)
            with replacing(path) as out:
                async for part in response.iter_bytes(_DOWNLOAD_BLOCK):
                    out.write(part)
                    moving(out.tell(), size)

    @_retried
    async def cancel(self, batch_id: str) -> BatchJob:
        """Request the cancellation of a batch; finished requests stay and are billed. Raises `UnknownBatch`."""
        from openai import ConflictError

        try:
            return job_of(await self._client.batches.cancel(batch_id))
        except ConflictError:  # it has ended in the meantime
            return job_of(await self._client.batches.retrieve(batch_id))

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


def _is_of_a_run(job: BatchJob, run: str | None) -> bool:
    """Whether a batch belongs to a run, or to the one given."""
    ours = job.run not in ("", LIBRARY) and (job.label or "").startswith(f"{job.run}/")
    return ours and run in (None, job.run)


def _size(headers: Mapping[str, str]) -> int:
    """Return the length of a body; 0 if the service does not state it, or compresses the body."""
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() and "content-encoding" not in headers else 0


def job_of(batch: "Batch") -> BatchJob:
    """Return the service's batch object as a `BatchJob`. Raises `Unreadable` for another object."""
    counts = batch.request_counts
    ended = batch.completed_at or batch.expired_at or batch.cancelled_at or batch.failed_at
    errors = (batch.errors.data or []) if batch.errors else []
    metadata = batch.metadata or {}
    return BatchJob(
        id=identity_of(batch),
        status=batch.status,
        label=metadata.get(_LABEL),
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
        input_file_id=batch.input_file_id,
        metadata=metadata,
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
