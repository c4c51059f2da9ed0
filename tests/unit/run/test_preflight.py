"""The preflight: a form that the model refuses is found with one request per component, before any batch is sent."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, override

import orjson
import pytest

from floridify_batch.costs.price import Price, rates
from floridify_batch.costs.usage import Forecast, Usage
from floridify_batch.errors import ServiceError, ServiceRefused
from floridify_batch.providers.immediate import ImmediateBatches
from floridify_batch.providers.interface import Reply
from floridify_batch.providers.openai_connector import OpenAIConnector
from floridify_batch.providers.preflight import PreflightBatches
from floridify_batch.providers.reply import unusable_reply
from floridify_batch.run.budget import chunk_rate, cost_limit_of
from floridify_batch.run.driver import Driver, StopReason
from floridify_batch.run.event import Notice
from floridify_batch.run.feeder import Feeder
from floridify_batch.run.ledger import ChunkState, Ledger
from floridify_batch.run.preflight import is_due
from floridify_batch.run.state import Run
from tests.fakes import MemoryStore, Recorder, Scenario, Service, completion, content_of

WORDS = ["bank", "moon", "tree"]
MANY = Forecast(requests=1_001, input_tokens=1, output_tokens=1)


class Answering(OpenAIConnector):
    """A connector without a service: it answers by component, or with a status."""

    def __init__(self) -> None:
        self.concurrency = 4
        self.asked: Counter[str] = Counter()
        self.statuses: dict[str, int] = {}
        self.refuses = False
        self.unusable = ""

    @override
    async def post(self, body: Mapping[str, Any]) -> Reply:
        """Answer, or refuse."""
        component = str(body["response_format"]["json_schema"]["name"])
        self.asked[component] += 1
        if self.refuses:
            raise ServiceRefused("Incorrect API key.")
        if (status := self.statuses.get(component, 200)) != 200:
            return Reply(status, "r", {"error": {"message": f"{component} is not supported.", "code": None}})
        if self.unusable:
            return unusable_reply(self.unusable)
        prompt = body["messages"][-1]["content"]
        return Reply(200, "r", completion(orjson.dumps(content_of(component, prompt)).decode()))

    @override
    async def close(self) -> None:
        """Close nothing."""


def opened(scenario: Scenario, connector: Answering, recorder: Recorder | None = None, **changes: Any) -> Run:
    """Return a run of many requests as a new process opens it."""
    run = scenario.run(recorder=recorder)
    run.ledger.estimate = MANY
    run.ledger.change_execution_settings(changes)
    folder = run.checkpoint.folder
    run.sleep = lambda _: asyncio.sleep(0)  # lets the connector answer
    run.batches = PreflightBatches(scenario.service, lambda: ImmediateBatches(connector, folder, sync_every=1))
    return run


def new_scenario(folder: Path) -> Scenario:
    return Scenario(folder, WORDS, Service(), MemoryStore.of(WORDS))


def notices(recorder: Recorder) -> str:
    return "\n".join(event.text for event in recorder.of(Notice))


async def test_one_request_per_component(tmp_path: Path) -> None:
    """One request of each component is answered immediately; the answer is stored, billed, and not requested again."""
    scenario, connector, recorder = new_scenario(tmp_path), Answering(), Recorder()
    run = opened(scenario, connector, recorder)
    assert await Driver(run).process() is StopReason.FINISHED
    assert connector.asked == {"synonyms": 1, "examples": 1}
    assert scenario.service.sizes == [4]
    first, *rest = run.ledger.chunks
    regular, usage = rates("gpt-6-luna", batch=False), Usage(input=100, output=20)
    assert regular is not None
    assert (first.preflight, first.answered, first.cost) == (True, 2, 2 * regular.cost(usage))
    assert not any(each.preflight for each in rest)
    assert sorted(run.ledger.processed_words) == WORDS
    assert "Preflight: gpt-6-luna accepts the requests" in notices(recorder)
    assert {stamp.mode for stamp in scenario.store.stamps.values()} == {"immediate", "batch"}


@pytest.mark.parametrize("status", [400, 422])
async def test_a_refused_form(tmp_path: Path, status: int) -> None:
    """A refused form stops the run with the service's message before any batch; a resumed run retries it."""
    scenario, connector = new_scenario(tmp_path), Answering()
    connector.statuses = {"synonyms": status, "examples": status}
    run = opened(scenario, connector)
    with pytest.raises(ServiceError, match=r"is not supported\..*No batch was sent"):
        await Driver(run).process()
    assert (scenario.service.sizes, run.ledger.failures(), run.ledger.missing) == ([], {}, {})
    connector.statuses = {}
    again = opened(scenario, connector)
    assert await Driver(again).process() is StopReason.FINISHED
    assert connector.asked == {"synonyms": 2, "examples": 2}
    assert sorted(again.ledger.processed_words) == WORDS


async def test_one_refused_component(tmp_path: Path) -> None:
    """The answers of the other components are kept, and only the refused one is retried."""
    scenario, connector = new_scenario(tmp_path), Answering()
    connector.statuses = {"examples": 400}
    with pytest.raises(ServiceError, match="refused 1 of the requests"):
        await Driver(opened(scenario, connector)).process()
    assert scenario.service.sizes == []
    connector.statuses = {}
    again = opened(scenario, connector)
    assert await Driver(again).process() is StopReason.FINISHED
    assert connector.asked == {"synonyms": 1, "examples": 2}
    assert (scenario.service.sizes, again.ledger.failures()) == ([4], {})


@pytest.mark.parametrize("status", [404, 405])
async def test_no_immediate_endpoint(tmp_path: Path, status: int) -> None:
    """If the service offers the model in batches only, a notice says so, and the batches are submitted."""
    scenario, connector, recorder = new_scenario(tmp_path), Answering(), Recorder()
    connector.statuses = {"synonyms": status, "examples": status}
    run = opened(scenario, connector, recorder)
    assert await Driver(run).process() is StopReason.FINISHED
    assert "Preflight skipped: the service does not answer gpt-6-luna at once" in notices(recorder)
    assert (scenario.service.sizes, run.ledger.failures()) == ([6], {})


@pytest.mark.parametrize("reason", ["the service's reply (HTTP 200) is not a JSON object", ""])
async def test_no_usable_answer(tmp_path: Path, reason: str) -> None:
    """Replies without an answer are not taken for acceptance: the notice gives the reason, each reply is an attempt of
    unknown cost, and the requests are sent in batches.
    """
    scenario, connector, recorder = new_scenario(tmp_path), Answering(), Recorder()
    connector.unusable, connector.statuses = reason, {} if reason else {"synonyms": 500, "examples": 500}
    run = opened(scenario, connector, recorder)
    assert await Driver(run).process() is StopReason.FINISHED
    assert "accepts the requests" not in notices(recorder)
    reasons = (reason,) if reason else ("synonyms is not supported", "examples is not supported")  # either came first
    assert any(f"gave no usable answer ({each}). Batches" in notices(recorder) for each in reasons)
    assert sorted(run.ledger.processed_words) == WORDS
    assert connector.asked == {"synonyms": 1, "examples": 1}
    first = run.ledger.chunks[0]
    assert (first.unmetered, first.cost is None) == ((2, True) if reason else (0, False))


async def test_a_refused_account(tmp_path: Path) -> None:
    """A refused key stops the run before any batch; the next session continues with the same requests."""
    scenario, connector = new_scenario(tmp_path), Answering()
    connector.refuses = True
    with pytest.raises(ServiceRefused, match="Incorrect API key"):
        await Driver(opened(scenario, connector)).process()
    connector.refuses = False
    run = opened(scenario, connector)
    assert await Driver(run).process() is StopReason.FINISHED
    assert (run.ledger.chunks[0].answered, scenario.service.sizes) == (2, [4])


async def test_a_crash(tmp_path: Path) -> None:
    """Answers that were written before a crash, at any point, are not requested again."""
    scenario, connector = new_scenario(tmp_path), Answering()
    run = opened(scenario, connector)
    driver = Driver(run)

    class Stopping(Recorder):
        @override
        def notify(self, event: Any) -> None:
            super().notify(event)
            if getattr(event, "state", None) is ChunkState.ANSWERED:
                driver.stop()

    run.observer = Stopping()
    await driver.process()
    assert connector.asked == {"synonyms": 1, "examples": 1}
    again = opened(scenario, connector)
    assert await Driver(again).process() is StopReason.FINISHED
    assert connector.asked == {"synonyms": 1, "examples": 1}


async def test_not_wanted(tmp_path: Path) -> None:
    """With --no-preflight, or for few requests, nothing is sent immediately."""
    scenario, connector = new_scenario(tmp_path), Answering()
    await Driver(opened(scenario, connector, preflight=False)).process()
    assert not connector.asked


def test_when_it_is_due(tmp_path: Path) -> None:
    """The preflight is due above 1,000 planned requests, once per model, and never in immediate mode."""

    def due(changes: Mapping[str, Any] | None = None, **facts: Any) -> bool:
        ledger: Ledger = new_scenario(tmp_path).run().ledger
        ledger.estimate = MANY
        ledger.change_execution_settings(changes or {})
        return is_due(ledger.model_copy(update=facts))

    assert due()
    assert not due(estimate=MANY.model_copy(update={"requests": 1_000}))
    assert not due(estimate=None)
    assert not due({"immediate": True})
    assert not due({"preflight": False})
    assert not due(preflight_model="gpt-6-luna")
    assert due(preflight_model="gpt-5-mini")


@pytest.mark.parametrize("price", [None, Price(Decimal(10), Decimal(30))])
async def test_its_price(tmp_path: Path, price: Price | None) -> None:
    """`--max-cost` counts a preflight at the standard price, twice that of a batch, as the bill does; the user's price
    is that of batches.
    """
    scenario, connector = new_scenario(tmp_path), Answering()
    run = opened(scenario, connector, max_cost=Decimal(100), price=price)
    await Driver(run).process()
    record, batch = run.ledger.chunks[0], run.ledger.chunks[1]
    batch_rate, standard = chunk_rate(run.ledger, batch), chunk_rate(run.ledger, record)
    assert batch_rate is not None
    assert standard is not None
    assert (standard.input, standard.output) == (2 * batch_rate.input, 2 * batch_rate.output)
    assert record.cost == standard.cost(record.usage) > 0
    limit = cost_limit_of(run.ledger)
    assert limit is not None
    assert limit.cost(record) == 2 * limit.cost(record.model_copy(update={"preflight": False}))


async def test_above_the_cost_limit(tmp_path: Path) -> None:
    """A preflight that would exceed `--max-cost` at its real price is not sent."""
    scenario, connector = new_scenario(tmp_path), Answering()
    planned = opened(scenario, connector, max_cost=Decimal(100))
    record = await Feeder(planned).next_preflight(set(planned.questions))
    limit = cost_limit_of(planned.ledger)
    assert record is not None
    assert limit is not None
    at_batch_price = limit.cost(record) / 2
    run = opened(new_scenario(tmp_path / "again"), connector, max_cost=at_batch_price * Decimal("1.5"))
    await Driver(run).process()
    assert not connector.asked
