"""Who does the pure work of a run: this process, a pool of processes, or a cluster.

All are asked in the same way, and answer in the order in which they were asked; the driver, alone, owns the ledger, the
network and the database. A pool is any `concurrent.futures.Executor`: a worker process that dies costs what it had in
hand, which is done again.
"""

import asyncio
import json
import os
import signal
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context, parent_process
from typing import Any, Protocol

from floridify_batch.briefing import new_brief
from floridify_batch.errors import WorkersLost
from floridify_batch.ledger import RunInfo, RunSettings
from floridify_batch.planning import Brief

type Station[T, R] = Callable[[Brief, T], R]

AHEAD = 2
"""Pieces of work per worker that are handed out before the first of them is fetched, so that none of them waits."""

MAX_POOLS = 5
"""Pools that are made one after the other, where workers die, before the run stops."""


class Workshop(Protocol):
    """Whoever does the pure work. `ahead`: how many pieces may be in work beside the one that is waited for."""

    ahead: int

    def begin[T, R](self, station: Station[T, R], piece: T) -> asyncio.Future[R]:
        """Hand out a piece of work; what is awaited is its result."""

    def close(self) -> None:
        """Let go of whoever works; what was not fetched is forgotten."""


class OwnHands:
    """This process: each piece is done when it is handed out."""

    ahead = 0

    def __init__(self, brief: Brief) -> None:
        self._brief = brief

    def begin[T, R](self, station: Station[T, R], piece: T) -> asyncio.Future[R]:
        """Do it now."""
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        done.set_result(station(self._brief, piece))
        return done

    def close(self) -> None:
        """There is nobody to let go."""


class Pool:
    """An executor's workers, of whom there are `workers`; `new_executor` is asked again when one has broken down."""

    def __init__(self, info: RunInfo, workers: int, new_executor: Callable[[], Executor]) -> None:
        self.ahead = AHEAD * workers
        self._order = json.dumps([info.id, info.template_digest, info.settings.model_dump(mode="json")])
        self._new_executor = new_executor
        self._executor = new_executor()
        self._made = 1

    def begin[T, R](self, station: Station[T, R], piece: T) -> asyncio.Future[R]:
        """Hand it to a worker; to another one, should that die."""
        return asyncio.ensure_future(self._done(station, piece, *self._submit(station, piece)))

    async def _done[T, R](self, station: Station[T, R], piece: T, future: Future[R], executor: Executor) -> R:
        while True:
            try:
                return await asyncio.wrap_future(future)
            except BrokenProcessPool:
                if executor is self._executor:
                    self._replace()
                future, executor = self._submit(station, piece)

    def _submit[T, R](self, station: Station[T, R], piece: T) -> tuple[Future[R], Executor]:
        try:
            return self._executor.submit(_work, self._order, station, piece), self._executor
        except BrokenProcessPool:
            self._replace()
            return self._executor.submit(_work, self._order, station, piece), self._executor

    def _replace(self) -> None:
        if self._made == MAX_POOLS:
            raise WorkersLost
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = self._new_executor()
        self._made += 1

    def close(self) -> None:
        """Let the workers go."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def process_pool(workers: int) -> Executor:
    """Processes of this machine. They are started afresh, since a copy of a process with threads may hang."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_settle_in)


async def in_order[T, R](
    workshop: Workshop, station: Station[T, R], pieces: AsyncIterable[T]
) -> AsyncGenerator[tuple[T, R]]:
    """Each piece with its result, in the order of the pieces, of which only a few are in memory."""
    begun: deque[tuple[T, asyncio.Future[R]]] = deque()
    try:
        async for piece in pieces:
            begun.append((piece, workshop.begin(station, piece)))
            if len(begun) > workshop.ahead:
                first, result = begun.popleft()
                yield first, await result
        while begun:
            first, result = begun.popleft()
            yield first, await result
    finally:
        for _, result in begun:
            forget(result)


def forget(doing: asyncio.Future[Any]) -> None:
    """Give up a piece of work whose result nobody wants any more, and what went wrong with it."""
    if not doing.cancel() and not doing.cancelled():
        doing.exception()


# ── in a worker ────────────────────────────────────────────────────────────────────────────────────────────────────


def _work[T, R](order: str, station: Station[T, R], piece: T) -> R:
    return station(_brief(order), piece)


@cache
def _brief(order: str) -> Brief:
    """The run's brief, made once per worker from what the checkpoint says of the run."""
    run, digest, settings = json.loads(order)
    brief = new_brief(RunSettings.model_validate(settings), run)
    if brief.template_digest != digest:
        raise WorkersLost("The workers have other templates than this command; give them the same version and folder.")
    return brief


def _settle_in() -> None:
    """Leave Ctrl-C to the driver, and do not outlive it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_the_driver, daemon=True).start()


def _die_with_the_driver() -> None:
    driver = parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)
