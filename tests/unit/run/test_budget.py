"""The cost limit of `--max-cost`: nothing is submitted whose expected cost would exceed it, and the run stops
cleanly.
"""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from floridify_batch.costs.price import Price
from floridify_batch.errors import UsageError
from floridify_batch.providers.interface import Capabilities
from floridify_batch.run.bill import costs_of
from floridify_batch.run.budget import cost_limit_of, higher_limit, limit_reached, price_note, rate_of
from floridify_batch.run.driver import Driver, StopReason
from floridify_batch.run.event import Notice
from floridify_batch.run.state import Run
from tests.fakes import End, MemoryStore, Recorder, Scenario, Service
from tests.ledgers import run_settings

WORDS = [f"word {number}" for number in range(12)]
PRICE = Price(Decimal(1000), Decimal(1000))
"""A tenth of a cent per token, so that a request of some 400 tokens in and 230 out costs some 60 cents."""


class Immediate(Service):
    """A service that answers immediately, at the standard price."""

    capabilities = Capabilities(Decimal(0))


def new_scenario(folder: Path, service: Service | None = None, **more: Any) -> Scenario:
    return Scenario(folder, WORDS, service or Service(), MemoryStore.of(WORDS), **more)


def run_of(place: Scenario, max_cost: str | None, price: Price | None = PRICE, recorder: Recorder | None = None) -> Run:
    run = place.run(recorder=recorder)
    run.ledger.change_execution_settings({"max_cost": None if max_cost is None else Decimal(max_cost), "price": price})
    return run


async def test_without_cost_limit(tmp_path: Path) -> None:
    """A run without a cost limit does not stop."""
    run = run_of(new_scenario(tmp_path), None)
    assert cost_limit_of(run.ledger) is None
    assert await Driver(run).process() is StopReason.FINISHED


async def test_sufficient_cost_limit(tmp_path: Path) -> None:
    """A sufficient cost limit has no effect: one batch, and the run is finished."""
    place = new_scenario(tmp_path)
    assert await Driver(run_of(place, "1000")).process() is StopReason.FINISHED
    assert len(place.service.batches) == 1


@pytest.mark.parametrize("service", [Service, Immediate])
async def test_cost_limit_holds(tmp_path: Path, service: type[Service]) -> None:
    """Submitted batches are expected to cost no more than the remaining budget, and are stored before the run stops."""
    place = new_scenario(tmp_path, service())
    run = run_of(place, "2")
    assert await Driver(run).process() is StopReason.COST_LIMIT
    ledger = run.ledger
    assert 0 < len(ledger.processed_words) < len(WORDS)
    assert not run.in_flight()
    sent = [record for record in ledger.chunks if record.batch_id]
    first = sent[0]
    assert first.input_tokens + first.output_tokens <= 2000
    assert limit_reached(ledger)
    assert higher_limit(ledger) >= 4


async def test_cost_limit_as_plain_number(tmp_path: Path) -> None:
    """A cost limit is printed as a plain number, in whichever form it was given."""
    run = run_of(new_scenario(tmp_path), "2")
    assert await Driver(run).process() is StopReason.COST_LIMIT
    run.ledger.change_execution_settings({"max_cost": Decimal("1E-7")})
    assert "--max-cost 0.0000001 is reached" in str(limit_reached(run.ledger))


async def test_higher_cost_limit_continues(tmp_path: Path) -> None:
    """A run that stopped at its cost limit continues with a higher one, and no request is sent twice."""
    place = new_scenario(tmp_path)
    await Driver(run_of(place, "2")).process()
    run = run_of(place, "1000")
    assert limit_reached(run.ledger) is None
    assert await Driver(run).process() is StopReason.FINISHED
    assert set(place.service.answered.values()) == {1}
    assert len(run.ledger.processed_words) == len(WORDS)


async def test_nothing_fits(tmp_path: Path) -> None:
    """If the first word would exceed the cost limit, nothing is sent."""
    place = new_scenario(tmp_path)
    assert await Driver(run_of(place, "0.01")).process() is StopReason.COST_LIMIT
    assert not place.service.batches
    assert not place.service.files


async def test_what_is_in_flight_counts(tmp_path: Path) -> None:
    """The expected cost of batches in flight reduces the next chunk's budget; savings are available once they are
    stored.
    """
    (tmp_path / "measured").mkdir()
    measured = run_of(new_scenario(tmp_path / "measured", Service(End(polls=9)), batch_size=4), "1000")
    await Driver(measured).process(wait=False)
    limit = cost_limit_of(measured.ledger)
    assert limit is not None
    just_above = str(limit.cost(measured.ledger.chunk(1)) + Decimal("0.01"))
    place = new_scenario(tmp_path, Service(End(polls=2), End(polls=2), End(polls=2)), batch_size=4)
    run = run_of(place, just_above)
    assert await Driver(run).process(wait=False) is StopReason.IN_FLIGHT
    assert run.in_flight() == 1
    limit = cost_limit_of(run.ledger)
    assert limit is not None
    assert limit.committed > 0
    assert limit.nearly_spent
    again = run_of(place, just_above)
    await Driver(again).process()
    assert not again.in_flight()
    assert len(place.service.batches) > 1


async def test_cost_limit_is_reported_once(tmp_path: Path) -> None:
    """Reaching the cost limit is reported once, with the cost so far and the cost that would exceed it."""
    recorder = Recorder()
    place = new_scenario(tmp_path, Service(End(polls=3)), batch_size=4)
    await Driver(run_of(place, "4.5", recorder=recorder)).process()
    result = [event.text for event in recorder.events if isinstance(event, Notice) and "--max-cost" in event.text]
    assert len(result) == 1
    assert "would exceed it" in result[0]


@pytest.mark.parametrize(("expected", "ratio"), [(1000, 1), (10, 2)])
async def test_longer_than_expected(tmp_path: Path, expected: int, ratio: int) -> None:
    """Longer answers than expected raise the expected cost of later chunks; shorter ones do not lower it."""
    run = run_of(new_scenario(tmp_path, batch_size=2), "1000")
    await Driver(run).process()
    ledger = run.ledger
    for record in ledger.chunks:
        ledger.note(record.number, output_tokens=expected * record.requests)
    limit = cost_limit_of(ledger)
    assert limit is not None
    assert limit.ratio == ratio
    assert limit.spent == ledger.totals().cost


async def test_failed_answers_are_not_long_answers(tmp_path: Path) -> None:
    """Unusable answers are billed like others, and do not affect the expected length of answers."""
    place = new_scenario(tmp_path)
    place.service.faults = lambda identity, before: "malformed" if not before and "synonyms" in identity else None
    run = run_of(place, "1000")
    await Driver(run).process()
    ledger = run.ledger
    first = ledger.chunk(1)
    assert (first.answered, first.failed, first.billed) == (12, 12, 24)
    for record in ledger.chunks:
        ledger.note(record.number, output_tokens=20 * record.requests)  # exactly as long as they come
    limit = cost_limit_of(ledger)
    assert limit is not None
    assert limit.ratio == 1


async def test_unknown_costs_are_reckoned_when_a_price_is_known(tmp_path: Path) -> None:
    """Usage recorded at an unknown price is priced as soon as the price is known, by chunk and by component."""
    run = run_of(new_scenario(tmp_path), None)
    await Driver(run).process()
    known = run.ledger.totals().cost
    for record in run.ledger.chunks:
        run.ledger.note(record.number, cost=None)
    spent = run.ledger.spent
    run.ledger.spent = {name: each.model_copy(update={"cost": None}) for name, each in spent.items()}
    assert run.ledger.totals().cost is None
    rate = rate_of(run.ledger.run.settings)
    assert rate is not None
    run.ledger.price_with(rate)
    assert run.ledger.totals().cost == known
    assert run.ledger.spent == spent


def test_an_unknown_price(tmp_path: Path) -> None:
    """A cost limit without a price is refused with the option that sets one."""
    run = run_of(new_scenario(tmp_path), "5", None)
    run.ledger.change_execution_settings({"model": "gpt-of-nobody"})
    with pytest.raises(UsageError, match=re.escape("--price in=0.05,out=0.25")):
        cost_limit_of(run.ledger)


async def test_answers_without_usage_count_as_expected(tmp_path: Path) -> None:
    """Without usage from the service, the cost is unknown everywhere, and the limit counts the expected cost."""
    place, recorder = new_scenario(tmp_path, Service(faults=lambda _, __: "unmetered")), Recorder()
    run = run_of(place, "2", recorder=recorder)
    assert await Driver(run).process() is StopReason.COST_LIMIT
    ledger = run.ledger
    assert 0 < len(ledger.processed_words) < len(WORDS)
    assert ledger.totals().cost is None
    assert all(spent.cost is None for spent in ledger.spent.values() if spent.unmetered)
    limit = cost_limit_of(ledger)
    assert limit is not None
    stored = [record for record in ledger.chunks if record.unmetered]
    assert limit.spent == sum(record.input_tokens + record.output_tokens for record in stored) * Decimal("0.001")
    ledger.price_with(limit.rate)
    assert ledger.totals().cost is None
    costs = costs_of(ledger)
    assert (costs.cost, costs.unmetered) == (None, sum(record.requests for record in stored))
    assert any("the usage of" in event.text for event in recorder.of(Notice))
    assert "expected cost of sent requests" in str(limit_reached(ledger))


@pytest.mark.parametrize(
    ("address", "price", "host"),
    [
        (None, None, None),
        ("https://api.openai.com/v1", None, None),
        ("https://eu.api.openai.com/v1", None, None),
        ("http://localhost:8000/v1", None, "localhost"),
        ("https://api.openai.com.example/v1", None, "api.openai.com.example"),
        ("http://localhost:8000/v1", PRICE, None),
    ],
)
def test_prices_of_another_service(address: str | None, price: Price | None, host: str | None) -> None:
    """The estimate says that OpenAI's prices are assumed for a service at another address, unless a price is stated."""
    note = price_note(run_settings(base_url=address, price=price))
    assert (note is None) == (host is None)
    assert not note or f"{host} may charge different ones" in note
