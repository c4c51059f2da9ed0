"""Validation of a JSON schema for strict mode, with the service's error messages."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson

_KNOWN = frozenset({
    "$defs", "$ref", "additionalProperties", "anyOf", "const", "definitions", "description", "enum", "exclusiveMaximum",
    "exclusiveMinimum", "format", "items", "maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum",
    "multipleOf", "pattern", "properties", "required", "title", "type",
})  # fmt: skip
_TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_MAX_DEPTH = 10
_MAX_PROPERTIES = 5_000


@lru_cache(maxsize=256)
def strict_problem(schema: bytes) -> str | None:
    """Return the error message of a schema that strict mode refuses, or None."""
    try:
        return next(_root_problems(orjson.loads(schema)), None)
    except (AttributeError, TypeError):  # a list in place of an object, and similar errors
        return "schema is not a valid JSON Schema."


def _root_problems(schema: Any) -> Iterator[str]:
    if not isinstance(schema, dict) or schema.get("type") != "object":
        kind = schema.get("type") if isinstance(schema, dict) else None
        yield f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
    elif "anyOf" in schema:
        yield "In context=(), 'anyOf' is not permitted at the root of the schema."
    else:
        yield from _problems(schema, (), schema)


def _problems(node: Any, path: tuple[str, ...], root: Mapping[str, Any]) -> Iterator[str]:
    where = f"In context={path!r}, "
    if not isinstance(node, dict):
        yield f"{where}schema must be an object."
        return
    if len(path) > 2 * _MAX_DEPTH:
        yield f"{where}the schema is nested more than {_MAX_DEPTH} levels deep."
        return
    for key in node.keys() - _KNOWN:
        yield f"{where}'{key}' is not permitted."
    yield from _type_problems(node, where)
    if "$ref" in node and not _resolves(node["$ref"], root):
        yield f"{where}reference '{node['$ref']}' does not resolve."
    if node.get("type") == "object" or "properties" in node:
        yield from _object_problems(node, where)
    for below, child in _children(node):
        yield from _problems(child, (*path, *below), root)


def _type_problems(node: Mapping[str, Any], where: str) -> Iterator[str]:
    kinds = node.get("type", [])
    unknown = set(kinds if isinstance(kinds, list) else [kinds]) - _TYPES
    if unknown:
        yield f"{where}{sorted(map(str, unknown))} is no type."
    if not node.keys() & {"type", "anyOf", "$ref", "enum", "const"}:
        yield f"{where}schema must have a 'type' key."
    if kinds == "array" and "items" not in node:
        yield f"{where}array schema missing items."


def _object_problems(node: Mapping[str, Any], where: str) -> Iterator[str]:
    if node.get("additionalProperties") is not False:
        yield f"{where}'additionalProperties' is required to be supplied and to be false."
    properties = node.get("properties", {})
    if set(node.get("required", [])) != set(properties):
        absent = sorted(set(properties) ^ set(node.get("required", [])))
        yield (
            f"{where}'required' is required to be supplied and to be an array including every key in properties. "
            f"Missing or extra: {', '.join(absent)}."
        )
    if len(properties) > _MAX_PROPERTIES:
        yield f"{where}more than {_MAX_PROPERTIES} properties."


def _children(node: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for group in ("properties", "$defs", "definitions"):
        for name, child in node.get(group, {}).items():
            yield (group, name), child
    for index, child in enumerate(node.get("anyOf", [])):
        yield ("anyOf", str(index)), child
    if "items" in node:
        yield ("items",), node["items"]


def _resolves(reference: str, root: Mapping[str, Any]) -> bool:
    node: Any = root
    for step in reference.removeprefix("#").strip("/").split("/") if reference != "#" else ():
        if not isinstance(node, dict) or step not in node:
            return False
        node = node[step]
    return reference.startswith("#")
