"""The pace of a run is the user's: batches, tokens and requests in flight; and what failed may have another chance."""

import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from floridify_batch.pipeline.chunk import read_failures
from floridify_batch.run.ledger import ChunkRecord, ChunkState
from tests.acceptance.command import Desk
from tests.doors import Door, served

RUN = ("run", "words.txt", "--yes", "--components", "synonyms,cefr_level")
RESUME = ("resume", "--checkpoint", "words.checkpoint.json")
CANCEL = ("cancel", "--checkpoint", "words.checkpoint.json", "--poll-interval", "0.2")


def in_flight(desk: Desk) -> list[ChunkRecord]:
    """The chunks that are being paid for."""
    return list(desk.ledger.in_state(ChunkState.SUBMITTED))


def passes(desk: Desk, *options: str) -> Iterator[list[ChunkRecord]]:
    """What is in flight after each pass of a run, until it is through."""
    assert desk.do(*RUN, "--no-wait", *options).code == 0
    while chunks := in_flight(desk):
        yield chunks
        desk.sandbox.control(finish=True)
        assert desk.do(*RESUME, "--no-wait").code == 0


def test_max_batches(still: Desk) -> None:
    """There are never more batches in flight than --max-batches, and as many while there is work."""
    words = still.known("fleet", 5)
    assert [len(chunks) for chunks in passes(still, "--batch-size", "1", "--max-batches", "2")] == [2, 2, 1]
    assert sorted(still.ledger.processed_words) == sorted(words)


def test_max_queued_tokens(still: Desk) -> None:
    """Chunks in flight hold no more tokens together than --max-queued-tokens; one that is larger is cut smaller."""
    words = still.known("queue", 6)
    assert still.do(*RUN, "--no-wait", "--batch-size", "1", "--max-batches", "1").code == 0
    (first,) = in_flight(still)
    still.sandbox.control(finish=True)
    for path in (still.checkpoint.path, still.checkpoint.previous_path):
        path.unlink()
    limit = first.input_tokens * 5 // 2
    sizes = []
    for chunks in passes(still, "--max-queued-tokens", str(limit), "--batch-size", "5"):
        assert sum(chunk.input_tokens for chunk in chunks) <= limit
        sizes.append([chunk.words for chunk in chunks])
    assert sizes == [[2], [2], [2]]
    assert sorted(still.ledger.processed_words) == sorted(words)


def test_queued_tokens_of_many_chunks(still: Desk) -> None:
    """Small chunks join the queue while there is room in it, and no longer; `resume` takes another limit."""
    still.known("crowd", 5)
    assert still.do(*RUN, "--no-wait", "--batch-size", "1", "--max-batches", "1").code == 0
    (first,) = in_flight(still)
    limit = str(first.input_tokens * 5 // 2)
    assert still.do(*RESUME, "--no-wait", "--max-batches", "20", "--max-queued-tokens", limit).code == 0
    assert len(in_flight(still)) == 2
    assert still.do(*RESUME, "--no-wait", "--max-queued-tokens", str(first.input_tokens * 100)).code == 0
    assert len(in_flight(still)) == 5


def test_retry_failed(desk: Desk) -> None:
    """Failed words get as many tries as at first, processed ones are not asked again, and the sums are right."""
    words = desk.known("retry", 4)
    poor = ("retrycword", "retrydword")
    desk.sandbox.control(faults=["refuse=retrycword", "http_500=retrydword"])
    assert desk.do(*RUN, "--max-attempts", "2").code == 1
    assert set(desk.ledger.failed_words) == set(poor)
    before = len(desk.batches())
    # The first batch of the second chance fails like those before: only whoever counts anew tries once more.
    desk.sandbox.control(faults=[f"http_500=retrydword@{desk.sandbox.next_batch() + 1}"])
    assert desk.do(*RESUME, "--retry-failed", BATCH_SYNTH_DIE_AT="before-save").code == -9
    again = desk.do(*RESUME)  # the chance was on disk before anything was done
    desk.sandbox.control(faults=[])
    assert (again.code, "Complete: 4 of 4 words processed, 0 failed" in again.out) == (0, True)
    assert sorted(desk.ledger.processed_words) == sorted(words)
    assert [batch["counts"]["total"] for batch in desk.batches()[before:]] == [4, 2]
    totals = desk.ledger.totals()
    assert (totals.words, totals.processed, totals.failed) == (4, 4, 0)
    assert (
        totals.requests
        == totals.answered + totals.failed_requests
        == sum(batch["counts"]["total"] for batch in desk.batches())
    )
    counts = [failure.attempt for _, failure in read_failures(desk.checkpoint.folder / "0003" / "failures.jsonl")]
    assert counts == [1, 1]
    assert desk.do(*RESUME, "--retry-failed").code == 0
    assert len(desk.batches()) == before + 2


# ── requests at once ───────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def counting(url: str) -> Iterator[tuple[str, list[int]]]:
    """An address before a service, and how many requests were under way there whenever one more came."""
    lock, seen, now = threading.Lock(), [], [0]

    class Counted(Door):
        def take(self, body: bytes | None) -> None:
            with lock:
                now[0] += 1
                seen.append(now[0])
            time.sleep(0.1)  # so that all who may come are there together
            headers = {"Content-Type": "application/json", "Authorization": "Bearer any"}
            request = urllib.request.Request(f"{url}{self.path}", data=body, headers=headers)  # noqa: S310
            with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
                answer = reply.read()
            with lock:
                now[0] -= 1
            self.answer(200, "application/json", answer)

    with served(Counted) as address:
        yield address, seen


def test_concurrency(desk: Desk) -> None:
    """With --immediate, there are as many requests in flight as --concurrency says, and never more."""
    words = desk.known("hurry", 6)
    with counting(desk.sandbox.url) as (url, seen):
        done = desk.do(*RUN, "--immediate", "--concurrency", "3", "--base-url", url)
    assert (done.code, done.err) == (0, "")
    assert sorted(desk.ledger.processed_words) == sorted(words)
    assert (len(seen), max(seen)) == (12, 3)


# ── cancelled ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_cancel_beside_a_running_process(still: Desk) -> None:
    """While a process works on the run, its batches are cancelled, and that process is said to store the answers."""
    still.known("beside", 3)
    with still.doing(*RUN) as running:
        still.under_way(running)
        cancelled = still.do(*CANCEL)
        (batch, *_) = still.batches()
        assert (cancelled.code, batch["id"] in cancelled.out) == (0, True)
        assert f"process {running.pid}" in cancelled.out
        assert "that process stores what is finished" in cancelled.out
    assert batch["status"] in ("cancelling", "cancelled")


def test_cancel_before_anything_is_known(still: Desk) -> None:
    """A batch that was made and not noted is found by its label and cancelled; the run can be gone on with."""
    words = still.known("unnoted", 3)
    died = still.do(*RUN, BATCH_SYNTH_DIE_AT="after-create")
    assert died.code != 0
    assert still.states() == ["SUBMITTING"]
    assert still.do(*CANCEL).code == 0
    assert [batch["status"] for batch in still.batches()] == ["cancelled"]
    assert still.do(*RESUME, "--no-wait").code == 0
    still.sandbox.control(finish=True)
    assert still.do(*RESUME).code == 0
    assert sorted(still.ledger.processed_words) == sorted(words)


def test_killed_while_cancelling(still: Desk) -> None:
    """Killed in the middle of storing what was finished, the same command finishes that; nothing is asked twice."""
    words = still.known("killed", 4)
    before = still.sandbox.stats()["bodies_answered_more_than_once"]
    still.sandbox.control(faults=["partial_output=0.5"])
    assert still.do(*RUN, "--no-wait").code == 0
    assert still.do(*CANCEL, BATCH_SYNTH_DIE_AT="amid-apply").code == -9
    assert still.states() == ["ANSWERED"]
    assert still.do(*CANCEL).code == 0
    assert (still.ledger.totals().answered, len(still.batches())) == (4, 1)
    assert still.do(*RESUME, "--no-wait").code == 0
    still.sandbox.control(finish=True)
    assert still.do(*RESUME).code == 0
    assert sorted(still.ledger.processed_words) == sorted(words)
    assert still.sandbox.stats()["bodies_answered_more_than_once"] == before
