"""Usage and its records: tokens as billed, the cost of a component's answers, and the estimate.

Of the records that count tokens or money, `Usage` is the sum, `Bill` and `Bills` (in `price`) price requests one by one
while answers are read, `Spent` is what a checkpoint keeps of a component, and `Forecast` the estimate that the user
confirmed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from floridify_batch.formatting import whole_number

type Dollars = Annotated[Decimal, Field(ge=0, lt=10**12, allow_inf_nan=False)]
"""An amount of US dollars, checked: an impossible one in a damaged checkpoint must not be written back."""


CACHED_FROM = 1024
"""Prompt tokens from which the service writes its prompt cache."""

_MAX_TOKENS = 10**9
"""Upper bound of a credible number of tokens of a request; excludes infinity and NaN."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the service counts them. `cached` and `cache_write` are parts of `input`, `reasoning` of `output`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    cache_write: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input + other.input,
            self.cached + other.cached,
            self.output + other.output,
            self.reasoning + other.reasoning,
            self.cache_write + other.cache_write,
        )

    @property
    def total(self) -> int:
        """Input and output tokens."""
        return self.input + self.output


def usage_of(body: Mapping[str, Any]) -> Usage | None:
    """The usage in the body of an answer; None if it is unknown.

    An answer has input, so that a usage without any is unknown, too. Details are clamped to the tokens that they are
    part of: whatever a service states, a cost is never negative. The names are those of the endpoint for chat
    completions, or else those of the newer endpoint.
    """
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return None
    sent, received = _tokens(_named(usage, _INPUT)), _tokens(_named(usage, _OUTPUT))
    if not sent or received is None:
        return None
    read, written = _named(usage, _INPUT_DETAILS), _named(usage, _OUTPUT_DETAILS)
    cached = min(_detail(read, "cached_tokens"), sent)
    return Usage(
        sent,
        cached,
        received,
        min(_detail(written, "reasoning_tokens"), received),
        min(_detail(read, "cache_write_tokens"), sent - cached),
    )


def is_flex(body: Mapping[str, Any]) -> bool:
    """Whether an answer was given in the service tier flex, which may be another one than was requested."""
    return body.get("service_tier") == FLEX


FLEX = "flex"
"""The service tier of immediate requests that costs what a batch does; it is slower, and may be unavailable."""


_INPUT = ("prompt_tokens", "input_tokens")
_OUTPUT = ("completion_tokens", "output_tokens")
_INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details")
_OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details")


def _named(usage: Mapping[str, Any], names: tuple[str, str]) -> Any:
    value = usage.get(names[0])
    return usage.get(names[1]) if value is None else value


def _detail(details: Any, name: str) -> int:
    """A number among the details; 0 where there is none."""
    stated = details.get(name) if isinstance(details, dict) else None
    return (_tokens(stated) or 0) if stated else 0


def _tokens(value: Any) -> int | None:
    """A number of tokens, which may be a text; None for anything that can't be one."""
    if type(value) is int and 0 <= value < _MAX_TOKENS:
        return value
    if isinstance(value, str):
        value = whole_number(value)
    is_number = type(value) is int or type(value) is float  # a boolean is an instance of int
    return int(value) if is_number and 0 <= value < _MAX_TOKENS else None


def together(costs: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of costs in US dollars; None if one of them is unknown."""
    known = list(costs)
    return None if None in known else sum((cost for cost in known if cost is not None), Decimal(0))


class Spent(BaseModel):
    """The requests of a component and their cost in US dollars (None: unknown), in a checkpoint.

    `billed`: the number of requests with usage, whether or not their answers could be used; `unmetered`: the number of
    answers whose usage is unknown, so that the cost is, too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    answered: int = 0
    failed: int = 0
    billed: int = 0
    unmetered: int = 0
    usage: Usage = Usage()
    cost: Dollars | None = Decimal(0)

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            answered=self.answered + other.answered,
            failed=self.failed + other.failed,
            billed=self.billed + other.billed,
            unmetered=self.unmetered + other.unmetered,
            usage=self.usage + other.usage,
            cost=together((self.cost, other.cost)),
        )


class Forecast(BaseModel):
    """The estimate that the user agreed to: requests and tokens of all waves, US dollars (None: unknown).

    `immediate`: the expected cost at the standard price; `waves`: the components of each wave of requests.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests: int
    input_tokens: int
    output_tokens: int
    low: Dollars | None = None
    expected: Dollars | None = None
    high: Dollars | None = None
    immediate: Dollars | None = None
    waves: tuple[str, ...] = ()
