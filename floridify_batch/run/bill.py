"""What a run has cost, on what, and against what: its ledger added up for whoever wants to see the bill."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from floridify_batch.costs.usage import Forecast, Usage
from floridify_batch.formatting import exact
from floridify_batch.run.budget import expected_in_flight, other_rate_of
from floridify_batch.run.ledger import COMMITTED, SETTLED, ChunkRecord, Ledger


@dataclass(frozen=True, slots=True)
class ComponentCost:
    """What a component's answers have used and cost, in US dollars; `billed`: how many of them were paid for."""

    component: str
    answered: int
    failed: int
    billed: int
    usage: Usage
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class BatchCost:
    """What a batch has used and cost. `billed` is the service's own count, None where it states none."""

    chunk: int
    batch_id: str | None
    requests: int
    answered: int
    failed: int
    usage: Usage
    billed: Usage | None
    cost: Decimal | None

    @property
    def differs(self) -> bool:
        """Whether the service counts other tokens for the batch than its answers add up to."""
        return self.billed is not None and (self.billed.input, self.billed.output) != (
            self.usage.input,
            self.usage.output,
        )


@dataclass(frozen=True, slots=True)
class Costs:
    """A run's bill, in US dollars; None for what nobody knows.

    `carried` is what an adopted checkpoint had cost before, and a part of `cost`; `other_mode` what the same answers
    would have cost at once, or in batches; `in_flight` what is expected of batches that have not been collected.
    """

    model: str
    immediate: bool
    finished: bool
    components: tuple[ComponentCost, ...]
    batches: tuple[BatchCost, ...]
    usage: Usage
    cost: Decimal | None
    carried: Decimal
    other_mode: Decimal | None
    in_flight: Decimal | None
    flying: int
    estimate: Forecast | None
    max_cost: Decimal | None

    @property
    def own(self) -> Decimal | None:
        """What this run's own answers have cost."""
        return None if self.cost is None else self.cost - self.carried


def costs_of(ledger: Ledger) -> Costs:
    """Add a run's ledger up."""
    settings, totals = ledger.run.settings, ledger.totals()
    other = other_rate_of(settings)
    spent = sorted(ledger.spent.items(), key=lambda item: (-(item[1].cost or 0), -item[1].usage.total))
    return Costs(
        model=settings.model,
        immediate=settings.immediate,
        finished=ledger.finished,
        components=tuple(
            ComponentCost(name, each.answered, each.failed, each.billed, each.usage, each.cost) for name, each in spent
        ),
        batches=tuple(_batch(record) for record in ledger.in_state(*SETTLED) if record.answered + record.failed),
        usage=totals.usage,
        cost=totals.cost,
        carried=ledger.carried_cost,
        other_mode=other.cost(totals.usage) if other else None,
        in_flight=expected_in_flight(ledger),
        flying=sum(1 for _ in ledger.in_state(*COMMITTED)),
        estimate=ledger.estimate,
        max_cost=settings.max_cost,
    )


def _batch(record: ChunkRecord) -> BatchCost:
    return BatchCost(
        record.number,
        record.batch_id,
        record.requests,
        record.answered,
        record.failed,
        record.usage,
        record.service_usage,
        record.cost,
    )


# ── for programs ───────────────────────────────────────────────────────────────────────────────────────────────────


def costs_object(costs: Costs) -> dict[str, Any]:
    """The bill as JSON has it: money as text, so that no reader rounds it; null for what nobody knows."""
    return {
        "model": costs.model,
        "mode": "immediate" if costs.immediate else "batch",
        "finished": costs.finished,
        "cost": _money(costs.cost),
        "carried_cost": _money(costs.carried),
        "usage": _usage(costs.usage),
        "batch_cost" if costs.immediate else "immediate_cost": _money(costs.other_mode),
        "in_flight": {"batches": costs.flying, "expected_cost": _money(costs.in_flight)},
        "max_cost": _money(costs.max_cost),
        "estimate": _estimate(costs.estimate) if costs.estimate else None,
        "components": {each.component: _component(each) for each in costs.components},
        "batches": [_batch_object(each) for each in costs.batches],
    }


def _estimate(forecast: Forecast) -> dict[str, Any]:
    return {name: exact(each) if isinstance(each, Decimal) else each for name, each in forecast.model_dump().items()}


def _component(each: ComponentCost) -> dict[str, Any]:
    counts = {"answered": each.answered, "failed": each.failed, "billed": each.billed}
    return counts | {"usage": _usage(each.usage), "cost": _money(each.cost)}


def _batch_object(each: BatchCost) -> dict[str, Any]:
    return {
        "chunk": each.chunk,
        "batch_id": each.batch_id,
        "requests": each.requests,
        "answered": each.answered,
        "failed": each.failed,
        "usage": _usage(each.usage),
        "service_usage": _usage(each.billed) if each.billed else None,
        "cost": _money(each.cost),
    }


def _usage(usage: Usage) -> Mapping[str, int]:
    return {"input": usage.input, "cached": usage.cached, "output": usage.output, "reasoning": usage.reasoning}


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else exact(amount)
