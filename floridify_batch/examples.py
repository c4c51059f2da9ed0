"""Examples of what went wrong in a run, read from its folder: a short table needs one of each kind."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from floridify_batch.chunks import chunk_folder, read_failures
from floridify_batch.errors import CheckpointError
from floridify_batch.failures import Failure
from floridify_batch.ledger import Ledger


def examples_of(run_folder: Path, ledger: Ledger) -> dict[str, Failure]:
    """A failure of each kind that the ledger counts. No more is read than it takes to find them."""
    found: dict[str, Failure] = {}
    for record in ledger.chunks:
        missing = record.failures.keys() - found.keys()
        # A damaged file costs an example, not the run.
        with suppress(CheckpointError):
            for failure in _failures(run_folder, record.number) if missing else ():
                if failure.kind in missing:
                    found[failure.kind] = failure
                    missing -= {failure.kind}
                    if not missing:
                        break
    return found


def _failures(run_folder: Path, number: int) -> Iterator[Failure]:
    return (failure for _, failure in read_failures(chunk_folder(run_folder, number) / "failures.jsonl"))
