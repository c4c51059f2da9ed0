"""Review: values out to a file, decisions in it back into the database, and later runs that keep them."""

import csv
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from floridify_batch.cli.export import export_entries
from floridify_batch.cli.review import store_decisions, write_file
from floridify_batch.cli.show import show_word
from floridify_batch.database.connection import Place
from floridify_batch.database.store import MongoStore
from floridify_batch.database.word_documents import word_documents
from floridify_batch.export.entry_source import Selection
from floridify_batch.export.file import ExportTarget
from floridify_batch.export.format import Format
from floridify_batch.review.decision import DecisionFile, RefusedRow
from floridify_batch.review.row import COLUMNS
from floridify_batch.review.storage import DecisionStore
from floridify_batch.words.entry import doc_id
from tests.documents import LONG_AGO, add_definition, add_entry, add_word, everything
from tests.workspace import Workspace

type Found = Database[dict[str, Any]]
type Row = dict[str, str]

ASKED = "synonyms,antonyms,usage_notes,grammar_patterns,collocations,examples,pronunciation,etymology,facts"


def place_of(workspace: Workspace) -> Place:
    return Place(workspace.mongo_url, workspace.database.name)


async def written(workspace: Workspace, *words: str) -> list[Row]:
    """Write the review file of words, and return its rows."""
    path = workspace.folder / "review.csv"
    await write_file(place_of(workspace), path, words or None, None)
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def saved(folder: Path, rows: list[Row], columns: tuple[str, ...] = COLUMNS, delimiter: str = ",") -> Path:
    """Save rows as a spreadsheet does."""
    path = folder / "decided.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, delimiter=delimiter, extrasaction="ignore", quoting=csv.QUOTE_ALL)
        table.writeheader()
        table.writerows(rows)
    return path


def decide(row: Row, decision: str, edited: str = "") -> None:
    row["decision"], row["edited value"] = decision, edited


def of(rows: list[Row], word: str, field: str) -> list[Row]:
    return [row for row in rows if row["word"] == word and row["field"].startswith(field)]


def known(database: Found, *texts: str) -> None:
    """Add words with a source's definition each."""
    for text in texts:
        word = add_word(database, text)
        add_entry(database, word, [add_definition(database, word, f"what {text} means")], "wiktionary")


def sense_of(database: Found, text: str) -> dict[str, Any]:
    word = database.words.find_one({"text": text}) or {}
    entry = database.dictionary_entries.find_one({"word_id": word["_id"], "provider": "synthesis"}) or {}
    return database.definitions.find_one({"_id": entry["definition_ids"][0]}) or {}


def entry_of(database: Found, text: str) -> dict[str, Any]:
    word = database.words.find_one({"text": text}) or {}
    return database.dictionary_entries.find_one({"word_id": word["_id"], "provider": "synthesis"}) or {}


EXAMPLE = 'She said "\u05e9" \u2013\n+1, at the bank.'


def edit_in_ten_ways(rows: list[Row], database: Found) -> None:
    """Decide the rows of "bank" as a person does, and those of "shore" with mistakes."""
    decide(of(rows, "bank", "synonyms")[0], "Edit", "mine; ours\r\n=theirs, too")
    decide(of(rows, "bank", "antonyms")[0], "reject")
    decide(of(rows, "bank", "usage notes")[0], "edit", "Rarely plural. | advice")
    decide(of(rows, "bank", "collocations")[0], "perhaps")
    decide(of(rows, "bank", "grammar patterns")[0], "\u201cAccept\u201d ")
    decide(of(rows, "bank", "examples")[0], "edit", EXAMPLE)
    for each in (*of(rows, "bank", "examples")[1:], *of(rows, "bank", "facts")):
        decide(each, "reject")
    decide(of(rows, "bank", "etymology: text")[0], "edit", "From an editor.")
    decide(of(rows, "bank", "pronunciation: ipa")[0], "accept")
    broken, meanwhile = of(rows, "shore", "synonyms")[0], of(rows, "shore", "antonyms")[0]
    decide(broken, "accept")
    broken["row ID"] = broken["row ID"][:-3].replace("/", "|")
    decide(meanwhile, "accept")
    database.definitions.update_one({"_id": sense_of(database, "shore")["_id"]}, {"$set": {"antonyms": ["law"]}})
    del rows[rows.index(of(rows, "shore", "etymology: text")[0])]
    rows.reverse()


def kept_values(database: Found) -> dict[str, Any]:
    """The decided values of "bank", and the texts of its examples."""
    sense, entry = sense_of(database, "bank"), entry_of(database, "bank")
    found = {name: sense[name] for name in ("synonyms", "antonyms", "grammar_patterns")}
    found |= {name: entry[name] for name in ("etymology", "pronunciation_id", "fact_ids")}
    examples = database.examples.find({"_id": {"$in": sense["example_ids"]}})
    return found | {"examples": [each["text"] for each in examples]}


async def test_decisions_are_stored_and_stay(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """Of ten kinds of edits, right ones are stored and others named; storing again and later runs change nothing."""
    database, place = workspace.database, place_of(workspace)
    known(database, "bank", "shore")
    await workspace.run(["bank", "shore"], components=ASKED)
    rows = await written(workspace)
    edit_in_ten_ways(rows, database)
    notes, unknown = (rows.index(of(rows, "bank", name)[0]) + 2 for name in ("usage notes", "collocations"))
    path = saved(workspace.folder, rows, ("edited value", *COLUMNS[:-1], "notes"), ";")
    before = everything(database)
    tried = await store_decisions(place, path, write=False)
    assert everything(database) == before
    capsys.readouterr()
    result = await store_decisions(place, path)
    assert result == tried
    listed = len(of(rows, "bank", "examples")) + len(of(rows, "bank", "facts"))
    assert (result.refused, result.changes) == (4, 5 + listed)
    shown = capsys.readouterr().err
    assert f"Row {notes}: Floridify could not read the edited value" in shown
    assert f"Row {unknown}: the decision \u201cperhaps\u201d is none of accept, edit, reject." in shown
    assert "its row ID is missing or damaged" in shown
    assert "the value has changed since; it reads now \u201claw\u201d" in shown
    values = kept_values(database)
    assert (values["synonyms"], values["antonyms"]) == (["mine", "ours", "=theirs, too"], [])
    assert (values["examples"], values["fact_ids"]) == ([EXAMPLE], [])
    assert values["etymology"]["text"] == "From an editor."
    assert database.facts.count_documents({"word_id": sense_of(database, "bank")["word_id"]}) == 0

    for name, settings in (("stale", {"stale": True, "model": "gpt-5.4-mini"}), ("force", {"force": True})):
        await workspace.run(["bank"], name=name, components=ASKED, **settings)
    assert kept_values(database) == values
    after = everything(database)
    again = await store_decisions(place, path)
    assert (again.changes, again.refused) == (0, 4)
    assert everything(database) == after


async def test_definitions_of_sources(workspace: Workspace) -> None:
    """A source's definition stays as it is: its copy gets the edited text, and a rejected copy leaves the entry."""
    database = workspace.database
    word = add_word(database, "bank")
    senses = [add_definition(database, word, text, synonyms=["side"]) for text in ("an edge", "a firm", "a row")]
    add_entry(database, word, senses, "wiktionary")
    sources = list(database.definitions.find())
    rows = await written(workspace, "bank")
    edge, firm, row = of(rows, "bank", "definition")
    decide(edge, "edit", "the edge of a river")
    decide(firm, "reject")
    decide(row, "accept")
    for each, decision in zip(of(rows, "bank", "synonyms"), ("reject", "reject", ""), strict=True):
        decide(each, decision)
    path = saved(workspace.folder, rows)
    tried = await store_decisions(place_of(workspace), path, write=False)
    result = await store_decisions(place_of(workspace), path)
    assert (result, result.refused, result.changes) == (tried, 0, 4)
    assert list(database.definitions.find({"_id": {"$in": senses}})) == sources
    kept = [database.definitions.find_one({"_id": each}) or {} for each in entry_of(database, "bank")["definition_ids"]]
    assert [each["text"] for each in kept] == ["the edge of a river", "a row"]
    assert [each["synonyms"] for each in kept] == [[], ["side"]]
    assert [each["word"] for each in await written(workspace, "bank")] == ["bank"] * 5
    after = everything(database)
    assert (await store_decisions(place_of(workspace), path)).changes == 0
    await workspace.run(["bank"], components="synonyms")
    assert [each["synonyms"] for each in database.definitions.find({"_id": kept[0]["_id"]})] == [[]]
    assert everything(database)["definitions"] == after["definitions"]


async def test_decided_values_in_exports(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """Exports and `show` say which values a review has accepted or edited, and which were edited after it."""
    database, place = workspace.database, place_of(workspace)
    reviewed_word(database)
    rows = await written(workspace, "bank")
    edge, firm = of(rows, "bank", "definition")
    decide(edge, "edit", "the edge of a river")
    decide(firm, "accept")
    decide(of(rows, "bank", "examples")[1], "accept")
    await store_decisions(place, saved(workspace.folder, rows))
    database.definitions.update_one({"text": "a firm"}, {"$set": {"synthesis_digests.synonyms": "abcdef01"}})
    target = ExportTarget(workspace.folder / "bank.csv", Format.CSV, "Trial", "2026-03-01")
    await export_entries(place, Selection(), target)
    with target.path.open(encoding="utf-8-sig", newline="") as file:
        marks = [(row["edited"], row["reviewed"]) for row in csv.DictReader(file)]
    assert marks == [("", "definition (edited)"), ("synonyms", "definition (accepted); examples (accepted)")]
    capsys.readouterr()
    await show_word("bank", place)
    shown = " ".join(capsys.readouterr().out.split())
    assert "noun 1: edited in review: definition - noun 2: accepted: definition, examples; edited: synonyms" in shown


def reviewed_word(database: Found) -> None:
    """Add a word of which the entry has two definitions, examples and an etymology that a model wrote."""
    word = add_word(database, "bank")
    senses = [
        add_definition(database, word, text, synonyms=["side"], providers=["synthesis"])
        for text in ("an edge", "a firm")
    ]
    for sense in senses:
        theirs = {"definition_id": sense, "text": "By the bank.", "type": "generated", "created_at": LONG_AGO}
        example = database.examples.insert_one(theirs | {"updated_at": LONG_AGO, "version": 1}).inserted_id
        database.definitions.update_one({"_id": sense}, {"$set": {"example_ids": [example]}})
    entry = add_entry(database, word, senses)
    database.dictionary_entries.update_one({"_id": entry}, {"$set": {"etymology": {"text": "From bank."}}})


async def decided_file(workspace: Workspace) -> Path:
    """The review file of that word with decisions of each kind."""
    reviewed_word(workspace.database)
    rows = await written(workspace, "bank")
    decide(of(rows, "bank", "definition")[0], "reject")
    for name, decision, edited in (("synonyms", "edit", "edge"), ("examples", "reject", ""), ("part", "accept", "")):
        decide(of(rows, "bank", name)[1], decision, edited)
    decide(of(rows, "bank", "etymology")[0], "reject")
    return saved(workspace.folder, rows)


class Crashed(Exception):
    """The crash of a process at a write."""


async def test_an_interruption_at_any_write(workspace: Workspace, store: MongoStore) -> None:
    """After a crash before or after any write, storing the file again ends as without it."""
    path, database = await decided_file(workspace), workspace.database
    before = {name: list(database[name].find()) for name in database.list_collection_names()}
    ends: list[dict[str, list[bytes]]] = []
    for crash in range(40):
        for name in database.list_collection_names():
            database[name].delete_many({})
        for name, found in before.items():
            database[name].insert_many(found)
        left = iter(range(crash or 1000))

        def count(_: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Crashed

        store.on_write = count
        with suppress(Crashed):
            await DecisionStore(store, LONG_AGO, print).take(DecisionFile(path).rows())
        reached = next(left, None) is None and crash
        store.on_write = lambda _: None
        await DecisionStore(store, LONG_AGO, print).take(DecisionFile(path).rows())
        ends.append({name: found for name, found in everything(database).items() if name != "batch_synth"})
        if crash and not reached:
            break
    assert len(ends) > 10
    assert [number for number, each in enumerate(ends) if each != ends[0]] == []


async def test_an_example_of_several_definitions(workspace: Workspace, store: MongoStore) -> None:
    """An example that names its definition in a list is none of its documents, and does not stop the reading."""
    database = workspace.database
    known(database, "bank")
    definition = database.definitions.find_one({}) or {}
    database.examples.insert_one({"definition_id": [definition["_id"]], "text": "By the bank."})
    [found] = await word_documents(store, [doc_id(definition["word_id"])])
    assert ([*found.definitions], found.linked) == ([doc_id(definition["_id"])], {})
    database.drop_collection("examples")  # its shape is no application's


async def test_an_edit_at_the_same_moment(workspace: Workspace, store: MongoStore) -> None:
    """A value that somebody edits between the reading and the writing stays, and its row is named."""
    path, database = await decided_file(workspace), workspace.database
    refused: list[RefusedRow] = []

    def edit(_: str) -> None:
        store.on_write = lambda _: None
        database.definitions.update_many({}, {"$set": {"synonyms": ["theirs"]}})

    decisions = DecisionStore(store, LONG_AGO, refused.append, rejected=DecisionFile(path).rejected_definitions)
    store.on_write = edit
    result = await decisions.take(DecisionFile(path).rows())
    assert [row.reason for row in refused] == ["the value has changed since; it reads now \u201ctheirs\u201d"]
    assert (result.refused, result.changes) == (1, 4)
    assert {tuple(each["synonyms"]) for each in database.definitions.find()} == {("theirs",)}
