"""Values made from schemas, and which schemas strict mode takes."""

from typing import Annotated, Any, Literal

import orjson
import pytest
from pydantic import BaseModel, ConfigDict, Field

from floridify_batch.sandbox.body import check_body, is_reasoning
from floridify_batch.sandbox.random_generator import Random
from floridify_batch.sandbox.schema import compile_schema
from floridify_batch.sandbox.strict_schema import strict_problem


class Leaf(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["leaf"]
    weight: Annotated[float, Field(ge=0.5, le=0.75)]


class Branch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["branch"]
    children: Annotated[list["Branch | Leaf"], Field(max_length=2)]


class Tree(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=60, max_length=80)]
    planted: Annotated[str, Field(json_schema_extra={"format": "date"}, pattern=r"^\d{4}-\d\d-\d\d$")]
    age: Annotated[int, Field(gt=3, lt=6)]
    even: Annotated[int, Field(multiple_of=2, ge=3, le=9)]
    owner: str | None
    tags: Annotated[list[Literal["old", "tall"]], Field(min_length=2)]
    is_alone: bool
    crown: Branch


TREE = orjson.dumps(Tree.model_json_schema())


def test_any_schema_gets_a_value_that_fits() -> None:
    """Enums, unions, null, bounds, formats, arrays and recursion are obeyed for any random values."""
    for seed in range(200):
        Tree.model_validate_json(orjson.dumps(compile_schema(TREE).make(Random(bytes([seed])), 0)), strict=True)


def test_a_value_that_nearly_fits_keeps_what_fits() -> None:
    """Conforming keeps valid fields, replaces invalid ones, adds missing ones and removes unknown ones."""
    offered = {"owner": "Anna", "age": 40, "tags": ["old", "blue", "tall"], "height": 3}
    tree = Tree.model_validate(compile_schema(TREE).conform(offered, Random(b"x")))
    assert tree.owner == "Anna"
    assert tree.tags[0] == "old"


def test_the_same_seed_makes_the_same_value() -> None:
    """Generated answers are reproducible."""
    assert compile_schema(TREE).make(Random(b"1"), 0) == compile_schema(TREE).make(Random(b"1"), 0)
    assert compile_schema(TREE).make(Random(b"1"), 0) != compile_schema(TREE).make(Random(b"2"), 0)


@pytest.mark.parametrize(
    ("bounds", "low", "high"),
    [({}, 0, 10), ({"minimum": 50}, 50, 60), ({"maximum": -5}, -15, -5), ({"minimum": -3, "maximum": -3}, -3, -3)],
)
def test_numbers_without_bounds_stay_small_but_may_be_large(bounds: dict[str, int], low: int, high: int) -> None:
    """An invented number stays near its lower bound; a number in a request may be anything within the bounds."""
    shape = compile_schema(orjson.dumps({"type": "integer"} | bounds))
    assert {low <= shape.make(Random(bytes([seed])), 0) <= high for seed in range(50)} == {True}
    assert compile_schema(b'{"type": "integer"}').conform(123_456, Random(b"x")) == 123_456


@pytest.mark.parametrize("size", [0, 1, 5, 10, 20])
def test_some_of_a_pool_are_different_ones(size: int) -> None:
    """A random selection has no duplicates and at most as many items as the pool."""
    for seed in range(50):
        chosen = Random(bytes([seed])).some(range(10), size)
        assert len(chosen) == len(set(chosen)) == min(size, 10)


def strict(**changes: Any) -> bytes:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    return orjson.dumps(schema | changes)


@pytest.mark.parametrize(
    ("schema", "complaint"),
    [
        (strict(additionalProperties=True), "additionalProperties"),
        (strict(required=[]), "required"),
        (strict(properties={"a": {"type": "string", "default": ""}}), "'default' is not permitted"),
        (strict(properties={"a": {}}), "'type' key"),
        (strict(properties={"a": {"type": "array"}}), "missing items"),
        (strict(properties={"a": {"$ref": "#/$defs/B"}}), "does not resolve"),
        (strict(properties={"a": {"type": "object", "properties": {}}}), "additionalProperties"),
        (strict(properties=["a"]), "not a valid"),
        (strict(type="array"), "type: \"object\""),
        (strict(anyOf=[]), "anyOf"),
        (b"null", "type"),
    ],
)  # fmt: skip
def test_strict_mode_refuses(schema: bytes, complaint: str) -> None:
    """Each violation of strict mode has its error message."""
    assert complaint in (strict_problem(schema) or "")


def test_strict_mode_takes_what_pydantic_makes_of_strict_models() -> None:
    """Models that forbid extras and have no defaults are strict, lengths and all."""
    assert strict_problem(TREE) is None


@pytest.mark.parametrize(
    ("model", "expected"),
    [("gpt-4o-mini", False), ("gpt-5-nano", True), ("gpt-6-luna", True), ("gpt-10", True), ("o3", True)],
)
def test_which_models_reason(model: str, expected: bool) -> None:
    """gpt-5 and later and the o-series reason, earlier ones do not."""
    assert is_reasoning(model) is expected


def body(**changes: Any) -> dict[str, Any]:
    plain = {"model": "gpt-5.4-nano", "messages": [{"role": "user", "content": "Hello"}]}
    return {name: value for name, value in (plain | changes).items() if value is not ...}


@pytest.mark.parametrize(
    ("request_body", "param"),
    [
        (body(max_tokens=10), "max_tokens"),
        (body(temperature=0.7), "temperature"),
        (body(model="gpt-4o", reasoning_effort="low"), "reasoning_effort"),
        (body(model="gpt-4o", temperature=3), "temperature"),
        (body(reasoning_effort="huge"), "reasoning_effort"),
        (body(messages=...), "messages"),
        (body(messages=[]), "messages"),
        (body(messages=[{"role": "user"}]), "messages[0].content"),
        (body(messages=[{"role": "king", "content": "x"}]), "messages[0].role"),
        (body(model=...), "model"),
        (body(n=2), "n"),
        (body(stream=True), "stream"),
        (body(tools=[]), "tools"),
        (body(max_completion_tokens=0), "max_completion_tokens"),
        (body(flavour="mint"), "flavour"),
        (body(response_format={"type": "yaml"}), "response_format.type"),
        (body(response_format={"type": "json_schema"}), "response_format.json_schema"),
        (
            body(response_format={"type": "json_schema", "json_schema": {"name": "a b"}}),
            "response_format.json_schema.name",
        ),
    ],
)
def test_requests_are_refused(request_body: dict[str, Any], param: str) -> None:
    """A request that the service would refuse is refused with status 400 and the parameter's name."""
    refusal = check_body(request_body)
    assert refusal is not None
    assert (refusal.status, refusal.param) == (400, param)


@pytest.mark.parametrize(
    "request_body",
    [
        body(max_completion_tokens=5, reasoning_effort="minimal", prompt_cache_options={"mode": "explicit"}),
        body(model="gpt-4o-mini", max_tokens=5, temperature=0.2),
        body(messages=[{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]),
        body(response_format={"type": "json_object"}),
    ],
)
def test_requests_are_taken(request_body: dict[str, Any]) -> None:
    """A request that the service would accept is accepted."""
    assert check_body(request_body) is None
