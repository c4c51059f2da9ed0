"""Transport of request files to a batch service without a checkpoint: the requests themselves identify their batch.

The label of a batch is the digest of its sorted lines. The same call after a crash, or on another machine, looks for
that label first and adopts the existing batch, so that a batch is paid for once. Requests that an adopted, finished
batch did not answer are retried under a label derived from the first, since a rejected batch would otherwise block
them for as long as the service lists it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import blake2b
from itertools import batched, count
from pathlib import Path
from typing import Any, Final

from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.components.requests import SynthesisRequest
from floridify_batch.costs.usage import Usage
from floridify_batch.files import ChunkFolder, private_file, private_folder
from floridify_batch.pipeline.chunk import ChunkSize, Expected, Limits
from floridify_batch.pipeline.settlement import WordOutcome, indexed_answers, settle
from floridify_batch.providers.interface import Batches, BatchJob, Submission
from floridify_batch.providers.transfer import (
    LIBRARY,
    METADATA_LENGTH,
    create_once,
    download,
    refusal,
    unanswered,
    upload,
)
from floridify_batch.retry import LIST_LAG
from floridify_batch.timing import Clock, Sleep

REMEMBERED: Final = timedelta(days=2)
"""Maximum age of an adopted batch; the completion window is one day."""

FIRST_PAUSE: Final = 1.0
"""Seconds before the first poll; doubled after each poll up to the poll interval."""

_PAGE = 200

type Request = SynthesisRequest[Any]
type Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RequestFile:
    """The requests of one batch, written to `requests.jsonl` in their own folder."""

    folder: Path
    requests: Sequence[Request]
    digest: str

    @property
    def path(self) -> Path:
        """Return the path of the file to upload."""
        return ChunkFolder(self.folder).requests


def write_files(folder: Path, requests: Iterable[Request], limits: Limits) -> list[RequestFile]:
    """Write requests into as few files as the limits and their models allow, sorted by id.

    Ids are unique and start their lines, so the lines are sorted, too; no line is held in memory.
    """
    files: list[RequestFile] = []
    waiting: list[Request] = []
    size = ChunkSize()
    for request in sorted(requests, key=lambda request: (request.envelope.model, request.custom_id)):
        own = ChunkSize(requests=1, bytes=len(request.line))
        if waiting and (waiting[-1].envelope.model != request.envelope.model or not limits.hold(size + own)):
            files.append(_write(folder / f"{len(files) + 1:04d}", waiting))
            waiting, size = [], ChunkSize()
        waiting.append(request)
        size += own
    if waiting:
        files.append(_write(folder / f"{len(files) + 1:04d}", waiting))
    return files


def _write(folder: Path, requests: Sequence[Request]) -> RequestFile:
    private_folder(folder)
    state = blake2b(digest_size=16)
    with private_file(ChunkFolder(folder).requests) as out:
        for request in requests:
            line = request.line
            state.update(line)
            out.write(line)
    return RequestFile(folder, requests, state.hexdigest())


type Deliver = Callable[[Request, Body | Failure], None]
"""Callback for the result of a request: the body of its answer, or its failure."""


@dataclass(slots=True)
class BatchTransport:
    """Sends request files to a batch service and delivers the answers.

    `sleep` and `clock` are parameters for tests. `usage` sums the usage of all answers, adopted batches included.
    """

    batches: Batches
    poll_interval: float
    sleep: Sleep
    clock: Clock
    usage: Usage = field(default_factory=Usage)

    async def send(self, file: RequestFile, deliver: Deliver) -> None:
        """Submit or adopt the batch of a file, and deliver one result per request. Raises `ServiceError`."""
        for number in count(1):
            label = file.digest if number == 1 else f"{file.digest}-{number}"
            submission = Submission(label, "", _metadata(file), look_back=REMEMBERED, label_recurs=True)
            job = (await self.batches.find(submission)).job
            # Unanswered requests of a batch that this call waits for have failed; those of a finished one are retried.
            adopted = job is not None and job.terminal
            job = await self._wait(job or await self._submit(file, submission))
            refused = refusal(job)
            if refused and not adopted:
                raise refused  # the next call adopts this batch, uses its answers and retries the rest
            again = await self._collect(file, job, deliver, adopted=adopted)
            if not again:
                return
            file = _write(file.folder / "again", again)

    async def _submit(self, file: RequestFile, submission: Submission) -> BatchJob:
        """Return the batch of a label. The list may lag behind a process that just ended, so it is read twice."""
        submission = replace(submission, file_id=await upload(self.batches, file.path, self.sleep))
        job = await self._find_later(submission)
        if job is not None:
            return job
        job, doubtful = await create_once(self.batches, submission, self.sleep)
        # If an earlier batch appears after all, the look-up adopts it and cancels the later one.
        return (doubtful and await self._find_later(submission)) or job

    async def _find_later(self, submission: Submission) -> BatchJob | None:
        await self.sleep(LIST_LAG)
        return (await self.batches.find(submission)).job

    async def _wait(self, job: BatchJob) -> BatchJob:
        pause = FIRST_PAUSE
        while not job.terminal:
            await self.sleep(min(pause, self.poll_interval))
            pause *= 2
            job = await self.batches.retrieve(job.id)
        return job

    async def _collect(self, file: RequestFile, job: BatchJob, deliver: Deliver, *, adopted: bool) -> list[Request]:
        """Deliver the results; for a finished batch, return the requests to retry instead."""
        output, errors = ChunkFolder(file.folder).answers
        requested = [each.custom_id for each in file.requests]
        await download(self.batches, job, (output, errors), self.sleep, requested=requested)
        expected = (
            Expected(at, each.custom_id, each.attempt, each.cap_doublings) for at, each in enumerate(file.requests)
        )
        again: list[Request] = []
        with indexed_answers((output, errors), self._add) as index:
            for page in batched(settle(expected, index, _unparsed, unanswered(job)), _PAGE):
                for outcome in page:
                    request, result = file.requests[outcome.ordinal], _result(outcome)
                    if adopted and isinstance(result, Failure) and _is_retryable(result):
                        again.append(
                            request._replace(attempt=result.attempt + 1, cap_doublings=result.next_cap_doublings)
                        )
                    else:
                        deliver(request, result)
                await asyncio.sleep(0)  # lets the callers continue, so that answers do not pile up
        return again

    def _add(self, _: str, usage: Usage | None, *__: object) -> None:
        self.usage += usage or Usage()


def _metadata(file: RequestFile) -> Mapping[str, str]:
    """Return the metadata of a batch for the service's own list."""
    components = sorted({request.envelope.component for request in file.requests})
    return {"run": LIBRARY, "components": ",".join(components)[:METADATA_LENGTH]}


def _unparsed(_: str, body: Body) -> Body:
    """Return the body unchanged: each request parses its own answer."""
    return body


def _is_retryable(failure: Failure) -> bool:
    """Whether a retry may succeed; a rejected batch was never started and not billed."""
    return failure.repeatable or failure.reason is FailureReason.REJECTED


def _result(outcome: WordOutcome) -> Body | Failure:
    body: Body | Failure = outcome.answers[0].answer if outcome.answers else outcome.failures[0]
    return body
