"""Provenance of stored values: the model and the day of each generated one, and whether a person has changed it."""

from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from floridify_batch.components.change import EMPTY_DIGEST, is_review_mark, value_digest, written_digest
from floridify_batch.components.registry import RECIPES
from floridify_batch.database.document import stamps_on
from floridify_batch.database.entry_text import cited_senses, is_edited_copy
from floridify_batch.database.layout import STAMPS
from floridify_batch.database.lookup import Headword
from floridify_batch.database.store import MongoStore
from floridify_batch.database.word_documents import component_of, digests_of
from floridify_batch.words.entry import SYNTHESIS, is_hashable

type Document = Mapping[str, Any]

type Stamps = Mapping[Any, Document]
"""The documents of stamps, by the ids by which other documents refer to them."""

_FIELDS = {str(component): (recipe.field, *recipe.also) for component, recipe in RECIPES.items()}
"""The fields of each component's value."""

_COMPONENTS = {
    name: str(component)
    for component, recipe in RECIPES.items()
    for name in (recipe.field, *recipe.also)
    if not (recipe.structural or recipe.on_request)
}
"""The component of each field that people edit."""


class Review(StrEnum):
    """A decision of a review on a value, in the order of their weight where there are several."""

    NONE = ""
    ACCEPTED = "accepted"
    """The value is as it was written, or as it was before its review."""
    UNKNOWN = "reviewed"
    """Accepted, edited or rejected: earlier versions did not record which."""
    REJECTED = "rejected"
    """The value is empty."""
    EDITED = "edited"


_BY_WEIGHT = tuple(Review).index


class Origin(NamedTuple):
    """The origin of a value: the model and the day of its answer, and what people have done with it since.

    An `edited` value differs from what was written, and was not `reviewed`. A value that no model wrote has neither
    model nor day.
    """

    model: str
    date: str
    edited: bool = False
    reviewed: Review = Review.NONE

    @property
    def is_known(self) -> bool:
        """Whether there is anything to say about the value."""
        return any(self)

    def with_changes_of(self, others: Iterable["Origin"]) -> "Origin":
        """The origin of a value that consists of other ones, too."""
        parts = [self, *others]
        reviewed = max((each.reviewed for each in parts), key=_BY_WEIGHT)
        return self._replace(edited=any(each.edited for each in parts), reviewed=reviewed)


async def stamps_of(store: MongoStore, headwords: Iterable[Headword], known: Container[Any] = ()) -> Stamps:
    """The stamps on the documents of headwords, except known ones; there are few, one per batch and component."""
    borne = stamps_on(document for each in headwords for document in (*each.definitions, *each.entries))
    wanted = [each for each in borne if each not in known]
    found = await store.find(STAMPS, {"_id": store.layout.with_ids(wanted)}) if wanted else []
    return {store.layout.unified(each["_id"]): each for each in found}


def changes(origin: Origin) -> Iterator[str]:
    """The changes of a value by people, in words."""
    if origin.edited:
        yield "edited"
    if origin.reviewed:
        yield "edited in review" if origin.reviewed is Review.EDITED else str(origin.reviewed)


# ── origins ────────────────────────────────────────────────────────────────────────────────────────────────────────


def sense_origins(
    sense: Document, headword: Headword, stamps: Stamps, examples: Iterable[Document]
) -> dict[str, Origin]:
    """The origins of a sense's values: of its definition, and by component. `examples` are those of the sense."""
    definition = text_origin(sense, "text")
    if not definition.reviewed and is_edited_copy(sense, headword):
        definition = definition._replace(edited=True)
    found = {"definition": definition, "part_of_speech": _changes_of(sense, ("part_of_speech",))}
    found |= origins(sense, stamps)
    return _with_linked(found, {"examples": [text_origin(each, "text") for each in examples]})


def labelled_origins(headword: Headword, stamps: Stamps) -> Iterator[tuple[str, dict[str, Origin]]]:
    """The origins of each sense under its label, then those of the word as a whole under "word"."""
    for label, sense, examples in cited_senses(headword):
        yield label, sense_origins(sense, headword, stamps, examples)
    yield "word", word_origins(headword, stamps)


def word_origins(headword: Headword, stamps: Stamps) -> dict[str, Origin]:
    """The origins of the values of a word as a whole, by component."""
    linked = {
        "facts": [text_origin(each, "content") for each in headword.facts],
        "pronunciation": [_changes_of(each, ("ipa", "phonetic")) for each in headword.pronunciations],
    }
    return _with_linked(origins(headword.synthesis or {}, stamps), linked)


def _with_linked(found: Mapping[str, Origin], linked: Mapping[str, Iterable[Origin]]) -> dict[str, Origin]:
    """The known origins, in which a component is changed if one of its documents is."""
    of_parts = {name: found.get(name, _UNKNOWN).with_changes_of(parts) for name, parts in linked.items()}
    return {name: each for name, each in {**found, **of_parts}.items() if each.is_known}


def origins(document: Document, stamps: Stamps) -> dict[str, Origin]:
    """The origins of a document's generated, edited and reviewed values, by component."""
    borne = document.get(SYNTHESIS)
    found: dict[str, Origin] = {}
    for key, reference in borne.items() if isinstance(borne, Mapping) else ():
        stamp = stamps.get(reference) if is_hashable(reference) else None
        if stamp is not None:
            component = component_of(str(key))
            changed = _changes_of(document, _FIELDS.get(component, (component,)))
            found[component] = changed._replace(
                model=str(stamp.get("model") or ""), date=_day(stamp.get("batch_created"))
            )
    for component in dict.fromkeys(_COMPONENTS[name] for name in digests_of(document) if name in _COMPONENTS):
        if component not in found and (changed := _changes_of(document, _FIELDS[component])).is_known:
            found[component] = changed
    return found


def text_origin(document: Document, name: str) -> Origin:
    """The origin of a document's text in the field `name`; the model is that of the document."""
    changed, info = _changes_of(document, (name,)), document.get("model_info")
    if not isinstance(info, Mapping) or not isinstance(info.get("name"), str):
        return changed
    return changed._replace(model=info["name"], date=_day(info.get("last_generated")))


def is_of_person(document: Document, name: str) -> bool:
    """Whether a person has edited or reviewed a value, as far as that is recorded."""
    return _changes_of(document, (name,)).is_known


_UNKNOWN = Origin("", "")


def _changes_of(document: Document, names: Iterable[str]) -> Origin:
    """The changes of a value that consists of these fields, by the digests that are recorded, without its model."""
    recorded = {name: digests_of(document).get(name) for name in names}
    others = {name: each for name, each in recorded.items() if each is not None and not is_review_mark(each)}
    edited = any(each != value_digest(document.get(name)) for name, each in others.items())
    reviews = (_review(each, document.get(name)) for name, each in recorded.items() if each and is_review_mark(each))
    return Origin("", "", edited, max(reviews, key=_BY_WEIGHT, default=Review.NONE))


def _review(mark: str, value: Any) -> Review:
    """The decision on a value, by its mark."""
    written = written_digest(mark)
    now = value_digest(value)
    if now == EMPTY_DIGEST:
        return Review.REJECTED
    if not written:
        return Review.UNKNOWN
    return Review.ACCEPTED if now == written else Review.EDITED


def _day(time: object) -> str:
    return f"{time:%Y-%m-%d}" if isinstance(time, datetime) else ""
