"""The collector: which tasks it waits for, which requests share a batch, and how answers are delivered."""

import asyncio
import gc
import stat
import time
from collections.abc import AsyncIterator, Coroutine
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from floridify_batch._batch_transport import REMEMBERED
from floridify_batch.batch_synthesis import BatchSynthesisCollector, InterceptingConnector
from floridify_batch.components.cefr_level import CEFRLevelResponse
from floridify_batch.components.failure import FailureReason
from floridify_batch.components.requests import AnswerError, CustomId, Envelope, SynthesisRequest
from floridify_batch.errors import ServiceRefused, ServiceUncertain, UnknownBatch
from floridify_batch.pipeline.chunk import Limits
from floridify_batch.providers.interface import BatchError, Found, Submission
from floridify_batch.words.entry import derived_id
from tests.fakes import REJECTED, End, Fault, Service

if TYPE_CHECKING:
    from datetime import timedelta

type Level = CEFRLevelResponse
type Request = SynthesisRequest[Level]

MODEL = "gpt-6-luna"


@cache
def envelope(model: str) -> Envelope[Level]:
    return Envelope("cefr_level", CEFRLevelResponse, model, "Say the level.", 600)


def request(text: str, model: str = MODEL) -> Request:
    return SynthesisRequest(CustomId(f"{text}-{derived_id(text)}-cefr_level"), envelope(model), f"Word: {text}")


async def nap(_: float) -> None:
    """A sleep that takes no time between two polls."""
    await asyncio.sleep(0)


def collector_over(service: Service, **options: Any) -> BatchSynthesisCollector:
    return BatchSynthesisCollector(service, sleep=nap, clock=service.clock, **options)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def collector(service: Service, tmp_path: Path) -> BatchSynthesisCollector:
    return collector_over(service, folder=tmp_path)


@pytest.fixture
def ai(collector: BatchSynthesisCollector) -> InterceptingConnector:
    return InterceptingConnector(collector)


@pytest.fixture(autouse=True)
async def nothing_lingers() -> AsyncIterator[None]:
    """After each test there is no pending task, and no exception that was not retrieved."""
    before = asyncio.all_tasks()
    yield
    for _ in range(5):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() - {asyncio.current_task()} <= before
    gc.collect()


async def until_sent(service: Service) -> None:
    while not service.batches:  # noqa: ASYNC110  the twin of a service calls nobody back
        await asyncio.sleep(0)


def empty(folder: Path) -> bool:
    return not list(folder.iterdir())


async def ask(ai: InterceptingConnector, text: str) -> str:
    return str((await ai.complete(request(text))).level)


# ── rounds ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_all_in_one_batch(service: Service, ai: InterceptingConnector) -> None:
    """Concurrent requests form one batch, and results are in the order of the coroutines."""
    levels = await ai.collector.gather(*(ask(ai, f"word{number}") for number in range(20)))
    assert levels == ["B2"] * 20
    assert service.sizes == [20]
    assert ai.collector.usage.total == 20 * 120


async def test_two_rounds(service: Service, collector: BatchSynthesisCollector, ai: InterceptingConnector) -> None:
    """A function with two requests works unchanged: second requests share a second batch."""

    async def twice(text: str) -> tuple[str, str]:
        return await ask(ai, f"{text}1"), await ask(ai, f"{text}2")

    await collector.gather(*(twice(f"word{number}") for number in range(10)), ask(ai, "single"))
    assert service.sizes == [11, 10]


async def test_spawned_tasks(service: Service, collector: BatchSynthesisCollector, ai: InterceptingConnector) -> None:
    """Nested tasks are awaited, for every way in which asyncio can create them and wait for them."""

    async def by_gather() -> None:
        await asyncio.gather(ask(ai, "a1"), asyncio.gather(ask(ai, "a2"), ask(ai, "a3")))

    async def by_group() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(ask(ai, "b1"))
            group.create_task(by_group_below())

    async def by_group_below() -> None:
        async with asyncio.TaskGroup() as group:
            await asyncio.sleep(0.01)
            group.create_task(ask(ai, "b2"))

    async def by_task() -> None:
        task = asyncio.create_task(ask(ai, "c1"))
        await asyncio.sleep(0.02)
        await task

    async def by_wait() -> None:
        await asyncio.wait([asyncio.create_task(ask(ai, "d1")), asyncio.create_task(ask(ai, "d2"))])
        await asyncio.wait_for(ask(ai, "d3"), 60)

    await collector.gather(by_gather(), by_group(), by_task(), by_wait())
    assert service.sizes == [8, 1]


async def test_busy_tasks_delay_the_batch(
    service: Service, collector: BatchSynthesisCollector, ai: InterceptingConnector
) -> None:
    """A task that waits for an event other than an answer delays the batch until it sends a request or ends."""
    event = asyncio.Event()

    async def late(text: str) -> None:
        await asyncio.sleep(0.1)
        await event.wait()
        await ask(ai, text)

    async def never() -> None:
        await asyncio.sleep(0.3)

    async def elsewhere() -> None:
        await asyncio.sleep(0.2)
        event.set()

    outside = asyncio.create_task(elsewhere())
    await collector.gather(ask(ai, "early"), late("late"), never(), asyncio.to_thread(time.sleep, 0.25))
    await outside
    assert service.sizes == [2]


@pytest.mark.parametrize("kind", ["semaphore", "queue", "shield", "sleep", "restless"])
async def test_patience_ends(service: Service, kind: str) -> None:
    """A wait that cannot be detected, such as for a semaphore, delays a batch but does not prevent it."""
    collector = collector_over(service, patience=0.1)
    ai = InterceptingConnector(collector)
    semaphore = asyncio.Semaphore(2)
    queue: asyncio.Queue[str] = asyncio.Queue()

    async def limited(text: str) -> None:
        async with semaphore:
            await ask(ai, text)

    async def produce() -> None:
        queue.put_nowait(await ask(ai, "produced"))

    async def consume() -> None:
        await ask(ai, f"after{(await queue.get()).lower()}")

    async def shielded() -> None:
        await asyncio.shield(ask(ai, "shielded"))

    async def dawdle() -> None:
        await asyncio.sleep(1)
        await ask(ai, "late")

    async def restless() -> None:
        for _ in range(100):
            await asyncio.create_task(asyncio.sleep(0.01))
        await ask(ai, "late")

    work: dict[str, tuple[list[Coroutine[Any, Any, None]], list[int]]] = {
        "semaphore": ([limited(f"word{number}") for number in range(4)], [2, 2]),
        "queue": ([produce(), consume()], [1, 1]),
        "shield": ([shielded()], [1]),
        "sleep": ([dawdle(), limited("word")], [1, 1]),
        "restless": ([restless(), limited("word")], [1, 1]),
    }
    for other in work.keys() - {kind}:
        for coroutine in work[other][0]:
            coroutine.close()
    await collector.gather(*work[kind][0])
    assert service.sizes == work[kind][1]


async def test_without_gather(service: Service, ai: InterceptingConnector) -> None:
    """Requests outside `gather` work, too: concurrent ones form one batch."""
    assert [*await asyncio.gather(ask(ai, "one"), ask(ai, "two"))] == ["B2", "B2"]
    assert await ask(ai, "three") == "B2"
    assert service.sizes == [2, 1]


async def test_thousands(service: Service, collector: BatchSynthesisCollector, ai: InterceptingConnector) -> None:
    """Ten thousand tasks that start one by one, with two requests each, need two batches and a few seconds."""

    async def twice(number: int) -> None:
        await asyncio.sleep(number / 8_000)
        await ask(ai, f"word{number}")
        await ask(ai, f"other{number}")

    began = time.perf_counter()
    await collector.gather(*(twice(number) for number in range(4_000)))
    assert service.sizes == [4_000, 4_000]
    assert time.perf_counter() - began < 60  # some 2 s on an idle core


async def test_split_at_limits(service: Service) -> None:
    """More requests than a file may hold are split, and requests of two models never share a file."""
    size = len(request("word0").line)
    collector = collector_over(service, limits=Limits(requests=4, bytes=3 * size + 10))
    asks = [request(f"word{number}", ("gpt-6-luna", "gpt-5-nano")[number == 7]) for number in range(8)]
    await collector.gather(*(InterceptingConnector(collector).complete(each) for each in asks))
    assert sorted(service.sizes) == [1, 1, 3, 3]


# ── failures ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_failures_alone(service: Service, collector: BatchSynthesisCollector, ai: InterceptingConnector) -> None:
    """A failed request raises its reason in its own task only; all others get their answers."""
    faults: dict[str, Fault] = {"gone": "missing", "bad": "malformed", "no": "refused", "long": "cut", "http": 400}
    service.faults = lambda identity, _: faults.get(identity.split("-")[0])
    texts = ["fine", "gone", "bad", "no", "long", "http", "good"]
    results = await collector.gather(*(ask(ai, text) for text in texts), return_exceptions=True)
    reasons = [result.reason if isinstance(result, AnswerError) else result for result in results]
    r = FailureReason
    assert reasons == ["B2", r.MISSING, r.MALFORMED, r.REFUSED, r.TRUNCATED, r.HTTP, "B2"]


async def test_gather_raises_at_the_end(collector: BatchSynthesisCollector, service: Service) -> None:
    """Without `return_exceptions` the first failure is raised, but only when every task has ended."""
    ai = InterceptingConnector(collector)
    service.faults = lambda identity, _: "missing" if identity.startswith("bad") else None
    done: list[str] = []

    async def twice(text: str) -> None:
        await ask(ai, text)
        done.append(await ask(ai, f"again{text}"))

    with pytest.raises(AnswerError, match="no answer file"):
        await collector.gather(twice("bad"), twice("good"), ask(ai, "badtoo"))
    assert done == ["B2"]


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (End("expired", answered=1), FailureReason.EXPIRED),
        (End("cancelled", answered=1), FailureReason.CANCELLED),
        (End("failed", error=BatchError("invalid_json_line", "Line 2 is no JSON.")), FailureReason.REJECTED),
    ],
)
async def test_bad_ends(service: Service, ai: InterceptingConnector, end: End, reason: FailureReason) -> None:
    """Answers of a batch that ended early are delivered; the other requests raise its end as the reason."""
    service.ends.append(end)
    results = await ai.collector.gather(ask(ai, "a"), ask(ai, "b"), return_exceptions=True)
    failed = [result for result in results if isinstance(result, AnswerError)]
    assert [error.reason for error in failed] == [reason] * (1 if end.answered else 2)
    assert len(service.batches) == 1


async def test_duplicates(service: Service, collector: BatchSynthesisCollector, ai: InterceptingConnector) -> None:
    """A second request with the ID of a pending one is refused, without effect on others."""
    results = await collector.gather(ask(ai, "a"), ask(ai, "a"), ask(ai, "b"), return_exceptions=True)
    assert [type(result) for result in results] == [str, ValueError, str]
    assert service.sizes == [2]


async def test_what_no_file_can_hold(service: Service) -> None:
    """A request that would invalidate its file is refused, without effect on others."""
    collector = collector_over(service, limits=Limits(bytes=10_000))
    good, spoilt = request("good"), request("spoilt")
    results = await collector.gather(
        collector.ask(good),
        collector.ask(spoilt._replace(custom_id=CustomId("mine"))),
        collector.ask(spoilt._replace(prompt="half a pair: \ud83d")),
        collector.ask(spoilt._replace(prompt="very long " * 1000)),
        return_exceptions=True,
    )
    reasons = ["is not a custom id", "cannot be encoded", "more than the limit of a file"]
    assert all(reason in str(result) for reason, result in zip(reasons, results[1:], strict=True))
    assert all(isinstance(result, ValueError) for result in results[1:])
    assert service.sizes == [1]


async def test_no_room_on_the_disk(service: Service, tmp_path: Path) -> None:
    """If the files cannot be written, every request raises the error."""
    collector = collector_over(service, folder=tmp_path / "absent")
    results = await collector.gather(*(collector.ask(request(text)) for text in "ab"), return_exceptions=True)
    assert [type(result) for result in results] == [FileNotFoundError] * 2


async def test_service_refuses(service: Service, ai: InterceptingConnector) -> None:
    """An error that stops a whole batch is raised to each caller, as a separate exception."""

    async def refuse(*_: object) -> str:
        raise ServiceRefused("No quota.")

    service.upload = refuse  # type: ignore[method-assign,assignment]
    results = await ai.collector.gather(ask(ai, "a"), ask(ai, "b"), return_exceptions=True)
    assert [str(result) for result in results] == ["No quota."] * 2
    assert all(isinstance(result, ServiceRefused) for result in results)
    assert results[0] is not results[1]


async def test_lost(service: Service, ai: InterceptingConnector) -> None:
    """A batch whose answers the service reports as unknown is not paid for again without the caller's consent."""
    service.ends.append(End(gone=True))
    with pytest.raises(UnknownBatch):
        await ask(ai, "a")
    assert len(service.batches) == 1


# ── cancelling ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_cancelled_outside(
    service: Service, collector: BatchSynthesisCollector, ai: InterceptingConnector, tmp_path: Path
) -> None:
    """Cancelling `gather` cancels its tasks and leaves no task and no file behind."""
    service.ends.append(End(polls=10**9))
    gathered = asyncio.create_task(collector.gather(*(ask(ai, f"word{number}") for number in range(100))))
    await until_sent(service)
    gathered.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathered
    assert not collector._tasks
    assert not collector._asks
    assert empty(tmp_path)
    assert not service.cancelled


async def test_cancelled_before_sending(service: Service, ai: InterceptingConnector) -> None:
    """A request cancelled before the submission is not in the batch; if all are, there is no batch."""

    async def wait() -> None:
        await asyncio.sleep(0.1)

    async def give_up(text: str) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(ai, text), 0.01)

    await ai.collector.gather(give_up("a"), give_up("b"), wait())
    assert service.sizes == []
    await ai.collector.gather(give_up("a"), ask(ai, "c"), wait())
    assert service.sizes == [1]


async def test_a_cancelled_request_is_repeated(service: Service, ai: InterceptingConnector) -> None:
    """A cancelled request that is repeated at once is answered by the second batch."""
    service.ends.append(End(polls=10**9))

    async def stubborn() -> str:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(ai, "first"), 0.5)
        return await ask(ai, "second")

    assert await ai.collector.gather(stubborn()) == ["B2"]
    assert service.sizes == [1, 1]


# ── paid for once ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_same_again_adopts(service: Service, ai: InterceptingConnector) -> None:
    """Repeated requests, in any order, find their batch by the digest of its lines, without further cost."""
    texts = ["a", "b", "c"]
    await ai.collector.gather(*(ask(ai, text) for text in texts))
    other = InterceptingConnector(collector_over(service))
    await other.collector.gather(*(ask(other, text) for text in reversed(texts)))
    assert service.sizes == [3]
    assert len(service.files) == 1
    await ask(other, "a")
    assert service.sizes == [3, 1]


async def test_a_rejected_batch_is_not_adopted(service: Service, ai: InterceptingConnector) -> None:
    """A batch that was rejected before this call is created again, under a label that a third call finds."""
    service.ends.extend([End("failed", error=REJECTED), End("failed", error=REJECTED)])
    for _ in range(2):
        with pytest.raises(AnswerError, match="token_limit_exceeded"):
            await ask(ai, "a")
    assert await ask(ai, "a") == await ask(ai, "a") == "B2"
    first, second, third = service.labels
    assert (second, third) == (f"{first}-2", f"{first}-3")


async def test_an_expired_batch_is_mended(service: Service, ai: InterceptingConnector) -> None:
    """The answers of an adopted expired batch are used, and only the rest is requested again."""
    service.ends.append(End("expired", answered=2))
    texts = ["a", "b", "c", "d"]
    results = await ai.collector.gather(*(ask(ai, text) for text in texts), return_exceptions=True)
    assert results.count("B2") == 2
    assert await ai.collector.gather(*(ask(ai, text) for text in texts)) == ["B2"] * 4
    assert service.sizes == [4, 2]
    assert set(service.answered.values()) == {1}


async def test_what_failed_is_mended_where_that_can_help(service: Service, ai: InterceptingConnector) -> None:
    """Transient failures of an adopted batch are retried, final ones are not."""
    faults: dict[tuple[str, int], Fault] = {("a", 0): "missing", ("b", 0): 400}
    service.faults = lambda identity, before: faults.get((identity.split("-")[0], before))
    for expected in (["missing", "http"], ["http"]):
        results = await ai.collector.gather(*(ask(ai, text) for text in "abc"), return_exceptions=True)
        assert [str(result.reason) for result in results if isinstance(result, AnswerError)] == expected
    assert service.sizes == [3, 1]


@pytest.mark.parametrize(("how", "cancelled"), [("lost", []), ("silent", []), ("late", ["batch_2"])])
async def test_uncertain_creation(service: Service, ai: InterceptingConnector, how: str, cancelled: list[str]) -> None:
    """A batch whose creation is in doubt is looked up before it is created again.

    If the first one shows itself even later, it is the one that is used, and the second is cancelled.
    """
    service.creations.append(how)
    assert await ask(ai, "a") == "B2"
    assert service.cancelled == cancelled
    assert service.answered.total() == 1


async def test_uncertain_for_ever(service: Service, ai: InterceptingConnector) -> None:
    """A creation that stays ambiguous is retried a few times, then the requests raise the error."""
    service.creations.extend(["lost"] * 99)
    with pytest.raises(ServiceUncertain):
        await ask(ai, "a")
    assert len(service.creations) == 94


async def test_just_died(service: Service) -> None:
    """A batch that a process created just before a crash is found although the list shows it late."""
    first = InterceptingConnector(collector_over(service))
    service.ends.append(End(polls=3))
    dying = asyncio.create_task(ask(first, "a"))
    await until_sent(service)
    dying.cancel()
    await asyncio.wait([dying])
    next(iter(service.batches.values())).hidden = 1
    second = InterceptingConnector(collector_over(service))
    assert await ask(second, "a") == "B2"
    assert service.sizes == [1]


async def test_how_far_back(collector: BatchSynthesisCollector, service: Service) -> None:
    """A batch is searched for among those of the last two days, which is longer than any batch exists."""
    seen: list[timedelta] = []

    async def find(submission: Submission, *, keep: str | None = None) -> Found:
        assert keep is None
        seen.append(submission.look_back)
        return Found(None)

    service.find = find  # type: ignore[method-assign]
    await ask(InterceptingConnector(collector), "a")
    assert set(seen) == {REMEMBERED}
    assert len(seen) == 2


async def test_private_files(service: Service, collector: BatchSynthesisCollector, tmp_path: Path) -> None:
    """The files of a batch are in a private folder until it has ended; then they are deleted."""
    modes: list[int] = []
    plain = service.upload

    async def upload(requests: Path) -> str:
        modes.extend(stat.S_IMODE(path.stat().st_mode) for path in (requests, requests.parent, requests.parent.parent))
        return await plain(requests)

    service.upload = upload  # type: ignore[method-assign]
    await collector.gather(ask(InterceptingConnector(collector), "a"))
    assert modes == [0o600, 0o700, 0o700]
    assert empty(tmp_path)
