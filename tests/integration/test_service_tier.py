"""The service tier flex: immediate requests at the price of a batch, billed by the tier that each answer names."""

from decimal import Decimal
from typing import Any

from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.costs.price import Bill, rates
from floridify_batch.costs.usage import Usage
from floridify_batch.database.store import MongoStore
from floridify_batch.pipeline.chunk import Limits
from floridify_batch.pipeline.workload import Workload
from floridify_batch.run.bill import costs_of
from floridify_batch.run.budget import cost_limit_of
from floridify_batch.run.run_settings import brief_of
from tests.documents import add_known
from tests.workspace import Workspace

WORDS = [f"flex{letter}word" for letter in "abc"]
MODEL = "gpt-5.4-nano"


async def test_flex_costs_what_a_batch_does(workspace: Workspace) -> None:
    """A run in the tier flex stores its answers at once, and its bill and cost limit use the rates of a batch."""
    add_known(workspace.database, *WORDS)
    more: dict[str, Any] = {"immediate": True, "service_tier": "flex", "max_cost": Decimal(1)}
    done = await workspace.run(WORDS, components="synonyms,domain", **more)
    assert (done.code, done.ledger.failures()) == (0, {})
    batch = rates(MODEL, batch=True)
    assert batch is not None
    totals = done.ledger.totals()
    assert totals.cost == batch.cost(totals.usage) > 0
    standard = rates(MODEL, batch=False)
    assert standard is not None
    assert costs_of(done.ledger).other_mode == standard.cost(totals.usage)
    limit = cost_limit_of(done.ledger)
    assert limit is not None
    assert limit.rate.output == batch.output


async def test_the_estimate_of_flex(workspace: Workspace) -> None:
    """The estimate of a run in the tier flex is that of a batch."""
    add_known(workspace.database, *WORDS)
    settings = workspace.settings(WORDS, components="synonyms", immediate=True, service_tier="flex")
    store = MongoStore(workspace.mongo_url, workspace.database.name)
    try:
        survey = Workload(brief_of(settings, "run"), "en", MODEL, Limits(), immediate=True)
        estimate = await survey.of(WORDS, store, lambda _, __: None)
    finally:
        await store.close()
    standard, estimate.flex = estimate.span(), True
    flex = estimate.span()
    assert standard is not None
    assert flex is not None
    assert flex.expected * 2 == standard.expected


def test_the_tier_that_answered_is_billed() -> None:
    """Answers of both tiers in one bill are priced each by its own, also once bills are joined; a batch has no tier."""
    usage = Usage(input=1000, output=100)
    standard, batch = rates(MODEL, batch=False), rates(MODEL, batch=True)
    assert standard is not None
    assert batch is not None
    one, other = Bill(MODEL, batch=False), Bill(MODEL, batch=False)
    one.add(usage)
    other.add(usage, flex=True)
    one.join(other)
    assert one.cost == standard.cost(usage) + batch.cost(usage)
    assert (one.usage, one.requests) == (usage + usage, 2)
    in_batch = Bill(MODEL, batch=True)
    in_batch.add(usage, flex=True)
    assert in_batch.cost == batch.cost(usage)


def test_the_requests_name_the_tier(workspace: Workspace) -> None:
    """Each body of a run in the tier flex asks for it; none does otherwise."""
    for tier in ("flex", None):
        asked = brief_of(workspace.settings(WORDS, immediate=True, service_tier=tier), "run")
        body = asked.by_component()[SynthesisComponent.DOMAIN].envelope.body("a prompt")
        assert body.get("service_tier") == tier
