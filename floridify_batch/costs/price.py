"""Usage that adds up, and what it costs: money is `Decimal`, in US dollars, from `genai-prices`' offline tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from floridify_batch.errors import UsageError

_SAMPLE_TOKENS = 1000
"""Small enough to lie below every long-context tier, so that the rates read off it are the base rates."""

BATCH_DISCOUNT = Decimal("0.5")
"""What the Batch API takes off the immediate price."""

_MILLION = 10**6


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the service counted them. `cached` is a part of `input`, `reasoning` a part of `output`."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input + other.input,
            self.cached + other.cached,
            self.output + other.output,
            self.reasoning + other.reasoning,
        )

    @property
    def total(self) -> int:
        """Input and output together."""
        return self.input + self.output


def usage_of(body: Mapping[str, Any]) -> Usage:
    """The usage that an answer's body states; what it does not state counts as none."""
    usage = _object(body.get("usage"))
    read, written = _object(usage.get("prompt_tokens_details")), _object(usage.get("completion_tokens_details"))
    return Usage(
        _number(usage.get("prompt_tokens")),
        _number(read.get("cached_tokens")),
        _number(usage.get("completion_tokens")),
        _number(written.get("reasoning_tokens")),
    )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def together(costs: Iterable[Decimal | None]) -> Decimal | None:
    """What costs come to together, in US dollars; None as soon as one of them is unknown."""
    known = list(costs)
    return None if None in known else sum((cost for cost in known if cost is not None), Decimal(0))


# ── a price of the user's own ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, as the user states them, in the mode of the run. None: cached costs as fresh."""

    input: Decimal
    output: Decimal
    cached: Decimal | None = None


_PRICED = {"in": "input", "out": "output", "cached": "cached"}


def price_named(text: str) -> Price:
    """The price in a text such as `in=0.05,out=0.25,cached=0.005`. Raises `UsageError`."""
    pairs = [part.partition("=") for part in text.split(",")]
    named = {name.strip(): _dollars(number) for name, _, number in pairs}
    bad = named.keys() - _PRICED.keys() or len(pairs) > len(named) or not {"in", "out"} <= named.keys()
    if bad or None in named.values():
        raise UsageError(
            f"--price {text}: give US dollars per million tokens, such as in=0.05,out=0.25 or "
            "in=0.05,out=0.25,cached=0.005."
        )
    return Price(**{_PRICED[name]: amount for name, amount in named.items() if amount is not None})


def dollars_named(option: str, text: str) -> Decimal:
    """An amount of US dollars above nothing. Raises `UsageError`, naming the option."""
    amount = _dollars(text.strip().removeprefix("$"))
    if not amount:
        raise UsageError(f"{option} {text}: give an amount of US dollars above 0, such as {option} 5 or {option} 0.50.")
    return amount


def _dollars(text: str) -> Decimal | None:
    """An amount that can be one: a finite number that is not negative; else None."""
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


# ── rates ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars per token of one model in one mode, below its first long-context tier."""

    model: str
    input: Decimal
    cached: Decimal
    output: Decimal
    tier_start: int | None

    def cost(self, usage: Usage) -> Decimal:
        """What this usage costs, for one request or the sum of requests that each lie below the tier."""
        fresh = usage.input - usage.cached
        return fresh * self.input + usage.cached * self.cached + usage.output * self.output


@cache
def rates(model: str, *, batch: bool, price: Price | None = None) -> Rates | None:
    """The rates of a model: by a price of the user's own where there is one; None where nobody knows them."""
    if price is not None:
        cached = price.input if price.cached is None else price.cached
        return Rates(model, price.input / _MILLION, cached / _MILLION, price.output / _MILLION, None)
    try:
        return Rates(
            model,
            _price(model, batch, input_tokens=_SAMPLE_TOKENS) / _SAMPLE_TOKENS,
            _price(model, batch, input_tokens=_SAMPLE_TOKENS, cache_read_tokens=_SAMPLE_TOKENS) / _SAMPLE_TOKENS,
            _price(model, batch, output_tokens=_SAMPLE_TOKENS) / _SAMPLE_TOKENS,
            _tier_start(model, batch),
        )
    except LookupError:
        return None


def request_cost(usage: Usage, rate: Rates, *, batch: bool) -> Decimal:
    """What one request costs: past the long-context tier, its whole price follows the tier's rates."""
    if rate.tier_start is None or usage.input < rate.tier_start:
        return rate.cost(usage)
    return _price(
        rate.model,
        batch,
        input_tokens=usage.input,
        cache_read_tokens=usage.cached,
        output_tokens=usage.output,
    )


class Bill:
    """Adds up what requests used and cost, each priced for itself; `requests` is how many were billed at all."""

    def __init__(self, model: str, *, batch: bool, price: Price | None = None) -> None:
        self._rates = rates(model, batch=batch, price=price)
        self._batch = batch
        self.requests = 0
        self.below_tier = Usage()
        self.above_tier = Usage()
        self.cost_above_tier = Decimal(0)

    def add(self, usage: Usage) -> None:
        """Count one request's usage. Below the tier, the cost of a sum is the sum of the costs."""
        self.requests += usage.total > 0
        rate = self._rates
        if rate is None or rate.tier_start is None or usage.input < rate.tier_start:
            self.below_tier += usage
        else:
            self.above_tier += usage
            self.cost_above_tier += request_cost(usage, rate, batch=self._batch)

    def join(self, other: "Bill") -> None:
        """Take over what is on another bill at the same rates."""
        self.requests += other.requests
        self.below_tier += other.below_tier
        self.above_tier += other.above_tier
        self.cost_above_tier += other.cost_above_tier

    @property
    def usage(self) -> Usage:
        """What all requests used."""
        return self.below_tier + self.above_tier

    @property
    def cost(self) -> Decimal | None:
        """What all requests cost, in US dollars; None where the model's price is unknown."""
        if self._rates is None:
            return None
        return self._rates.cost(self.below_tier) + self.cost_above_tier


class Bills:
    """A bill for each component, and their sum."""

    def __init__(self, model: str, *, batch: bool, price: Price | None = None) -> None:
        self._model, self._batch, self._price = model, batch, price
        self.by_component: dict[str, Bill] = {}

    def add(self, component: str, usage: Usage) -> None:
        """Count one request's usage."""
        bill = self.by_component.get(component)
        if bill is None:
            bill = self.by_component[component] = self._new()
        bill.add(usage)

    def _new(self) -> Bill:
        return Bill(self._model, batch=self._batch, price=self._price)

    def blank(self) -> "Bills":
        """Bills at the same rates with nothing on them."""
        return Bills(self._model, batch=self._batch, price=self._price)

    def join(self, other: "Bills") -> None:
        """Take over what is on other bills at the same rates."""
        for component, bill in other.by_component.items():
            self.by_component.setdefault(component, self._new()).join(bill)

    @property
    def usage(self) -> Usage:
        """What all requests used."""
        return sum((bill.usage for bill in self.by_component.values()), Usage())

    @property
    def cost(self) -> Decimal | None:
        """What all requests cost, in US dollars; None where the model's price is unknown."""
        return together(bill.cost for bill in self.by_component.values())


def _price(model: str, batch: bool, **tokens: int) -> Decimal:
    price: Decimal = _calculation(model, batch, **tokens).total_price
    return price


def _calculation(model: str, batch: bool, **tokens: int) -> Any:
    from genai_prices import Usage as Priced
    from genai_prices import calc_price

    context = {"processing": "batch"} if batch else None
    return calc_price(Priced(**tokens), model_ref=model, provider_id="openai", price_context=context)


def _tier_start(model: str, batch: bool) -> int | None:
    """The number of input tokens from which another price holds, if the model has such a tier."""
    prices = vars(_calculation(model, batch, input_tokens=_SAMPLE_TOKENS).model_price).values()
    starts = [tier.start for price in prices for tier in getattr(price, "tiers", ())]
    return min(starts, default=None)
