"""Answer shapes: the fields of a component's answer that a run requests.

A component's answer has one type in each mode. Its lean shape is a subclass whose schema lacks the fields that no
document stores, so that a run does not pay for them. Parsing accepts both shapes: a missing field gets a default that
is never stored, so an answer is parsed without knowing the shape of its request.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, create_model
from pydantic.json_schema import SkipJsonSchema

from floridify_batch.components.answer import Item, field_named_register, wire_schema

CERTAIN = 1.0
"""Stands for a number that was not requested, and is not stored."""


@dataclass(frozen=True, slots=True)
class LeanAnswer[R: BaseModel]:
    """A lean form of a component's answer, with its expected mean length; `english`: for English, as in `Recipe`."""

    answer: type[R]
    output_tokens: int
    english: type[R] | None = None


def without[A: BaseModel](answer: type[A], **absent: Any) -> type[A]:
    """A subclass of an answer whose schema lacks these fields; their values are defaults."""
    hidden: Any = SkipJsonSchema
    # A field named as a method of the metaclass would get that for its default if it were only inherited.
    fields: dict[str, Any] = {
        name: (_type_of(answer, name), ...) for name in answer.model_fields if hasattr(Item, name)
    }
    for name, value in absent.items():
        fields[name] = (hidden[_type_of(answer, name)], value)
    with field_named_register():
        return create_model(f"Lean{answer.__name__}", __base__=answer, __doc__=answer.__doc__, **fields)


def _type_of(answer: type[BaseModel], name: str) -> Any:
    info = answer.model_fields[name]
    annotation: Any = info.annotation
    return Annotated[annotation, *info.metadata] if info.metadata else annotation


def completed(value: Any, **absent: Any) -> Any:
    """The fields of an answer, with defaults for those that were not requested."""
    return absent | value if isinstance(value, dict) else value


def field_names(answer: type[BaseModel]) -> frozenset[str]:
    """The names of the fields in an answer's schema, at any depth."""
    return frozenset(_names(wire_schema(answer)))


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        yield from node.get("properties", ())
    for below in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        yield from _names(below)
