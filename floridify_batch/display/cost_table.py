"""The bill on the screen: what was spent, on what, and against what."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from floridify_batch.costs.usage import Usage
from floridify_batch.display.text import WIDE, cell, facts, framed, listing, or_dash, plain, shorten
from floridify_batch.formatting import count, counted, dollars
from floridify_batch.run.bill import BatchCost, ComponentCost, Costs

_ID_CELLS = 26
"""Columns of a batch's id where there is not room for all of it."""

_THOUSAND = 1000

type _Row = tuple[str, str]


def costs_panel(costs: Costs, width: int, most: int | None = None) -> RenderableType:
    """What a run has cost, by component and by batch; at most so many batches are listed one by one."""
    wide = width >= WIDE
    parts: list[RenderableType] = [facts(_sums(costs))]
    if costs.components:
        parts += [Text(), _components(costs.components, wide=wide)]
    if costs.batches:
        parts += [Text(), *_batches(costs.batches, wide=wide, most=most)]
    if costs.cost is None:
        parts += [Text(), Text(_WITHOUT_PRICE.format(model=plain(costs.model)))]
    mode = "immediate" if costs.immediate else "batch"
    return framed(Group(*parts), f"Costs · {plain(costs.model)} · {mode}")


_WITHOUT_PRICE = (
    "Nobody knows the price of {model}. Give it, in US dollars per million tokens, and what was used is priced: "
    "resume --price in=0.05,out=0.25"
)


# ── the sums ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _sums(costs: Costs) -> Iterator[_Row]:
    so_far = "" if costs.finished else " so far"
    yield "spent", f"{dollars(costs.cost)}{so_far}"
    if costs.carried:
        yield "of this before", f"{dollars(costs.carried)}, by the adopted checkpoint"
    yield "tokens", _in_words(costs.usage)
    yield from _against_other_mode(costs)
    yield from _against_estimate(costs)
    if costs.flying:
        yield "in flight", f"{counted(costs.flying, 'batch', 'batches')}, expected at {dollars(costs.in_flight)}"
    if costs.max_cost is not None:
        yield "wall", dollars(costs.max_cost)


def _in_words(usage: Usage) -> str:
    cached = f" ({count(usage.cached)} cached)" if usage.cached else ""
    reasoning = f" ({count(usage.reasoning)} reasoning)" if usage.reasoning else ""
    return f"{count(usage.input)} in{cached}, {count(usage.output)} out{reasoning}"


def _against_other_mode(costs: Costs) -> Iterator[_Row]:
    own, other = costs.own, costs.other_mode
    if own is None or other is None:
        return
    if costs.immediate:
        yield "in batches", dollars(other)
        return
    saved = f" ({(other - own) / other:.0%} saved)" if other else ""
    yield "immediate price", f"{dollars(other)}{saved}"


def _against_estimate(costs: Costs) -> Iterator[_Row]:
    forecast, own = costs.estimate, costs.own
    if forecast is None:
        return
    if forecast.expected is None or not forecast.expected:
        yield "estimate", f"unknown, for {count(forecast.requests)} requests"
        return
    span = f" (from {dollars(forecast.low)} to {dollars(forecast.high)})"
    yield "estimate", f"{dollars(forecast.expected)}{span}, for {count(forecast.requests)} requests"
    if own is not None:
        share = own / forecast.expected
        told = f"{share:.0%} of it" if not costs.finished else f"{abs(share - 1):.1%} {_side(share)} it"
        yield "against it", told + ("" if costs.finished else " so far")


def _side(share: Decimal) -> str:
    return "above" if share > 1 else "below"


# ── the tables ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _components(rows: Sequence[ComponentCost], *, wide: bool) -> Table:
    heads = ("component", "answered", "failed", "tokens in", "tokens out", "cost", *(("per 1,000",) if wide else ()))
    table = listing(*heads, right=heads[1:])
    for row in rows:
        each = dollars(row.cost * _THOUSAND / row.billed) if row.cost is not None and row.billed else "-"
        figures = (count(row.answered), or_dash(row.failed), count(row.usage.input), count(row.usage.output))
        table.add_row(cell(row.component), *figures, dollars(row.cost), *((each,) if wide else ()))
    return table


def _batches(rows: Sequence[BatchCost], *, wide: bool, most: int | None) -> Iterator[RenderableType]:
    heads = ("chunk", "batch", "requests", "tokens in", "tokens out", "cost")
    table = listing(*heads, right={*heads} - {"batch"})
    for row in rows[:most]:
        identity = plain(row.batch_id or "-")
        table.add_row(
            count(row.chunk),
            cell(identity if wide else shorten(identity, _ID_CELLS)),
            count(row.requests),
            count(row.usage.input),
            count(row.usage.output),
            dollars(row.cost),
        )
    yield table
    if most is not None and len(rows) > most:
        yield Text(f"and {count(len(rows) - most)} more; --json lists them all", "dim")
    for row in rows:
        if row.differs and row.billed:
            yield Text(
                f"Chunk {row.chunk}: the service counts {count(row.billed.input)} tokens in and "
                f"{count(row.billed.output)} out for its batch, not what its answers add up to."
            )
