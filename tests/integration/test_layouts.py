"""Databases of older layouts, over a real MongoDB: read as they are and written in kind, by a whole run too."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from floridify_batch.components.change import Change, Collection, Insert, Replaced, Update, writes_of
from floridify_batch.database.layout import PROVIDED, STAMPS, SYNTHESISED, TODAY, Layout
from floridify_batch.database.ownership import copied_example_id
from floridify_batch.database.store import MongoStore
from floridify_batch.words.entry import DocId, Entry, Stamp, copied_id, derived_id
from tests.documents import add_definition, add_entry, add_word, everything
from tests.workspace import Workspace

type Documents = Database[dict[str, Any]]

SECONDS = 0

LAYOUTS = {
    "strings": Layout(string_ids=True, string_references=True),
    "strings that refer to ObjectIds": Layout(string_references=True),
    "one language": Layout(single_language=True),
    "entries in two collections": Layout(split_entries=True),
    "all traits": Layout(string_ids=True, string_references=True, single_language=True, split_entries=True),
    "today's": TODAY,
}

DONE = datetime(2026, 5, 1, 8, 30, tzinfo=UTC)


@pytest.fixture(params=list(LAYOUTS.values()), ids=list(LAYOUTS))
def layout(request: pytest.FixtureRequest) -> Layout:
    given: Layout = request.param
    return given


# ── databases as older versions left them ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Seeded:
    """The IDs of the inserted documents."""

    word: DocId
    senses: tuple[DocId, ...]
    made: DocId
    example: DocId


def seed(database: Documents, layout: Layout) -> Seeded:
    """Insert a word with a source's entry over two definitions; another one has a synthesis entry, too; all are old."""
    calm = add_word(database, "calm")
    senses = [add_definition(database, calm, text) for text in ("without wind", "at peace")]
    example = database.examples.insert_one(
        {"definition_id": senses[0], "text": "The sea was calm.", "type": "generated"}
    ).inserted_id
    database.definitions.update_one({"_id": senses[0]}, {"$set": {"example_ids": [example]}})
    add_entry(database, calm, senses, "wiktionary")
    moon = add_word(database, "moon")
    source = add_definition(database, moon, "a satellite")
    made = add_definition(database, moon, "the satellite of the Earth", providers=["synthesis"])
    add_entry(database, moon, [source], "wiktionary")
    add_entry(database, moon, [made])
    gift = add_word(database, "gift", language="de")
    add_definition(database, gift, "poison")
    make_older(database, layout)
    return Seeded(as_id(calm), tuple(map(as_id, senses)), as_id(made), as_id(example))


def as_id(identity: ObjectId) -> DocId:
    return DocId(str(identity))


def make_older(database: Documents, layout: Layout) -> None:
    """Convert every document of today's layout to another."""
    for name in database.list_collection_names():
        for document in list(database[name].find()):
            database[name].delete_one({"_id": document["_id"]})
            older = older_document(document, layout)
            database[older_home(name, older, layout)].insert_one(older)
    if layout.split_entries:
        database.drop_collection(Collection.ENTRIES)


def older_document(document: dict[str, Any], layout: Layout) -> dict[str, Any]:
    own = {"_id": spelled(document["_id"], layout.string_ids)}
    older = {name: spelled(value, layout.string_references) for name, value in document.items()} | own
    if layout.single_language and "text" in older and "languages" in older:
        older["language"] = older.pop("languages")[0]
    return older


def spelled(value: Any, as_string: bool) -> Any:
    if isinstance(value, list):
        return [spelled(each, as_string) for each in value]
    return str(value) if as_string and isinstance(value, ObjectId) else value


def older_home(name: str, document: dict[str, Any], layout: Layout) -> str:
    """Return a document's collection in an older layout; remove its provider if the collection holds our entries."""
    if name != Collection.ENTRIES or not layout.split_entries:
        return name
    if document["provider"] != "synthesis":
        return PROVIDED
    del document["provider"]
    return SYNTHESISED


# ── what is in them ────────────────────────────────────────────────────────────────────────────────────────────────


REFERENCES = {
    "word_id",
    "definition_id",
    "definition_ids",
    "example_ids",
    "fact_ids",
    "pronunciation_id",
    "dictionary_entry_id",
}


def id_kinds(value: Any, name: str = "") -> set[tuple[str, type]]:
    """Yield every ID within a value, as "_id" or as a reference to another document, with its type."""
    if name == "synthesis_digests":  # by the names of fields
        return set()
    if isinstance(value, dict):
        inner = dict.fromkeys(value, "stamp") if name == "synthesis" else {key: key for key in value}
        return set().union(*(id_kinds(each, inner[key]) for key, each in value.items()))
    if isinstance(value, list):
        return set().union(*(id_kinds(each, name) for each in value))
    if value is None or not (isinstance(value, ObjectId) or name in {"_id", "stamp", *REFERENCES}):
        return set()
    return {("_id" if name == "_id" else "reference", type(value))}


def assert_in_kind(database: Documents, layout: Layout) -> None:
    """Assert that no document of the database has another layout."""
    names = set(database.list_collection_names())
    kinds = [id_kinds(document) for name in names for document in database[name].find()]
    assert set().union(*kinds) == {
        ("_id", str if layout.string_ids else ObjectId),
        ("reference", str if layout.string_references else ObjectId),
    }
    assert (Collection.ENTRIES in names) == (not layout.split_entries)
    assert bool(names & {SYNTHESISED, PROVIDED}) == layout.split_entries
    absent = "languages" if layout.single_language else "language"
    assert database.words.count_documents({absent: {"$exists": True}}) == 0
    assert database.words.count_documents({layout.language_field: None}) == 0


def cloned(sense: DocId, example: DocId) -> DocId:
    """Return the example of a definition, as its copy has it."""
    return copied_example_id(copied_id(sense), example)


async def entry_of(store: MongoStore, text: str, language: str = "en") -> Entry:
    (entry,) = (await store.entries([text], language))[text]
    return entry


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_found(store: MongoStore, database: Documents, layout: Layout) -> None:
    """Words of every layout are found with their definitions, examples, their texts and entries, in their language."""
    seeded = seed(database, layout)
    await store.check()
    assert store.layout == layout
    calm = await entry_of(store, "calm")
    assert (calm.id, calm.word.stored) == (seeded.word, True)
    assert [each.copied and each.copied.source for each in calm.definitions] == list(seeded.senses)
    assert calm.definitions[0].example_ids == [cloned(seeded.senses[0], seeded.example)]
    assert (calm.synthesis_entry, calm.synthesised) == (None, False)
    store.reads_examples = True
    assert [each.example_texts for each in (await entry_of(store, "calm")).definitions] == [["The sea was calm."], []]
    moon = await entry_of(store, "moon")
    assert ([each.id for each in moon.definitions], moon.synthesised) == ([seeded.made], True)
    assert [each.text for each in moon.sources] == ["a satellite"]
    assert not (await entry_of(store, "gift")).word.stored
    assert [each.text for each in (await entry_of(store, "gift", "de")).definitions] == ["poison"]


async def test_found_by_documents(store: MongoStore, database: Documents, layout: Layout) -> None:
    """Words of every layout are found by the IDs of words and definitions, too; an unknown ID is not found."""
    seeded = seed(database, layout)
    asked = [seeded.word, *seeded.senses, seeded.made, DocId("0" * 24)]
    found = await store.entries_of(asked, "en")
    calm, moon = await entry_of(store, "calm"), await entry_of(store, "moon")
    assert found == {seeded.word: calm, **dict.fromkeys(seeded.senses, calm), seeded.made: moon}


async def test_layout_is_detected_at_first_use(store: MongoStore, database: Documents) -> None:
    """The layout is detected at the first use of the store."""
    seed(database, LAYOUTS["all traits"])
    assert store.layout == TODAY
    assert (await entry_of(store, "calm")).word.stored
    assert store.layout == LAYOUTS["all traits"]


async def test_who_provides(store: MongoStore, database: Documents) -> None:
    """Definitions without a provider belong to that of their entry, and a cluster's ID is its slug."""
    seed(database, LAYOUTS["all traits"])
    cluster = {"id": "calm_weather", "name": "Weather", "description": "", "order": 0, "relevance": 1.0}
    database.definitions.update_many({}, {"$unset": {"providers": 1}, "$set": {"meaning_cluster": cluster}})
    calm = await entry_of(store, "calm")
    assert [each.providers for each in calm.sources] == [["wiktionary"]] * 2
    assert calm.sources[0].meaning_cluster == cluster | {"slug": "calm_weather"}


async def test_indexes(store: MongoStore, database: Documents) -> None:
    """Indexes are created for existing fields and collections only, and no collection of another layout."""
    layout = LAYOUTS["all traits"]
    seed(database, layout)
    await store.ensure_indexes()
    assert {"text": 1, "language": 1} in [dict(index["key"]) for index in database.words.list_indexes()]
    for name in (SYNTHESISED, PROVIDED):
        assert {"word_id": 1} in [dict(index["key"]) for index in database[name].list_indexes()]
    assert_in_kind(database, layout)


# ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────────


def stamp(component: str) -> Stamp:
    identity = derived_id("stamp", component)
    return Stamp(identity, "run1", "batch_1", DONE - timedelta(hours=2), "gpt-6-luna", "0123abcd", "batch")


def changes_of(seeded: Seeded) -> list[Change]:
    """Return each kind of change: fields, replaced examples, a new entry, a pronunciation, a definition."""
    sense, entry = seeded.senses[0], derived_id("entry", seeded.word)
    example, sound, text = (derived_id(name, seeded.word) for name in ("example", "sound", "text"))
    made = {
        "word_id": seeded.word,
        "part_of_speech": "adjective",
        "text": "still",
        "dictionary_entry_id": entry,
        "source_definitions": [{"provider": "wiktionary", "entry_id": entry, "definition_ids": [sense]}],
    }
    begun: dict[str, Any] = {
        "word_id": seeded.word,
        "definition_ids": [],
        "provider": "synthesis",
        "pronunciation_id": None,
        "model_info": {"name": "gpt-6-luna"},
    }
    new = Insert(Collection.EXAMPLES, example, {"definition_id": sense, "text": "A calm day.", "type": "generated"})
    spoken = Insert(Collection.PRONUNCIATIONS, sound, {"word_id": seeded.word, "phonetic": "kahm", "ipa": "kam"})
    texts = Insert(Collection.DEFINITIONS, text, made)
    entries = Insert(Collection.ENTRIES, entry, begun)
    word = Update(Collection.WORDS, seeded.word, {})

    def changed(component: str, target: Update, *inserts: Insert, **more: Any) -> Change:
        return Change(component, target, stamp(component), DONE, inserts, **more)

    def in_entry(fields: dict[str, Any], **adds: DocId) -> tuple[Update, ...]:
        return (Update(Collection.ENTRIES, entry, fields, {name: (each,) for name, each in adds.items()}),)

    cefr = Update(Collection.DEFINITIONS, sense, {"cefr_level": "B1"})
    replaced = Update(Collection.DEFINITIONS, sense, {"example_ids": [example]})
    return [
        changed("cefr_level", cefr),
        changed("examples", replaced, new, replaces=(Replaced(Collection.EXAMPLES, sense, (seeded.example,)),)),
        changed("pronunciation", word, entries, spoken, updates=in_entry({"pronunciation_id": sound})),
        changed("definition_text", word, texts, updates=in_entry({}, definition_ids=text)),
    ]


async def test_written_in_kind(store: MongoStore, database: Documents, layout: Layout) -> None:
    """A change is written in the database's layout, can be read back, and changes nothing when it is written again."""
    seeded = seed(database, layout)
    changes = changes_of(seeded)
    await store.apply(writes_of(changes))
    assert_in_kind(database, layout)
    calm = await entry_of(store, "calm")
    assert calm.synthesis_entry == derived_id("entry", seeded.word)
    assert calm.pronunciation_id == derived_id("sound", seeded.word)
    assert [each.text for each in calm.definitions] == ["still", "at peace"]
    assert set(calm.stamps) == {"pronunciation", "definition_text"}
    sense = calm.sources[0]
    example = cloned(seeded.senses[0], derived_id("example", seeded.word))
    assert (sense.cefr_level, sense.example_ids) == ("B1", [example])
    assert sense.stamps == {name: stamp(name) for name in ("cefr_level", "examples")}
    assert database.examples.distinct("text") == ["A calm day."]
    once = everything(database)
    await store.apply(writes_of(changes))
    assert everything(database) == once


async def test_read_by_another(store: MongoStore, database: Documents, mongo_url: str, layout: Layout) -> None:
    """Another store detects the same layout, and reads the documents that the first has written equally."""
    await store.apply(writes_of(changes_of(seed(database, layout))))
    other = MongoStore(mongo_url, database.name)
    assert await entry_of(other, "calm") == await entry_of(store, "calm")
    assert other.layout == layout
    await other.close()


async def test_plain_updates_and_new_words(store: MongoStore, database: Documents, layout: Layout) -> None:
    """New words, and values that come from no answer, are written in the database's layout, too."""
    seed(database, layout)
    unknown = await entry_of(store, "unheard")
    await store.ensure_words([unknown.word])
    assert (await entry_of(store, "unheard")).word.stored
    moon = await entry_of(store, "moon")
    assert moon.synthesis_entry is not None
    sources = [each.copied.source for each in moon.sources if each.copied]
    await store.update([Update(Collection.ENTRIES, moon.synthesis_entry, {"definition_ids": sources})])
    assert [each.text for each in (await entry_of(store, "moon")).definitions] == ["a satellite"]
    assert_in_kind(database, layout)


# ── databases in which old and new stand side by side ──────────────────────────────────────────────────────────────


def add_todays(database: Documents, layout: Layout) -> None:
    """Add a word with a definition and an entry in today's layout to an older database."""
    word = add_word(database, "sun")
    add_entry(database, word, [add_definition(database, word, "a star")])
    now = {"$set": {"created_at": DONE - timedelta(days=1)}}
    for name in ("words", "definitions", "dictionary_entries"):
        database[name].update_many({"_id": {"$type": "objectId"}}, now)
    assert layout.string_ids


async def test_both_kinds(store: MongoStore, database: Documents) -> None:
    """A database with both layouts: words of both are found and changed once; new documents have the newest layout."""
    layout = LAYOUTS["all traits"]
    seeded = seed(database, layout)
    add_todays(database, layout)
    assert [each.text for each in (await entry_of(store, "sun")).definitions] == ["a star"]
    assert [each.text for each in (await entry_of(store, "moon")).definitions] == ["the satellite of the Earth"]
    found = store.layout
    assert (found.both_ids, found.both_references, found.both_languages, found.both_entries) == (True,) * 4
    assert (found.string_ids, found.single_language, found.split_entries) == (False,) * 3
    changes = changes_of(seeded)
    await store.apply(writes_of(changes))
    calm = await entry_of(store, "calm")
    texts = [each.text for each in calm.definitions]
    assert (calm.sources[0].cefr_level, texts) == ("B1", ["still", "at peace"])
    assert calm.sources[0].stamps.keys() == {"cefr_level", "examples"}
    assert database.examples.distinct("text") == ["A calm day."]
    assert database.dictionary_entries.count_documents({"_id": ObjectId(calm.synthesis_entry)}) == 1
    once = everything(database)
    await store.apply(writes_of(changes))
    assert everything(database) == once


async def test_older_entry_among_both(store: MongoStore, database: Documents) -> None:
    """An entry of ours in the older collection is changed there, and not created in today's."""
    layout = LAYOUTS["all traits"]
    seed(database, layout)
    add_todays(database, layout)
    moon = await entry_of(store, "moon")
    assert moon.synthesis_entry is not None
    entry = Update(Collection.ENTRIES, moon.synthesis_entry, {"etymology": {"text": "from Old English"}})
    target = Update(Collection.WORDS, moon.id, {})
    await store.apply(writes_of([Change("etymology", target, stamp("etymology"), DONE, updates=(entry,))]))
    assert (await entry_of(store, "moon")).etymology == {"text": "from Old English"}
    assert database.dictionary_entries.count_documents({}) == 1


async def test_few_among_many(store: MongoStore, database: Documents) -> None:
    """A word that today's Floridify added last is found among many words with lower and higher IDs."""
    words = [{"_id": ObjectId(f"{end}{number:022x}"), "language": "en"} for end in ("00", "ff") for number in range(60)]
    database.words.insert_many(words)
    add_word(database, "sun")
    await store.check()
    assert store.layout == Layout(both_languages=True)


# ── a whole run ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_run(workspace: Workspace, store: MongoStore, layout: Layout) -> None:
    """A run over all components completes an older database in its layout; a second one requests nothing."""
    database = workspace.database
    seed(database, layout)
    words = ["calm", "moon", "kwell"]
    result = await workspace.run(words, components="all")
    assert (result.code, sorted(result.ledger.processed_words)) == (0, sorted(words))
    assert_in_kind(database, layout)
    ours = SYNTHESISED if layout.split_entries else Collection.ENTRIES
    assert database[ours].count_documents({} if layout.split_entries else {"provider": "synthesis"}) == len(words)
    assert database[STAMPS].count_documents({})
    for text in words:
        entry = await entry_of(store, text)
        assert (entry.synthesised, entry.pronunciation_id is None) == (True, False)
        assert all(each.synonyms and each.example_ids for each in entry.definitions)
    before = everything(database) | {"batch_synth": []}
    again = await workspace.run(words, name="again", components="all")
    assert (again.code, again.ledger.chunks) == (0, [])
    assert everything(database) | {"batch_synth": []} == before


async def test_a_run_among_both(workspace: Workspace, store: MongoStore) -> None:
    """A run over a database of both layouts finishes, too, with one synthesis entry for each word."""
    database, layout = workspace.database, LAYOUTS["all traits"]
    seed(database, layout)
    add_todays(database, layout)
    words = ["calm", "moon", "sun", "kwell"]
    result = await workspace.run(words, components="all")
    assert (result.code, sorted(result.ledger.processed_words)) == (0, sorted(words))
    for text in words:
        entry = await entry_of(store, text)
        assert all(each.synonyms and each.example_ids for each in entry.definitions)
    ours = database.dictionary_entries.count_documents({"provider": "synthesis"})
    assert ours + database[SYNTHESISED].count_documents({}) == len(words)
    again = await workspace.run(words, name="again", components="all")
    assert (again.code, again.ledger.chunks) == (0, [])
