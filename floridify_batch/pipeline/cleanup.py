"""What is done once for a word when nothing is left to ask: clean-up across its definitions, pure and idempotent."""

from collections.abc import Iterable
from typing import Any

from floridify_batch.components.change import Collection, Update
from floridify_batch.components.recipe import SynthesisComponent
from floridify_batch.words.cluster import order_of
from floridify_batch.words.entry import Definition, DocId, Entry


def finish(entry: Entry) -> list[Update]:
    """The new values that a finished word needs; none for a word that is in order already."""
    return [*_distinct_words(entry), *_entry_in_order(entry)]


def _distinct_words(entry: Entry) -> Iterable[Update]:
    """A synonym or antonym that several definitions have stays with the one whose cluster is the most relevant.

    Definitions without a cluster's relevance are left alone: nobody has said which of them matters more.
    """
    for definition in entry.definitions:
        fields: dict[str, Any] = {}
        for field, component in (
            ("synonyms", SynthesisComponent.SYNONYMS),
            ("antonyms", SynthesisComponent.ANTONYMS),
        ):
            kept = [word for word in getattr(definition, field) if not _claimed(word, field, definition, entry)]
            if component in definition.stamps and kept != getattr(definition, field):
                fields[field] = kept
        if fields:
            yield Update(Collection.DEFINITIONS, definition.id, fields)


def _claimed(word: str, field: str, definition: Definition, entry: Entry) -> bool:
    """Whether a more relevant definition of the word has this synonym or antonym as well."""
    own = _relevance(definition)
    return own is not None and any(
        (_relevance(other) or 0.0) > own and word.casefold() in map(str.casefold, getattr(other, field))
        for other in entry.definitions
        if other is not definition
    )


def _relevance(definition: Definition) -> float | None:
    relevance = (definition.meaning_cluster or {}).get("relevance")
    return None if relevance is None else float(relevance)


def _entry_in_order(entry: Entry) -> Iterable[Update]:
    """The entry lists its definitions by their clusters' order; one without any takes up those in place."""
    if entry.synthesis_entry is None or not entry.definitions:
        return
    listed = [definition.id for definition in entry.definitions]
    ordered: list[DocId] = [definition.id for definition in sorted(entry.definitions, key=order_of)]
    if not entry.synthesised or ordered != listed:
        yield Update(Collection.ENTRIES, entry.synthesis_entry, {"definition_ids": ordered})
