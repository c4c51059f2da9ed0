"""Synthesis functions answered in batches, without change to the functions.

A request parks its task on a future. When every gathered task is parked, or waits for tasks that are, no further
request can arrive before an answer does, so the collected requests are sent as one batch. The answers resume the
tasks, which may send further requests: the next round. Functions therefore need not know the mode. A semaphore inside
a function limits its batch to the number of permits.

Membership follows the context: `gather` marks the context of the tasks that it creates, and tasks created by these
inherit the mark. A task without the mark counts while it waits for its answer. asyncio does not report what a task
waits for, so `_busy_task` inspects the task's future and its innermost frame. A task that waits for anything else (a
timer, a socket, a queue) counts as busy, for at most `patience` seconds.
"""

import asyncio
import re
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, Literal, overload

import orjson
from pydantic import BaseModel

from floridify_batch._batch_transport import BatchTransport, Body, Request, RequestFile, write_files
from floridify_batch.components.failure import Failure
from floridify_batch.components.requests import (
    AnswerError,
    CustomId,
    Envelope,
    SynthesisRequest,
    custom_id,
    parse_custom_id,
)
from floridify_batch.costs.usage import Usage
from floridify_batch.errors import ServiceError
from floridify_batch.pipeline.chunk import Limits
from floridify_batch.providers.interface import DEFAULT_MODEL, Batches
from floridify_batch.timing import Clock, Sleep, utc_now
from floridify_batch.words.entry import derived_id

type AnyTask = asyncio.Task[Any]
type Predicate = Callable[[AnyTask], bool]

_INSIDE_TASK_GROUP = "asyncio.taskgroups"
_INSIDE_TASKS = "asyncio.tasks"

PATIENCE = 10.0
"""Seconds after the last request for which a busy task delays the batch."""

_CHECKS = 3
"""Consecutive turns of the event loop without a busy task, since a finished task resumes another one a turn later."""

_LONGEST_PAUSE = 0.05

_STRUCTURED_CAP = 4_096
"""Default output cap of a structured request."""

_COMPONENT_LENGTH = 36
"""Longest component in a custom id without a slug."""

_COLLECTOR: ContextVar["BatchSynthesisCollector | None"] = ContextVar("collector", default=None)


@dataclass(frozen=True, slots=True)
class _Pending:
    request: Request
    answer: "asyncio.Future[Body]"


class BatchSynthesisCollector:
    """Collects the requests of gathered tasks into batches and returns the answers to them.

    `poll_interval` and `patience` are seconds. A busy task delays the batch as long as other requests arrive, and for
    `patience` after the last. Request files are in a private folder inside `folder` (default: the system's temporary
    folder) while their batch is in flight.
    """

    def __init__(
        self,
        batches: Batches,
        *,
        poll_interval: float = 60.0,
        sleep: Sleep = asyncio.sleep,
        clock: Clock = utc_now,
        folder: Path | None = None,
        limits: Limits | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._transport = BatchTransport(batches, poll_interval, sleep, clock)
        self._folder = folder
        self._limits = limits or Limits()
        self._patience = patience
        self._asks: dict[CustomId, _Pending] = {}
        self._unsent: dict[CustomId, _Pending] = {}
        self._parked: dict[AnyTask, _Pending] = {}
        self._tasks: set[AnyTask] = set()
        self._watcher: AnyTask | None = None
        self._request_count = 0

    @property
    def usage(self) -> Usage:
        """Return the usage of all answers; that of an adopted batch was billed earlier."""
        return self._transport.usage

    @overload
    async def gather[T](
        self, *coroutines: Coroutine[Any, Any, T], return_exceptions: Literal[False] = False
    ) -> list[T]: ...

    @overload
    async def gather[T](
        self, *coroutines: Coroutine[Any, Any, T], return_exceptions: Literal[True]
    ) -> list[T | BaseException]: ...

    async def gather[T](
        self, *coroutines: Coroutine[Any, Any, T], return_exceptions: bool = False
    ) -> list[T] | list[T | BaseException]:
        """Run coroutines concurrently and return their results in order.

        All run to their end; then the first exception is raised, or with `return_exceptions` returned in its place.
        Cancelling this call cancels them all.
        """
        tasks = [asyncio.create_task(coroutine, context=self._marked()) for coroutine in coroutines]
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await self._join()
        if return_exceptions:
            return [_outcome(task) for task in tasks]
        return [task.result() for task in tasks]

    async def ask(self, request: SynthesisRequest[Any]) -> Mapping[str, Any]:
        """Return the body of the answer to a request, once a batch has answered it.

        Raises `AnswerError` for a failed request, `ServiceError` for a failed batch, and `ValueError` for an invalid id
        or one in use, or a request that exceeds the size of a file.
        """
        self._check(request)
        asked = _Pending(request, asyncio.get_running_loop().create_future())
        task = self._park(asked)
        try:
            return await asked.answer
        finally:
            self._leave(asked, task)

    def is_waiting(self, identity: CustomId) -> bool:
        """Whether a request with this id waits for its answer."""
        return identity in self._asks

    def _check(self, request: Request) -> None:
        """Refuse a request that would invalidate its whole file. Raises `ValueError`."""
        if parse_custom_id(request.custom_id) is None:
            raise ValueError(f"{request.custom_id!r} is not a custom id; create it with custom_id()")
        if request.custom_id in self._asks:
            raise ValueError(f"{request.custom_id} is already waiting for its answer")
        try:
            size = len(request.line)
        except TypeError as error:
            raise ValueError(f"{request.custom_id} cannot be encoded: {error}") from None
        if size > self._limits.bytes:
            raise ValueError(f"{request.custom_id} has {size:,} bytes, more than the limit of a file")

    # ── parked tasks ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _park(self, asked: _Pending) -> AnyTask:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("A request needs a running task.")
        identity = asked.request.custom_id
        self._asks[identity] = self._unsent[identity] = self._parked[task] = asked
        self._request_count += 1
        if self._watcher is None or self._watcher.done():
            self._watcher = self._spawn(self._watch())
        return task

    def _leave(self, asked: _Pending, task: AnyTask) -> None:
        identity = asked.request.custom_id
        del self._asks[identity], self._parked[task]
        self._unsent.pop(identity, None)
        if not self._asks:
            # No task is waiting. A batch in flight continues, and the same requests adopt it later.
            self._cancel_tasks()

    def _is_parked(self, task: AnyTask) -> bool:
        asked = self._parked.get(task)
        return asked is not None and not asked.answer.done()

    def _is_member(self, task: AnyTask) -> bool:
        return task.get_context().get(_COLLECTOR) is self

    def _marked(self) -> Context:
        context = copy_context()
        context.run(_COLLECTOR.set, self)
        return context

    # ── rounds ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _watch(self) -> None:
        """Send the collected requests whenever no further request can arrive."""
        while self._unsent:
            await self._quiescence()
            asks, self._unsent = self._unsent, {}
            if asks:
                self._spawn(self._round(asks))

    async def _quiescence(self) -> None:
        """Return when every member waits for an answer or for another member, or after `patience`."""
        loop = asyncio.get_running_loop()
        seen, busy, since, checks, pause = -1, None, loop.time(), 0, 0.0
        while checks < _CHECKS and loop.time() - since <= self._patience:
            await asyncio.sleep(pause)
            if seen != self._request_count:
                seen, since, checks, pause = self._request_count, loop.time(), 0, 0.0
                continue
            busy = _busy_task(self._is_member, self._is_parked, busy)
            checks = checks + 1 if busy is None else 0
            pause = 0.0 if busy is None else min(_LONGEST_PAUSE, 2 * pause + 0.001)

    async def _round(self, asks: Mapping[CustomId, _Pending]) -> None:
        try:
            with TemporaryDirectory(prefix="batch-synth-", dir=self._folder) as folder:
                files = write_files(Path(folder), (asked.request for asked in asks.values()), self._limits)
                await asyncio.gather(*(self._send(file, asks) for file in files))
        except Exception as error:  # such as a full disk: no task may be left waiting
            _fail(asks.values(), error)

    async def _send(self, file: RequestFile, asks: Mapping[CustomId, _Pending]) -> None:
        def deliver(request: Request, result: Body | Failure) -> None:
            answer = asks[request.custom_id].answer
            if not answer.done():
                _settle(answer, result)

        try:
            await self._transport.send(file, deliver)
        except Exception as error:  # does not affect the other files
            _fail((asks[request.custom_id] for request in file.requests), error)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> AnyTask:
        """Start a task of the collector, which is not a member."""
        context = copy_context()
        context.run(_COLLECTOR.set, None)
        task = asyncio.create_task(coroutine, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _cancel_tasks(self) -> None:
        """Cancel the collector's tasks; a later request starts a new watcher."""
        self._watcher = None
        for task in self._tasks:
            task.cancel()

    async def _join(self) -> None:
        """Wait for the collector's tasks, so that none outlives the members."""
        if not self._asks:
            self._cancel_tasks()
            await asyncio.gather(*self._tasks, return_exceptions=True)


def _outcome[T](task: "asyncio.Task[T]") -> T | BaseException:
    if task.cancelled():
        return asyncio.CancelledError()
    return task.exception() or task.result()


def _settle(answer: "asyncio.Future[Body]", result: Body | Failure) -> None:
    if isinstance(result, Failure):
        answer.set_exception(AnswerError(result.reason, result.detail))
    else:
        answer.set_result(result)


def _fail(asks: Iterable[_Pending], error: Exception) -> None:
    """Fail all waiting requests, each with its own exception: raising one object twice garbles its traceback."""
    for asked in asks:
        if not asked.answer.done():
            own = type(error)(*error.args) if isinstance(error, ServiceError) else error
            own.__cause__ = error.__cause__
            asked.answer.set_exception(own)


# ── which tasks are busy ────────────────────────────────────────────────────────────────────────────────────────────


def _busy_task(is_member: Predicate, is_parked: Predicate, last: AnyTask | None) -> AnyTask | None:
    """Return a member task that is neither parked nor waiting for other members only; None if there is none.

    `last` is the previous result; it is checked first, since it usually still holds.
    """
    if last is not None and not last.done() and _is_busy(last, is_member, is_parked):
        return last
    members = (task for task in asyncio.all_tasks() if is_member(task))
    return next((task for task in members if _is_busy(task, is_member, is_parked)), None)


def _is_busy(task: AnyTask, is_member: Predicate, is_parked: Predicate) -> bool:
    return not is_parked(task) and not _waits_for_members(task, is_member)


def _waits_for_members(task: AnyTask, is_member: Predicate) -> bool:
    # Both task classes of asyncio have this attribute; a task of another class counts as busy.
    future = getattr(task, "_fut_waiter", None)
    if future is None or future.done():
        return False
    if isinstance(future, asyncio.Task) or _gathered(future) is not None:
        return _is_by_members(future, is_member)
    return _all_by_members(_awaited_by_frame(task), is_member)


def _is_by_members(future: Any, is_member: Predicate) -> bool:
    """Whether only member tasks can complete a future."""
    if isinstance(future, asyncio.Task):
        return is_member(future)
    children = _gathered(future)
    return children is not None and _all_by_members(children, is_member)


def _gathered(future: Any) -> Collection[Any] | None:
    """Return the children of an `asyncio.gather` future; None for any other future."""
    children: Collection[Any] | None = getattr(future, "_children", None)
    return children


def _all_by_members(futures: Iterable[Any], is_member: Predicate) -> bool:
    live = [future for future in futures if not future.done()]
    return bool(live) and all(_is_by_members(future, is_member) for future in live)


def _awaited_by_frame(task: AnyTask) -> Collection[Any]:
    """Return the tasks that a task waits for in a task group or in `asyncio.wait`; none otherwise."""
    frame = _innermost_frame(task)
    if frame is None:
        return ()
    module, variables = frame.f_globals.get("__name__"), frame.f_locals
    if module == _INSIDE_TASK_GROUP:
        return frozenset(getattr(variables.get("self"), "_tasks", ()))
    if module == _INSIDE_TASKS and frame.f_code.co_name == "_wait":
        return frozenset(variables.get("fs", ()))
    return ()


def _innermost_frame(task: AnyTask) -> FrameType | None:
    """Return the innermost frame of a suspended task's chain of coroutines."""
    coroutine: Any = task.get_coro()
    frame: FrameType | None = None
    while (here := getattr(coroutine, "cr_frame", None)) is not None:
        frame, coroutine = here, coroutine.cr_await
    return frame


# ── the connector ──────────────────────────────────────────────────────────────────────────────────────────────────


class InterceptingConnector:
    """A connector whose requests are answered in a batch. `model_name` is the model of its requests."""

    def __init__(self, collector: BatchSynthesisCollector, model_name: str = DEFAULT_MODEL) -> None:
        self.collector = collector
        self.model_name = model_name

    async def complete[R: BaseModel](self, request: SynthesisRequest[R]) -> R:
        """Return the parsed answer to a request.

        Raises `AnswerError` for an answer that cannot be used, `ServiceError` for any other failure.
        """
        return request.parse(await self.collector.ask(request))

    async def _make_structured_request[T: BaseModel](
        self,
        prompt: str,
        response_model: type[T],
        task_name: str | None = None,
        system_prompt: str | None = None,
        **kwargs: Any,
    ) -> T:
        """Return the answer to a caller's prompt, parsed into a caller's model.

        The custom id is derived from the prompt and the model, so that the same call after a crash adopts its batch.
        `max_tokens` caps the answer, `task_name` or `component` names it; other keywords, such as a temperature, are
        specific to one model and are ignored. Raises as `complete` does.
        """
        component = _component_name(str(task_name or kwargs.get("component") or response_model.__name__))
        cap = int(kwargs.get("max_tokens") or _STRUCTURED_CAP)
        envelope = Envelope(component, response_model, self.model_name, system_prompt or "", cap)
        schema = orjson.dumps(envelope.response_format).decode()
        for number in count():  # equal prompts at the same time get distinct ids
            document = derived_id("structured", prompt, system_prompt, schema, number)
            identity = custom_id("", document, component)
            if not self.collector.is_waiting(identity):
                break
        return await self.complete(SynthesisRequest(identity, envelope, prompt))


def _component_name(name: str) -> str:
    """Return a name in the form of a component, as custom ids need it: snake case, letters only."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return "_".join(words).lower()[:_COMPONENT_LENGTH].strip("_") or "structured"
