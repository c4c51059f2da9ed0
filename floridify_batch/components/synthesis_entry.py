"""The synthesis entry of a word: the entry and the definitions that answers create and fill."""

from collections.abc import Iterable, Mapping
from typing import Any

from floridify_batch.components.change import Collection, Insert, Outcome, Provenance, Replaced, Update
from floridify_batch.words.entry import SYNTHESIS, DocId, Entry, blank_definition, derived_id
from floridify_batch.words.language import database_language


def entry_id(entry: Entry) -> DocId:
    """The id of the synthesis entry that a word has, or will have."""
    return entry.synthesis_entry or derived_id("entry", entry.word.id)


def in_entry(
    entry: Entry,
    provenance: Provenance,
    fields: Mapping[str, Any],
    *,
    inserts: tuple[Insert, ...] = (),
    adds: Mapping[str, tuple[DocId, ...]] | None = None,
    replaces: tuple[Replaced, ...] = (),
) -> Outcome:
    """New values in the word's synthesis entry, which is created where there is none.

    A new entry lists the definitions that are enhanced in place, unless the run writes definitions of its own.
    """
    identity = entry_id(entry)
    if entry.synthesis_entry is None:
        listed = () if provenance.clustering else entry.definitions
        new = _new_entry(entry, (each.id for each in listed)) | {"model_info": provenance.model_info(1.0)}
        inserts = (*inserts, Insert(Collection.ENTRIES, identity, new))
    update = Update(Collection.ENTRIES, identity, fields, adds or {})
    return Outcome({}, inserts, (update,), replaces)


def new_definition(entry: Entry, part_of_speech: str, text: str) -> dict[str, Any]:
    """The fields of a new definition in the synthesis entry."""
    return blank_definition() | {
        "word_id": entry.word.id,
        "part_of_speech": part_of_speech,
        "text": text,
        "dictionary_entry_id": entry_id(entry),
        "providers": [SYNTHESIS],
    }


def _new_entry(entry: Entry, definitions: Iterable[DocId]) -> dict[str, Any]:
    return {
        "word_id": entry.word.id,
        "definition_ids": list(definitions),
        "provider": SYNTHESIS,
        "languages": [database_language(entry.word.language)],
        "pronunciation_id": None,
        "fact_ids": [],
        "etymology": None,
        "raw_data": None,
        "synonym_chooser": None,
        "phrases": [],
        "source_entries": [],
        "model_info": None,
    }
