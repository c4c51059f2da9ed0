"""Worker pools: local processes, and a Dask cluster with its own scheduler and workers."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from floridify_batch.errors import WorkersLost
from floridify_batch.pipeline.brief import Brief
from floridify_batch.pipeline.plan import PageToPlan, plan_words
from floridify_batch.run.run_settings import RunInfo, RunSettings, brief_of
from floridify_batch.run.worker import (
    MAX_EXECUTORS,
    PREFETCH,
    DaskCluster,
    ExecutorPool,
    LocalProcesses,
    map_in_order,
    opened_worker_pool,
)
from scripts.soaks.figures import picture
from tests.acceptance.command import until
from tests.workspace import Workspace

PATIENCE = 60.0
WORDS = [f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]


def info(settings: RunSettings) -> RunInfo:
    digest = brief_of(settings, "run").template_digest
    return RunInfo(id="run", settings=settings, words=0, list_digest="", template_digest=digest)


# What workers do here: each is imported by them, as the stations are.


def doubled(_: Brief, number: int) -> int:
    return 2 * number


def doubled_by_survivors(_: Brief, piece: tuple[int, str]) -> int:
    """Leave a mark and crash, if there is no mark yet."""
    number, mark = piece
    if number == 3 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def marked(folder: Path) -> bool:
    """Whether a worker has died as requested."""
    return (folder / "died").exists()


def lost(_: Brief, __: int) -> int:
    """Fail as an item does whose process died."""
    raise BrokenProcessPool


class Threads:
    """Starts executors of one thread, and counts them."""

    workers = 1
    broken = (BrokenProcessPool,)

    def __init__(self) -> None:
        self.started = 0

    def start(self) -> Executor:
        """Start one."""
        self.started += 1
        return ThreadPoolExecutor(1)

    def stop(self, executor: Executor) -> None:
        """Stop one."""
        executor.shutdown()


# ── processes ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def all_of[T](pool: ExecutorPool, stage: Callable[[Brief, T], int], pieces: list[T]) -> list[int]:
    async def given() -> Any:
        for piece in pieces:
            yield piece

    return [result async for result in map_in_order(pool, stage, given())]


async def test_processes_work_in_order(workspace: Workspace, tmp_path: Path) -> None:
    """Results are in the order of the items, and the crash of a worker changes none."""
    pool = ExecutorPool(info(workspace.settings(["bank"])), LocalProcesses(2))
    pieces = [(each, str(tmp_path / "died")) for each in range(20)]
    try:
        assert await all_of(pool, doubled, list(range(20))) == list(range(0, 40, 2))
        assert await all_of(pool, doubled_by_survivors, pieces) == list(range(0, 40, 2))
        assert pool.ahead == 2 * PREFETCH
    finally:
        pool.close()
    assert marked(tmp_path)


async def test_workers_that_always_die(workspace: Workspace) -> None:
    """If one worker after another dies, the run stops with an error that names a remedy."""
    threads = Threads()
    pool = ExecutorPool(info(workspace.settings(["bank"])), threads)
    try:
        with pytest.raises(WorkersLost, match="fewer --workers"):
            await pool.begin(lost, 0)
        assert threads.started == MAX_EXECUTORS < 10
    finally:
        pool.close()


async def test_other_templates(workspace: Workspace) -> None:
    """Workers with other templates than the driver are refused before any request."""
    ours = info(workspace.settings(["bank"]))
    pool = ExecutorPool(ours.model_copy(update={"template_digest": "another"}), LocalProcesses(1))
    try:
        with pytest.raises(WorkersLost, match="templates differ"):
            await pool.begin(doubled, 1)
    finally:
        pool.close()


async def test_another_place(workspace: Workspace, tmp_path: Path) -> None:
    """Workers without access to the run's folder are distinguished from workers that die."""
    pool = ExecutorPool(info(workspace.settings(["bank"])), LocalProcesses(1))
    try:
        with pytest.raises(WorkersLost, match=f"cannot access {tmp_path / 'elsewhere'}. .* shared folder"):
            await pool.begin(plan_words, PageToPlan([], str(tmp_path / "elsewhere")))
    finally:
        pool.close()


async def test_a_run_with_workers(workspace: Workspace) -> None:
    """A run with two worker processes stores the same documents as one without."""
    alone = await workspace.run(WORDS, batch_size=10)
    other = workspace.beside("pool")
    pooled = await other.run(WORDS, name="pooled", batch_size=10, workers=2)
    assert (alone.code, pooled.code) == (0, 0)
    assert pooled.ledger.totals().answered == alone.ledger.totals().answered > 0
    assert picture(other.database) == picture(workspace.database)


# ── a cluster ──────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def process(*arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of Dask, stopped at the end of the test at the latest."""
    command = [sys.executable, "-m", "dask", *arguments]
    root = str(Path(__file__).parents[2])
    env = os.environ | {"PYTHONPATH": root}
    with subprocess.Popen(command, cwd=root, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as started:
        try:
            yield started
        finally:
            started.kill()


@contextmanager
def cluster(folder: Path, port: int, workers: int) -> Iterator[tuple[str, list["subprocess.Popen[bytes]"]]]:
    """A scheduler and workers on loopback: its address, and the workers' processes."""
    address = f"tcp://127.0.0.1:{port}"
    place = ("--local-directory", str(folder), "--host", "127.0.0.1", "--no-dashboard", "--no-nanny")
    with ExitStack() as stack:
        stack.enter_context(process("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"))
        hands = [
            stack.enter_context(process("worker", address, "--nthreads", "1", "--nworkers", "1", *place))
            for _ in range(workers)
        ]
        yield address, hands


def wait_for_workers(address: str, count: int) -> None:
    """Wait until a number of workers have connected."""
    import distributed

    new_client: Any = distributed.Client
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with new_client(address, timeout=5, set_as_default=False, asynchronous=False) as client:
                client.wait_for_workers(count, timeout=PATIENCE)
                return
        except OSError:
            assert time.monotonic() < end, "the scheduler never came"


async def test_a_cluster_whose_worker_dies(workspace: Workspace, tmp_path: Path, free_port: int) -> None:
    """A run on a cluster stores the same documents, also if a worker is killed in the middle of the run."""
    alone = await workspace.run(WORDS, batch_size=5, max_batches=2)
    other = workspace.beside("cluster")
    with cluster(tmp_path / "dask", free_port, 2) as (address, hands):
        await asyncio.to_thread(wait_for_workers, address, 2)
        run = asyncio.create_task(other.run(WORDS, name="clustered", batch_size=5, max_batches=2, cluster=address))
        answers = tmp_path / "clustered.checkpoint.files" / "0001" / "output.jsonl"
        await asyncio.to_thread(until, answers.exists)
        assert not run.done()
        hands[0].kill()
        result = await run
        assert hands[1].poll() is None
    assert (alone.code, result.code) == (0, 0)
    assert result.ledger.totals().answered == alone.ledger.totals().answered > 0
    assert picture(other.database) == picture(workspace.database)


def test_no_cluster(workspace: Workspace, free_port: int) -> None:
    """The error about an unreachable cluster names its address."""
    ours = info(workspace.settings(["bank"], cluster=f"tcp://127.0.0.1:{free_port}"))
    with pytest.raises(WorkersLost, match=f"No Dask scheduler responds at --cluster tcp://127.0.0.1:{free_port}"):
        DaskCluster(ours.settings.cluster or "", seconds=0.5).start()


def test_own_hands(workspace: Workspace) -> None:
    """Without --workers and --cluster there is no worker process."""
    ours = info(workspace.settings(["bank"]))
    with opened_worker_pool(ours, brief_of(ours.settings, "run")) as pool:
        assert pool.ahead == 0
