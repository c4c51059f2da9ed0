"""Errors: one sentence, no traceback, the documented exit code."""

from collections.abc import Mapping
from concurrent.futures import Future

import pytest

from tests.acceptance.command import KEY
from tests.acceptance.refusals import CASES, Refused
from tests.sandbox import Sandbox


def lock_of(path: str, before: Mapping[str, bytes]) -> bool:
    """Whether a file is the lock of a checkpoint that was there."""
    folder, _, name = path.rpartition("/.")
    return name.endswith(".lock") and f"{folder}/{name.removesuffix('.lock')}" in before


@pytest.mark.parametrize("name", CASES)
def test_refused(refused: Mapping[str, Future[Refused]], name: str) -> None:
    """Each invalid input gives one sentence with its exit code, and leaves the folder unchanged."""
    case, told = CASES[name], refused[name].result()
    assert told.said.code == case.code, told.said
    assert case.says in told.said.err
    assert "Traceback" not in told.said.err
    assert KEY not in told.said.err + told.said.out
    assert told.said.err.startswith("batch-synth: ")
    assert told.said.err.count("\n") == 1
    assert {path: held for path, held in told.after.items() if not lock_of(path, told.before)} == told.before


def test_nothing_sent(refused: Mapping[str, Future[Refused]], refusing: Sandbox) -> None:
    """A command that is refused has uploaded nothing and created no batch."""
    for each in refused.values():
        each.result()
    assert (refusing.stats()["files_uploaded"], refusing.stats()["batches_created"]) == (0, 0)
