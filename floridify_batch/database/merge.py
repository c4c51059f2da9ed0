"""The removal of copies that a merged definition replaces.

All conditions are read from the database when the removal is due, so that merging again after a crash removes the rest.
An edited copy stays in the entry.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from floridify_batch.components.change import Collection, Merge, value_digest
from floridify_batch.components.recipe import Scope
from floridify_batch.components.registry import RECIPES, SynthesisComponent
from floridify_batch.database.layout import TODAY, Layout
from floridify_batch.database.ownership import copied_example_id, named_sources
from floridify_batch.database.removal import Finder, found_by_id, generated
from floridify_batch.database.source_copy import readable
from floridify_batch.words.entry import DIGESTS, SYNTHESIS, DocId, copied_id, doc_id

type Document = Mapping[str, Any]
type ById = Mapping[DocId, Document]


@dataclass(slots=True)
class RemovedCopies:
    """The copies to remove, by the entry that lists them, their examples, and the words of edited copies that stay.

    `read` are the documents of both as they were judged.
    """

    copies: dict[DocId, list[DocId]] = field(default_factory=dict)
    examples: list[DocId] = field(default_factory=list)
    edited: dict[DocId, None] = field(default_factory=dict)
    read: dict[DocId, Document] = field(default_factory=dict)


async def merged_copies(merges: Iterable[Merge], finder: Finder, layout: Layout) -> RemovedCopies:
    """The copies to remove: those of the sources that definitions were written from, unless they are edited."""
    merges = tuple(merges)
    made = await found_by_id(finder, Collection.DEFINITIONS, [each.definition for each in merges], layout)
    copies = _copies_merged(merges, made)
    made |= await found_by_id(finder, Collection.DEFINITIONS, [*copies, *map(copied_id, copies)], layout)
    compared = [each for each in (*copies, *map(copied_id, copies)) if each in made]
    cited = [example for each in compared for example in made[each].get("example_ids") or ()]
    return copies_to_remove(merges, made, await found_by_id(finder, Collection.EXAMPLES, cited, layout), layout)


def _copies_merged(merges: Iterable[Merge], definitions: ById) -> list[DocId]:
    """The copies of the sources that these definitions were written from."""
    made = (definitions.get(each.definition) for each in merges)
    return [copied_id(each) for document in made if document is not None for each in _sources_of(document)]


def copies_to_remove(
    merges: Iterable[Merge], definitions: ById, examples: ById, layout: Layout = TODAY
) -> RemovedCopies:
    """The existing copies that are removed, and those that stay."""
    found = RemovedCopies()
    for merge in merges:
        for identity in _copies_merged([merge], definitions):
            copy, source = definitions.get(identity), definitions.get(copied_id(identity))
            if copy is None:
                continue
            if source is None or is_edited(copy, readable(Collection.DEFINITIONS, source, layout), examples):
                found.edited[doc_id(copy["word_id"])] = None
            else:
                cited = [*map(doc_id, copy.get("example_ids") or ())]
                found.copies.setdefault(merge.entry, []).append(identity)
                found.examples += cited
                found.read |= {identity: copy} | {each: examples[each] for each in cited if each in examples}
    return found


def _sources_of(definition: Document) -> list[DocId]:
    """The sources that a definition was written from."""
    return [DocId(each) for each in named_sources(definition.get("source_definitions"))]


def is_edited(copy: Document, source: Document, examples: ById) -> bool:
    """Whether a copy was edited: a value that is not from our answers differs from the source's."""
    stamped = {name for each in copy.get(SYNTHESIS) or () for name in _FIELDS.get(each, ())}
    digests: Mapping[str, str] = copy.get(DIGESTS) or {}
    if any(each != value_digest(copy.get(name)) for name, each in digests.items()):
        return True
    names = (copy.keys() | source.keys()) - _OF_COPIES - stamped
    if any((copy.get(name) or None) != (source.get(name) or None) for name in names):
        return True
    originals = {
        copied_example_id(doc_id(copy["_id"]), doc_id(each)): examples.get(doc_id(each))
        for each in source.get("example_ids") or ()
    }
    own = {doc_id(each): examples.get(doc_id(each)) for each in copy.get("example_ids") or ()}
    return any(
        _is_of_a_person(example, originals.get(each), is_clone=each in originals) for each, example in own.items()
    )


def _is_of_a_person(example: Document | None, original: Document | None, *, is_clone: bool) -> bool:
    """Whether a person wrote or edited an example of a copy."""
    if example is None:
        return False
    if not is_clone:
        return not generated(example)
    return original is not None and example.get("text") != original.get("text")


_FIELDS: Mapping[str, tuple[str, ...]] = {
    **{name: (recipe.field, *recipe.also) for name, recipe in RECIPES.items() if recipe.scope is Scope.DEFINITION},
    SynthesisComponent.CLUSTER_DEFINITIONS: ("meaning_cluster",),
}
"""The fields of definitions by the components that fill them."""

_OF_COPIES = frozenset(
    (
        *("_id", "created_at", "updated_at", "version", SYNTHESIS, DIGESTS, "dictionary_entry_id", "providers"),
        *("source_definitions", "example_ids", "imported_examples"),
    )
)
"""The fields in which every copy differs from its source, and those that are compared otherwise."""
