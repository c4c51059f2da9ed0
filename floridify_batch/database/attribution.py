"""The attribution of new documents to the answers that made them. Pure.

The id of a new document is derived from its request, whose id contains the text of the word. Once an editor has renamed
the word, or moved a definition to another word, the id cannot be derived: what is stored decides then.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from floridify_batch.components.recipe import Scope
from floridify_batch.components.registry import RECIPES, SynthesisComponent
from floridify_batch.components.requests import custom_id
from floridify_batch.database.ownership import copied_example_id
from floridify_batch.database.removal import RELATIONS, generated, is_older
from floridify_batch.database.word_documents import Stored, WordDocuments, component_of
from floridify_batch.words.entry import SYNTHESIS, DocId, copied_id, derived_id, doc_id

type Document = Mapping[str, Any]
type Stamps = Mapping[DocId, datetime | None]
"""Stamps, and the times at which their batches were created."""

_MOST_ITEMS = 50
_WRITERS = (SynthesisComponent.DEFINITIONS, SynthesisComponent.DEFINITION_TEXT)


def linked_documents(
    found: WordDocuments, key: str, holder: Stored, stamp: DocId, stamped: datetime | None, *, marked: bool
) -> set[DocId]:
    """The existing examples, facts or pronunciations that the answer of a component's stamp made for a holder.

    `stamped`: when the stamp's batch was created.
    Beside those with a derived id, these are generated documents of the same owner that the holder names, or that
    nothing names because an undo has taken them out of a list (`marked`).
    """
    recipe = RECIPES[SynthesisComponent(key)]
    if recipe.makes is None:
        return set()
    owner = found.id if recipe.scope is Scope.WORD else holder.id
    derived = set(_derived(str(found.word.get("text")), key, None, owner, stamp)) & found.linked.keys()
    relation = RELATIONS[recipe.makes]
    named, elsewhere = set(_named(holder, relation.field)), set[DocId]()
    for each in (*found.definitions.values(), *found.entries):
        elsewhere |= set(_named(each, relation.field)) if each.id != holder.id else set()
    clones = {copied_example_id(holder.id, each) for each in elsewhere}
    clones |= {derived_id("pronunciation", holder.id, each) for each in elsewhere}
    for each in found.linked.values():
        ours = each.collection == recipe.makes and doc_id(each.document.get(relation.owner)) == owner
        left = marked and each.id not in elsewhere
        if ours and each.id not in clones and (each.id in named or left):
            made = generated(each.document, edited=True) and not is_older(each.document, stamped)
            derived |= {each.id} if made else set()
    return derived


def _named(holder: Stored, name: str) -> Iterator[DocId]:
    value = holder.document.get(name)
    yield from map(doc_id, value if isinstance(value, list) else [value] if value else ())


def written_definitions(found: WordDocuments, stamps: Stamps) -> list[tuple[str, DocId]]:
    """The existing definitions of a word that runs wrote, with the keys of their stamps.

    If no id can be derived, a component's stamps are those of one run, or its definitions cannot be attributed.
    """
    text, written = str(found.word.get("text")), dict[DocId, str]()
    entries = [each.document for each in found.entries if each.document.get("provider") == SYNTHESIS]
    unknown = set(_generated_definitions(found))
    borne = [pair for each in (found.word, *entries) for pair in _writing_stamps(each)]
    for key, stamp in borne:
        number = key.rpartition(":")[2].partition("-")[2]
        made = _derived(text, component_of(key), int(number) if number.isdigit() else None, found.id, stamp)
        existing = [each for each in made if each in found.definitions]
        unknown -= set(existing)
        written |= dict.fromkeys(existing, key) if stamp in stamps else {}
    for component in _WRITERS if not written else ():
        pairs = [(key, stamp) for key, stamp in borne if component_of(key) == component]
        if pairs and all(stamp in stamps for _, stamp in pairs):
            clustered = component == SynthesisComponent.DEFINITION_TEXT
            for each in unknown:
                document = found.definitions[each].document
                older = all(is_older(document, stamps[stamp]) for _, stamp in pairs)
                if not older and bool(document.get("source_definitions")) == clustered:
                    written[each] = pairs[0][0]
    return [(key, each) for each, key in written.items()]


def _writing_stamps(document: Document) -> Iterator[tuple[str, DocId]]:
    """The stamps on a document, with their keys, of components that write definitions."""
    borne = document.get(SYNTHESIS)
    for key, stamp in borne.items() if isinstance(borne, Mapping) else ():
        if component_of(key) in _WRITERS:
            yield key, doc_id(stamp)


def _generated_definitions(found: WordDocuments) -> Iterator[DocId]:
    """The definitions that a model wrote; copies of definitions of sources are not among them."""
    listed = found.provided
    for each in found.definitions.values():
        copy = copied_id(each.id) in found.definitions
        if each.document.get("model_info") and each.id not in listed and not copy:
            yield each.id


def _derived(word: str, component: str, number: int | None, target: DocId, stamp: DocId) -> Iterator[DocId]:
    """The ids of the new documents that an answer may have made; requests of earlier versions name a copy's source."""
    for each in (target, copied_id(target)):
        identity = custom_id(word, each, component, number)
        yield from (derived_id(identity, stamp, index) for index in range(_MOST_ITEMS))
