"""A service that refuses every request of a batch alike: the run stops after it, and continues with another form."""

from pathlib import Path

import pytest

from floridify_batch.errors import FormRefused, ServiceError
from floridify_batch.providers.interface import BatchError
from floridify_batch.run.driver import Driver, StopReason
from floridify_batch.run.form_refusal import model_option
from floridify_batch.run.ledger import ChunkRecord, ChunkState, Ledger
from tests.fakes import End, Fault, MemoryStore, Scenario, Service

WORDS = [f"word{letter}" for letter in "abcdefghijklmnopqrstuvwx"]
WITHDRAWN = BatchError("model_not_found", "The model gpt-6-luna does not exist.")


def refusing(_: str, __: int) -> Fault:
    return 400


def new_scenario(folder: Path, service: Service, *words: str, batch_size: int | None = 2) -> Scenario:
    listed = [*words] or WORDS[:8]
    return Scenario(folder, listed, service, MemoryStore.of(listed), batch_size=batch_size)


async def drive(scenario: Scenario, max_batches: int = 1) -> Ledger:
    run = scenario.run()
    run.ledger.change_execution_settings({"max_batches": max_batches})
    assert await Driver(run).process() is StopReason.FINISHED
    return run.ledger


async def stopped(scenario: Scenario, max_batches: int = 1) -> Ledger:
    """Drive a run until it stops for a refused form, and return its saved ledger."""
    run = scenario.run()
    run.ledger.change_execution_settings({"max_batches": max_batches})
    with pytest.raises(FormRefused) as refused:
        await Driver(run).process()
    assert refused.value.exit_code == 4
    ledger = run.checkpoint.load()
    assert ledger is not None
    assert ledger.failed_words == {}
    return ledger


def refuse_only_what_was_sent(service: Service) -> None:
    """Refuse the requests of batches in flight, and answer later ones."""
    sent = {each for held in service.batches.values() if not held.job.terminal for each in held.ids}
    service.faults = lambda name, asked: 400 if name in sent and asked == 0 else None


async def test_one_batch_shows_it(tmp_path: Path) -> None:
    """The first batch whose requests are all refused equally stops the run with the service's message."""
    scenario = new_scenario(tmp_path, Service(faults=refusing))
    with pytest.raises(FormRefused, match=r"all 4 requests of batch 1 \(batch_1\): HTTP 400: status 400\. .*--model"):
        await Driver(scenario.run()).process()
    assert scenario.run().ledger.chunk(1).state is ChunkState.ANSWERED


async def test_no_further_batch_is_sent(tmp_path: Path) -> None:
    """No further batch is submitted and no request retried; states stay, and no word fails."""
    scenario = new_scenario(tmp_path, Service(faults=refusing))
    ledger = await stopped(scenario)
    assert scenario.service.sizes == [4]
    assert [each.state for each in ledger.chunks] == [ChunkState.ANSWERED]


async def test_another_model(tmp_path: Path) -> None:
    """With another model, the refused words are requested again, with those of refused batches that were in flight."""
    scenario = new_scenario(tmp_path, Service(*[End(polls=polls) for polls in (1, 3, 3)], faults=refusing))
    await stopped(scenario, max_batches=3)
    assert len(scenario.service.batches) == 3
    refuse_only_what_was_sent(scenario.service)
    scenario.model = "gpt-5.4-nano"
    ledger = await drive(scenario)
    assert sorted(ledger.processed_words) == scenario.words
    models = [content.split(b'"model":"')[1].split(b'"')[0] for content in scenario.service.files.values()]
    assert models == [b"gpt-6-luna"] * 3 + [b"gpt-5.4-nano"] * (len(models) - 3)
    assert {stamp.model for stamp in scenario.store.stamps.values()} <= {"gpt-6-luna", "gpt-5.4-nano"}


async def test_the_cause_is_removed(tmp_path: Path) -> None:
    """A plain resume requests the refused words again, with those of refused batches that were in flight."""
    scenario = new_scenario(tmp_path, Service(*[End(polls=polls) for polls in (1, 3, 3)], faults=refusing))
    await stopped(scenario, max_batches=3)
    sent = len(scenario.service.batches)
    refuse_only_what_was_sent(scenario.service)
    ledger = await drive(scenario, max_batches=3)
    assert sorted(ledger.processed_words) == scenario.words
    assert len(scenario.service.batches) > sent
    assert set(scenario.service.answered.values()) == {1}


async def test_a_refusal_that_stays(tmp_path: Path) -> None:
    """Each resume submits one batch at most while the service refuses the form."""
    scenario = new_scenario(tmp_path, Service(faults=refusing))
    for batches in (1, 2, 3):
        await stopped(scenario)
        assert len(scenario.service.batches) == batches


async def test_a_batch_that_is_rejected_for_its_model(tmp_path: Path) -> None:
    """A batch that fails as a whole because of its model counts as a refusal of the form, too."""
    scenario = new_scenario(tmp_path, Service(End("failed", error=WITHDRAWN)))
    ledger = await stopped(scenario)
    assert ledger.chunk(1).refused == "model_not_found: The model gpt-6-luna does not exist."
    assert len(scenario.service.batches) == 1


async def test_a_model_that_is_withdrawn_in_the_middle(tmp_path: Path) -> None:
    """A run with answers stops at the first larger batch that is refused completely; answers stay."""
    scenario = new_scenario(
        tmp_path, Service(faults=lambda name, _: None if name < "wordm" else 404), *WORDS, batch_size=12
    )
    ledger = await stopped(scenario)
    assert len(scenario.service.batches) == 2
    assert ledger.totals().answered == 24
    scenario.service.faults, scenario.model = lambda _, __: None, "gpt-5.4-nano"
    ledger = await drive(scenario)
    assert sorted(ledger.processed_words) == scenario.words
    assert set(scenario.service.answered.values()) == {1}


@pytest.mark.parametrize("words", [("worda",), ("worda", "wordb")])
async def test_words_that_are_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A single refused word, or a few among answered ones, fail by themselves."""
    scenario = new_scenario(
        tmp_path, Service(faults=lambda name, _: 400 if name.startswith(words) else None), "wordx", "wordy", *words
    )
    ledger = await drive(scenario)
    assert sorted(ledger.missing) == [*words]
    assert sorted(ledger.processed_words) == ["wordx", "wordy"]


@pytest.mark.parametrize("fault", [429, 500, 503, "malformed", "refused", "missing"])
async def test_other_failures_of_all_requests(tmp_path: Path, fault: Fault) -> None:
    """A transient error and an answer of the model are not treated as a refusal of the request's form."""
    scenario = new_scenario(tmp_path, Service(faults=lambda _, __: fault))
    ledger = await drive(scenario)
    assert sorted(ledger.missing) == scenario.words


async def test_a_creation_that_is_refused(tmp_path: Path) -> None:
    """A refused creation leaves its chunk planned; the error says that nothing was sent, and names the options."""
    scenario = new_scenario(tmp_path, Service())
    scenario.service.creations.append("refused")
    with pytest.raises(ServiceError, match=r"no such model Nothing of this run has been sent: .*--model NAME"):
        await Driver(scenario.run()).process()
    ledger = scenario.run().ledger
    assert ledger.nothing_sent
    assert [each.state for each in ledger.chunks] == [ChunkState.PLANNED]
    scenario.model = "gpt-5.4-nano"
    ledger = await drive(scenario)
    assert sorted(ledger.processed_words) == scenario.words
    assert {stamp.model for stamp in scenario.store.stamps.values()} == {"gpt-5.4-nano"}


async def test_a_creation_that_is_refused_later(tmp_path: Path) -> None:
    """After a first submission, the error of a refused creation does not say that nothing was sent."""
    scenario = new_scenario(tmp_path, Service())
    scenario.service.creations.extend(["made", "refused"])
    with pytest.raises(ServiceError) as refused:
        await Driver(scenario.run()).process()
    assert "Nothing of this run" not in str(refused.value)
    assert not scenario.run().ledger.nothing_sent


def test_the_option_for_another_model(tmp_path: Path) -> None:
    """The advice names the option of the refused model: the run's, or that of the components that have their own."""
    ledger = new_scenario(tmp_path, Service()).run().ledger
    settings = ledger.run.settings.model_copy(update={"models": {"examples": "mini", "judgement": "judge"}})
    ledger.run = ledger.run.model_copy(update={"settings": settings})
    record = ChunkRecord(number=1, words=1, requests=1, bytes=1, input_tokens=1, output_tokens=1)
    of_examples = record.model_copy(update={"form": ledger.form_of("mini")})
    assert model_option(ledger, record) == "--model NAME"
    assert model_option(ledger, of_examples) == "--model-for examples=NAME"
