"""The component `definition_text`: one definition for each cluster, written from those of the sources."""

from collections.abc import Iterator
from typing import Annotated, Any

from floridify_batch.components.answer import Answer, Item, Share, Statement, at_least_one, clip, kept
from floridify_batch.components.change import Collection, Insert, Outcome, Provenance
from floridify_batch.components.label import PartOfSpeech
from floridify_batch.components.meaning_cluster import cluster_document
from floridify_batch.components.recipe import ClusterRecipe, provider_of
from floridify_batch.components.synthesis_entry import in_entry, new_definition
from floridify_batch.costs.answer_length import PROSE_SPREAD
from floridify_batch.words.entry import PROVIDERS, SYNTHESIS, Cluster, DocId, Entry


class DefinitionResponse(Item):
    """A definition, written from those of several sources."""

    part_of_speech: PartOfSpeech
    definition: Annotated[Statement, clip(500)]
    relevancy: Share
    source_providers: list[str]


class SynthesisResponse(Answer):
    """The definitions of one cluster; the first is used."""

    definitions: Annotated[list[DefinitionResponse], kept(DefinitionResponse), clip(20), at_least_one]


def outcome(entry: Entry, cluster: Cluster, answer: SynthesisResponse, provenance: Provenance) -> Outcome:
    """A new definition for the cluster, in the synthesis entry; it names the definitions it was written from."""
    first = answer.definitions[0]
    fields = new_definition(entry, first.part_of_speech, first.definition) | {
        "meaning_cluster": cluster_document(entry, cluster.fields, provenance),
        "providers": _providers(cluster) or [SYNTHESIS],
        "source_definitions": list(_references(cluster)),
        "model_info": provenance.model_info(answer.confidence),
    }
    identity = provenance.derived_id(0)
    insert = Insert(Collection.DEFINITIONS, identity, fields)
    return in_entry(entry, provenance, {}, inserts=(insert,), adds={"definition_ids": (identity,)})


def _providers(cluster: Cluster) -> list[str]:
    """The sources of a cluster that Floridify knows."""
    return sorted({name for each in cluster.definitions for name in each.providers if name in PROVIDERS})


def _references(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """References to the definitions of a cluster: one for each of the sources' entries."""
    by_entry: dict[tuple[DocId, str], list[DocId]] = {}
    for each in cluster.definitions:
        provider = provider_of(each)
        if each.source_entry is not None and provider in PROVIDERS:
            by_entry.setdefault((each.source_entry, provider), []).append(each.id)
    for (entry, provider), ids in by_entry.items():
        yield {"provider": provider, "entry_id": entry, "entry_version": "", "definition_ids": ids, "license": None}


RECIPE = ClusterRecipe(
    "definition_text",
    SynthesisResponse,
    field="definitions",
    variables=("word", "definitions", "meaning_cluster"),
    outcome=outcome,
    output_tokens=60,
    spread=PROSE_SPREAD,
    output_cap=1500,
    needs=("definitions", "cluster_definitions"),
    structural=True,
    positional=True,
    floridify_template="synthesize/definitions.md",
)
