"""The driver's errors as sentences."""

import pytest
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError

from floridify_batch.database.error import plain, unreachable


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
