"""Worker pools for the pure work of a run: this process, local processes, or a Dask cluster.

The driver alone owns the ledger, the network and the database; workers run pure functions of a brief and a work item.
A pool uses any `concurrent.futures.Executor`. When a worker dies, its items run again on a new executor.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import orjson

from floridify_batch.errors import UsageError, WorkersLost
from floridify_batch.pipeline.brief import Brief
from floridify_batch.run.run_settings import RunInfo, RunSettings, brief_of

if TYPE_CHECKING:
    from distributed import Client

type WorkFunction[T, R] = Callable[[Brief, T], R]

type _Submitted[R] = tuple[Executor, Future[R] | None]
"""An executor and the future of an item submitted to it; None where the executor was broken already."""

PREFETCH = 2
"""Items per worker that are submitted ahead of the first result, so that no worker is idle."""

MAX_EXECUTORS = 5
"""Executors started one after the other, while workers die, before the run stops."""


_ELSEWHERE = (
    "A worker cannot access {}. Workers need read and write access to the run's folder under the same path as this "
    "command. If they run on other machines, keep the checkpoint in a shared folder."
)


class WorkerPool(Protocol):
    """Runs pure functions. `ahead`: how many items may be submitted beyond the one whose result is awaited."""

    ahead: int

    def begin[T, R](self, function: WorkFunction[T, R], item: T) -> asyncio.Future[R]:
        """Submit an item; the future holds its result."""

    def close(self) -> None:
        """Stop the workers and drop unfinished items."""


class InProcess:
    """A worker pool without workers: each item runs in this process when it is submitted."""

    ahead = 0

    def __init__(self, brief: Brief) -> None:
        self._brief = brief

    def begin[T, R](self, function: WorkFunction[T, R], item: T) -> asyncio.Future[R]:
        """Run the function immediately."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        future.set_result(function(self._brief, item))
        return future

    def close(self) -> None:
        """Do nothing: there are no workers."""


class ExecutorSource(Protocol):
    """Starts executors, one at a time: a new one each time that the current one breaks."""

    @property
    def workers(self) -> int:
        """The number of items that run at the same time."""

    @property
    def broken(self) -> tuple[type[Exception], ...]:
        """The exceptions of an item whose worker died or cannot be reached."""

    def start(self) -> Executor:
        """Start an executor. Raises `WorkersLost` if none can be started."""

    def stop(self, executor: Executor) -> None:
        """Stop an executor and drop its items."""


class ExecutorPool:
    """A worker pool on executors. Items of a worker that died run again on the next executor."""

    def __init__(self, info: RunInfo, source: ExecutorSource) -> None:
        self._payload = orjson.dumps([info.id, info.template_digest, info.settings.model_dump(mode="json")]).decode()
        self._source = source
        self._executor = source.start()
        self._started = 1
        self._gone: tuple[type[Exception], ...] = (_Dropped, *source.broken)
        self.ahead = PREFETCH * source.workers

    def begin[T, R](self, function: WorkFunction[T, R], item: T) -> asyncio.Future[R]:
        """Submit an item to a worker; if that dies, to another one."""
        # Submitted here and not in the task, which may have to wait for its turn while workers are idle.
        return asyncio.ensure_future(self._completed(function, item, self._submit(function, item)))

    def _submit[T, R](self, function: WorkFunction[T, R], item: T) -> _Submitted[R]:
        executor = self._executor
        try:
            return executor, executor.submit(_work, self._payload, function, item)
        except self._gone:
            return executor, None

    async def _completed[T, R](self, function: WorkFunction[T, R], item: T, submitted: _Submitted[R]) -> R:
        while True:
            executor, future = submitted
            try:
                if future is not None:
                    return await self._result(future)
            except self._gone:
                pass
            except (FileNotFoundError, PermissionError) as error:
                raise WorkersLost(_ELSEWHERE.format(Path(error.filename).parent)) from None
            if executor is self._executor:  # another item of the same executor may have replaced it already
                self._replace()
            submitted = self._submit(function, item)

    async def _result[R](self, future: Future[R]) -> R:
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise _Dropped from None  # the workers cancelled it, not this process

    def _replace(self) -> None:
        if self._started == MAX_EXECUTORS:
            raise WorkersLost
        self._source.stop(self._executor)
        self._executor = self._source.start()
        self._started += 1

    def close(self) -> None:
        """Stop the workers."""
        self._source.stop(self._executor)


class _Dropped(Exception):
    """The executor cancelled an item."""


async def map_in_order[T, R](
    pool: WorkerPool, function: WorkFunction[T, R], items: AsyncIterable[T]
) -> AsyncGenerator[R]:
    """Map a function over items and yield the results in order, with only a few items in memory."""
    begun: deque[asyncio.Future[R]] = deque()
    try:
        async for item in items:
            begun.append(pool.begin(function, item))
            if len(begun) > pool.ahead:
                yield await begun.popleft()
        while begun:
            yield await begun.popleft()
    finally:
        for result in begun:
            abandon(result)


def tune_garbage_collection() -> None:
    """Run garbage collection less often, and exempt everything loaded so far.

    Answers and changes come by the ten thousand and hold no cycles; with the default thresholds, collections take a
    quarter of the CPU time and free nothing.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def abandon(future: asyncio.Future[Any]) -> None:
    """Cancel an item whose result is no longer needed, and mark its exception as retrieved."""
    if not future.cancel() and not future.cancelled():
        future.exception()


# ── executors ──────────────────────────────────────────────────────────────────────────────────────────────────────

_CONNECT_TIMEOUT = 10
"""Timeout in seconds for connecting to a cluster's scheduler."""


@contextmanager
def opened_worker_pool(info: RunInfo, brief: Brief) -> Iterator[WorkerPool]:
    """Open the worker pool that a run's settings name. Raises `UsageError` or `WorkersLost`."""
    settings = info.settings
    pool: WorkerPool = InProcess(brief)
    if settings.cluster:
        pool = ExecutorPool(info, DaskCluster(settings.cluster))
    elif settings.workers > 1:
        pool = ExecutorPool(info, LocalProcesses(settings.workers))
    try:
        yield pool
    finally:
        pool.close()


@dataclass(frozen=True)
class LocalProcesses:
    """Local worker processes. They are spawned, since a fork of a process with threads may deadlock."""

    workers: int
    broken: tuple[type[Exception], ...] = (BrokenProcessPool,)

    def start(self) -> Executor:
        """Start a process pool; its processes are spawned with the first items."""
        return _SignalSafeExecutor(self.workers, mp_context=get_context("spawn"), initializer=_initialise)

    def stop(self, executor: Executor) -> None:
        """Cancel pending items and let the processes exit after their present ones."""
        executor.shutdown(wait=False, cancel_futures=True)


class _SignalSafeExecutor(ProcessPoolExecutor):
    """A process pool whose processes block SIGINT until they ignore it.

    A spawned process inherits the signal mask of the thread that calls `submit`. In the driver's process a Ctrl-C is
    delivered as soon as the mask is restored.
    """

    def submit[**P, R](self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Submit a call, with SIGINT blocked while processes are spawned."""
        with _sigint_blocked():
            return super().submit(fn, *args, **kwargs)


if sys.platform == "win32":  # processes inherit no signal mask there

    @contextmanager
    def _sigint_blocked() -> Iterator[None]:
        yield

    def _unblock_sigint() -> None: ...

else:

    @contextmanager
    def _sigint_blocked() -> Iterator[None]:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _unblock_sigint() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _initialise() -> None:
    """Initialise a worker process: it ignores Ctrl-C and exits when the driver's process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _unblock_sigint()
    threading.Thread(target=_exit_with_driver, daemon=True).start()


def _exit_with_driver() -> None:
    driver = parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)


class DaskCluster:
    """The workers of a Dask scheduler. They need the same code and the run's folder under the same path."""

    def __init__(self, address: str, seconds: float = _CONNECT_TIMEOUT) -> None:
        try:
            from distributed import KilledWorker
            from distributed.comm.core import CommClosedError
        except ImportError:
            raise UsageError(
                '--cluster needs the package distributed: install batch-synth with its extra "cluster".'
            ) from None
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # its failures are reported in our own messages
        self.broken: tuple[type[Exception], ...] = (KilledWorker, CommClosedError)
        self.workers = 1
        self._address, self._seconds = address, seconds
        self._client: Client | None = None

    def start(self) -> Executor:
        """Connect to the scheduler and use the workers that it has now."""
        from distributed import Client

        try:
            self._client = client = cast("Any", Client)(
                self._address, timeout=self._seconds, set_as_default=False, asynchronous=False
            )
            self.workers = max(1, sum(client.nthreads().values()))
        except (OSError, ValueError) as error:
            raise WorkersLost(f"No Dask scheduler responds at --cluster {self._address}: {error}.") from None
        executor: Executor = client.get_executor(pure=False)
        return executor

    def stop(self, executor: Executor) -> None:
        """Cancel pending items and disconnect."""
        executor.shutdown(wait=False)
        if self._client is not None:
            cast("Any", self._client).close(timeout=self._seconds)


# ── in a worker ────────────────────────────────────────────────────────────────────────────────────────────────────


def _work[T, R](payload: str, function: WorkFunction[T, R], item: T) -> R:
    return function(_brief(payload), item)


@cache
def _brief(payload: str) -> Brief:
    """Build the run's brief from its settings, once per worker."""
    run, digest, settings = orjson.loads(payload)
    brief = brief_of(RunSettings.model_validate(settings), run)
    if brief.template_digest != digest:
        raise WorkersLost(
            "The workers' templates differ from those of this command. Install the same version of batch-synth on "
            "all machines, with the same folder of templates under the same path."
        )
    tune_garbage_collection()
    return brief
