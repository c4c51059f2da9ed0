"""Immediate mode as a batch service: files of requests are answered through the immediate endpoint.

The chunk's folder holds the state: answers are appended to `output.jsonl.partial` as they arrive, and a process that
finds this file resumes after its last whole line. The death of a process loses the requests in flight alone, a power
failure the answers since the last sync, too.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import orjson

from floridify_batch.errors import ServiceRefused, ServiceUncertain, UnknownBatch
from floridify_batch.files import ChunkFolder, private_file, replace_file, replacing, sync
from floridify_batch.providers.interface import HTTP_OK, BatchJob, Capabilities, Found, Reply, Submission
from floridify_batch.providers.openai_connector import OpenAIConnector
from floridify_batch.providers.repeated_reply import LIKELY_CAUSE, Prompt, RepeatedReplies
from floridify_batch.providers.reply import unusable_reply
from floridify_batch.timing import Clock, Notify, ignore, utc_now

SYNC_EVERY = 100
"""Answers between two syncs of the answer file."""

PATIENCE = 60.0
"""Seconds to wait for requests in flight when no more are sent: they are billed either way."""

REPEATED = "the service returned one completion for this and other requests"
"""Reason of a repeated reply."""

PREFIX = "immediate:"
"""The beginning of the ids of batches that are answered at once."""


@dataclass(slots=True)
class _Work:
    """A file of requests that is being answered."""

    job: BatchJob
    folder: Path
    task: asyncio.Task[None] | None = None
    total: int = 0
    done: int = 0
    failed: int = 0
    stopping: bool = False
    cancelled: bool = False


class ImmediateBatches:
    """Batches that are answered through the immediate endpoint, at its price."""

    capabilities = Capabilities(discount=Decimal(0))

    def __init__(
        self,
        connector: OpenAIConnector,
        run_folder: Path,
        clock: Clock = utc_now,
        patience: float = PATIENCE,
        sync_every: int = SYNC_EVERY,
    ) -> None:
        self._connector = connector
        self._run_folder = run_folder
        self._clock = clock
        self._patience = patience
        self._sync_every = sync_every
        self._works: dict[str, _Work] = {}
        self._repeated = RepeatedReplies()
        self.notice: Notify = ignore
        """Callback for a sentence about odd replies."""
        self.on_request: Notify = ignore
        """Callback before and after each request; gets "before" or "after"."""

    async def find(
        self,
        submission: Submission,
        *,
        keep: str | None = None,  # noqa: ARG002  a folder keeps one label
    ) -> Found:
        """Return the batch with a label: the chunk's folder if it was started with this label."""
        for path in self._run_folder.glob("*/immediate.json"):
            if orjson.loads(path.read_bytes() or b"{}").get("label") == submission.label:
                return Found(self._begun(path.parent).job)
        return Found(None)

    async def others(self, _: str) -> bool:
        """There is no queue to share."""
        return False

    async def upload(self, requests: Path) -> str:
        """Upload nothing: the name of the file's folder is its id."""
        return requests.parent.name

    async def create(self, submission: Submission) -> BatchJob:
        """Start answering a file of requests."""
        folder = self._run_folder / submission.file_id
        intent = orjson.dumps({"label": submission.label, "created_at": int(self._clock().timestamp())})
        replace_file(folder / "immediate.json", intent)
        return self._begun(folder).job

    async def retrieve(self, batch_id: str) -> BatchJob:
        """Return the state of a batch, and resume it if another process left it.

        Raises `UnknownBatch`, or `ServiceRefused` if the service refuses the account or cannot be reached.
        """
        folder = self._run_folder / batch_id.removeprefix(PREFIX)
        if not (folder / "immediate.json").exists():
            raise UnknownBatch(f"Unknown immediate batch: {batch_id}.")
        work = self._begun(folder)
        if work.cancelled:
            return self._standing(work, "cancelled")
        if work.task is not None and work.task.done():
            _raise_failure(work.task)
            return self._standing(work, "completed")
        return self._standing(work, "in_progress")

    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        """Download nothing: the answers are in place."""

    async def cancel(self, batch_id: str) -> BatchJob:
        """Stop sending requests, as `close` does; answers stay. Raises `UnknownBatch`."""
        job = await self.retrieve(batch_id)
        work = self._works[job.id]
        await _stop([work], self._patience)
        self._finish(work.folder)
        work.cancelled = True
        return self._standing(work, "cancelled")

    async def close(self) -> None:
        """Send no more requests, wait for those in flight, and close all connections.

        A cancellation of the wait, and the end of the patience, abandon what is still in flight.
        """
        try:
            await _stop(self._works.values(), self._patience)
        finally:
            await self._connector.close()

    # ── one file of requests ───────────────────────────────────────────────────────────────────────────────────────

    def _begun(self, folder: Path) -> _Work:
        identity = PREFIX + folder.name
        work = self._works.get(identity)
        if work is None:
            intent = orjson.loads((folder / "immediate.json").read_bytes())
            created = datetime.fromtimestamp(intent["created_at"], UTC)
            work = _Work(BatchJob(identity, "in_progress", intent["label"], created), folder)
            work.total = sum(1 for _ in _lines(ChunkFolder(folder).requests))
            self._works[identity] = work
            work.task = asyncio.create_task(self._answer(work, _answered_ids(work)))
        return work

    def _standing(self, work: _Work, status: str) -> BatchJob:
        job = work.job
        ended = self._clock() if status != "in_progress" else None
        output = ChunkFolder(work.folder).output
        return BatchJob(
            job.id,
            status,
            job.label,
            job.created_at,
            completed_at=ended,
            total=work.total,
            done=work.done,
            failed=work.failed,
            output_file_id=output.name if ended and output.exists() else None,
        )

    async def _answer(self, work: _Work, answered: set[str]) -> None:
        if ChunkFolder(work.folder).output.exists():
            return
        self._note_earlier(work.folder, answered)
        with _appending(ChunkFolder(work.folder).arriving) as out:
            try:
                async for line in self._replies(work, answered):
                    out.write(line)
                    out.flush()  # survives a death of this process; only a power failure needs the sync
                    if (work.done + work.failed) % self._sync_every == 0:
                        sync(out)
            finally:
                sync(out)
        if not work.stopping or work.done + work.failed == work.total:
            self._finish(work.folder)

    def _finish(self, folder: Path) -> None:
        """Complete the answer file; a repeated reply is no answer in it."""
        unfinished = ChunkFolder(folder).arriving
        if unfinished.exists():
            if self._repeated.identity:
                with unfinished.open("rb") as lines, replacing(unfinished) as out:
                    out.writelines(map(self._without_repeated, lines))
            unfinished.replace(ChunkFolder(folder).output)

    def _without_repeated(self, content: bytes) -> bytes:
        """Return a line as it is, or as an unusable reply; one of several equal ones keeps its usage."""
        line = _parsed(content)
        body = line["response"]["body"] if line else {}
        if line is None or not self._repeated.is_repeated(body):
            return content
        usage = {"usage": body.get("usage")} if self._repeated.bills(body) else {}
        line["response"]["body"] = {**unusable_reply(REPEATED).body, **usage}
        return orjson.dumps(line) + b"\n"

    def _note_earlier(self, folder: Path, answered: Collection[str]) -> None:
        """Compare the replies that an earlier process received with those to come."""
        if not answered:
            return
        requests = (line for line in _lines(ChunkFolder(folder).requests) if line["custom_id"] in answered)
        prompts = {line["custom_id"]: Prompt.of(line["body"]) for line in requests}
        with ChunkFolder(folder).arriving.open("rb") as lines:
            for line in filter(None, map(_parsed, lines)):
                if prompt := prompts.get(line["custom_id"]):
                    self._note(prompt, line["response"]["body"])

    def _note(self, prompt: Prompt, body: Mapping[str, Any]) -> None:
        """Compare a reply with those before, and report the first repeated one."""
        reported = self._repeated.identity
        if self._repeated.note(prompt, body) and not reported:
            self.notice(
                f"The service returned one completion ({self._repeated.identity}) for different requests. Such replies "
                f"are not stored; their requests are retried. {LIKELY_CAUSE}"
            )

    async def _replies(self, work: _Work, answered: set[str]) -> AsyncIterator[bytes]:
        """Yield the answer lines of requests without an answer, as they arrive, within the limit on concurrency.

        An error is raised after the other requests in flight have been answered: they are billed.
        """
        requests = (line for line in _lines(ChunkFolder(work.folder).requests) if line["custom_id"] not in answered)
        flying: set[asyncio.Task[tuple[str, Reply]]] = set()
        failed: list[BaseException] = []
        until: float | None = None
        try:
            while True:
                while self._may_send(work, flying, failed) and (line := next(requests, None)):
                    flying.add(asyncio.create_task(self._ask(line)))
                if not flying:
                    break
                arrived, flying = await asyncio.wait(flying, timeout=_left(until), return_when=asyncio.FIRST_COMPLETED)
                if not arrived:
                    break
                failed += [error for task in arrived if (error := task.exception())]
                failed += filter(None, [self._repeated.stop()])
                until = until or (_now() + self._patience if failed else None)
                for task in arrived:
                    if not task.exception():
                        yield _answer_line(*task.result(), work)
            if failed:
                raise failed[0]
        finally:
            for task in flying:
                task.cancel()
            await asyncio.gather(*flying, return_exceptions=True)

    def _may_send(self, work: _Work, flying: Collection[object], failed: Collection[object]) -> bool:
        return not work.stopping and not failed and len(flying) < self._connector.concurrency

    async def _ask(self, line: Mapping[str, Any]) -> tuple[str, Reply]:
        self.on_request("before")
        reply = await self._connector.post(line["body"])
        self.on_request("after")
        self._note(Prompt.of(line["body"]), reply.body)
        return line["custom_id"], reply


async def _stop(works: Collection[_Work], patience: float) -> None:
    """Stop tasks after their requests in flight; abandon them at the end of the patience, or if cancelled."""
    for work in works:
        work.stopping = True
    tasks = [work.task for work in works if work.task is not None]
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=patience)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # marks every exception as retrieved


def _raise_failure(task: asyncio.Task[None]) -> None:
    """Raise the error of a task that has ended with one.

    A service that cannot be reached ends the session: polls of this batch would repeat the error without a request.
    """
    try:
        task.result()
    except ServiceUncertain as error:
        raise ServiceRefused(f"{error} No more requests are sent; resume when the service can be reached.") from error


def _now() -> float:
    return asyncio.get_running_loop().time()


def _left(until: float | None) -> float | None:
    return None if until is None else max(0.0, until - _now())


def _answer_line(custom_id: str, reply: Reply, work: _Work) -> bytes:
    """Return a reply as a line of the Batch API's answer file, and count it."""
    if reply.status == HTTP_OK:
        work.done += 1
    else:
        work.failed += 1
    response = {"status_code": reply.status, "request_id": reply.request_id, "body": reply.body}
    return orjson.dumps({"custom_id": custom_id, "response": response, "error": None}) + b"\n"


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for line in lines:
            yield orjson.loads(line)


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Parse an answer line of ours; None for one that a power failure damaged."""
    with suppress(orjson.JSONDecodeError, KeyError, TypeError):
        parsed: dict[str, Any] = orjson.loads(line)
        if isinstance(parsed["response"]["body"], dict) and isinstance(parsed["custom_id"], str):
            return parsed
    return None


def _answered_ids(work: _Work) -> set[str]:
    """Return the ids with an answer; truncate a line that a crash left incomplete."""
    files = ChunkFolder(work.folder)
    path = files.output if files.output.exists() else files.arriving
    answered: set[str] = set()
    if not path.exists():
        return answered
    whole = 0
    with path.open("rb+") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            with suppress(orjson.JSONDecodeError, KeyError, TypeError):  # a power cut may leave zeros: requested again
                parsed = orjson.loads(line)
                status = parsed["response"]["status_code"]
                answered.add(parsed["custom_id"])
                work.done += status == HTTP_OK
                work.failed += status != HTTP_OK
        lines.truncate(whole)
    return answered


def _appending(path: Path) -> IO[bytes]:
    if not path.exists():
        return private_file(path)
    return path.open("ab")
