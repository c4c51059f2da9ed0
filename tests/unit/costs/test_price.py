"""Our prices against those of `genai-prices`, and bills that add up."""

import re
from collections.abc import Sequence
from decimal import Decimal

import pytest
from genai_prices import Usage as Priced, calc_price
from hypothesis import given, settings, strategies as st

from floridify_batch.costs.price import (
    BATCH_DISCOUNT,
    Bill,
    Bills,
    Price,
    dollars_named,
    price_named,
    rates,
    request_cost,
    unknown_price,
)
from floridify_batch.costs.usage import Usage, usage_of
from floridify_batch.errors import UsageError

MODELS = ("gpt-6-luna", "gpt-5.6-luna", "gpt-5.4-nano", "gpt-5.4-mini", "gpt-4o-mini", "gpt-5-mini", "gpt-5-nano", "o3")
TIER = 272_000
EDGES = (1, 999, 4_000, TIER - 1, TIER, TIER + 1, 400_000)
NOWHERE = "gpt-of-nobody"


def listed(model: str, usage: Usage, *, batch: bool) -> Decimal:
    """Return the cost by the tables of genai-prices."""
    priced = Priced(
        input_tokens=usage.input,
        cache_read_tokens=usage.cached,
        cache_write_tokens=usage.cache_write,
        output_tokens=usage.output,
    )
    context = {"processing": "batch"} if batch else None
    price: Decimal = calc_price(priced, model_ref=model, provider_id="openai", price_context=context).total_price
    return price


@pytest.mark.parametrize("batch", [True, False], ids=["batch", "standard"])
@pytest.mark.parametrize("model", MODELS)
def test_as_the_tables_say(model: str, batch: bool) -> None:
    """The cost of a request is exactly that of the tables, below a tier, at its edges and above it."""
    rate = rates(model, batch=batch)
    assert rate is not None
    for tokens in EDGES:
        for cached in (0, tokens // 2, tokens):
            usage = Usage(tokens, cached, 777)
            assert request_cost(usage, rate, batch=batch) == listed(model, usage, batch=batch), usage


def test_the_tier_is_there() -> None:
    """The edges of the other test are edges: one more token raises the price of every token."""
    rate = rates("gpt-5.6-luna", batch=True)
    assert rate is not None
    assert rate.tier_start == TIER
    below, above = (request_cost(Usage(input=tokens), rate, batch=True) for tokens in (TIER - 1, TIER + 1))
    assert above > below * Decimal("1.5")


@pytest.mark.parametrize("model", MODELS)
def test_half_the_price(model: str) -> None:
    """In a batch, uncached input and output cost half the standard price."""
    batch, standard = rates(model, batch=True), rates(model, batch=False)
    assert batch is not None
    assert standard is not None
    assert (batch.input, batch.output) == (standard.input * BATCH_DISCOUNT, standard.output * BATCH_DISCOUNT)


def test_known_prices() -> None:
    """A million uncached input and output tokens of the default model in a batch cost 5 and 25 cents."""
    rate = rates("gpt-6-luna", batch=True)
    assert rate is not None
    assert rate.input * 10**6 == Decimal("0.05")
    assert rate.cached * 10**6 == Decimal("0.005")
    assert rate.output * 10**6 == Decimal("0.25")


def test_unknown_model() -> None:
    """A model that is not in the tables has no price."""
    assert rates(NOWHERE, batch=True) is None
    bill = Bill(NOWHERE, batch=True)
    bill.add(Usage(10, 0, 5))
    assert bill.cost is None
    assert bill.usage == Usage(10, 0, 5)


def test_an_empty_bill() -> None:
    """An empty bill costs nothing."""
    bill = Bill("gpt-6-luna", batch=True)
    assert (bill.cost, bill.usage) == (Decimal(0), Usage())


usages = st.builds(
    lambda tokens, share, output: Usage(tokens, tokens * share // 4, output),
    st.one_of(st.integers(0, 5_000), st.integers(TIER - 2, TIER + 2)),
    st.integers(0, 4),
    st.integers(0, 3_000),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(usages, max_size=6), st.booleans())
def test_a_bill_is_the_sum_of_its_requests(used: Sequence[Usage], batch: bool) -> None:
    """A bill is the sum of its requests' prices: many small requests never reach the tier of long ones."""
    bill = Bill("gpt-5.6-luna", batch=batch)
    for usage in used:
        bill.add(usage)
    assert bill.usage == sum(used, Usage())
    assert bill.cost == sum((listed("gpt-5.6-luna", usage, batch=batch) for usage in used), Decimal(0))


def test_usage_of_an_answer() -> None:
    """Cached and reasoning tokens are read as parts of the totals."""
    stated = {
        "prompt_tokens": 120,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 100},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }
    assert usage_of({"usage": stated}) == Usage(120, 100, 50, 30)
    assert Usage(120, 100, 50, 30).total == 170


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"usage": None},
        {"usage": {}},
        {"usage": {"prompt_tokens": None, "prompt_tokens_details": None, "completion_tokens_details": {}}},
        {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}},
        {"usage": {"prompt_tokens": 12}},
    ],
)
def test_usage_that_is_not_stated_is_unknown(body: dict[str, object]) -> None:
    """The usage of an answer without one is unknown, never zero."""
    assert usage_of(body) is None


@pytest.mark.parametrize(
    "usage",
    [
        "lots",
        [1],
        7,
        {"prompt_tokens": "12"},
        {"prompt_tokens_details": [3]},
        {"completion_tokens_details": "none"},
        {"prompt_tokens": -5, "completion_tokens": 3},
        {"prompt_tokens": 5, "completion_tokens": -3},
        {"prompt_tokens": True, "completion_tokens": 3},
        {"prompt_tokens": 5, "completion_tokens": False},
        {"prompt_tokens": float("nan"), "completion_tokens": 3},
        {"prompt_tokens": 5, "completion_tokens": float("inf")},
        {"prompt_tokens": 10**12, "completion_tokens": 3},
    ],
)
def test_usage_that_is_nonsense_is_unknown(usage: object) -> None:
    """Negative, boolean and otherwise impossible numbers of tokens make the usage of that answer unknown."""
    assert usage_of({"usage": usage}) is None


_count = st.one_of(st.integers(-10, 5000), st.booleans(), st.none(), st.text(max_size=2), st.floats())


@given(_count, _count, _count, _count, _count)
def test_a_cost_is_never_negative(
    sent: object, cached: object, written: object, received: object, thought: object
) -> None:
    """For any usage that a service states, its parts fit into the total, and the cost is at least zero."""
    usage = usage_of(
        {
            "usage": {
                "prompt_tokens": sent,
                "completion_tokens": received,
                "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
                "completion_tokens_details": {"reasoning_tokens": thought},
            }
        }
    )
    if usage is not None:
        assert 0 <= usage.cached + usage.cache_write <= usage.input > 0
        assert 0 <= usage.reasoning <= usage.output
        bill = Bill("gpt-5.6-luna", batch=True)
        bill.add(usage)
        assert bill.cost is not None
        assert bill.cost > 0


def test_an_unknown_usage_makes_the_cost_unknown() -> None:
    """One answer without usage makes the sum unknown; the others' usage is still counted."""
    bills = Bills("gpt-5.6-luna", batch=True)
    bills.add("synonyms", Usage(100, 0, 50))
    bills.add("synonyms", None)
    bills.add("domain", Usage(10, 0, 5))
    assert (bills.cost, bills.requests, bills.unmetered) == (None, 2, 1)
    assert bills.usage == Usage(110, 0, 55)
    assert bills.by_component["domain"].cost == listed("gpt-5.6-luna", Usage(10, 0, 5), batch=True)


@pytest.mark.parametrize("model", ["gpt-5.6-luna", "gpt-6-luna", "gpt-5-mini", "gpt-4o-mini"])
@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("sent", [2000, 400_000])
def test_cache_writes_are_billed(model: str, batch: bool, sent: int) -> None:
    """Cache writes cost the price that genai-prices lists for them, below and above the tier."""
    bill, usage = Bill(model, batch=batch), Usage(sent, 300, 50, cache_write=1200)
    bill.add(usage)
    assert bill.cost == listed(model, usage, batch=batch)
    if model == "gpt-5.6-luna" and sent == 2000:
        rate = rates(model, batch=batch)
        assert rate is not None
        assert rate.cache_write == rate.input * Decimal("1.25")


@pytest.mark.parametrize("model", ["o1-mini", "gpt-5.3", "gpt-oss-120b"])
def test_a_model_without_a_batch_price(model: str) -> None:
    """If only the standard price is listed, the batch price is unknown, not the standard one."""
    assert rates(model, batch=False) is not None
    assert rates(model, batch=True) is None
    assert "standard price only" in unknown_price(model, batch=True)
    assert "does not list" in unknown_price("no-such-model", batch=True)


# ── a price of the user's own ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("in=0.05,out=0.25", Price(Decimal("0.05"), Decimal("0.25"))),
        (" out = 2 , in = 1 ", Price(Decimal(1), Decimal(2))),
        ("in=0,out=0,cached=0", Price(Decimal(0), Decimal(0), Decimal(0))),
        ("in=1,out=2,cached=0.1", Price(Decimal(1), Decimal(2), Decimal("0.1"))),
    ],
)
def test_a_price_as_users_write_it(text: str, price: Price) -> None:
    """A price names input and output, in any order, and optionally cached input."""
    assert price_named(text) == price


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "in=1",
        "out=1",
        "in=1,out=x",
        "in=1,out=-2",
        "in=1,out=nan",
        "in=1,out=2,in=3",
        "in=1,out=2,on=3",
        "in=1;out=2",
    ],
)
def test_a_price_that_is_none(text: str) -> None:
    """An invalid price is refused with an example of a valid one."""
    with pytest.raises(UsageError, match=re.escape("in=0.05,out=0.25")):
        price_named(text)


@pytest.mark.parametrize("text", ["0", "-1", "much", "inf", "", "1,000"])
def test_invalid_cost_limit(text: str) -> None:
    """A cost limit is an amount above zero; anything else is refused with an example."""
    with pytest.raises(UsageError, match="--max-cost 5"):
        dollars_named("--max-cost", text)


def test_cost_limit_with_currency_sign() -> None:
    """A cost limit may be written with a currency sign."""
    assert dollars_named("--max-cost", "$0.50") == dollars_named("--max-cost", " 0.5 ") == Decimal("0.5")


def test_a_price_of_the_users_own_counts() -> None:
    """A user's price precedes the tables'; without a cached price, cached tokens cost the uncached one."""
    usage = Usage(1_000_000, 400_000, 500_000)
    for price, cost in (
        (Price(Decimal(1), Decimal(2)), Decimal(2)),
        (Price(Decimal(1), Decimal(2), Decimal("0.5")), Decimal("1.8")),
    ):
        bill = Bill("gpt-6-luna", batch=True, price=price)
        bill.add(usage)
        assert bill.cost == cost
        assert bill.requests == 1
