"""A synthesis entry owns its definitions: sources are copied, and never changed."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from floridify_batch.cli.failures import failure_rows
from floridify_batch.cli.recover import Recovery, Search
from floridify_batch.components.cefr_level import CEFRLevelResponse
from floridify_batch.components.change import Merge, Provenance, writes_of
from floridify_batch.components.definition_text import DefinitionResponse, SynthesisResponse
from floridify_batch.components.registry import RECIPES, SynthesisComponent
from floridify_batch.costs.usage import Usage
from floridify_batch.database.merge import copies_to_remove
from floridify_batch.database.store import MongoStore
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.words.entry import DocId, Stamp, cluster_fields, clusters_of, derived_id
from tests.documents import LONG_AGO, add_definition, add_entry, add_word, everything
from tests.sandbox import Sandbox
from tests.workspace import Workspace

SECONDS = 0
LATER = datetime(2026, 5, 1, 8, tzinfo=UTC)
type Found = Database[dict[str, Any]]
type Document = dict[str, Any]


def put(database: Found, collection: str, **fields: Any) -> ObjectId:
    times = {"created_at": LONG_AGO, "updated_at": LONG_AGO, "version": 1}
    identity: ObjectId = database[collection].insert_one(times | fields).inserted_id
    return identity


@pytest.fixture
def word(database: Found) -> ObjectId:
    """Insert a word with three definitions of two providers, one of them with an example and a value of its own."""
    word = add_word(database, "bank")
    senses = [add_definition(database, word, text) for text in ("the land beside a river", "where money is kept")]
    example = put(database, "examples", definition_id=senses[0], text="Willows on the bank.", type="literature")
    values = {"example_ids": [example], "synonyms": ["shore"], "transitivity": None, "sense_number": "1a"}
    database.definitions.update_one({"_id": senses[0]}, {"$set": values})
    add_entry(database, word, senses, "wiktionary")
    other = add_definition(database, word, "a row of things", providers=["wordnet"])
    add_entry(database, word, [other], "wordnet")
    return word


def of_providers(database: Found) -> list[bytes]:
    """The bytes of all documents that a run must not change."""
    entries = list(database.dictionary_entries.find({"provider": {"$ne": "synthesis"}}))
    ids = {each for entry in entries for each in (entry["_id"], *entry["definition_ids"])}
    ids |= {spoken for entry in entries if (spoken := entry.get("pronunciation_id"))}
    ids |= {each for one in database.definitions.find({"_id": {"$in": list(ids)}}) for each in one["example_ids"]}
    raw = everything(database)
    return [
        document
        for name in ("definitions", "dictionary_entries", "examples", "pronunciations")
        for document in raw.get(name, ())
        if any(each.binary in document[:40] for each in ids)
    ]


async def test_failures_name_copies(workspace: Workspace, sandbox: Sandbox, word: ObjectId) -> None:
    """A request that failed finally names the copy that its answer would have gone to, although no copy is stored."""
    with sandbox.faults("refuse=1"):
        result = await workspace.run(["bank"], components="synonyms")
    rows = list(failure_rows(result.ledger, result.checkpoint))
    stored = {str(each["_id"]) for each in workspace.database.definitions.find()}
    assert [row.component for row in rows] == ["synonyms"] * 2  # one of the three has some from its source
    assert {row.document for row in rows}.isdisjoint(stored)
    result = await workspace.resume_in(replace(workspace.session_of("words"), retry_failed=True))
    copies = shown(workspace.database, word)
    assert (result.code, {row.document for row in rows}) == (0, {str(each["_id"]) for each in copies[1:]})


def synthesis(database: Found, word: ObjectId) -> Document:
    (entry,) = database.dictionary_entries.find({"word_id": word, "provider": "synthesis"})
    return dict(entry)


def shown(database: Found, word: ObjectId) -> list[Document]:
    """The definitions of the synthesis entry, in its order."""
    by_id = {each["_id"]: each for each in database.definitions.find({"word_id": word})}
    return [by_id[each] for each in synthesis(database, word)["definition_ids"]]


async def test_copies(workspace: Workspace, word: ObjectId) -> None:
    """Answers go to copies of the sources' definitions, which name their sources and have all their values."""
    database, before = workspace.database, of_providers(workspace.database)
    assert len(before) == 6
    result = await workspace.run(["bank"])
    assert (result.code, result.ledger.processed_words) == (0, ["bank"])
    assert of_providers(database) == before
    copies, sources = shown(database, word), list(database.definitions.find({"dictionary_entry_id": None}))
    assert [each["text"] for each in copies] == [each["text"] for each in sources]
    entry = synthesis(database, word)
    for copy, source in zip(copies, sources, strict=True):
        (reference,) = copy["source_definitions"]
        assert (reference["definition_ids"], reference["provider"]) == ([source["_id"]], source["providers"][0])
        origin = database.dictionary_entries.find_one({"_id": reference["entry_id"]})
        assert origin is not None
        assert (origin["provider"], source["_id"] in origin["definition_ids"]) == (source["providers"][0], True)
        assert (copy["dictionary_entry_id"], copy["providers"]) == (entry["_id"], source["providers"])
        assert copy["synonyms"]
        assert copy["cefr_level"]
    assert copies[0]["synonyms"][0] == "shore"
    assert copies[0]["sense_number"] == "1a"
    examples = [each["text"] for each in database.examples.find({"definition_id": copies[0]["_id"]})]
    assert examples == ["Willows on the bank."], "the source's are used before a model is asked"
    assert [database.examples.count_documents({"definition_id": each["_id"]}) for each in copies[1:]] == [2, 2]
    assert {reference["provider"] for reference in entry["source_entries"]} == {"wiktionary", "wordnet"}


async def test_nothing_is_requested_twice(workspace: Workspace, word: ObjectId) -> None:
    """A second run sends no request, and writes nothing."""
    await workspace.run(["bank"])
    before = everything(workspace.database) | {"batch_synth": []}
    result = await workspace.run(["bank"], name="again")
    assert (result.code, len(result.ledger.chunks)) == (0, 0)
    assert everything(workspace.database) | {"batch_synth": []} == before
    assert len(shown(workspace.database, word)) == 3


@pytest.mark.parametrize("components", ["default", "all"])
async def test_the_sources_are_never_changed(workspace: Workspace, word: ObjectId, components: str) -> None:
    """Runs over some and over all components, and forced ones, leave every document of a provider unchanged."""
    before = of_providers(workspace.database)
    for force in (False, True):
        result = await workspace.run(["bank"], name=f"{force}", components=components, force=force)
        assert result.code == 0
        assert of_providers(workspace.database) == before
    listed = synthesis(workspace.database, word)["definition_ids"]
    assert workspace.database.definitions.count_documents({"dictionary_entry_id": None}) == 3
    owners = workspace.database.definitions.distinct("dictionary_entry_id", {"_id": {"$in": listed}})
    assert owners == [synthesis(workspace.database, word)["_id"]]


def speak(database: Found, word: ObjectId, provider: str, **fields: Any) -> ObjectId:
    """A pronunciation, in the entry of a provider."""
    values = {"word_id": word, "phonetic": "bangk", "ipa": "bæŋk", "model_info": None, "audio_file_ids": [ObjectId()]}
    spoken = put(database, "pronunciations", **(values | fields))
    change = {"$set": {"pronunciation_id": spoken}}
    database.dictionary_entries.update_one({"word_id": word, "provider": provider}, change)
    return spoken


async def test_a_pronunciation_is_cloned(workspace: Workspace, word: ObjectId) -> None:
    """A source's pronunciation is cloned into our entry, without its recordings, and none is requested.

    With an entry, Floridify deletes its pronunciation and the recordings of that.
    """
    database = workspace.database
    speak(database, word, "wiktionary", ipa=None)
    source = speak(database, word, "wordnet", syllables=["bank"])
    before = of_providers(database)
    result = await workspace.run(["bank"], components="synonyms,pronunciation")
    assert (result.code, {each.requests for each in result.ledger.chunks}) == (0, {2})
    clone = database.pronunciations.find_one({"_id": synthesis(database, word)["pronunciation_id"]}) or {}
    assert clone["_id"] != source
    assert (clone["ipa"], clone["syllables"], clone["audio_file_ids"]) == ("bæŋk", ["bank"], [])
    assert of_providers(database) == before
    forced = await workspace.run(["bank"], name="forced", components="pronunciation", force=True)
    assert (forced.code, forced.ledger.chunks, database.pronunciations.count_documents({})) == (0, [], 3)


ORIGIN = {"text": "From Old Norse.", "origin_language": "Old Norse", "root_words": ["bakki"], "first_known_use": None}


def give_origin(database: Found, word: ObjectId, value: Any, provider: str = "wordnet") -> None:
    """Give the entry of a provider an etymology."""
    query = {"word_id": word, "provider": provider}
    database.dictionary_entries.update_one(query, {"$set": {"etymology": value}})


@pytest.mark.parametrize(
    ("stated", "copied"),
    [
        (ORIGIN, ORIGIN),
        ("From Old Norse.", ORIGIN | {"origin_language": None, "root_words": []}),
        (ORIGIN | {"origin_language": 7, "root_words": None}, ORIGIN | {"origin_language": None, "root_words": []}),
    ],
)
async def test_an_etymology_is_copied(workspace: Workspace, word: ObjectId, stated: Any, copied: Document) -> None:
    """A source's etymology is copied into our entry, and none is requested; one that was removed stays so."""
    database = workspace.database
    give_origin(database, word, {"text": " "}, "wiktionary")
    give_origin(database, word, stated)
    before = of_providers(database)
    result = await workspace.run(["bank"], components="synonyms,etymology")
    assert (result.code, {each.requests for each in result.ledger.chunks}) == (0, {2})
    assert synthesis(database, word)["etymology"] == copied
    assert of_providers(database) == before
    forced = await workspace.run(["bank"], name="forced", components="etymology", force=True)
    assert (forced.code, forced.ledger.chunks) == (0, [])
    give_origin(database, word, None, "synthesis")
    await workspace.run(["bank"], name="more", components="domain")
    assert synthesis(database, word)["etymology"] is None


async def test_an_etymology_comes_with_another_source(workspace: Workspace, word: ObjectId) -> None:
    """An existing entry gets the etymology of a source that joins it, if it has none."""
    database = workspace.database
    await workspace.run(["bank"], components="synonyms")
    add_entry(database, word, [add_definition(database, word, "a slope", providers=["oxford"])], "oxford")
    give_origin(database, word, ORIGIN, "oxford")
    result = await workspace.run(["bank"], name="more", components="synonyms,etymology")
    assert (result.code, {each.requests for each in result.ledger.chunks}) == (0, {1})
    assert synthesis(database, word)["etymology"] == ORIGIN


async def test_an_etymology_comes_later(workspace: Workspace, word: ObjectId) -> None:
    """An etymology that a source gets after its definitions were copied is copied with the next answer, not requested;
    one that is removed stays so.
    """
    database = workspace.database
    await workspace.run(["bank"], components="synonyms")
    give_origin(database, word, ORIGIN)
    result = await workspace.run(["bank"], name="more", components="etymology")
    assert (result.code, result.ledger.chunks) == (0, [])
    await workspace.run(["bank"], name="domain", components="domain")
    assert synthesis(database, word)["etymology"] == ORIGIN
    give_origin(database, word, None, "synthesis")
    await workspace.run(["bank"], name="level", components="cefr_level")
    assert synthesis(database, word)["etymology"] is None


async def test_every_definition_is_removed(workspace: Workspace, word: ObjectId) -> None:
    """An entry from which an editor has removed every definition gets none back, and nothing is requested for it."""
    database = workspace.database
    await workspace.run(["bank"], components="synonyms")
    database.definitions.delete_many({"_id": {"$in": synthesis(database, word)["definition_ids"]}})
    database.dictionary_entries.update_one({"provider": "synthesis"}, {"$set": {"definition_ids": []}})
    result = await workspace.run(["bank"], name="more", components="synonyms")
    assert (result.code, result.ledger.chunks, synthesis(database, word)["definition_ids"]) == (1, [], [])
    assert "removed every definition" in result.ledger.failed_words["bank"]


@pytest.mark.parametrize(("components", "answered"), [("pronunciation", 0), ("synonyms,pronunciation", 2)])
async def test_a_pronunciation_in_flight(workspace: Workspace, word: ObjectId, components: str, answered: int) -> None:
    """The answer for a pronunciation that a source has by now is counted but not stored, and the word is processed.

    Earlier versions requested a pronunciation although a source had one.
    """
    database = workspace.database
    await workspace.send(["bank"], components=components)
    speak(database, word, "wiktionary")
    before = of_providers(database)
    result = await workspace.resume()
    assert (result.code, result.ledger.processed_words) == (0, ["bank"])
    assert (result.ledger.totals().answered, result.ledger.chunks[0].failures) == (answered, {"kept": 1})
    assert {each["ipa"] for each in database.pronunciations.find()} == {"bæŋk"}
    assert of_providers(database) == before


async def test_a_pronunciation_comes_later(workspace: Workspace, word: ObjectId) -> None:
    """An entry of ours without a pronunciation gets a clone with its next answer; an existing one stays."""
    database = workspace.database
    await workspace.run(["bank"], components="synonyms")
    speak(database, word, "wiktionary")
    await workspace.run(["bank"], components="pronunciation,cefr_level", name="later")
    cloned = synthesis(database, word)["pronunciation_id"]
    assert (database.pronunciations.find_one({"_id": cloned}) or {})["ipa"] == "bæŋk"
    assert database.pronunciations.count_documents({}) == 2
    speak(database, word, "wordnet", ipa="bank")
    await workspace.run(["bank"], components="pronunciation,register", name="last")
    assert synthesis(database, word)["pronunciation_id"] == cloned


async def test_floridify_replaces_our_entry(workspace: Workspace, word: ObjectId) -> None:
    """Floridify deletes the definitions of an entry that it synthesises again: those of the providers stay."""
    database, before = workspace.database, of_providers(workspace.database)
    await workspace.run(["bank"])
    database.definitions.delete_many({"_id": {"$in": synthesis(database, word)["definition_ids"]}})
    assert of_providers(database) == before
    result = await workspace.run(["bank"], name="again")
    assert (result.code, [each["text"] for each in shown(database, word)]) == (
        0,
        ["the land beside a river", "where money is kept", "a row of things"],
    )


async def test_odd_values_are_not_copied(workspace: Workspace, word: ObjectId) -> None:
    """Values of a source that Floridify cannot read are not copied; a copy without them does not count as edited."""
    database = workspace.database
    odd = {"frequency_band": 9, "language_register": "literary", "synonyms": ["shore"] * 60, "region": None}
    long = {"text": "a bank " * 1000, "grammar_patterns": None}
    sources = [each["_id"] for each in database.definitions.find({"word_id": word})]
    database.definitions.update_one({"_id": sources[0]}, {"$set": odd})
    database.definitions.update_one({"_id": sources[1]}, {"$set": long})
    database.examples.update_one({}, {"$set": {"type": "quotation"}})
    result = await workspace.run(["bank"], components="cefr_level")
    assert result.code == 0
    first, second, _ = shown(database, word)
    assert (first["frequency_band"], first["language_register"], first["synonyms"]) == (None, None, [])
    assert (first["example_ids"], len(second["text"]), second["grammar_patterns"]) == ([], 5000, [])
    by_id = {DocId(str(each["_id"])): each for each in database.definitions.find({"word_id": word})}
    merge = Merge(DocId(str(synthesis(database, word)["_id"])), derived_id("merged"))
    references = [{"definition_ids": sources[:2]}]
    made = copies_to_remove([merge], by_id | {merge.definition: {"source_definitions": references}}, {})
    assert (len(made.copies[merge.entry]), made.edited) == (2, {})


async def test_edited_copies_are_reported(
    workspace: Workspace, word: ObjectId, capsys: pytest.CaptureFixture[str]
) -> None:
    """Copies that an editor has changed stay when a definition is written from them, and the run names their word."""
    database = workspace.database
    await workspace.run(["bank"], components="synonyms")
    for copy in shown(database, word):
        database.definitions.update_one({"_id": copy["_id"]}, {"$set": {"domain": "geography"}})
    capsys.readouterr()
    await workspace.run(["bank"], components="synonyms,cluster_definitions", name="clusters")
    output = capsys.readouterr()
    assert "definitions of bank that somebody has edited stay" in " ".join((output.out + output.err).split())
    assert {each["domain"] for each in shown(database, word)} >= {"geography"}


async def test_recovery_reports_edited_copies(
    workspace: Workspace, store: MongoStore, word: ObjectId, capsys: pytest.CaptureFixture[str]
) -> None:
    """`recover` names the words of edited copies that stay, as a run does."""
    database = workspace.database
    await workspace.run(["bank"], components="synonyms")
    before = {name: list(database[name].find()) for name in database.list_collection_names()}
    result = await workspace.run(["bank"], components="cluster_definitions", name="clusters")
    for name in database.list_collection_names():
        database[name].delete_many({})
        if before.get(name):
            database[name].insert_many(before[name])
    for copy in shown(database, word):
        database.definitions.update_one({"_id": copy["_id"]}, {"$set": {"domain": "geography"}})
    capsys.readouterr()
    batches = OpenAIBatches("any", base_url=workspace.sandbox.url)
    await Recovery(batches, store, Search(result.run, yes=True)).run()
    await batches.close()
    output = " ".join(capsys.readouterr().out.split())
    assert "definitions of bank that somebody has edited stay" in output
    assert {each["domain"] for each in shown(database, word)} >= {"geography"}


async def test_a_text_that_failed(workspace: Workspace, sandbox: Sandbox) -> None:
    """A word whose only definition got no text of ours is incomplete, although its other components are answered.

    --retry-failed requests the text again.
    """
    database = workspace.database
    calm = add_word(database, "calm")
    add_entry(database, calm, [add_definition(database, calm, "free of wind")], "wiktionary")
    with sandbox.faults(f"refuse=1@{sandbox.next_batch() + 1}"):
        result = await workspace.run(["calm"], components="cefr_level,cluster_definitions")
    assert (result.code, result.ledger.processed_words, list(result.ledger.missing)) == (1, [], ["calm"])
    (copy,) = shown(database, calm)
    assert copy["text"] == "free of wind"
    assert "cefr_level" in copy["synthesis"]
    result = await workspace.resume_in(replace(workspace.session_of("words"), retry_failed=True))
    assert (result.code, result.ledger.processed_words) == (0, ["calm"])
    assert [each["text"] == "free of wind" for each in shown(database, calm)] == [False]


async def test_a_source_comes_later(workspace: Workspace, word: ObjectId) -> None:
    """A definition that is imported after a run is added to the entry as a copy; the others are not requested."""
    database = workspace.database
    await workspace.run(["bank"])
    new = add_definition(database, word, "a slope of snow", providers=["gcide"])
    add_entry(database, word, [new], "gcide")
    result = await workspace.run(["bank"], name="again")
    assert {each.requests for each in result.ledger.chunks} == {8}
    assert [each["text"] for each in shown(database, word)][3:] == ["a slope of snow"]
    assert len(synthesis(database, word)["source_entries"]) == 3
    removed = shown(database, word)[1]["_id"]
    database.dictionary_entries.update_one({"provider": "synthesis"}, {"$pull": {"definition_ids": removed}})
    database.definitions.delete_one({"_id": removed})
    last = await workspace.run(["bank"], name="last")
    assert (last.code, last.ledger.chunks, len(shown(database, word))) == (0, [], 3)


async def test_values_of_earlier_versions(workspace: Workspace, word: ObjectId) -> None:
    """Values that an earlier version put into a provider's definitions count as answered; the next write moves them."""
    database = workspace.database
    senses = [each["_id"] for each in database.definitions.find({"dictionary_entry_id": None})]
    stamp = put(database, "synthesis_stamps", **STAMP)
    values = {"cefr_level": "B1", "domain": None}
    stamped = values | {"synthesis": {"cefr_level": stamp, "domain": stamp}}
    database.definitions.update_many({"_id": {"$in": senses}}, {"$set": stamped})
    own = add_definition(database, word, "a sense of our own", providers=["synthesis"])
    add_entry(database, word, [senses[1], own, *senses[::2]])
    before = of_providers(database)
    nothing = await workspace.run(["bank"], components="cefr_level,domain", name="nothing")
    assert {each.requests for each in nothing.ledger.chunks} == {2}, "of the entry's own definition only"
    assert of_providers(database) == before
    copies = shown(database, word)
    assert [each["text"] for each in copies] == [
        "where money is kept",
        "a sense of our own",
        "the land beside a river",
        "a row of things",
    ]
    assert {each["_id"] for each in copies}.isdisjoint(senses)
    assert [each["cefr_level"] for each in copies[::2]] == ["B1", "B1"]
    assert copies[0]["synthesis"] == {"cefr_level": stamp, "domain": stamp}


STAMP = {
    "run": "earlier",
    "batch_id": "batch_1",
    "batch_created": LONG_AGO,
    "model": "gpt-5.4-nano",
    "template": "0123",
    "mode": "batch",
}


# ── killed between two writes ──────────────────────────────────────────────────────────────────────────────────────

TEXT = SynthesisResponse(
    definitions=[DefinitionResponse(part_of_speech="noun", definition="a side", relevancy=1, source_providers=[])],
    confidence=1,
)


def provenance(target: DocId, component: str) -> Provenance:
    stamp = Stamp(derived_id("stamp", component), "run", "batch_1", LATER, "gpt-5.4-nano", "0123", "batch")
    return Provenance(f"bank-{target}-{component}", stamp, LATER, Usage(), "en", "English", replace=False)


async def store_answers(store: MongoStore) -> None:
    """Store the answers of one batch as its settlement does, with the documents as stored now."""
    (entry,) = (await store.entries(["bank"], "en"))["bank"]
    text, level = RECIPES[SynthesisComponent.DEFINITION_TEXT], RECIPES[SynthesisComponent.CEFR_LEVEL]
    answer = CEFRLevelResponse(reasoning="", level="B1", confidence=1)
    made = [
        text.change(entry, each, TEXT, provenance(each.id, "definition_text"))
        for each in clusters_of(entry)
        if each.slug == "side"
    ]
    made += [
        level.change(entry, each, answer, provenance(each.id, "cefr_level"))
        for each in entry.sources
        if not each.meaning_cluster
    ]
    await store.apply(writes_of(change for change in made if change is not None))


class Dying:
    """A store whose process crashes before the n-th write."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, moment: str) -> None:
        self.left -= moment == "before"
        if not self.left:
            raise KeyboardInterrupt


def picture(database: Found, word: ObjectId) -> list[Any]:
    listed = [(each["_id"], each["text"], each["cefr_level"], each["example_ids"]) for each in shown(database, word)]
    return [listed, *(sorted(map(str, database[name].distinct("_id"))) for name in ("definitions", "examples"))]


@pytest.mark.usefixtures("word")
async def test_killed_between_two_writes(mongo_url: str, database: Found) -> None:
    """A process that is killed while it stores copies, texts and merges, at any write, ends with the same documents."""
    cluster = cluster_fields("side", "Side", "", 0, 1.0)
    rest = {"text": {"$ne": "where money is kept"}}
    database.definitions.update_many(rest, {"$set": {"meaning_cluster": cluster}})
    seeded = {name: list(database[name].find()) for name in database.list_collection_names()}
    word = seeded["words"][0]["_id"]
    whole: list[Any] = []
    deaths = 0
    for dies_at in range(20, 0, -1):
        for name in database.list_collection_names():
            database[name].delete_many({})
            if seeded.get(name):
                database[name].insert_many(seeded[name])
        interrupted = MongoStore(mongo_url, database.name)
        interrupted.on_write = Dying(dies_at)
        try:
            await store_answers(interrupted)
        except KeyboardInterrupt:
            deaths += 1
            fresh = MongoStore(mongo_url, database.name)
            await store_answers(fresh)
            await fresh.close()
        await interrupted.close()
        whole = whole or picture(database, word)
        assert picture(database, word) == whole, dies_at
    assert deaths > 6
    assert [(each[1], each[2]) for each in whole[0]] == [("where money is kept", "B1"), ("a side", None)]
