"""The bill: a run's ledger added up, on the screen and for programs."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from floridify_batch.costs.price import Price
from floridify_batch.costs.usage import Forecast, Usage
from floridify_batch.display.cost_table import costs_panel
from floridify_batch.display.json_output import costs_object
from floridify_batch.formatting import dollars
from floridify_batch.run.bill import BatchCost, ComponentCost, Costs, costs_of
from floridify_batch.run.driver import Driver
from floridify_batch.run.event import Notice
from floridify_batch.run.ledger import Ledger
from tests.fakes import End, FakeBatch, MemoryStore, Recorder, Scenario, Service

WORDS = ["bank", "tree", "lake"]


class Counting(Service):
    """A service that states the usage of its batches: `odd` tokens more than the sum over their answers."""

    def __init__(self, *ends: End, odd: int = 0) -> None:
        super().__init__(*ends)
        self.odd = odd

    def _finish(self, held: FakeBatch, status: str, answered: int | None) -> None:
        super()._finish(held, status, answered)
        lines = held.output.count(b"prompt_tokens")
        held.job = replace(held.job, usage=Usage(100 * lines + self.odd, 0, 20 * lines))


def seen(content: RenderableType, width: int = 80) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(content)
    return capture.get()


async def traveled(folder: Path, service: Service | None = None, recorder: Recorder | None = None) -> Ledger:
    run = Scenario(folder, WORDS, service or Counting(), MemoryStore.of(WORDS), batch_size=2).run(recorder=recorder)
    await Driver(run).process()
    return run.ledger


async def test_everything_adds_up(tmp_path: Path) -> None:
    """The costs by component and by batch have the same sum, which is half the cost of immediate mode."""
    costs = costs_of(await traveled(tmp_path))
    assert costs.finished
    assert (
        costs.cost == sum(each.cost or 0 for each in costs.components) == sum(each.cost or 0 for each in costs.batches)
    )
    assert costs.usage == sum((each.usage for each in costs.components), Usage())
    assert costs.usage == sum((each.usage for each in costs.batches), Usage())
    assert [each.billed for each in costs.components] == [3, 3]
    assert costs.other_mode == 2 * costs.cost


async def test_against_one_by_one(tmp_path: Path) -> None:
    """The panel compares the cost with that of one-by-one calls, where that is known and more; JSON states it, too."""
    ledger = await traveled(tmp_path)
    costs = costs_of(ledger)
    assert costs.one_by_one is not None
    shown = seen(costs_panel(costs, 100), 100)
    assert f"with single calls  about {dollars(costs.one_by_one)} with full answers (this run: " in shown
    assert f"at standard rate   {dollars(costs.other_mode)} for the same answers (this run: 50% less)" in shown
    assert costs_object(costs)["one_by_one_cost"] == str(costs.one_by_one)
    ledger.spent.popitem()
    unknown = costs_of(ledger)
    assert unknown.one_by_one is None
    assert "with single calls" not in seen(costs_panel(unknown, 100), 100)


async def test_the_services_count_differs(tmp_path: Path) -> None:
    """A difference between the service's usage of a batch and the sum over its answers is reported at once and shown in
    the bill.
    """
    recorder = Recorder()
    ledger = await traveled(tmp_path, Counting(odd=7), recorder)
    result = [event.text for event in recorder.of(Notice)]
    assert result[0].startswith("Batch 1: the service reports 407 input and 80 output tokens")
    assert ledger.totals().usage.input == 600
    assert "Batch 2: the service reports 207 input" in " ".join(seen(costs_panel(costs_of(ledger), 120), 120).split())


async def test_the_services_count_agrees(tmp_path: Path) -> None:
    """The two usages are reported only if they differ and the service states one."""
    for name, service in (("one", Counting()), ("other", Service())):
        (tmp_path / name).mkdir()
        recorder = Recorder()
        ledger = await traveled(tmp_path / name, service, recorder)
        assert recorder.of(Notice) == []
        assert "service counts" not in seen(costs_panel(costs_of(ledger), 80))


async def test_against_the_estimate(tmp_path: Path) -> None:
    """The bill is compared with the estimate, without the cost of an adopted checkpoint."""
    ledger = await traveled(tmp_path)
    own = ledger.totals().cost
    assert own is not None
    ledger.estimate = Forecast(
        requests=6, input_tokens=1, output_tokens=1, low=own, expected=own * 2, high=own * 4, immediate=own * 4
    )
    ledger.carried_cost = Decimal(5)
    costs = costs_of(ledger)
    panel = seen(costs_panel(costs, 80))
    assert (costs.cost, costs.own) == (own + 5, own)
    for text in ("\N{MINUS SIGN}50.0%", "$5.00, from the adopted checkpoint", "for 6 requests"):
        assert text in panel


async def test_small_money_for_programs(tmp_path: Path) -> None:
    """Amounts are plain decimals in JSON, however small; other numbers are numbers."""
    ledger = await traveled(tmp_path)
    ledger.estimate = Forecast(requests=6, input_tokens=1, output_tokens=1, low=Decimal("0E-9"), high=Decimal("4E-7"))
    costs = replace(costs_of(ledger), in_flight=Decimal("0E-9"))
    bill = costs_object(costs)
    assert bill["in_flight"]["expected_cost"] == "0.000000000"
    assert bill["estimate"] == {
        "requests": 6,
        "input_tokens": 1,
        "output_tokens": 1,
        "low": "0.000000000",
        "expected": None,
        "high": "0.0000004",
        "immediate": None,
        "waves": [],
    }


async def test_an_unknown_price(tmp_path: Path) -> None:
    """An unknown price is shown as unknown everywhere, with the option that sets it."""
    ledger = await traveled(tmp_path)
    for record in ledger.chunks:
        ledger.note(record.number, cost=None)
    ledger.spent = {name: each.model_copy(update={"cost": None}) for name, each in ledger.spent.items()}
    ledger.change_execution_settings({"model": "gpt-of-nobody"})
    costs = costs_of(ledger)
    panel = seen(costs_panel(costs, 80))
    assert "$" not in panel
    assert "--price in=0.05,out=0.25" in " ".join(panel.split())
    assert costs_object(costs)["cost"] is None
    assert costs_object(costs)["immediate_cost"] is None


async def test_a_users_price_applies_to_one_mode(tmp_path: Path) -> None:
    """A user's price for one mode is not used for the other mode."""
    ledger = await traveled(tmp_path)
    ledger.change_execution_settings({"price": Price(Decimal(1), Decimal(2))})
    assert costs_of(ledger).other_mode is None


async def test_for_programs(tmp_path: Path) -> None:
    """The JSON object is plain JSON, with money as text without loss of precision."""
    ledger = await traveled(tmp_path)
    result = json.loads(json.dumps(costs_object(costs_of(ledger))))
    assert Decimal(result["cost"]) == ledger.totals().cost
    assert [each["chunk"] for each in result["batches"]] == [1, 2]
    assert result["batches"][0]["service_usage"] == {
        "input": 400,
        "cached": 0,
        "output": 80,
        "reasoning": 0,
        "cache_write": 0,
    }
    assert set(result["components"]) == {"synonyms", "examples"}


@pytest.mark.parametrize("width", [80, 120, 200])
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    """The panel fits the terminal and truncates no figure, for any cost."""
    record: dict[str, Any] = {"answered": 1_800_000, "failed": 12_345, "billed": 1_800_000}
    usage = Usage(746_800_000, 0, 414_000_000, 0)
    costs = many(record, usage)
    panel = seen(costs_panel(costs, width, most=5), width)
    assert all(len(line) <= width for line in panel.splitlines())
    assert "746,800,000" in panel
    assert "$140.84" in panel
    assert "and 355 more" in panel


def many(record: dict[str, Any], usage: Usage) -> Costs:
    """Return the bill of a large run."""
    cost = Decimal("140.84")
    return Costs(
        model="gpt-6-luna",
        immediate=False,
        finished=False,
        components=tuple(
            ComponentCost(name, **record, usage=usage, cost=cost) for name in ("synonyms", "cluster_definitions")
        ),
        batches=tuple(
            BatchCost(number, f"batch_{number:032x}", 50_000, 49_000, 1_000, usage, None, cost)
            for number in range(1, 361)
        ),
        usage=usage,
        cost=cost * 360,
        carried=Decimal(0),
        other_mode=cost * 720,
        in_flight=cost,
        flying=20,
        estimate=None,
        max_cost=Decimal(90_000),
    )
