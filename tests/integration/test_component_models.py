"""A model per component: batches of one model each, priced and stamped by it, on resume and in recovery, too."""

from decimal import Decimal
from typing import Any

import pytest

from floridify_batch.cli.confirmation import notes_on_models
from floridify_batch.costs.price import rates
from floridify_batch.database.store import MongoStore
from floridify_batch.errors import UsageError
from floridify_batch.files import ChunkFolder
from floridify_batch.pipeline.change_derivation import Disposition
from floridify_batch.pipeline.chunk import Limits
from floridify_batch.pipeline.workload import Workload
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.run.ledger import ChunkState, Ledger
from floridify_batch.run.recovery import recover
from floridify_batch.run.run_settings import brief_of
from tests.documents import add_known, contents
from tests.sandbox import Sandbox
from tests.workspace import RunResult, Workspace

WORDS = [f"tier{letter}word" for letter in "abcdef"]
COMPONENTS = "synonyms,examples,register,domain,etymology"
OURS, CHEAP, BEST = "gpt-5.4-nano", "gpt-6-luna", "gpt-5.4-mini"
MODELS = {"register": CHEAP, "domain": CHEAP, "etymology": BEST}


async def run(workspace: Workspace, **more: Any) -> RunResult:
    add_known(workspace.database, *WORDS)
    return await workspace.run(WORDS, components=COMPONENTS, models=MODELS, **more)


def models_of(ledger: Ledger) -> list[str]:
    return [ledger.model_of(record) for record in ledger.chunks if record.state is ChunkState.DONE]


async def test_each_batch_has_one_model(workspace: Workspace) -> None:
    """Each component's answers come from its model, their batches hold no other, and the bill adds up by its rates."""
    done = await run(workspace)
    ledger = done.ledger
    assert (done.code, ledger.failures(), len(ledger.processed_words)) == (0, {}, len(WORDS))
    assert sorted(models_of(ledger)) == sorted([OURS, CHEAP, BEST])
    stamped = {each["component"]: each["model"] for each in workspace.database["synthesis_stamps"].find()}
    assert stamped == {"synonyms": OURS, "examples": OURS} | MODELS
    for component, spent in ledger.spent.items():
        rate = rates(MODELS.get(component, OURS), batch=True)
        assert rate is not None
        assert spent.cost == rate.cost(spent.usage)
    batches = [record.batch_id for record in ledger.chunks if record.batch_id]
    assert ledger.totals().cost == await workspace.billed(batches)


async def test_the_estimate_of_several_models(workspace: Workspace) -> None:
    """Each component is priced at its model's rates, each model is a wave of its own, and the notes name them."""
    add_known(workspace.database, *WORDS)
    settings = workspace.settings(WORDS, components=COMPONENTS, models=MODELS)
    store = MongoStore(workspace.mongo_url, workspace.database.name)
    try:
        survey = Workload(brief_of(settings, "run"), "en", settings.model, Limits())
        estimate = await survey.of(WORDS, store, lambda _, __: None)
    finally:
        await store.close()
    alone = [estimate.cost({name: whole}, batch=True) for name, whole in estimate.wholes().items()]
    expected = sum((each or Decimal(0) for each in alone), Decimal(0))
    span = estimate.span()
    assert span is not None
    assert span.expected == expected == estimate.cost(estimate.wholes(), batch=True)
    assert span.low < span.expected < span.high
    assert [set(wave) for wave in estimate.wave_components()] == [
        {"etymology"},
        {"synonyms", "examples"},
        {"register", "domain"},
    ]
    assert estimate.first_waves == 3
    assert notes_on_models(settings)[:2] == [f"{CHEAP}: register, domain.", f"{BEST}: etymology."]


async def test_only_another_model_makes_stale(workspace: Workspace) -> None:
    """--stale compares an answer with the model that the run uses for its component."""
    await run(workspace)
    same = await workspace.run(WORDS, name="same", components=COMPONENTS, models=MODELS, stale=True)
    assert same.ledger.totals().requests == 0
    other = await workspace.run(
        WORDS, name="other", components=COMPONENTS, models=MODELS | {"domain": OURS}, stale=True
    )
    assert set(other.ledger.spent) == {"domain"}


async def test_a_component_keeps_its_model_on_resume(workspace: Workspace) -> None:
    """A model of the whole run that is given later leaves the components that have one of their own."""
    add_known(workspace.database, *WORDS)
    await workspace.send(WORDS, components=COMPONENTS, models=MODELS)
    here = workspace.session_of("words")
    here.changes.update({"model": CHEAP})  # type: ignore[attr-defined]
    done = await workspace.resume_in(here)
    assert (done.code, done.ledger.failures()) == (0, {})
    stamped = {each["component"]: each["model"] for each in workspace.database["synthesis_stamps"].find()}
    assert stamped["etymology"] == BEST
    assert stamped["synonyms"] == CHEAP


async def test_a_cost_limit_needs_every_price(workspace: Workspace) -> None:
    """A cost limit is refused where the price of a component's model is unknown."""
    add_known(workspace.database, *WORDS)
    models = {"domain": "gpt-9-unknown"}
    with pytest.raises(UsageError, match="gpt-9-unknown"):
        await workspace.run(WORDS, components=COMPONENTS, models=models, max_cost=Decimal(1))


async def test_a_cost_limit_with_several_models(workspace: Workspace) -> None:
    """A run with a cost limit is completed with each model where the limit suffices."""
    done = await run(workspace, max_cost=Decimal(1))
    assert (done.code, done.ledger.failures()) == (0, {})


def stamped_models(workspace: Workspace) -> dict[str, str]:
    """The model of each component's stored answers, by the stamps that documents refer to."""
    models = {stamp["_id"]: stamp["model"] for stamp in workspace.database["synthesis_stamps"].find()}
    documents = [*workspace.database["definitions"].find(), *workspace.database["words"].find()]
    return {name: models[stamp] for each in documents for name, stamp in each.get("synthesis", {}).items()}


async def test_recovery_of_each_model(workspace: Workspace, sandbox: Sandbox) -> None:
    """Without the checkpoint, each batch's answers are stored with its own model, and billed by its rates."""
    add_known(workspace.database, *WORDS)
    recovered = workspace.beside("recovered")
    for name in workspace.database.list_collection_names():
        recovered.database[name].insert_many(workspace.database[name].find())
    done = await workspace.run(WORDS, components=COMPONENTS, models=MODELS)
    service = OpenAIBatches("any", base_url=sandbox.url)
    store = MongoStore(workspace.mongo_url, recovered.database.name)
    cost = Decimal(0)
    try:
        for number, batch in enumerate(await service.kept(done.run)):
            folder = ChunkFolder(workspace.folder / f"recovery{number}")
            folder.path.mkdir()
            found = await recover(batch, service, store, folder)
            assert found.dispositions == {Disposition.FRESH: found.requests}
            cost += found.cost or Decimal(0)
    finally:
        await store.close()
        await service.close()
    assert contents(recovered.database) == contents(workspace.database)
    assert stamped_models(recovered) == {"synonyms": OURS, "examples": OURS} | MODELS
    assert cost == done.ledger.totals().cost
