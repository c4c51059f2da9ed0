"""Errors: one sentence, no traceback, the documented exit code."""

from collections.abc import Mapping
from concurrent.futures import Future

import pytest

from tests.acceptance.command import KEY
from tests.acceptance.refusals import CASES, Refused
from tests.sandbox import Sandbox


def lock_of(path: str, before: Mapping[str, bytes]) -> bool:
    """Whether a file is the lock of an existing checkpoint."""
    folder, _, name = path.rpartition("/.")
    return name.endswith(".lock") and f"{folder}/{name.removesuffix('.lock')}" in before


@pytest.mark.parametrize("name", CASES)
def test_refused(refused: Mapping[str, Future[Refused]], name: str) -> None:
    """Each invalid input gives one error message with its exit code, and leaves the folder unchanged."""
    case, output = CASES[name], refused[name].result()
    assert output.result.code == case.code, output.result
    assert case.says in output.result.err
    assert "Traceback" not in output.result.err
    assert KEY not in output.result.err + output.result.out
    assert output.result.err.startswith("batch-synth: ")
    assert output.result.err.count("\n") == 1
    assert {path: held for path, held in output.after.items() if not lock_of(path, output.before)} == output.before


def test_nothing_sent(refused: Mapping[str, Future[Refused]], refusing: Sandbox) -> None:
    """A refused command has uploaded nothing and created no batch."""
    for each in refused.values():
        each.result()
    assert (refusing.stats()["files_uploaded"], refusing.stats()["batches_created"]) == (0, 0)
