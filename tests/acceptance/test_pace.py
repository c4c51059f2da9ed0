"""The pace of a run is the user's: batches, tokens and requests in flight; and what failed may have another chance."""

import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from floridify_batch.pipeline.chunk import read_failures
from floridify_batch.run.ledger import ChunkRecord, ChunkState
from tests.acceptance.command import Shell
from tests.http_services import Handler, served

RUN = ("run", "words.txt", "--yes", "--components", "synonyms,cefr_level")
RESUME = ("resume", "--checkpoint", "words.checkpoint.json")
CANCEL = ("cancel", "--yes", "--checkpoint", "words.checkpoint.json", "--poll-interval", "0.2")


def in_flight(shell: Shell) -> list[ChunkRecord]:
    """Return the chunks in flight."""
    return list(shell.ledger.in_state(ChunkState.SUBMITTED))


def passes(shell: Shell, *options: str) -> Iterator[list[ChunkRecord]]:
    """Yield the batches in flight after each pass, until the run is complete."""
    assert shell.run(*RUN, "--no-wait", *options).code == 0
    while chunks := in_flight(shell):
        yield chunks
        shell.sandbox.control(finish=True)
        assert shell.run(*RESUME, "--no-wait").code == (8 if in_flight(shell) else 0)


def test_max_batches(paused: Shell) -> None:
    """At most --max-batches are in flight, and exactly that number while there is work."""
    words = paused.known("fleet", 5)
    assert [len(chunks) for chunks in passes(paused, "--batch-size", "1", "--max-batches", "2")] == [2, 2, 1]
    assert sorted(paused.ledger.processed_words) == sorted(words)


def test_max_queued_tokens(paused: Shell) -> None:
    """Chunks in flight hold at most --max-queued-tokens together; a larger one is split."""
    words = paused.known("queue", 6)
    assert paused.run(*RUN, "--no-wait", "--batch-size", "1", "--max-batches", "1").code == 0
    (first,) = in_flight(paused)
    paused.sandbox.control(finish=True)
    for path in (paused.checkpoint.path, paused.checkpoint.previous_path):
        path.unlink()
    limit = first.input_tokens * 5 // 2
    sizes = []
    for chunks in passes(paused, "--max-queued-tokens", str(limit), "--batch-size", "5"):
        assert sum(chunk.input_tokens for chunk in chunks) <= limit
        sizes.append([chunk.words for chunk in chunks])
    assert sizes == [[2], [2], [2]]
    assert sorted(paused.ledger.processed_words) == sorted(words)


def test_queued_tokens_of_many_chunks(paused: Shell) -> None:
    """Small chunks are submitted while the queue has room; `resume` takes another limit."""
    paused.known("crowd", 5)
    assert paused.run(*RUN, "--no-wait", "--batch-size", "1", "--max-batches", "1").code == 0
    (first,) = in_flight(paused)
    limit = str(first.input_tokens * 5 // 2)
    assert paused.run(*RESUME, "--no-wait", "--max-batches", "20", "--max-queued-tokens", limit).code == 8
    assert len(in_flight(paused)) == 2
    assert paused.run(*RESUME, "--no-wait", "--max-queued-tokens", str(first.input_tokens * 100)).code == 8
    assert len(in_flight(paused)) == 5


def test_retry_failed(shell: Shell) -> None:
    """Failed words are retried with all attempts, processed ones are not requested again, and the counts are right."""
    words = shell.known("retry", 4)
    poor = ("retrycword", "retrydword")
    shell.sandbox.control(faults=["refuse=retrycword", "http_500=retrydword"])
    assert shell.run(*RUN, "--max-attempts", "2").code == 1
    assert set(shell.ledger.failed_words) == set(poor)
    before = len(shell.batches())
    # The first batch of the second chance fails like those before: only whoever counts anew tries once more.
    shell.sandbox.control(faults=[f"http_500=retrydword@{shell.sandbox.next_batch() + 1}"])
    assert shell.run(*RESUME, "--retry-failed", BATCH_SYNTH_DIE_AT="before-save").code == -9
    again = shell.run(*RESUME)  # the chance was on disk before anything was done
    shell.sandbox.control(faults=[])
    assert (again.code, "Complete: 4 of 4 words processed, 0 incomplete, 0 failed" in again.out) == (0, True)
    assert sorted(shell.ledger.processed_words) == sorted(words)
    assert [batch["counts"]["total"] for batch in shell.batches()[before:]] == [4, 2]
    totals = shell.ledger.totals()
    assert (totals.words, totals.processed, totals.failed) == (4, 4, 0)
    assert (
        totals.requests
        == totals.answered + totals.failed_requests
        == sum(batch["counts"]["total"] for batch in shell.batches())
    )
    counts = [failure.attempt for _, failure in read_failures(shell.checkpoint.folder / "0003" / "failures.jsonl")]
    assert counts == [1, 1]
    assert shell.run(*RESUME, "--retry-failed").code == 0
    assert len(shell.batches()) == before + 2


# ── requests at once ───────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def counting(url: str) -> Iterator[tuple[str, list[int]]]:
    """A proxy that records the number of requests in flight at each request."""
    lock, seen, now = threading.Lock(), [], [0]

    class Counted(Handler):
        def respond(self, body: bytes | None) -> None:
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


def test_concurrency(shell: Shell) -> None:
    """With --immediate, exactly --concurrency requests are in flight, and never more."""
    words = shell.known("hurry", 6)
    with counting(shell.sandbox.url) as (url, seen):
        done = shell.run(*RUN, "--immediate", "--concurrency", "3", "--base-url", url)
    assert (done.code, done.err) == (0, "")
    assert sorted(shell.ledger.processed_words) == sorted(words)
    assert (len(seen), max(seen)) == (12, 3)


# ── cancelled ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_cancel_beside_a_running_process(paused: Shell) -> None:
    """While a process works on the run, cancelling is refused: that process would send the requests again."""
    paused.known("beside", 3)
    with paused.start(*RUN) as running:
        paused.under_way(running)
        (batch, *_) = paused.batches()
        refused, one = paused.each(CANCEL, ("cancel", "--yes", batch["id"]))
    for each in (refused, one):
        assert (each.code, "Stop it first (Ctrl-C), then cancel" in each.err) == (3, True)
    assert paused.batches()[0]["status"] == "in_progress"


def test_cancel_before_anything_is_known(paused: Shell) -> None:
    """A batch that was created but not recorded is found by its label and cancelled; the run can be resumed."""
    words = paused.known("unnoted", 3)
    died = paused.run(*RUN, BATCH_SYNTH_DIE_AT="after-create")
    assert died.code != 0
    assert paused.states() == ["SUBMITTING"]
    assert paused.run(*CANCEL).code == 0
    assert [batch["status"] for batch in paused.batches()] == ["cancelled"]
    assert paused.run(*RESUME, "--no-wait").code == 8
    paused.sandbox.control(finish=True)
    assert paused.run(*RESUME).code == 0
    assert sorted(paused.ledger.processed_words) == sorted(words)


def test_killed_while_cancelling(paused: Shell) -> None:
    """After a kill while finished answers are stored, the same command stores the rest; no request is sent twice."""
    words = paused.known("killed", 4)
    before = paused.sandbox.stats()["bodies_answered_more_than_once"]
    paused.sandbox.control(faults=["partial_output=0.5"])
    assert paused.run(*RUN, "--no-wait").code == 0
    assert paused.run(*CANCEL, BATCH_SYNTH_DIE_AT="amid-apply").code == -9
    assert paused.states() == ["ANSWERED"]
    assert paused.run(*CANCEL).code == 0
    assert (paused.ledger.totals().answered, len(paused.batches())) == (4, 1)
    assert paused.run(*RESUME, "--no-wait").code == 8
    paused.sandbox.control(finish=True)
    assert paused.run(*RESUME).code == 0
    assert sorted(paused.ledger.processed_words) == sorted(words)
    assert paused.sandbox.stats()["bodies_answered_more_than_once"] == before
