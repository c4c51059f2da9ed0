"""The cost limit of `--max-cost`: nothing is submitted whose expected cost would exceed it.

The limit applies to the sum of the cost so far, the expected cost of the batches in flight, and that of the next chunk.
It uses the expected cost, not the worst case: a chunk's cost is a sum over thousands of answers, whose mean is known
after the first chunk, and the worst case would leave a part of the budget unused forever. The bill may therefore exceed
the limit by as much as the batches in flight exceed their estimate, and by no more. Answers that are longer than
expected raise the estimate of later ones; shorter ones do not lower it, since the next wave requests other components,
but what they save is available again once they are stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_UP, Decimal
from urllib.parse import urlsplit

from floridify_batch.costs.price import Price, Rates, rates, unknown_price
from floridify_batch.costs.usage import Usage, together
from floridify_batch.errors import UsageError
from floridify_batch.formatting import counted, dollars, exact
from floridify_batch.pipeline.chunk import Budget
from floridify_batch.run.ledger import COMMITTED, ChunkRecord, ChunkState, Ledger
from floridify_batch.run.run_settings import RunSettings

_LEAST_SHARE = Decimal("0.05")
"""The smallest share of the limit for which a chunk is made: the rest would be spent on batches of a few words."""

_PORTION = Decimal("0.25")
"""The maximum cost, as a share of the limit, of a chunk that is planned at the limit: a limit raised by that much
admits it."""

_CENT = Decimal("0.01")


def rate_of(settings: RunSettings) -> Rates | None:
    """Return the rates of a run's model in its mode, or None if they are unknown."""
    return rates(settings.model, batch=settings.discounted, price=settings.price)


def _highest_rate(settings: RunSettings, rate: Rates) -> Rates:
    """The highest rates of any model of a run: of the next chunk, the model is not known yet."""
    others = (rates(model, batch=settings.discounted) for model in settings.all_models if model != settings.model)
    known = [rate, *filter(None, others)]
    return replace(rate, input=max(each.input for each in known), output=max(each.output for each in known))


def chunk_rate(ledger: Ledger, record: ChunkRecord) -> Rates | None:
    """Return the rates of a chunk's model, which the run may have changed since, or None if they are unknown.

    A preflight is billed at the standard rates.
    """
    batch = ledger.run.settings.discounted and not record.preflight
    return rates(ledger.model_of(record), batch=batch, price=ledger.price_of(record))


def cost_in_other_mode(ledger: Ledger) -> Decimal | None:
    """Return the cost of a run's answers at the standard rate, or at the batch rate if the run pays the standard one.

    None if a price is unknown.
    """
    if not ledger.chunks:
        return _other_mode(Usage(), ledger.run.settings.model, ledger.run.settings.price, ledger)
    return together(
        _other_mode(each.usage, ledger.model_of(each), ledger.price_of(each), ledger) for each in ledger.chunks
    )


def _other_mode(usage: Usage, model: str, price: Price | None, ledger: Ledger) -> Decimal | None:
    """The cost of a usage in the other mode; unknown with a user's price, which applies to one mode only."""
    rate = None if price else rates(model, batch=not ledger.run.settings.discounted)
    return rate.cost(usage) if rate else None


def price_note(settings: RunSettings) -> str | None:
    """The note that OpenAI's prices are assumed for a service at another address; None where they are not."""
    host = urlsplit(settings.base_url or "").hostname
    if not host or f".{host}".endswith(".openai.com") or settings.price or rate_of(settings) is None:
        return None
    return f"Prices are OpenAI's for {settings.model}; {host} may charge different ones. Set them with --price."


@dataclass(frozen=True, slots=True)
class CostLimit:
    """The budget of a run with a cost limit, in US dollars; `ratio`: ratio of measured to estimated output.

    `rate`: the highest rates of the run's models; `rates`: those of each; `standard`: the rates of a preflight.
    """

    limit: Decimal
    spent: Decimal
    committed: Decimal
    rate: Rates
    ratio: Decimal
    standard: Rates
    rates: Mapping[str, Rates] = field(default_factory=dict)

    @property
    def remaining(self) -> Decimal:
        """Return the remaining budget; negative if the chunks in flight exceed their estimate."""
        return self.limit - self.spent - self.committed

    @property
    def nearly_spent(self) -> bool:
        """Whether the remaining budget is too small for another chunk."""
        return self.remaining < self.limit * _LEAST_SHARE

    def budget(self) -> Budget:
        """Return the maximum cost of the next chunk."""
        amount = self.limit * _PORTION if self.nearly_spent else self.remaining
        return Budget(amount, self.rate.input, self.rate.output * self.ratio)

    def cost(self, record: ChunkRecord) -> Decimal:
        """Return the expected cost of a chunk."""
        own = self.rates.get(record.form.model if record.form else "", self.rate)
        return _cost(record, self.standard if record.preflight else own, self.ratio)

    def would_cut(self, record: ChunkRecord) -> bool:
        """Whether a chunk's cost is within the budget that a new chunk would get."""
        return self.cost(record) <= self.budget().amount

    def admits(self, record: ChunkRecord) -> bool:
        """Whether a chunk may be sent."""
        return self.cost(record) <= self.remaining


def cost_limit_of(ledger: Ledger) -> CostLimit | None:
    """Return the cost limit of a run, or None without one. Raises `UsageError` where the price is unknown."""
    settings = ledger.run.settings
    if settings.max_cost is None:
        return None
    rate = required_rate(settings)
    standard = rates(settings.model, batch=False, price=settings.price.standard if settings.price else None) or rate
    spent, committed = _spent(ledger, rate), _committed(ledger, rate)
    own = {model: each for model in settings.all_models if (each := rates(model, batch=settings.discounted))}
    own |= {settings.model: rate, "": rate}
    highest = _highest_rate(settings, rate)
    return CostLimit(settings.max_cost, spent, committed, highest, length_ratio(ledger), standard, own)


def _spent(ledger: Ledger, rate: Rates) -> Decimal:
    """The cost so far. Answers without usage count at the expected cost of their requests."""
    costs = (_cost_so_far(each, chunk_rate(ledger, each) or rate) for each in ledger.chunks)
    return ledger.carried_cost + sum(costs, Decimal(0))


def _cost_so_far(record: ChunkRecord, rate: Rates) -> Decimal:
    if record.cost is not None:
        return record.cost
    unmetered = _cost(record, rate, Decimal(1)) * record.unmetered / record.requests if record.unmetered else Decimal(0)
    return rate.cost(record.usage) + unmetered


def expected_in_flight(ledger: Ledger) -> Decimal | None:
    """Return the expected cost of the chunks in flight, or None if the price is unknown."""
    rate = rate_of(ledger.run.settings)
    return None if rate is None else _committed(ledger, rate)


def _committed(ledger: Ledger, rate: Rates) -> Decimal:
    ratio = length_ratio(ledger)
    in_flight = [*ledger.in_state(*COMMITTED), *(record for record, each in ledger.duplicates() if each.cost is None)]
    return sum((_cost(each, chunk_rate(ledger, each) or rate, ratio) for each in in_flight), Decimal(0))


def required_rate(settings: RunSettings) -> Rates:
    """Return the rates of a run with a cost limit. Raises `UsageError` if they are unknown."""
    rate = rate_of(settings)
    if rate is None:
        sentence = unknown_price(settings.model, batch=settings.discounted)
        raise UsageError(f"--max-cost needs a price. {sentence} Set it: --price in=0.05,out=0.25")
    for model in settings.models.values():
        if model != settings.model and rates(model, batch=settings.discounted) is None:
            raise UsageError(f"--max-cost needs a price. {unknown_price(model, batch=settings.discounted)}")
    return rate


def length_ratio(ledger: Ledger) -> Decimal:
    """The ratio of measured to expected answer length, at least 1.

    Unusable answers count as well, since they are billed.
    """
    expected = billed = 0
    for record in ledger.chunks:
        paid = record.answered if record.billed is None else record.billed
        if paid:
            expected += record.output_tokens * paid // record.requests
            billed += record.usage.output
    return max(Decimal(1), Decimal(billed) / expected) if expected else Decimal(1)


def _cost(record: ChunkRecord, rate: Rates, ratio: Decimal) -> Decimal:
    return record.input_tokens * rate.input + record.output_tokens * ratio * rate.output


def limit_reached(ledger: Ledger) -> str | None:
    """Return the message for a run that stopped at its cost limit; None without a limit."""
    limit, next_one = cost_limit_of(ledger), next(ledger.in_state(ChunkState.PLANNED), None)
    if limit is None or next_one is None or limit.admits(next_one):
        return None
    spent = "spent" if ledger.totals().cost is not None else "expected cost of sent requests"
    committed = f" and {dollars(limit.committed)} expected for batches in flight" if limit.committed else ""
    return (
        f"--max-cost {exact(limit.limit)} is reached: with {dollars(limit.spent)} {spent}{committed}, the next "
        f"{counted(next_one.requests, 'request')} ({dollars(limit.cost(next_one))}) would exceed it."
    )


def higher_limit(ledger: Ledger) -> Decimal:
    """Return a cost limit that is expected to suffice for the rest of a run: at least twice the present one, in whole
    cents.
    """
    present = ledger.run.settings.max_cost or Decimal(0)
    expected = (ledger.estimate and ledger.estimate.high) or Decimal(0)
    return max(present * 2, expected).quantize(_CENT, ROUND_UP)
