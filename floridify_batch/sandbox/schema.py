"""Values that fit a JSON schema: made from nothing, or from a value that nearly fits.

A schema is compiled once into a tree of shapes. `conform` keeps what fits and makes anew what does not, so that a
plausible answer survives a schema with other fields, and no schema gets an answer that breaks it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, isfinite
from typing import Any, Protocol

import orjson

from floridify_batch.sandbox.chance import Dice
from floridify_batch.sandbox.vocabulary import FORMATS, SENTENCES

_DEEPEST = 8
"""Below this, recursive schemas get the shortest value that fits."""


class Shape(Protocol):
    """One node of a compiled schema."""

    def make(self, dice: Dice, depth: int, /) -> Any:
        """A value that fits."""
        ...

    def conform(self, value: Any, dice: Dice) -> Any:
        """The value where it fits, something that fits where it does not."""
        ...

    def fits(self, value: Any) -> bool:
        """Whether the value is of the right type (not looking inside it)."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """A string, perhaps of a format or with limits of length."""

    format: str | None
    shortest: int
    longest: int | None

    def make(self, dice: Dice, _depth: int) -> str:
        text = dice.pick(FORMATS.get(self.format or "", SENTENCES))
        while len(text) < self.shortest:
            text += f" {dice.pick(SENTENCES)}"
        return text[: self.longest]

    def conform(self, value: Any, dice: Dice) -> str:
        return value if self.fits(value) else self.make(dice, 0)

    def fits(self, value: Any) -> bool:
        if not isinstance(value, str) or self.format is not None:
            return False
        return len(value) >= self.shortest and (self.longest is None or len(value) <= self.longest)


_ANY_TEXT = Text(None, 0, None)


@dataclass(frozen=True, slots=True)
class Number:
    """A number between bounds, whole or not. Where a bound is infinite, what is made stays near the other, or 0."""

    whole: bool
    low: float
    high: float
    step: float

    def make(self, dice: Dice, _depth: int) -> float:
        low, high = self._range()
        if not self.whole and not self.step:
            return min(high, max(low, dice.share(low, high)))
        step = self.step or 1
        first = -int(-low // step)
        value = dice.between(first, max(first, int(high // step))) * step
        return int(value) if self.whole else value

    def _range(self) -> tuple[float, float]:
        span = 10 if self.whole else 1
        if isfinite(self.low):
            return self.low, self.high if isfinite(self.high) else self.low + span
        return min(0, self.high - span), min(span, self.high)

    def conform(self, value: Any, dice: Dice) -> float:
        number: float = value if self.fits(value) else self.make(dice, 0)
        return number

    def fits(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        return self.low <= value <= self.high and not (self.step and value % self.step)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values: an enum, a constant, true or false, null."""

    values: Sequence[Any]

    def make(self, dice: Dice, _depth: int) -> Any:
        return dice.pick(self.values)

    def conform(self, value: Any, dice: Dice) -> Any:
        return value if self.fits(value) else self.make(dice, 0)

    def fits(self, value: Any) -> bool:
        return any(value == one and type(value) is type(one) for one in self.values)


@dataclass(frozen=True, slots=True)
class Items:
    """An array."""

    item: Shape
    fewest: int
    most: int | None

    def make(self, dice: Dice, depth: int) -> list[Any]:
        if depth >= _DEEPEST:
            return [self.item.make(dice, depth + 1) for _ in range(self.fewest)]
        high = min(self.most if self.most is not None else self.fewest + 3, self.fewest + 3)
        count = dice.between(max(self.fewest, min(1, high)), high)
        return [self.item.make(dice, depth + 1) for _ in range(count)]

    def conform(self, value: Any, dice: Dice) -> list[Any]:
        if not isinstance(value, list):
            return self.make(dice, 0)
        items = [self.item.conform(item, dice) for item in value[: self.most]]
        while len(items) < self.fewest:
            items.append(self.item.make(dice, 0))
        return items

    def fits(self, value: Any) -> bool:
        return isinstance(value, list)


@dataclass(frozen=True, slots=True)
class Fields:
    """An object: these fields and no others, in the schema's order."""

    shapes: Mapping[str, Shape]

    def make(self, dice: Dice, depth: int) -> dict[str, Any]:
        return {name: shape.make(dice, depth + 1) for name, shape in self.shapes.items()}

    def conform(self, value: Any, dice: Dice) -> dict[str, Any]:
        if not isinstance(value, dict):
            return self.make(dice, 0)
        return {
            name: shape.conform(value[name], dice) if name in value else shape.make(dice, 1)
            for name, shape in self.shapes.items()
        }

    def fits(self, value: Any) -> bool:
        return isinstance(value, dict)


@dataclass(frozen=True, slots=True)
class Union:
    """Any one of several shapes."""

    options: Sequence[Shape]

    def make(self, dice: Dice, depth: int) -> Any:
        plain = [option for option in self.options if isinstance(option, Choice)]
        return dice.pick(plain if plain and depth >= _DEEPEST else self.options).make(dice, depth + 1)

    def conform(self, value: Any, dice: Dice) -> Any:
        for option in self.options:
            if option.fits(value):
                return option.conform(value, dice)
        return self.make(dice, 0)

    def fits(self, value: Any) -> bool:
        return any(option.fits(value) for option in self.options)


@dataclass(frozen=True, slots=True)
class Reference:
    """A shape defined elsewhere in the schema, perhaps around this one."""

    name: str
    known: Mapping[str, Shape]

    def make(self, dice: Dice, depth: int) -> Any:
        return self._target().make(dice, depth)

    def conform(self, value: Any, dice: Dice) -> Any:
        return self._target().conform(value, dice)

    def fits(self, value: Any) -> bool:
        return self._target().fits(value)

    def _target(self) -> Shape:
        return self.known.get(self.name, _ANY_TEXT)


@lru_cache(maxsize=256)
def compiled(schema: bytes) -> Shape:
    """The shape of a schema, given as JSON. What it does not understand it takes for a text."""
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
