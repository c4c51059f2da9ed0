"""What answers about a word change: its synthesis entry, and the documents that this entry refers to."""

from collections.abc import Iterable, Mapping
from typing import Any

from floridify_batch.components import answer as answers
from floridify_batch.components.change import Collection, Insert, Replaced, Update
from floridify_batch.components.definition_outcomes import model_info
from floridify_batch.components.recipe import Outcome, Provenance, SynthesisComponent, entry_id, provider_of
from floridify_batch.words.entry import (
    Cluster,
    Definition,
    DocId,
    Entry,
    blank_definition,
    cluster_fields,
    derived_id,
    name_of,
    slug_of,
)


def in_entry(
    entry: Entry,
    provenance: Provenance,
    fields: Mapping[str, Any],
    *,
    inserts: tuple[Insert, ...] = (),
    adds: Mapping[str, DocId] | None = None,
    replaces: tuple[Replaced, ...] = (),
) -> Outcome:
    """New values in the word's synthesis entry, which is made where there is none.

    A new entry holds the definitions that are enhanced in place, unless the run makes definitions of its own.
    """
    identity = entry_id(entry)
    if entry.synthesis_entry is None:
        kept = () if provenance.clustering else entry.definitions
        begun = Insert(Collection.ENTRIES, identity, _new_entry(entry, [definition.id for definition in kept]))
        inserts = (*inserts, begun)
    update = Update(Collection.ENTRIES, identity, fields, adds or {})
    return Outcome({}, inserts, (update,), replaces)


def new_definitions(
    entry: Entry, _: Entry, answer: answers.FallbackDefinitionsResponse, provenance: Provenance
) -> Outcome:
    """The model's definitions, and the synthesis entry that holds them."""
    if not answer.definitions:
        return Outcome({})
    info = {"model_info": model_info(answer.confidence, provenance)}
    inserts = tuple(
        Insert(Collection.DEFINITIONS, _nth(provenance, index), _new_definition(entry, made) | info)
        for index, made in enumerate(answer.definitions)
    )
    return in_entry(entry, provenance, {"definition_ids": [insert.id for insert in inserts]}, inserts=inserts)


def pronunciation(entry: Entry, _: Entry, answer: answers.PronunciationResponse, provenance: Provenance) -> Outcome:
    """A document with the pronunciation, and its id in the entry."""
    identity = _nth(provenance, 0)
    # A pronunciation has no place for a model's name: the stamp says that one made it.
    stamp = {SynthesisComponent.PRONUNCIATION: provenance.stamp.id}
    fields = {"word_id": entry.word.id, "phonetic": answer.phonetic, "ipa": answer.ipa, "synthesis": stamp}
    insert = Insert(Collection.PRONUNCIATIONS, identity, fields)
    before = entry.pronunciation_id
    old = (before,) if before and before != identity else ()
    replaces = (Replaced(Collection.PRONUNCIATIONS, entry.id, old),) if old or provenance.replace else ()
    return in_entry(entry, provenance, {"pronunciation_id": identity}, inserts=(insert,), replaces=replaces)


def etymology(entry: Entry, _: Entry, answer: answers.EtymologyResponse, provenance: Provenance) -> Outcome:
    """The etymology, in the entry."""
    return in_entry(entry, provenance, {"etymology": answer.model_dump(exclude={"confidence"})})


def facts(entry: Entry, _: Entry, answer: answers.FactGenerationResponse, provenance: Provenance) -> Outcome:
    """A document for each fact, and their ids in the entry."""
    info = model_info(answer.confidence, provenance)
    inserts = tuple(
        Insert(
            Collection.FACTS,
            _nth(provenance, index),
            {"word_id": entry.word.id, "content": fact, "category": category, "model_info": info},
        )
        for index, (fact, category) in enumerate(zip(answer.facts, answer.categories, strict=True))
    )
    new = [insert.id for insert in inserts]
    if not provenance.replace:
        return in_entry(entry, provenance, {"fact_ids": [*entry.fact_ids, *new]}, inserts=inserts)
    replaced = Replaced(Collection.FACTS, entry.id, tuple(old for old in entry.fact_ids if old not in new))
    return in_entry(entry, provenance, {"fact_ids": new}, inserts=inserts, replaces=(replaced,))


def phrases(entry: Entry, _: Entry, answer: answers.PhraseResponse, provenance: Provenance) -> Outcome:
    """The phrases, in the entry, by the database's names."""
    made = [
        {"phrase": item.phrase, "meaning": item.meaning, "example": item.example, "usage_register": item.register}
        for item in answer.phrases
    ]
    return in_entry(entry, provenance, {"phrases": made})


def synonym_chooser(entry: Entry, _: Entry, answer: answers.SynonymChooserResponse, provenance: Provenance) -> Outcome:
    """The essay with what sets the synonyms apart, in the entry."""
    return in_entry(entry, provenance, {"synonym_chooser": answer.model_dump(exclude={"confidence"})})


def cluster_definitions(entry: Entry, _: Entry, answer: answers.ClusterMappingResponse, __: Provenance) -> Outcome:
    """Each source definition learns its cluster. What the model put nowhere is in no cluster, and loses nothing."""
    taken: list[str] = []
    updates: dict[DocId, Update] = {}
    for order, cluster in enumerate(answer.clusters):
        slug = slug_of(entry.word.text, cluster.cluster_slug, taken)
        taken.append(slug)
        fields = cluster_fields(slug, name_of(slug), cluster.cluster_description, order, cluster.relevancy)
        for definition in _members(entry, cluster.definition_indices):
            change = Update(Collection.DEFINITIONS, definition.id, {"meaning_cluster": fields})
            updates.setdefault(definition.id, change)
    return Outcome({}, updates=tuple(updates.values()))


def _members(entry: Entry, numbers: Iterable[int]) -> list[Definition]:
    """The source definitions of these numbers, which begin at 1 in the prompt."""
    return [entry.sources[number - 1] for number in numbers if 1 <= number <= len(entry.sources)]


def definition_text(
    entry: Entry, cluster: Cluster, answer: answers.SynthesisResponse, provenance: Provenance
) -> Outcome:
    """A definition of its own for a cluster, and its place in the entry."""
    made = answer.definitions[0]
    fields = _new_definition(entry, made) | {
        "meaning_cluster": dict(cluster.fields),
        "providers": sorted({provider for each in cluster.definitions for provider in each.providers}) or ["synthesis"],
        "source_definitions": [
            {"provider": provider_of(each), "definition_id": each.id, "text": each.text} for each in cluster.definitions
        ],
        "model_info": model_info(answer.confidence, provenance),
    }
    identity = _nth(provenance, 0)
    insert = Insert(Collection.DEFINITIONS, identity, fields)
    return in_entry(entry, provenance, {}, inserts=(insert,), adds={"definition_ids": identity})


def _nth(provenance: Provenance, index: int) -> DocId:
    return derived_id(provenance.custom_id, provenance.stamp.id, index)


def _new_definition(entry: Entry, made: answers.FallbackDefinition | answers.DefinitionResponse) -> dict[str, Any]:
    return blank_definition() | {
        "word_id": entry.word.id,
        "part_of_speech": made.part_of_speech,
        "text": made.definition,
        "dictionary_entry_id": entry_id(entry),
        "providers": ["synthesis"],
    }


def _new_entry(entry: Entry, definitions: list[DocId]) -> dict[str, Any]:
    return {
        "word_id": entry.word.id,
        "definition_ids": definitions,
        "provider": "synthesis",
        "languages": [entry.word.language],
        "pronunciation_id": None,
        "fact_ids": [],
        "etymology": None,
        "raw_data": None,
        "synonym_chooser": None,
        "phrases": [],
        "source_entries": [],
        "model_info": None,
    }
