"""Documents of the database: read into entries, and written from changes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo import UpdateOne

from floridify_batch.components.change import Change, Collection, Insert, Update, value_digest, writes_of
from floridify_batch.database.document import (
    DEFINITION_FIELDS,
    Document,
    Found,
    encoded,
    new_word,
    read_entry,
    read_stamp,
    stamp_fields,
    updates_of,
    upsert,
)
from floridify_batch.words.entry import Definition, DocId, Stamp, Word, copied_id, derived_id, unknown_entry

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
WORD, ONE, TWO, THREE, ENTRY = (ObjectId(str(digit) * 24) for digit in range(1, 6))
STAMP = Stamp(DocId("a" * 24), "run", "b1", NOON, "gpt-6-luna", "t", "batch")


def change(
    component: str = "synonyms", target: ObjectId = ONE, fields: dict[str, Any] | None = None, **more: Any
) -> Change:
    update = Update(Collection.DEFINITIONS, DocId(str(target)), {component: ["x"]} if fields is None else fields)
    return Change(component, update, more.pop("stamp", STAMP), more.pop("completed", NOON), **more)


def sense(identity: ObjectId, text: str = "land", **fields: Any) -> dict[str, Any]:
    return {"_id": identity, "word_id": WORD, "part_of_speech": "noun", "text": text, **fields}


def word(**fields: Any) -> dict[str, Any]:
    return {"_id": WORD, "text": "bank", **fields}


def found(*senses: dict[str, Any], entry: list[Any] | None = None) -> Found:
    ours: Document = {"_id": ENTRY, "word_id": WORD, "definition_ids": entry, "provider": "synthesis"}
    entries: dict[Any, list[Document]] = {} if entry is None else {WORD: [ours]}
    own: dict[Any, Document] = {each["_id"]: each for each in senses}
    return Found([word()], {WORD: own}, entries)


def copies(*sources: ObjectId) -> list[DocId]:
    return [copied_id(DocId(str(each))) for each in sources]


def ids(documents: Found) -> list[str]:
    """The definitions that would be enhanced."""
    return [each.id for each in read_entry(word(), documents, {}, "en").definitions]


def operation(made: UpdateOne) -> tuple[Any, Any]:
    """Return the filter and the document of an update."""
    return made._filter["_id"], made._doc


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("entry", "chosen"),
    [
        pytest.param(None, copies(ONE, TWO, THREE), id="no synthesis entry: copies of all definitions"),
        pytest.param([THREE, ONE], [THREE, ONE], id="a synthesis entry: its own, in its order"),
        pytest.param([TWO, TWO], [TWO], id="a definition that is named twice"),
        pytest.param([TWO, ObjectId("f" * 24)], [TWO], id="a definition that does not exist"),
        pytest.param([], copies(ONE, TWO, THREE), id="an empty synthesis entry"),
        pytest.param([ObjectId("f" * 24)], copies(ONE, TWO, THREE), id="a synthesis entry that names none that exist"),
    ],
)
def test_which_definitions(entry: list[Any] | None, chosen: list[Any]) -> None:
    """The definitions that the dictionary shows are the ones that are enhanced."""
    assert ids(found(sense(ONE), sense(TWO), sense(THREE), entry=entry)) == list(map(str, chosen))


def test_a_word_of_several_languages() -> None:
    """Requests about a word use definitions and etymologies of sources in its language only."""
    documents = found(sense(ONE, "land"), sense(TWO, "banque"), sense(THREE, "listed by nothing"))
    source: dict[str, Any] = {"_id": ENTRY, "word_id": WORD, "provider": "wiktionary"}
    english: Document = source | {"definition_ids": [ONE], "languages": ["en"], "etymology": {"text": "from Old Norse"}}
    french: Document = source | {"definition_ids": [TWO], "languages": ["fr"], "etymology": {"text": "de l'italien"}}
    documents.entries[WORD] = [english, french]
    entry = read_entry(word(languages=["en", "fr"]), documents, {}, "en-GB")
    assert {each.text for each in entry.sources} == {"land", "listed by nothing"}
    assert entry.etymologies == (("wiktionary", "from Old Norse"),)
    assert "banque" in {each.text for each in read_entry(word(), documents, {}, "fr").sources}


def test_two_synthesis_entries() -> None:
    """Floridify of July 2025 adds a synthesis entry with each synthesis: the oldest counts, no other's are sources."""
    documents = found(sense(ONE, "land"), sense(TWO, "a bank"), sense(THREE, "our bank"))
    source: dict[str, Any] = {"_id": ObjectId(), "word_id": WORD, "provider": "wiktionary", "definition_ids": [ONE]}
    ours: dict[str, Any] = source | {"_id": ObjectId("f" * 24), "definition_ids": [THREE], "provider": "synthesis"}
    newer = ours | {"_id": ObjectId("0" * 24), "definition_ids": [TWO], "created_at": NOON}
    documents.entries[WORD] = [newer, source, ours | {"created_at": NOON - timedelta(days=1)}]
    entry = read_entry(word(), documents, {}, "en")
    assert entry.synthesis_entry == "f" * 24
    assert "our bank" in {each.text for each in entry.definitions}
    assert "a bank" not in {each.text for each in (*entry.definitions, *entry.sources)}


def test_an_entry() -> None:
    """A word is read with its language, its homograph number and the id of its synthesis entry."""
    entry = read_entry(word(homograph_number=2), found(sense(ONE), entry=[ONE]), {}, "en")
    assert entry.word == Word(DocId(str(WORD)), "bank", "en", 2)
    assert entry.word.stored
    assert entry.synthesis_entry == str(ENTRY)
    assert read_entry(word(), found(), {}, "en").definitions == ()
    assert read_entry(word(), found(), {}, "en").synthesis_entry is None


def test_a_definition() -> None:
    """A definition is read with all fields; null or absent ones count as missing."""
    stored = sense(ONE, synonyms=["shore"], cefr_level="B1", example_ids=[TWO], domain=None, antonyms=None)
    (read,) = read_entry(word(), found(stored, entry=[ONE]), {}, "en").definitions
    assert read == Definition(
        DocId(str(ONE)), "noun", "land", synonyms=["shore"], cefr_level="B1", example_ids=[DocId(str(TWO))]
    )


def test_a_bare_definition() -> None:
    """A definition document without a text is read, and no request is made about it."""
    (read,) = read_entry(word(), found({"_id": ONE, "word_id": WORD}), {}, "en").definitions
    assert (read.part_of_speech, read.text) == ("", "")


def test_every_field_is_known() -> None:
    """Each field of a query exists in a definition."""
    assert set(DEFINITION_FIELDS) <= set(Definition.__dataclass_fields__)


def test_stamps_are_read() -> None:
    """A document's stamps are looked up by their IDs; a missing one counts as none."""
    bearing = sense(ONE, synthesis={"synonyms": ObjectId("a" * 24), "domain": ObjectId("b" * 24)})
    documents = Found([word(synthesis={"definitions": ObjectId("c" * 24)})], {WORD: {ONE: bearing}})
    assert documents.stamp_ids() == {ObjectId(letter * 24) for letter in "abc"}
    (read,) = read_entry(word(), documents, {ObjectId("a" * 24): STAMP}, "en").definitions
    assert read.stamps == {"synonyms": STAMP}


def test_a_stamp_there_and_back() -> None:
    """A stamp is read as it was written."""
    stored = stamp_fields(STAMP) | {"_id": ObjectId(STAMP.id)}
    assert "id" not in stamp_fields(STAMP)
    assert read_stamp(stored) == STAMP


# ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nested_ids_are_encoded() -> None:
    """IDs are ObjectIds in the database, in lists and nested documents too; texts of 24 hex digits stay texts."""
    identity = DocId(str(ONE))
    value = {"a": identity, "b": [identity, {"c": (identity,)}], "text": str(ONE), "n": 1, "none": None, "at": NOON}
    assert encoded(value) == {
        "a": ONE,
        "b": [ONE, {"c": [ONE]}],
        "text": str(ONE),
        "n": 1,
        "none": None,
        "at": NOON,
    }


def test_derived_ids_can_be_object_ids() -> None:
    """A derived ID is valid in MongoDB for any input."""
    assert str(ObjectId(derived_id("wörd", 1, None))) == derived_id("wörd", 1, None)


def test_one_update_per_document() -> None:
    """A document is written once for all its answered components, and its version counts each."""
    later = NOON + timedelta(hours=1)
    other = Stamp(DocId("b" * 24), "run", "b1", NOON, "gpt-6-luna", "t", "batch")
    changes = [
        change("synonyms", ONE, completed=later),
        change("antonyms", ONE, stamp=other),
        change("synonyms", TWO),
    ]
    first, second = map(operation, updates_of(writes_of(changes).updates))
    assert first == (
        ONE,
        {
            "$set": {
                "synonyms": ["x"],
                "antonyms": ["x"],
                "synthesis.synonyms": ObjectId("a" * 24),
                "synthesis.antonyms": ObjectId("b" * 24),
                "synthesis_digests.synonyms": value_digest(["x"]),
                "synthesis_digests.antonyms": value_digest(["x"]),
                "updated_at": later,
            },
            "$inc": {"version": 2},
        },
    )
    assert second[0] == TWO
    assert second[1]["$inc"] == {"version": 1}


def test_an_empty_answer_is_stamped() -> None:
    """An empty answer leaves a stamp, so that it is not requested again."""
    (made,) = updates_of(writes_of([change("domain", fields={"domain": None})]).updates)
    assert operation(made)[1]["$set"] == {
        "domain": None,
        "synthesis.domain": ObjectId("a" * 24),
        "synthesis_digests.domain": value_digest(None),
        "updated_at": NOON,
    }


def test_all_that_an_answer_touches_is_stamped() -> None:
    """A document that changes along with the target has the stamp, too, and is written before the word."""
    entry = Update(Collection.ENTRIES, DocId(str(ENTRY)), {"definition_ids": [DocId(str(ONE))]})
    target = Update(Collection.WORDS, DocId(str(WORD)), {})
    updates = writes_of([Change("definitions", target, STAMP, NOON, updates=(entry,))]).updates
    assert [each.collection for each in updates] == [Collection.ENTRIES, Collection.WORDS]
    updated, _ = updates_of(updates)
    assert operation(updated) == (
        ENTRY,
        {
            "$set": {
                "definition_ids": [ONE],
                "synthesis.definitions": ObjectId("a" * 24),
                "synthesis_digests.definition_ids": value_digest([str(ONE)]),
                "updated_at": NOON,
            },
            "$inc": {"version": 1},
        },
    )


def test_an_update_is_done_once() -> None:
    """An update that was applied, and whose reply was lost, matches nothing when it is repeated."""
    (made,) = updates_of(writes_of([change("domain")]).updates)
    assert made._filter == {"_id": ONE, "synthesis.domain": {"$ne": ObjectId("a" * 24)}}


def test_upserts_do_not_overwrite() -> None:
    """A new document is inserted if it does not exist; an existing one is unchanged."""
    made = upsert(DocId(str(ONE)), {"word_id": DocId(str(WORD)), "text": "land"}, NOON)
    assert operation(made) == (
        ONE,
        {
            "$setOnInsert": {
                "word_id": WORD,
                "text": "land",
                "created_at": NOON,
                "updated_at": NOON,
                "version": 1,
            }
        },
    )
    assert made._upsert is True


def test_inserts_bear_their_own_time() -> None:
    """The creation time of a new document is the completion of its batch, not the collection."""
    insert = Insert(Collection.EXAMPLES, DocId(str(TWO)), {"text": "x"})
    later = NOON + timedelta(days=1)
    made = writes_of([change(inserts=(insert,), completed=later), change()])
    assert made.inserts == [(insert, later)]


def test_a_new_word() -> None:
    """The document of a new word has the fields that readers of the database query."""
    fields = new_word(unknown_entry("Straße", "de").word)
    assert fields == {
        "text": "Straße",
        "normalized": "strasse",
        "lemma": "Straße",
        "languages": ["de"],
        "homograph_number": None,
    }
