"""Tables of a run's costs: by component, by batch, and compared with the estimate."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from floridify_batch.costs.price import unknown_price
from floridify_batch.costs.usage import Usage
from floridify_batch.display.text import NARROW, WIDE, cell, facts, framed, listing, or_dash, plain, shorten
from floridify_batch.formatting import count, counted, dollar_column, dollars
from floridify_batch.run.bill import BatchCost, ComponentCost, Costs, DuplicateCost

_ID_CELLS = 16
"""Width of a truncated batch id."""

_THOUSAND = 1000

type _Row = tuple[str, str]


def costs_panel(costs: Costs, width: int, most: int | None = None) -> RenderableType:
    """The costs of a run by component and by batch; at most `most` batches are listed."""
    parts: list[RenderableType] = [facts(_sums(costs))]
    if costs.components:
        parts += [Text(), _components(costs.components, width)]
    if costs.batches:
        parts += [Text(), *_batches(costs.batches, width, most)]
    parts += map(_duplicate, costs.duplicates)
    if costs.cost is None:
        parts += [Text(), Text(_why_unknown(costs))]
    mode = "immediate" if costs.immediate else "batch"
    return framed(Group(*parts), f"Costs · {plain(costs.model)} · {mode}")


def _why_unknown(costs: Costs) -> str:
    if costs.unmetered:
        return f"The cost is unknown: the usage of {counted(costs.unmetered, 'answer')} is unknown."
    sentence = unknown_price(plain(costs.model), batch=not costs.immediate)
    command = "batch-synth resume --price in=0.05,out=0.25"
    return f"{sentence} Set it in USD per million tokens to price the tokens used:\n{command}"


# ── the sums ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _sums(costs: Costs) -> Iterator[_Row]:
    so_far = "" if costs.finished else " so far"
    yield "spent", f"{dollars(costs.cost)}{so_far}"
    if costs.carried:
        source = "pilot" if costs.piloted else "adopted checkpoint"
        yield "before this run", f"{dollars(costs.carried)}, from the {source}"
    yield "tokens", _token_counts(costs.usage)
    yield from _against_other_mode(costs)
    yield from _against_one_by_one(costs)
    yield from _against_estimate(costs)
    if costs.flying:
        yield "in flight", f"{counted(costs.flying, 'batch', 'batches')}, estimated at {dollars(costs.in_flight)}"
    if costs.max_cost is not None:
        yield "cost limit", dollars(costs.max_cost)


def _token_counts(usage: Usage) -> str:
    cached = f" ({count(usage.cached)} cached)" if usage.cached else ""
    reasoning = f" ({count(usage.reasoning)} reasoning)" if usage.reasoning else ""
    return f"{count(usage.input)} input{cached}, {count(usage.output)} output{reasoning}"


def _against_other_mode(costs: Costs) -> Iterator[_Row]:
    own, other = costs.own, costs.other_mode
    if own is None or other is None:
        return
    if not costs.discounted:
        yield "at batch rate", f"{dollars(other)} for the same answers"
        return
    yield "at standard rate", f"{dollars(other)} for the same answers{_less(own, other)}"


def _against_one_by_one(costs: Costs) -> Iterator[_Row]:
    """The cost of immediate calls about one definition each, with full answers, where that is more."""
    own, other = costs.own, costs.one_by_one
    if own is not None and other is not None and other > own:
        yield "with single calls", f"about {dollars(other)} with full answers{_less(own, other)}"


def _less(own: Decimal, other: Decimal) -> str:
    """The part of another cost by which this run's is lower: " (this run: 50% less)"."""
    return f" (this run: {(other - own) / other:.0%} less)" if other > own else ""


def _against_estimate(costs: Costs) -> Iterator[_Row]:
    forecast, own = costs.estimate, costs.own
    if forecast is None:
        return
    if forecast.expected is None or not forecast.expected:
        yield "estimate", f"unknown, for {count(forecast.requests)} requests"
        return
    span = f" (range {dollars(forecast.low)}-{dollars(forecast.high)})"
    yield "estimate", f"{dollars(forecast.expected)}{span}, for {count(forecast.requests)} requests"
    if own is not None:
        share = own / forecast.expected
        yield "difference", _signed(share - 1) if costs.finished else f"{share:.0%} of the estimate so far"


def _signed(share: Decimal) -> str:
    return f"{share:+.1%}".replace("-", "\N{MINUS SIGN}")


# ── the tables ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _token_heads(width: int) -> tuple[str, ...]:
    """The columns of tokens, which a narrow terminal has no room for."""
    return ("input tokens", "output tokens") if width >= NARROW else ()


def _tokens(usage: Usage, width: int) -> tuple[str, ...]:
    return (count(usage.input), count(usage.output)) if width >= NARROW else ()


def _components(rows: Sequence[ComponentCost], width: int) -> Table:
    heads = ("component", "answered", "failed", *_token_heads(width), "cost")
    table = listing(*heads, *(("per 1,000",) if width >= WIDE else ()), right=[*heads[1:], "per 1,000"])
    for row, cost in zip(rows, dollar_column([row.cost for row in rows]), strict=True):
        each = dollars(row.cost * _THOUSAND / row.billed) if row.cost is not None and row.billed else "-"
        figures = (count(row.answered), or_dash(row.failed), *_tokens(row.usage, width), cost)
        table.add_row(cell(row.component), *figures, *((each,) if width >= WIDE else ()))
    return table


def _batches(rows: Sequence[BatchCost], width: int, most: int | None) -> Iterator[RenderableType]:
    heads = ("batch", "id", "requests", *_token_heads(width), "cost")
    table = listing(*heads, right={*heads} - {"id"})
    for row, cost in zip(rows[:most], dollar_column([row.cost for row in rows]), strict=False):
        identity = plain(row.batch_id or "-")
        table.add_row(
            count(row.chunk),
            cell(identity if width >= WIDE else shorten(identity, _ID_CELLS)),
            count(row.requests),
            *_tokens(row.usage, width),
            cost,
        )
    yield table
    if most is not None and len(rows) > most:
        yield Text(f"and {count(len(rows) - most)} more; use --json to list all", "dim")
    for row in rows:
        if row.differs and row.billed:
            yield Text(
                f"Batch {row.chunk}: the service reports {count(row.billed.input)} input and "
                f"{count(row.billed.output)} output tokens, which differ from the sum over its answers."
            )


def _duplicate(row: DuplicateCost) -> Text:
    """A duplicate of a batch, which the service may bill."""
    return Text(f"Batch {row.chunk}: {plain(row.batch_id)} is a duplicate ({row.status}); cost {dollars(row.cost)}.")
