"""The component `definition_text`: one definition for each cluster, written from those of the sources."""

from typing import Annotated, Any

from pydantic import model_validator

from floridify_batch.components.answer import Answer, Item, Share, Statement, at_least_one, clip, kept, requested_as
from floridify_batch.components.answer_shape import CERTAIN, LeanAnswer
from floridify_batch.components.change import Collection, Insert, Merge, Outcome, Provenance, value_digest
from floridify_batch.components.label import PartOfSpeech
from floridify_batch.components.meaning_cluster import cluster_document
from floridify_batch.components.recipe import ClusterRecipe
from floridify_batch.components.synthesis_entry import (
    entry_id,
    in_entry,
    new_definition,
    readable_providers,
    references,
)
from floridify_batch.costs.answer_length import PROSE_SPREAD
from floridify_batch.words.entry import DIGESTS, Cluster, Entry


class DefinitionResponse(Item):
    """A definition, written from those of several sources."""

    part_of_speech: PartOfSpeech
    definition: Annotated[Statement, clip(500)]
    relevancy: Share
    source_providers: list[str]


class SynthesisResponse(Answer):
    """The definitions of one cluster; the first is used."""

    definitions: Annotated[list[DefinitionResponse], kept(DefinitionResponse), clip(20), at_least_one]


class _LeanSynthesis(Answer):
    """The definition of one cluster."""

    part_of_speech: PartOfSpeech
    definition: Annotated[Statement, clip(500)]


class LeanSynthesisResponse(SynthesisResponse):
    """The one definition of a cluster that is used."""

    @model_validator(mode="before")
    @classmethod
    def _widen(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "definitions" in value:
            return value
        first = {name: each for name, each in value.items() if name != "confidence"}
        confidence = {"confidence": value["confidence"]} if "confidence" in value else {}
        return {"definitions": [first | {"relevancy": CERTAIN, "source_providers": []}], **confidence}

    __get_pydantic_json_schema__ = requested_as(_LeanSynthesis)


def outcome(entry: Entry, cluster: Cluster, answer: SynthesisResponse, provenance: Provenance) -> Outcome:
    """A new definition for the cluster, in the synthesis entry, in place of the copies that it was written from."""
    first = answer.definitions[0]
    fields = new_definition(entry, first.part_of_speech, first.definition)
    meaning = cluster_document(entry, cluster.fields, provenance)
    fields |= {
        DIGESTS: fields[DIGESTS] | {"meaning_cluster": value_digest(meaning)},
        "meaning_cluster": meaning,
        "providers": readable_providers(name for each in cluster.definitions for name in each.providers),
        "source_definitions": references(each.copied for each in cluster.definitions if each.copied is not None),
        "model_info": provenance.model_info(answer.confidence),
    }
    identity = provenance.derived_id(0)
    insert = Insert(Collection.DEFINITIONS, identity, fields)
    merge = Merge(entry_id(entry), identity)
    return in_entry(entry, {}, inserts=(insert,), adds={"definition_ids": (identity,)}, merge=merge)


RECIPE = ClusterRecipe(
    "definition_text",
    SynthesisResponse,
    field="definitions",
    variables=("word", "definitions", "meaning_cluster"),
    outcome=outcome,
    output_tokens=60,
    stored_answer=LeanAnswer(LeanSynthesisResponse, 39),
    spread=PROSE_SPREAD,
    output_cap=1500,
    needs=("definitions", "cluster_definitions"),
    structural=True,
    positional=True,
    floridify_template="synthesize/definitions.md",
)
