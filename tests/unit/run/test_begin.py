"""A run begins in one way, whoever begins it, and a run that is resumed finds what it needs in place."""

from pathlib import Path

from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.run_settings import RunSpec
from floridify_batch.run.state import begin_run, resume_run
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
    """A run that began without indexes gets them when it is resumed: without them, each page scans a collection."""
    checkpoint = Checkpoint(tmp_path / "run.json")
    begun = await begin_run(RunSpec.of(run_settings(), WORDS), checkpoint, Service(), MemoryStore())
    store = MemoryStore()
    resumed = await resume_run(begun.ledger, WORDS, checkpoint, begun.brief, Service(), store)
    assert store.indexed
    assert resumed.ledger == begun.ledger
