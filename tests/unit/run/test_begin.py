"""The start and the resumption of a run: indexes, templates and the first checkpoint."""

from pathlib import Path
from typing import Any

import pytest

from floridify_batch.costs.usage import Spent
from floridify_batch.errors import CheckpointError
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import ChunkRecord, ChunkState, Ledger
from floridify_batch.run.run_settings import RunSpec
from floridify_batch.run.state import Run, begin_run, resume_run
from floridify_batch.words.word_list import read_normalised
from tests.fakes import MemoryStore, Service
from tests.ledgers import run_settings

WORDS = ["bank", "river"]


async def test_begin(tmp_path: Path) -> None:
    """A run has its indexes, its word list and its first checkpoint before anything is planned."""
    store, checkpoint = MemoryStore(), Checkpoint(tmp_path / "run.json")
    spec = RunSpec.of(run_settings(), WORDS)
    run = await begin_run(spec, checkpoint, Service(), store)
    assert store.indexed
    assert list(read_normalised(checkpoint.words_path)) == WORDS
    assert checkpoint.load() == run.ledger
    assert (run.ledger.run, run.brief, run.words) == (spec.info, spec.brief, WORDS)


async def test_resume_creates_indexes(tmp_path: Path) -> None:
    """Resuming a run creates missing indexes, without which each page scans a collection."""
    checkpoint = Checkpoint(tmp_path / "run.json")
    begun = await begin_run(RunSpec.of(run_settings(), WORDS), checkpoint, Service(), MemoryStore())
    store = MemoryStore()
    again = Run(WORDS, begun.ledger, checkpoint, begun.brief, Service(), store)
    await resume_run(again)
    assert store.indexed
    assert again.ledger == checkpoint.load()


def started(templates: str | None, *, answered: bool) -> Ledger:
    """A run with a batch in flight and a stored one, of other templates than the present ones."""
    spec = RunSpec.of(run_settings(), WORDS)
    settings = spec.info.settings.model_copy(update={"templates": templates})
    info = spec.info.model_copy(update={"template_digest": "older", "fingerprints": {}, "settings": settings})
    size: dict[str, Any] = {"words": 1, "requests": 1, "bytes": 1, "input_tokens": 1, "output_tokens": 1}
    chunks = [
        ChunkRecord(number=1, state=ChunkState.DONE, **size),
        ChunkRecord(number=2, state=ChunkState.SUBMITTED, batch_id="b", **size),
    ]
    return Ledger(start_time=0.0, run=info, chunks=chunks, spent={"synonyms": Spent(answered=1)} if answered else {})


async def resumed(ledger: Ledger, tmp_path: Path) -> Run:
    checkpoint = Checkpoint(tmp_path / "run.json")
    checkpoint.create_folder()
    run = Run(WORDS, ledger, checkpoint, RunSpec.of(run_settings(), WORDS).brief, Service(), MemoryStore())
    await resume_run(run)
    return run


async def test_an_updated_program_resumes(tmp_path: Path) -> None:
    """A run of another version is resumed; answers in flight are stamped with the templates of their requests."""
    run = await resumed(started(None, answered=True), tmp_path)
    assert run.ledger.run.template_digest == run.brief.template_digest
    forms = [each.form for each in run.ledger.chunks]
    assert [form and form.template_digest for form in forms] == ["older", "older"]


async def test_a_mended_template_resumes(tmp_path: Path) -> None:
    """A user's template that was never answered may be corrected between run and resume."""
    run = await resumed(started("mine", answered=False), tmp_path)
    assert run.ledger.run.fingerprints == run.brief.fingerprints


async def test_a_changed_template_is_refused(tmp_path: Path) -> None:
    """A user's template that was answered may not change within a run."""
    with pytest.raises(CheckpointError, match="templates for synonyms in mine have changed"):
        await resumed(started("mine", answered=True), tmp_path)
