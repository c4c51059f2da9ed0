"""Money in the checkpoint's form: what answers used, what they cost, and what they were expected to."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from floridify_batch.costs.price import Usage, together

type Dollars = Annotated[Decimal, Field(ge=0, lt=10**12, allow_inf_nan=False)]
"""An amount of US dollars that can be one: what is not, in a damaged checkpoint, would be written back as another."""


class TokenCount(BaseModel):
    """What answers used, in the checkpoint's form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0

    @classmethod
    def of(cls, usage: Usage) -> "TokenCount":
        """The form of a value that adds."""
        return cls(input=usage.input, cached=usage.cached, output=usage.output, reasoning=usage.reasoning)

    def usage(self) -> Usage:
        """The same as a value that adds."""
        return Usage(self.input, self.cached, self.output, self.reasoning)


class Spent(BaseModel):
    """What became of a component's requests, and what they cost in US dollars; None where that is unknown.

    `billed`: how many of them came back with usage, whether their answers could be used or not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    answered: int = 0
    failed: int = 0
    billed: int = 0
    usage: TokenCount = TokenCount()
    cost: Dollars | None = Decimal(0)

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            answered=self.answered + other.answered,
            failed=self.failed + other.failed,
            billed=self.billed + other.billed,
            usage=TokenCount.of(self.usage.usage() + other.usage.usage()),
            cost=together((self.cost, other.cost)),
        )


class Forecast(BaseModel):
    """What the user was shown before they agreed: requests of all waves, tokens, US dollars (None where unknown).

    `immediate`: the same at the price of asking at once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests: int
    input_tokens: int
    output_tokens: int
    low: Dollars | None = None
    expected: Dollars | None = None
    high: Dollars | None = None
    immediate: Dollars | None = None


@dataclass(frozen=True, slots=True)
class Adopted:
    """What a checkpoint of the six known keys alone says: words done, US dollars and tokens they had cost; `notes`."""

    words: frozenset[str] = frozenset()
    cost: Decimal = Decimal(0)
    tokens: int = 0
    notes: tuple[str, ...] = ()
