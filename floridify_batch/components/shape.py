"""How answers are shaped: what is mended on receipt, what is refused, and what of it goes over the wire."""

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import isnan
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)


def clip(length: int) -> BeforeValidator:
    """Keeps the first `length` characters of a text or items of a list."""
    return BeforeValidator(lambda value: value[:length] if isinstance(value, str | list) else value)


def _within(low: float, high: float) -> AfterValidator:
    def clamp(value: float) -> float:
        if isnan(value):  # NaN has no place in a dictionary, and no clamped value would be honest
            raise ValueError("not a number")
        return min(high, max(low, value))

    return AfterValidator(clamp)


def _not_blank(value: str) -> str:
    stripped = value.strip()
    if not stripped:
        raise ValueError("the text is empty")
    return stripped


def kept(item: type[BaseModel]) -> WrapValidator:
    """Keeps the good items of a list where some are bad, and counts the bad ones in the context's `dropped`.

    A list of which no item is good is refused, as any other bad value.
    """

    def keep(value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        try:
            return validate(value)
        except ValidationError:
            good = [each for each in value if _fits(item, each)] if isinstance(value, list) else []
            if not good:
                raise
            if isinstance(info.context, Counter):
                info.context["dropped"] += len(value) - len(good)
            return validate(good)

    return WrapValidator(keep)


def _not_empty(value: list[Any]) -> list[Any]:
    if not value:
        raise ValueError("the list is empty")
    return value


at_least_one = AfterValidator(_not_empty)
"""Refuses an empty list."""


def _fits(item: type[BaseModel], value: Any) -> bool:
    try:
        item.model_validate(value)
    except ValidationError:
        return False
    return True


def paired[A: BaseModel](answer: A, left: int, right: int) -> A:
    """The answer, where two of its lists are equally long. Raises `ValueError`."""
    if left != right:
        raise ValueError(f"two lists that belong together have {left} and {right} items")
    return answer


Share = Annotated[float, _within(0.0, 1.0)]
"""A number from 0 to 1; what lies outside is moved to the nearer end."""

Text = Annotated[str, AfterValidator(_not_blank)]
"""A text that says something: stripped, and refused when nothing is left."""


@contextmanager
def a_field_named_register() -> Iterator[None]:
    """Callers know this field by its name. It hides only `ABCMeta.register`, which no answer model is used with."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message='Field name "register"', category=UserWarning)
        yield


def wire_schema(answer: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema that goes with a request, in the service's strict form, for whatever model.

    Titles, docstrings and limits that are kept on receipt are left out: all of it is billed with every request. What a
    field's own description says is for the language model, and stays. What strict mode has no word for (a mapping of
    any keys) is left as it is: the service says what it has against it.
    """
    schema: dict[str, Any] = _strip(_with_a_root(answer.model_json_schema()))
    properties = schema.get("properties", {})
    # A model writes the fields in this order, and judges its confidence better after the answer than before it.
    order = sorted(properties, key=lambda name: name == "confidence")
    return schema | {"properties": {name: properties[name] for name in order}, "required": order}


def _with_a_root(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema whose root is an object; of a model that contains itself, pydantic makes a reference of it."""
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].rpartition("/")[2]
    return {**schema["$defs"][name], "$defs": schema["$defs"]}


_NOT_ON_THE_WIRE = frozenset({"title", "description", "default", "examples", "maxLength", "minLength"})


def _strip(node: Any) -> Any:
    if isinstance(node, list):
        return [_strip(item) for item in node]
    if not isinstance(node, dict):
        return node
    stripped: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties":
            stripped[key] = {name: _field(below) for name, below in value.items()}
        elif key == "$defs":
            stripped[key] = {name: _strip(below) for name, below in value.items()}
        elif key not in _NOT_ON_THE_WIRE:
            stripped[key] = _strip(value)
    if "properties" in stripped:  # strict mode has no fields that may be absent, and none that nobody named
        stripped |= {"additionalProperties": False, "required": list(stripped["properties"])}
    return stripped


def _field(node: dict[str, Any]) -> Any:
    """A field's schema, with what describes it; beside a reference strict mode takes nothing."""
    schema = _strip(node)
    if "description" in node and "$ref" not in node:
        schema["description"] = node["description"]
    return schema
