"""The driver's errors as sentences."""

from typing import Any

import pytest
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError

from floridify_batch.database.error import plain, stated, unreachable


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OperationFailure("not authorized on f", 13, {"ok": 0.0, "code": 13}), "not authorized on f"),
        (ServerSelectionTimeoutError("h:1: refused, Timeout: 2.0s, Topology Description: <…>"), "h:1: refused"),
        (OperationFailure("h:1: closed (configured timeouts: socketTimeoutMS: 20000.0ms)"), "h:1: closed"),
        (
            OperationFailure("Document failed validation: fields a, b and c."),
            "Document failed validation: fields a, b and c",
        ),
    ],
)
def test_plain(error: Exception, sentence: str) -> None:
    """The description of the topology, of timeouts or of the whole reply is left out; the rest of the message stays."""
    assert plain(error) == sentence
    assert f"cannot be reached: {sentence}. Check --mongo-url" in str(unreachable(error))


def refusal(**details: Any) -> dict[str, Any]:
    """A write error of a collection with a validator, as the server states it."""
    return {"errmsg": "Document failed validation", "errInfo": {"failingDocumentId": 7, "details": details}}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ({"errmsg": "E11000 duplicate key"}, "E11000 duplicate key"),
        ({}, "no reason given"),
        ({"errmsg": "failed", "errInfo": {}}, "failed"),
        ({"errmsg": "failed", "errInfo": {"failingDocumentId": 7, "details": None}}, "failed (document 7)"),
        (
            refusal(operatorName="$ne", specifiedAs={"text": {"$ne": "a"}}, reason="comparison succeeded"),
            "Document failed validation (document 7; field text: comparison succeeded)",
        ),
        (
            refusal(operatorName="$expr", specifiedAs={"$expr": {}}, reason="expression did not match"),
            "Document failed validation (document 7; expression did not match)",
        ),
    ],
)
def test_a_refused_write(error: dict[str, Any], sentence: str) -> None:
    """The sentence names the document and the field, as far as the server does."""
    assert stated(error) == sentence


def test_a_write_that_a_schema_refuses() -> None:
    """Each field is named with the first reason, and the others are counted."""
    item = {"operatorName": "bsonType", "specifiedAs": {"bsonType": "int"}, "reason": "type did not match"}
    wrong = [
        {"propertyName": "synonyms", "details": [{"operatorName": "items", "reason": "an item", "details": [item]}]}
    ]
    wrong += [{"propertyName": each, "details": [item]} for each in ("domain", "region")]
    rules = [
        {"operatorName": "properties", "propertiesNotSatisfied": wrong},
        {"operatorName": "required", "specifiedAs": {"required": ["owner"]}, "missingProperties": ["owner"]},
    ]
    assert stated(refusal(operatorName="$jsonSchema", schemaRulesNotSatisfied=rules)) == (
        "Document failed validation (document 7; field synonyms: type did not match; "
        "field domain: type did not match; field region: type did not match; 1 more)"
    )
