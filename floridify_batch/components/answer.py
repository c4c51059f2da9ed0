"""The schema of answers: pydantic models, the JSON schema that is sent for them, and the repairs on receipt.

The service is sent these schemas in strict mode, so every field is required and no other is allowed. A dictionary's
limits on lists and texts are applied on receipt, by clipping: they are not in the schema, since a schema is billed as
input with every request. Where an answer has a `reasoning`, it comes first: it helps the model only while the verdict
is not yet written. A value that clipping cannot repair (a CEFR level "D3") is refused.
"""

import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from math import isnan
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from floridify_batch.components.non_answer import FIELD_NAMES, is_identifier


def clip(length: int) -> BeforeValidator:
    """Clip a text or a list to its first `length` characters or items."""
    return BeforeValidator(lambda value: value[:length] if isinstance(value, str | list) else value)


def _within(low: float, high: float) -> AfterValidator:
    def clamp(value: float) -> float:
        if low <= value <= high:
            return value
        if isnan(value):  # NaN has no place in a dictionary, and no clamped value would be honest
            raise ValueError("not a number")
        return min(high, max(low, value))

    return AfterValidator(clamp)


# ── texts ──────────────────────────────────────────────────────────────────────────────────────────────────────────

MAX_TEXT = 5000
MAX_TERM = 100
"""The most characters of a text, and of a word or phrase in a list."""

_INVISIBLE = frozenset("\u200b\u2060\ufeff")
_JUNK = frozenset({"Cc", "Cs", "Co", "Cn"})
_MARKS = " .()[]<>\"'“”"
_PLACEHOLDERS = frozenset(
    {"n/a", "n.a", "not applicable", "not available", "no data", "-", "\u2013", "\u2014", "?", "..."}
)
_VAGUE = frozenset({"none", "null", "unknown", "undefined"})
"""Placeholders, but words as well: a synonym of *void* may be *null*."""

_LONGEST_PHRASE = max(map(len, _PLACEHOLDERS | _VAGUE))


def clean_text(value: str) -> str:
    """A text in NFC on one line, without invisible and control characters."""
    line = " ".join(value.split())
    if not line.isascii():
        line = unicodedata.normalize("NFC", line)
    if line.isprintable():  # no character of _INVISIBLE or _JUNK is
        return line[:MAX_TEXT]
    kept = (each for each in line if each not in _INVISIBLE)
    return "".join(each for each in kept if unicodedata.category(each) not in _JUNK).strip()[:MAX_TEXT]


def _any_text(value: str) -> str:
    text = clean_text(value)
    if not text:
        raise ValueError("the text is empty")
    if text in FIELD_NAMES:
        raise PydanticCustomError("field_name", "the text is the name of a field")
    if _is_one_of(_PLACEHOLDERS, text) or text in _PLACEHOLDERS:
        raise PydanticCustomError("placeholder", "the text is a placeholder")
    return text


def _text(value: str) -> str:
    text = _any_text(value)
    if not _has_letters(text):
        raise ValueError("the text has no letters or digits")
    return text


def _has_letters(text: str) -> bool:
    return any(map(str.isalnum, text))


def _is_one_of(phrases: frozenset[str], text: str) -> bool:
    """Whether a text is one of these phrases, regardless of case and surrounding marks."""
    bare = text.strip(_MARKS)
    return len(bare) <= _LONGEST_PHRASE and bare.casefold() in phrases


def _statement(value: str) -> str:
    if _is_one_of(_VAGUE, value):
        raise PydanticCustomError("placeholder", "the text is a placeholder")
    if is_identifier(value):
        raise PydanticCustomError("identifier", "the text is an identifier")
    return value


def _term(value: str) -> str:
    text = _any_text(value)
    if len(text) > MAX_TERM:
        raise ValueError(f"the text has more than {MAX_TERM} characters")
    return text


def _paragraphs(value: str) -> str:
    text = "\n".join(filter(None, map(clean_text, value.splitlines())))
    _text(text)
    return text


def _none_if_absent(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = clean_text(value).casefold().strip(_MARKS)
    absent = not _has_letters(text) or text in _PLACEHOLDERS or text in _VAGUE or text in FIELD_NAMES
    return None if absent else value


def divided(field: str = "") -> BeforeValidator:
    """Divide the items of a list that are lists in one string ("shore, side"), by their `field` or as they are."""

    def divide(value: Any) -> Any:
        if not isinstance(value, list) or not any(_SEPARATORS.search(_item_text(item, field)) for item in value):
            return value
        return [part for item in value for part in _parts(item, field)]

    return BeforeValidator(divide)


def _item_text(item: Any, field: str) -> str:
    text = item.get(field) if isinstance(item, dict) else item
    return text if isinstance(text, str) else ""


def _parts(item: Any, field: str) -> list[Any]:
    texts = [each.strip() for each in _SEPARATORS.split(_item_text(item, field))]
    if len(texts) < 2 or not all(texts):  # noqa: PLR2004  a list has two items at least
        return [item]
    return [item | {field: each} for each in texts] if isinstance(item, dict) else list(texts)


_SEPARATORS = re.compile(r"[,;\n]")


# ── lists ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def kept(item: Any) -> WrapValidator:
    """Drop the invalid items of a list, and count them in the validation context under "dropped".

    Texts lose the numbers that count them. A list without any valid item is refused, unless its items are placeholders:
    then it is empty.
    """
    fits = TypeAdapter(item)

    def keep(value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        value = _unnumbered(value)
        try:
            return validate(value)
        except ValidationError:
            if not isinstance(value, list):
                raise
            faults = [_fault(fits, each) for each in value]
            good = [each for each, fault in zip(value, faults, strict=True) if not fault]
            if not good and set(faults) != {"placeholder"}:
                raise
            if isinstance(info.context, Counter):
                info.context["dropped"] += len(value) - len(good)
            return validate(good)

    return WrapValidator(keep)


_COUNTED = re.compile(r"\s*\(?(\d{1,2})[.)]\s+")


def _unnumbered(value: Any) -> Any:
    """A list of texts without numbers before them, if each has its own ("1. …", "2. …")."""
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(each, str) for each in value):  # noqa: PLR2004
        return value
    counts = [_COUNTED.match(each) for each in value]
    if any(count is None or int(count[1]) != number for number, count in enumerate(counts, 1)):
        return value
    return [text[count.end() :] for text, count in zip(value, counts, strict=True) if count]


def distinct[T](items: Iterable[T], key: Callable[[T], object]) -> list[T]:
    """The items of a list, of those with an equal key the first."""
    found: dict[object, T] = {}
    for item in items:
        found.setdefault(key(item), item)
    return list(found.values())


def _not_empty(value: list[Any]) -> list[Any]:
    if not value:
        raise ValueError("the list is empty")
    return value


at_least_one = AfterValidator(_not_empty)
"""Refuses an empty list."""


def _fault(item: TypeAdapter[Any], value: Any) -> str:
    """The type of a value's first error; empty for a valid one."""
    try:
        item.validate_python(value)
    except ValidationError as error:
        return error.errors(include_url=False, include_context=False)[0]["type"]
    return ""


def unpaired(value: Any, pairs: type[BaseModel], names: Mapping[str, str], context: Any) -> Any:
    """The fields of an answer whose pairs are read as parallel lists.

    `pairs` is the shape that is requested, `names` the name of the list for each field of a pair; the first is also the
    name of the pairs. An answer with parallel lists, of an earlier version, stays as it is.
    """
    first, *others = names.values()
    if not isinstance(value, dict) or any(name in value for name in others):
        return value
    try:
        answer = pairs.model_validate(value, context=context).model_dump()
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, fault["loc"]))
        raise PydanticCustomError("pairs", "{reason}", {"reason": f"{place}: {fault['msg']}"}) from None
    items = answer.pop(first)
    return answer | {name: [item[field] for item in items] for field, name in names.items()}


def requested_as(model: type[BaseModel]) -> Any:
    """The JSON schema of another model, which is sent in place of an answer's own."""

    def schema(_: type[BaseModel], __: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(model.__pydantic_core_schema__)

    return classmethod(schema)


def paired[A: BaseModel](answer: A, left: int, right: int) -> A:
    """Check that two lists of an answer are equally long. Raises `ValueError`."""
    if left != right:
        raise ValueError(f"two parallel lists have {left} and {right} items")
    return answer


Share = Annotated[float, _within(0.0, 1.0)]
"""A number from 0 to 1; a number outside is clamped."""

Text = Annotated[str, AfterValidator(_text)]
"""A text on one line, cleaned; one without letters and a placeholder such as "N/A" are refused."""

Statement = Annotated[Text, AfterValidator(_statement)]
"""A text that never consists of "none", "unknown" or an identifier alone."""

Term = Annotated[str, AfterValidator(_term)]
"""A word or phrase in a list."""

OptionalText = Annotated[Text | None, BeforeValidator(_none_if_absent)]
"""A text, or None for a blank one and a placeholder."""

Paragraphs = Annotated[str, AfterValidator(_paragraphs)]
"""A text of several lines, each cleaned."""


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


@cache  # it takes pydantic milliseconds, and a run needs it for each component several times
def wire_schema(answer: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of an answer, in the service's strict form; callers share it, and must not change it.

    Titles, docstrings and limits that are applied on receipt are left out: a schema is billed with every request. A
    field's own description is for the language model, and stays. A type that strict mode does not have (a mapping of
    any keys) is left as it is: the service's error explains it.
    """
    schema: dict[str, Any] = _strip(_with_a_root(answer.model_json_schema()))
    properties = schema.get("properties", {})
    # A model writes the fields in this order, and judges its confidence better after the answer than before it.
    order = sorted(properties, key=lambda name: name == "confidence")
    return schema | {"properties": {name: properties[name] for name in order}, "required": order}


def pack_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema for the answer to a pack: a list of answers to one component, each with the number of its item.

    It is the same for packs of any size, since the service compiles each schema that is new to it.
    """
    item = {name: node for name, node in schema.items() if name != "$defs"}
    item |= {
        "properties": {NUMBER: {"type": "integer"}, **schema["properties"]},
        "required": [NUMBER, *schema["required"]],
    }
    root = {"properties": {ITEMS: {"type": "array", "items": item}}, "required": [ITEMS]}
    definitions = {"$defs": schema["$defs"]} if "$defs" in schema else {}
    return {**definitions, "type": "object", "additionalProperties": False, **root}


ITEMS, NUMBER = "items", "number"
"""The fields of the answer to a pack."""


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
