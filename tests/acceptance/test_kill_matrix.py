"""Processes that die at named points, against how a batch can end: nothing is paid twice, lost or spoilt.

A selection of the matrix that `scripts/soak --matrix` goes through: several processes of one run die one after another.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from floridify_batch.run.crash_point import POINTS
from scripts.soaks.case import SoakCase, Verdict, database_at
from scripts.soaks.matrix import (
    BATCH_ENDS,
    FAULTS,
    PACKS,
    PREFLIGHT,
    Case,
    Matrix,
    comes_by,
    preflight_case,
    whole_matrix,
)
from scripts.soaks.plan import plan_of
from tests.acceptance.command_server import Forked

AT_ONCE = 8
"""Cases that are played together: each spends much of its time waiting for a batch or for a list."""

CASES = (
    Case(("after-cancel", "before-SUBMITTED-ANSWERED"), "shown late"),
    preflight_case("after-request@2", "before-request@2", "before-SUBMITTED-ANSWERED"),
    Case(("after-find", "before-SUBMITTING-SUBMITTED"), "completed", "made, then 500"),
    Case(("after-create", "amid-answers"), "in both files", "lagging list"),
    Case(("before-create", "before-ANSWERED-STORED"), "expired", "made, then cut"),
    Case(("after-upload", "before-STORED-DONE"), "cancelled", "turned away"),
    Case(("before-SUBMITTED-PLANNED", "after-save"), "queue full", "polls fail"),
    Case(("before-SUBMITTED-SPLIT", "before-SPLIT-DONE"), "too large"),
    Case(("before-SUBMITTING-SPLIT", "after-SPLIT-DONE"), "too large at creation"),
    Case(("before-NEW-PLANNED", "after-SUBMITTING-PLANNED"), "full at creation"),
    Case(("amid-save",), "rejected", "downloads fail"),
    Case(("after-find", "after-apply"), "failed late", "uploads fail"),
    Case(("before-retrieve", "before-SUBMITTED-LOST"), "forgotten", "held reply"),
    Case(("before-LOST-STORED", "after-ensure_words"), "files gone"),
    Case(("before-ANSWERED-SPLIT", "after-SPLIT-DONE"), "form refused"),
    Case(("before-PLANNED-SPLIT", "amid-apply"), "model replaced"),
    Case(("after-PLANNED-SUBMITTING", "amid-apply"), "patchy", "half a reply", PACKS),
    Case(("before-SUBMITTED-ANSWERED", "amid-apply"), "cut packs", run=PACKS),
    Case(("after-answers", "after-ANSWERED-STORED"), "refused packs", run=PACKS),
    Case(("before-write@15", "after-write@5", "before-update"), run="all components"),
    Case(("after-write@14",), run="all, replaced"),
)
"""One process dies at the first point, the next one at the second, the third comes to the end; the slowest first."""


def _what(point: str) -> str:
    return point.partition("-")[2].partition("@")[0]


HARD_SEED = 3434
"""A case with faults, a killed database, a killed service and kills by time."""


def test_the_selection_leaves_nothing_out() -> None:
    """The selection covers every effect, move, batch end and fault of the matrix."""
    assert {_what(point) for case in CASES for point in case.points} == {
        _what(case.points[0]) for case in whole_matrix()
    }
    assert {case.crash for case in CASES} == set(BATCH_ENDS)
    assert {case.trouble for case in CASES} == set(FAULTS)
    assert all(comes_by(case.crash, point) for case in CASES if case.run != PREFLIGHT for point in case.points)


def test_the_matrix_leaves_nothing_out() -> None:
    """Every point is in the matrix."""
    assert set(POINTS) - {point.partition("@")[0] for case in whole_matrix() for point in case.points} == set()


@pytest.fixture(scope="module")
def at_random(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[Verdict]]:
    """Run a random case concurrently with the selection: it mostly waits."""
    folder = tmp_path_factory.mktemp("random")
    with database_at(folder / "mongodb") as database, ThreadPoolExecutor(1) as pool:
        yield pool.submit(SoakCase(plan_of(HARD_SEED), folder / "case", database, Forked.logged).undergo)


@pytest.mark.usefixtures("at_random")
def test_killed_at_named_points(tmp_path: Path, mongo_url: str) -> None:
    """A run killed at any point pays for one batch per chunk, retries no usable answer, accounts for every request,
    and stores the documents of a run without faults.
    """
    matrix = Matrix(tmp_path, mongo_url, Forked.logged).learn()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(matrix.play, CASES))
    assert [outcome for outcome in outcomes if not outcome.fine] == []
    assert [outcome.died for outcome in outcomes] == [case.points for case in CASES]


def test_at_random(at_random: Future[Verdict]) -> None:
    """In a random case of the soak, with signals and outages at seeded times, no figure is wrong."""
    verdict = at_random.result()
    assert (verdict.fine, verdict.wrong) == (True, "")
    assert len(verdict.codes) > 1
