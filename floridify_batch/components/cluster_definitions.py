"""The component `cluster_definitions`: a word's source definitions, grouped by meaning."""

from collections.abc import Iterable
from typing import Annotated

from floridify_batch.components.answer import Answer, Item, Share, Text, at_least_one, clip, kept
from floridify_batch.components.answer_shape import CERTAIN, LeanAnswer, without
from floridify_batch.components.change import Collection, Outcome, Provenance, Update
from floridify_batch.components.meaning_cluster import cluster_document
from floridify_batch.components.recipe import WordRecipe
from floridify_batch.costs.answer_length import Spread
from floridify_batch.words.entry import Definition, DocId, Entry, cluster_fields, name_of, slug_of


class ClusterMapping(Item):
    """A cluster of definitions, named by their numbers in the prompt."""

    cluster_slug: Text
    cluster_description: Text
    definition_indices: list[int]
    relevancy: Share


class ClusterMappingResponse(Answer):
    """The clusters of a word's definitions, commonest meaning first."""

    clusters: Annotated[list[ClusterMapping], kept(ClusterMapping), clip(10), at_least_one]


def outcome(entry: Entry, _: Entry, answer: ClusterMappingResponse, provenance: Provenance) -> Outcome:
    """A cluster for each source definition that the answer names; other definitions stay without one."""
    taken: list[str] = []
    updates: dict[DocId, Update] = {}
    for order, cluster in enumerate(answer.clusters):
        slug = slug_of(entry.word.text, cluster.cluster_slug, taken)
        taken.append(slug)
        fields = cluster_fields(slug, name_of(slug), cluster.cluster_description, order, cluster.relevancy)
        fields = cluster_document(entry, fields, provenance)
        for definition in _members(entry, cluster.definition_indices, provenance.first_number):
            change = Update(Collection.DEFINITIONS, definition.id, {"meaning_cluster": fields})
            updates.setdefault(definition.id, change)
    return Outcome({}, updates=tuple(updates.values()))


def _members(entry: Entry, numbers: Iterable[int], first: int) -> list[Definition]:
    places = (number - first for number in numbers)
    return [entry.sources[place] for place in places if 0 <= place < len(entry.sources)]


def _is_unclustered(entry: Entry) -> bool:
    return len(entry.sources) > 1 and not any(each.meaning_cluster for each in entry.sources)


RECIPE = WordRecipe(
    "cluster_definitions",
    ClusterMappingResponse,
    field="synthesised",
    variables=("word", "definitions=sources"),
    outcome=outcome,
    output_tokens=150,
    stored_answer=LeanAnswer(without(ClusterMappingResponse, confidence=CERTAIN), 144),
    spread=Spread(0.4, 2.5),
    output_cap=3000,
    needs=("definitions",),
    structural=True,
    positional=True,
    numbered=True,
    condition=_is_unclustered,
    floridify_template="misc/meaning_extraction.md",
)
