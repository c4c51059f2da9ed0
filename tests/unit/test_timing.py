"""Throttled progress events, and files that report how far they were read."""

from itertools import pairwise
from pathlib import Path

from hypothesis import given, strategies as st

from floridify_batch.timing import PROGRESS_INTERVAL, CountedFile, ThrottledProgress


@given(st.lists(st.floats(0, 1), max_size=40), st.integers(0, 50))
def test_progress_is_throttled(waits: list[float], total: int) -> None:
    """Progress events are at least an interval apart, except the last one, which is always reported."""
    now = 0.0
    events: list[tuple[float, int]] = []
    progress = ThrottledProgress(lambda done, _: events.append((now, done)), lambda: now)
    for done, wait in enumerate(waits, 1):
        now += wait
        progress(done, total)
    early = [done for (one, _), (other, done) in pairwise(events) if other - one < PROGRESS_INTERVAL]
    assert all(0 < total <= done for done in early)
    assert total not in range(1, len(waits) + 1) or total in [done for _, done in events]


def test_a_counted_file_reports_how_far_it_was_read(tmp_path: Path) -> None:
    """A file that is read in parts reports its progress up to its size, and returns its whole content."""
    path = tmp_path / "requests.jsonl"
    path.write_bytes(b"0123456789")
    events: list[tuple[int, int]] = []
    with CountedFile(path, lambda done, total: events.append((done, total))) as content:
        parts = [content.read(4), content.read(4), content.read(4), content.read(4)]
    assert b"".join(parts) == b"0123456789"
    assert events[0] == (4, 10)
    assert events[-1] == (10, 10)
    assert len(set(events)) == len(events)
