"""OpenAI's Batch API: the adapter through which files of requests are sent and answers come back.

Uploads and creations are not retried here: the Batch API has no idempotency keys, and a repeated creation is a second
batch that is billed. The caller searches for the label first, and adopts the batch that exists.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial, wraps
from math import inf
from pathlib import Path
from typing import Any, Concatenate

from floridify_batch.components.requests import ENDPOINT
from floridify_batch.costs.price import BATCH_DISCOUNT
from floridify_batch.errors import ServiceError, ServiceRefused, ServiceUncertain, UnknownBatch, concerns_one_batch
from floridify_batch.files import partial_of, replacing
from floridify_batch.formatting import whole_number
from floridify_batch.providers.batch_identity import is_polled_as, without_alias
from floridify_batch.providers.batch_list import Listed, Listing, read_back
from floridify_batch.providers.batch_object import LABEL, Page, job_of, parsed_object, parsed_page
from floridify_batch.providers.client import new_client
from floridify_batch.providers.error import Unreadable, identity_of, translating
from floridify_batch.providers.interface import (
    LOOK_BACK,
    Batches,
    BatchJob,
    Capabilities,
    Found,
    Submission,
    TransferProgress,
    ignore_transfer,
)
from floridify_batch.providers.stated_error import LONGEST_ERROR, content_of, raise_stated
from floridify_batch.providers.transfer import LIBRARY
from floridify_batch.retry import CHECK, PROCESSING, QUERY, Backoff, retrying
from floridify_batch.timing import CountedFile, Direction, Notify, Sleep, ThrottledProgress, ignore

CAPABILITIES = Capabilities(discount=BATCH_DISCOUNT)

_PAGE = 100
_UPLOADED = "uploaded"
"""Status of a file that is not processed yet, or, at some services, of every file for ever."""
_PENDING = (_UPLOADED, "pending", "processing", "running", "in_progress")
_PROCESSING_POLLS, _UPLOADED_POLLS = 30, 6
_ENDING = ("cancelling", "finalizing")
_LONGEST_LIFE = timedelta(days=2)
_CONNECTIONS = 8
_DOWNLOAD_BLOCK = 1 << 16

type Method[**P, T] = Callable[Concatenate[OpenAIBatches, P], Coroutine[Any, Any, T]]


def _retried[**P, T](method: "Method[P, T]") -> "Method[P, T]":
    """Retry an idempotent call until the service answers or the adapter's patience ends; translate its errors."""

    @wraps(method)
    async def call(self: "OpenAIBatches", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.call_retried(partial(method, self, *args, **kwargs), QUERY.within(self.patience))

    return call


def _retried_in_turn[**P, T](method: "Method[P, T]") -> "Method[P, T]":
    """Retry as `_retried` does, but only the attempts that a call about one of several batches has."""

    @wraps(method)
    async def call(self: "OpenAIBatches", /, *args: P.args, **kwargs: P.kwargs) -> T:
        backoff = QUERY.within(self.patience).up_to(self.poll_attempts)
        return await self.call_retried(partial(method, self, *args, **kwargs), backoff)

    return call


def _once[**P, T](method: "Method[P, T]") -> "Method[P, T]":
    """Call once, and translate errors."""

    @wraps(method)
    async def call(self: "OpenAIBatches", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await translating(partial(method, self, *args, **kwargs))

    return call


class OpenAIBatches:
    """OpenAI's Batch API. `patience`: seconds for which transient failures are retried; `waiting` gets each of them.

    `poll_attempts`: attempts of a poll or download of one batch.
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str | None = None,
        patience: float = 3600.0,
        waiting: Notify = ignore,
        moving: TransferProgress = ignore_transfer,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.poll_attempts = inf
        self._client = new_client(api_key, base_url, _CONNECTIONS)
        self.patience = patience
        self._waiting = waiting
        self._moving = moving
        self._listing = Listing(self._page)
        self._sleep = sleep
        self._stays_uploaded = False

    async def call_retried[T](self, method: Callable[[], Awaitable[T]], backoff: Backoff) -> T:
        """Call the service, translate its errors, and retry transient ones."""
        return await retrying(partial(translating, method), backoff, ServiceUncertain, self.report_retry)

    def report_retry(self, error: str) -> None:
        """Report a transient failure that is retried."""
        self._waiting(f"{error} Retrying.")

    async def check(self) -> None:
        """Check the connection. Raises `ServiceRefused` for a bad key, `ServiceError` without a usable reply."""
        try:
            await self.call_retried(self._first_page, CHECK)
        except UnknownBatch as error:
            raise self._another_kind(error) from None

    async def _first_page(self) -> None:
        reply = await self._client.batches.with_raw_response.list(limit=1)
        try:
            parsed_page(content_of(reply), reply.headers)
        except Unreadable as error:  # a web page, or another kind of service; it stays that
            raise self._another_kind(error) from None

    def _another_kind(self, error: ServiceError) -> ServiceError:
        return ServiceError(
            f"The server at {self._client.base_url} does not speak OpenAI's Batch API; check --base-url, "
            f"which usually ends in /v1. ({error})"
        )

    # ── the list of batches ────────────────────────────────────────────────────────────────────────────────────────

    async def find(self, submission: Submission, *, keep: str | None = None) -> Found:
        """Search for the batch of a submission, and cancel its duplicates."""
        jobs = [await self._standing(each, submission) for each in await self._listing.matching(submission)]
        jobs.reverse()  # the list begins with the newest; of batches of the same second, the last one is the oldest
        jobs.sort(key=lambda job: (job.id != keep, job.status == "failed", job.created_at))
        kept = keep or (jobs[0].id if jobs else None)  # the one that is kept may not be in the list yet
        if keep and jobs and jobs[0].id != keep:
            jobs = without_alias(await self._kept(keep), jobs)
        duplicates = [await _cancelled(self, job) for job in jobs if job.id != kept]
        found = next((job for job in jobs if job.id == kept), None)
        return Found(found, tuple(duplicates), conclusive=self._listing.conclusive)

    async def _kept(self, batch_id: str) -> BatchJob | None:
        """Return the batch that is kept; None if the service does not return it."""
        with suppress(ServiceError):
            return await self.retrieve(batch_id)
        return None

    async def _standing(self, listed: Listed, submission: Submission) -> BatchJob:
        """Return the state of a listed batch. One that the service then denies was created all the same."""
        with suppress(UnknownBatch, ServiceUncertain):
            job = await self.retrieve(listed.id)
            if is_polled_as(submission, listed.id, job):
                return job
        return BatchJob(listed.id, "in_progress", listed.label, listed.created_at, input_file_id=listed.file_id)

    @_retried
    async def _page(self, after: str | None) -> Page:
        from openai import omit

        reply = await self._client.batches.with_raw_response.list(limit=_PAGE, after=after or omit)
        return parsed_page(content_of(reply), reply.headers)

    async def others(self, run: str) -> bool:
        """Whether batches of other runs or clients are unfinished and occupy the account's queue."""
        return any(
            not job.terminal and not (job.label or "").startswith(f"{run}/")
            for job in await read_back(self._page, _LONGEST_LIFE)
        )

    async def kept(self, run: str | None = None, look_back: timedelta = LOOK_BACK) -> list[BatchJob]:
        """Return the batches of all runs, or of one, that were created in a period, oldest first.

        A batch names its run in its metadata, and its input file lists the expected requests: what was paid for does
        not depend on a checkpoint. Raises `ServiceError`.
        """
        return [job for job in reversed(await read_back(self._page, look_back)) if _is_of_a_run(job, run)]

    # ── one batch ──────────────────────────────────────────────────────────────────────────────────────────────────

    @_once
    async def upload(self, requests: Path) -> str:
        """Upload a file of requests, streamed; return its id at the service."""
        with CountedFile(requests, partial(self._moving, requests, Direction.UP)) as content:
            reply = await self._client.files.with_raw_response.create(file=content, purpose="batch")
        content_of(reply)
        file = reply.parse()
        if getattr(file, "status", None) in _PENDING:
            await self._processed(identity_of(file))
        return identity_of(file)

    async def _processed(self, file_id: str) -> None:
        """Wait until a file is processed, for as long as an upload may take; after that, the creation fails with the
        reason.
        """
        uploaded = 0
        for attempt in range(1, _PROCESSING_POLLS):
            if self._stays_uploaded:
                return
            await self._sleep(PROCESSING.pause(attempt))
            try:
                status = await self._file_status(file_id)
            except UnknownBatch:  # a gateway may forward uploads and creations, and not this
                return
            if status not in _PENDING:
                return
            uploaded += status == _UPLOADED
            self._stays_uploaded = uploaded == attempt == _UPLOADED_POLLS

    @_retried
    async def _file_status(self, file_id: str) -> str | None:
        reply = await self._client.files.with_raw_response.retrieve(file_id)
        content_of(reply)
        return getattr(reply.parse(), "status", None)

    @_once
    async def create(self, submission: Submission) -> BatchJob:
        """Create a batch. Raises `ServiceBusy` if none was created, `ServiceUncertain` if that is unknown."""
        reply = await self._client.batches.with_raw_response.create(
            input_file_id=submission.file_id,
            endpoint=ENDPOINT,
            completion_window="24h",
            metadata={LABEL: submission.label, **submission.metadata},
        )
        return job_of(parsed_object(content_of(reply)))

    @_retried_in_turn
    async def retrieve(self, batch_id: str) -> BatchJob:
        """Return the state of a batch. Raises `UnknownBatch`."""
        return await self._polled(batch_id)

    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        """Download the answer files of a batch, as far as it has any, each whether or not the other is denied."""
        denied = None
        for file_id, path in ((job.output_file_id, output), (job.error_file_id, errors)):
            if file_id:
                try:
                    await self._download(file_id, path)
                except ServiceError as error:
                    if not concerns_one_batch(error):
                        raise
                    denied = denied or error
        if denied is not None:
            raise denied

    async def requests(self, job: BatchJob, path: Path) -> None:
        """Download the input file of a batch. Raises `UnknownBatch` if the service no longer has it."""
        try:
            await self._download(job.input_file_id, path)
        except UnknownBatch:
            raise UnknownBatch("the service no longer has the file of its requests") from None

    @_retried_in_turn
    async def _download(self, file_id: str, path: Path) -> None:
        moving = ThrottledProgress(partial(self._moving, path, Direction.DOWN))
        async with self._client.files.with_streaming_response.content(file_id) as response:
            size = _size(response.headers)
            with replacing(path) as out:
                async for part in response.iter_bytes(_DOWNLOAD_BLOCK):
                    out.write(part)
                    moving(out.tell(), size)
                if out.tell() <= LONGEST_ERROR:
                    out.flush()
                    raise_stated(partial_of(path).read_bytes(), response.http_response)

    @_retried
    async def cancel(self, batch_id: str) -> BatchJob:
        """Request the cancellation of a batch; finished requests stay and are billed. Raises `UnknownBatch`.

        Services refuse it with any status, a transient one (409) too, once a batch has ended: its state decides.
        """
        from openai import APIError, AuthenticationError, NotFoundError

        try:
            content = content_of(await self._client.batches.with_raw_response.cancel(batch_id))
        except (AuthenticationError, NotFoundError):
            raise
        except APIError:
            job = await self._polled(batch_id)
            if job.terminal or job.status in _ENDING:
                return job
            raise
        with suppress(Unreadable):
            return job_of(parsed_object(content))
        return await self._polled(batch_id)

    async def _polled(self, batch_id: str) -> BatchJob:
        """Return the state of a batch, without a retry."""
        return job_of(parsed_object(content_of(await self._client.batches.with_raw_response.retrieve(batch_id))))

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


async def _cancelled(batches: Batches, job: BatchJob) -> BatchJob:
    """Cancel a duplicate unless it has ended or is being cancelled; one whose cancellation is refused stays."""
    if job.terminal or job.status == "cancelling":
        return job
    try:
        return await batches.cancel(job.id)
    except (ServiceRefused, ServiceUncertain):
        raise
    except ServiceError:
        return job


def _is_of_a_run(job: BatchJob, run: str | None) -> bool:
    """Whether a batch belongs to a run, or to the one given."""
    ours = job.run not in ("", LIBRARY) and (job.label or "").startswith(f"{job.run}/")
    return ours and run in (None, job.run)


def _size(headers: Mapping[str, str]) -> int:
    """Return the length of a body; 0 if the service does not state it, or compresses the body."""
    return 0 if "content-encoding" in headers else whole_number(headers.get("content-length", "")) or 0
