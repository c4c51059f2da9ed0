"""`undo`: what a run wrote goes, what people and other runs wrote stays, and an interrupted undo can be repeated."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from floridify_batch.cli.undo import undo_run
from floridify_batch.components.change import Collection
from floridify_batch.database.connection import Place
from floridify_batch.database.store import MongoStore
from floridify_batch.database.trace import EMPTIED, ENTRIES, WORDS, UndoResult
from floridify_batch.database.undo import Undo
from tests.documents import LONG_AGO, add_definition, add_entry, add_word, copy_of, owned
from tests.workspace import Workspace

type Found = Database[dict[str, Any]]
NOW = datetime(2026, 11, 28, tzinfo=UTC)
STRUCTURE = "cluster_definitions,definition_text,etymology"
TIMES: dict[str, Any] = {"created_at": LONG_AGO, "updated_at": LONG_AGO, "version": 1}
OURS = {"synthesis_stamps", "batch_synth"}


def dictionary(database: Found) -> dict[str, list[dict[str, Any]]]:
    """All documents but the records of runs, without the version and the time that each write raises."""
    return {
        name: [
            {key: value for key, value in each.items() if key not in ("version", "updated_at")}
            for each in database[name].find().sort("_id")
        ]
        for name in sorted(database.list_collection_names())
        if name not in OURS and database[name].count_documents({})
    }


def words(database: Found) -> None:
    """A word with two sources of several definitions, one of them with an example, and a word with one."""
    bank = add_word(database, "bank")
    senses = [add_definition(database, bank, text) for text in ("the land beside a river", "where money is kept")]
    example = {"definition_id": senses[0], "text": "We sat there.", "type": "literature", **TIMES}
    database.definitions.update_one(
        {"_id": senses[0]}, {"$set": {"example_ids": [database.examples.insert_one(example).inserted_id]}}
    )
    add_entry(database, bank, senses, "wiktionary")
    oxford = add_entry(
        database, bank, [add_definition(database, bank, "a row of switches", synonyms=["array"])], "oxford"
    )
    spoken = {"word_id": bank, "phonetic": "bangk", "ipa": "bæŋk", "audio_file_ids": [], **TIMES}
    database.dictionary_entries.update_one(
        {"_id": oxford}, {"$set": {"pronunciation_id": database.pronunciations.insert_one(spoken).inserted_id}}
    )
    shore = add_word(database, "shore")
    add_entry(database, shore, [add_definition(database, shore, "the edge of the sea")], "wiktionary")


def other_than(level: str | None) -> str:
    """A level that an editor sets."""
    return "A1" if level == "C2" else "C2"


async def undo(store: MongoStore, run: str) -> Counter[tuple[str, UndoResult]]:
    """Undo a run, and count what it was about."""
    await store.check()
    undoing = Undo(store, run, NOW)
    counts = await undoing.count()
    await undoing.write()
    return counts


@pytest.mark.parametrize("components", ["default", "all,judgement"])
async def test_everything_goes(workspace: Workspace, store: MongoStore, components: str) -> None:
    """Where no person has changed anything, the dictionary is afterwards as it was before the run."""
    words(workspace.database)
    origin: dict[str, Any] = {"text": "From Old Norse.", "root_words": []}
    origin |= dict.fromkeys(("origin_language", "first_known_use"))
    workspace.database.dictionary_entries.update_one({"provider": "oxford"}, {"$set": {"etymology": origin}})
    before = dictionary(workspace.database)
    result = await workspace.run(["bank", "shore", "unheard"], components=components)
    assert result.code == 0
    assert dictionary(workspace.database) != before
    counts = await undo(store, result.run)
    assert dictionary(workspace.database) == before
    assert {fate for _, fate in counts} == {UndoResult.REMOVED}
    assert (counts[ENTRIES, UndoResult.REMOVED], counts[WORDS, UndoResult.REMOVED]) == (3, 1)
    assert not await undo(store, result.run)
    assert dictionary(workspace.database) == before


async def test_what_an_editor_changed_stays(workspace: Workspace, store: MongoStore) -> None:
    """A level, a list, an etymology, an example and a pronunciation that a person has changed stay, and are counted."""
    database = workspace.database
    words(database)
    asked = "synonyms,cefr_level,domain,examples,pronunciation,etymology,facts"
    result = await workspace.run(["bank", "shore"], components=asked)
    bank = database.words.find_one({"text": "bank"}) or {}
    entry = database.dictionary_entries.find_one({"provider": "synthesis", "word_id": bank["_id"]}) or {}
    first, second = (database.definitions.find_one({"_id": each}) or {} for each in entry["definition_ids"][:2])
    database.definitions.update_one(
        {"_id": first["_id"]}, {"$set": {"cefr_level": other_than(first["cefr_level"])}, "$push": {"synonyms": "mine"}}
    )
    made = next(each for each in second["example_ids"])
    database.examples.update_one({"_id": made}, {"$set": {"text": "An editor's sentence."}})
    made_for = {"provider": "synthesis", "word_id": {"$ne": bank["_id"]}}
    spoken = (database.dictionary_entries.find_one(made_for) or {})["pronunciation_id"]
    database.pronunciations.update_one({"_id": spoken}, {"$set": {"ipa": "/mine/"}})
    database.dictionary_entries.update_one({"_id": entry["_id"]}, {"$set": {"etymology.text": "From an editor."}})
    edited = database.dictionary_entries.find_one({"_id": entry["_id"]}) or {}
    counts = await undo(store, result.run)
    kept = {name: number for (name, fate), number in counts.items() if fate is UndoResult.EDITED}
    assert kept == {"cefr_level": 1, "synonyms": 1, "examples": 1, "pronunciation": 1, "etymology": 1}
    now = database.dictionary_entries.find_one({"_id": entry["_id"]}) or {}
    shown = ("etymology", "pronunciation_id", "definition_ids")
    assert {name: now[name] for name in shown} == {name: edited[name] for name in shown}
    assert (now["fact_ids"], database.facts.count_documents({})) == ([], 0)
    sense = database.definitions.find_one({"_id": first["_id"]}) or {}
    assert (sense["cefr_level"], sense["synonyms"], sense["domain"]) == (
        other_than(first["cefr_level"]),
        [*first["synonyms"], "mine"],
        None,
    )
    other = database.definitions.find_one({"_id": second["_id"]}) or {}
    assert (other["example_ids"], other["synonyms"], other["cefr_level"]) == (second["example_ids"], [], None)
    assert (database.dictionary_entries.find_one(made_for) or {})["pronunciation_id"] == spoken
    assert database.pronunciations.find_one({"_id": spoken})
    left = dictionary(database)
    assert {fate for _, fate in await undo(store, result.run)} == {UndoResult.EDITED}
    assert dictionary(database) == left


async def test_what_another_run_wrote_stays(workspace: Workspace, store: MongoStore) -> None:
    """The values of another run stay, with the definitions that the run wrote and they belong to."""
    database = workspace.database
    words(database)
    first = await workspace.run(["bank", "unheard"], components="synonyms")
    await workspace.run(["bank", "unheard"], name="more", components="domain")
    counts = await undo(store, first.run)
    assert (
        counts["definitions", UndoResult.IN_USE]
        == sum(each["providers"] == ["synthesis"] for each in owned(database))
        > 0
    )
    assert all(each["synonyms"] in ([], ["array"]) for each in owned(database))
    assert any(each["domain"] for each in owned(database))
    assert database.words.count_documents({"text": "unheard"}) == 1


async def test_a_person_uses_a_definition(workspace: Workspace, store: MongoStore) -> None:
    """A definition that an entry of another author lists stays; so does a word to which a person added an entry."""
    database = workspace.database
    result = await workspace.run(["unheard"], components="domain")
    made = owned(database)
    word = database.words.find_one({"text": "unheard"}) or {}
    add_entry(database, word["_id"], [made[0]["_id"]], "oxford")
    counts = await undo(store, result.run)
    assert counts["definitions", UndoResult.IN_USE] == 1
    assert [each["_id"] for each in database.definitions.find()] == [made[0]["_id"]]
    assert (database.words.find_one({"text": "unheard"}) or {})["_id"] == word["_id"]


async def test_an_entry_of_a_person(workspace: Workspace, store: MongoStore) -> None:
    """In an entry that a person made, only the run's values go; cognates that were there are not touched."""
    database = workspace.database
    word = add_word(database, "bank")
    sense = add_definition(database, word, "sloping land", providers=["synthesis"], cognates=["Ufer"])
    entry = add_entry(database, word, [sense])
    before = dictionary(database)
    result = await workspace.run(["bank"], components="synonyms,cefr_level,etymology,facts")
    assert (database.definitions.find_one({"_id": sense}) or {})["synonyms"]
    await undo(store, result.run)
    now, then = dictionary(database), before
    assert now.keys() == then.keys()
    found = database.definitions.find_one({"_id": sense}) or {}
    assert (found["synonyms"], found["cognates"], found["cefr_level"]) == ([], ["Ufer"], None)
    listed = database.dictionary_entries.find_one({"_id": entry}) or {}
    assert (listed["etymology"], listed["fact_ids"], listed["definition_ids"]) == (None, [], [sense])
    assert "synthesis" not in listed


async def test_the_order_of_an_editor(workspace: Workspace, store: MongoStore) -> None:
    """An entry in which a person has put the senses into another order stays with its copies, in that order."""
    database = workspace.database
    words(database)
    result = await workspace.run(["bank"], components="domain")
    entry = database.dictionary_entries.find_one({"provider": "synthesis"}) or {}
    ordered = entry["definition_ids"][::-1]
    database.dictionary_entries.update_one({"_id": entry["_id"]}, {"$set": {"definition_ids": ordered}})
    counts = await undo(store, result.run)
    assert counts[ENTRIES, UndoResult.EDITED] == 1
    now = database.dictionary_entries.find_one({"_id": entry["_id"]}) or {}
    assert now["definition_ids"] == ordered
    assert all(each["domain"] is None for each in owned(database))


async def test_clusters_in_an_entry_that_stays(workspace: Workspace, store: MongoStore) -> None:
    """Where the entry stays for a person's etymology, copies of the sources return in place of written definitions."""
    database = workspace.database
    words(database)
    result = await workspace.run(["bank"], components=STRUCTURE)
    database.dictionary_entries.update_one({"provider": "synthesis"}, {"$set": {"etymology.text": "From an editor."}})
    await undo(store, result.run)
    sources = [each["_id"] for each in database.definitions.find({"providers": {"$ne": ["synthesis"]}})]
    texts = {each["text"] for each in owned(database)}
    assert texts == {"the land beside a river", "where money is kept", "a row of switches"}
    assert sources
    assert all(each["meaning_cluster"] is None for each in owned(database))


LINKED = ("examples", "facts", "pronunciations")
EVERY_KIND = "synonyms,examples,pronunciation,facts"


async def test_a_renamed_word(workspace: Workspace, store: MongoStore) -> None:
    """Of a word that an editor has renamed since, everything goes that the table says; only the new name stays."""
    database = workspace.database
    word = add_word(database, "colour")
    add_entry(database, word, [add_definition(database, word, "a hue")], "wiktionary")
    before = dictionary(database)
    result = await workspace.run(["colour", "madeup"], components=EVERY_KIND)
    assert all(database[each].count_documents({}) for each in LINKED)
    database.words.update_one({"text": "colour"}, {"$set": {"text": "color", "normalized": "color"}})
    database.words.update_one({"text": "madeup"}, {"$set": {"text": "made-up", "normalized": "made-up"}})
    counts = await undo(store, result.run)
    assert {each for _, each in counts} == {UndoResult.REMOVED}
    assert counts[ENTRIES, UndoResult.REMOVED] == 2
    now = dictionary(database)
    assert {name: now.get(name) for name in now if name != "words"} == {
        name: before[name] for name in before if name != "words"
    }
    assert sorted(each["text"] for each in now["words"]) == ["color", "made-up"]
    assert not await undo(store, result.run)


async def test_clusters_of_a_renamed_word(workspace: Workspace, store: MongoStore) -> None:
    """Definitions that the run wrote from those of sources go, too, after a rename."""
    database = workspace.database
    words(database)
    before = dictionary(database)
    result = await workspace.run(["bank"], components=f"{STRUCTURE},{EVERY_KIND}")
    database.words.update_one({"text": "bank"}, {"$set": {"text": "banks"}})
    counts = await undo(store, result.run)
    assert {each for _, each in counts} == {UndoResult.REMOVED}
    assert counts["definition_text", UndoResult.REMOVED] > 0
    database.words.update_one({"text": "banks"}, {"$set": {"text": "bank"}})
    assert dictionary(database) == before


async def test_another_run_under_the_new_name(workspace: Workspace, store: MongoStore) -> None:
    """After a rename, values that another run wrote under the new name stay with their documents."""
    database = workspace.database
    words(database)
    first = await workspace.run(["shore"], components="examples,facts")
    database.words.update_one({"text": "shore"}, {"$set": {"text": "shores"}})
    await workspace.run(["shores"], name="more", components="pronunciation")
    counts = await undo(store, first.run)
    assert counts["facts", UndoResult.REMOVED] == 1
    assert [database[each].count_documents({"model_info": {"$ne": None}}) for each in LINKED] == [0, 0, 1]
    ours = database.dictionary_entries.find_one({"provider": "synthesis"}) or {}
    assert ours["pronunciation_id"]


async def test_a_moved_definition(workspace: Workspace, store: MongoStore) -> None:
    """The examples of a definition that an editor has moved to another word go, as the table says."""
    database = workspace.database
    words(database)
    result = await workspace.run(["bank", "shore"], components="examples")
    source = database.definitions.find_one({"text": "where money is kept"}) or {}
    moved = copy_of(database, source["_id"])
    shore = database.words.find_one({"text": "shore"}) or {}
    of_shore, made = {"word_id": shore["_id"], "provider": "synthesis"}, {"type": "generated"}
    database.dictionary_entries.update_one({"provider": "synthesis"}, {"$pull": {"definition_ids": moved["_id"]}})
    database.dictionary_entries.update_one(of_shore, {"$push": {"definition_ids": moved["_id"]}})
    database.definitions.update_one({"_id": moved["_id"]}, {"$set": {"word_id": shore["_id"], "text": "mine"}})
    assert database.examples.count_documents({**made, "definition_id": moved["_id"]})
    counts = await undo(store, result.run)
    assert counts["examples", UndoResult.REMOVED] == 3
    assert not database.examples.count_documents(made)
    assert (database.definitions.find_one({"_id": moved["_id"]}) or {})["example_ids"] == []


async def test_removed_documents_of_a_list(workspace: Workspace, store: MongoStore) -> None:
    """A list whose documents somebody has deleted is counted as kept, and keeps its stamp."""
    database = workspace.database
    words(database)
    result = await workspace.run(["shore"], components="facts")
    database.facts.delete_many({})
    for _ in range(2):
        counts = await undo(store, result.run)
        assert (counts["facts", UndoResult.EDITED], counts["facts", UndoResult.REMOVED]) == (1, 0)


async def test_the_entry_of_an_earlier_run(workspace: Workspace, store: MongoStore) -> None:
    """The undo of a later run counts no entry as edited, or as the run's own, that an earlier run inserted."""
    database = workspace.database
    words(database)
    await workspace.run(["bank", "shore"], components="domain,etymology")
    copied = database.definitions.find_one({"text": "the edge of the sea"}) or {}
    copy = copy_of(database, copied["_id"])
    database.definitions.update_one({"_id": copy["_id"]}, {"$set": {"text": "mine"}})
    database.dictionary_entries.update_many(
        {"provider": "synthesis"}, {"$set": {"created_at": datetime(2020, 1, 1, tzinfo=UTC)}}
    )
    second = await workspace.run(["bank", "shore"], name="more", components="domain,etymology", force=True)
    counts = await undo(store, second.run)
    assert {name for name, _ in counts} == {"domain", "etymology", EMPTIED}
    assert counts[EMPTIED, UndoResult.REMOVED] == 1
    assert {each for _, each in counts} == {UndoResult.REMOVED}
    assert database.dictionary_entries.count_documents({"provider": "synthesis"}) == 1


class Killed(Exception):
    """The process died."""


@pytest.mark.parametrize("name", ["bank", "renamed"])
async def test_killed_at_any_write(workspace: Workspace, mongo_url: str, database: Found, name: str) -> None:
    """An undo that dies after any of its writes, and is repeated, ends as one that does not die."""
    words(database)
    before = dictionary(database)
    result = await workspace.run(["bank", "unheard"], components=f"{STRUCTURE},synonyms,facts,examples")
    entry = database.dictionary_entries.find_one({"provider": "synthesis", "etymology": {"$ne": None}}) or {}
    database.dictionary_entries.update_one({"_id": entry["_id"]}, {"$set": {"etymology.text": "From an editor."}})
    database.words.update_one({"text": "bank"}, {"$set": {"text": name}})
    copies = {each: list(database[each].find()) for each in database.list_collection_names()}
    expected: dict[str, Any] | None = None
    for point in range(200):
        refill(database, copies)
        store, seen = MongoStore(mongo_url, database.name), Counter[str]()

        def die(moment: str, at: int = point, seen: Counter[str] = seen) -> None:
            seen[moment] += 1
            if moment == "after" and seen[moment] == at:
                raise Killed

        await store.check()
        store.on_write = die
        try:
            await Undo(store, result.run, NOW).write()
        except Killed:
            store.on_write = lambda _: None
            await Undo(store, result.run, NOW).write()
        else:
            if point:
                break
            expected = dictionary(database)
        finally:
            await store.close()
        assert dictionary(database) == expected, point
    assert point > 10
    assert set(before) <= set(expected or {}) | {"examples"}


async def test_the_command(
    workspace: Workspace, database: Found, mongo_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command prints a table of what goes and what stays, and takes the beginning of a run's id."""
    words(database)
    before = dictionary(database)
    result = await workspace.run(["bank", "shore"], components="synonyms,cefr_level")
    place = Place(mongo_url, database.name)
    copy = copy_of(database, (database.definitions.find_one({"text": "the edge of the sea"}) or {})["_id"])
    level = other_than(copy["cefr_level"])
    database.definitions.update_one({"_id": copy["_id"]}, {"$set": {"cefr_level": level}})
    after = dictionary(database)
    capsys.readouterr()
    marks: list[str] = []
    assert await undo_run(result.run[:6], place, dry_run=True, undone=lambda: marks.append("undone")) == 0
    output = capsys.readouterr().out
    assert f"{place}. Nothing was removed." in " ".join(output.split())
    assert not marks
    assert dictionary(database) == after
    assert "synonyms" in output
    assert "2 values edited since: kept" in output
    assert await undo_run(result.run[:6], place, yes=True, undone=lambda: marks.append("undone")) == 0
    assert marks == ["undone"]
    assert dictionary(database) != before
    assert (database.definitions.find_one({"_id": copy["_id"]}) or {})["cefr_level"] == level
    assert database.dictionary_entries.count_documents({"provider": "synthesis"}) == 1


async def test_an_odd_document(workspace: Workspace, store: MongoStore) -> None:
    """Documents whose stamps are of another type do not stop an undo."""
    database = workspace.database
    words(database)
    result = await workspace.run(["bank"], components="domain")
    odd = add_word(database, "odd")
    database.words.update_one({"_id": odd}, {"$set": {"synthesis": "nothing"}})
    sense = add_definition(database, odd, "odd", synthesis=["x"])
    counts = await undo(store, result.run)
    assert counts[ENTRIES, UndoResult.REMOVED] == 1
    assert isinstance(sense, ObjectId)
    assert database[Collection.DEFINITIONS].count_documents({"_id": sense}) == 1


async def test_immediate_answers(workspace: Workspace, store: MongoStore) -> None:
    """Values of immediate answers count as generated: a forced run requests them again, and undo keeps none."""
    words(workspace.database)
    settings: dict[str, Any] = {"components": "etymology,synonym_chooser", "immediate": True}
    texts = ["bank", "shore", "unheard"]
    first = await workspace.run(texts, **settings)
    again = await workspace.run(texts, name="again", force=True, **settings)
    assert (first.code, again.code) == (0, 0)
    requests = [each.ledger.totals().requests for each in (first, again)]
    assert requests[1] == requests[0] - 1  # the definitions of the unknown word exist by now
    assert {fate for _, fate in await undo(store, again.run)} == {UndoResult.REMOVED}


async def test_an_edit_during_the_undo(workspace: Workspace, store: MongoStore) -> None:
    """A value that somebody edits after the count, or between two writes of the undo, stays and is counted as kept."""
    database = workspace.database
    words(database)
    result = await workspace.run(["bank", "shore", "unheard"], components="cefr_level,examples,etymology,facts")
    await store.check()
    undoing = Undo(store, result.run, NOW)
    before = await undoing.count()
    bank = database.words.find_one({"text": "bank"}) or {}
    mine = {each["_id"]: other_than(each["cefr_level"]) for each in owned(database) if each["word_id"] == bank["_id"]}
    fact = ((database.dictionary_entries.find_one({"fact_ids.0": {"$exists": True}}) or {})["fact_ids"])[0]
    steps = 0

    def edit(_: str) -> None:
        nonlocal steps
        steps += 1
        for moment, (sense, level) in enumerate(mine.items()):
            if steps == moment + 1:
                database.definitions.update_one({"_id": sense}, {"$set": {"cefr_level": level}})
        if steps == 3:
            database.facts.update_one({"_id": fact}, {"$set": {"content": "Mine."}})

    first, level = next(iter(mine.items()))
    database.definitions.update_one({"_id": first}, {"$set": {"cefr_level": level}})
    store.on_write = edit
    counts = await undoing.write()
    stay = database.definitions.count_documents({"$or": [{"_id": each, "cefr_level": mine[each]} for each in mine]})
    entries = database.dictionary_entries.count_documents({"provider": "synthesis"})
    assert (stay, counts["cefr_level", UndoResult.EDITED]) == (len(mine), len(mine))
    assert before[ENTRIES, UndoResult.REMOVED] - counts[ENTRIES, UndoResult.REMOVED] == entries > 0
    assert before.total() == counts.total()
    named = [each for definition in owned(database) for each in definition["example_ids"]]
    assert database.examples.count_documents({"_id": {"$in": named}}) == len(named)


def refill(database: Found, copies: dict[str, list[dict[str, Any]]]) -> None:
    """Replace the documents of all collections."""
    for collection in {*copies, *database.list_collection_names()}:
        database[collection].delete_many({})
        if documents := copies.get(collection):
            database[collection].insert_many(documents)


def references(database: Found) -> dict[str, list[Any]]:
    """The examples, facts and pronunciations to which definitions and entries refer, in their order."""
    listed = [each for document in database.definitions.find().sort("_id") for each in document["example_ids"]]
    entries = list(database.dictionary_entries.find().sort("_id"))
    return {
        "examples": listed,
        "facts": [each for entry in entries for each in entry["fact_ids"]],
        "pronunciations": [entry["pronunciation_id"] for entry in entries if entry["pronunciation_id"]],
    }


@dataclass
class EditAtWrite:
    """A person who edits an example, a fact and a pronunciation before a write of an undo, which then dies or not."""

    database: Found
    mine: dict[str, Any]
    at: int
    dies: bool
    writes: int = 0

    def __call__(self, moment: str) -> None:
        """Count a write, and edit."""
        if moment == "before":
            self.writes += 1
            if self.writes == self.at:
                for collection, name in zip(LINKED, ("text", "content", "ipa"), strict=True):
                    self.database[collection].update_one({"_id": self.mine[collection]}, {"$set": {name: "Mine."}})
                if self.dies:
                    raise Killed

    async def undo(self, store: MongoStore, run: str) -> Counter[tuple[str, UndoResult]]:
        """Undo a run, and repeat the undo where it dies."""
        store.on_write = self
        try:
            return await Undo(store, run, NOW).write()
        except Killed:
            return await Undo(store, run, NOW).write()


@pytest.mark.parametrize(("name", "dies"), [("unheard", False), ("renamed", True), ("deleted", False)])
async def test_a_linked_document_is_edited_at_any_write(
    workspace: Workspace, store: MongoStore, database: Found, name: str, dies: bool
) -> None:
    """An example, a fact and a pronunciation that a person edits at any write of an undo keep their places, in an undo
    that dies then and is repeated, too; nothing refers to a document that is gone. The documents of a word that was
    deleted go like others.
    """
    result = await workspace.run(["unheard"], components="examples,pronunciation,facts")
    database.words.update_one({"text": "unheard"}, {"$set": {"text": name}})
    database.words.delete_many({"text": "deleted"})
    mine = {each: database[each].find({}).sort("_id", -1)[0]["_id"] for each in LINKED}
    copies = {each: list(database[each].find()) for each in database.list_collection_names()}
    before, stayed = references(database), Counter[str]()
    await store.check()
    counted = await Undo(store, result.run, NOW).count()
    for point in range(1, 99):
        refill(database, copies)
        edit = EditAtWrite(database, mine, point, dies)
        counts = await edit.undo(store, result.run)
        assert dies or counts.total() == counted.total(), point
        for collection, listed in references(database).items():
            present = {each["_id"] for each in database[collection].find()}
            assert listed == [each for each in before[collection] if each in present], (point, collection)
            assert len(listed) == len(present), (point, collection)
            if mine[collection] in present:
                stayed[collection] += 1
                component = "pronunciation" if collection == "pronunciations" else collection
                assert counts[component, UndoResult.EDITED] >= 1, (point, collection)
        if edit.writes < point:
            break
    assert all(stayed[each] >= 2 for each in LINKED), stayed
    assert not any(references(database).values())
