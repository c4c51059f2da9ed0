"""The estimate of a run's requests, tokens and cost, before anything is sent.

Requests are counted, and their input tokens with the model's own tokenizer: over all requests, or over a sample where
there are very many. Output tokens, and requests about definitions that do not exist yet, are expected values, and kept
separate.
"""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import ceil

from floridify_batch.components.recipe import ValueState
from floridify_batch.components.registry import RECIPES, SynthesisComponent, recipe_of
from floridify_batch.costs.answer_length import Length, SenseCount, prior
from floridify_batch.costs.price import Price, Rates, rates
from floridify_batch.costs.usage import CACHED_FROM, Forecast, Usage, together
from floridify_batch.pipeline.chunk import ChunkSize, Limits

PREFLIGHT_REQUESTS = 1_000
"""Planned requests above which a run begins with a preflight: below, a refused form costs little time and money."""

PROMPT_TOKENS_EXPECTED = 35
"""Expected tokens of the part of a prompt that is about one definition."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """A number of requests, with their expected tokens."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Expectation") -> "Expectation":
        return Expectation(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )


@dataclass(frozen=True, slots=True)
class Sampled:
    """Input tokens estimated from a sample: for how many requests, from how many words, with a margin (95 %)."""

    requests: int
    words: int
    margin: int


@dataclass(frozen=True, slots=True)
class Span:
    """An estimated cost with its lower and upper bound, in US dollars."""

    low: Decimal
    expected: Decimal
    high: Decimal


@dataclass(slots=True)
class Estimate:
    """The estimate of a run: requests that are ready now, and those expected later, per component.

    `lengths` are measured answer lengths, where known; `price` is the user's, for the mode of the run; `sampled` is
    None if every request was counted. `preflight`: a run of many requests begins with a preflight.
    """

    model: str
    words: int = 0
    complete: int = 0
    unknown: int = 0
    unreadable: int = 0
    """The words with a document that cannot be read, which fail without a request."""
    now: dict[str, Expectation] = field(default_factory=dict)
    later: dict[str, Expectation] = field(default_factory=dict)
    chunks: list[ChunkSize] = field(default_factory=list)
    lengths: Mapping[str, Length] = field(default_factory=dict)
    senses: Length = SenseCount().mean
    """The expected senses of a word without definitions."""
    of_senses: dict[str, Expectation] = field(default_factory=dict)
    """The part of `later` that is expected for each sense of words without definitions."""
    sampled: Sampled | None = None
    immediate: bool = False
    flex: bool = False
    """Whether immediate requests are sent in the service tier flex, at the price of a batch."""
    price: Price | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    """The models of components that do not use the run's."""
    preflight: bool = False
    edited: int = 0
    """The stored values that stay, and are not requested, because people edited them or they come from elsewhere."""
    unrecorded: int = 0
    """Those that stay because earlier versions did not record what they wrote."""
    replaced: int = 0
    """The stored values that will be replaced."""
    unclustered: int = 0
    """The entries with definitions of sources that stay outside clusters, though clusters are requested."""
    language: str = ""
    queue_limit: int | None = None
    """The most input tokens that the account's queue of batches holds, where it is known."""
    cache_writers: Mapping[str, int] = field(default_factory=dict)
    """The components whose long prompts are written to the prompt cache, at a charge; with the requests of a prompt."""

    def pack(self, size: ChunkSize, limits: Limits) -> None:
        """Add a word's requests to the last chunk, or to a new one if that is full."""
        if self.chunks and limits.hold(self.chunks[-1] + size):
            self.chunks[-1] += size
        else:
            self.chunks.append(size)

    def count_values(self, states: Mapping[ValueState, int], replace_edited: bool) -> None:
        """Count stored values by their fate."""
        edited, unrecorded = states.get(ValueState.EDITED, 0), states.get(ValueState.UNRECORDED, 0)
        self.replaced += states.get(ValueState.UNCHANGED, 0) + (edited + unrecorded) * replace_edited
        self.edited += edited * (not replace_edited)
        self.unrecorded += unrecorded * (not replace_edited)

    def with_lengths(self, lengths: Mapping[str, Length]) -> "Estimate":
        """The estimate of the same requests with answers of other lengths."""

        def of_lengths(parts: Mapping[str, Expectation]) -> dict[str, Expectation]:
            return {
                name: replace(each, output_tokens=lengths[name].of(each.requests)[1]) for name, each in parts.items()
            }

        now, later, of_senses = map(of_lengths, (self.now, self.later, self.of_senses))
        return replace(self, now=now, later=later, of_senses=of_senses, lengths=lengths)

    @property
    def discounted(self) -> bool:
        """Whether requests cost what they do in a batch."""
        return self.flex or not self.immediate

    @property
    def total_now(self) -> Expectation:
        """All requests that are ready now."""
        return sum(self.now.values(), Expectation())

    @property
    def total_later(self) -> Expectation:
        """All requests expected later."""
        return sum(self.later.values(), Expectation())

    @property
    def total(self) -> Expectation:
        """All requests, now and later."""
        return self.total_now + self.total_later

    def whole(self, component: str) -> Expectation:
        """The requests of a component, now and later."""
        return self.now.get(component, Expectation()) + self.later.get(component, Expectation())

    def length(self, component: str) -> Length:
        """The expected answer length of a component."""
        known = self.lengths.get(component)
        if known is not None:
            return known
        both = self.whole(component)
        mean = both.output_tokens // both.requests if both.requests else 0
        return prior(mean, recipe_of(component).spread)

    def output(self) -> tuple[int, int, int]:
        """All output tokens: low, expected, high."""
        spans = [self.output_of(name) for name in components_of(self)]
        low, high = (sum(span[which] for span in spans) for which in (0, 2))
        return low, self.total.output_tokens, high

    # ── the preflight ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def preflight_requests(self) -> int:
        """The number of requests of the preflight."""
        due = self.preflight and not self.immediate and self.total.requests > PREFLIGHT_REQUESTS
        return sum(bool(each.requests) and name not in self.models for name, each in self.now.items()) if due else 0

    def preflight_surcharge(self, components: Container[str] | None = None) -> Decimal:
        """The expected cost of the preflight at the standard price beyond that in a batch; 0 if a price is unknown.

        `components`: those whose requests count; all by default.
        """
        regular = rates(self.model, batch=False, price=self.price.standard if self.price else None)
        batch = self.rate(batch=True)
        if not self.preflight_requests or regular is None or batch is None:
            return Decimal(0)
        means = (
            Usage(input=each.input_tokens // each.requests, output=each.output_tokens // each.requests)
            for name, each in self.now.items()
            if each.requests and name not in self.models and (components is None or name in components)
        )
        return sum((regular.cost(usage) - batch.cost(usage) for usage in means), Decimal(0))

    # ── money ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def rate(self, component: str = "", *, batch: bool) -> Rates | None:
        """The rates of a component's model in a mode; the user's own price applies only to the run's model and mode."""
        own = self.models.get(component, self.model)
        return rates(own, batch=batch, price=self.price if batch is self.discounted and own == self.model else None)

    def cost(self, expectations: Mapping[str, Expectation], *, batch: bool) -> Decimal | None:
        """The expected cost of components' requests in US dollars; None if the price of a model is unknown."""
        parts = expectations or {"": Expectation()}
        return together(self._cost(*each, batch=batch) for each in parts.items())

    def _cost(self, component: str, expectation: Expectation, *, batch: bool) -> Decimal | None:
        rate, sent = self.rate(component, batch=batch), expectation.input_tokens
        if rate is None:
            return None
        written = sent if self.writes_cache(component, expectation) else 0
        return rate.cost(Usage(input=sent, output=expectation.output_tokens, cache_write=written))

    def writes_cache(self, component: str, expectation: Expectation) -> bool:
        """Whether prompts are, on average, long enough for the prompt cache, and written to it at a charge."""
        tokens = expectation.input_tokens * self.cache_writers.get(component, 0)
        return tokens >= CACHED_FROM * max(1, expectation.requests)

    def wholes(self, components: Iterable[str] | None = None) -> dict[str, Expectation]:
        """All requests, now and later, of these components or of all."""
        names = {**self.now, **self.later} if components is None else components
        return {name: self.whole(name) for name in names}

    def unpriced(self, *, batch: bool) -> str:
        """The first model whose price is unknown; empty if there is none."""
        names = [*self.wholes()] or [""]
        return next((self.models.get(each, self.model) for each in names if self.rate(each, batch=batch) is None), "")

    def span(self) -> Span | None:
        """The estimated cost of the run in its mode; None if a price is unknown."""
        batch = self.discounted
        expected = self.cost(self.wholes(), batch=batch)
        if expected is None:
            return None
        low, high = (self.cost(self._bounds(which), batch=batch) or expected for which in (0, 2))
        margin = self._margin(batch=batch)
        surcharge = self.preflight_surcharge()
        return Span(low - margin + surcharge, expected + surcharge, high + margin + surcharge)

    def _bounds(self, which: int) -> dict[str, Expectation]:
        """All requests, where new words have their least (0) or most (2) expected senses, and answers that length."""
        bounds: dict[str, Expectation] = {}
        for name, whole in self.wholes().items():
            of_senses = self.of_senses.get(name, Expectation())
            more = self._sense_factor(which) - 1
            requests = whole.requests + round(more * of_senses.requests)
            tokens = whole.input_tokens + round(more * of_senses.input_tokens)
            bounds[name] = Expectation(requests, tokens, self.output_of(name)[which])
        return bounds

    def _sense_factor(self, which: int) -> float:
        """The least (0), expected (1) or greatest (2) number of senses of a new word, relative to the expected."""
        senses = self.senses
        return (senses.low, senses.expected, senses.high)[which] / senses.expected

    def output_of(self, component: str) -> tuple[int, int, int]:
        """The output tokens of a component's requests: low, expected, high."""
        whole, new = self.whole(component), self.of_senses.get(component, Expectation()).requests
        low, high = (
            self.length(component).of(whole.requests + round((self._sense_factor(which) - 1) * new))[which]
            for which in (0, 2)
        )
        return low, whole.output_tokens, high

    def _margin(self, *, batch: bool) -> Decimal:
        """The cost of the margin of error of sampled input tokens, at the highest rate."""
        found = (self.rate(name, batch=batch) for name in self.wholes())
        highest = max((rate.input for rate in found if rate), default=Decimal(0))
        return highest * (self.sampled.margin if self.sampled else 0)

    def forecast(self) -> Forecast:
        """The estimate as the checkpoint keeps it, for comparison with the bill."""
        total, span = self.total, self.span()
        return Forecast(
            requests=total.requests,
            input_tokens=total.input_tokens,
            output_tokens=total.output_tokens,
            low=span.low if span else None,
            expected=span.expected if span else None,
            high=span.high if span else None,
            immediate=self.cost(self.wholes(), batch=False),
            waves=self.waves(),
        )

    def waves(self) -> tuple[str, ...]:
        """The names of the waves, each named after its components."""
        return tuple(map(_wave_name, self.wave_components()))

    def wave_components(self) -> list[list[str]]:
        """The components of each wave of requests: those that can be sent now, then by dependency."""
        depths: dict[str, int] = {}
        for name, recipe in RECIPES.items():  # in the order of their dependencies
            if name in self.later:
                depths[name] = 1 + max((depths[need] for need in recipe.needs if need in depths), default=1)
        waves = [[name for name in self.now if self.now[name].requests]] if self.now else []
        waves += ([name for name in depths if depths[name] == depth] for depth in sorted(set(depths.values())))
        return [part for wave in waves for part in self._by_model(wave)]

    @property
    def first_waves(self) -> int:
        """The number of waves of the requests that are ready now: one for each of their models."""
        return len(self._by_model([name for name in self.now if self.now[name].requests]))

    @property
    def queued_tokens(self) -> int:
        """The input tokens of the first wave, whose batches are in the queue together if they fit."""
        return 0 if self.immediate else self.total_now.input_tokens

    @property
    def rounds(self) -> int:
        """The number of times that batches are waited for: once a wave, or as often as its tokens fill the queue."""
        tokens = (
            sum((self.now if number <= self.first_waves else self.later)[name].input_tokens for name in components)
            for number, components in enumerate(self.wave_components(), 1)
        )
        return sum(max(1, ceil(each / self.queue_limit)) if self.queue_limit else 1 for each in tokens)

    def _by_model(self, wave: Sequence[str]) -> list[list[str]]:
        """The components of a wave by their models: a batch holds one, and a word waits for one at a time."""
        parts: dict[str, list[str]] = {}
        for name in wave:
            parts.setdefault(self.models.get(name, self.model), []).append(name)
        return list(parts.values())


def _wave_name(components: Sequence[str]) -> str:
    """The components that others depend on, if any, and how many more; else the components, or their number."""
    structural = [name for name in components if RECIPES[SynthesisComponent(name)].structural]
    names = [name.replace("_", " ") for name in structural or components]
    if structural and len(structural) < len(components):
        return f"{', '.join(names)} and {len(components) - len(structural)} more"
    return ", ".join(names) if len(names) <= _NAMED else f"{len(names)} components"


_NAMED = 2
"""Components up to which a wave is named after all of them."""


def components_of(estimate: Estimate) -> Iterable[str]:
    """The components with any requests, those with the most first."""
    requests = Counter({name: each.requests for name, each in estimate.now.items()})
    requests.update({name: each.requests for name, each in estimate.later.items()})
    return (name for name, _ in requests.most_common())
