"""The life cycle of a batch.

Each unfinished batch has one task, which runs the work of the batch's status and moves it to the next. All due times
are computed from the wall-clock times in the batch's record, so a killed sandbox continues from its folder:
interrupted work restarts from the beginning, since a batch gets its answer files only together with its final status.
File work runs in threads; records are read and changed on the event loop only.

A task that waits for a due time also waits on the batch's `wake` event, which is set by a cancellation and by
`finish`, which skips all remaining time.
"""

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from secrets import token_hex
from typing import Any

import orjson

from floridify_batch.sandbox.answer_files import Results, write_results
from floridify_batch.sandbox.endpoint import Endpoint
from floridify_batch.sandbox.fault import Faults
from floridify_batch.sandbox.refusal import Refusal
from floridify_batch.sandbox.sandbox_settings import DAY, SandboxSettings
from floridify_batch.sandbox.storage import BatchRecord, Folder
from floridify_batch.sandbox.validation import (
    REFUSED,
    Stopped,
    Verdict,
    counted_lines,
    input_tokens,
    validate_input,
)

MOVES: Mapping[str, frozenset[str]] = {
    "validating": frozenset({"in_progress", "failed", "cancelling"}),
    "in_progress": frozenset({"finalizing", "expired", "cancelling", "failed"}),
    "finalizing": frozenset({"completed", "failed"}),
    "cancelling": frozenset({"cancelled", "failed"}),
    "completed": frozenset(),
    "failed": frozenset(),
    "expired": frozenset(),
    "cancelled": frozenset(),
}
"""Allowed transitions by status. A status without transitions is final."""

_THREADS = 2


class Batches:
    """All batches of a data folder and their tasks. `faults` may be replaced at any time.

    `endpoint` answers their requests; without one, the answers are invented.
    """

    def __init__(
        self,
        folder: Folder,
        settings: SandboxSettings,
        faults: Faults,
        endpoint: Endpoint | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.faults = faults
        self._endpoint = endpoint
        self._answered: dict[str, float] = {}
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sandbox-batch")
        self._stopping = threading.Event()
        self._wakes: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Resume every unfinished batch."""
        for record in self._folder.batches.values():
            self._resume(record)

    async def close(self) -> None:
        """Stop all tasks; the next sandbox of this folder resumes the unfinished batches."""
        self._stopping.set()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._threads.shutdown()

    def create(self, order: Mapping[str, Any], output_expires: float | None) -> BatchRecord:
        """Create a batch from validated parameters: input_file_id, endpoint, completion_window, metadata."""
        now = self._clock()
        record = BatchRecord(
            id=f"batch_{token_hex(16)}",
            number=len(self._folder.batches),
            input_file_id=order["input_file_id"],
            endpoint=order["endpoint"],
            completion_window=order["completion_window"],
            metadata=order.get("metadata"),
            output_expires=output_expires,
            created=now,
            expires=now + self._settings.window_seconds,
        )
        self._folder.save_batch(record)
        self._resume(record)
        return record

    def cancel(self, record: BatchRecord) -> BatchRecord:
        """Start a cancellation; idempotent. Raise a 409 for a batch that can no longer be cancelled."""
        if record.status in ("cancelling", "cancelled"):
            return record
        if "cancelling" not in MOVES[record.status]:
            raise Refusal(409, f"Cannot cancel a batch with status '{record.status}'.", code="conflict")
        moved = self._move(replace(self._cut(record), ending="cancelled"), "cancelling")
        self._wakes[record.id].set()
        return moved

    def _cut(self, record: BatchRecord) -> BatchRecord:
        """Return the batch with the share of its lines that is finished now, or that a fault sets."""
        share = self.progress(record)
        if self.faults.reaches("partial_output", record.number):
            share = self.faults.by_name["partial_output"].share
        return replace(record, finished_share=share)

    async def finish(self) -> None:
        """Skip all remaining time and wait until every batch is final."""
        for wake in self._wakes.values():
            wake.set()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def progress(self, record: BatchRecord) -> float:
        """Return the finished share of a batch."""
        if record.id in self._answered:
            return self._answered[record.id]
        if record.status != "in_progress":
            return 0.0 if record.status == "validating" else record.finished_share
        elapsed = self._clock() - record.entered["in_progress"]
        return min(1.0, elapsed / self._settings.running_seconds) if self._settings.running_seconds else 1.0

    def _resume(self, record: BatchRecord) -> None:
        if MOVES[record.status]:
            self._wakes[record.id] = asyncio.Event()
            task = asyncio.create_task(self._live(record.id), name=record.id)
            self._tasks[record.id] = task
            task.add_done_callback(lambda _: (self._tasks.pop(record.id, None), self._wakes.pop(record.id, None)))

    async def _live(self, batch_id: str) -> None:
        work = {
            "validating": self._validate,
            "in_progress": self._run,
            "finalizing": self._finalize,
            "cancelling": self._finalize,
        }
        try:
            while MOVES[(record := self._folder.batch(batch_id)).status]:
                await work[record.status](record)
        except Stopped:
            return
        except Exception:  # a client must see a final status instead of polling forever
            traceback.print_exc(file=sys.stderr)
            problem = {"code": "server_error", "message": "The sandbox failed; see its log."}
            self._move(replace(self._folder.batch(batch_id), errors=(problem,)), "failed")

    async def _validate(self, record: BatchRecord) -> None:
        verdict = await self._in_thread(
            validate_input,
            record,
            self._folder,
            self.faults,
            self._stopping.is_set,
            any_model=self._endpoint is not None,
        )
        await self._until(record.id, record.created + self._settings.validating_seconds)
        if self._folder.batch(record.id).status != record.status:
            return
        errors = self._rejection(record, verdict)
        if errors:
            self._move(replace(record, errors=errors, model=verdict.model), "failed")
            return
        checked = replace(
            record,
            model=verdict.model,
            total=verdict.total,
            expected_failures=verdict.expected_failures,
            input_tokens=verdict.input_tokens,
        )
        self._move(checked, "in_progress")

    def _rejection(self, record: BatchRecord, verdict: Verdict) -> tuple[Mapping[str, Any], ...]:
        limit = self.faults.count("token_limit")
        queued = sum(
            other.input_tokens
            for other in self._folder.batches.values()
            if other.model == verdict.model and MOVES[other.status] and other.status != "validating"
        )
        if self.faults.hits("fail_batch", str(record.number), record.number):
            return (_rejected(self.faults.by_name["fail_batch"].code),)
        if not verdict.errors and limit and queued + verdict.input_tokens > limit:
            message = limit_message(limit, verdict.model)
            return ({"code": "token_limit_exceeded", "message": message, "param": None, "line": None},)
        return verdict.errors

    def exceeded_limit(self, file_id: str) -> int:
        """Return the limit on queued tokens if a further batch would exceed it, else 0."""
        files = [each.input_file_id for each in self._folder.batches.values() if MOVES[each.status]]
        queued = sum(input_tokens(self._folder.content(each)) for each in (*files, file_id))
        limit = self.faults.count("token_limit")
        return limit if queued > limit else 0

    async def _run(self, record: BatchRecord) -> None:
        started, wake = record.entered["in_progress"], self._wakes[record.id]
        done = started + self._settings.running_seconds
        await self._until(record.id, min(done, record.expires))
        if self._folder.batch(record.id).status != record.status:
            return
        if record.expires < done and not wake.is_set():
            share = max(0.0, (record.expires - started) / (done - started))
            await self._finalize(replace(record, ending="expired", finished_share=share))
        elif self.faults.reaches("expire", record.number):
            await self._finalize(replace(record, ending="expired"))
        elif self.faults.hits("cancel", "", record.number):
            self.cancel(record)
        elif self.faults.hits("fail_late", "", record.number):
            errors = (_rejected(self.faults.by_name["fail_late"].code),)
            await self._finalize(replace(self._cut(record), ending="failed", errors=errors))
        else:
            self._move(record, "finalizing")

    async def _finalize(self, record: BatchRecord) -> None:
        if self._endpoint:
            await self._pass_on(record, self._endpoint)
        results = await self._in_thread(
            write_results,
            record,
            self._folder,
            self.faults,
            stopping=self._stopping.is_set,
            now=self._clock(),
            fast=self._settings.fast,
        )
        if self._folder.batch(record.id).status == record.status:  # otherwise it was cancelled while expiring
            self._move(self._with_results(record, results), record.ending)

    async def _pass_on(self, record: BatchRecord, endpoint: Endpoint) -> None:
        def answered(count: int) -> None:
            self._answered[record.id] = count / max(1, record.total)

        answered(0)
        try:
            await endpoint.write(_valid_bodies(record, self._folder), self._folder.passed(record.id), answered)
        finally:
            del self._answered[record.id]

    def _with_results(self, record: BatchRecord, results: Results) -> BatchRecord:
        now = self._clock()
        expires = now + (record.output_expires or 30 * DAY)
        kept: dict[str, str | None] = {}
        for kind, written in (("output", results.output), ("error", results.errors)):
            name = f"{record.id}_{kind}.jsonl"
            file = written and self._folder.keep(
                written, purpose="batch_output", filename=name, created=now, expires=expires
            )
            kept[f"{kind}_file_id"] = file.id if file else None
            if file and self.faults.hits("content_404", "", record.number):
                self._folder.save_file(replace(file, deleted=True))
        return replace(
            record,
            completed=results.completed,
            failed=results.failed,
            input_tokens=results.input_tokens,
            output_tokens=results.output_tokens,
            output_file_id=kept["output_file_id"],
            error_file_id=kept["error_file_id"],
        )

    def _move(self, record: BatchRecord, status: str) -> BatchRecord:
        if status not in MOVES[record.status]:
            raise ValueError(f"A batch cannot move from {record.status} to {status}")
        moved = replace(record, status=status, entered={**record.entered, status: self._clock()})
        self._folder.save_batch(moved)
        return moved

    async def _until(self, batch_id: str, moment: float) -> None:
        delay = moment - self._clock()
        if delay > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._wakes[batch_id].wait()

    async def _in_thread[**P, R](self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *args, **kwargs))


def limit_message(limit: int, model: str | None = None) -> str:
    """Return the service's message about a full queue."""
    place = f" for {model}" if model else ""
    return (
        f"Enqueued token limit reached{place} in organization org-sandbox. Limit: {limit:,} enqueued tokens. "
        "Please try again once some in_progress batches have been completed."
    )


def _valid_bodies(record: BatchRecord, folder: Folder) -> Iterator[Mapping[str, Any] | None]:
    """Yield the bodies of the finished share of a batch's input; None for a refused one."""
    for raw, tokens in islice(counted_lines(record, folder), int(record.total * record.finished_share)):
        yield None if tokens == REFUSED else orjson.loads(raw)["body"]


def _rejected(code: str) -> Mapping[str, Any]:
    return {"code": code, "message": f"Rejected by a fault: {code}.", "param": None, "line": None}
