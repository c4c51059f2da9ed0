"""Runs in each shape of answers: the same documents, lengths that are kept apart, and runs that go on."""

from typing import Any

import orjson
from bson import ObjectId
from pymongo.database import Database

from floridify_batch.costs.answer_length import AnswerShape, Origin
from floridify_batch.database.store import MongoStore
from floridify_batch.pipeline.chunk import Limits
from floridify_batch.pipeline.workload import Workload
from floridify_batch.run.run_settings import brief_of
from tests.documents import add_known
from tests.workspace import Workspace

WORDS = [f"shape{letter}word" for letter in "abcdef"]
OF_ITS_RUN = {"created_at", "updated_at", "version", "model_info", "synthesis", "synthesis_digests", "id", "slug"}


def plain(value: Any) -> Any:
    """A value without ids, times and records of its run."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items() if name not in OF_ITS_RUN}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return "id" if isinstance(value, ObjectId) else value


def contents(database: Database[dict[str, Any]]) -> dict[str, list[str]]:
    """What a reader sees in a database, by collection."""
    names = ("definitions", "dictionary_entries", "examples", "facts", "pronunciations")
    found = {name: [orjson.dumps(plain(each)).decode() for each in database[name].find()] for name in names}
    return {name: sorted(each) for name, each in found.items()}


async def test_the_documents_of_each_shape(workspace: Workspace) -> None:
    """A list that is run with each shape yields documents with the same contents, for fewer tokens."""
    found, output, given = [], [], []
    for shape in AnswerShape:
        here = workspace.beside(shape)
        add_known(here.database, *WORDS)
        done = await here.run(WORDS, name=shape, components="all", answers=shape)
        assert (done.code, done.ledger.failures()) == (0, {})
        found.append(contents(here.database))
        output.append(done.ledger.totals().usage.output)
        given.append(done.ledger.totals().usage.input)
        workspace.database.client.drop_database(here.database.name)
    assert found[0]["definitions"]
    assert found[1] == found[0]
    assert found[2] == found[0]
    stored, full, bare = output
    assert bare < stored < full
    assert given[2] < given[0] < given[1]


async def test_lengths_are_kept_by_shape(workspace: Workspace) -> None:
    """Lengths measured in one shape are not those of another; answers of earlier versions count as whole."""
    add_known(workspace.database, *WORDS)
    done = await workspace.run(WORDS[:3], components="domain", answers=AnswerShape.BARE)
    store = MongoStore(workspace.mongo_url, workspace.database.name)
    try:
        lengths = {}
        for shape in AnswerShape:
            settings = done.ledger.run.settings.model_copy(update={"answers": shape})
            survey = Workload(brief_of(settings, "run"), "en", settings.model, Limits())
            estimate = await survey.of(WORDS[3:], store, lambda _, __: None)
            lengths[shape] = estimate.length("domain").origin
        assert lengths == {
            AnswerShape.BARE: Origin.DATABASE,
            AnswerShape.STORED: Origin.PRIOR,
            AnswerShape.FULL: Origin.PRIOR,
        }
        workspace.database["synthesis_stamps"].update_many({}, {"$unset": {"shape": ""}})
        assert {kind.shape for kind in await store.observed("gpt-5.4-nano")} == {AnswerShape.FULL}
    finally:
        await store.close()


async def test_another_shape_makes_nothing_stale(workspace: Workspace) -> None:
    """A run with --stale requests nothing of what was answered in another shape."""
    add_known(workspace.database, *WORDS)
    await workspace.run(WORDS, answers=AnswerShape.FULL)
    again = await workspace.run(WORDS, name="again", answers=AnswerShape.BARE, stale=True)
    assert (again.code, again.ledger.totals().requests) == (0, 0)


async def test_a_run_without_a_shape_goes_on(workspace: Workspace) -> None:
    """A run of the version before, with whole answers in flight and no shape recorded, goes on with whole ones."""
    add_known(workspace.database, *WORDS)
    sent = await workspace.send(WORDS, components="synonyms,domain,synonym_chooser", answers=AnswerShape.FULL)
    path = sent.checkpoint.path
    data = orjson.loads(path.read_bytes())
    del data["run"]["settings"]["answers"]
    path.write_bytes(orjson.dumps(data))
    done = await workspace.resume()
    assert done.ledger.run.settings.answers is AnswerShape.FULL
    assert (done.code, done.ledger.failures()) == (0, {})
