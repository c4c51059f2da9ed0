"""A run of version 0.1 can be resumed, with batches in flight and answers not stored yet."""

import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from bson import json_util

from tests.acceptance.command import Shell
from tests.acceptance.conftest import ShellFactory
from tests.documents import LONG_AGO, add_entry
from tests.sandbox import Sandbox

DATA = Path(__file__).parents[1] / "data" / "checkpoint_0_1"
QUICK = {"BATCH_SYNTH_SANDBOX_SECONDS": "0.2"}
RUNS = ("in_flight", "answered")
OURS = {"provider": "synthesis"}


def left_by_version_1(shell: Shell, name: str) -> None:
    """Create the files and documents of a version-1 run, as if it had just been stopped."""
    source = DATA / name
    shutil.copy(source / "words.txt", shell.folder)
    shutil.copytree(source / "files", shell.checkpoint.folder)
    shutil.copytree(source / "sandbox", shell.folder / "batch-synth-sandbox")
    for collection, documents in json_util.loads((source / "database.json").read_text(encoding="utf-8")).items():
        if documents:
            shell.database[collection].insert_many(documents)
    checkpoint = orjson.loads((source / "checkpoint.json").read_bytes())
    assert checkpoint["version"] == 1
    later = time.time() - checkpoint["start_time"] - 60
    settings = checkpoint["run"]["settings"]
    settings |= {"mongo_url": shell.env["BATCH_SYNTH_MONGO_URL"], "database": shell.database.name}
    shell.checkpoint.path.write_bytes(orjson.dumps(shifted(checkpoint, later)))
    for record in (shell.folder / "batch-synth-sandbox").glob("*/*.json"):
        record.write_bytes(orjson.dumps(shifted(orjson.loads(record.read_bytes()), later)))


def shifted(value: Any, seconds: float) -> Any:
    """Return the same JSON with every timestamp shifted by a number of seconds."""
    match value:
        case dict():
            return {name: shifted(each, seconds) for name, each in value.items()}
        case list():
            return [shifted(each, seconds) for each in value]
        case int() | float() if 1.7e9 < value < 2.2e9:
            return value + seconds
    return value


def asked(shell: Shell) -> Counter[str]:
    """Return the number of times that each request was sent to the sandbox."""
    files = shell.folder / "batch-synth-sandbox"
    inputs = [orjson.loads(path.read_bytes())["input_file_id"] for path in (files / "batches").glob("*.json")]
    lines = (line for name in inputs for line in (files / "files" / f"{name}.jsonl").read_bytes().splitlines())
    return Counter(orjson.loads(line)["custom_id"] for line in lines)


def sources(shell: Shell) -> list[dict[str, Any]]:
    """Return the definitions of providers: requests of version 1 name them, and answers go to their copies."""
    return list(shell.database.definitions.find({"created_at": LONG_AGO}).sort("_id"))


@pytest.fixture
def shell(make_shell: ShellFactory, quick: Sandbox) -> Shell:
    return make_shell(quick, "previous_sandbox")


@pytest.mark.parametrize("name", RUNS)
def test_resume(shell: Shell, name: str) -> None:
    """`resume` collects what version 1 left in flight, stores what it had downloaded, and repeats no request."""
    left_by_version_1(shell, name)
    before, originals = asked(shell), sources(shell)
    resumed = shell.run("resume", "--checkpoint", "words.checkpoint.json", **QUICK)
    assert (resumed.code, resumed.err) == (0, "")
    ledger = shell.ledger
    assert (ledger.finished, len(ledger.processed_words), ledger.failed_words) == (True, 12, {})
    assert orjson.loads(shell.checkpoint.path.read_bytes())["version"] == 2
    sent = asked(shell)
    assert set(sent.values()) == {1}
    assert sent > before
    assert ledger.totals().answered == sent.total()
    listed = [each for entry in shell.database.dictionary_entries.find(OURS) for each in entry["definition_ids"]]
    definitions = list(shell.database.definitions.find({"_id": {"$in": listed}}))
    assert all(each["synonyms"] for each in definitions)
    assert len({each["word_id"] for each in definitions}) == 12
    assert shell.database.pronunciations.count_documents({}) == 12
    assert sources(shell) == originals


@pytest.mark.parametrize("name", RUNS)
def test_recover(shell: Shell, name: str) -> None:
    """`recover` stores what the batches of a run of version 1 hold, though its checkpoint is gone."""
    left_by_version_1(shell, name)
    sent, before = asked(shell), sources(shell)
    shutil.rmtree(shell.checkpoint.folder)
    shell.checkpoint.path.unlink()
    recovered = shell.run("recover", "--yes", "--wait", "--sandbox", **QUICK)
    assert (recovered.code, recovered.err) == (0, "")
    assert asked(shell) == sent
    assert len(shell.database.definitions.distinct("word_id")) == 12
    assert shell.database.definitions.count_documents({"synonyms.0": {"$exists": True}}) >= 6
    assert shell.database.pronunciations.count_documents({}) >= 6
    assert sources(shell) == before


@pytest.mark.parametrize("command", ["resume", "recover"])
def test_a_pronunciation_of_a_source(shell: Shell, command: str) -> None:
    """Version 1 requested pronunciations that a source has: such an answer is counted, not stored, and no error."""
    left_by_version_1(shell, "in_flight")
    database = shell.database
    definition = database.definitions.find_one({"text": "the thing that is called bank"}) or {}
    word = definition["word_id"]
    spoken = {"word_id": word, "phonetic": "bangk", "ipa": "bæŋk", "model_info": None, "audio_file_ids": []}
    source = database.pronunciations.insert_one(spoken | {"created_at": LONG_AGO}).inserted_id
    entry = add_entry(database, word, [definition["_id"]], "wiktionary")
    database.dictionary_entries.update_one({"_id": entry}, {"$set": {"pronunciation_id": source}})
    if command == "resume":
        result = shell.run("resume", "--checkpoint", "words.checkpoint.json", **QUICK)
        assert sum((Counter(chunk.failures) for chunk in shell.ledger.chunks), Counter()) == {"kept": 1}
    else:
        result = shell.run("recover", "--yes", "--wait", "--sandbox", "--poll-interval", "0.2", **QUICK)
        assert "1 newer value kept" in result.out
    assert (result.code, result.err) == (0, "")
    ours = database.dictionary_entries.find_one({"word_id": word, **OURS}) or {}
    clone = database.pronunciations.find_one({"_id": ours["pronunciation_id"]}) or {}
    assert (clone["_id"] != source, clone["ipa"]) == (True, "bæŋk")
