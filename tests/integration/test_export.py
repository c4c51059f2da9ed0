"""Exports from a real database, of entries that a run has made."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import bson
import orjson
import pytest
from bson import DatetimeMS, Decimal128, ObjectId, Regex
from bson.raw_bson import RawBSONDocument

from floridify_batch.cli.export import check_target, export_entries
from floridify_batch.database.connection import Place
from floridify_batch.errors import UsageError
from floridify_batch.export.entry_source import Selection
from floridify_batch.export.file import ExportResult, ExportTarget
from floridify_batch.export.format import Format
from floridify_batch.files import partial_of
from tests.acceptance.command import until
from tests.documents import add_definition, add_entry, add_known, add_word
from tests.workspace import Workspace

DAY = "2026-03-01"


async def exported(
    workspace: Workspace, target: Format, words: list[str] | None = None, language: str | None = None
) -> tuple[ExportResult, Path]:
    """Export from the database of a workspace."""
    path = workspace.folder / f"dictionary.{target}"
    place = Place(workspace.mongo_url, workspace.database.name)
    goal = ExportTarget(path, target, "Trial", DAY)
    return await export_entries(place, Selection(words, language), goal), path


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON Lines."""
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


async def test_entries_of_a_run(workspace: Workspace) -> None:
    """What a run has stored is exported: senses with their values, ids of the documents, model and day."""
    await workspace.run(["exportfin", "exportgill"], components="all")
    result, path = await exported(workspace, Format.JSONL, ["exportgill", "exportfin", "exportabsent"], "en")
    entries = lines_of(path)
    assert [entry["headword"] for entry in entries] == ["exportgill", "exportfin"]
    words = {word["text"]: str(word["_id"]) for word in workspace.database.words.find()}
    entry = entries[0]
    assert entry["id"] == words["exportgill"]
    synthesis = workspace.database.dictionary_entries.find_one({"provider": "synthesis"})
    stored = {str(each["_id"]): each for each in workspace.database.definitions.find()}
    assert synthesis is not None
    for sense in entry["senses"]:
        document = stored[sense["id"]]
        assert sense["definition"] == document["text"]
        assert sense["synonyms"] == document["synonyms"]
        assert sense["register"] == document["language_register"]
        assert len(sense["examples"]) == len(document["example_ids"])
        assert sense["provenance"]["synonyms"]["model"] == "gpt-5.4-nano"
        assert sense["provenance"]["synonyms"]["date"].startswith("20")
        assert sense["examples"][0]["origin"]["model"] == "gpt-5.4-nano"
    assert entry["pronunciations"][0]["ipa"]
    assert entry["etymology"]["text"]
    assert entry["facts"]
    assert entry["phrases"]
    assert result.notes == ["Not in the database: 1 word of the list."]


async def test_whole_database(workspace: Workspace) -> None:
    """All words are exported in order, in pages, with homographs together and each language of a word."""
    database = workspace.database
    for number in range(450):
        word = add_word(database, f"w{number:03d}", language="de" if number % 2 else "en")
        add_definition(database, word, f"sense {number}")
    for number in range(1, 4):
        add_definition(database, add_word(database, "w199", homograph=number), f"homograph {number}")
    result, path = await exported(workspace, Format.JSONL)
    entries = lines_of(path)
    assert result.entries == 453
    assert [entry["headword"] for entry in entries] == sorted(entry["headword"] for entry in entries)
    assert [entry.get("homograph") for entry in entries if entry["headword"] == "w199"] == [None, 1, 2, 3]
    german, path = await exported(workspace, Format.DMLEX_JSON, language="de")
    assert german.entries == 225
    assert {each["headword"] for each in orjson.loads(path.read_bytes())["entries"]} <= {
        f"w{n:03d}" for n in range(450)
    }
    with pytest.raises(UsageError, match=r"has one language; pass --language \(de, en\)"):
        await exported(workspace, Format.DMLEX_XML)


async def test_odd_documents(workspace: Workspace) -> None:
    """An odd value costs itself, and a word without a definition is left out; the command says both."""
    database = workspace.database
    word = add_word(database, "exportodd")
    sense = add_definition(database, word, "a thing", synonyms={"a": 1}, example_ids=[word])
    add_entry(database, word, [sense])
    add_word(database, "exportbare")
    add_known(database, " \x00 ")
    result, path = await exported(workspace, Format.JSONL)
    assert [entry["senses"][0]["definition"] for entry in lines_of(path)] == ["a thing"]
    odd = "definitions.synonyms"
    assert result.notes == [
        "Left out: 1 word without a definition.",
        "Left out: 1 word whose text has no characters.",
        f"Left out: values of a wrong type: {odd} (1); the first is {odd} in document {sense}.",
        "References to documents that do not exist: example_ids (1).",
    ]
    database.drop_collection("definitions")  # its shape is no application's
    database.drop_collection("dictionary_entries")


async def test_words_of_odd_texts(workspace: Workspace) -> None:
    """Words whose text is a list, a number or missing are left out and counted; the others are exported."""
    database = workspace.database
    add_known(database, "exportfin", "exportgill")
    odd: list[dict[str, Any]] = [
        {"text": ["exportfin", 3], "languages": ["en"]},
        {"text": 1984, "languages": ["en"]},
        {"languages": ["en"]},
    ]
    identities = database.words.insert_many(odd).inserted_ids
    for words in (None, ["exportfin", "exportgill"]):
        result, path = await exported(workspace, Format.JSONL, words, "en")
        assert [entry["headword"] for entry in lines_of(path)] == ["exportfin", "exportgill"]
        expected = f"values of a wrong type: words.text (3); the first is words.text in document {identities[0]}"
        assert result.notes == ([] if words else [f"Left out: {expected}."])
    database.drop_collection("words")  # its shape is no application's


async def test_references_of_odd_types(workspace: Workspace) -> None:
    """References that are numbers, patterns or mappings cost themselves, not the export."""
    database = workspace.database
    word = add_word(database, "exportodd")
    odd: list[Any] = [Decimal128("1.5"), Regex("a"), {"a": 1}, [1]]
    sense = add_definition(database, word, "a thing", example_ids=odd, source_definitions=7)
    entry = add_entry(database, word, [sense])
    fields = {"fact_ids": odd, "pronunciation_id": odd[0], "synthesis": {"etymology": odd[1]}, "source_entries": 1.5}
    database.dictionary_entries.update_one({"_id": entry}, {"$set": fields})
    _, path = await exported(workspace, Format.JSONL)
    assert [each["senses"][0]["definition"] for each in lines_of(path)] == ["a thing"]
    database.drop_collection("definitions")  # its shape is no application's
    database.drop_collection("dictionary_entries")


async def test_undecodable_values(workspace: Workspace) -> None:
    """Invalid UTF-8 and a date beyond Python's years cost themselves, not the export."""
    database = workspace.database
    word = add_word(database, "exportodd")
    far = {"model_info": {"name": "gpt-6-luna", "last_generated": DatetimeMS(-(2**60))}}
    sense = add_definition(database, word, "a thing", **far)
    add_entry(database, word, [sense])
    stored = database.definitions.find_one({}, {"created_at": False, "model_info": False}) or {}
    changed = bson.encode({**stored, "_id": ObjectId(), "text": "a QQ"}).replace(b"QQ", b"\xed\xff")
    database.definitions.insert_one(RawBSONDocument(changed))
    database.dictionary_entries.delete_many({})
    _, path = await exported(workspace, Format.JSONL)
    [entry] = lines_of(path)
    assert sorted(each["definition"] for each in entry["senses"]) == ["a thing", "a \ufffd\ufffd"]
    database.drop_collection("definitions")  # its shape is no application's


async def test_nothing_to_export(workspace: Workspace) -> None:
    """Without an entry there is no file, and an earlier one stays."""
    add_known(workspace.database, "exportknown")
    _, path = await exported(workspace, Format.JSONL)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="nothing to export"):
        await exported(workspace, Format.JSONL, ["exportabsent"], "en")
    assert path.read_bytes() == before
    assert sorted(each.name for each in workspace.folder.iterdir()) == ["dictionary.jsonl"]


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from floridify_batch.database.store import MongoStore
from floridify_batch.export.entry_source import EntrySource, Selection
from floridify_batch.export.file import ExportTarget, export_file
from floridify_batch.export.format import Format

url, name, path, format, day = sys.argv[1:]
source = EntrySource(MongoStore(url, name), Selection())
target = ExportTarget(Path(path), Format(format), "Trial", day)
asyncio.run(export_file(source, target, lambda done, total: done < total and os.kill(os.getpid(), signal.SIGKILL)))
"""


async def test_killed_export(workspace: Workspace) -> None:
    """A killed export leaves the earlier file as it was; repeated, it gives the file of an undisturbed one."""
    target = Format.ANKI  # with a temporary file of its own
    add_known(workspace.database, *(f"w{number:03d}" for number in range(300)))
    _, path = await exported(workspace, target, ["w001"], "en")
    before = path.read_bytes()
    place = workspace.mongo_url, workspace.database.name
    killed = subprocess.run([sys.executable, "-c", KILLED, *place, path, target, DAY], check=False)  # noqa: ASYNC221
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    assert partial_of(path).exists()
    await exported(workspace, target)
    complete = path.read_bytes()
    assert not partial_of(path).exists()
    path.unlink()
    await exported(workspace, target)
    assert path.read_bytes() == complete != before


async def test_interrupted_export(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """An interrupted export leaves no part of a file, and says that the same command writes it."""
    add_known(workspace.database, *(f"w{number:03d}" for number in range(300)))
    exporting = asyncio.create_task(exported(workspace, Format.JSONL))
    path = workspace.folder / "dictionary.jsonl"
    await asyncio.to_thread(until, partial_of(path).exists)
    exporting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exporting
    assert "dictionary.jsonl was not written; run the same command again." in capsys.readouterr().err
    assert list(workspace.folder.iterdir()) == []


def test_target(tmp_path: Path) -> None:
    """A file that is not an export is replaced only with --yes."""
    path = tmp_path / "words.jsonl"
    path.write_text("bank\n")
    with pytest.raises(UsageError, match="is not an export; pass --yes"):
        check_target(path)
    check_target(path, yes=True)
    path.write_bytes(b'{"id":"65aa","headword":"bank"}\n')
    check_target(path)
    with pytest.raises(UsageError, match=r"^- is no file, .*; name a file in --out"):
        check_target(Path("-"))
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(UsageError, match=r"pipe\.jsonl is no file"):
        check_target(tmp_path / "pipe.jsonl", yes=True)
    with pytest.raises(UsageError, match="no folder"):
        check_target(tmp_path / "gone" / "words.jsonl")
