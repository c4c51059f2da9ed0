"""Packs: several definitions of one component in one request, from the list to the database."""

from typing import Any

import orjson
import pytest
from pymongo import MongoClient

from floridify_batch.components.requests import parse_custom_id
from floridify_batch.costs.answer_length import AnswerShape
from floridify_batch.files import ChunkFolder
from floridify_batch.pipeline.chunk import read_expected
from tests.documents import add_definition, add_word, contents, owned
from tests.sandbox import Sandbox
from tests.workspace import RunResult, Workspace

type Client = MongoClient[dict[str, Any]]

SENSES = {
    "packbank": (("noun", "the land beside a river"), ("noun", "a place for money"), ("verb", "to lean in a turn")),
    "packbrisk": (("adjective", "quick and full of energy"),),
    "packdegree": (("noun", "a unit of temperature"), ("noun", "a stage in a scale")),
    "packlie": (("verb", "to be at rest, flat"), ("verb", "to say what is not true")),
}
DEFINITIONS = sum(map(len, SENSES.values()))


def add_senses(workspace: Workspace) -> list[str]:
    """Store the words with their definitions."""
    for word, senses in SENSES.items():
        document = add_word(workspace.database, word)
        for part, text in senses:
            add_definition(workspace.database, document, text, part_of_speech=part)
    return list(SENSES)


def carried(result: RunResult, chunk: int = 1) -> list[str]:
    """Return the ids of the lines of a chunk, each once, in the order of their requests."""
    folder = ChunkFolder.of(result.checkpoint.folder, chunk)
    return list(dict.fromkeys(each.line_id for each in read_expected(folder)))


@pytest.mark.parametrize("shape", list(AnswerShape))
async def test_same_documents(workspace: Workspace, shape: AnswerShape) -> None:
    """A list that is run with packs of any size stores the same documents as one without."""
    found = []
    for size in (1, 2, 6):
        place = workspace.beside(f"pack{size}{shape}")
        words = add_senses(place)
        result = await place.run(words, name=f"pack{size}", components="all", pack=size, answers=shape)
        assert (result.code, result.ledger.missing) == (0, {})
        found.append(contents(place.database))
    assert found[0] == found[1] == found[2]


async def test_lines(workspace: Workspace, sandbox: Sandbox) -> None:
    """Definitions share lines across words, and the run is billed exactly what the service states for its lines."""
    words = add_senses(workspace)
    result = await workspace.run(words, components="synonyms,cefr_level,pronunciation", pack=3)
    (record,) = result.ledger.chunks
    assert (record.requests, record.lines) == (2 * DEFINITIONS + len(SENSES), 2 * 3 + len(SENSES))
    (batch,) = sandbox.batches_of(result.run)
    assert batch["counts"]["total"] == record.lines
    assert result.ledger.totals().cost == await workspace.billed([batch["id"]]) > 0
    assert record.answered == record.requests == record.billed


async def test_one_at_a_time(workspace: Workspace) -> None:
    """A definition without others to share a request with is requested exactly as without packs."""
    lines = []
    for size in (1, 6):
        place = workspace.beside(f"lone{size}")
        add_definition(place.database, add_word(place.database, "packlone"), "alone", part_of_speech="noun")
        sent = await place.send(["packlone"], name=f"lone{size}", pack=size)
        requests = ChunkFolder.of(sent.checkpoint.folder, 1).requests.read_bytes()
        lines.append([orjson.loads(line)["body"] for line in requests.splitlines()])
    assert lines[0] == lines[1]


@pytest.mark.parametrize("fault", ["refuse=1@{}", "truncate=1@{}", "malformed=1@{}", "http_400=0.5@{}", "missing=0.5@{}"])
async def test_faults(workspace: Workspace, sandbox: Sandbox, fault: str) -> None:
    """Whatever happens to a pack, its members are requested again, alone or in smaller packs, and stored."""
    words = add_senses(workspace)
    with sandbox.faults(fault.format(sandbox.next_batch() + 1)):
        result = await workspace.run(words, components="synonyms,cefr_level", pack=6)
    assert (result.code, result.ledger.missing) == (0, {})
    assert all(each["synonyms"] and "cefr_level" in each["synthesis"] for each in owned(workspace.database))
    batches = sandbox.batches_of(result.run)
    assert result.ledger.totals().cost == await workspace.billed(batch["id"] for batch in batches)
    packs = [parts.members for each in carried(result, 2) if (parts := parse_custom_id(each))]
    assert max(packs) == (3 if fault.startswith("truncate") else 6 if fault.startswith("expire") else 1)
