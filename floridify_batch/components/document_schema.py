"""Document schemas: the JSON Schemas of Floridify's collections, compiled into validators.

The schemas in `floridify/` were generated from Floridify's own models. They are compiled once per process into
validators of pydantic's core, so that a check takes microseconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic_core import CoreConfig, CoreSchema, SchemaValidator, ValidationError, core_schema

from floridify_batch.components.change import Change, Collection, SchemaVersion
from floridify_batch.words.language import database_language

_FOLDER = Path(__file__).parent / "floridify"


_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class DocumentSchema:
    """The validators of one collection: of a document with any of its fields, and of each field.

    `required`: the fields that every document has.
    """

    collection: str
    document: SchemaValidator
    fields: Mapping[str, SchemaValidator]
    required: frozenset[str]

    def fault(self, fields: Mapping[str, Any], *, whole: bool, known: Mapping[str, Any] = _NOTHING) -> str:
        """The reason why Floridify could not read a document, or a document with these fields; "" if it could.

        `known` are the fields of a valid document; values that are the same objects are not checked again.
        """
        if whole and (missing := self.required - fields.keys()):
            return f"{self.collection}.{min(missing)}: missing"
        for name, value in fields.items():
            validator = None if value is known.get(name, known) else self.fields.get(name)
            if validator is not None and not validator.isinstance_python(value):
                return _first_error(f"{self.collection}.{name}", validator, value)
        return ""

    def unreadable(self, fields: Mapping[str, Any]) -> set[str]:
        """The fields of another author whose values Floridify could not read, by the rules of its own models."""
        if self.document.isinstance_python(fields, strict=False):
            return set()
        checked = ((name, self.fields.get(name), value) for name, value in fields.items())
        return {name for name, each, value in checked if each and not each.isinstance_python(value, strict=False)}


def _first_error(place: str, validator: SchemaValidator, value: object) -> str:
    try:
        validator.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        return f"{'.'.join(map(str, (place, *first['loc'])))}: {first['msg']}"
    return ""


def change_fault(change: Change, version: SchemaVersion) -> str:
    """The reason why Floridify could not read the documents of a change; "" if it could."""
    schemas = schemas_of(version)
    known: dict[str, Mapping[str, Any]] = {}
    for insert in change.inserts:
        before = known.get(insert.collection, _NOTHING)  # an answer's documents have much in common
        if fault := schemas[insert.collection].fault(insert.fields, whole=True, known=before):
            return fault
        known[insert.collection] = insert.fields
    for update in (*change.updates, change.target):
        if fault := schemas[update.collection].fault(update.fields, whole=False):
            return fault
    return ""


@cache
def schemas_of(version: SchemaVersion) -> Mapping[str, DocumentSchema]:
    """The schemas of a version by the names of the collections; synthesis entries are `dictionary_entries` in each."""
    found = {path.stem: _compiled(path) for path in sorted((_FOLDER / version).glob("*.json"))}
    return {str(Collection.ENTRIES): found["synthesized_dictionary_entries"]} | found if _is_split(found) else found


def _is_split(found: Mapping[str, object]) -> bool:
    return "synthesized_dictionary_entries" in found


# ── compilation ────────────────────────────────────────────────────────────────────────────────────────────────────


def _compiled(path: Path) -> DocumentSchema:
    import orjson

    schema = orjson.loads(path.read_bytes())
    definitions, config = schema.get("$defs", {}), CoreConfig(strict=True)
    nodes = {name: _node(each, definitions) for name, each in schema["properties"].items()}
    some = {name: core_schema.typed_dict_field(node, required=False) for name, node in nodes.items()}
    fields = {name: SchemaValidator(node, config) for name, node in nodes.items()}
    required = frozenset(schema.get("required", ()))
    return DocumentSchema(path.stem, SchemaValidator(core_schema.typed_dict_schema(some), config), fields, required)


type _Schema = Mapping[str, Any]


def _node(schema: _Schema, definitions: _Schema) -> CoreSchema:
    """The validator of a part of a schema: the keywords that pydantic generates."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _language() if name == "Language" else _node(definitions[name], definitions)
    if "anyOf" in schema:
        (choice,) = (each for each in schema["anyOf"] if each.get("type") != "null")
        return core_schema.nullable_schema(_node(choice, definitions))
    if "enum" in schema:
        return core_schema.literal_schema(schema["enum"])
    return _typed(schema, definitions)


def _typed(schema: _Schema, definitions: _Schema) -> CoreSchema:
    kind = schema.get("type")
    if kind is None:
        return core_schema.any_schema()
    if kind == "object":
        return _object(schema, definitions)
    if kind == "array":
        items = _node(schema.get("items", {}), definitions)
        # Not strict: a tuple is written as an array, too.
        return core_schema.list_schema(
            items, strict=False, min_length=schema.get("minItems"), max_length=schema.get("maxItems")
        )
    return _SIMPLE[kind](schema)


def _string(schema: _Schema) -> CoreSchema:
    if schema.get("format") == "date-time":
        return core_schema.datetime_schema()
    return core_schema.str_schema(
        pattern=schema.get("pattern"), min_length=schema.get("minLength"), max_length=schema.get("maxLength")
    )


def _integer(schema: _Schema) -> CoreSchema:
    return core_schema.int_schema(ge=schema.get("minimum"), le=schema.get("maximum"))


def _number(schema: _Schema) -> CoreSchema:
    return core_schema.float_schema(ge=schema.get("minimum"), le=schema.get("maximum"), allow_inf_nan=False)


_SIMPLE: Mapping[str, Callable[[_Schema], CoreSchema]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": lambda _: core_schema.bool_schema(),
}


def _object(schema: _Schema, definitions: _Schema) -> CoreSchema:
    if "properties" not in schema:
        values = schema.get("additionalProperties", {})
        item = _node(values if isinstance(values, Mapping) else {}, definitions)
        return core_schema.dict_schema(core_schema.str_schema(), item)
    required = schema.get("required", ())
    return core_schema.typed_dict_schema(
        {
            name: core_schema.typed_dict_field(_node(each, definitions), required=name in required)
            for name, each in schema["properties"].items()
        }
    )


def _language() -> CoreSchema:
    """A language as we store it; those that Floridify's models do not know are written all the same."""

    def checked(value: object) -> object:
        if not isinstance(value, str) or database_language(value) != value:
            raise ValueError(f"{value!r} is not a language as it is stored")
        return value

    return core_schema.no_info_plain_validator_function(checked)
