"""The cost: the estimate against the service's count, the bill against the answer lines, with real resources."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import orjson
import pytest
from genai_prices import Usage as Priced, calc_price
from openai import AsyncOpenAI
from pymongo.database import Database

from floridify_batch.costs.answer_length import Origin
from floridify_batch.costs.price import rates
from floridify_batch.costs.usage import Usage, usage_of
from floridify_batch.database.store import MongoStore
from floridify_batch.display.json_output import costs_object
from floridify_batch.pipeline.chunk import Limits
from floridify_batch.pipeline.estimate import Estimate
from floridify_batch.pipeline.workload import Workload
from floridify_batch.run.bill import costs_of
from floridify_batch.run.run_settings import RunSettings, brief_of
from tests.acceptance.command import KEY
from tests.documents import add_known
from tests.sandbox import Sandbox
from tests.workspace import RunResult, Workspace

MODEL = "gpt-5.4-nano"
WORDS = [f"money{letter}word" for letter in "abcdefgh"]


@pytest.fixture
def database(database: Database[dict[str, Any]]) -> Database[dict[str, Any]]:
    """The database of the test, with definitions of the words."""
    add_known(database, *WORDS)
    return database


async def estimated(workspace: Workspace, settings: RunSettings, words: list[str], **more: Any) -> Estimate:
    """Return the estimate that the panel before the confirmation shows."""
    store = MongoStore(workspace.mongo_url, workspace.database.name)
    try:
        asked = brief_of(settings, "run")
        survey = Workload(asked, settings.language, settings.model, Limits(), **more)
        return await survey.of(words, store, lambda _, __: None)
    finally:
        await store.close()


async def lines_of(sandbox: Sandbox, batch_ids: Iterable[str]) -> list[Mapping[str, Any]]:
    """Return every line of the answer files of these batches, from the service itself."""
    lines: list[Mapping[str, Any]] = []
    async with AsyncOpenAI(api_key=KEY, base_url=sandbox.url) as client:
        for batch_id in batch_ids:
            batch = await client.batches.retrieve(batch_id)
            for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
                content = await client.files.content(file_id)
                lines += [orjson.loads(line) for line in content.read().splitlines()]
    return lines


def price_of(line: Mapping[str, Any]) -> Decimal:
    """Return the batch cost of an answered line by genai-prices; an unanswered one costs nothing."""
    response = line.get("response") or {}
    if response.get("status_code") != 200:
        return Decimal(0)
    usage = response["body"]["usage"]
    priced = Priced(
        input_tokens=usage["prompt_tokens"],
        cache_read_tokens=usage["prompt_tokens_details"]["cached_tokens"],
        output_tokens=usage["completion_tokens"],
    )
    price: Decimal = calc_price(
        priced, model_ref=MODEL, provider_id="openai", price_context={"processing": "batch"}
    ).total_price
    return price


async def traveled(workspace: Workspace, **settings: Any) -> RunResult:
    return await workspace.run(WORDS, model=MODEL, **settings)


async def test_the_estimate_of_input(workspace: Workspace) -> None:
    """For words with definitions, the number of requests is exact and input tokens are within 2 % of those billed."""
    settings = workspace.settings(WORDS, components="all", model=MODEL)
    estimate = await estimated(workspace, settings, WORDS)
    result = await traveled(workspace, components="all")
    first = [record for record in result.ledger.chunks if record.number == 1]
    billed = sum(record.usage.input for record in first)
    assert estimate.total_now.requests == sum(record.requests for record in first)
    assert abs(estimate.total_now.input_tokens - billed) <= billed * 0.02


async def test_the_estimate_of_senses(workspace: Workspace) -> None:
    """The senses that a run has stored for new words are expected of other new words, for the same model."""
    new = [f"sensed{letter}word" for letter in "abcdefghijkl"]
    await workspace.run(new, model=MODEL, components="cefr_level")
    entries = workspace.database["dictionary_entries"].find({"synthesis.definitions": {"$exists": True}})
    senses = [len(each["definition_ids"]) for each in entries]
    settings = workspace.settings(["another"], components="cefr_level", model=MODEL)
    estimate = await estimated(workspace, settings, ["another"])
    assert estimate.senses.answers == len(senses) == 12
    assert estimate.senses.expected == sum(senses) / len(senses)
    other = workspace.settings(["another"], components="cefr_level", model="gpt-5-mini")
    assert (await estimated(workspace, other, ["another"])).senses.origin is Origin.PRIOR


async def test_the_bill_is_the_sum_of_its_lines(workspace: Workspace, sandbox: Sandbox) -> None:
    """The cost of a run is the sum over the lines of its answer files, unusable answers included."""
    with sandbox.faults("malformed=moneya", "truncate=moneyb", "http_500=moneyc", "refuse=moneyd"):
        result = await traveled(workspace)
    ledger = result.ledger
    lines = await lines_of(sandbox, [record.batch_id or "" for record in ledger.chunks])
    assert result.code == 1
    assert ledger.totals().cost == sum(map(price_of, lines), Decimal(0)) > 0
    assert sum(each.cost or 0 for each in ledger.spent.values()) == ledger.totals().cost
    assert sum(each.billed for each in ledger.spent.values()) == sum(price_of(line) > 0 for line in lines)


async def test_the_services_own_count(workspace: Workspace) -> None:
    """The usage that the service reports for a batch is kept beside the sum over its answers, and equals it."""
    result = await traveled(workspace)
    assert result.ledger.chunks
    assert all(record.service_usage == record.usage for record in result.ledger.chunks)
    reported = costs_object(costs_of(result.ledger))
    assert [each["service_usage"] for each in reported["batches"]] == [each["usage"] for each in reported["batches"]]


async def test_the_forecast_is_kept(workspace: Workspace) -> None:
    """The checkpoint keeps the estimate that the user confirmed, to compare it with the bill."""
    forecast = (await traveled(workspace)).ledger.estimate
    assert forecast is not None
    assert forecast.low is not None
    assert forecast.expected is not None
    assert forecast.high is not None
    assert forecast.immediate is not None
    assert 0 < forecast.low < forecast.expected < forecast.high
    assert forecast.immediate == forecast.expected * 2


async def test_the_database_remembers_how_long_answers_are(workspace: Workspace) -> None:
    """A run's measured answer lengths are expected by the next run over this database, also for another list."""
    spent = (await traveled(workspace)).ledger.spent
    settings = workspace.settings(["another"], model=MODEL)
    estimate = await estimated(workspace, settings, ["another"])
    for component, each in spent.items():
        length = estimate.length(component)
        assert (length.origin, length.answers) == (Origin.DATABASE, each.billed)
        assert length.expected == pytest.approx(each.usage.output / each.billed)
    stamps = workspace.database.synthesis_stamps.find()
    assert {stamp["component"] for stamp in stamps} == set(spent)


async def test_a_sample_of_the_database(workspace: Workspace) -> None:
    """Beyond the exactly counted requests the estimate comes from a sample, with the same number of requests."""
    settings = workspace.settings(WORDS, model=MODEL)
    exact = await estimated(workspace, settings, WORDS)
    sampled = await estimated(workspace, settings, WORDS, exact_requests=20, sample_words=3)
    assert sampled.sampled is not None
    assert {name: each.requests for name, each in sampled.now.items()} == {
        name: each.requests for name, each in exact.now.items()
    }
    assert sampled.total.input_tokens == pytest.approx(exact.total.input_tokens, rel=0.02)


@pytest.mark.parametrize("removed", [False, True])
async def test_cache_writes(workspace: Workspace, sandbox: Sandbox, removed: bool) -> None:
    """Long prompts write no cache; where the user's options allow it, the writes are in the estimate and the bill."""
    templates = workspace.folder / "long-templates"
    for folder in ("assess", "misc"):
        (templates / folder).mkdir(parents=True)
    (templates / "misc" / "lookup.md").write_text("Define {{ word }}.")
    (templates / "assess" / "cefr.md").write_text(f"{'Judge it well. ' * 400}{{{{ word }}}}: {{{{ definition }}}}")
    more = {"request_options": {"prompt_cache_options": None}} if removed else {}
    settings: dict[str, Any] = {"components": "cefr_level", "templates": str(templates), "model": "gpt-6-luna", **more}
    estimate = await estimated(workspace, workspace.settings(WORDS, **settings), WORDS)
    result = await workspace.run(WORDS, **settings)
    rate, spent = rates("gpt-6-luna", batch=True), result.ledger.spent["cefr_level"]
    assert rate is not None
    lines = await lines_of(sandbox, [record.batch_id or "" for record in result.ledger.chunks])
    usages = [usage_of(line["response"]["body"]) or Usage() for line in lines]
    assert spent.cost == sum((rate.cost(usage) for usage in usages), Decimal(0))
    assert (spent.usage.cache_write > 0) is removed
    expected = estimate.cost(estimate.wholes(), batch=True)
    assert expected is not None
    inputs = expected - rate.output * estimate.total.output_tokens
    assert inputs / (rate.input * spent.usage.input) == pytest.approx(
        Decimal("1.25" if removed else 1), rel=Decimal("0.02")
    )
