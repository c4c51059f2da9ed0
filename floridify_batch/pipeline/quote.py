"""The estimate of a run as a JSON event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from floridify_batch.costs.answer_length import Origin
from floridify_batch.pipeline.estimate import Estimate, Expectation, Sampled, Span, components_of


@dataclass(frozen=True, slots=True)
class Output:
    """Estimated output tokens, with their bounds."""

    low: int
    expected: int
    high: int


@dataclass(frozen=True, slots=True)
class ComponentQuote:
    """The requests of a component now and later, with their cost in US dollars (None if the price is unknown).

    `origin`: the origin of the expected answer length; `answers`: the number of billed answers behind it.
    """

    now: Expectation
    later: Expectation
    output: Output
    origin: Origin
    answers: int
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class ChunkQuote:
    """The size of a planned chunk."""

    words: int
    requests: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Estimated:
    """The event of an estimate; costs are in US dollars, None if unknown.

    `cost` is in the mode of the run, `batch_cost` and `immediate_cost` are expected costs in either mode; `spent` is
    what the run has cost so far, of which this is the rest; `sampled` is None if every request was counted.
    `preflight_requests`: requests that are sent at once, before the first batch. `edited` and `unrecorded` values stay,
    `replaced` ones are regenerated. `queued_tokens`: those of the first wave; `days`: the most that the run may take;
    `unreadable`: words that fail, because one of their documents cannot be read; `unclustered`: entries with
    definitions that stay outside the requested clusters.
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
    preflight_requests: int = 0
    edited: int = 0
    unrecorded: int = 0
    replaced: int = 0
    queued_tokens: int = 0
    queue_limit: int | None = None
    days: int | None = None
    unreadable: int = 0
    unclustered: int = 0


def estimated(
    estimate: Estimate, max_cost: Decimal | None, spent: Decimal | None, notes: Sequence[str] = ()
) -> Estimated:
    """An estimate as an event; `max_cost` is the run's cost limit, if any."""
    own, wholes = estimate.discounted, estimate.wholes()
    # The user's own price applies to one mode only.
    batch, immediate = (
        estimate.cost(wholes, batch=mode) if mode is own or estimate.price is None else None for mode in (True, False)
    )
    return Estimated(
        model=estimate.model,
        mode="immediate" if estimate.immediate else "batch",
        words=estimate.words,
        complete=estimate.complete,
        unknown=estimate.unknown,
        unreadable=estimate.unreadable,
        unclustered=estimate.unclustered,
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
        preflight_requests=estimate.preflight_requests,
        edited=estimate.edited,
        unrecorded=estimate.unrecorded,
        replaced=estimate.replaced,
        queued_tokens=estimate.queued_tokens,
        queue_limit=estimate.queue_limit,
        days=None if estimate.immediate else estimate.rounds,
    )


def _component(estimate: Estimate, name: str) -> ComponentQuote:
    whole, length = estimate.whole(name), estimate.length(name)
    low, _, high = estimate.output_of(name)
    return ComponentQuote(
        now=estimate.now.get(name, Expectation()),
        later=estimate.later.get(name, Expectation()),
        output=Output(low, whole.output_tokens, high),
        origin=length.origin,
        answers=length.answers,
        cost=estimate.cost({name: whole}, batch=estimate.discounted),
    )
