"""Reading entries from documents of any shape."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st

from floridify_batch.components.change import REVIEWED, review_mark, value_digest
from floridify_batch.database.lookup import Headword
from floridify_batch.database.provenance import Origin, Review
from floridify_batch.display.entry_page import remarks
from floridify_batch.export.document_reader import DocumentReader, clean
from floridify_batch.export.entry import ExportedEntry
from floridify_batch.words.entry import DocId, copied_id

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


def test_numbers_as_texts() -> None:
    """A number is exported with all of its digits; one that is not finite is an odd value."""
    entry, reader = read({"text": 12345678, "region": 0.1234567891, "frequency_band": 5.0, "domain": float("nan")})
    [sense] = entry.senses
    assert (sense.text, sense.region, sense.frequency_band, sense.domain) == ("12345678", "0.1234567891", "5", "")
    assert dict(reader.odd) == {"definitions.domain": 1}


SENSE_FIELDS = (
    *("text", "part_of_speech", "synonyms", "example_ids", "collocations", "word_forms", "usage_notes", "providers"),
    *("synthesis", "synthesis_digests", "frequency_band", "meaning_cluster", "grammar_patterns"),
)
ENTRY_FIELDS = (
    *("definition_ids", "etymology", "phrases", "synonym_chooser", "fact_ids", "pronunciation_id", "synthesis"),
    "languages",
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is slow
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


def test_time_of_the_last_change() -> None:
    """The time of an entry is that of the last change of any of its documents; a document may have none."""
    first, later = datetime(2026, 3, 1, 8, tzinfo=UTC), datetime(2026, 3, 1, 9)  # noqa: DTZ001  as some clients store
    assert read({})[0].changed is None
    assert read({"created_at": first, "updated_at": "soon"})[0].changed == first
    examples = [{"_id": "x", "text": "the bank", "created_at": first, "updated_at": later}]
    assert read({"updated_at": first}, examples=examples)[0].changed == later.replace(tzinfo=UTC)


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


def changes(digests: dict[str, str], **fields: Any) -> dict[str, tuple[bool, str]]:
    """Return which values of a sense are edited and reviewed."""
    sense = read({"synthesis_digests": digests, **fields})[0].senses[0]
    found: dict[str, tuple[bool, str]] = {name: (each.edited, each.reviewed) for name, each in sense.provenance.items()}
    assert (sense.edited, sense.reviewed) == tuple(map(any, zip(*found.values(), strict=True)))
    return found


def test_changed_values() -> None:
    """An edited or reviewed definition is in the provenance of its sense, and so is any value without a model."""
    written = {"name": "gpt-6-luna", "last_generated": datetime(2026, 3, 1, tzinfo=UTC)}
    digest = {"text": value_digest("land by a river")}
    entry, _ = read({"model_info": written, "synthesis_digests": digest})
    assert entry.senses[0].provenance == {"definition": Origin("gpt-6-luna", "2026-03-01")}
    assert changes(digest, text="land by the sea") == {"definition": (True, "")}
    assert changes({"text": REVIEWED}) == {"definition": (False, "reviewed")}
    assert changes({"part_of_speech": value_digest("verb")}) == {"part_of_speech": (True, "")}
    mixed = {"synonyms": value_digest(["sea"]), "cognates": REVIEWED, "domain": REVIEWED}
    assert changes(mixed, synonyms=["shore"], domain="law", cognates=["rive"]) == {
        "synonyms": (True, "reviewed"),
        "domain": (False, "reviewed"),
    }


def test_decisions_of_a_review() -> None:
    """A reviewed value is accepted as it was written, edited if it differs, and rejected if it is empty."""
    law, shore = review_mark(value_digest("law")), review_mark(value_digest(["shore"]))
    assert changes({"domain": law}, domain="law") == {"domain": (False, "accepted")}
    assert changes({"domain": law}, domain="music") == {"domain": (False, "edited")}
    assert changes({"domain": law}, domain=None) == changes({"domain": REVIEWED}) == {"domain": (False, "rejected")}
    both = {"synonyms": shore, "cognates": review_mark(value_digest(["rive"]))}
    assert changes(both, synonyms=["shore"], cognates=[]) == {"synonyms": (False, "rejected")}
    assert changes(both, synonyms=["side"], cognates=[]) == {"synonyms": (False, "edited")}


def test_changed_documents() -> None:
    """An edited example changes its sense; an edited fact or pronunciation, the word."""
    before = {name: value_digest("before") for name in ("text", "content", "ipa")}
    own: dict[str, Any] = {"synthesis_digests": before}
    entry, _ = read(
        {"example_ids": ["x", "y"]},
        {"fact_ids": ["f"], "pronunciation_id": "p"},
        examples=[{"_id": "x", "text": "the bank", **own}, {"_id": "y", "text": "a bank"}],
        facts=[{"_id": "f", "content": "Banks are old.", **own}],
        pronunciations=[{"_id": "p", "ipa": "bæŋk", "synthesis_digests": {"ipa": REVIEWED}}],
    )
    edited = Origin("", "", edited=True)
    assert entry.senses[0].provenance == {"examples": edited}
    assert [each.origin for each in entry.senses[0].examples] == [edited, None]
    assert entry.provenance == {"facts": edited, "pronunciation": Origin("", "", reviewed=Review.UNKNOWN)}


def test_edited_copy() -> None:
    """A copy that reads differently from its unchanged source is edited, as `show` says, too."""
    source = "65aa0000000000000000000a"
    at = datetime(2026, 3, 1, tzinfo=UTC)
    copy = {
        "_id": copied_id(DocId(source)),
        "text": "land by the sea",
        "created_at": at,
        "source_definitions": [{"provider": "wiktionary", "entry_id": "e", "definition_ids": [source]}],
    }
    unchanged = {"_id": source, "text": "land by a river", "updated_at": at}
    headword = Headword(
        WORD, [{"_id": "e", "provider": "synthesis", "definition_ids": [copy["_id"]]}], [copy, unchanged]
    )
    (sense,) = DocumentReader().entry(headword, "en", {}).senses
    assert sense.provenance == {"definition": Origin("", "", edited=True)}
    (origin,) = [each for each in remarks(headword, "en", {}) if "edited" in each.text.plain]
    assert origin.text.plain == "1: edited: definition"


def test_media() -> None:
    """Images and recordings are counted, since no format holds them."""
    spoken = {"_id": "p", "ipa": "bæŋk", "audio_file_ids": ["a", "b"]}
    entry, _ = read({"image_ids": ["i"]}, {"image_ids": ["j"], "pronunciation_id": "p"}, pronunciations=[spoken])
    assert (entry.senses[0].images, entry.images, entry.recordings) == (1, 1, 2)


def test_clean() -> None:
    """Control characters are removed, and every line end is a line feed."""
    assert clean(" a\x00b\r\nc\u2028d\x1b[1m\ufffe\te ") == "ab\nc\nd[1m\te"
