"""Examples of what went wrong in a run, read from its folder: a short table needs one of each kind."""

from collections.abc import Set
from contextlib import suppress
from pathlib import Path

from floridify_batch.components.failure import Failure
from floridify_batch.errors import CheckpointError
from floridify_batch.files import ChunkFolder
from floridify_batch.pipeline.chunk import read_failures
from floridify_batch.run.ledger import Ledger


def examples_of(run_folder: Path, ledger: Ledger) -> dict[str, Failure]:
    """A failure of each kind that the ledger counts. No more is read than it takes to find them."""
    return {kind: failure for kind, (_, failure) in placed_examples_of(run_folder, ledger).items()}


def placed_examples_of(run_folder: Path, ledger: Ledger) -> dict[str, tuple[int, Failure]]:
    """The same, each with the place of its word in the list."""
    found: dict[str, tuple[int, Failure]] = {}
    for record in ledger.chunks:
        if missing := record.failures.keys() - found.keys():
            found |= _first_of(missing, ChunkFolder.of(run_folder, record.number).failures)
    return found


def _first_of(kinds: Set[str], path: Path) -> dict[str, tuple[int, Failure]]:
    """The first failure of each of these kinds; a damaged file costs an example, neither the run nor its report."""
    found: dict[str, tuple[int, Failure]] = {}
    with suppress(OSError, CheckpointError):
        for ordinal, failure in read_failures(path):
            if failure.kind in kinds:
                found.setdefault(failure.kind, (ordinal, failure))
            if len(found) == len(kinds):
                break
    return found
