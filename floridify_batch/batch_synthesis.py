"""Functions that await their answers, answered by batches: the same functions, the same types.

Whoever asks is parked on a future. When everyone who was gathered is parked, or waits for someone who is, nothing more
can be asked until something is answered: then all that was asked goes out as one batch. The answers set the askers
free, they may ask again, and that is the next round. So no function learns the mode, and nothing has to be submitted
by hand; only, a semaphore in a function would let no more ask at once than it lets through, and make that a batch.

Who is meant by "everyone" is a matter of context: `gather` marks the context of the tasks it spawns, and a task that
these spawn by whatever means inherits the mark. An asker without it counts while it waits for its answer.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, overload

from pydantic import BaseModel

from floridify_batch.carrier import Body, Carrier, Request, RequestFile, write_files
from floridify_batch.components.failure import Failure
from floridify_batch.components.request import AnswerError, CustomId, SynthesisRequest, parse_custom_id
from floridify_batch.costs.usage import Usage
from floridify_batch.errors import ServiceError
from floridify_batch.pipeline.chunk import Limits
from floridify_batch.providers.interface import DEFAULT_MODEL, Batches
from floridify_batch.quiescence import AnyTask, busy_task
from floridify_batch.timing import Clock, Sleep, utc_now

PATIENCE = 10.0
"""Seconds after the last ask for which a task that waits for something else holds up those who wait for answers."""

_LOOKS = 3
"""Turns of the event loop in a row in which nobody may be busy: a task that is done wakes another a turn later."""

_LONGEST_PAUSE = 0.05

_GATHERED_BY: ContextVar["BatchSynthesisCollector | None"] = ContextVar("gathered_by", default=None)


@dataclass(frozen=True, slots=True)
class _Ask:
    request: Request
    answer: "asyncio.Future[Body]"


class BatchSynthesisCollector:
    """Collects what gathered tasks ask into batches, and hands the answers back.

    `poll_interval` and `patience` are seconds. A task that waits for a timer, a socket or a queue is waited for as long
    as others ask, and for `patience` after; then what was asked goes out without it. Files lie in a private folder
    inside `folder` (default: the system's folder for temporary files) while their batch is under way, and are deleted.
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
        self._carrier = Carrier(batches, poll_interval, sleep, clock)
        self._folder = folder
        self._limits = limits or Limits()
        self._patience = patience
        self._asks: dict[CustomId, _Ask] = {}
        self._unsent: dict[CustomId, _Ask] = {}
        self._parked: dict[AnyTask, _Ask] = {}
        self._working: set[AnyTask] = set()
        self._watcher: AnyTask | None = None
        self._asked = 0

    @property
    def usage(self) -> Usage:
        """The tokens that all collected answers were billed for; an adopted batch's were billed before."""
        return self._carrier.usage

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
        """Run coroutines together and return what they return, in their order.

        Each runs to its end, whatever becomes of the others; only then is the first exception raised, unless
        `return_exceptions` puts exceptions in their places in the list. Cancelling this cancels them all.
        """
        tasks = [asyncio.create_task(coroutine, context=self._marked()) for coroutine in coroutines]
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await self._rest()
        if return_exceptions:
            return [_outcome(task) for task in tasks]
        return [task.result() for task in tasks]

    async def ask(self, request: SynthesisRequest[Any]) -> Mapping[str, Any]:
        """The body of the answer to a request, once a batch has brought it.

        Raises `AnswerError` where there is none, `ServiceError` where the batch could not be carried, and `ValueError`
        for an id that is none of ours or waits for its answer already, or a request that no file can hold.
        """
        self._check(request)
        asked = _Ask(request, asyncio.get_running_loop().create_future())
        task = self._park(asked)
        try:
            return await asked.answer
        finally:
            self._leave(asked, task)

    def _check(self, request: Request) -> None:
        """Refuse now, to its asker alone, what would spoil a whole file later."""
        if parse_custom_id(request.custom_id) is None:
            raise ValueError(f"{request.custom_id!r} is no custom id; make one with requests.custom_id")
        if request.custom_id in self._asks:
            raise ValueError(f"{request.custom_id} is asked already and waits for its answer")
        try:
            size = len(request.line)
        except TypeError as error:
            raise ValueError(f"{request.custom_id} cannot be written down: {error}") from None
        if size > self._limits.bytes:
            raise ValueError(f"{request.custom_id} has {size:,} bytes, more than a file may have")

    # ── who waits ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _park(self, asked: _Ask) -> AnyTask:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can wait for an answer")
        identity = asked.request.custom_id
        self._asks[identity] = self._unsent[identity] = self._parked[task] = asked
        self._asked += 1
        if self._watcher is None or self._watcher.done():
            self._watcher = self._set_to_work(self._watch())
        return task

    def _leave(self, asked: _Ask, task: AnyTask) -> None:
        identity = asked.request.custom_id
        del self._asks[identity], self._parked[task]
        self._unsent.pop(identity, None)
        if not self._asks:
            # Nobody is left to be told. A batch that is under way goes on, and is found by whoever asks the same.
            self._call_off()

    def _is_parked(self, task: AnyTask) -> bool:
        asked = self._parked.get(task)
        return asked is not None and not asked.answer.done()

    def _belongs(self, task: AnyTask) -> bool:
        return task.get_context().get(_GATHERED_BY) is self

    def _marked(self) -> Context:
        context = copy_context()
        context.run(_GATHERED_BY.set, self)
        return context

    # ── rounds ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _watch(self) -> None:
        """Send what was asked, each time that nobody can ask more."""
        while self._unsent:
            await self._stillness()
            asks, self._unsent = self._unsent, {}
            if asks:
                self._set_to_work(self._round(asks))

    async def _stillness(self) -> None:
        """Return when every member waits for an answer or for another member, or patience has come to its end."""
        loop = asyncio.get_running_loop()
        asked, busy, since, looks, pause = -1, None, loop.time(), 0, 0.0
        while looks < _LOOKS and loop.time() - since <= self._patience:
            await asyncio.sleep(pause)
            if asked != self._asked:
                asked, since, looks, pause = self._asked, loop.time(), 0, 0.0
                continue
            busy = busy_task(self._belongs, self._is_parked, busy)
            looks = looks + 1 if busy is None else 0
            pause = 0.0 if busy is None else min(_LONGEST_PAUSE, 2 * pause + 0.001)

    async def _round(self, asks: Mapping[CustomId, _Ask]) -> None:
        try:
            with TemporaryDirectory(prefix="batch-synth-", dir=self._folder) as folder:
                files = write_files(Path(folder), (asked.request for asked in asks.values()), self._limits)
                await asyncio.gather(*(self._carry(file, asks) for file in files))
        except Exception as error:  # whatever it is (a full disk), nobody may be left waiting
            _fail(asks.values(), error)

    async def _carry(self, file: RequestFile, asks: Mapping[CustomId, _Ask]) -> None:
        def deliver(request: Request, result: Body | Failure) -> None:
            answer = asks[request.custom_id].answer
            if not answer.done():
                _settle(answer, result)

        try:
            await self._carrier.carry(file, deliver)
        except Exception as error:  # one file's error is not another's
            _fail((asks[request.custom_id] for request in file.requests), error)

    def _set_to_work(self, coroutine: Coroutine[Any, Any, None]) -> AnyTask:
        """Begin a task of our own, which is nobody's member."""
        context = copy_context()
        context.run(_GATHERED_BY.set, None)
        task = asyncio.create_task(coroutine, context=context)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return task

    def _call_off(self) -> None:
        """Cancel what works for nobody. Whoever asks from now on gets a watcher of their own."""
        self._watcher = None
        for task in self._working:
            task.cancel()

    async def _rest(self) -> None:
        """See our own tasks to their end, so that none outlives those it worked for."""
        if not self._asks:
            self._call_off()
            await asyncio.gather(*self._working, return_exceptions=True)


def _outcome[T](task: "asyncio.Task[T]") -> T | BaseException:
    if task.cancelled():
        return asyncio.CancelledError()
    return task.exception() or task.result()


def _settle(answer: "asyncio.Future[Body]", result: Body | Failure) -> None:
    if isinstance(result, Failure):
        answer.set_exception(AnswerError(result.reason, result.detail))
    else:
        answer.set_result(result)


def _fail(asks: Iterable[_Ask], error: Exception) -> None:
    """Tell everyone who still waits. Each gets an error of its own: raising one object twice garbles its traceback."""
    for asked in asks:
        if not asked.answer.done():
            own = type(error)(*error.args) if isinstance(error, ServiceError) else error
            own.__cause__ = error.__cause__
            asked.answer.set_exception(own)


class InterceptingConnector:
    """A connector whose requests wait for a batch. `model_name` is the model that functions ask for."""

    def __init__(self, collector: BatchSynthesisCollector, model_name: str = DEFAULT_MODEL) -> None:
        self.collector = collector
        self.model_name = model_name

    async def complete[R: BaseModel](self, request: SynthesisRequest[R]) -> R:
        """The answer to a request. Raises `AnswerError` where there is no usable one, `ServiceError` otherwise."""
        return request.parse(await self.collector.ask(request))
