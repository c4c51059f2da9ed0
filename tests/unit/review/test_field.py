"""Values as texts that people edit: each can be written and read again without loss."""

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from floridify_batch.components.change import Collection
from floridify_batch.export.document_reader import clean
from floridify_batch.review.field import BY_NAME, PART_OF_SPEECH, ReviewField, is_reviewable, is_visible, parsed, shown

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).map(clean).filter(is_visible)


def field(name: str, collection: Collection = Collection.DEFINITIONS) -> ReviewField:
    return BY_NAME[collection, name]


@settings(max_examples=80, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4, unique=True))
def test_lists_of_texts(items: list[str]) -> None:
    """A list with separators, backslashes, line breaks or quotes in its items is read as it was written."""
    assert parsed(field("synonyms"), shown(field("synonyms"), items), ["other"]) == items


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
def test_lists_of_items(pairs: list[tuple[str, str]]) -> None:
    """Items of several parts are read as they were written, although none of them was stored before."""
    items = [{"pattern": one, "description": other} for one, other in pairs]
    named = field("grammar_patterns")
    assert parsed(named, shown(named, items), [{"pattern": "of", "description": "after nouns"}]) == items


COLLOCATIONS: list[dict[str, Any]] = [
    {"text": "steep bank", "type": "adjective + noun", "frequency": 0.123456789, "note": "kept"},
    {"text": "bank on", "type": "verb + adverb", "frequency": 0.5},
]


def test_edited_items() -> None:
    """Lines that were not edited keep all their fields, also when moved; an edited one keeps what has no part."""
    named = field("collocations")
    first, second = shown(named, COLLOCATIONS).split("\n")
    assert parsed(named, f"{second}\r\n{first}\n", COLLOCATIONS) == COLLOCATIONS[::-1]
    edited = parsed(named, "steep bank | adjective + noun | 0,4\nnew", COLLOCATIONS)
    assert edited[0] == COLLOCATIONS[0] | {"frequency": 0.4}
    assert edited[1] == {"text": "new", "type": "", "frequency": None}


@pytest.mark.parametrize(
    ("name", "text", "current", "reason"),
    [
        ("frequency_band", "often", 3, "is not a number"),
        ("synonyms", " ; ", ["one"], "the list has no item"),
        ("collocations", "a | b | 1 | c", COLLOCATIONS, "has 4 parts; a line has text | type | frequency"),
        ("collocations", "a | b | much", COLLOCATIONS, "is not a number"),
        ("collocations", " | adjective + noun | 0.5", COLLOCATIONS, "has no text"),
        ("collocations", "\u200b | adjective + noun", COLLOCATIONS, "has no text"),
        ("synonyms", "one; \u200b", ["one"], "an item of the list has no visible character"),
        ("part_of_speech", "xyz", "noun", "“xyz” is no part of speech; write one of noun, verb,"),
        ("part_of_speech", "verb; noun", "noun", "is no part of speech"),
    ],
)
def test_odd_edits(name: str, text: str, current: Any, reason: str) -> None:
    """An edited text that is no value of the field is refused with the reason."""
    with pytest.raises(ValueError, match=reason.replace("|", r"\|")):
        parsed(field(name), text, current)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        (r"{\rtf1\ansi x}", [r"{\rtf1\ansi x}"]),
        ("\\", ["\\"]),
        (r"C:\new; \a\|b", [r"C:\new", r"\a\|b"]),
        (r"a\;b; c\\;d\\e", ["a;b", "c\\", "d\\e"]),
        ("one\\\ntwo\nthree", ["one\ntwo", "three"]),
    ],
)
def test_backslashes(text: str, items: list[str]) -> None:
    """A backslash is kept, except before a separator, a line end or another backslash."""
    assert parsed(field("synonyms"), text, ["other"]) == items


@pytest.mark.parametrize(
    ("text", "label"),
    [("Verb", "verb"), ("adj.", "adjective"), (" Proper  Noun", "proper noun"), ("phrase", "phrase")],
)
def test_parts_of_speech(text: str, label: str) -> None:
    """A part of speech in other capitals, or abbreviated, is stored as its label."""
    assert parsed(PART_OF_SPEECH, text, "noun") == label


def test_numbers() -> None:
    """A number keeps its type: a spreadsheet writes 3 as 3.0."""
    assert parsed(field("frequency_band"), "3.0", 2) == 3
    assert isinstance(parsed(field("frequency_band"), "3.0", 2), int)


@pytest.mark.parametrize("value", [None, [], "", "  ", ["a", 1], [{"a": 1}], {"a": 1}, True])
def test_values_without_a_row(value: Any) -> None:
    """Empty values, and those of a type that the field does not have, are not reviewed."""
    assert not is_reviewable(field("synonyms"), value)
