"""A word in several languages: each has its own entry, definitions and stamps."""

from typing import Any

import pytest
from pymongo.database import Database

from floridify_batch.database.store import MongoStore
from floridify_batch.database.undo import Undo
from tests.documents import LONG_AGO, add_definition, add_entry, add_word
from tests.workspace import Workspace

type Found = Database[dict[str, Any]]
ASKED = "synonyms,etymology,pronunciation,facts"


@pytest.fixture
def chat(database: Found) -> dict[str, Any]:
    """A word in English and French, with a source in each."""
    word = add_word(database, "chat")
    database.words.update_one({"_id": word}, {"$set": {"languages": ["en", "fr"]}})
    for language, text in (("en", "an informal talk"), ("fr", "petit animal domestique")):
        entry = add_entry(database, word, [add_definition(database, word, text)], "wiktionary")
        database.dictionary_entries.update_one({"_id": entry}, {"$set": {"languages": [language]}})
    return database.words.find_one({"_id": word}) or {}


def own(database: Found, language: str) -> dict[str, Any]:
    """The synthesis entry of a language."""
    (entry,) = database.dictionary_entries.find({"provider": "synthesis", "languages": [language]})
    return entry


def texts(database: Found, entry: dict[str, Any]) -> list[str]:
    return [each["text"] for each in database.definitions.find({"_id": {"$in": entry["definition_ids"]}})]


@pytest.mark.parametrize("languages", [["en", "fr"], ["fr", "en"]])
@pytest.mark.usefixtures("chat")
async def test_each_language_has_its_entry(workspace: Workspace, languages: list[str]) -> None:
    """The second language gets all of its values, in an entry of its own, and nothing of the first one changes."""
    database = workspace.database
    first = await workspace.run(["chat"], components=ASKED, language=languages[0])
    before = own(database, languages[0])
    second = await workspace.run(["chat"], name="more", components=ASKED, language=languages[1])
    assert first.ledger.totals().requests == second.ledger.totals().requests == 4
    assert own(database, languages[0]) == before
    english, french = own(database, "en"), own(database, "fr")
    assert (texts(database, english), texts(database, french)) == (["an informal talk"], ["petit animal domestique"])
    assert english["etymology"]
    assert french["etymology"]
    assert english["pronunciation_id"] != french["pronunciation_id"]
    for number, language in enumerate(languages):
        again = await workspace.run(["chat"], name=f"again{number}", components=ASKED, language=language)
        assert again.ledger.totals().requests == 0


async def test_undo_of_one_language(workspace: Workspace, store: MongoStore, chat: dict[str, Any]) -> None:
    """The undo of a run in one language leaves the other's entry and stamps as they are."""
    database = workspace.database
    await workspace.run(["chat"], components=ASKED)
    english = own(database, "en")
    stamps = (database.words.find_one({"_id": chat["_id"]}) or {})["synthesis"]
    french = await workspace.run(["chat"], name="more", components=ASKED, language="fr")
    await store.check()
    await Undo(store, french.run, LONG_AGO).write()
    assert list(database.dictionary_entries.find({"provider": "synthesis"})) == [english]
    assert (database.words.find_one({"_id": chat["_id"]}) or {})["synthesis"] == stamps


async def test_a_region_is_not_stored(workspace: Workspace) -> None:
    """New words and entries of a run in British English are stored as English, which Floridify's models know."""
    await workspace.run(["bank"], components="synonyms", language="en-GB")
    for name in ("words", "dictionary_entries"):
        assert [each["languages"] for each in workspace.database[name].find()] == [["en"]]


@pytest.mark.parametrize(("language", "reported"), [("pt", True), ("it", False)])
async def test_a_language_that_floridify_does_not_know(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], language: str, reported: bool
) -> None:
    """Entries of any language are stored; the estimate says if Floridify cannot load them."""
    result = await workspace.run(["ponte"], components="synonyms", language=language)
    output = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert ("Floridify cannot load Portuguese entries: its models know de, en, es, fr, it only." in output) == reported
    assert (result.code, own(workspace.database, language)["languages"]) == (0, [language])


@pytest.mark.parametrize("listed", [True, False])
async def test_a_source_without_a_language(workspace: Workspace, chat: dict[str, Any], listed: bool) -> None:
    """What states no language belongs to the word's first one: it is in no prompt and no entry of another."""
    database = workspace.database
    sense = add_definition(database, chat["_id"], "a small songbird")
    if listed:
        entry = add_entry(database, chat["_id"], [sense], "oxford")
        database.dictionary_entries.update_one({"_id": entry}, {"$set": {"languages": None}})
    await workspace.run(["chat"], components="synonyms", language="fr")
    await workspace.run(["chat"], name="more", components="synonyms")
    english, french = own(database, "en"), own(database, "fr")
    assert sorted(texts(database, english)) == ["a small songbird", "an informal talk"]
    assert texts(database, french) == ["petit animal domestique"]
