"""The repair of answers that hold one whole JSON object, but are not plain JSON: cheaper than a retry.

A service that enforces the schema sends none of these; others do. The repair covers code fences, text around the
object, the same object several times, trailing commas, and numbers in strings. Nothing is invented: an object that is
cut off, or two objects that differ, are not repaired.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)
_NUMBER = re.compile(r"[+-]?\d{1,9}(?:\.\d{1,9})?")
_NUMBER_ERRORS = frozenset({"literal_error", "int_parsing", "float_parsing", "int_from_float"})
_MAX_OBJECTS = 20

_SUSPECT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]|\\u(?:00[01]|007[fF]|[dD][89a-fA-F])|\\[bf]")
"""Characters, or their escapes, that may be corrupt; an escaped backslash before them is a false alarm."""
_CORRUPT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def repaired[R: BaseModel](answer: type[R], content: str, context: Any) -> R | None:
    """The answer in a text that is not valid JSON; None if no object in it is valid."""
    found = sole_object(content)
    if found is None:
        return None
    try:
        return answer.model_validate(found, context=context)
    except ValidationError as error:
        _convert_numbers(found, error)
    try:
        return answer.model_validate(found, context=context)
    except ValidationError:
        return None


def sole_object(content: str) -> dict[str, Any] | None:
    """The one object that a text holds, once or several times; None where there is none, or where two differ."""
    text = _TRAILING_COMMA.sub(lambda match: match[1] or "", content)
    objects = _objects(text)
    return objects[0] if objects and all(each == objects[0] for each in objects) else None


def _objects(text: str) -> list[dict[str, Any]]:
    """The outermost objects of a text. Empty where one of them is cut off or broken."""
    decoder, objects, position = json.JSONDecoder(strict=False), list[dict[str, Any]](), text.find("{")
    while position >= 0:
        try:
            found, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return []
        objects.append(found)
        if len(objects) > _MAX_OBJECTS:
            return []
        position = text.find("{", position)
    return objects


def _convert_numbers(found: Any, error: ValidationError) -> None:
    """Replace strings by their numbers at the places of the errors."""
    for each in error.errors(include_url=False, include_context=False):
        value = each["input"]
        if each["type"] in _NUMBER_ERRORS and isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
            number = float(value)
            _replace(found, each["loc"], int(number) if number.is_integer() else number)


def _replace(found: Any, path: Sequence[int | str], value: float) -> None:
    for key in path[:-1]:
        found = _below(found, key)
    if _below(found, path[-1]) is not None:
        found[path[-1]] = value


def _below(found: Any, key: int | str) -> Any:
    """The value under a key; None where the path of an error does not lead to one, as below a union."""
    if isinstance(found, Mapping):
        return found.get(key)
    return found[key] if isinstance(found, list) and isinstance(key, int) and key < len(found) else None


def is_corrupt(content: str) -> bool:
    """Whether a text of the answer holds NUL, another control character or a lone surrogate.

    These stand where a character was lost, so that no cleaning restores the text.
    """
    if ("\\" not in content and content.isprintable()) or _SUSPECT.search(content) is None:  # the first is far faster
        return False
    found = sole_object(content)
    return found is None or any(_CORRUPT.search(text) for text in _texts(found))


def _texts(value: Any) -> list[str]:
    """All strings of a JSON value, keys included."""
    texts, pending = [], [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            texts.append(each)
        elif isinstance(each, Mapping):
            pending += [*each, *each.values()]
        elif isinstance(each, list):
            pending += each
    return texts


_MAX_DIGITS = 15


def leniently_parsed(text: bytes) -> Any:
    """Parse JSON, also with lone surrogates, raw control characters or very long numbers; None for anything else."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(text, strict=False, parse_int=_integer)
    except (ValueError, RecursionError):
        return None


def encodable(text: str) -> str:
    """A text without lone surrogates, which no file and no terminal takes."""
    return text.encode(errors="replace").decode()


def _integer(digits: str) -> float:
    """Parse an integer of any length; Python refuses one of thousands of digits."""
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)
