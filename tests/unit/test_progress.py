"""Progress at a pace, and files that tell how far they were read."""

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from floridify_batch.progress import EVERY, CountedFile, Paced


@given(st.lists(st.floats(0, 1), max_size=40), st.integers(0, 50))
def test_progress_is_told_at_a_pace(waits: list[float], total: int) -> None:
    """Between two tellings some time passes, except before the end, which is always told."""
    now = 0.0
    told: list[tuple[float, int]] = []
    paced = Paced(lambda done, _: told.append((now, done)), lambda: now)
    for done, wait in enumerate(waits, 1):
        now += wait
        paced(done, total)
    early = [done for (one, _), (other, done) in pairwise(told) if other - one < EVERY]
    assert all(0 < total <= done for done in early)
    assert total not in range(1, len(waits) + 1) or total in [done for _, done in told]


def test_a_file_tells_how_far_it_was_read(tmp_path: Path) -> None:
    """Read piece by piece, a file tells its size and ends with it, and gives what it holds."""
    path = tmp_path / "requests.jsonl"
    path.write_bytes(b"0123456789")
    told: list[tuple[int, int]] = []
    with CountedFile(path, lambda done, total: told.append((done, total))) as content:
        parts = [content.read(4), content.read(4), content.read(4), content.read(4)]
    assert b"".join(parts) == b"0123456789"
    assert told[0] == (4, 10)
    assert told[-1] == (10, 10)
    assert len(set(told)) == len(told)
