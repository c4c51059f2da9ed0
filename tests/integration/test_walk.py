"""Whole runs from list to database, with real parts and every fault of the service."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient

from floridify_batch.components.failure import FailureReason
from floridify_batch.database.store import MongoStore
from floridify_batch.errors import ServiceError, ServiceRefused
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.driver import Driver, StopReason
from floridify_batch.run.ledger import ChunkState, Ledger
from floridify_batch.run.run_settings import RunSpec
from floridify_batch.run.state import begin_run
from floridify_batch.sandbox.process import running_sandbox
from tests.documents import add_definition, add_known, add_word, contents, owned
from tests.sandbox import Sandbox
from tests.workspace import RunResult, Workspace

type Client = MongoClient[dict[str, Any]]

OF_THE_WORD = "synonyms,antonyms,examples,cefr_level"
"""Components whose prompts contain the word, so that no two requests are equal."""


def letters(number: int) -> str:
    return "".join("abcdefghij"[int(digit)] for digit in f"{number:03d}")


def words_of(name: str, count: int) -> list[str]:
    """A number of words that no other test uses."""
    return [f"{name}{letters(number)}" for number in range(count)]


def assert_settled(result: RunResult) -> None:
    """Every word and every request has exactly one outcome."""
    ledger, totals = result.ledger, result.ledger.totals()
    words = result.checkpoint.words_path.read_text().splitlines()
    assert sorted([*ledger.processed_words, *ledger.missing]) == sorted(words)
    assert {record.state for record in ledger.chunks} <= {ChunkState.DONE}
    assert (totals.open_words, totals.open_requests) == (0, 0)
    for record in ledger.chunks:
        assert sum(map(len, result.failures(record.number).values())) >= record.failed


# ── the plan, walked to its end ────────────────────────────────────────────────────────────────────────────────────


async def test_waves(workspace: Workspace, sandbox: Sandbox) -> None:
    """Unknown words get definitions first and dependent components next; known ones get missing components at once."""
    known, unknown = words_of("waveknown", 3), words_of("waveunknown", 3)
    add_known(workspace.database, *known)
    result = await workspace.run([*known, *unknown], components=OF_THE_WORD)
    assert_settled(result)
    assert (result.code, result.ledger.missing) == (0, {})
    first, second = result.ledger.chunks
    assert (first.words, first.requests, second.words) == (6, 3 + 3 * 4, 3)
    definitions = owned(workspace.database)
    assert second.requests == (len(definitions) - 3) * 4
    assert all("synonyms" in each["synthesis"] for each in definitions)
    assert len(sandbox.batches_of(result.run)) == 2


async def test_complete_costs_nothing(workspace: Workspace, sandbox: Sandbox) -> None:
    """A list of complete words is finished without a single request."""
    words = words_of("complete", 3)
    await workspace.run(words)
    before = sandbox.stats()
    result = await workspace.run(words, name="again")
    assert_settled(result)
    assert (result.code, result.ledger.chunks) == (0, [])
    assert result.ledger.processed_words == words
    assert sandbox.stats() == before


async def test_only_what_is_missing(workspace: Workspace) -> None:
    """Only missing components of a word are requested, and stored ones are unchanged."""
    given: dict[str, Any] = {"cefr_level": "C2", "synonyms": ["given"], "frequency_band": 5, "domain": "law"}
    add_definition(workspace.database, add_word(workspace.database, "partly"), "in part", **given)
    result = await workspace.run(["partly"], components=f"{','.join(given)},antonyms,register")
    assert [record.requests for record in result.ledger.chunks] == [2]
    (found,) = owned(workspace.database)
    assert {name: found[name] for name in given} == given
    assert found["antonyms"]
    assert found["language_register"]


async def test_many_chunks(workspace: Workspace, sandbox: Sandbox) -> None:
    """Words are packed into chunks of the given size, each of which becomes one batch, and no request is sent twice."""
    words = words_of("chunk", 10)
    add_known(workspace.database, *words)
    before = sandbox.stats()["bodies_answered_more_than_once"]
    result = await workspace.run(words, batch_size=3)
    assert_settled(result)
    assert [record.words for record in result.ledger.chunks] == [3, 3, 3, 1]
    assert result.code == 0
    batches = sandbox.batches_of(result.run)
    assert [batch["label"] for batch in batches] == [f"{result.run}/{number:04d}/1" for number in range(1, 5)]
    assert sandbox.stats()["bodies_answered_more_than_once"] == before


async def test_sums(workspace: Workspace, sandbox: Sandbox) -> None:
    """The cost that a run reports is the usage that the service states for its batches, at the batch price."""
    words = words_of("sum", 4)
    with sandbox.faults(f"http_500=0.2@{sandbox.next_batch() + 1}"):
        result = await workspace.run(words, batch_size=2)
    batches = sandbox.batches_of(result.run)
    billed = await workspace.billed(batch["id"] for batch in batches)
    totals = result.ledger.totals()
    assert totals.cost == billed > 0
    assert result.ledger.total_cost == float(billed)
    assert result.ledger.total_tokens == totals.usage.total > 1_000
    assert totals.answered == sum(batch["counts"]["completed"] for batch in batches)
    assert totals.failed_requests == sum(batch["counts"]["failed"] for batch in batches)
    assert totals.requests == sum(batch["counts"]["total"] for batch in batches)


async def test_modes_agree(workspace: Workspace, sandbox: Sandbox) -> None:
    """Immediate mode stores the same dictionary as batches, at twice the price."""
    words, other = [*words_of("mode", 3), "modebank", "modeüber"], workspace.beside("immediate")
    arrivals = []
    for place, immediate in ((workspace, False), (other, True)):
        for homograph in (1, 2):
            word = add_word(place.database, "modebank", homograph=homograph)
            same_id, text = ObjectId(f"{homograph:024x}"), f"a bank of kind {homograph}"
            add_definition(place.database, word, text, synonyms=["shore"], _id=same_id)
        name = "immediate" if immediate else "batch"
        arrivals.append(await place.run(words, name=name, components="all", immediate=immediate))
    batch, immediate_run = arrivals
    assert_settled(immediate_run)
    assert contents(workspace.database) == contents(other.database)
    assert len(contents(other.database)) == len(words) + 1
    costs = [result.ledger.totals().cost for result in arrivals]
    assert costs[0] is not None
    assert costs[1] == costs[0] * Decimal(2)
    assert (batch.code, immediate_run.code) == (0, 0)
    assert sandbox.batches_of(immediate_run.run) == []
    assert other.database.synthesis_stamps.distinct("mode") == ["immediate"]
    other.database.client.drop_database(other.database.name)


# ── the service's faults ───────────────────────────────────────────────────────────────────────────────────────────

FAULTS = {
    "missing": (FailureReason.MISSING, 3),
    "null_response": (FailureReason.HTTP, 3),
    "http_500": (FailureReason.HTTP, 3),
    "http_0": (FailureReason.HTTP, 3),
    "http_429": (FailureReason.HTTP, 3),
    "http_400": (FailureReason.HTTP, 1),
    "refuse": (FailureReason.REFUSED, 1),
    "truncate": (FailureReason.TRUNCATED, 3),
    "malformed": (FailureReason.MALFORMED, 3),
    "not_json": (FailureReason.MALFORMED, 3),
}
"""The failure reason of each fault of a line, and the number of attempts."""

HARMLESS = ("duplicate", "unknown")


def hit_by(fault: str, how: str = "ever") -> str:
    """Return the word whose lines a fault hits; their IDs contain all of it."""
    return f"{how}{fault.replace('_', '')}"


@pytest.fixture(scope="module")
def troubled(
    sandbox: Sandbox, mongo_url: str, mongo_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunResult]:
    """A run in which each fault hits every line of its own word, and one word has no fault."""
    words = [*map(hit_by, (*FAULTS, *HARMLESS)), "spared"]
    database = mongo_client["test_troubled_sandbox"]
    mongo_client.drop_database(database)
    add_known(database, *words)
    workspace = Workspace(tmp_path_factory.mktemp("troubled"), sandbox, mongo_url, database)
    with sandbox.faults("split=0.5", *(f"{fault}={hit_by(fault)}" for fault in (*FAULTS, *HARMLESS))):
        yield asyncio.run(workspace.run(words, components="synonyms,cefr_level"))
    mongo_client.drop_database(database)


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(troubled: RunResult, fault: str) -> None:
    """A request without a usable answer is retried as long as a retry can help; then its word fails with the reason."""
    reason, attempts = FAULTS[fault]
    word = hit_by(fault)
    last = troubled.failures(attempts)[word]
    assert {(failure.reason, failure.attempt) for failure in last} == {(reason, attempts)}
    assert {failure.custom_id.rpartition("-")[2] for failure in last} == {"synonyms", "cefr_level"}
    assert all(failure.detail for failure in last)
    assert word not in troubled.ledger.processed_words
    assert troubled.ledger.missing[word].startswith(f"synonyms: {last[0].kind}: ")
    assert troubled.ledger.missing[word].endswith("(and 1 more)")


@pytest.mark.parametrize("fault", HARMLESS)
def test_harmless(troubled: RunResult, fault: str) -> None:
    """A duplicated answer, or one beside an unknown line, is used, in either file."""
    assert hit_by(fault) in troubled.ledger.processed_words


def test_others_spared(troubled: RunResult) -> None:
    """Failed words do not affect the words with good answers, and the run reports that some words failed."""
    assert troubled.ledger.processed_words.count("spared") == 1
    assert troubled.code == 1
    assert_settled(troubled)


def test_truncated_gets_room(troubled: RunResult) -> None:
    """A truncated answer is retried with a doubled output cap each time."""
    doublings = [troubled.failures(chunk)[hit_by("truncate")][0].cap_doublings for chunk in (1, 2, 3)]
    assert doublings == [0, 1, 2]


async def test_faults_pass(workspace: Workspace, sandbox: Sandbox) -> None:
    """After any transient fault in the first batch, a word whose second attempt succeeds is processed."""
    repeatable = [fault for fault, (_, attempts) in FAULTS.items() if attempts > 1]
    words = [hit_by(fault, "once") for fault in repeatable]
    add_known(workspace.database, *words)
    first = sandbox.next_batch() + 1
    with sandbox.faults(*(f"{fault}={hit_by(fault, 'once')}@{first}" for fault in repeatable)):
        result = await workspace.run(words, components="synonyms,cefr_level")
    assert_settled(result)
    assert (result.code, sorted(result.ledger.processed_words)) == (0, sorted(words))
    assert [record.requests for record in result.ledger.chunks] == [2 * len(words)] * 2


async def test_expired(workspace: Workspace, sandbox: Sandbox) -> None:
    """The answers of an expired batch are stored and paid for once; only the other requests are retried."""
    words = [*words_of("answered", 8), *words_of("expired", 4)]
    before = sandbox.stats()["bodies_answered_more_than_once"]
    with sandbox.faults(f"expire=expired@{sandbox.next_batch() + 1}"):
        result = await workspace.run(words, components=OF_THE_WORD)
    assert_settled(result)
    assert (result.code, result.ledger.missing) == (0, {})
    first, *others = sandbox.batches_of(result.run)
    assert (first["status"], 0 < first["counts"]["failed"] < 12) == ("expired", True)
    assert {batch["status"] for batch in others} == {"completed"}
    expired = [failure for failures in result.failures(1).values() for failure in failures]
    assert len(expired) == first["counts"]["failed"]
    assert {failure.reason for failure in expired} == {FailureReason.EXPIRED}
    assert sandbox.stats()["bodies_answered_more_than_once"] == before


async def test_always_expired(workspace: Workspace, sandbox: Sandbox) -> None:
    """Words whose requests always expire fail after the allowed attempts, and answers are kept."""
    words = words_of("everexpired", 6)
    add_known(workspace.database, *words)
    with sandbox.faults("expire=synonyms"):
        result = await workspace.run(words, components="synonyms,register", max_attempts=2)
    assert_settled(result)
    assert (result.code, len(result.ledger.chunks)) == (1, 2)
    assert set(result.ledger.missing) == set(words)
    assert all(each["language_register"] for each in owned(workspace.database))


async def test_batch_fails(workspace: Workspace, sandbox: Sandbox) -> None:
    """Words of a batch that the service rejects fail with the service's message, and are not sent again."""
    words = words_of("rejected", 3)
    with sandbox.faults("fail_batch=1:mismatched_model"):
        result = await workspace.run(words, components=OF_THE_WORD)
    assert_settled(result)
    assert (result.code, len(sandbox.batches_of(result.run))) == (1, 1)
    reasons = set(result.ledger.missing.values())
    assert reasons == {"definitions: rejected: mismatched_model: Rejected by a fault: mismatched_model."}
    assert result.ledger.total_cost == 0


async def test_chunk_too_large(workspace: Workspace, sandbox: Sandbox) -> None:
    """A chunk above the account's limit of queued tokens is split until it fits; all requests are answered."""
    words = words_of("large", 12)
    add_known(workspace.database, *words)
    before = sandbox.stats()["bodies_answered_more_than_once"]
    with sandbox.faults("token_limit=6000"):
        result = await workspace.run(words, components="synonyms,cefr_level")
    assert_settled(result)
    assert (result.code, result.ledger.missing) == (0, {})
    assert result.ledger.chunks[0].input_tokens > 6_000
    assert result.ledger.token_limit is not None
    assert result.ledger.token_limit < 6_000
    statuses = [batch["status"] for batch in sandbox.batches_of(result.run)]
    assert statuses[0] == "failed"
    assert statuses.count("completed") >= 2
    assert result.ledger.totals().requests == 24
    assert sandbox.stats()["bodies_answered_more_than_once"] == before


async def test_queue_full(workspace: Workspace, tmp_path: Path) -> None:
    """Chunks that find the queue full of our own batches wait, and use the uploaded file."""
    words = words_of("queue", 6)
    add_known(workspace.database, *words)
    with running_sandbox(tmp_path / "sandbox", seconds=1, validating_seconds=0) as url:
        slow = Sandbox(url)
        slow.control(faults=["token_limit=2500"])
        result = await replace(workspace, sandbox=slow).run(words, components="synonyms,cefr_level", batch_size=2)
        batches, after = slow.batches_of(result.run), slow.stats()
    assert_settled(result)
    assert (result.code, result.ledger.missing) == (0, {})
    assert all(record.input_tokens < 2_500 for record in result.ledger.chunks)
    assert [record.words for record in result.ledger.chunks] == [2, 2, 2]
    assert sorted(batch["status"] for batch in batches)[:3] == ["completed"] * 3
    assert len(batches) > 3
    assert len({batch["label"] for batch in batches}) == len(batches)
    assert after["files_uploaded"] == 3
    assert after["bodies_answered_more_than_once"] == 0


async def test_one_word_too_large(workspace: Workspace, sandbox: Sandbox) -> None:
    """A single word above the limit fails with the service's message, instead of being split forever."""
    add_known(workspace.database, "unsplittable")
    with sandbox.faults("token_limit=10"):
        result = await workspace.run(["unsplittable"], components="synonyms")
    assert_settled(result)
    assert (result.code, len(result.ledger.chunks)) == (1, 1)
    assert "Enqueued token limit reached" in result.ledger.missing["unsplittable"]


async def test_quota(workspace: Workspace, sandbox: Sandbox) -> None:
    """An account without credit stops the run unchanged; once it has some, the same command finishes it."""
    words = words_of("quota", 2)
    with sandbox.faults("quota"), pytest.raises(ServiceRefused, match="quota"):
        await workspace.run(words, lookup_seconds=1.0)
    before = Checkpoint(workspace.folder / "words.checkpoint.json").load()
    assert before is not None
    assert ([record.state for record in before.chunks], before.missing) == ([ChunkState.SUBMITTING], {})
    result = await workspace.run(words, lookup_seconds=1.0)
    assert_settled(result)
    assert (result.code, result.run) == (0, before.run.id)
    assert len({batch["label"] for batch in sandbox.batches_of(result.run)}) == len(result.ledger.chunks)


async def test_lost(workspace: Workspace, sandbox: Sandbox) -> None:
    """A batch unknown to the service stops the run, unchanged, after 15 seconds; given up, its words fail."""
    words = words_of("lost", 2)
    with sandbox.faults("quota"), pytest.raises(ServiceRefused):
        await workspace.run(words, components=OF_THE_WORD)
    checkpoint = Checkpoint(workspace.folder / "words.checkpoint.json")
    ledger = checkpoint.load()
    assert ledger is not None
    ledger.move(1, ChunkState.SUBMITTED, batch_id="batch_gone", created_at=ledger.start_time)
    checkpoint.save(ledger)
    with pytest.raises(ServiceError, match=r"batch_gone.*recover --run"):
        await workspace.run(words, components=OF_THE_WORD)
    result = await workspace.resume(give_up=("batch_gone",))
    assert_settled(result)
    assert result.code == 1
    assert all("batch batch_gone was given up" in reason for reason in result.ledger.missing.values())
    assert sandbox.batches_of(result.run) == []


# ── a reply that is lost ───────────────────────────────────────────────────────────────────────────────────────────


async def hurried(_: float) -> None:
    """Sleep very briefly, for a driver that polls often."""
    await asyncio.sleep(0.02)


async def drive(workspace: Workspace, words: list[str]) -> Ledger:
    """Run a list as `travel` does, with a driver whose pauses are short."""
    spec = RunSpec.of(workspace.settings(words, components="synonyms,cefr_level"), words)
    checkpoint = Checkpoint(workspace.folder / "hurried.checkpoint.json")
    batches = OpenAIBatches("any", base_url=workspace.sandbox.url)
    store = MongoStore(workspace.mongo_url, workspace.database.name)
    run = await begin_run(spec, checkpoint, batches, store)
    run.sleep = hurried
    assert await Driver(run).process() is StopReason.FINISHED
    await store.close()
    await batches.close()
    return run.ledger


@pytest.mark.parametrize("fault", ["create_500=2", "create_drop=2", "upload_500=2", "upload_drop=2", "create_429=2"])
async def test_reply_lost(workspace: Workspace, sandbox: Sandbox, fault: str) -> None:
    """If the reply to a creation or an upload is lost, the run finds the batch or file: one batch per chunk."""
    words = words_of(f"reply{fault[:-2].replace('_', '')}", 2)
    add_known(workspace.database, *words)
    with sandbox.faults(fault):
        ledger = await drive(workspace, words)
    assert set(ledger.processed_words) == set(words)
    (batch,) = [each for each in sandbox.batches_of(ledger.run.id) if each["label"] == f"{ledger.run.id}/0001/1"]
    assert batch["status"] == "completed"


async def test_shows_late(workspace: Workspace, tmp_path: Path) -> None:
    """A batch whose creation got no reply, and which the list shows late, is found: no other one is created."""
    words = words_of("late", 2)
    add_known(workspace.database, *words)
    with running_sandbox(tmp_path / "sandbox", seconds=1, validating_seconds=0) as url:
        slow = Sandbox(url)
        slow.control(faults=["create_drop=1", "list_lag=0.3"])
        ledger = await drive(replace(workspace, sandbox=slow), words)
        statuses = [batch["status"] for batch in slow.batches_of(ledger.run.id)]
        after = slow.stats()
    assert statuses == ["completed"]
    assert set(ledger.processed_words) == set(words)
    assert after["bodies_answered_more_than_once"] == 0
