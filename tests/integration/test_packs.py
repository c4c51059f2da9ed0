"""Packs: several definitions of one component in one request, from the list to the database."""

from math import ceil
from typing import Any

import orjson
import pytest
from bson import ObjectId
from pymongo import MongoClient

from floridify_batch.costs.answer_length import AnswerShape
from floridify_batch.database.store import MongoStore
from floridify_batch.files import ChunkFolder
from floridify_batch.pipeline.change_derivation import Disposition
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.run.bill import costs_of
from floridify_batch.run.recovery import recover
from floridify_batch.words.entry import derived_id
from tests.documents import add_definition, add_word, contents, owned
from tests.sandbox import Sandbox
from tests.workspace import Workspace

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
            same_id = ObjectId(derived_id(word, text))
            add_definition(workspace.database, document, text, part_of_speech=part, _id=same_id)
    return list(SENSES)


@pytest.mark.parametrize("shape", list(AnswerShape))
async def test_same_documents(workspace: Workspace, shape: AnswerShape) -> None:
    """A list that is run with packs of any size stores the same documents as one without."""
    found = []
    for size in (1, 2, 6):
        place = workspace.beside(f"pack{size}{shape}")
        words = add_senses(place)
        result = await place.run(words, name=f"pack{size}", components="all,judgement", pack=size, answers=shape)
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


async def test_the_saving_is_stated(workspace: Workspace) -> None:
    """The bill states, roughly, what immediate requests about one definition each would cost with full answers."""
    packed, single = workspace.beside("saving"), workspace.beside("paying")
    words = add_senses(packed)
    add_senses(single)
    chosen = {"components": "synonyms,cefr_level,register", "model": "gpt-6-luna"}
    cheap = await packed.run(words, name="saving", pack=6, answers=AnswerShape.STORED, **chosen)
    dear = await single.run(words, name="paying", immediate=True, **chosen)
    stated, paid = costs_of(cheap.ledger).one_by_one, dear.ledger.totals().cost
    assert stated is not None
    assert paid is not None
    assert float(stated) == pytest.approx(float(paid), rel=0.25)
    assert costs_of(dear.ledger).one_by_one == paid


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


@pytest.mark.parametrize(
    "fault", ["refuse=1", "truncate=1", "malformed=1", "http_400=synonyms", "missing=.5", "expire=1"]
)
async def test_faults(workspace: Workspace, sandbox: Sandbox, fault: str) -> None:
    """Whatever happens to a pack, its members are requested again, alone or in smaller packs, and stored."""
    words = add_senses(workspace)
    with sandbox.faults(f"{fault}@{sandbox.next_batch() + 1}"):
        result = await workspace.run(words, components="synonyms,cefr_level", pack=6)
    assert (result.code, result.ledger.missing) == (0, {})
    assert all(each["synonyms"] and "cefr_level" in each["synthesis"] for each in owned(workspace.database))
    if not fault.startswith("missing"):  # the service bills its lines all the same, and says so in its sum only
        batches = sandbox.batches_of(result.run)
        assert result.ledger.totals().cost == await workspace.billed(batch["id"] for batch in batches)
    first, second = result.ledger.chunks[:2]
    assert first.failed == second.requests == second.retried > 0
    in_packs = {"truncate": 3, "expire": 6}.get(fault.partition("=")[0], 1)
    assert second.lines == 2 * ceil(second.requests // 2 / in_packs)


async def test_recovery(workspace: Workspace, sandbox: Sandbox) -> None:
    """Without the checkpoint, the answers of packs are stored from the batch's input file, each for its definition."""
    words, recovered = add_senses(workspace), workspace.beside("recovered")
    add_senses(recovered)
    settings: dict[str, Any] = {"components": "default", "pack": 3, "answers": AnswerShape.STORED}
    sound = await workspace.run(words, name="sound", **settings)
    lost = await recovered.send(words, name="lost", **settings)
    assert (sound.code, contents(workspace.database)) != (0, contents(recovered.database))
    service = OpenAIBatches("any", base_url=sandbox.url)
    store = MongoStore(workspace.mongo_url, recovered.database.name)
    try:
        (batch,) = await service.kept(lost.run)
        while not batch.terminal:
            batch = await service.retrieve(batch.id)
        folder = ChunkFolder(workspace.folder / "recovery")
        folder.path.mkdir()
        found = await recover(batch, service, store, folder)
    finally:
        await store.close()
        await service.close()
    assert found.dispositions == {Disposition.FRESH: found.requests}
    assert contents(recovered.database) == contents(workspace.database)
