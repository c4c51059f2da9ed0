"""The driver, from a word list to a full dictionary: through waves, failures, full queues, stops and crashes."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, override

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from floridify_batch.components.change import Collection, WriteOutcome, Writes
from floridify_batch.components.failure import FailureReason
from floridify_batch.components.registry import SynthesisComponent as C
from floridify_batch.errors import FormRefused, ServiceError, ServiceRefused
from floridify_batch.files import ChunkFolder
from floridify_batch.pipeline.chunk import failures_by_word, read_failures, read_ordinals
from floridify_batch.pipeline.plan import PageToPlan, left_over, plan_words
from floridify_batch.providers.interface import BatchError, BatchJob, Submission
from floridify_batch.retry import SUBMISSION
from floridify_batch.run.driver import Driver, StopReason
from floridify_batch.run.event import ChunkSettled, Notice, Progressed, RunEnded, RunStarted, Waiting, WordFailed
from floridify_batch.run.feeder import Feeder
from floridify_batch.run.ledger import ChunkState, Ledger
from floridify_batch.run.state import Run
from floridify_batch.run.worker import WorkFunction
from floridify_batch.words.entry import Entry, derived_id
from tests.fakes import REQUEST_COST, Crash, Crashed, End, FakeBatch, Fault, MemoryStore, Recorder, Scenario, Service

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  folders that are made there have names of their own
FULL = BatchError("token_limit_exceeded", "Enqueued token limit reached.")


async def drive(
    scenario: Scenario, *, wait: bool = True, max_batches: int = 20, **parts: Any
) -> tuple[StopReason, Ledger]:
    """Run one process from start to end."""
    run = scenario.run(**parts)
    run.ledger.change_execution_settings({"max_batches": max_batches})
    reason = await Driver(run).process(wait=wait)
    return reason, run.ledger


def known(*words: str, senses: int = 2) -> MemoryStore:
    """Return a database with definitions of these words."""
    store = MemoryStore()
    for word in words:
        store.know(word, *(f"{word}, sense {number}" for number in range(senses)))
    return store


def new_scenario(folder: Path, words: str, service: Service, **more: Any) -> Scenario:
    listed = words.split()
    return Scenario(folder, listed, service, **{"store": known(*listed)} | more)


def chunk_failures(scenario: Scenario, number: int) -> set[FailureReason]:
    folder = ChunkFolder.of(scenario.folder / "run.checkpoint.files", number).path
    return {failure.reason for _, failure in read_failures(folder / "failures.jsonl")}


# ── the ordinary way ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_waves(tmp_path: Path) -> None:
    """Unknown words get definitions first and the other components after them, in one run."""
    scenario = new_scenario(tmp_path, "bank tree", Service(), store=MemoryStore())
    reason, ledger = await drive(scenario)
    assert reason is StopReason.FINISHED
    assert sorted(ledger.processed_words) == ["bank", "tree"]
    assert scenario.service.sizes == [2, 8]
    picture = scenario.store.picture()["entries"]
    assert {len(senses) for senses in picture.values()} == {2}
    for senses in picture.values():
        for _, synonyms, _, _, stamps, examples in senses:
            assert (len(synonyms), len(examples), stamps) == (1, 2, ("examples", "synonyms"))


async def test_a_complete_list_costs_nothing(tmp_path: Path) -> None:
    """A list of complete words creates no batch."""
    store = MemoryStore()
    store.know("bank", "land", synonyms=["shore"], example_ids=["0" * 24])
    scenario = new_scenario(tmp_path, "bank", Service(), store=store)
    reason, ledger = await drive(scenario)
    assert (reason, ledger.processed_words, scenario.service.sizes) == (StopReason.FINISHED, ["bank"], [])
    assert ledger.finished


async def test_running_again_costs_nothing(tmp_path: Path) -> None:
    """A second run over the same words sends no request: even empty answers count as answered."""
    scenario = new_scenario(
        tmp_path / "1", "bank tree", Service(), components=(C.ANTONYMS, C.DOMAIN, C.REGIONAL_VARIANTS)
    )
    scenario.folder.mkdir()
    await drive(scenario)
    again = Scenario(tmp_path / "2", scenario.words, Service(), scenario.store, scenario.components)
    again.folder.mkdir()
    reason, ledger = await drive(again)
    assert (reason, len(ledger.processed_words), again.service.sizes) == (StopReason.FINISHED, 2, [])


async def test_an_unknown_word(tmp_path: Path) -> None:
    """A word for which the model has no definition fails with that reason, and its neighbours do not."""

    def faults(custom_id: str, _: int) -> Fault | None:
        return "undefined" if custom_id.startswith("qwrt") else None

    recorder = Recorder()
    scenario = new_scenario(tmp_path, "qwrt bank", Service(faults=faults), store=MemoryStore())
    _, ledger = await drive(scenario, recorder=recorder)
    assert ledger.missing == {"qwrt": "no definitions: the model does not know the word"}
    assert ledger.processed_words == ["bank"]
    assert recorder.of(WordFailed) == [WordFailed("qwrt", "no definitions: the model does not know the word")]


async def test_homographs(tmp_path: Path) -> None:
    """Every homograph of a word is enhanced, and the word is processed when all of them are."""
    store = MemoryStore()
    store.know("bank", "land by a river")
    store.know("bank", "house of money")
    _, ledger = await drive(new_scenario(tmp_path, "bank", Service(), store=store))
    assert ledger.processed_words == ["bank"]
    assert all(each[1] for senses in store.picture()["entries"].values() for each in senses)


async def test_limits_of_a_chunk(tmp_path: Path) -> None:
    """A batch holds as many words as allowed, and only whole words."""
    scenario = new_scenario(tmp_path, "a1 b2 c3 d4 e5", Service(), batch_size=2)
    await drive(scenario)
    assert scenario.service.sizes == [8, 8, 4]


async def test_many_batches_at_once(tmp_path: Path) -> None:
    """Chunks are submitted without waiting for one another, up to the limit of batches in flight."""
    service = Service(*[End(polls=3)] * 6)
    most = 0

    class Counted(Recorder):
        def notify(self, event: Any) -> None:
            nonlocal most
            most = max(most, sum(not held.job.terminal for held in service.batches.values()))
            super().notify(event)

    await drive(new_scenario(tmp_path, "a1 b2 c3 d4 e5 f6", service, batch_size=1), max_batches=4, recorder=Counted())
    assert most == 4


async def test_words_count_as_their_chunks_end(tmp_path: Path) -> None:
    """The words of chunks that end together count as soon as each chunk is stored."""
    recorder, store = Recorder(), MemoryStore()
    for word in ("a1", "b2", "c3"):
        store.know(word, "a meaning")
    scenario = new_scenario(tmp_path, "a1 b2 c3", Service(), store=store, batch_size=1)
    await drive(scenario, recorder=recorder)
    seen = [event.totals.processed for event in recorder.of(Progressed)]
    assert sorted({*seen}) == [0, 1, 2, 3]


async def test_the_bill(tmp_path: Path) -> None:
    """The cost of a run is the price of all its answers, failed ones included."""
    scenario = new_scenario(tmp_path, "bank tree", Service(faults=once("malformed", "synonyms")))
    _, ledger = await drive(scenario)
    answers = sum(scenario.service.answered.values())
    assert answers == 12
    assert ledger.totals().cost == answers * REQUEST_COST
    assert ledger.total_tokens == answers * 120


async def test_events_of_a_run(tmp_path: Path) -> None:
    """A run emits events for its start, each settled chunk and its end, with the totals."""
    recorder = Recorder()
    await drive(new_scenario(tmp_path, "bank", Service()), recorder=recorder)
    assert [event.resumed for event in recorder.of(RunStarted)] == [False]
    assert [(event.answered, dict(event.failures)) for event in recorder.of(ChunkSettled)] == [(4, {})]
    (ended,) = recorder.of(RunEnded)
    assert (ended.complete, ended.stopped, ended.totals.processed) == (True, False, 1)
    assert (ended.totals.requests, ended.totals.open_requests) == (4, 0)


# ── requests that fail ─────────────────────────────────────────────────────────────────────────────────────────────


def once(fault: Fault, component: str = "synonyms", times: int = 1) -> Callable[[str, int], Fault | None]:
    """A fault in the first few attempts of one component's requests."""
    return lambda custom_id, before: fault if custom_id.endswith(component) and before < times else None


@pytest.mark.parametrize("fault", ["missing", "malformed", "cut", 429, 500])
async def test_transient_failures_are_retried(tmp_path: Path, fault: Fault) -> None:
    """Only requests with transient failures are retried, and their word is processed."""
    scenario = new_scenario(tmp_path, "bank", Service(faults=once(fault)))
    _, ledger = await drive(scenario)
    assert scenario.service.sizes == [4, 2]
    assert (ledger.processed_words, ledger.missing) == (["bank"], {})


@pytest.mark.parametrize(
    ("fault", "reason"), [("refused", "refused: I would rather not."), (400, "http 400: status 400")]
)
async def test_what_is_hopeless_is_not(tmp_path: Path, fault: Fault, reason: str) -> None:
    """A refused request is not retried; its word fails with the reason, and keeps its other values."""
    scenario = new_scenario(tmp_path, "bank", Service(faults=once(fault)))
    _, ledger = await drive(scenario)
    assert scenario.service.sizes == [4]
    assert ledger.missing == {"bank": f"synonyms: {reason} (missing 2 of 4)"}
    assert [each[5] != () for each in scenario.store.picture()["entries"]["bank 1"]] == [True, True]


async def test_attempts_run_out(tmp_path: Path) -> None:
    """A request that always fails is sent `--max-attempts` times, and then its word fails."""
    scenario = new_scenario(tmp_path, "bank", Service(faults=once(503, times=99)), max_attempts=2)
    _, ledger = await drive(scenario)
    assert scenario.service.sizes == [4, 2]
    assert ledger.missing == {"bank": "synonyms: http 503: status 503 (missing 2 of 4)"}


async def test_a_cut_answer_gets_more_room(tmp_path: Path) -> None:
    """A truncated answer is retried with a doubled output cap, other failures with the same cap."""
    scenario = new_scenario(tmp_path, "bank", Service(faults=once("cut", times=2)))
    await drive(scenario)
    caps = [
        content.count(b'"max_completion_tokens":%d,' % cap)
        for content, cap in zip(scenario.service.files.values(), (2000, 4000, 8000), strict=True)
    ]
    assert caps == [2, 2, 2]


async def test_failures_are_carried_along(tmp_path: Path) -> None:
    """A final failure is kept through later waves: it is neither retried nor lost."""

    def faults(custom_id: str, before: int) -> Fault | None:
        if custom_id.endswith("synonyms"):
            return "refused"
        return "missing" if before == 0 else None

    scenario = new_scenario(tmp_path, "bank", Service(faults=faults))
    _, ledger = await drive(scenario)
    assert scenario.service.sizes == [4, 2]
    assert list(ledger.missing) == ["bank"]
    assert max(scenario.service.asked.values()) == 2
    assert {name for name, count in scenario.service.asked.items() if count == 2} == {
        name for name in scenario.service.asked if name.endswith("examples")
    }


# ── batches that end otherwise ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", ["expired", "cancelled"])
async def test_finished_work_is_used(tmp_path: Path, status: str) -> None:
    """The answers of an expired or cancelled batch are stored, and only the other requests are retried."""
    scenario = new_scenario(tmp_path, "bank tree", Service(End(status, answered=5)))
    _, ledger = await drive(scenario)
    assert scenario.service.sizes == [8, 3]
    assert set(scenario.service.answered.values()) == {1}
    assert sorted(ledger.processed_words) == ["bank", "tree"]
    assert ledger.chunk(1).failures == {status: 3}


async def test_a_rejected_batch(tmp_path: Path) -> None:
    """A rejected batch costs nothing and is not repeated; its words fail with the service's message."""
    error = BatchError("model_not_found", "The model does not exist.", 1)
    scenario = new_scenario(tmp_path, "bank", Service(End("failed", error=error)))
    _, ledger = await drive(scenario)
    message = "synonyms: rejected: model_not_found: The model does not exist. (line 1) (and 3 more)"
    assert ledger.missing == {"bank": message}
    assert (ledger.total_cost, ledger.total_tokens, scenario.service.sizes) == (0, 0, [4])
    assert ledger.totals().failed_requests == 4


async def given_up(scenario: Scenario, **options: Any) -> tuple[StopReason, Ledger]:
    """Drive a run to its end, and give up the batches that the service reports as unknown."""
    try:
        return await drive(scenario, **options)
    except FormRefused:
        raise
    except ServiceError:
        run = scenario.run()
        denied = [each.batch_id or "" for each in run.ledger.in_state(ChunkState.SUBMITTED)]
        return await Driver(run).process(give_up=denied), run.ledger


@pytest.mark.parametrize("end", [End(unknown=True), End(gone=True)], ids=["batch", "answers"])
async def test_a_batch_that_is_given_up(tmp_path: Path, end: End) -> None:
    """An unknown batch that the user gives up is not paid for again: its words fail with that reason."""
    scenario = new_scenario(tmp_path, "bank", Service(end))
    _, ledger = await given_up(scenario)
    assert scenario.service.sizes == [4]
    assert "batch batch_1 was given up" in ledger.missing["bank"]
    assert chunk_failures(scenario, 1) == {FailureReason.REJECTED}


async def test_a_lost_batch_stays_lost(tmp_path: Path) -> None:
    """A resumed run does not pay again for a lost batch."""
    scenario = new_scenario(tmp_path, "bank tree", Service(End(unknown=True), End(polls=3)), batch_size=1)
    await drive(scenario, wait=False)
    await given_up(scenario)
    reason, ledger = await drive(scenario, wait=False)
    assert (reason, scenario.service.sizes) == (StopReason.FINISHED, [4, 4])
    assert (list(ledger.missing), ledger.processed_words) == (["bank"], ["tree"])


# ── full queues ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_full_queue_is_waited_for(tmp_path: Path) -> None:
    """A chunk refused by a full queue waits until one of ours has ended, and is submitted under another label."""
    scenario = new_scenario(tmp_path, "a1 b2 c3 d4", Service(End(polls=4), queue=10), batch_size=2)
    _, ledger = await drive(scenario)
    assert len(ledger.processed_words) == 4
    assert set(scenario.service.answered.values()) == {1}
    assert scenario.service.labels == ["run1/0001/1", "run1/0002/1", "run1/0002/2"]
    assert len(scenario.service.files) == 2


async def test_a_full_queue_and_one_word(tmp_path: Path) -> None:
    """A chunk of one word waits for a full queue like any other, without being split."""
    scenario = new_scenario(tmp_path, "a1 b2", Service(End(polls=4), queue=6), batch_size=1)
    _, ledger = await drive(scenario)
    assert ledger.missing == {}
    assert len(ledger.processed_words) == 2


async def test_a_chunk_that_is_too_large_by_itself(tmp_path: Path) -> None:
    """Without other batches of ours in the queue, the chunk is split, and the limit is kept."""
    recorder = Recorder()
    scenario = new_scenario(tmp_path, "a1 b2 c3 d4", Service(queue=8))
    _, ledger = await drive(scenario, recorder=recorder)
    assert sorted(ledger.processed_words) == ["a1", "b2", "c3", "d4"]
    assert scenario.service.sizes[0] == 16
    assert max(scenario.service.sizes[1:]) == 8
    assert set(scenario.service.answered.values()) == {1}
    assert ledger.token_limit == ledger.chunk(1).input_tokens // 2
    assert ledger.totals().requests == 16
    assert any("split" in event.text for event in recorder.of(Notice))


async def test_cut_smaller_again_and_again(tmp_path: Path) -> None:
    """A token limit far below the chunk's size is found by halving, and no request is answered twice."""
    scenario = new_scenario(tmp_path, "a1 b2 c3 d4 e5 f6 g7 h8", Service(queue=8))
    _, ledger = await drive(scenario)
    assert len(ledger.processed_words) == 8
    assert set(scenario.service.answered.values()) == {1}


async def test_a_queue_that_others_fill(tmp_path: Path) -> None:
    """While batches of others fill the queue no chunk is split: it is submitted again with an increasing backoff."""
    scenario = new_scenario(tmp_path, "a1 b2 c3 d4", Service())
    scenario.service.crowd = 6
    _, ledger = await drive(scenario)
    assert (sorted(ledger.processed_words), ledger.missing) == (["a1", "b2", "c3", "d4"], {})
    assert scenario.service.labels == [f"run1/0001/{number}" for number in range(1, 8)]
    assert (set(scenario.service.answered.values()), len(scenario.service.files)) == ({1}, 1)
    assert len(scenario.sleeps) >= 1 + 2 + 4 + 8 + 16 + 16


async def test_a_limit_is_never_raised(tmp_path: Path) -> None:
    """A chunk above a limit learned later is split before submission, and the lowest limit is kept."""
    scenario = new_scenario(tmp_path, "a1 b2 c3 d4", Service())
    run = scenario.run()
    assert await Feeder(run).next_chunk(alone=True)
    run.ledger.token_limit = run.ledger.chunk(1).input_tokens // 2
    run.save()
    _, ledger = await drive(scenario)
    assert ledger.chunk(1).batch_id is None
    assert max(scenario.service.sizes) == 8
    assert len(ledger.processed_words) == 4


async def test_a_queue_that_another_project_fills(tmp_path: Path) -> None:
    """A single word within the limit that the service names waits, although no other batch is listed."""
    scenario = new_scenario(tmp_path, "bank", Service())
    scenario.service.creations.extend(["full"] * 3)
    scenario.service.full = "Enqueued token limit reached. Limit: 20,000 enqueued tokens."
    _, ledger = await drive(scenario)
    assert (ledger.processed_words, ledger.missing) == (["bank"], {})
    assert set(scenario.service.answered.values()) == {1}


async def test_one_word_beyond_the_limit(tmp_path: Path) -> None:
    """A single word above the account's limit fails with the service's message."""
    scenario = new_scenario(tmp_path, "bank", Service(queue=3))
    reason, ledger = await drive(scenario)
    assert reason is StopReason.FINISHED
    assert "token_limit_exceeded: Enqueued token limit reached." in ledger.missing["bank"]


async def test_a_full_queue_and_a_lost_batch(tmp_path: Path) -> None:
    """A chunk that waits for a full queue is submitted when the batches before it are gone, also lost ones."""
    ends = (End(), End("failed", error=FULL), End(unknown=True))
    scenario = new_scenario(tmp_path, "a1 b2 c3 d4 e5 f6", Service(*ends), batch_size=2)
    _, ledger = await given_up(scenario)
    assert ledger.finished
    assert sorted(ledger.processed_words) == ["a1", "b2", "c3", "d4"]
    assert sorted(ledger.missing) == ["e5", "f6"]


async def test_attempts_survive_a_split(tmp_path: Path) -> None:
    """Splitting a chunk gives no request more attempts than allowed."""
    ends = (End(), End("failed", error=FULL))
    scenario = new_scenario(tmp_path, "a1 b2", Service(*ends, faults=once(500, times=9)), max_attempts=2)
    _, ledger = await drive(scenario)
    assert sorted(ledger.missing) == ["a1", "b2"]
    assert max(scenario.service.asked.values()) == 2


# ── an account that cannot pay ─────────────────────────────────────────────────────────────────────────────────────

UNPAID = BatchError("billing_hard_limit_reached", "Billing hard limit has been reached.")


async def test_an_account_that_cannot_pay(tmp_path: Path) -> None:
    """A batch that fails because of the account stops the run without failing a word; the run can be resumed."""
    scenario = new_scenario(tmp_path, "a1 b2 c3 d4", Service(End("failed", error=UNPAID)), batch_size=2)
    with pytest.raises(ServiceRefused, match=UNPAID.message):
        await drive(scenario)
    ledger = scenario.run().ledger
    assert (ledger.chunk(1).state, ledger.chunk(1).batch_id, ledger.missing) == (ChunkState.PLANNED, None, {})
    reason, ledger = await drive(scenario)
    assert (reason, sorted(ledger.processed_words)) == (StopReason.FINISHED, scenario.words)
    assert scenario.service.labels == ["run1/0001/1", "run1/0002/1", "run1/0001/2"]
    assert (len(scenario.service.files), set(scenario.service.answered.values())) == (2, {1})


async def test_an_account_that_can_pay_no_more(tmp_path: Path) -> None:
    """Answers received before the account ran out of quota are stored before the run stops, and not requested again."""

    class Late(Service):
        """A service that fails a batch when half of it is answered."""

        @override
        def _finish(self, held: FakeBatch, status: str, answered: int | None) -> None:
            super()._finish(held, "completed", answered)
            held.job = replace(held.job, status=status)

    scenario = new_scenario(tmp_path, "a1 b2", Late(End("failed", answered=4, error=UNPAID)))
    with pytest.raises(ServiceRefused, match=UNPAID.message):
        await drive(scenario)
    ledger = scenario.run().ledger
    assert (ledger.chunk(1).state, ledger.chunk(1).answered) == (ChunkState.STORED, 4)
    reason, ledger = await drive(scenario)
    assert (reason, sorted(ledger.processed_words)) == (StopReason.FINISHED, scenario.words)
    assert set(scenario.service.answered.values()) == {1}


# ── a service that does not answer ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["lost", "silent", "late"])
async def test_an_uncertain_creation(tmp_path: Path, how: str) -> None:
    """After a creation without a reply there is exactly one batch, paid for once."""
    scenario = new_scenario(tmp_path, "bank", Service())
    scenario.service.creations.append(how)
    _, ledger = await drive(scenario)
    live = [held for held in scenario.service.batches.values() if held.job.status != "cancelled"]
    assert len(live) == 1
    assert set(scenario.service.answered.values()) == {1}
    assert ledger.processed_words == ["bank"]


async def test_an_uncertain_upload(tmp_path: Path) -> None:
    """A failed upload is repeated, since only batches are billed."""
    scenario = new_scenario(tmp_path, "bank", Service())
    scenario.service.lost_uploads = int(SUBMISSION.attempts) - 1
    _, ledger = await drive(scenario)
    assert (ledger.processed_words, scenario.service.sizes) == (["bank"], [4])


@pytest.mark.parametrize("what", ["upload", "create"])
async def test_an_outage(tmp_path: Path, what: str) -> None:
    """An hour's outage during a submission does not stop the run: it retries every minute and reports it."""
    recorder = Recorder()
    scenario = new_scenario(tmp_path, "bank", Service())
    if what == "upload":
        scenario.service.lost_uploads = 70
    else:
        scenario.service.creations.extend(["lost"] * 70)
    reason, ledger = await drive(scenario, recorder=recorder)
    assert (reason, ledger.processed_words, scenario.service.sizes) == (StopReason.FINISHED, ["bank"], [4])
    assert len(scenario.service.files) == 1
    assert sum(scenario.sleeps) > 3_500
    assert max(scenario.sleeps) <= SUBMISSION.longest
    assert len(recorder.of(Waiting)) >= 70


async def test_stopped_in_an_outage(tmp_path: Path) -> None:
    """A driver stopped during an outage leaves the chunk in a state that can be resumed."""
    scenario = new_scenario(tmp_path, "bank", Service())
    scenario.service.creations.append("lost")
    run = scenario.run()
    driver = Driver(run, grace=0)

    async def nap(_: float) -> None:
        driver.stop()
        await asyncio.Event().wait()

    run.sleep = nap
    assert await driver.process() is StopReason.STOPPED
    assert scenario.run().ledger.chunk(1).state is ChunkState.SUBMITTING
    reason, ledger = await drive(scenario)
    assert (reason, ledger.processed_words, scenario.service.sizes) == (StopReason.FINISHED, ["bank"], [4])


@pytest.mark.parametrize("where", ["upload", "create", "retrieve"])
async def test_a_refused_account(tmp_path: Path, where: str) -> None:
    """A service that refuses the account stops the run at once; resuming afterwards loses nothing."""

    class Closed(Service):
        open = False

        async def upload(self, requests: Path) -> str:
            self._guard("upload")
            return await super().upload(requests)

        async def create(self, submission: Submission) -> Any:
            self._guard("create")
            return await super().create(submission)

        async def retrieve(self, batch_id: str) -> Any:
            self._guard("retrieve")
            return await super().retrieve(batch_id)

        def _guard(self, here: str) -> None:
            if here == where and not self.open:
                raise ServiceRefused("You exceeded your current quota.")

    service = Closed()
    scenario = new_scenario(tmp_path, "bank", service)
    with pytest.raises(ServiceRefused):
        await drive(scenario)
    service.open = True
    _, ledger = await drive(scenario)
    assert (ledger.processed_words, service.sizes) == (["bank"], [4])


# ── stops, passes and crashes ──────────────────────────────────────────────────────────────────────────────────────


async def test_stop(tmp_path: Path) -> None:
    """A stopped run exits after its present step, reports that it is incomplete, and can be resumed."""
    scenario = new_scenario(tmp_path, "a1 b2 c3", Service(*[End(polls=3)] * 3), batch_size=1)
    recorder = Recorder()
    run = scenario.run(recorder=recorder)
    processor = Driver(run)

    async def nap(_: float) -> None:
        processor.stop()

    run.sleep = nap
    assert await processor.process() is StopReason.STOPPED
    (ended,) = recorder.of(RunEnded)
    assert (ended.complete, ended.stopped) == (False, True)
    reason, ledger = await drive(scenario)
    assert (reason, sorted(ledger.processed_words)) == (StopReason.FINISHED, ["a1", "b2", "c3"])
    assert (scenario.service.sizes, set(scenario.service.answered.values())) == ([4, 4, 4], {1})


async def test_a_stop_does_not_wait_for_the_next_poll(tmp_path: Path) -> None:
    """A stop does not wait for the end of the poll interval."""
    scenario = new_scenario(tmp_path, "bank", Service(End(polls=9)))
    run = scenario.run()
    run.sleep = asyncio.sleep
    processor = Driver(run)
    asyncio.get_running_loop().call_later(0.05, processor.stop)
    async with asyncio.timeout(20):
        assert await processor.process() is StopReason.STOPPED


async def test_a_stop_does_not_wait_for_the_service(tmp_path: Path) -> None:
    """A stop does not wait for a service that hangs, and the run can be resumed."""

    class Hanging(Service):
        hangs = True

        async def retrieve(self, batch_id: str) -> BatchJob:
            if self.hangs:
                await asyncio.Event().wait()
            return await super().retrieve(batch_id)

    service = Hanging()
    scenario = new_scenario(tmp_path, "bank", service)
    processor = Driver(scenario.run())
    asyncio.get_running_loop().call_later(0.05, processor.stop)
    async with asyncio.timeout(20):
        assert await processor.process() is StopReason.STOPPED
    service.hangs = False
    reason, _ = await drive(scenario)
    assert (reason, service.sizes) == (StopReason.FINISHED, [4])


async def test_what_was_deleted_meanwhile(tmp_path: Path) -> None:
    """The deletion of a definition whose batch is in flight affects its own answers only."""
    scenario = new_scenario(tmp_path, "bank", Service(End(polls=2)))
    await drive(scenario, wait=False)
    definitions = scenario.store.documents[Collection.DEFINITIONS]
    definitions.pop(next(iter(definitions)))
    reason, ledger = await drive(scenario)
    assert (reason, ledger.processed_words, scenario.service.sizes) == (StopReason.FINISHED, ["bank"], [4])
    assert chunk_failures(scenario, 1) == {FailureReason.ORPHANED}
    assert ledger.totals().failed_requests == 2


def take_away(store: MemoryStore, text: str, *, rename: bool) -> None:
    """Delete or rename a word, as a person does between two processes."""
    words = store.documents[Collection.WORDS]
    identity = next(identity for identity, word in words.items() if word["text"] == text)
    if rename:
        words[identity]["text"] = f"{text}er"
    else:
        del words[identity]


async def with_batch_in_flight(folder: Path, stage: int, *, stored: bool) -> Scenario:
    """A run of two words whose batch of a stage is in flight."""
    words, service = ["bank", "tree"], Service(*[End(polls=2)] * 9)
    scenario = Scenario(folder, words, service, known(*words, senses=1) if stored else MemoryStore())
    while len(service.sizes) < stage:
        await drive(scenario, wait=False)
    return scenario


def assert_deleted(scenario: Scenario, ledger: Ledger, requests: int) -> None:
    """The word "bank" failed as deleted, with this number of outdated answers; the other word is processed."""
    assert (ledger.finished, ledger.processed_words) == (True, ["tree"])
    assert ledger.failed_words["bank"].startswith("somebody deleted or renamed this word during the run")
    assert "bank" not in {word["text"] for word in scenario.store.documents[Collection.WORDS].values()}
    totals = ledger.totals()
    assert (totals.outdated, totals.without_answer) == (requests, 0)


@pytest.mark.parametrize("rename", [False, True], ids=["deleted", "renamed"])
@pytest.mark.parametrize(
    ("stage", "stored", "sizes", "outdated"), [(1, True, [4], 2), (1, False, [2, 4], 1), (2, False, [2, 8], 4)]
)
async def test_a_word_is_deleted_or_renamed(
    tmp_path: Path, stage: int, sizes: list[int], outdated: int, *, stored: bool, rename: bool
) -> None:
    """A word that is deleted or renamed while its batch is in flight fails: it is neither created nor requested again,
    and its answers count as outdated.
    """
    scenario = await with_batch_in_flight(tmp_path, stage, stored=stored)
    take_away(scenario.store, "bank", rename=rename)
    owners = {each["word_id"] for each in scenario.store.documents[Collection.DEFINITIONS].values()}
    _, ledger = await drive(scenario)
    assert_deleted(scenario, ledger, outdated)
    assert scenario.service.sizes == sizes
    present = scenario.store.documents[Collection.WORDS].keys()
    assert {each["word_id"] for each in scenario.store.documents[Collection.DEFINITIONS].values()} <= owners | present


async def test_dying_after_a_word_is_deleted(memory: Path) -> None:
    """A crash at any step after the deletion of a word changes nothing about its failure and its requests."""
    dies_at, crashed = 0, True
    while crashed:
        dies_at, crashed = dies_at + 1, False
        folder = memory / str(dies_at)
        folder.mkdir()
        scenario = await with_batch_in_flight(folder, 2, stored=False)
        take_away(scenario.store, "bank", rename=False)
        try:
            await drive(scenario, crash=Crash(dies_at))
        except Crashed:
            crashed = True
        _, ledger = await drive(scenario)
        assert_deleted(scenario, ledger, 4)
        assert scenario.service.sizes == [2, 8], dies_at
    assert dies_at > 5


async def test_a_word_without_a_document_is_created(tmp_path: Path) -> None:
    """A word of the list that was never requested is created although the database has no document of it."""
    scenario = new_scenario(tmp_path, "bank tree", Service(*[End(polls=2)] * 9), store=known("tree"), batch_size=1)
    await drive(scenario, wait=False, max_batches=1)
    take_away(scenario.store, "tree", rename=False)
    _, ledger = await drive(scenario)
    assert (sorted(ledger.processed_words), ledger.failed_words) == (["bank", "tree"], {})


async def test_an_outdated_answer_that_is_retried_has_not_failed(tmp_path: Path) -> None:
    """A request whose answer is outdated counts as retried, not as failed, once its retry is answered."""
    scenario = new_scenario(tmp_path, "bank", Service(End(polls=2)))
    await drive(scenario, wait=False)
    for definition in scenario.store.documents[Collection.DEFINITIONS].values():
        definition["text"] += ", rewritten"
    _, ledger = await drive(scenario)
    totals = ledger.totals()
    assert (ledger.processed_words, totals.answered, totals.unique_requests) == (["bank"], 4, 4)
    assert (totals.retried, totals.failed_for_good, totals.outdated) == (4, 0, 0)


async def test_an_outdated_answer_whose_place_is_filled(tmp_path: Path) -> None:
    """An answer counts as outdated, not as failed, if its definition was changed and its place filled meanwhile."""
    scenario = new_scenario(tmp_path, "bank", Service(End(polls=2)))
    await drive(scenario, wait=False)
    for definition in scenario.store.documents[Collection.DEFINITIONS].values():
        definition |= {"text": "rewritten", "synonyms": ["shore"]}
    _, ledger = await drive(scenario)
    totals = ledger.totals()
    assert (ledger.processed_words, totals.outdated, totals.without_answer) == (["bank"], 2, 0)
    assert totals.answered + totals.outdated == totals.unique_requests


async def test_a_sense_of_an_editor_beside_written_definitions(tmp_path: Path) -> None:
    """A sense that an editor adds to the entry while definitions of clusters are in flight stays listed beside them."""
    components = (C.CLUSTER_DEFINITIONS, C.DEFINITION_TEXT)
    scenario = new_scenario(
        tmp_path, "bank", Service(End(), End(polls=2)), store=known("bank", senses=3), components=components
    )
    documents = scenario.store.documents
    await drive(scenario, wait=False)
    await drive(scenario, wait=False)
    (entry,) = documents[Collection.ENTRIES].values()
    listed, mine = entry["definition_ids"], derived_id("mine")
    sense = documents[Collection.DEFINITIONS][listed[0]]
    own = {name: sense[name] for name in ("word_id", "part_of_speech")} | {"providers": ["synthesis"]}
    documents[Collection.DEFINITIONS][mine] = own | {"_id": mine, "text": "a sense of mine", "version": 1}
    entry["definition_ids"] = [listed[0], mine, *listed[1:]]
    _, ledger = await drive(scenario)
    texts = [documents[Collection.DEFINITIONS][each]["text"] for each in entry["definition_ids"]]
    assert ledger.processed_words == ["bank"]
    assert "a sense of mine" in texts
    assert sum(each.startswith("written of") for each in texts) == 2


async def test_passes_without_waiting(tmp_path: Path) -> None:
    """Several processes with --no-wait have the same result as one process that waits."""
    words = "a1 b2 c3 d4"
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    patient = new_scenario(tmp_path / "1", words, Service(), store=MemoryStore(), batch_size=3)
    await drive(patient)
    passing = new_scenario(tmp_path / "2", words, Service(*[End(polls=2)] * 9), store=MemoryStore(), batch_size=3)
    endings = [(await drive(passing, wait=False))[0] for _ in range(12)]
    assert endings[0] is StopReason.IN_FLIGHT
    assert endings[-1] is StopReason.FINISHED
    assert passing.sleeps == []
    assert passing.store.picture() == patient.store.picture()
    assert set(passing.service.answered.values()) == {1}


async def test_a_finished_run_is_finished(tmp_path: Path) -> None:
    """Resuming a finished run does nothing and changes nothing."""
    scenario = new_scenario(tmp_path, "bank", Service())
    _, before = await drive(scenario)
    reason, after = await drive(scenario)
    assert reason is StopReason.FINISHED
    assert after.finished
    assert scenario.service.sizes == [4]
    assert after.processed_words == before.processed_words


def eventful(folder: Path) -> Scenario:
    """A run with three waves, an expired batch, a malformed answer and a word that fails."""
    folder.mkdir()
    store = MemoryStore()
    store.know("known", "what is known")

    def faults(custom_id: str, before: int) -> Fault | None:
        if custom_id.startswith("known") and custom_id.endswith("synonyms"):
            return 400
        return "missing" if custom_id.endswith("examples") and before == 0 else None

    service = Service(End(), End("expired", answered=1), faults=faults)
    return Scenario(folder, ["known", "one", "two"], service, store, batch_size=2)


async def uneventful_end(folder: Path) -> tuple[Any, int]:
    """Return the documents of such a run without a crash, and the number of its effects."""
    scenario, crash = eventful(folder), Crash()
    await drive(scenario, crash=crash)
    return scenario.store.picture(), crash.steps


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder on which a sync is cheap, if the system has one: some tests make thousands."""
    with TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else tmp_path) as folder:
        yield Path(folder)


async def test_dying_anywhere(memory: Path) -> None:
    """A crash at any step followed by `resume` ends like an uninterrupted run: no word lost, no answer paid for
    twice.
    """
    picture, steps = await uneventful_end(memory / "whole")
    assert steps > 50
    for dies_at in range(1, steps + 1):
        scenario = eventful(memory / str(dies_at))
        with pytest.raises(Crashed):
            await drive(scenario, crash=Crash(dies_at))
        reason, ledger = await drive(scenario)
        assert reason is StopReason.FINISHED, dies_at
        assert sorted(ledger.processed_words) == ["one", "two"], dies_at
        assert list(ledger.missing) == ["known"], dies_at
        assert set(scenario.service.answered.values()) == {1}, dies_at
        labels = scenario.service.labels
        assert len(set(labels)) == len(labels), dies_at
        assert scenario.store.picture() == picture, dies_at


async def test_dying_with_a_full_queue(memory: Path) -> None:
    """A crash at any step while chunks wait for the queue or are split loses nothing and pays nothing twice."""

    def crowded(name: str) -> Scenario:
        (memory / name).mkdir()
        return new_scenario(memory / name, "a1 b2 c3 d4", Service(queue=8))

    scenario, crash = crowded("whole"), Crash()
    await drive(scenario, crash=crash)
    picture = scenario.store.picture()
    for dies_at in range(1, crash.steps + 1):
        scenario = crowded(str(dies_at))
        with pytest.raises(Crashed):
            await drive(scenario, crash=Crash(dies_at))
        _, ledger = await drive(scenario)
        assert sorted(ledger.processed_words) == ["a1", "b2", "c3", "d4"], dies_at
        assert set(scenario.service.answered.values()) == {1}, dies_at
        assert scenario.store.picture() == picture, dies_at


async def test_dying_again_and_again(memory: Path) -> None:
    """Repeated crashes after a few effects each still let the run finish."""
    picture, _ = await uneventful_end(memory / "whole")
    scenario = eventful(memory / "dying")
    lives = 0
    while True:
        lives += 1
        assert lives < 60
        try:
            _, ledger = await drive(scenario, crash=Crash(dies_at=11 + lives % 3))
        except Crashed:
            continue
        break
    assert lives > 4
    assert scenario.store.picture() == picture
    assert set(scenario.service.answered.values()) == {1}
    assert ledger.finished


FAULTS: tuple[Fault | None, ...] = (None, None, None, "missing", "refused", "cut", "malformed", 400, 429, 500)
ends = st.one_of(
    st.builds(End, polls=st.integers(1, 3)),
    st.builds(End, st.sampled_from(["expired", "cancelled"]), st.integers(1, 3), st.integers(0, 9)),
    st.sampled_from([End("failed", error=BatchError("model_not_found", "No.")), End(gone=True)]),
    st.sampled_from([End("failed", error=FULL), End(unknown=True)]),
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    script=st.lists(ends, max_size=6),
    faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=7),
    creations=st.lists(st.sampled_from(["made", "lost", "silent"]), max_size=3),
    queue=st.sampled_from([None, 12, 20]),
    deaths=st.lists(st.integers(5, 60), max_size=3),
    batch_size=st.sampled_from([None, 2, 3]),
)
def test_whatever_happens(
    script: list[End],
    faults: list[Fault | None],
    creations: list[str],
    queue: int | None,
    deaths: list[int],
    batch_size: int | None,
) -> None:
    """For any faults of the service and any crashes, each word is finished, and the number of requests is limited."""

    removed: list[bool] = []  # the cause of a refusal of everything, which stops the run until then

    def fault(custom_id: str, before: int) -> Fault | None:
        return None if removed else faults[(sum(custom_id.encode()) + before) % len(faults)]

    async def live(scenario: Scenario) -> Ledger:
        for dies_at in deaths:
            with suppress(Crashed, ServiceError):
                await drive(scenario, crash=Crash(dies_at), wait=False)
        while True:
            try:
                _, ledger = await given_up(scenario)
            except FormRefused:
                removed.append(True)
            else:
                if ledger.finished:
                    return ledger

    words = ["a1", "b2", "c3", "d4", "e5"]
    with TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None) as folder:
        service = Service(*script, queue=queue, faults=fault)
        service.creations.extend(creations)
        scenario = Scenario(Path(folder), words, service, known(*words[:3]), batch_size=batch_size)
        ledger = asyncio.run(live(scenario))
    assert ledger.finished
    assert sorted([*ledger.processed_words, *ledger.missing]) == words
    assert max(service.asked.values(), default=0) <= scenario.max_attempts + len(removed)
    assert len(removed) <= len(script) + 1
    totals = ledger.totals()
    assert totals.open_requests == 0
    assert totals.answered <= sum(service.answered.values())
    entries = asyncio.run(scenario.store.entries(words, "en"))
    for word in words:
        complete = left_over(entries[word], scenario.brief, {}) is None
        assert complete == (word in ledger.processed_words), word


# ── feeding ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def fed(run: Run, *, alone: bool = True) -> list[list[str]]:
    """Return the words of every chunk that can be finished now."""
    feeder = Feeder(run)
    chunks = []
    while record := await feeder.next_chunk(alone=alone):
        folder = run.folder(record)
        chunks.append([run.words[ordinal] for ordinal in read_ordinals(folder)])
    feeder.close()
    return chunks


class Late:
    """A worker that is abandoned before it starts, and writes its lines during the removal of files."""

    ahead = 0

    def begin[T, R](self, station: WorkFunction[T, R], piece: T) -> asyncio.Future[R]:
        """Create enough files that their removal takes a while, and wait for it."""
        assert station is plan_words
        assert isinstance(piece, PageToPlan)
        folder = Path(piece.folder)
        for number in range(2_000):
            (folder / str(number)).touch()
        self.worker = Thread(target=self._work, args=(folder,))
        self.worker.start()
        return asyncio.get_running_loop().create_future()

    def _work(self, folder: Path) -> None:
        with suppress(FileNotFoundError):  # the removal was faster
            while len(list(folder.iterdir())) == 2_000:
                pass
            (folder / "late").touch()

    def close(self) -> None:
        """Wait for them."""
        self.worker.join()


async def test_late_hands(tmp_path: Path) -> None:
    """Workers that write lines at the moment of the exit leave no files."""
    run = new_scenario(tmp_path, "bank", Service()).run()
    run.pool = late = Late()
    feeder = Feeder(run)
    with suppress(TimeoutError):
        await asyncio.wait_for(feeder.next_chunk(alone=True), 0.05)
    feeder.close()
    late.close()
    assert [path.name for path in run.checkpoint.folder.iterdir()] == ["words.txt"]


async def test_feeding_a_list(tmp_path: Path) -> None:
    """Every incomplete word is in one chunk, in the order of the list; complete words are processed."""
    scenario = new_scenario(tmp_path, "a1 b2 c3 d4 e5", Service(), batch_size=2, store=known("a1", "b2", "d4", "e5"))
    scenario.store.know("c3", "full", synonyms=["x"], example_ids=["0" * 24])
    run = scenario.run()
    assert await fed(run) == [["a1", "b2"], ["d4", "e5"]]
    assert run.ledger.processed_words == ["c3"]
    assert run.ledger.list_cursor == 5


@pytest.mark.parametrize("batch_size", [70, 250, 1000])
async def test_feeding_a_long_list_in_many_lives(tmp_path: Path, batch_size: int) -> None:
    """Every word of a long list is in exactly one chunk, for repeated exits after a chunk."""
    words = [f"w{number}" for number in range(450)]
    scenario = Scenario(tmp_path, words, Service(), batch_size=batch_size, components=(C.DOMAIN,))
    chunks: list[list[int]] = []
    while True:
        run = scenario.run()
        feeder = Feeder(run)
        record = await feeder.next_chunk(alone=True)
        feeder.close()
        if record is None:
            break
        chunks.append(read_ordinals(run.folder(record)))
    assert sorted(ordinal for chunk in chunks for ordinal in chunk) == list(range(450))
    assert [len(chunk) for chunk in chunks[:-1]] == [batch_size] * (len(chunks) - 1)


async def test_the_cursor_waits_for_what_is_not_on_disk(tmp_path: Path) -> None:
    """Words that were planned and are in no chunk yet are planned again by the next process, and no others."""
    scenario = new_scenario(tmp_path, "a1 b2 c3", Service(), batch_size=2)
    run = scenario.run()
    feeder = Feeder(run)
    record = await feeder.next_chunk(alone=True)
    assert record is not None
    feeder.close()
    saved = scenario.run()
    assert saved.ledger.list_cursor == 2
    assert await fed(saved) == [["c3"]]


async def test_a_word_in_a_chunk_is_not_fed_again(tmp_path: Path) -> None:
    """A word in an unfinished chunk is not planned again, independent of the cursor."""
    scenario = new_scenario(tmp_path, "a1 b2 c3", Service(), batch_size=2)
    run = scenario.run()
    await fed(run)
    run.ledger.list_cursor = 0
    run.save()
    assert await fed(scenario.run()) == []


async def test_adopted_words_are_skipped(tmp_path: Path) -> None:
    """Words that an older checkpoint lists as processed are not looked up."""
    scenario = new_scenario(tmp_path, "a1 b2", Service())
    run = scenario.run()
    run.ledger.processed_words = ["a1"]
    assert await fed(run) == [["b2"]]


async def test_returning_words_wait_for_company(tmp_path: Path) -> None:
    """Words that return from one batch wait while others are in flight, and are packed together with theirs."""

    def faults(custom_id: str, before: int) -> Fault | None:
        return once("missing")(custom_id, before) if custom_id.startswith(("a1", "d4")) else None

    scenario = new_scenario(tmp_path, "a1 b2 c3 d4", Service(End(), End(polls=3), faults=faults), batch_size=3)
    _, ledger = await drive(scenario)
    assert scenario.service.sizes == [12, 4, 4]
    assert len(ledger.processed_words) == 4


async def test_the_end_of_the_list_is_not_waited_for(tmp_path: Path) -> None:
    """The last words of the list are submitted at once, however few there are."""
    run = new_scenario(tmp_path, "a1 b2 c3", Service(), batch_size=2).run()
    assert await fed(run, alone=False) == [["a1", "b2"], ["c3"]]


async def test_no_tiny_batches(tmp_path: Path) -> None:
    """A chunk of returned words is not finished while batches in flight may still fill it."""
    scenario = new_scenario(tmp_path, "a1 b2 c3 d4", Service(End(), End(polls=5), faults=once("missing")))
    run = scenario.run()
    first = Feeder(run)
    record = await first.next_chunk(alone=True)
    assert record is not None
    assert record.words == 4
    run.ledger.move(1, ChunkState.SUBMITTING)
    run.ledger.move(1, ChunkState.SUBMITTED, batch_id="b", created_at=1.0)
    first.return_chunk(run.ledger.move(1, ChunkState.SPLIT))
    assert await first.next_chunk(alone=False) is None
    assert run.ledger.chunk(1).state is ChunkState.SPLIT
    again = await first.next_chunk(alone=True)
    assert again is not None
    assert again.words == 4
    assert run.ledger.chunk(1).state is ChunkState.DONE
    first.close()


class Watched(MemoryStore):
    """A database that notes which words are looked up after each write."""

    def __init__(self) -> None:
        super().__init__()
        self.looked_up: list[set[str]] = [set()]

    async def entries(self, texts: Sequence[str], language: str) -> dict[str, list[Entry]]:
        """Look words up."""
        self.looked_up[-1].update(texts)
        return await super().entries(texts, language)

    async def apply(self, writes: Writes) -> WriteOutcome:
        """Write changes."""
        self.looked_up.append(set())
        return await super().apply(writes)


async def test_words_that_are_finished_with_their_answers(tmp_path: Path) -> None:
    """Once the answers of a word are stored, it is looked up again only if something is left of it."""
    store = Watched()
    store.know("bank", "land by a river")
    store.know("calm", "free of wind")
    service = Service(
        faults=lambda identity, before: "malformed" if identity.startswith("calm") and not before else None
    )
    reason, ledger = await drive(new_scenario(tmp_path, "bank calm", service, store=store))
    assert (reason, sorted(ledger.processed_words)) == (StopReason.FINISHED, ["bank", "calm"])
    assert store.looked_up == [{"bank", "calm"}, {"calm"}, set()]


class Forgetful(MemoryStore):
    """A database that accepts every change and returns none of them."""

    async def apply(self, _: Writes) -> WriteOutcome:
        """Do nothing."""
        return WriteOutcome()


async def test_answers_that_vanish(tmp_path: Path) -> None:
    """A stored answer that disappears from the database is not requested indefinitely: its word fails."""
    store = Forgetful()
    store.know("bank", "land by a river")
    scenario = new_scenario(tmp_path, "bank", Service(), store=store)
    reason, ledger = await drive(scenario)
    assert reason is StopReason.FINISHED
    assert set(scenario.service.asked.values()) == {1}
    assert "is not in the database" in ledger.missing["bank"]


async def test_chunks_of_the_past_keep_their_failures_alone(tmp_path: Path) -> None:
    """The failures of a done chunk are kept, so that they can be listed; its requests are removed."""
    scenario = new_scenario(tmp_path, "bank", Service(faults=once("refused")))
    await drive(scenario)
    folder = ChunkFolder.of(tmp_path / "run.checkpoint.files", 1).path
    assert [path.name for path in folder.iterdir()] == ["failures.jsonl"]
    assert set(failures_by_word(folder / "failures.jsonl")) == {0}


async def test_force(tmp_path: Path) -> None:
    """`--force` regenerates every value once, replaces the old ones and leaves no orphans."""
    scenario = new_scenario(tmp_path, "bank", Service())
    await drive(scenario)
    examples = scenario.store.documents[Collection.EXAMPLES]
    before = set(examples)
    forced = Scenario(tmp_path / "again", scenario.words, scenario.service, scenario.store, force=True, run_id="run2")
    forced.folder.mkdir()
    reason, ledger = await drive(forced)
    assert (reason, ledger.processed_words, scenario.service.sizes) == (StopReason.FINISHED, ["bank"], [4, 4])
    assert len(examples) == len(before)
    assert not before & set(examples)
    definitions = scenario.store.documents[Collection.DEFINITIONS].values()
    assert {example for each in definitions for example in each.get("example_ids", ())} == set(examples)
