"""What a run would ask and cost, before anything is sent.

Input tokens are counted over the real requests with the model's own tokenizer. Output tokens, and the requests about
definitions that do not exist yet, are expectations, and kept apart as such.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil

from floridify_batch.chunks import ChunkSize, Group, Limits
from floridify_batch.components import Scope
from floridify_batch.planning import Planned, Question
from floridify_batch.pricing import Usage, rates
from floridify_batch.words import Entry

SENSES_EXPECTED = 3
"""Definitions that the model is expected to give a word of which nothing is known."""

SOURCES_PER_SENSE = 2
"""Definitions of different sources that are expected to state the same meaning."""

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

    def add_word(self, entries: Sequence[Entry], planned: Sequence[Planned], packed: Group) -> None:
        """Count a word with its requests, and what it is expected to need once they are answered."""
        self.words += 1
        self.unknown += any(not entry.definitions for entry in entries)
        self.complete += not packed.lines
        requests = [request for each in planned for request in each.requests]
        for request, tokens in zip(requests, packed.tokens, strict=True):
            asks = Expectation(1, tokens, request.envelope.output_tokens)
            self._expect(self.now, request.envelope.component, asks)
        for entry, each in zip(entries, planned, strict=True):
            for question in each.waiting:
                times = _times(question, entry)
                tokens = times * (question.envelope.fixed_tokens + PROMPT_TOKENS_EXPECTED)
                output = times * question.envelope.output_tokens
                self._expect(self.later, question.recipe.component, Expectation(times, tokens, output))

    def _expect(self, where: dict[str, Expectation], component: str, expectation: Expectation) -> None:
        if expectation.requests:
            where[component] = where.get(component, Expectation()) + expectation

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


def _times(question: Question, entry: Entry) -> int:
    """How often a question that has to wait is expected to be asked about an entry."""
    if question.recipe.scope is Scope.WORD:
        return 0 if question.recipe.structural else 1
    if question.recipe.scope is Scope.CLUSTER and not entry.sources:
        return 0
    if not entry.definitions:
        return SENSES_EXPECTED
    return len(entry.definitions) if entry.synthesised else ceil(len(entry.sources) / SOURCES_PER_SENSE)


def components_of(estimate: Estimate) -> Iterable[str]:
    """The components that are asked for at any time, those with the most requests first."""
    requests = Counter({name: each.requests for name, each in estimate.now.items()})
    requests.update({name: each.requests for name, each in estimate.later.items()})
    return (name for name, _ in requests.most_common())
