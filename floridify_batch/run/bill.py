"""The bill of a run: its costs by component and batch, compared with the estimate and the service's usage."""

from dataclasses import dataclass
from decimal import Decimal

from floridify_batch.costs.usage import Forecast, Usage
from floridify_batch.run.budget import cost_in_other_mode, expected_in_flight
from floridify_batch.run.ledger import COMMITTED, SETTLED, ChunkRecord, Ledger


@dataclass(frozen=True, slots=True)
class ComponentCost:
    """Usage and cost of a component's answers, in US dollars; `billed` is the number of answers with usage."""

    component: str
    answered: int
    failed: int
    billed: int
    usage: Usage
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class BatchCost:
    """Usage and cost of a batch. `billed` is the usage that the service states for the batch, or None."""

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
        """Whether the service's usage of the batch differs from the sum over its answers."""
        return self.billed is not None and (self.billed.input, self.billed.output) != (
            self.usage.input,
            self.usage.output,
        )


@dataclass(frozen=True, slots=True)
class DuplicateCost:
    """The usage and cost of a duplicate of a chunk's batch, as far as the service states them; None where unknown."""

    chunk: int
    batch_id: str
    status: str
    usage: Usage | None
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Costs:
    """The bill of a run in US dollars; None for an unknown amount.

    `carried` is the cost of an adopted checkpoint, included in `cost`; `other_mode` the cost of the same answers in the
    other mode (immediate or batch); `in_flight` the expected cost of batches that are not collected yet.
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
    unmetered: int = 0
    duplicates: tuple[DuplicateCost, ...] = ()

    @property
    def own(self) -> Decimal | None:
        """Return the cost of this run's own answers."""
        return None if self.cost is None else self.cost - self.carried


def costs_of(ledger: Ledger) -> Costs:
    """Compute the bill of a run from its ledger."""
    settings, totals = ledger.run.settings, ledger.totals()
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
        other_mode=cost_in_other_mode(ledger),
        in_flight=expected_in_flight(ledger),
        flying=sum(1 for _ in ledger.in_state(*COMMITTED)),
        estimate=ledger.estimate,
        max_cost=settings.max_cost,
        unmetered=sum(record.unmetered for record in ledger.chunks),
        duplicates=tuple(
            DuplicateCost(record.number, each.batch_id, each.status, each.usage, each.cost)
            for record, each in ledger.duplicates()
        ),
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
