"""What a run would ask and cost, before anything is sent.

Input tokens are counted over the real requests with the model's own tokenizer. Output tokens, and the requests about
definitions that do not exist yet, are expectations, and kept apart as such.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from floridify_batch.chunks import ChunkSize, Limits
from floridify_batch.components import Scope
from floridify_batch.planning import Brief
from floridify_batch.pricing import Usage, rates
from floridify_batch.requests import SynthesisRequest

SENSES_EXPECTED = 3
"""Definitions that the model is expected to give a word of which nothing is known."""

PROMPT_TOKENS_EXPECTED = 35
"""Tokens of the part of a prompt that is about one definition."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """Requests and the tokens they are expected to be billed for."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Expectation") -> "Expectation":
        return Expectation(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )


@dataclass(slots=True)
class Estimate:
    """The figures of a run that has not begun: what can be asked now, and later, per component."""

    model: str
    words: int = 0
    complete: int = 0
    unknown: int = 0
    now: dict[str, Expectation] = field(default_factory=dict)
    later: dict[str, Expectation] = field(default_factory=dict)
    chunks: list[ChunkSize] = field(default_factory=list)

    def add_word(self, asked: Brief, requests: Sequence[SynthesisRequest[Any]], *, unknown: bool) -> None:
        """Count a word with its requests; what an unknown word will need later is expected for it."""
        self.words += 1
        self.unknown += unknown
        self.complete += not requests
        expected: dict[str, int] = {each.recipe.component: each.recipe.output_tokens for each in asked.questions}
        for request in requests:
            component = request.envelope.component
            asks = Expectation(1, request.input_tokens, expected[component])
            self.now[component] = self.now.get(component, Expectation()) + asks

    def expect_later(self, asked: Brief) -> None:
        """Work out what the words without definitions will need once they have some."""
        requests = self.unknown * SENSES_EXPECTED
        for question in asked.questions:
            if requests and question.recipe.scope is Scope.DEFINITION:
                fixed = question.envelope.fixed_tokens + PROMPT_TOKENS_EXPECTED
                self.later[question.recipe.component] = Expectation(
                    requests, requests * fixed, requests * question.recipe.output_tokens
                )

    def pack(self, size: ChunkSize, limits: Limits) -> None:
        """Put a word's requests where they would go: into the last chunk, or a new one where that is full."""
        if self.chunks and limits.hold(self.chunks[-1] + size):
            self.chunks[-1] += size
        else:
            self.chunks.append(size)

    @property
    def total_now(self) -> Expectation:
        """What can be asked now."""
        return sum(self.now.values(), Expectation())

    @property
    def total(self) -> Expectation:
        """What can be asked now and, as expected, later."""
        return self.total_now + sum(self.later.values(), Expectation())

    def cost(self, expectation: Expectation, *, batch: bool) -> Decimal | None:
        """What these requests are expected to cost in US dollars; None where the model's price is unknown."""
        rate = rates(self.model, batch=batch)
        if rate is None:
            return None
        return rate.cost(Usage(input=expectation.input_tokens, output=expectation.output_tokens))


def components_of(estimate: Estimate) -> Iterable[str]:
    """The components that are asked for at any time, those with the most requests first."""
    requests = Counter({name: each.requests for name, each in estimate.now.items()})
    requests.update({name: each.requests for name, each in estimate.later.items()})
    return (name for name, _ in requests.most_common())
