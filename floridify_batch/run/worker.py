"""Who does the pure work of a run: this process, a pool of processes, or a cluster.

All are asked in the same way, and answer in the order in which they were asked; the driver, alone, owns the ledger, the
network and the database. A pool is any `concurrent.futures.Executor`: a worker process that dies costs what it had in
hand, which is done again.
"""

import asyncio
import gc
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from concurrent.futures import Executor, Future
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import orjson

from floridify_batch.errors import WorkersLost
from floridify_batch.pipeline.plan import Brief
from floridify_batch.run.brief import new_brief
from floridify_batch.run.settings import RunInfo, RunSettings

type Station[T, R] = Callable[[Brief, T], R]

type _Handed[R] = tuple[Executor, Future[R] | None]
"""Whom a piece of work was given to, and what will come of it; None where they were gone already."""

AHEAD = 2
"""Pieces of work per worker that are handed out before the first of them is fetched, so that none of them waits."""

MAX_CREWS = 5
"""Executors that are hired one after the other, where workers die, before the run stops."""


_ELSEWHERE = (
    "A worker cannot reach {}: workers need the run's folder under the same path as this command, and may read and "
    "write there. Where they are on other machines, keep the checkpoint in a folder that all share."
)


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


class Crew(Protocol):
    """Executors, one after the other: whoever works together until something breaks."""

    @property
    def workers(self) -> int:
        """How many pieces of work they do at the same time."""

    @property
    def broken(self) -> tuple[type[Exception], ...]:
        """What is raised by work whose worker, or whose connection to it, has gone."""

    def hire(self) -> Executor:
        """A new executor. Raises `WorkersLost` where there is none to be had."""

    def dismiss(self, executor: Executor) -> None:
        """Let an executor go, and what it has in hand."""


class Pool:
    """The workers of a crew. What a worker had in hand that died is done again by others."""

    def __init__(self, info: RunInfo, crew: Crew) -> None:
        self._order = orjson.dumps([info.id, info.template_digest, info.settings.model_dump(mode="json")]).decode()
        self._crew = crew
        self._executor = crew.hire()
        self._hired = 1
        self._gone: tuple[type[Exception], ...] = (_Dropped, *crew.broken)
        self.ahead = AHEAD * crew.workers

    def begin[T, R](self, station: Station[T, R], piece: T) -> asyncio.Future[R]:
        """Hand it to a worker; to another one, should that die."""
        # Handed out here and not in the task, which may have to wait for its turn while workers have nothing to do.
        return asyncio.ensure_future(self._done(station, piece, self._handed(station, piece)))

    def _handed[T, R](self, station: Station[T, R], piece: T) -> _Handed[R]:
        executor = self._executor
        try:
            return executor, executor.submit(_work, self._order, station, piece)
        except self._gone:
            return executor, None

    async def _done[T, R](self, station: Station[T, R], piece: T, handed: _Handed[R]) -> R:
        while True:
            executor, future = handed
            try:
                if future is not None:
                    return await self._result(future)
            except self._gone:
                pass
            except (FileNotFoundError, PermissionError) as error:
                raise WorkersLost(_ELSEWHERE.format(Path(error.filename).parent)) from None
            if executor is self._executor:  # others who had work in the same hands may have been here first
                self._replace()
            handed = self._handed(station, piece)

    async def _result[R](self, future: Future[R]) -> R:
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise _Dropped from None  # nobody here gave it up: the workers did

    def _replace(self) -> None:
        if self._hired == MAX_CREWS:
            raise WorkersLost
        self._crew.dismiss(self._executor)
        self._executor = self._crew.hire()
        self._hired += 1

    def close(self) -> None:
        """Let the workers go."""
        self._crew.dismiss(self._executor)


class _Dropped(Exception):
    """The workers gave up a piece of work."""


async def in_order[T, R](workshop: Workshop, station: Station[T, R], pieces: AsyncIterable[T]) -> AsyncGenerator[R]:
    """The result of each piece, in the order of the pieces, of which only a few are in memory."""
    begun: deque[asyncio.Future[R]] = deque()
    try:
        async for piece in pieces:
            begun.append(workshop.begin(station, piece))
            if len(begun) > workshop.ahead:
                yield await begun.popleft()
        while begun:
            yield await begun.popleft()
    finally:
        for result in begun:
            forget(result)


def spare_the_collector() -> None:
    """Make the garbage collector look less often, and never again at what is loaded by now.

    Answers and changes come by the ten thousand and hold no cycles; at its usual pace the collector takes a quarter
    of our time to find nothing.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


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
    run, digest, settings = orjson.loads(order)
    brief = new_brief(RunSettings.model_validate(settings), run)
    if brief.template_digest != digest:
        raise WorkersLost(
            "The workers have other templates than this command: give them the same version of batch-synth, and the "
            "same folder of templates under the same path."
        )
    spare_the_collector()
    return brief
