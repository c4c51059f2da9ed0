"""The synthesis entry of a word: the entry and the definitions that answers create and fill."""

from collections.abc import Iterable, Mapping
from typing import Any

from floridify_batch.components.change import Collection, Insert, Merge, Outcome, Replaced, Update, value_digest
from floridify_batch.words.entry import (
    COPIED,
    DIGESTS,
    PROVIDERS,
    SYNTHESIS,
    DocId,
    Entry,
    EntryDraft,
    SourceCopy,
    blank_definition,
    synthesis_entry_id,
)
from floridify_batch.words.language import database_language


def entry_id(entry: Entry) -> DocId:
    """The id of the synthesis entry that a word has, or will have."""
    return entry.synthesis_entry or synthesis_entry_id(entry.word.id, entry.word.stamp_prefix)


def draft_of(entry: Entry) -> EntryDraft | None:
    """The part of a word's synthesis entry that is not stored yet."""
    if entry.synthesis_entry is not None:
        return entry.draft
    return entry.draft or EntryDraft(entry_id(entry), entry.word.id, entry.word.language, new=True)


def in_entry(
    entry: Entry,
    fields: Mapping[str, Any],
    *,
    inserts: tuple[Insert, ...] = (),
    adds: Mapping[str, tuple[DocId, ...]] | None = None,
    replaces: tuple[Replaced, ...] = (),
    merge: Merge | None = None,
) -> Outcome:
    """New values in the word's synthesis entry; where there is none, it is made with the first stored answer."""
    update = Update(Collection.ENTRIES, entry_id(entry), fields, adds or {})
    return Outcome({}, inserts, (update,), replaces, merge)


def new_definition(entry: Entry, part_of_speech: str, text: str) -> dict[str, Any]:
    """The fields of a new definition in the synthesis entry."""
    return blank_definition() | {
        "word_id": entry.word.id,
        "part_of_speech": part_of_speech,
        "text": text,
        "dictionary_entry_id": entry_id(entry),
        "providers": [SYNTHESIS],
        DIGESTS: {"part_of_speech": value_digest(part_of_speech), "text": value_digest(text)},
    }


def new_entry(draft: EntryDraft, copies: Iterable[SourceCopy]) -> Insert:
    """A new synthesis entry that lists these copies, and names the sources' entries."""
    copies = tuple(copies)
    fields = {
        "word_id": draft.word,
        "definition_ids": [each.id for each in copies],
        "provider": SYNTHESIS,
        "languages": [database_language(draft.language)],
        "pronunciation_id": draft.cloned_pronunciation,
        "fact_ids": [],
        "etymology": draft.etymology,
        "raw_data": None,
        "synonym_chooser": None,
        "phrases": [],
        "source_entries": references(copies),
        "model_info": draft.model_info,
        COPIED: ["etymology"] if draft.etymology else [],
    }
    return Insert(Collection.ENTRIES, draft.id, fields)


def readable_providers(names: Iterable[str]) -> list[str]:
    """The distinct sources among these that Floridify's models know; synthesis where they know none."""
    return list(dict.fromkeys(each for each in names if each in PROVIDERS)) or [SYNTHESIS]


def references(copies: Iterable[SourceCopy]) -> list[dict[str, Any]]:
    """References to the sources of copies: one for each entry that they come from."""
    by_entry: dict[tuple[str, DocId], list[DocId]] = {}
    for each in copies:
        (provider,) = readable_providers([each.provider])
        by_entry.setdefault((provider, each.entry), []).append(each.source)
    return [
        {"provider": provider, "entry_id": entry, "entry_version": "", "definition_ids": ids, "license": None}
        for (provider, entry), ids in by_entry.items()
    ]
