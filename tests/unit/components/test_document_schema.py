"""The schemas of Floridify's documents: what they accept, and that they say why they refuse."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

import floridify_batch.components
from floridify_batch.components.change import Change, Collection, Insert, SchemaVersion, Update
from floridify_batch.components.document_schema import change_fault, schemas_of
from floridify_batch.words.entry import PROVIDERS, SYNTHESIS, Stamp, derived_id

FOLDER = Path(floridify_batch.components.__file__).parent / "floridify"
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
INFO: dict[str, Any] = {"name": "gpt-6-luna", "confidence": 0.9, "temperature": 1.0, "last_generated": NOON}
EXAMPLE: dict[str, Any] = {
    "definition_id": derived_id("sense"),
    "text": "The sea was calm.",
    "type": "generated",
    "model_info": INFO,
}
CLUSTER: dict[str, Any] = {"id": "a", "slug": "a", "name": "A", "description": "", "order": 0, "relevance": 0.5}
REFERENCE: dict[str, Any] = {"provider": "wiktionary", "entry_id": derived_id("entry")}


def fault(collection: str, fields: dict[str, Any], version: SchemaVersion = SchemaVersion.TODAY) -> str:
    return schemas_of(version)[collection].fault(fields, whole=False)


@pytest.mark.parametrize("version", SchemaVersion)
def test_every_collection_has_a_schema(version: SchemaVersion) -> None:
    """Every collection that we write to has a schema in each version of Floridify's models."""
    assert set(Collection) <= schemas_of(version).keys()


@pytest.mark.parametrize(
    ("collection", "fields"),
    [
        ("definitions", {"synonyms": ["shore"] * 50, "meaning_cluster": None}),
        ("definitions", {"meaning_cluster": CLUSTER, "frequency_band": 5, "region": None}),
        ("definitions", {"source_definitions": [REFERENCE], "providers": ["synthesis"]}),
        ("definitions", {"example_ids": (derived_id(1),)}),
        ("words", {"text": "a" * 200, "languages": ["en"]}),
        ("words", {"languages": ["pt"], "synthesis": {"facts": derived_id("stamp")}}),
        ("examples", EXAMPLE),
        ("dictionary_entries", {"synonym_chooser": {"essay": "…", "synonyms_compared": [{"word": "a"}]}}),
        ("dictionary_entries", {"raw_data": {"anything": [1, {}]}, "model_info": None}),
    ],
)
def test_what_floridify_reads_is_accepted(collection: str, fields: dict[str, Any]) -> None:
    """Documents that Floridify's models load are accepted, with unknown languages and our own fields."""
    assert fault(collection, fields) == ""


@pytest.mark.parametrize(
    ("collection", "fields", "place"),
    [
        ("definitions", {"synonyms": ["shore"] * 51}, "definitions.synonyms: "),
        ("definitions", {"synonyms": "shore"}, "definitions.synonyms: "),
        ("definitions", {"frequency_band": 6}, "definitions.frequency_band: "),
        ("definitions", {"frequency_band": 0}, "definitions.frequency_band: "),
        ("definitions", {"frequency_band": True}, "definitions.frequency_band: "),
        ("definitions", {"language_register": "literary"}, "definitions.language_register: "),
        ("definitions", {"meaning_cluster": CLUSTER | {"relevance": None}}, "definitions.meaning_cluster.relevance: "),
        ("definitions", {"meaning_cluster": CLUSTER | {"order": -1}}, "definitions.meaning_cluster.order: "),
        ("definitions", {"source_definitions": [{"provider": "own"}]}, "definitions.source_definitions.0."),
        ("definitions", {"providers": ["own"]}, "definitions.providers.0: "),
        ("definitions", {"text": ""}, "definitions.text: "),
        ("definitions", {"example_ids": ["1"]}, "definitions.example_ids.0: "),
        ("examples", {"model_info": INFO | {"temperature": None}}, "examples.model_info.temperature: "),
        ("examples", {"model_info": INFO | {"temperature": 2.5}}, "examples.model_info.temperature: "),
        ("examples", {"model_info": INFO | {"last_generated": "now"}}, "examples.model_info.last_generated: "),
        ("facts", {"category": "gossip"}, "facts.category: "),
        ("words", {"languages": []}, "words.languages: "),
        ("words", {"languages": ["en-GB"]}, "words.languages.0: "),
        ("words", {"text": "a" * 201}, "words.text: "),
        ("dictionary_entries", {"synonym_chooser": {"synonyms_compared": []}}, "dictionary_entries.synonym_chooser."),
        ("dictionary_entries", {"synonym_chooser": {"essay": "…", "synonyms_compared": [{"word": 1}]}}, "dictionary"),
    ],
)
def test_what_floridify_cannot_read_is_named(collection: str, fields: dict[str, Any], place: str) -> None:
    """A value that Floridify's models refuse is named with its place."""
    assert fault(collection, fields).startswith(place)


def test_a_document_needs_its_fields() -> None:
    """A new document is checked as a whole: one without a required field is refused, an update without it is not."""
    schema = schemas_of(SchemaVersion.TODAY)["examples"]
    fields = {name: value for name, value in EXAMPLE.items() if name != "definition_id"}
    assert schema.fault(EXAMPLE, whole=True) == ""
    assert schema.fault(fields, whole=True) == "examples.definition_id: missing"
    assert schema.fault(fields, whole=False) == ""


def test_an_entry_of_july_2025_names_its_model() -> None:
    """In the layout of July 2025 a synthesis entry without the model's record cannot be read; in today's it can."""
    fields = {"word_id": derived_id("word"), "provider": SYNTHESIS, "model_info": None}
    assert fault(Collection.ENTRIES, fields) == ""
    assert "model_info" in fault(Collection.ENTRIES, fields, SchemaVersion.JULY_2025)


def test_every_part_of_a_change_is_checked() -> None:
    """One wrong value anywhere in what an answer writes makes the whole answer unusable."""
    stamp = Stamp(derived_id("stamp"), "run", "batch", NOON, "gpt-6-luna", "t", "batch")
    target = Update(Collection.DEFINITIONS, derived_id("sense"), {"example_ids": [derived_id(1), derived_id(2)]})
    inserts = tuple(Insert(Collection.EXAMPLES, derived_id(number), EXAMPLE) for number in (1, 2))
    change = Change("examples", target, stamp, NOON, inserts)
    assert change_fault(change, SchemaVersion.TODAY) == ""
    second = inserts[1]._replace(fields=EXAMPLE | {"text": "x" * 2001})
    assert change_fault(change._replace(inserts=(inserts[0], second)), SchemaVersion.TODAY).startswith("examples.text")
    wrong = target._replace(fields={"example_ids": ["?"]})
    assert change_fault(change._replace(target=wrong), SchemaVersion.TODAY).startswith("definitions.example_ids")
    assert change_fault(change._replace(updates=(wrong,)), SchemaVersion.TODAY).startswith("definitions.example_ids")


@pytest.mark.parametrize("name", [*PROVIDERS, SYNTHESIS])
def test_known_sources_are_floridifys(name: str) -> None:
    """The sources that an import accepts are those of Floridify's models."""
    assert fault("definitions", {"providers": [name]}) == ""


def test_no_source_is_left_out() -> None:
    """A source that Floridify's models name is one of those that an import accepts."""
    with (FOLDER / "today" / "dictionary_entries.json").open("rb") as file:
        names = orjson.loads(file.read())["$defs"]["DictionaryProvider"]["enum"]
    assert set(names) == {*PROVIDERS, SYNTHESIS}
