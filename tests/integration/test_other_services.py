"""Services that differ from OpenAI in details: over real HTTP, nothing odd stops a run, loses or repeats an answer.

Faults of the sandbox play the services; each run of a few words must be complete, with one batch per chunk.
"""

from pathlib import Path

import pytest

from floridify_batch.errors import ServiceError
from floridify_batch.providers.interface import BatchJob, Submission
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.retry import DOUBTFUL_CREATIONS
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import ChunkState
from tests.sandbox import Sandbox
from tests.workspace import Workspace

SECONDS = 0.1


@pytest.mark.parametrize(
    "faults",
    [
        ["odd_usage"],
        ["null_usage"],
        ["upper_status"],
        ["foreign_batch"],
        ["list_bare"],
        ["list_loop", "create_drop=1"],
        ["no_metadata", "create_drop=1"],
        ["clock_offset=-10800", "create_drop=1"],
        ["clock_offset=7200", "create_500=1"],
        ["unknown_status=2"],
        ["poll_denied=1"],
        ["content_denied=1"],
        ["no_files=1"],
        ["content_short=1"],
        ["end_lost=2"],
        ["poll_error=2"],
        ["create_error=1"],
        ["file_pending=0.5"],
        ["file_404"],
        ["windows_lines"],
        ["indented"],
        ["indented", "windows_lines", "no_counts"],
        ["no_counts", "content_short=1"],
        ["poll_page=2"],
        ["body_text=1"],
        ["create_429=1", "retry_after=1"],
        ["upload_429=1", "retry_after=1"],
    ],
    ids="+".join,
)
async def test_complete(workspace: Workspace, sandbox: Sandbox, faults: list[str]) -> None:
    """A run is complete with any service's details; each request is answered once, in one batch per chunk."""
    words = [f"odd{faults[0].partition('=')[0].replace('_', '')}{number}" for number in "ab"]
    before = len(sandbox.stats()["batches"])
    with sandbox.faults(*faults):
        result = await workspace.run(words, components="etymology")
    assert (result.code, sorted(result.ledger.processed_words)) == (0, words)
    assert len(sandbox.stats()["batches"]) - before == len(result.ledger.chunks)
    totals = result.ledger.totals()
    assert (totals.answered, totals.retried) == (totals.requests, 0)


async def test_the_limit_that_a_full_queue_names(workspace: Workspace, sandbox: Sandbox) -> None:
    """A queue that is full at the creation is waited for; a chunk above its limit is split once."""
    with sandbox.faults("queue_full=1"):
        result = await workspace.run(["queueda", "queuedb"], components="etymology")
    assert (result.code, len(result.ledger.processed_words)) == (0, 2)


async def test_creations_without_replies_and_a_list(workspace: Workspace, sandbox: Sandbox) -> None:
    """Where no reply can be read, and neither labels nor a list show what was created, three creations are the limit:
    the run stops with its state unchanged, and adopts what the list shows later.
    """
    before = len(sandbox.stats()["batches"])
    stop = pytest.raises(ServiceError, match=r"3 creations in a row.*then resume")
    with sandbox.faults("create_cut=20", "no_metadata", "list_empty"), stop:
        await workspace.run(["unseen"], components="etymology", lookup_seconds=0.2)
    assert len(sandbox.stats()["batches"]) - before == DOUBTFUL_CREATIONS
    ledger = Checkpoint(workspace.folder / "words.checkpoint.json").load()
    assert ledger is not None
    assert [record.state for record in ledger.chunks] == [ChunkState.SUBMITTING]
    result = await workspace.resume()
    first, _ = result.ledger.chunks
    assert (result.code, len(sandbox.stats()["batches"]) - before) == (0, DOUBTFUL_CREATIONS + 1)
    assert [each.cost is not None for each in first.duplicates] == [True] * (DOUBTFUL_CREATIONS - 1)


async def test_files_that_stay_uploaded(sandbox: Sandbox, tmp_path: Path) -> None:
    """A service whose files stay at "uploaded" is waited for half a minute at the first file only."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    requests = tmp_path / "requests.jsonl"
    requests.write_bytes(b"{}\n")
    batches = OpenAIBatches("any", base_url=sandbox.url, sleep=sleep)
    try:
        with sandbox.faults("file_uploaded"):
            first, waited = await batches.upload(requests), sum(pauses)
            second = await batches.upload(requests)
    finally:
        await batches.close()
    assert first != second
    assert waited == sum(pauses) == pytest.approx(30, abs=10)


async def test_a_cancellation_that_comes_too_late(sandbox: Sandbox, workspace: Workspace) -> None:
    """A cancellation refused with 400 because the batch has ended returns the batch."""
    result = await workspace.run(["latecancel"], components="etymology")
    batches = OpenAIBatches("any", base_url=sandbox.url)
    try:
        with sandbox.faults("cancel_400"):
            job: BatchJob = await batches.cancel(result.ledger.chunk(1).batch_id or "")
        found = await batches.find(Submission(result.ledger.chunk(1).label(result.ledger.run.id)))
    finally:
        await batches.close()
    assert job.status == "completed"
    assert found.job is not None
    assert found.job.id == job.id


async def test_answers_that_were_not_requested(workspace: Workspace, sandbox: Sandbox) -> None:
    """Answers to unknown IDs are ignored and not billed."""
    with sandbox.faults("unknown=1"):
        result = await workspace.run(["foreignids"], components="etymology")
    totals = result.ledger.totals()
    assert (result.code, totals.answered) == (0, totals.requests)
    assert "unknown" not in result.ledger.spent
    assert sum(record.billed or 0 for record in result.ledger.chunks) == totals.requests


async def test_answers_that_come_twice(workspace: Workspace, sandbox: Sandbox) -> None:
    """An answer that the files hold twice is billed once, as the service bills it."""
    with sandbox.faults("duplicate=1"):
        result = await workspace.run(["twicesaid"], components="etymology")
    totals = result.ledger.totals()
    assert (result.code, totals.answered) == (0, totals.requests)
    assert sum(record.billed or 0 for record in result.ledger.chunks) == totals.requests
    stated = [record.service_usage for record in result.ledger.chunks]
    assert totals.usage.total == sum(usage.total for usage in stated if usage is not None) > 0
