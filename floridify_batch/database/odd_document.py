"""Odd documents: the checks of the fields that are read, and the error for a value of the wrong type."""

from collections.abc import Iterable, Mapping
from typing import Any

from floridify_batch.words.entry import (
    DIGESTS,
    JUDGEMENTS,
    SYNTHESIS,
    is_id,
)

type _Document = Mapping[str, Any]


class OddDocument(Exception):
    """A document has a value that this tool cannot read."""


WORD_TYPES: Mapping[str, tuple[type, ...]] = {"homograph_number": (int, float), SYNTHESIS: (Mapping,)}

ENTRY_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("part_of_speech", "text", "cefr_level", "language_register", "domain", "region"), (str,)),
    **dict.fromkeys(("meaning_cluster", SYNTHESIS, DIGESTS, "etymology", "synonym_chooser"), (Mapping,)),
    **dict.fromkeys(("synonyms", "antonyms", "cognates", "providers", "definition_ids"), (list,)),
    **dict.fromkeys(("example_ids", "fact_ids", "phrases", "usage_notes", "word_forms", "source_entries"), (list,)),
    **dict.fromkeys(("grammar_patterns", "collocations", "source_definitions", JUDGEMENTS), (list,)),
}
"""The types of fields that are read; null and absent values are read, too."""

_WORDS_IN = ("synonyms", "antonyms", "cognates", "providers")

_NUMBERS_IN_CLUSTER = ("order", "relevance")


def check_types(kind: str, document: Mapping[str, Any], types: Mapping[str, tuple[type, ...]]) -> None:
    """Raise `OddDocument` where a document has an id or a value that cannot be read."""
    identity = document["_id"]
    if not is_id(str(identity)):
        raise OddDocument(
            f"its {kind} has the _id {identity!r}, which is not an ObjectId, so that a request cannot refer to it"
        )
    # Nearly all documents of a kind have values of the same types: one look-up instead of one check per field.
    present = (types is WORD_TYPES, *map(type, map(document.get, types)))
    if present not in _FITTING:
        for name, expected in types.items():
            value = document.get(name)
            if value is not None and not isinstance(value, expected):
                raise OddDocument(_odd_value(kind, identity, name, value))
        if len(_FITTING) < _MOST_KINDS:
            _FITTING.add(present)
    for name in _WORDS_IN:
        words = document.get(name)
        if words and (odd := [each for each in words if not isinstance(each, str)]):
            raise OddDocument(_odd_value(kind, identity, name, odd[0]))
    cluster: Mapping[str, Any] = document.get("meaning_cluster") or {}
    for name in _NUMBERS_IN_CLUSTER if cluster else ():
        value = cluster.get(name)
        if value is not None and not isinstance(value, int | float):
            raise OddDocument(_odd_value(kind, identity, f"meaning_cluster.{name}", value))


_FITTING: set[tuple[Any, ...]] = set()
"""The types of the fields of documents that were checked and fit; those of words and of definitions differ."""

_MOST_KINDS = 10_000


def check_versions(word: _Document, definitions: Iterable[_Document], entry: _Document) -> None:
    """Raise `OddDocument` where a write to one of these documents could not raise its version.

    `entry` may be empty. A version that is null is repaired by the write.
    """
    documents = [("word", word), *(("definition", each) for each in definitions), ("entry", entry)]
    for kind, document in documents:
        version = document.get("version")
        if version is not None and not is_number(version):
            raise OddDocument(_odd_value(kind, document["_id"], "version", version))


def is_number(value: Any) -> bool:
    """Whether the database can add to a value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _odd_value(kind: str, identity: Any, name: str, value: Any) -> str:
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"
    return f"its {kind} {identity} has {name} = {shown}, which is of the wrong type"


_SHOWN = 40
