"""Provenance of stored values: the model and the day of each generated one, and whether it was edited since."""

from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from floridify_batch.components.change import value_digest
from floridify_batch.components.registry import RECIPES
from floridify_batch.database.document import stamps_on
from floridify_batch.database.layout import STAMPS
from floridify_batch.database.lookup import Headword
from floridify_batch.database.store import MongoStore
from floridify_batch.database.word_documents import component_of, digests_of
from floridify_batch.words.entry import SYNTHESIS

type Document = Mapping[str, Any]

type Stamps = Mapping[Any, Document]
"""The documents of stamps, by the ids by which other documents refer to them."""

_FIELDS = {str(component): recipe.field for component, recipe in RECIPES.items()}
"""The field of each component's value."""


class Origin(NamedTuple):
    """The origin of a value: the model and the day of its answer, and whether the value was edited since."""

    model: str
    date: str
    edited: bool = False


async def stamps_of(store: MongoStore, headwords: Iterable[Headword], known: Container[Any] = ()) -> Stamps:
    """The stamps on the documents of headwords, except known ones; there are few, one per batch and component."""
    borne = stamps_on(document for each in headwords for document in (*each.definitions, *each.entries))
    wanted = [each for each in borne if each not in known]
    found = await store.find(STAMPS, {"_id": store.layout.with_ids(wanted)}) if wanted else []
    return {store.layout.unified(each["_id"]): each for each in found}


def origins(document: Document, stamps: Stamps) -> dict[str, Origin]:
    """The origins of a document's generated values, by component."""
    borne = document.get(SYNTHESIS)
    found: dict[str, Origin] = {}
    for key, reference in borne.items() if isinstance(borne, Mapping) else ():
        stamp = None if isinstance(reference, list | Mapping) else stamps.get(reference)
        if stamp is not None:
            component = component_of(str(key))
            edited = is_edited(document, _FIELDS.get(component, component))
            found[component] = Origin(str(stamp.get("model") or ""), _day(stamp.get("batch_created")), edited)
    return found


def generated_origin(document: Document, name: str) -> Origin | None:
    """The origin of a generated document, such as an example, whose text is in the field `name`."""
    info = document.get("model_info")
    if not isinstance(info, Mapping) or not isinstance(info.get("name"), str):
        return None
    return Origin(info["name"], _day(info.get("last_generated")), is_edited(document, name))


def is_edited(document: Document, name: str) -> bool:
    """Whether a value differs from what was written, where that is recorded."""
    recorded = digests_of(document).get(name)
    return recorded is not None and recorded != value_digest(document.get(name))


def _day(time: object) -> str:
    return f"{time:%Y-%m-%d}" if isinstance(time, datetime) else ""
