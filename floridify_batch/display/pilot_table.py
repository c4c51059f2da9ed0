"""The figures of a pilot: measured answer lengths and cost beside the expected ones."""

from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from floridify_batch.costs.answer_length import Length
from floridify_batch.display.text import cell, facts, framed, listing, plain
from floridify_batch.formatting import count, dollar_column, dollars
from floridify_batch.run.ledger import Ledger


def pilot_panel(pilot: Ledger, typical: Mapping[str, Length]) -> RenderableType:
    """The figures of a pilot by component. `typical`: the lengths that are expected where none were measured."""
    return framed(
        Group(_lengths(pilot, typical), Text(), facts(_costs(pilot))), f"Pilot · {plain(pilot.run.settings.model)}"
    )


def _lengths(pilot: Ledger, typical: Mapping[str, Length]) -> Table:
    heads = ("output tokens per answer", "answers", "typical", "measured", "cost")
    table = listing(*heads, right=heads[1:])
    rows = sorted(pilot.spent.items(), key=lambda item: -item[1].usage.output)
    costs = dollar_column([spent.cost for _, spent in rows])
    for (component, spent), cost in zip(rows, costs, strict=True):
        expected = count(round(typical[component].expected)) if component in typical else "-"
        measured = count(round(spent.usage.output / spent.billed)) if spent.billed else "-"
        table.add_row(cell(component), count(spent.answered), expected, measured, cost)
    return table


def _costs(pilot: Ledger) -> Iterator[tuple[str, str]]:
    forecast = pilot.estimate
    if forecast is not None and forecast.expected is not None:
        yield "estimate", f"{dollars(forecast.expected)} ({dollars(forecast.low)}-{dollars(forecast.high)})"
    yield "measured", dollars(pilot.totals().cost)
