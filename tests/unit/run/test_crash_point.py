"""Crash points: their names, and that a run without one is unchanged."""

from pathlib import Path

import pytest

from floridify_batch.errors import UsageError
from floridify_batch.run.crash_point import POINTS, inject_crash
from floridify_batch.run.driver import Driver, StopReason
from floridify_batch.run.ledger import TRANSITIONS
from tests.fakes import Scenario, Service


@pytest.mark.parametrize("text", ["nowhere", "before", "before-create@0", "before-create@x", "create"])
def test_what_is_no_point(tmp_path: Path, text: str) -> None:
    """An unknown crash point or pass number is refused with the list of points."""
    run = Scenario(tmp_path, ["bank"], Service()).run()
    before = (run.batches, run.store, run.checkpoint)
    with pytest.raises(UsageError, match="before-create, after-create"):
        inject_crash(run, text)
    assert (run.batches, run.store, run.checkpoint) == before


def test_every_move_of_the_ledger_is_a_point() -> None:
    """Every move of the ledger has a crash point."""
    moves = {f"{before}-{after}" for before, later in TRANSITIONS.items() for after in later}
    assert {f"{side}-{move}" for move in moves for side in ("before", "after")} <= set(POINTS)


async def test_a_crash_point_changes_nothing_before_it_is_reached(tmp_path: Path) -> None:
    """A run with a crash point is unchanged until the point is reached."""
    (tmp_path / "free").mkdir()
    (tmp_path / "doomed").mkdir()
    free, doomed = (Scenario(tmp_path / name, ["bank", "river"], Service()) for name in ("free", "doomed"))
    for scenario in (free, doomed):
        scenario.store.know("bank", "money", "bench")
    run = doomed.run()
    inject_crash(run, "after-create@99")
    assert await Driver(run).process() is StopReason.FINISHED
    await Driver(free.run()).process()
    assert doomed.store.picture() == free.store.picture()
    assert doomed.service.sizes == free.service.sizes
    assert run.ledger.finished
    assert run.checkpoint.load() == run.ledger
