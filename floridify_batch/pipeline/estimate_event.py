"""An estimate as an event: what a dry run tells a program."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from floridify_batch.costs.answer_length import Origin
from floridify_batch.pipeline.estimate import Estimate, Expectation, Sampled, Span, components_of


@dataclass(frozen=True, slots=True)
class Output:
    """Tokens that answers are expected to have, at the least and at the most."""

    low: int
    expected: int
    high: int


@dataclass(frozen=True, slots=True)
class ComponentQuote:
    """What a component would be asked now and, as expected, later, in US dollars (None where the price is unknown).

    `origin`: what the lengths of its answers are drawn from; `answers`: of how many that were billed, if of any.
    """

    now: Expectation
    later: Expectation
    output: Output
    origin: Origin
    answers: int
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class ChunkQuote:
    """How much would be in a chunk."""

    words: int
    requests: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Estimated:
    """What a run would ask and cost, in US dollars; None for what nobody knows.

    `cost` is in the mode of the run, `batch_cost` and `immediate_cost` are what is expected in each of the modes;
    `spent`: what the run has cost whose rest this is; `sampled` is None where every request was counted.
    """

    model: str
    mode: str
    words: int
    complete: int
    unknown: int
    now: Expectation
    later: Expectation
    output: Output
    cost: Span | None
    batch_cost: Decimal | None
    immediate_cost: Decimal | None
    max_cost: Decimal | None
    spent: Decimal | None
    components: Mapping[str, ComponentQuote]
    chunks: tuple[ChunkQuote, ...]
    sampled: Sampled | None
    notes: tuple[str, ...]


def estimated(
    estimate: Estimate, max_cost: Decimal | None, spent: Decimal | None, notes: Sequence[str] = ()
) -> Estimated:
    """An estimate as it is told; `max_cost` is the run's wall, if it has one."""
    total, own = estimate.total, not estimate.immediate
    # A price of the user's own says nothing of the other mode.
    batch, immediate = (
        estimate.cost(total, batch=mode) if mode is own or estimate.price is None else None for mode in (True, False)
    )
    return Estimated(
        model=estimate.model,
        mode="immediate" if estimate.immediate else "batch",
        words=estimate.words,
        complete=estimate.complete,
        unknown=estimate.unknown,
        now=estimate.total_now,
        later=estimate.total_later,
        output=Output(*estimate.output()),
        cost=estimate.span(),
        batch_cost=batch,
        immediate_cost=immediate,
        max_cost=max_cost,
        spent=spent,
        components={name: _component(estimate, name) for name in components_of(estimate)},
        chunks=tuple(ChunkQuote(each.words, each.requests, each.bytes) for each in estimate.chunks),
        sampled=estimate.sampled,
        notes=tuple(notes),
    )


def _component(estimate: Estimate, name: str) -> ComponentQuote:
    whole, length = estimate.whole(name), estimate.length(name)
    low, _, high = length.of(whole.requests)
    return ComponentQuote(
        now=estimate.now.get(name, Expectation()),
        later=estimate.later.get(name, Expectation()),
        output=Output(low, whole.output_tokens, high),
        origin=length.origin,
        answers=length.answers,
        cost=estimate.cost(whole, batch=not estimate.immediate),
    )
