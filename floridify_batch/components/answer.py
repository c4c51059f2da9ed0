"""The schema of answers: pydantic models, the JSON schema that is sent for them, and the repairs on receipt.

The service is sent these schemas in strict mode, so every field is required and no other is allowed. A dictionary's
limits on lists and texts are applied on receipt, by clipping: they are not in the schema, since a schema is billed as
input with every request. Where an answer has a `reasoning`, it comes first: it helps the model only while the verdict
is not yet written. A value that clipping cannot repair (a CEFR level "D3") is refused.
"""

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
    ConfigDict,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)


def clip(length: int) -> BeforeValidator:
    """Clip a text or a list to its first `length` characters or items."""
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
    """Drop the invalid items of a list, and count them in the validation context under "dropped".

    A list without any valid item is refused.
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
    """Check that two lists of an answer are equally long. Raises `ValueError`."""
    if left != right:
        raise ValueError(f"two lists that belong together have {left} and {right} items")
    return answer


Share = Annotated[float, _within(0.0, 1.0)]
"""A number from 0 to 1; a number outside is clamped."""

Text = Annotated[str, AfterValidator(_not_blank)]
"""A text that is not blank: stripped, and refused when nothing is left."""


class Answer(BaseModel):
    """The answer to one request."""

    model_config = ConfigDict(extra="forbid")

    confidence: Share


class Item(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid")


@contextmanager
def field_named_register() -> Iterator[None]:
    """Silence the warning about a field `register`. It hides only `ABCMeta.register`, which no answer model needs."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message='Field name "register"', category=UserWarning)
        yield


def wire_schema(answer: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of an answer, in the service's strict form.

    Titles, docstrings and limits that are applied on receipt are left out: a schema is billed with every request. A
    field's own description is for the language model, and stays. A type that strict mode does not have (a mapping of
    any keys) is left as it is: the service's error explains it.
    """
    schema: dict[str, Any] = _strip(_with_a_root(answer.model_json_schema()))
    properties = schema.get("properties", {})
    # A model writes the fields in this order, and judges its confidence better after the answer than before it.
    order = sorted(properties, key=lambda name: name == "confidence")
    return schema | {"properties": {name: properties[name] for name in order}, "required": order}


def _with_a_root(schema: dict[str, Any]) -> dict[str, Any]:
    """Resolve the root where it is a reference, as pydantic has it for a model that contains itself."""
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
    if "properties" in stripped:  # strict mode has neither optional nor additional fields
        stripped |= {"additionalProperties": False, "required": list(stripped["properties"])}
    return stripped


def _field(node: dict[str, Any]) -> Any:
    """A field's schema, with its description; strict mode takes nothing beside a reference."""
    schema = _strip(node)
    if "description" in node and "$ref" not in node:
        schema["description"] = node["description"]
    return schema
