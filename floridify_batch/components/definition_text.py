"""The component `definition_text`: one definition for each cluster, written from those of the sources."""

from typing import Annotated

from floridify_batch.components.answer import Answer, Item, Share, Statement, Text, at_least_one, clip, kept
from floridify_batch.components.change import Collection, Insert, Outcome, Provenance
from floridify_batch.components.recipe import ClusterRecipe, provider_of
from floridify_batch.components.synthesis_entry import in_entry, new_definition
from floridify_batch.costs.answer_length import PROSE_SPREAD
from floridify_batch.words.entry import Cluster, Entry


class DefinitionResponse(Item):
    """A definition, written from those of several sources."""

    part_of_speech: Text
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
        "meaning_cluster": dict(cluster.fields),
        "providers": sorted({provider for each in cluster.definitions for provider in each.providers}) or ["synthesis"],
        "source_definitions": [
            {"provider": provider_of(each), "definition_id": each.id, "text": each.text} for each in cluster.definitions
        ],
        "model_info": provenance.model_info(answer.confidence),
    }
    identity = provenance.derived_id(0)
    insert = Insert(Collection.DEFINITIONS, identity, fields)
    return in_entry(entry, provenance, {}, inserts=(insert,), adds={"definition_ids": (identity,)})


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
