"""Factories of run settings and chunk records with defaults."""

from typing import Any

from floridify_batch.run.ledger import ChunkRecord, ChunkState
from floridify_batch.run.run_settings import RunInfo, RunSettings

_USUAL: dict[str, Any] = {
    "words_file": "words.txt",
    "components": ("synonyms",),
    "model": "gpt-6-luna",
    "language": "en",
    "force": False,
    "immediate": False,
    "batch_size": None,
    "max_attempts": 3,
    "poll_interval": 60.0,
    "database": "floridify",
    "mongo_url": None,
    "base_url": None,
    "sandbox": False,
}


def run_settings(**changes: Any) -> RunSettings:
    """Return run settings with changes."""
    return RunSettings(**_USUAL | changes)


def run_info(**changes: Any) -> RunInfo:
    """Return a run's identity; other changes are settings."""
    facts: dict[str, Any] = {"id": "run1", "words": 4, "list_digest": "l", "template_digest": "t"}
    facts |= {name: changes.pop(name) for name in facts if name in changes}
    return RunInfo(settings=run_settings(**changes), **facts)


def record(number: int = 1, state: ChunkState = ChunkState.PLANNED, **more: Any) -> ChunkRecord:
    """Return a chunk of two words."""
    sizes: dict[str, Any] = {"words": 2, "requests": 8, "bytes": 800, "input_tokens": 300, "output_tokens": 90}
    return ChunkRecord(number=number, state=state, **sizes | more)
