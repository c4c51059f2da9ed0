"""Prices: rates per token, from the tables that ship with `genai-prices` or stated by the user, in US dollars."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache, partial
from typing import Any

from floridify_batch.costs.usage import Usage, together
from floridify_batch.errors import UsageError

_SAMPLE_TOKENS = 1000
"""Below every long-context tier, so that the price of this many tokens gives the base rate."""

BATCH_DISCOUNT = Decimal("0.5")
"""The Batch API's discount on the standard price."""

_MILLION = 10**6


# ── prices stated by the user ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Price:
    """A price stated by the user, in US dollars per million tokens. `cached` None: as other input."""

    input: Decimal
    output: Decimal
    cached: Decimal | None = None

    @property
    def standard(self) -> "Price":
        """The standard price that corresponds to this batch price, for immediate requests in a run with batches."""
        share = 1 - BATCH_DISCOUNT
        cached = None if self.cached is None else self.cached / share
        return Price(self.input / share, self.output / share, cached)


_PRICED = {"in": "input", "out": "output", "cached": "cached"}


def price_named(text: str) -> Price:
    """Parse a price such as `in=0.05,out=0.25,cached=0.005`. Raises `UsageError`."""
    pairs = [part.partition("=") for part in text.split(",")]
    named = {name.strip(): _dollars(number) for name, _, number in pairs}
    bad = named.keys() - _PRICED.keys() or len(pairs) > len(named) or not {"in", "out"} <= named.keys()
    if bad or None in named.values():
        raise UsageError(
            f"--price {text}: expected US dollars per million tokens, such as in=0.05,out=0.25 or "
            "in=0.05,out=0.25,cached=0.005."
        )
    return Price(**{_PRICED[name]: amount for name, amount in named.items() if amount is not None})


def dollars_named(option: str, text: str) -> Decimal:
    """Parse a positive amount of US dollars. Raises `UsageError`, naming the option."""
    amount = _dollars(text.strip().removeprefix("$"))
    if not amount:
        raise UsageError(
            f"{option} {text}: expected an amount of US dollars above 0, such as {option} 5 or {option} 0.50."
        )
    return amount


def _dollars(text: str) -> Decimal | None:
    """Parse a finite amount of at least 0; None for anything else."""
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


# ── rates ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Rates:
    """A model's US dollars per token, batch or standard, below its first long-context tier."""

    model: str
    input: Decimal
    cached: Decimal
    output: Decimal
    tier_start: int | None
    cache_write: Decimal

    def cost(self, usage: Usage) -> Decimal:
        """The cost of a request, or of a sum of requests that are all below the tier."""
        fresh = usage.input - usage.cached - usage.cache_write
        cached = usage.cached * self.cached + usage.cache_write * self.cache_write
        return fresh * self.input + cached + usage.output * self.output


@cache
def rates(model: str, *, batch: bool, price: Price | None = None) -> Rates | None:
    """Look up a model's rates; a price stated by the user takes precedence. None: unknown.

    `genai-prices` falls back to the standard price where it has no batch price; here, that is an unknown batch price.
    """
    if price is not None:
        cached = price.input if price.cached is None else price.cached
        fresh = price.input / _MILLION
        return Rates(model, fresh, cached / _MILLION, price.output / _MILLION, None, fresh)
    try:
        if batch and not _has_batch_price(model):
            return None
        return Rates(
            model,
            _price(model, batch, input_tokens=_SAMPLE_TOKENS) / _SAMPLE_TOKENS,
            _price(model, batch, input_tokens=_SAMPLE_TOKENS, cache_read_tokens=_SAMPLE_TOKENS) / _SAMPLE_TOKENS,
            _price(model, batch, output_tokens=_SAMPLE_TOKENS) / _SAMPLE_TOKENS,
            _tier_start(model, batch),
            _price(model, batch, input_tokens=_SAMPLE_TOKENS, cache_write_tokens=_SAMPLE_TOKENS) / _SAMPLE_TOKENS,
        )
    except LookupError:
        return None


def listed_models() -> tuple[str, ...]:
    """The names of OpenAI's models in the tables."""
    from genai_prices.data import providers

    return tuple(model.id for provider in providers if provider.id == "openai" for model in provider.models)


def unknown_price(model: str, *, batch: bool) -> str:
    """The sentence for a model without rates."""
    if batch and rates(model, batch=False):
        return f"No batch price known for {model}: genai-prices lists its standard price only."
    return f"No price known for {model}: genai-prices does not list it."


def request_cost(usage: Usage, rate: Rates, *, batch: bool) -> Decimal:
    """The cost of a request; above the long-context tier, the tier's rates apply to all its tokens."""
    if rate.tier_start is None or usage.input < rate.tier_start:
        return rate.cost(usage)
    return _price(
        rate.model,
        batch,
        input_tokens=usage.input,
        cache_read_tokens=usage.cached,
        cache_write_tokens=usage.cache_write,
        output_tokens=usage.output,
    )


class Bill:
    """The running total of requests, priced one by one; `requests` counts those with usage, `unmetered` the others."""

    def __init__(self, model: str, *, batch: bool, price: Price | None = None) -> None:
        self._rates = rates(model, batch=batch, price=price)
        self._batch = batch
        self._flex = None if batch else partial(Bill, model, batch=True, price=price)
        self.flex: Bill | None = None
        """The requests that were answered in the service tier flex, which costs what a batch does."""
        self.requests = self.unmetered = 0
        self.packs = self.packed = 0
        """Lines that carry several requests, and these requests, as far as they came with usage."""
        self.below_tier = Usage()
        self.above_tier = Usage()
        self.cost_above_tier = Decimal(0)

    def add(self, usage: Usage | None, *, flex: bool = False, requests: int = 1) -> None:
        """Add a line. Below the tier, costs are linear and need no pricing per request.

        `requests`: the number that the line carries; `flex`: the service tier that the answer names; a batch has none.
        """
        if usage is None:
            self.unmetered += requests
            return
        self.requests += requests
        self.packs += requests > 1
        self.packed += requests if requests > 1 else 0
        if flex and self._flex is not None:
            self.flex = self.flex or self._flex()
            self.flex.add(usage, requests=requests)
            return
        rate = self._rates
        if rate is None or rate.tier_start is None or usage.input < rate.tier_start:
            self.below_tier += usage
        else:
            self.above_tier += usage
            self.cost_above_tier += request_cost(usage, rate, batch=self._batch)

    def join(self, other: "Bill") -> None:
        """Add another bill at the same rates."""
        self.requests += other.requests
        self.unmetered += other.unmetered
        self.packs += other.packs
        self.packed += other.packed
        self.below_tier += other.below_tier
        self.above_tier += other.above_tier
        self.cost_above_tier += other.cost_above_tier
        if other.flex is not None and self._flex is not None:
            self.flex = self.flex or self._flex()
            self.flex.join(other.flex)

    @property
    def usage(self) -> Usage:
        """The usage of all requests."""
        standard = self.below_tier + self.above_tier
        return standard if self.flex is None else standard + self.flex.usage

    @property
    def cost(self) -> Decimal | None:
        """The cost of all requests in US dollars; None if it is unknown."""
        if self._rates is None or self.unmetered:
            return None
        standard = self._rates.cost(self.below_tier) + self.cost_above_tier
        return standard if self.flex is None else together((standard, self.flex.cost))


class Bills:
    """One bill per component."""

    def __init__(self, model: str, *, batch: bool, price: Price | None = None) -> None:
        self._model, self._batch, self._price = model, batch, price
        self.by_component: dict[str, Bill] = {}

    def add(self, component: str, usage: Usage | None, *, flex: bool = False, requests: int = 1) -> None:
        """Add a line; see `Bill.add`."""
        bill = self.by_component.get(component)
        if bill is None:
            bill = self.by_component[component] = self._new()
        bill.add(usage, flex=flex, requests=requests)

    def _new(self) -> Bill:
        return Bill(self._model, batch=self._batch, price=self._price)

    def blank(self) -> "Bills":
        """Empty bills at the same rates."""
        return Bills(self._model, batch=self._batch, price=self._price)

    def join(self, other: "Bills") -> None:
        """Add other bills at the same rates."""
        for component, bill in other.by_component.items():
            self.by_component.setdefault(component, self._new()).join(bill)

    @property
    def requests(self) -> int:
        """The number of requests with usage."""
        return sum(bill.requests for bill in self.by_component.values())

    @property
    def unmetered(self) -> int:
        """The number of answers whose usage is unknown."""
        return sum(bill.unmetered for bill in self.by_component.values())

    @property
    def usage(self) -> Usage:
        """The usage of all requests."""
        return sum((bill.usage for bill in self.by_component.values()), Usage())

    @property
    def cost(self) -> Decimal | None:
        """The cost of all requests in US dollars; None if it is unknown."""
        return together(bill.cost for bill in self.by_component.values())


def _has_batch_price(model: str) -> bool:
    sample = {"input_tokens": _SAMPLE_TOKENS, "output_tokens": _SAMPLE_TOKENS}
    return _price(model, True, **sample) != _price(model, False, **sample)


def _price(model: str, batch: bool, **tokens: int) -> Decimal:
    price: Decimal = _calculation(model, batch, **tokens).total_price
    return price


def _calculation(model: str, batch: bool, **tokens: int) -> Any:
    from genai_prices import Usage as Priced, calc_price

    context = {"processing": "batch"} if batch else None
    return calc_price(Priced(**tokens), model_ref=model, provider_id="openai", price_context=context)


def _tier_start(model: str, batch: bool) -> int | None:
    """The number of input tokens at which the model's long-context tier starts, if it has one."""
    prices = vars(_calculation(model, batch, input_tokens=_SAMPLE_TOKENS).model_price).values()
    starts = [tier.start for price in prices for tier in getattr(price, "tiers", ())]
    return min(starts, default=None)
