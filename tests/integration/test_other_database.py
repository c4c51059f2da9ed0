"""A run and its database belong together: without what was stored, the user decides."""

from dataclasses import replace
from pathlib import Path

import pytest

from floridify_batch.cli import session
from floridify_batch.errors import OtherDatabase
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import Ledger
from floridify_batch.run.resources import Secrets
from floridify_batch.run.run_settings import brief_of
from floridify_batch.words.word_list import digest_of, read_normalised
from tests.floridify_models import COLLECTIONS
from tests.ledgers import record, run_info
from tests.workspace import Workspace

WORDS = ("bank", "tree", "moon")


async def test_noted(workspace: Workspace) -> None:
    """The database has the number of answers that a run has stored, in a separate collection."""
    ended = await workspace.run(WORDS)
    (document,) = workspace.database.batch_synth.find()
    COLLECTIONS["batch_synth"].model_validate(document)
    assert (document["run"], document["stored_answers"]) == (ended.run, ended.ledger.stored_answers)


async def test_emptied(workspace: Workspace) -> None:
    """A run whose database was emptied stops with exit code 5; with --accept-database it fills the database again."""
    sent = await workspace.send(WORDS)
    while not sent.ledger.stored_answers:
        sent = await workspace.resume_in(workspace.session_of("words", wait=False))
    workspace.database.client.drop_database(workspace.database.name)
    with pytest.raises(OtherDatabase, match="--accept-database") as refused:
        await workspace.resume()
    assert refused.value.exit_code == 5
    assert not workspace.database.list_collection_names()
    accepted = replace(workspace.session_of("words"), accept_database=True)
    ended = await workspace.resume_in(accepted)
    assert (ended.code, sorted(ended.ledger.processed_words), ended.ledger.missing) == (0, sorted(WORDS), {})
    assert workspace.database.words.count_documents({}) == len(WORDS)
    assert workspace.database.definitions.count_documents({"synonyms": []}) == 0
    assert (await workspace.resume()).code == 0


async def test_another_address(workspace: Workspace) -> None:
    """The run's own database is accepted under another address, which the run then keeps."""
    await workspace.send(WORDS)
    address = f"{workspace.mongo_url.rstrip('/')}/?appname=moved"
    here = workspace.session_of("words")
    ended = await workspace.resume_in(replace(here, secrets=Secrets("any", address)))
    assert (ended.code, ended.ledger.run.settings.mongo_url) == (0, address)


async def test_moved_without_its_mongodb(tmp_path: Path) -> None:
    """A checkpoint moved without its local MongoDB's folder starts no empty one before the user confirms."""
    checkpoint = Checkpoint(tmp_path / "words.checkpoint.json")
    checkpoint.create_folder()
    checkpoint.words_path.write_text("bank\n")

    info = run_info(words=1, list_digest=digest_of(read_normalised(checkpoint.words_path)))
    info = info.model_copy(update={"template_digest": brief_of(info.settings, info.id).template_digest})
    checkpoint.save(Ledger(start_time=0.0, run=info, chunks=[record(words=1)], list_cursor=1))
    with pytest.raises(OtherDatabase, match="batch-synth-mongodb"):
        await session.resume(session.Session(checkpoint, Secrets("any"), 0.0, yes=True, wait=True))
    assert not (tmp_path / "batch-synth-mongodb").exists()
