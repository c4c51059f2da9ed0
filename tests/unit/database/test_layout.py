"""The layouts of Floridify's database: detected from its documents, and kept by writes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo import UpdateOne

from floridify_batch.components.change import Change, Collection, Insert, Update, value_digest, writes_of
from floridify_batch.database.document import encoded, encoded_id, new_word, updates_of, upsert
from floridify_batch.database.layout import PROVIDED, SYNTHESISED, TODAY, Layout, detect
from floridify_batch.words.entry import DocId, Stamp, unknown_entry

NOON = datetime(2025, 7, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=60)
ONE, TWO = (ObjectId(digit * 24) for digit in "12")
ID = DocId(str(ONE))

type Samples = Mapping[str, Sequence[dict[str, Any]]]

WORD = {"_id": ONE, "languages": ["en"], "created_at": NOON}
STRINGS = Layout(string_ids=True, string_references=True)


def found(samples: Samples, *more: str) -> Layout:
    return detect([*samples, *more], samples)


def sense(identity: Any, word: Any, **fields: Any) -> dict[str, Any]:
    return {"_id": identity, "word_id": word, "created_at": NOON, **fields}


# ── what is found ──────────────────────────────────────────────────────────────────────────────────────────────────

CASES: list[tuple[str, Samples, Layout]] = [
    ("an empty database", {}, TODAY),
    ("collections without documents", {"words": [], "dictionary_entries": [], "definitions": []}, TODAY),
    ("today's", {"words": [WORD], "definitions": [sense(TWO, ONE)], "dictionary_entries": [sense(TWO, ONE)]}, TODAY),
    ("a word that says nothing", {"words": [{"_id": ONE}]}, TODAY),
    ("strings everywhere", {"words": [WORD | {"_id": ID}], "definitions": [sense(str(TWO), ID)]}, STRINGS),
    ("strings, and nothing refers to anything", {"words": [WORD | {"_id": ID}]}, STRINGS),
    (
        "ObjectIds that are referred to by strings",
        {"words": [WORD], "definitions": [sense(TWO, ID)]},
        Layout(string_references=True),
    ),
    (
        "references in a list alone",
        {"words": [WORD], "dictionary_entries": [{"_id": TWO, "definition_ids": [str(ONE)]}]},
        Layout(string_references=True),
    ),
    (
        "texts that are no ids among references",
        {"words": [WORD], "dictionary_entries": [{"_id": TWO, "word_id": ONE, "definition_ids": ["x"]}]},
        TODAY,
    ),
    (
        "a text among references that are ObjectIds",
        {
            "words": [WORD],
            "definitions": [sense(each, ONE) for each in (ONE, TWO, ObjectId("3" * 24))],
            "dictionary_entries": [{"_id": ObjectId("4" * 24), "definition_ids": [str(ONE)], "created_at": LATER}],
        },
        Layout(both_references=True),
    ),
    ("one language", {"words": [{"_id": ONE, "language": "en"}]}, Layout(single_language=True)),
    ("both fields in each word", {"words": [WORD | {"language": "en"}]}, TODAY),
    ("entries in two collections", {"words": [WORD], SYNTHESISED: [sense(TWO, ONE)]}, Layout(split_entries=True)),
    ("entries of providers alone", {PROVIDED: [sense(TWO, ONE)], "dictionary_entries": []}, Layout(split_entries=True)),
    ("the older collections, still empty", {SYNTHESISED: [], PROVIDED: []}, Layout(split_entries=True)),
    ("today's collection beside the older ones, all empty", {SYNTHESISED: [], "dictionary_entries": []}, TODAY),
    (
        "every trait",
        {"words": [{"_id": ID, "language": "en"}], SYNTHESISED: [sense(str(TWO), ID)]},
        Layout(string_ids=True, string_references=True, single_language=True, split_entries=True),
    ),
]


@pytest.mark.parametrize(("samples", "layout"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_detected(samples: Samples, layout: Layout) -> None:
    """Each trait is detected independently; without evidence the layout is today's."""
    assert found(samples) == layout


def test_strangers_do_not_count() -> None:
    """Collections of other programs do not affect the layout."""
    assert found({"words": [WORD]}, "users", "sessions") == TODAY


@pytest.mark.parametrize(("new", "older"), [(str(TWO), True), (TWO, False)])
def test_both_ids(new: Any, older: bool) -> None:
    """With both kinds of IDs in a database, both are looked up, and the newest document determines the kind written."""
    layout = found(
        {"words": [WORD | {"_id": str(ONE) if not older else ONE}, WORD | {"_id": new, "created_at": LATER}]}
    )
    assert (layout.both_ids, layout.string_ids) == (True, older)
    condition = layout.with_ids([ID])["$in"]
    assert len(condition) == 2
    assert all(each in condition for each in (ONE, str(ONE)))


def test_a_tie_is_todays() -> None:
    """If documents of both kinds are equally new, today's kind is used."""
    words: list[dict[str, Any]] = [{"_id": ID, "language": "en"}, {"_id": TWO, "languages": ["en"]}]
    layout = found({"words": words, "dictionary_entries": [{"_id": ONE}], SYNTHESISED: [{"_id": ID}]})
    assert [layout.string_ids, layout.single_language, layout.split_entries] == [False] * 3
    assert layout.both_ids
    assert layout.both_languages
    assert layout.both_entries


# ── what follows from it ───────────────────────────────────────────────────────────────────────────────────────────


def test_languages() -> None:
    """Words are queried and created with the database's language field; with both, if it has both."""
    word = unknown_entry("moon", "en").word
    single = Layout(single_language=True)
    assert (TODAY.of_language("en"), single.of_language("en")) == ({"languages": "en"}, {"language": "en"})
    assert new_word(word, single)["language"] == "en"
    assert "languages" not in new_word(word, single)
    assert "language" not in new_word(word)
    both = Layout(both_languages=True)
    assert both.of_language("en") == {"$or": [{"languages": "en"}, {"language": "en"}]}
    assert new_word(word, both) == new_word(word)


def test_entries() -> None:
    """Entries are read from all collections, ours first; only ours are written."""
    split, both = Layout(split_entries=True), Layout(both_entries=True)
    assert TODAY.entry_collections == ("dictionary_entries",)
    assert split.entry_collections == (SYNTHESISED, PROVIDED)
    assert both.entry_collections == ("dictionary_entries", SYNTHESISED, PROVIDED)
    assert Layout(split_entries=True, both_entries=True).entry_collections[0] == SYNTHESISED
    assert [layout.own_collection(Collection.ENTRIES) for layout in (TODAY, split)] == [
        "dictionary_entries",
        SYNTHESISED,
    ]
    assert split.own_collection(Collection.FACTS) == "facts"
    assert both.own_collections(Collection.ENTRIES) == ("dictionary_entries", SYNTHESISED)
    assert both.own_collections(Collection.WORDS) == ("words",)


def test_ids_and_references() -> None:
    """An `_id` and a reference to it are each written in their own spelling; other texts stay unchanged."""
    layout = Layout(string_references=True)
    assert encoded_id(ID, layout) == ONE
    assert encoded({"word_id": ID, "ids": [ID], "text": "x", "n": 1}, layout) == {
        "word_id": str(ONE),
        "ids": [str(ONE)],
        "text": "x",
        "n": 1,
    }
    assert type(encoded(ID, STRINGS)) is str
    assert encoded_id(ID, STRINGS) == str(ONE)
    assert (encoded_id(ID), encoded(ID)) == (ONE, ONE)


def test_unified() -> None:
    """IDs are unified if a database has both kinds, and otherwise left unchanged."""
    read = {"_id": ONE, "word_id": str(TWO), "source_definitions": [{"definition_id": TWO}], "text": "x"}
    assert Layout(string_references=True).unified(read) == {
        "_id": str(ONE),
        "word_id": str(TWO),
        "source_definitions": [{"definition_id": str(TWO)}],
        "text": "x",
    }
    assert TODAY.unified(read) is read
    assert STRINGS.unified(read) is read


def test_odd_ids() -> None:
    """A value that is no valid ID is looked up unchanged."""
    assert TODAY.with_ids([ONE, 7, "x"]) == {"$in": [ONE, 7, "x"]}


STAMP = Stamp(DocId("a" * 24), "run", "b1", NOON, "gpt-6-luna", "t", "batch")


def change() -> Change:
    example = Insert(Collection.EXAMPLES, DocId(str(TWO)), {"definition_id": ID, "text": "x"})
    target = Update(Collection.DEFINITIONS, ID, {"example_ids": [example.id]}, {"fact_ids": (example.id,)})
    return Change("examples", target, STAMP, NOON, (example,))


def written(made: UpdateOne) -> Any:
    """Return the document of an update."""
    return made._doc


def test_updates_in_strings() -> None:
    """An update has its document's ID, its stamp and its references as strings, if the database does."""
    (made,) = updates_of(writes_of([change()]).updates, STRINGS)
    assert made._filter == {"_id": str(ONE), "synthesis.examples": {"$ne": STAMP.id}}
    assert written(made) == {
        "$set": {
            "example_ids": [str(TWO)],
            "synthesis.examples": "a" * 24,
            "synthesis_digests.example_ids": value_digest([str(TWO)]),
            "updated_at": NOON,
        },
        "$inc": {"version": 1},
        "$addToSet": {"fact_ids": {"$each": [str(TWO)]}},
    }


def test_updates_among_both() -> None:
    """With both kinds of IDs, an update matches its document and its stamp in either."""
    (made,) = updates_of(writes_of([change()]).updates, Layout(both_ids=True, both_references=True))
    stamp = ObjectId(STAMP.id)
    assert made._filter == {"_id": {"$in": [ONE, str(ONE)]}, "synthesis.examples": {"$nin": [stamp, str(stamp)]}}
    assert written(made)["$set"]["example_ids"] == [TWO]


def test_upserts_among_both() -> None:
    """With both kinds of IDs, a new document has the newer kind, and is not created if it exists in the other."""
    made = upsert(ID, {"text": "x"}, NOON, Layout(both_ids=True))
    assert made._filter == {"_id": {"$in": [ONE, str(ONE)]}}
    assert written(made)["$setOnInsert"]["_id"] == ONE


# ── description ────────────────────────────────────────────────────────────────────────────────────────────────────

OLDER = "This database has an older layout of Floridify, which is kept: "


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (STRINGS, "IDs are strings."),
        (Layout(string_references=True), "references are strings."),
        (Layout(string_ids=True), "IDs are strings, references are ObjectIds."),
        (Layout(single_language=True), "`language` in words."),
        (Layout(split_entries=True), f"entries in {SYNTHESISED} and {PROVIDED}."),
        (
            Layout(both_ids=True, both_references=True),
            "IDs are strings in part, ObjectIds elsewhere and in new documents.",
        ),
        (
            Layout(single_language=True, both_languages=True),
            "`language` in words in part and in new documents, `languages` elsewhere.",
        ),
        (
            Layout(string_ids=True, string_references=True, single_language=True, split_entries=True),
            f"IDs are strings, `language` in words, entries in {SYNTHESISED} and {PROVIDED}.",
        ),
    ],
)
def test_described(layout: Layout, message: str) -> None:
    """A layout that is not today's is described in one sentence."""
    assert layout.describe() == OLDER + message


def test_nothing_to_say() -> None:
    """Today's layout is not described."""
    assert TODAY.describe() == ""
