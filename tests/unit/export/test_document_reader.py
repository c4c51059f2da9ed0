"""Reading entries from documents of any shape."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given, strategies as st

from floridify_batch.components.change import value_digest
from floridify_batch.database.lookup import Headword
from floridify_batch.database.provenance import Origin
from floridify_batch.export.document_reader import DocumentReader, clean
from floridify_batch.export.entry import ExportedEntry

WORD: dict[str, Any] = {"_id": "w", "text": "bank", "languages": ["en"], "homograph_number": None}
ODD = ({"a": 1}, [1, {"b": []}], 7, True, "text", None, [["x"]], datetime(2026, 3, 1, tzinfo=UTC))


def read(
    definition: dict[str, Any], entry: dict[str, Any] | None = None, **parts: Any
) -> tuple[ExportedEntry, DocumentReader]:
    """Read a word with one definition and a synthesis entry."""
    whole = {"_id": "d", "text": "land by a river", "part_of_speech": "noun"} | definition
    own = {"_id": "e", "provider": "synthesis", "definition_ids": ["d"]} | (entry or {})
    reader = DocumentReader()
    headword = Headword(WORD, [own], [whole], **parts)
    stamp = {"_id": "s", "model": "gpt-5.4-nano", "batch_created": datetime(2026, 3, 1, tzinfo=UTC)}
    return reader.entry(headword, "en", {"s": stamp}), reader


def test_odd_value() -> None:
    """A value of the wrong type is left out and counted with its document; the others are read."""
    fields = {"synonyms": "shore", "antonyms": ["sea", 5], "domain": {"name": "law"}, "region": "US"}
    entry, reader = read(fields, {"etymology": 5, "phrases": [{"phrase": ["x"]}]})
    sense = entry.senses[0]
    assert (sense.synonyms, sense.antonyms, sense.domain, sense.region) == ((), ("sea",), "", "US")
    assert dict(reader.odd) == {
        "dictionary_entries.etymology": 1,
        "dictionary_entries.phrase": 1,
        "definitions.domain": 1,
        "definitions.synonyms": 1,
        "definitions.antonyms": 1,
    }
    assert reader.first_odd["definitions.domain"] == "d"


SENSE_FIELDS = (
    *("text", "part_of_speech", "synonyms", "example_ids", "collocations", "word_forms", "usage_notes", "providers"),
    *("synthesis", "synthesis_digests", "frequency_band", "meaning_cluster", "grammar_patterns"),
)
ENTRY_FIELDS = (
    *("definition_ids", "etymology", "phrases", "synonym_chooser", "fact_ids", "pronunciation_id", "synthesis"),
    "languages",
)


@given(
    st.dictionaries(st.sampled_from(SENSE_FIELDS), st.sampled_from(ODD)),
    st.dictionaries(st.sampled_from(ENTRY_FIELDS), st.sampled_from(ODD)),
)
def test_any_shape(definition: dict[str, Any], entry: dict[str, Any]) -> None:
    """No value of any field stops an export."""
    read(definition, entry)


def test_dangling_references() -> None:
    """References to documents that do not exist are counted."""
    _, reader = read({"example_ids": ["x", "gone"]}, {"fact_ids": ["f"]}, examples=[{"_id": "x", "text": "the bank"}])
    assert dict(reader.dangling) == {"example_ids": 1, "fact_ids": 1}


def test_provenance() -> None:
    """A generated value has its model and day; one that was changed since is edited."""
    digests = {"synonyms": value_digest(["shore"]), "antonyms": value_digest(["sea"])}
    stamps = {"synonyms": "s", "antonyms": "s", "examples": "unknown"}
    fields = {"synonyms": ["shore"], "antonyms": ["ocean"], "synthesis": stamps, "synthesis_digests": digests}
    entry, _ = read(fields)
    assert entry.senses[0].provenance == {
        "synonyms": Origin("gpt-5.4-nano", "2026-03-01"),
        "antonyms": Origin("gpt-5.4-nano", "2026-03-01", edited=True),
    }


def test_media() -> None:
    """Images and recordings are counted, since no format holds them."""
    spoken = {"_id": "p", "ipa": "bæŋk", "audio_file_ids": ["a", "b"]}
    entry, _ = read({"image_ids": ["i"]}, {"image_ids": ["j"], "pronunciation_id": "p"}, pronunciations=[spoken])
    assert (entry.senses[0].images, entry.images, entry.recordings) == (1, 1, 2)


def test_clean() -> None:
    """Control characters are removed, and every line end is a line feed."""
    assert clean(" a\x00b\r\nc\u2028d\x1b[1m\ufffe\te ") == "ab\nc\nd[1m\te"
