"""The changes that decisions make in documents."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest

from floridify_batch.components.change import REVIEWED, Collection, SchemaVersion, value_digest
from floridify_batch.database.word_documents import Stored, WordDocuments
from floridify_batch.review.decision import DecidedRow, Verdict
from floridify_batch.review.field import BY_NAME
from floridify_batch.review.revision import Outcome, Revision
from floridify_batch.review.row import LONGEST_CELL, RowKey
from floridify_batch.words.entry import DocId, derived_id

WORD, ENTRY, SENSE, OTHER, EXAMPLE, SPOKEN = map(derived_id, ("word", "entry", "sense", "other", "example", "spoken"))
ETYMOLOGY = {"text": "From bank.", "origin_language": "Norse", "root_words": ["bakki"], "first_known_use": None}


def documents(languages: tuple[str, ...] = ("en",), **fields: Any) -> WordDocuments:
    """The documents of a word with two senses; `fields` are those of the first."""
    sense: dict[str, Any] = {
        "_id": SENSE,
        "word_id": WORD,
        "text": "an edge",
        "part_of_speech": "noun",
        "providers": ["synthesis"],
    }
    sense |= {"synonyms": ["side"], "example_ids": [EXAMPLE], **fields}
    entry: dict[str, Any] = {"_id": ENTRY, "word_id": WORD, "provider": "synthesis", "definition_ids": [SENSE, OTHER]}
    entry |= {"languages": [languages[-1]], "etymology": ETYMOLOGY, "pronunciation_id": SPOKEN}
    example = {"_id": EXAMPLE, "definition_id": SENSE, "text": "By the bank.", "type": "generated"}
    spoken = {"_id": SPOKEN, "word_id": WORD, "ipa": "bæŋk", "phonetic": "bank"}
    return WordDocuments(
        {"_id": WORD, "text": "bank", "languages": list(languages)},
        {each["_id"]: Stored("definitions", each) for each in (sense, sense | {"_id": OTHER, "example_ids": []})},
        [Stored("dictionary_entries", entry)],
        {EXAMPLE: Stored("examples", example), SPOKEN: Stored("pronunciations", spoken)},
    )


def revision(found: WordDocuments) -> Revision:
    return Revision([found], SchemaVersion.TODAY)


def decided(name: str, value: Any, verdict: Verdict, edited: str = "", place: DocId | None = None) -> DecidedRow:
    """A decision about a field of the first sense or of the entry that had a value."""
    collection = Collection.DEFINITIONS if (Collection.DEFINITIONS, name) in BY_NAME else Collection.ENTRIES
    holder = SENSE if collection == Collection.DEFINITIONS else ENTRY
    key = RowKey(collection, holder, BY_NAME[collection, name], place, value_digest(value))
    return DecidedRow(2, key, verdict, edited)


def changes(made: Revision) -> dict[DocId, dict[str, Any]]:
    """The new values by document; with `+` the fields marked as a person's, with `!` the stamps."""
    return {
        each.stored.id: each.fields
        | dict.fromkeys((f"+{name}" for name in each.marks), True)
        | dict.fromkeys((f"!{name}" for name in each.stamps), True)
        for each in made.revised.values()
        if each.is_changed
    }


@pytest.mark.parametrize("verdict", list(Verdict))
def test_an_example_that_does_not_name_its_definition(verdict: Verdict) -> None:
    """An example that only its definition names, and not the other way round, is named, not taken for a removed one."""
    found = documents()
    del found.linked[EXAMPLE]
    with pytest.raises(ValueError, match=f"{EXAMPLE} is missing, or does not name its word or its definition"):
        revision(found).take(decided("examples", "By the bank.", verdict, "At the bank.", EXAMPLE))


@pytest.mark.parametrize("odd", [{"synthesis_digests": "x"}, {"synthesis": None}, {"version": [1]}])
@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_document_that_cannot_be_written(odd: dict[str, Any], verdict: Verdict) -> None:
    """A row whose document the database would refuse is named, and costs no other row."""
    made = revision(documents(**odd))
    with pytest.raises(ValueError, match=f"has {next(iter(odd))} of a wrong type; repair it in the database"):
        made.take(decided("synonyms", ["side"], verdict, "shore"))
    assert made.take(decided("etymology.text", "From bank.", Verdict.ACCEPT)) is Outcome.ACCEPTED


def test_acceptance() -> None:
    """An accepted value is marked; it is unchanged if it was marked before."""
    row = decided("synonyms", ["side"], Verdict.ACCEPT)
    made = revision(documents())
    assert made.take(row) is Outcome.ACCEPTED
    assert changes(made) == {SENSE: {"+synonyms": True}}
    again = revision(documents(synthesis_digests={"synonyms": REVIEWED}))
    assert again.take(row) is Outcome.UNCHANGED
    assert changes(again) == {}


def test_parts_of_a_value() -> None:
    """Parts of one value are decided one after the other; the rejection of its text takes the others along."""
    made = revision(documents())
    assert made.take(decided("etymology.root_words", ["bakki"], Verdict.EDIT, "bakki\nbanke")) is Outcome.EDITED
    assert made.take(decided("etymology.origin_language", "Norse", Verdict.REJECT)) is Outcome.REJECTED
    new = ETYMOLOGY | {"root_words": ["bakki", "banke"], "origin_language": None}
    assert changes(made) == {ENTRY: {"etymology": new, "+etymology": True}}
    assert made.take(decided("etymology.text", "From bank.", Verdict.REJECT)) is Outcome.REJECTED
    assert changes(made) == {ENTRY: {"etymology": None, "+etymology": True}, WORD: {"!etymology": True}}


PARTS = [
    decided("etymology.text", "From bank.", Verdict.REJECT),
    decided("etymology.origin_language", "Norse", Verdict.REJECT),
    decided("etymology.root_words", ["bakki"], Verdict.REJECT),
]


@pytest.mark.parametrize("rows", list(permutations(PARTS)))
def test_all_parts_of_a_value(rows: Sequence[DecidedRow]) -> None:
    """A value of which all parts are rejected is null, in any order of the rows."""
    made = revision(documents())
    assert [made.take(each) for each in rows] == [Outcome.REJECTED] * 3
    assert changes(made) == {ENTRY: {"etymology": None, "+etymology": True}, WORD: {"!etymology": True}}


def test_the_rest_of_a_value() -> None:
    """A value that had no essential part is null once its other parts are rejected."""
    found = documents()
    found.entries[0] = Stored("dictionary_entries", {**found.entries[0].document, "etymology": {"root_words": ["a"]}})
    made = revision(found)
    assert made.take(decided("etymology.root_words", ["a"], Verdict.REJECT)) is Outcome.REJECTED
    assert changes(made)[ENTRY] == {"etymology": None, "+etymology": True}


@pytest.mark.parametrize(("languages", "key"), [(("en",), "!etymology"), (("en", "fr"), "!fr:etymology")])
def test_stamps_of_rejected_values(languages: tuple[str, ...], key: str) -> None:
    """A rejected value without a stamp gets one, with the prefix of a further language, so that no run requests it."""
    made = revision(documents(languages))
    made.take(decided("etymology.text", "From bank.", Verdict.REJECT))
    assert changes(made)[WORD] == {key: True}
    stamped = revision(documents(synthesis={"synonyms": "run"}))
    stamped.take(decided("synonyms", ["side"], Verdict.REJECT))
    assert changes(stamped) == {SENSE: {"synonyms": [], "+synonyms": True}}


def test_pronunciations() -> None:
    """A rejected transcription leaves the respelling; with both, the pronunciation goes."""
    made = revision(documents())
    made.take(decided("pronunciation.ipa", "bæŋk", Verdict.REJECT, place=SPOKEN))
    assert changes(made) == {SPOKEN: {"ipa": "", "+ipa": True}}
    assert not made.linked
    made.take(decided("pronunciation.respelling", "bank", Verdict.REJECT, place=SPOKEN))
    assert list(made.linked) == [SPOKEN]
    assert changes(made)[ENTRY] == {"pronunciation_id": None, "+pronunciation_id": True}
    assert SPOKEN not in changes(made), "a new text would prevent the removal of the document as it was read"


def test_a_document_that_others_name() -> None:
    """A rejected example that another document names stays; to reject it again changes nothing."""
    row = decided("examples", "By the bank.", Verdict.REJECT, place=EXAMPLE)
    fields: dict[str, Any] = {
        "example_ids": [],
        "synthesis_digests": {"example_ids": REVIEWED},
        "synthesis": {"examples": "run"},
    }
    made = revision(documents(**fields))
    assert made.take(row) is Outcome.UNCHANGED
    assert changes(made) == {}
    assert list(made.linked) == [EXAMPLE], "an interrupted removal is completed"


def test_examples() -> None:
    """A rejected example leaves its definition, which counts as answered."""
    made = revision(documents())
    assert made.take(decided("examples", "By the bank.", Verdict.REJECT, place=EXAMPLE)) is Outcome.REJECTED
    assert changes(made)[SENSE] == {"example_ids": [], "+example_ids": True, "!examples": True}
    assert list(made.linked) == [EXAMPLE]


def test_definitions() -> None:
    """A rejected definition goes with its examples and all decisions about it; the last one marks the entry."""
    found = documents()
    found.entries[0] = Stored("dictionary_entries", {**found.entries[0].document, "definition_ids": [SENSE]})
    made = revision(found)
    made.take(decided("synonyms", ["side"], Verdict.EDIT, "edge"))
    assert made.take(decided("definition", "an edge", Verdict.REJECT)) is Outcome.REJECTED
    assert (list(made.senses), list(made.linked)) == ([SENSE], [EXAMPLE])
    assert changes(made) == {ENTRY: {"+definitions": True}}


REFUSED = {
    "changed": (decided("synonyms", ["brink"], Verdict.ACCEPT), "it reads now “side”"),
    "emptied": (decided("antonyms", ["middle"], Verdict.ACCEPT), "somebody has removed the value"),
    "gone": (decided("examples", "Gone.", Verdict.ACCEPT, place=OTHER), "no longer in the database"),
    "a part of speech": (decided("part_of_speech", "noun", Verdict.REJECT), "can be edited, but not rejected"),
    "a level": (decided("cefr_level", "B1", Verdict.EDIT, "Z9"), "Floridify could not read the edited value"),
    "a long text": (decided("domain", "x" * 40_000, Verdict.EDIT, "x" * LONGEST_CELL), "longer than a cell of Excel"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_rows(case: str) -> None:
    """A decision that does not fit the stored value is refused with the reason, and changes nothing."""
    row, reason = REFUSED[case]
    made = revision(documents(cefr_level="B1", domain="x" * 40_000))
    with pytest.raises(ValueError, match=reason):
        made.take(row)
    assert changes(made) == {}


@pytest.mark.parametrize(
    ("stored", "edited", "new"),
    [
        ("=one", "'=two", "=two"),
        ("-ing", "'-ed", "-ed"),
        ("'-ing'", "'-ed'", "'-ed'"),
        ("one", "=two", "=two"),
        ("one", " two\r\nthree ", "two\nthree"),
        ("שלמה", '\u200f=שלמה, "א\'"', '\u200f=שלמה, "א\'"'),
    ],
)
def test_edited_texts(stored: str, edited: str, new: str) -> None:
    """An edited text is stored as it was typed, without the apostrophe that guards a cell."""
    made = revision(documents(region=stored))
    assert made.take(decided("regional_variants", stored, Verdict.EDIT, edited)) is Outcome.EDITED
    assert changes(made) == {SENSE: {"region": new, "+region": True}}
    again = revision(documents(region=new, synthesis_digests={"region": REVIEWED}))
    assert again.take(decided("regional_variants", stored, Verdict.EDIT, edited)) is Outcome.UNCHANGED
