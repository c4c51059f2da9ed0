"""Runs with a judge: the last wave, only changed texts again, recovery, `check` and `undo`."""

from dataclasses import replace
from typing import Any

from floridify_batch.cli.check import checked
from floridify_batch.cli.undo import undo_run
from floridify_batch.components.text_judgement import judgement_of
from floridify_batch.database.connection import Place, opened
from floridify_batch.database.entry_text import entry_texts
from floridify_batch.database.lookup import headwords
from floridify_batch.database.store import MongoStore
from floridify_batch.files import ChunkFolder
from floridify_batch.pipeline.change_derivation import Disposition
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.review.sheet import sheet_rows
from floridify_batch.run.recovery import recover
from floridify_batch.timing import ignore
from tests.document_schemas import unreadable
from tests.documents import add_known, owned
from tests.sandbox import Sandbox
from tests.workspace import Workspace

JUDGE: dict[str, Any] = {"components": "examples,judgement", "models": {"judgement": "gpt-4o-mini"}}


def senses(workspace: Workspace) -> list[tuple[dict[str, Any], list[str]]]:
    """The stored senses with the texts of their examples."""
    texts = {each["_id"]: each["text"] for each in workspace.database.examples.find()}
    return [(each, [texts[example] for example in each["example_ids"]]) for each in owned(workspace.database)]


async def test_texts_are_judged_once(workspace: Workspace) -> None:
    """The judge sees the examples of the same run; a later run asks about changed texts only, and says what is low."""
    add_known(workspace.database, "bank", "shore")
    first = await workspace.run(["bank", "shore"], **JUDGE)
    assert [each.requests for each in first.ledger.chunks] == [2, 2]
    stamps = {each["_id"]: each["model"] for each in workspace.database.synthesis_stamps.find()}
    for sense, examples in senses(workspace):
        models = {name: stamps[stamp] for name, stamp in sense["synthesis"].items()}
        assert models == {"examples": "gpt-5.4-nano", "judgement": "gpt-4o-mini"}
        assert judgement_of(sense, "definitions", sense["text"])
        assert [bool(judgement_of(sense, "examples", each)) for each in examples] == [True, True]
    assert unreadable(workspace.database) == []
    again = await workspace.run(["bank", "shore"], name="again", **JUDGE)
    assert again.ledger.chunks == []
    edited = senses(workspace)[0][0]["example_ids"][1]
    workspace.database.examples.update_one({"_id": edited}, {"$set": {"text": "The bank is where we sat."}})
    assert judgement_of(senses(workspace)[0][0], "examples", "The bank is where we sat.") is None
    third = await workspace.run(["bank", "shore"], name="third", **JUDGE)
    assert [each.requests for each in third.ledger.chunks] == [1]
    assert judgement_of(senses(workspace)[0][0], "examples", "The bank is where we sat.")


async def test_low_scores_are_listed(workspace: Workspace) -> None:
    """`check` lists texts with a low score, a review has every score, and `undo` removes them from the texts."""
    add_known(workspace.database, "bank", "shore", "river", "light")
    words = ["bank", "shore", "river", "light"]
    await workspace.run(words, components="examples")
    before = [examples for _, examples in senses(workspace)]
    judging = await workspace.run(words, name="judging", **JUDGE)
    place = Place(workspace.mongo_url, workspace.database.name)

    async def low() -> set[str]:
        return {doubt.value for _, doubt in (await checked(place, words, "en")).doubts if doubt.check == "judgement"}

    scores = [each["score"] for sense, _ in senses(workspace) for each in sense["synthesis_judgements"]]
    assert len(await low()) == sum(score <= 3 for score in scores) > 0
    async with opened(place, ignore) as store:
        (headword, *_) = await headwords(store, "bank", "en")
        rows = [*sheet_rows(headword, next(entry_texts(headword)), {})]
    judged = {row.value: row.score for row in rows if row.score}
    assert len(judged) == 1 + len(before[0])
    assert any(set(examples) < judged.keys() for examples in before)
    await undo_run(judging.run, place, yes=True)
    assert await low() == set()
    assert [examples for _, examples in senses(workspace)] == before


async def test_a_judgement_is_recovered(workspace: Workspace, sandbox: Sandbox) -> None:
    """Without its checkpoint, a judgement is stored for the texts that the prompt numbered, and for no others."""
    add_known(workspace.database, "bank", "shore")
    await workspace.run(["bank", "shore"], components="examples")
    sent = await workspace.send(["bank", "shore"], name="judging", pack=2, **JUDGE)
    edited = senses(workspace)[0][0]["example_ids"][0]
    workspace.database.examples.update_one({"_id": edited}, {"$set": {"text": "The bank is where we sat."}})
    (batch,) = sandbox.batches_of(sent.run)
    service, store = (
        OpenAIBatches("any", base_url=sandbox.url),
        MongoStore(workspace.mongo_url, workspace.database.name),
    )
    store.reads_examples = True
    (job,) = await service.kept(sent.run)
    while not job.terminal:
        job = replace(await service.retrieve(job.id), metadata=job.metadata, input_file_id=job.input_file_id)
    folder = ChunkFolder(workspace.folder / "lost")
    folder.path.mkdir()
    found = await recover(job, service, store, folder)
    await service.close()
    await store.close()
    assert batch["counts"]["total"] == 1
    assert found.dispositions == {Disposition.CHANGED: 1, Disposition.FRESH: 1}
    assert [bool(sense.get("synthesis_judgements")) for sense, _ in senses(workspace)] == [False, True]


async def test_a_sample(workspace: Workspace, sandbox: Sandbox) -> None:
    """Only the senses of a sample are judged, the words are complete without the others, and the batch says so."""
    words = [f"word{letter}" for letter in "abcdefghijklmnopqrst"]
    add_known(workspace.database, *words)
    result = await workspace.run(words, judge_sample=0.3, components="judgement")
    judged = [sense for sense, _ in senses(workspace) if sense.get("synthesis_judgements")]
    assert 0 < len(judged) < len(words)
    assert result.ledger.chunks[0].requests == len(judged)
    assert result.ledger.missing == {}
    assert [batch["metadata"]["judge_sample"] for batch in sandbox.batches_of(result.run)] == ["0.3"]
