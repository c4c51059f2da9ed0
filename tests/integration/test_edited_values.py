"""Values that people edit between two runs: --force and --stale leave them alone, and replace only our own."""

from typing import Any

import pytest
from pymongo.database import Database

from floridify_batch.cli.mend import mend_database
from floridify_batch.database.connection import Place
from tests.documents import LONG_AGO, add_definition, add_entry, add_word, everything
from tests.workspace import Workspace

type Found = Database[dict[str, Any]]
ASKED = "synonyms,cefr_level,register,usage_notes,etymology,phrases"
RENEWED = [{"force": True}, {"stale": True, "model": "gpt-5.4-mini"}]


def known(database: Found, *texts: str) -> None:
    """Add words with a source's definition each."""
    for text in texts:
        word = add_word(database, text)
        add_entry(database, word, [add_definition(database, word, f"what {text} means")], "wiktionary")


def own(database: Found, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the synthesis entry of a word, and its only definition."""
    word = database.words.find_one({"text": text}) or {}
    entry = database.dictionary_entries.find_one({"word_id": word["_id"], "provider": "synthesis"}) or {}
    return entry, database.definitions.find_one({"_id": entry["definition_ids"][0]}) or {}


def stamped_by(database: Found, document: dict[str, Any]) -> dict[str, str]:
    """Return the run that wrote each component of a document."""
    runs = {each["_id"]: each["run"] for each in database.synthesis_stamps.find()}
    return {name: runs[stamp] for name, stamp in document["synthesis"].items()}


def edit(database: Found, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Change two values of a definition and one of an entry, as an editor does."""
    entry, sense = own(database, text)
    database.definitions.update_one(
        {"_id": sense["_id"]}, {"$set": {"cefr_level": "C2"}, "$push": {"synonyms": "mine"}}
    )
    database.dictionary_entries.update_one({"_id": entry["_id"]}, {"$set": {"etymology.text": "From an editor."}})
    return own(database, text)


@pytest.mark.parametrize("renewed", RENEWED, ids=["force", "stale"])
async def test_edited_values_stay(
    workspace: Workspace, renewed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A level, a list and an etymology that a person edited are not requested; the values beside them are replaced."""
    database = workspace.database
    known(database, "bank", "shore")
    first = await workspace.run(["bank", "shore"], components=ASKED)
    entry, sense = edit(database, "bank")
    second = await workspace.run(["bank", "shore"], name="again", components=ASKED, **renewed)
    assert (first.code, second.code) == (0, 0)
    output = capsys.readouterr()
    assert "9 stored values will be replaced" in output.out + output.err
    assert "3 values edited by people or written by other programs: kept, not requested" in output.out + output.err
    entry_now, sense_now = own(database, "bank")
    assert (sense_now["cefr_level"], sense_now["synonyms"]) == ("C2", sense["synonyms"])
    assert entry_now["etymology"] == entry["etymology"]
    expected = {"synonyms": first, "cefr_level": first, "register": second, "usage_notes": second}
    assert stamped_by(database, sense_now) == {name: each.run for name, each in expected.items()}
    assert stamped_by(database, entry_now) == {"etymology": first.run, "phrases": second.run}
    assert set(stamped_by(database, own(database, "shore")[1]).values()) == {second.run}
    assert second.ledger.totals().requests == first.ledger.totals().requests - 3


@pytest.mark.parametrize("renewed", RENEWED, ids=["force", "stale"])
async def test_edited_values_are_replaced_on_request(workspace: Workspace, renewed: dict[str, Any]) -> None:
    """With --replace-edited, every value is regenerated."""
    database = workspace.database
    known(database, "bank")
    first = await workspace.run(["bank"], components=ASKED)
    edit(database, "bank")
    second = await workspace.run(["bank"], name="again", components=ASKED, replace_edited=True, **renewed)
    entry, sense = own(database, "bank")
    assert second.ledger.totals().requests == first.ledger.totals().requests
    assert set(stamped_by(database, sense).values()) == {second.run}
    assert "mine" not in sense["synonyms"]
    assert entry["etymology"]["text"] != "From an editor."


async def test_values_of_earlier_versions_stay(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """Values with stamps of earlier versions, which have no digest, count as edited."""
    database = workspace.database
    known(database, "bank")
    await workspace.run(["bank"], components=ASKED)
    for name in ("definitions", "dictionary_entries"):
        database[name].update_many({}, {"$unset": {"synthesis_digests": ""}})
    before = own(database, "bank")
    again = await workspace.run(["bank"], name="again", components=ASKED, force=True)
    assert (again.code, again.ledger.totals().requests) == (0, 0)
    assert own(database, "bank") == before
    output = capsys.readouterr()
    assert "6 values of earlier versions" in output.out + output.err


LINKED = "examples,facts,pronunciation"


def edit_linked(database: Found, text: str) -> dict[str, Any]:
    """Edit an example, a fact and the pronunciation of a word in their own documents; return these."""
    entry, sense = own(database, text)
    spoken, example, fact = entry["pronunciation_id"], sense["example_ids"][0], entry["fact_ids"][0]
    database.pronunciations.update_one({"_id": spoken}, {"$set": {"ipa": "/mine/"}})
    database.examples.update_one({"_id": example}, {"$set": {"text": "An editor's sentence."}})
    database.facts.update_one({"_id": fact}, {"$set": {"content": "An editor's fact."}})
    return linked(database, text)


def linked(database: Found, text: str) -> dict[str, Any]:
    """Return the examples, facts and the pronunciation of a word."""
    entry, sense = own(database, text)
    return {
        "examples": [database.examples.find_one({"_id": each}) for each in sense["example_ids"]],
        "facts": [database.facts.find_one({"_id": each}) for each in entry["fact_ids"]],
        "pronunciation": database.pronunciations.find_one({"_id": entry["pronunciation_id"]}),
    }


@pytest.mark.parametrize("renewed", RENEWED, ids=["force", "stale"])
async def test_edited_documents_stay(
    workspace: Workspace, renewed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Examples, facts and a pronunciation of which a person has edited one in its own document stay unasked."""
    database = workspace.database
    known(database, "bank", "shore")
    first = await workspace.run(["bank", "shore"], components=LINKED)
    before = edit_linked(database, "bank")
    second = await workspace.run(["bank", "shore"], name="again", components=LINKED, **renewed)
    output = capsys.readouterr()
    assert "3 values edited by people or written by other programs: kept, not requested" in output.out + output.err
    assert "3 stored values will be replaced" in output.out + output.err
    assert linked(database, "bank") == before
    assert second.ledger.totals().requests == first.ledger.totals().requests - 3
    assert set(stamped_by(database, own(database, "shore")[1]).values()) == {second.run}


async def test_edited_documents_are_replaced_on_request(workspace: Workspace) -> None:
    """With --replace-edited, edited examples, facts and pronunciations are replaced; a person's own example stays."""
    database = workspace.database
    known(database, "bank")
    await workspace.run(["bank"], components=LINKED)
    entry, sense = own(database, "bank")
    theirs = {"definition_id": sense["_id"], "text": "A person's own.", "type": "literature", "created_at": LONG_AGO}
    theirs |= {"updated_at": LONG_AGO, "version": 1}
    kept = database.examples.insert_one(theirs).inserted_id
    database.definitions.update_one({"_id": sense["_id"]}, {"$push": {"example_ids": kept}})
    before = edit_linked(database, "bank")
    await workspace.run(["bank"], name="again", components=LINKED, force=True, replace_edited=True)
    now = linked(database, "bank")
    assert [each["_id"] for each in now["examples"] if each in before["examples"]] == [kept]
    assert not [each for each in now["facts"] if each in before["facts"]]
    assert database.pronunciations.count_documents({}) == 1
    assert now["pronunciation"]["ipa"] != "/mine/"
    assert entry["_id"] == own(database, "bank")[0]["_id"]


async def test_documents_edited_meanwhile(workspace: Workspace) -> None:
    """A person edits an example, a fact and a pronunciation while new ones are generated: all three stay in place."""
    database = workspace.database
    known(database, "bank")
    await workspace.run(["bank"], components=LINKED)
    await workspace.send(["bank"], name="again", components=LINKED, force=True)
    before = edit_linked(database, "bank")
    result = await workspace.resume("again")
    assert result.code == 0
    assert linked(database, "bank") == before


async def test_values_of_earlier_versions_are_adopted(
    workspace: Workspace, mongo_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`mend --adopt` declares values of earlier versions ours: --force replaces them, and still keeps later edits."""
    database = workspace.database
    known(database, "bank", "shore")
    first = await workspace.run(["bank", "shore"], components=f"{ASKED},examples,pronunciation")
    for name in ("definitions", "dictionary_entries", "examples", "pronunciations"):
        database[name].update_many({}, {"$unset": {"synthesis_digests": ""}})
    before, place = everything(database), Place(mongo_url, database.name)
    capsys.readouterr()
    assert await mend_database(place, dry_run=True, adopt=True) == 0
    assert everything(database) == before
    assert "values of earlier versions that runs may replace from now on" in capsys.readouterr().out
    assert await mend_database(place, yes=True, adopt=True) == 0
    adopted = everything(database)
    assert await mend_database(place, yes=True, adopt=True) == 0
    assert everything(database) == adopted
    edit(database, "bank")
    again = await workspace.run(["bank", "shore"], name="again", components=ASKED, force=True)
    assert again.ledger.totals().requests == 12 - 3
    entry, sense = own(database, "bank")
    assert (sense["cefr_level"], entry["etymology"]["text"]) == ("C2", "From an editor.")
    assert stamped_by(database, sense)["register"] == again.run
    assert stamped_by(database, sense)["examples"] == first.run


async def test_adoption_leaves_sources_alone(workspace: Workspace, mongo_url: str) -> None:
    """Where an earlier version put a value into a source's definition, its copy is adopted; the source is unchanged."""
    database = workspace.database
    known(database, "bank")
    await workspace.run(["bank"], components="synonyms")
    copy = own(database, "bank")[1]
    source = database.definitions.find_one({"providers": ["wiktionary"], "_id": {"$ne": copy["_id"]}}) or {}
    written = {"synonyms": copy["synonyms"], "synthesis": copy["synthesis"]}
    database.definitions.update_one({"_id": source["_id"]}, {"$set": written})
    database.definitions.delete_one({"_id": copy["_id"]})
    database.dictionary_entries.delete_many({"provider": "synthesis"})
    before = database.definitions.find_one({"_id": source["_id"]})
    await mend_database(Place(mongo_url, database.name), yes=True, adopt=True)
    assert database.definitions.find_one({"_id": source["_id"]}) == before
    adopted = own(database, "bank")[1]
    assert (adopted["synonyms"], list(adopted["synthesis_digests"])) == (copy["synonyms"], ["synonyms"])


async def test_an_edited_example_of_a_copy(workspace: Workspace) -> None:
    """A copy stays beside the definition that is written from it where a person has edited its clone of an example."""
    database = workspace.database
    word = add_word(database, "bank")
    senses = [add_definition(database, word, text) for text in ("land beside a river", "where money is kept")]
    theirs = {"definition_id": senses[0], "text": "We sat there.", "type": "literature", "created_at": LONG_AGO}
    theirs |= {"updated_at": LONG_AGO, "version": 1}
    listed = [database.examples.insert_one(theirs).inserted_id]
    database.definitions.update_one({"_id": senses[0]}, {"$set": {"example_ids": listed}})
    add_entry(database, word, senses, "wiktionary")
    await workspace.run(["bank"], components="synonyms")
    clone = database.examples.find_one({"_id": {"$nin": listed}}) or {}
    database.examples.update_one({"_id": clone["_id"]}, {"$set": {"text": "An editor's sentence."}})
    await workspace.run(["bank"], name="more", components="cluster_definitions,definition_text")
    assert (database.examples.find_one({"_id": clone["_id"]}) or {})["text"] == "An editor's sentence."
    entry = database.dictionary_entries.find_one({"provider": "synthesis"}) or {}
    assert clone["definition_id"] in entry["definition_ids"]
