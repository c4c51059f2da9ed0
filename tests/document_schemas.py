"""The documents that we wrote in a test's database, held against the schemas of Floridify's models."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bson import ObjectId
from pymongo.database import Database

from floridify_batch.components.change import Collection
from floridify_batch.components.document_schema import schemas_of
from floridify_batch.components.recipe import Scope
from floridify_batch.components.registry import RECIPES
from floridify_batch.database.layout import PROVIDED, SAMPLED, SYNTHESISED, Layout, detect
from tests.documents import LONG_AGO, Document

OURS = frozenset({"_id", "synthesis", "synthesis_digests"})
"""The fields that we add to Floridify's."""

_COLLECTIONS = (*Collection, SYNTHESISED, PROVIDED)


def unreadable(database: Database[Document]) -> list[str]:
    """The faults of what we wrote: whole documents of ours, and the fields that answers set in those of others."""
    layout = _layout(database)
    schemas = schemas_of(layout.schema)
    found: list[str] = []
    for name in _COLLECTIONS:
        schema = schemas.get(name) or schemas_of(Layout(split_entries=not layout.split_entries).schema)[name]
        for document in map(plain, database[name].find()):
            own = _is_ours(document)
            fields = document if own else dict(_answered(document, name))
            if fault := schema.fault(fields, whole=own):
                found.append(f"{document['_id']}: {fault}")
    return found


def plain(value: Any) -> Any:
    """A value with ids as 24 hex digits."""
    if isinstance(value, ObjectId):
        return str(value)
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def _layout(database: Database[Document]) -> Layout:
    names = database.list_collection_names()
    return detect(names, {name: list(database[name].find()) for name in SAMPLED if name in names})


def _is_ours(document: Mapping[str, Any]) -> bool:
    """Whether a document is none of the fixtures, which are of long ago or have no time."""
    return document.get("created_at") not in (None, LONG_AGO)


def _answered(document: Mapping[str, Any], collection: str) -> Iterator[tuple[str, Any]]:
    """The fields of a fixture that answers have set."""
    for recipe in _recipes_of(collection):
        if recipe.component in (document.get("synthesis") or {}) and recipe.field in document:
            yield recipe.field, document[recipe.field]


def _recipes_of(collection: str) -> Iterable[Any]:
    scope = Scope.DEFINITION if collection == Collection.DEFINITIONS else Scope.WORD
    return [recipe for recipe in RECIPES.values() if recipe.scope is scope and collection != Collection.WORDS]
