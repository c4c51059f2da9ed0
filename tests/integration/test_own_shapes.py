"""Requests of a caller's own, in shapes of a caller's own, over HTTP: as existing programs make them."""

from collections.abc import AsyncIterator
from enum import Enum
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from floridify_batch import AnswerError, FailureReason, OpenAIConnector, ServiceError
from tests.sandbox import Sandbox


class Tone(Enum):
    """The tone of a text."""

    WARM = "warm"
    COLD = "cold"


class Remark(BaseModel):
    """A model as in a caller's program: open, with optional fields."""

    text: str = Field(description="one sentence")
    tone: Tone = Tone.COLD
    length: Literal["short", "long"] | None = None


class Review(BaseModel):
    """A model of models."""

    remarks: list[Remark]
    best: Remark | None = None


class Tree(BaseModel):
    """A model that contains itself."""

    name: str
    branches: list["Tree"] = []


class Page[T](BaseModel):
    """A model whose name has brackets."""

    items: list[T]


class Loose(BaseModel):
    """A model that strict mode cannot express."""

    scores: dict[str, int]


@pytest.fixture
async def ai(sandbox: Sandbox) -> AsyncIterator[OpenAIConnector]:
    """A connector to the module's sandbox."""
    connector = OpenAIConnector("any", base_url=sandbox.url)
    yield connector
    await connector.close()


@pytest.mark.parametrize("shape", [Remark, Review, Tree, Page[int], Page[Remark]])
async def test_any_shape(ai: OpenAIConnector, shape: type[BaseModel]) -> None:
    """A user's prompt is answered by an instance of any pydantic model, with every field set."""
    answer = await ai._make_structured_request("Say something about the word bank.", shape)
    assert type(answer) is shape
    assert answer.model_fields_set == set(shape.model_fields)


async def test_keywords(ai: OpenAIConnector) -> None:
    """A request with any of the former keywords is answered: a cap, a temperature, a name with spaces."""
    keywords = {"max_tokens": 300, "temperature": 0.2, "component": "my remarks", "task_name": "remarks"}
    assert await ai._make_structured_request("Say something.", Remark, **keywords)


async def test_a_shape_that_is_not_taken(ai: OpenAIConnector) -> None:
    """A schema that strict mode cannot express raises the service's error message as the caller's failure."""
    with pytest.raises(AnswerError, match="Invalid schema for response_format 'Loose'") as caught:
        await ai._make_structured_request("Say something.", Loose)
    assert caught.value.reason is FailureReason.HTTP


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("refuse=1", FailureReason.REFUSED),
        ("truncate=1", FailureReason.TRUNCATED),
        ("malformed=1", FailureReason.MALFORMED),
    ],
)
async def test_no_usable_answer(sandbox: Sandbox, ai: OpenAIConnector, fault: str, reason: FailureReason) -> None:
    """A refused, truncated or malformed answer raises an error with its reason."""
    with sandbox.faults(fault), pytest.raises(AnswerError) as caught:
        await ai._make_structured_request("Say something.", Review)
    assert caught.value.reason is reason


async def test_a_refused_schema(sandbox: Sandbox, ai: OpenAIConnector) -> None:
    """An exhausted quota raises an error of the service, not of the answer."""
    with sandbox.faults("quota"), pytest.raises(ServiceError):
        await ai._make_structured_request("Say something.", Remark)
