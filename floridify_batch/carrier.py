"""A file of requests carried without a checkpoint: what was asked is itself the key under which it is found again.

The label of a file's batch is the digest of its sorted lines. Whoever asks the same again, after a crash or on another
machine, looks for that label first and adopts the batch that is there; so a batch is paid for once. What an adopted
batch that has ended could not answer is asked anew, under a label that follows from the first: a rejected batch must
not stand in the way for as long as the service remembers it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import batched, count
from pathlib import Path
from typing import Any, Final

from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.components.request import SynthesisRequest
from floridify_batch.costs.usage import Usage
from floridify_batch.files import ChunkFolder, private_file, private_folder
from floridify_batch.pipeline.chunk import ChunkSize, Expected, Limits
from floridify_batch.pipeline.settlement import WordOutcome, indexed_answers, settle
from floridify_batch.providers.interface import Batches, BatchJob
from floridify_batch.providers.transfer import (
    LIBRARY,
    METADATA_LENGTH,
    Submission,
    create_once,
    download,
    refusal,
    unanswered,
    upload,
)
from floridify_batch.retry import LIST_LAG
from floridify_batch.timing import Clock, Sleep

REMEMBERED: Final = timedelta(days=2)
"""How far back a batch of the same requests is looked for: a batch's window is one day."""

FIRST_PAUSE: Final = 1.0
"""Seconds before a batch is first asked after; from then on twice as long each time, up to the poll interval."""

_PAGE = 200

type Request = SynthesisRequest[Any]
type Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RequestFile:
    """Requests of one model that go together: written to `requests.jsonl` in a folder of their own."""

    folder: Path
    requests: Sequence[Request]
    digest: str

    @property
    def path(self) -> Path:
        """What is uploaded."""
        return ChunkFolder(self.folder).requests


def write_files(folder: Path, requests: Iterable[Request], limits: Limits) -> list[RequestFile]:
    """Write requests into as few files as the limits and their models allow, each in the order of its ids.

    Ids are unique and begin their lines, so this is the order of the lines, too; no line is held in memory.
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
"""Whoever is told what became of each request: the body of its answer, or its failure."""


@dataclass(slots=True)
class Carrier:
    """Carries files through a `Batches`. `sleep` and `clock` are parameters so that tests need not wait.

    `usage` adds up what the collected answers were billed for, to this process or to one before it.
    """

    batches: Batches
    poll_interval: float
    sleep: Sleep
    clock: Clock
    usage: Usage = field(default_factory=Usage)

    async def carry(self, file: RequestFile, deliver: Deliver) -> None:
        """Have every request of a file answered or failed, and each told once. Raises `ServiceError`."""
        since = self.clock() - REMEMBERED
        for number in count(1):
            label = file.digest if number == 1 else f"{file.digest}-{number}"
            job = await self.batches.find(label, since)
            # What a batch that this call waits for cannot answer has failed; one that had ended before may be mended.
            mended = job is not None and job.terminal
            job = await self._ended(job or await self._begun(file, label, since))
            refused = refusal(job)
            if refused and not mended:
                raise refused  # whoever asks again finds this batch ended, takes what it holds and mends the rest
            again = await self._taken_in(file, job, deliver, mended=mended)
            if not again:
                return
            file = _write(file.folder / "again", again)

    async def _begun(self, file: RequestFile, label: str, since: datetime) -> BatchJob:
        """The batch of a label. The list may lag behind a process that ended just now, so it is looked at twice."""
        file_id = await upload(self.batches, file.path, self.sleep)
        job = await self._looked_for_again(label, since)
        if job is not None:
            return job
        job, doubtful = await create_once(self.batches, file_id, Submission(label, since, _metadata(file)), self.sleep)
        # Should an earlier one show itself after all, the search adopts that one and cancels the later.
        return (doubtful and await self._looked_for_again(label, since)) or job

    async def _looked_for_again(self, label: str, since: datetime) -> BatchJob | None:
        await self.sleep(LIST_LAG)
        return await self.batches.find(label, since)

    async def _ended(self, job: BatchJob) -> BatchJob:
        pause = FIRST_PAUSE
        while not job.terminal:
            await self.sleep(min(pause, self.poll_interval))
            pause *= 2
            job = await self.batches.retrieve(job.id)
        return job

    async def _taken_in(self, file: RequestFile, job: BatchJob, deliver: Deliver, *, mended: bool) -> list[Request]:
        """Tell what became of each request; where it is to be mended, return what is worth asking again instead."""
        output, errors = ChunkFolder(file.folder).answers
        await download(self.batches, job, (output, errors), self.sleep)
        expected = (
            Expected(at, each.custom_id, each.attempt, each.cap_doublings) for at, each in enumerate(file.requests)
        )
        again: list[Request] = []
        with indexed_answers((output, errors), self._add) as index:
            for page in batched(settle(expected, index, _unparsed, unanswered(job)), _PAGE):
                for outcome in page:
                    request, result = file.requests[outcome.ordinal], _result(outcome)
                    if mended and isinstance(result, Failure) and _can_be_mended(result):
                        again.append(
                            replace(request, attempt=result.attempt + 1, cap_doublings=result.next_cap_doublings)
                        )
                    else:
                        deliver(request, result)
                await asyncio.sleep(0)  # whoever was answered goes on, so that answers do not pile up
        return again

    def _add(self, _: str, usage: Usage) -> None:
        self.usage += usage


def _metadata(file: RequestFile) -> Mapping[str, str]:
    """What a look at the service's own list should tell."""
    components = sorted({request.envelope.component for request in file.requests})
    return {"run": LIBRARY, "components": ",".join(components)[:METADATA_LENGTH]}


def _unparsed(_: str, body: Body) -> Body:
    """Every asker parses its own answer: only its request knows the shape."""
    return body


def _can_be_mended(failure: Failure) -> bool:
    """Whether asking again is of use; a rejected batch was not even begun, and not paid for."""
    return failure.repeatable or failure.reason is FailureReason.REJECTED


def _result(outcome: WordOutcome) -> Body | Failure:
    body: Body | Failure = outcome.answers[0].answer if outcome.answers else outcome.failures[0]
    return body
