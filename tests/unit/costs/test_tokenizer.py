"""Token counts, offline."""

import pytest
from hypothesis import given, strategies

from floridify_batch.costs.tokenizer import _encoding, count_tokens, schema_tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("hello", 1), ("hello world", 2), ("Hello, world!", 4), ("12345", 2), ("naïve café", 4)],
)
def test_known_counts(text: str, tokens: int) -> None:
    """Token counts equal those of the service."""
    assert count_tokens(text) == tokens


def test_special_tokens_are_text() -> None:
    """A word that looks like a control token is counted as ordinary text."""
    assert count_tokens("<|endoftext|>") > 3


def test_any_script() -> None:
    """Texts in every script can be counted, emoji and combining marks included."""
    assert count_tokens("日本語 שלום 👩‍👩‍👧 \u0301") > 4


@given(strategies.text(alphabet="aB9é. /<>'\n\r\t\u0301²", max_size=60))
def test_paragraphs_change_no_count(text: str) -> None:
    """A text that is counted by paragraphs has as many tokens as the whole."""
    assert count_tokens(text) == len(_encoding().encode_ordinary(text))


SCHEMA = {
    "type": "object",
    "properties": {
        "required": {"type": "array", "items": {"$ref": "#/$defs/Item"}},
        "additionalProperties": {"anyOf": [{"type": "object", "required": ["x"]}, {"type": "null"}]},
    },
    "required": ["required", "additionalProperties"],
    "additionalProperties": False,
    "$defs": {"Item": {"type": "object", "properties": {}, "required": [], "additionalProperties": False}},
}


def test_keywords_that_strict_mode_implies_are_not_billed() -> None:
    """A schema is billed without `required` and `additionalProperties`; fields with these names are billed."""
    billed = (
        '{"type":"object","properties":{"required":{"type":"array","items":{"$ref":"#/$defs/Item"}},'
        '"additionalProperties":{"anyOf":[{"type":"object"},{"type":"null"}]}},'
        '"$defs":{"Item":{"type":"object","properties":{}}}}'
    )
    assert schema_tokens("synonyms", SCHEMA, system=True) == count_tokens(billed) + 8 + 2 * count_tokens("synonyms")
    assert schema_tokens("synonyms", SCHEMA, system=False) == schema_tokens("synonyms", SCHEMA, system=True) + 4
