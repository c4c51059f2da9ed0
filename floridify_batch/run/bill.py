"""The bill of a run: its costs by component and batch, compared with the estimate and the service's usage."""

from dataclasses import dataclass
from decimal import Decimal

from floridify_batch.costs.answer_length import AnswerShape, packed_length, prior
from floridify_batch.costs.price import rates
from floridify_batch.costs.usage import Forecast, Spent, Usage, together
from floridify_batch.errors import UsageError
from floridify_batch.pipeline.brief import Brief, Question
from floridify_batch.pipeline.estimate import PROMPT_TOKENS_EXPECTED
from floridify_batch.run.budget import cost_in_other_mode, expected_in_flight
from floridify_batch.run.ledger import COMMITTED, SETTLED, ChunkRecord, Ledger
from floridify_batch.run.run_settings import brief_of


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

    `carried` is the cost of an adopted checkpoint, or of the pilot if the run was `piloted`; `cost` includes it.
    `other_mode` is the cost of the same answers at the standard rate, or at the batch rate where they cost the standard
    one, `one_by_one` the expected cost of full answers at the standard rate, with one definition a request, `in_flight`
    the expected cost of batches that are not collected yet. `discounted`: requests cost what they do in a batch.
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
    discounted: bool = True
    piloted: bool = False
    one_by_one: Decimal | None = None

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
        discounted=settings.discounted,
        piloted=settings.pilot > 0,
        one_by_one=one_by_one_cost(ledger),
    )


def one_by_one_cost(ledger: Ledger) -> Decimal | None:
    """The expected cost of a run's answers as one-by-one calls would ask for them; None if it is unknown.

    Each request is immediate, at the standard rate, about one definition, with a full answer, as long as the measured
    length implies.
    """
    settings, run_id = ledger.run.settings, ledger.run.id
    covered = sum((each.usage.total for each in ledger.spent.values()), 0)
    if settings.price is not None or not 0 < covered == ledger.totals().usage.total:  # older checkpoints, or no answers
        return None
    try:
        asked = brief_of(settings, run_id)
        full = brief_of(settings.model_copy(update={"answers": AnswerShape.FULL, "pack": 1}), run_id).by_component()
    except UsageError:  # the user's templates are not in their place any more
        return None
    return together(
        _cost_one_by_one(question, full[name], ledger.spent[name], asked)
        for name, question in asked.by_component().items()
        if name in ledger.spent
    )


def _cost_one_by_one(question: Question, full: Question, spent: Spent, asked: Brief) -> Decimal | None:
    rate, usage = rates(full.envelope.model, batch=False), spent.usage
    if rate is None or spent.unmetered:
        return None
    prompts = max(0, usage.input - spent.billed * question.envelope.fixed_tokens)
    alone = prior(question.envelope.output_tokens, question.recipe.spread)
    if question.is_packed(asked):
        prompts = spent.billed * PROMPT_TOKENS_EXPECTED
        alone = packed_length(alone, asked.pack)
    longer = full.envelope.output_tokens / alone.expected if alone.expected else 1
    sent = prompts + spent.billed * full.envelope.fixed_tokens
    return rate.cost(Usage(input=sent, output=round(usage.output * longer)))


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
