"""Whom the pure work is handed to: processes of this machine, or a Dask cluster."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING, Any, cast

from floridify_batch.errors import UsageError, WorkersLost
from floridify_batch.pipeline.plan import Brief
from floridify_batch.run.settings import RunInfo
from floridify_batch.run.worker import OwnHands, Pool, Workshop

if TYPE_CHECKING:
    from distributed import Client

_CONNECTING = 10
"""Seconds in which a cluster's scheduler must answer."""


@contextmanager
def opened_workshop(info: RunInfo, brief: Brief) -> Iterator[Workshop]:
    """Whoever is to do a run's pure work. Raises `UsageError` or `WorkersLost` where they are not to be had."""
    settings = info.settings
    workshop: Workshop = OwnHands(brief)
    if settings.cluster:
        workshop = Pool(info, Cluster(settings.cluster))
    elif settings.workers > 1:
        workshop = Pool(info, Processes(settings.workers))
    try:
        yield workshop
    finally:
        workshop.close()


@dataclass(frozen=True)
class Processes:
    """Processes of this machine. They are started afresh, since a copy of a process with threads may hang."""

    workers: int
    broken: tuple[type[Exception], ...] = (BrokenProcessPool,)

    def hire(self) -> Executor:
        """New processes; each comes with its first piece of work."""
        return _Hiring(self.workers, mp_context=get_context("spawn"), initializer=_settle_in)

    def dismiss(self, executor: Executor) -> None:
        """Let them end what they have in hand, for nobody."""
        executor.shutdown(wait=False, cancel_futures=True)


class _Hiring(ProcessPoolExecutor):
    """An executor whose processes, begun by `submit`, do not hear of a Ctrl-C before they can leave it to the driver.

    They inherit who holds it back. The driver's own comes late by a moment, and is not lost.
    """

    def submit[**P, R](self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Hand out a piece of work."""
        with _interrupts_held_back():
            return super().submit(fn, *args, **kwargs)


if sys.platform == "win32":  # no process inherits there what another one holds back

    @contextmanager
    def _interrupts_held_back() -> Iterator[None]:
        yield

    def _hear_of_interrupts() -> None: ...

else:

    @contextmanager
    def _interrupts_held_back() -> Iterator[None]:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _hear_of_interrupts() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _settle_in() -> None:
    """Leave Ctrl-C to the driver, and do not outlive it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _hear_of_interrupts()
    threading.Thread(target=_die_with_the_driver, daemon=True).start()


def _die_with_the_driver() -> None:
    driver = parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)


class Cluster:
    """The workers of a Dask scheduler. They share our code with us, and the run's folder under the path that it has."""

    def __init__(self, address: str, seconds: float = _CONNECTING) -> None:
        try:
            from distributed import KilledWorker
            from distributed.comm.core import CommClosedError
        except ImportError:
            raise UsageError(
                '--cluster needs the package distributed: install batch-synth with its extra "cluster".'
            ) from None
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what there is to say of it, we say
        self.broken: tuple[type[Exception], ...] = (KilledWorker, CommClosedError)
        self.workers = 1
        self._address, self._seconds = address, seconds
        self._client: Client | None = None

    def hire(self) -> Executor:
        """The workers that are there now."""
        from distributed import Client

        try:
            self._client = client = cast("Any", Client)(
                self._address, timeout=self._seconds, set_as_default=False, asynchronous=False
            )
            self.workers = max(1, sum(client.nthreads().values()))
        except (OSError, ValueError) as error:
            raise WorkersLost(f"No Dask scheduler answers at --cluster {self._address}: {error}.") from None
        executor: Executor = client.get_executor(pure=False)
        return executor

    def dismiss(self, executor: Executor) -> None:
        """Take back what they have in hand, and hang up."""
        executor.shutdown(wait=False)
        if self._client is not None:
            cast("Any", self._client).close(timeout=self._seconds)
