"""Generation of values that fit a JSON schema, from scratch or from a value that nearly fits.

A schema is compiled once into a tree of shapes. `conform` keeps the parts that fit and generates the others, so that
a plausible answer survives a schema with other fields and every answer is valid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, isfinite
from typing import Any, Protocol

import orjson

from floridify_batch.sandbox.random_generator import Random
from floridify_batch.sandbox.vocabulary import FORMATS, SENTENCES

_DEEPEST = 8
"""Depth below which recursive schemas get the shortest valid value."""


class Shape(Protocol):
    """A node of a compiled schema."""

    def make(self, random: Random, depth: int, /) -> Any:
        """Generate a valid value."""
        ...

    def conform(self, value: Any, random: Random) -> Any:
        """Return the value with its invalid parts replaced by generated ones."""
        ...

    def fits(self, value: Any) -> bool:
        """Whether the value has the right type, without checking its contents."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """A string with an optional format and length limits."""

    format: str | None
    shortest: int
    longest: int | None

    def make(self, random: Random, _depth: int) -> str:
        text = random.pick(FORMATS.get(self.format or "", SENTENCES))
        while len(text) < self.shortest:
            text += f" {random.pick(SENTENCES)}"
        return text[: self.longest]

    def conform(self, value: Any, random: Random) -> str:
        return value if self.fits(value) else self.make(random, 0)

    def fits(self, value: Any) -> bool:
        if not isinstance(value, str) or self.format is not None:
            return False
        return len(value) >= self.shortest and (self.longest is None or len(value) <= self.longest)


_ANY_TEXT = Text(None, 0, None)


@dataclass(frozen=True, slots=True)
class Number:
    """A number or integer between bounds; with an infinite bound, values stay near the other bound, or 0."""

    whole: bool
    low: float
    high: float
    step: float

    def make(self, random: Random, _depth: int) -> float:
        low, high = self._range()
        if not self.whole and not self.step:
            return min(high, max(low, random.share(low, high)))
        step = self.step or 1
        first = -int(-low // step)
        value = random.between(first, max(first, int(high // step))) * step
        return int(value) if self.whole else value

    def _range(self) -> tuple[float, float]:
        span = 10 if self.whole else 1
        if isfinite(self.low):
            return self.low, self.high if isfinite(self.high) else self.low + span
        return min(0, self.high - span), min(span, self.high)

    def conform(self, value: Any, random: Random) -> float:
        number: float = value if self.fits(value) else self.make(random, 0)
        return number

    def fits(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        return self.low <= value <= self.high and not (self.step and value % self.step)


@dataclass(frozen=True, slots=True)
class Choice:
    """An enumeration, a constant, a boolean or null."""

    values: Sequence[Any]

    def make(self, random: Random, _depth: int) -> Any:
        return random.pick(self.values)

    def conform(self, value: Any, random: Random) -> Any:
        return value if self.fits(value) else self.make(random, 0)

    def fits(self, value: Any) -> bool:
        return any(value == one and type(value) is type(one) for one in self.values)


@dataclass(frozen=True, slots=True)
class Items:
    """An array."""

    item: Shape
    fewest: int
    most: int | None

    @property
    def is_text(self) -> bool:
        """Whether the items are strings."""
        return isinstance(self.item, Text)

    def make(self, random: Random, depth: int) -> list[Any]:
        if depth >= _DEEPEST:
            return [self.item.make(random, depth + 1) for _ in range(self.fewest)]
        high = min(self.most if self.most is not None else self.fewest + 3, self.fewest + 3)
        count = random.between(max(self.fewest, min(1, high)), high)
        return [self.item.make(random, depth + 1) for _ in range(count)]

    def conform(self, value: Any, random: Random) -> list[Any]:
        if not isinstance(value, list):
            return self.make(random, 0)
        items = [self.item.conform(item, random) for item in value[: self.most]]
        while len(items) < self.fewest:
            items.append(self.item.make(random, 0))
        return items

    def fits(self, value: Any) -> bool:
        return isinstance(value, list)


@dataclass(frozen=True, slots=True)
class Fields:
    """An object with exactly these fields, in the schema's order."""

    shapes: Mapping[str, Shape]

    def make(self, random: Random, depth: int) -> dict[str, Any]:
        return {name: shape.make(random, depth + 1) for name, shape in self.shapes.items()}

    def conform(self, value: Any, random: Random) -> dict[str, Any]:
        if not isinstance(value, dict):
            return self.make(random, 0)
        return {
            name: shape.conform(value[name], random) if name in value else shape.make(random, 1)
            for name, shape in self.shapes.items()
        }

    def fits(self, value: Any) -> bool:
        return isinstance(value, dict)


@dataclass(frozen=True, slots=True)
class Union:
    """A union of shapes."""

    options: Sequence[Shape]

    def make(self, random: Random, depth: int) -> Any:
        plain = [option for option in self.options if isinstance(option, Choice)]
        return random.pick(plain if plain and depth >= _DEEPEST else self.options).make(random, depth + 1)

    def conform(self, value: Any, random: Random) -> Any:
        for option in self.options:
            if option.fits(value):
                return option.conform(value, random)
        return self.make(random, 0)

    def fits(self, value: Any) -> bool:
        return any(option.fits(value) for option in self.options)


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to a named shape, possibly recursive."""

    name: str
    known: Mapping[str, Shape]

    def make(self, random: Random, depth: int) -> Any:
        return self._target().make(random, depth)

    def conform(self, value: Any, random: Random) -> Any:
        return self._target().conform(value, random)

    def fits(self, value: Any) -> bool:
        return self._target().fits(value)

    def _target(self) -> Shape:
        return self.known.get(self.name, _ANY_TEXT)


@lru_cache(maxsize=256)
def compile_schema(schema: bytes) -> Shape:
    """Compile a JSON schema; an unsupported node becomes a string."""
    root = orjson.loads(schema)
    known: dict[str, Shape] = {}
    for group in ("$defs", "definitions"):
        for name, node in root.get(group, {}).items():
            known[f"#/{group}/{name}"] = _shape(node, known)
    known["#"] = _shape(root, known)
    return known["#"]


def _shape(node: Mapping[str, Any], known: Mapping[str, Shape]) -> Shape:
    if "$ref" in node:
        return Reference(node["$ref"], known)
    if "enum" in node or "const" in node:
        return Choice(node.get("enum") or [node.get("const")])
    options = node.get("anyOf") or node.get("oneOf")
    if options:
        return Union([_shape(option, known) for option in options])
    kind = node.get("type", "object" if "properties" in node else "string")
    if isinstance(kind, list):
        return Union([_shape({**node, "type": one}, known) for one in kind])
    return _typed(kind, node, known)


def _typed(kind: str, node: Mapping[str, Any], known: Mapping[str, Shape]) -> Shape:
    match kind:
        case "object":
            return Fields({name: _shape(below, known) for name, below in node.get("properties", {}).items()})
        case "array":
            return Items(_shape(node.get("items", {}), known), node.get("minItems", 0), node.get("maxItems"))
        case "integer" | "number":
            return _number(kind == "integer", node)
        case "boolean":
            return Choice([True, False])
        case "null":
            return Choice([None])
        case _:
            return Text(node.get("format"), node.get("minLength", 0), node.get("maxLength"))


def _number(whole: bool, node: Mapping[str, Any]) -> Number:
    nudge = 1 if whole else 0.01
    low = node.get("minimum", node["exclusiveMinimum"] + nudge if "exclusiveMinimum" in node else -inf)
    high = node.get("maximum", node["exclusiveMaximum"] - nudge if "exclusiveMaximum" in node else inf)
    return Number(whole, low, high, node.get("multipleOf", 0))
