"""A dictionary in the current folder: no server of one's own, no address, nothing but a file."""

import asyncio
from pathlib import Path

import pytest

from floridify_batch.cli.import_ import import_file
from floridify_batch.cli.show import show_word
from floridify_batch.database.connection import Place
from floridify_batch.errors import DatabaseError

ROOT = Path(__file__).resolve().parents[2]
DEFINITIONS = ROOT / "scripts/demos/data/definitions.jsonl"


async def test_from_a_file_to_an_entry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an address, a local MongoDB in the working folder stores the definitions and returns them."""
    place = Place(None, "floridify", tmp_path)
    await import_file(DEFINITIONS, place, provider="wiktionary")
    output = capsys.readouterr().out
    await import_file(DEFINITIONS, place, provider="wiktionary")
    again = capsys.readouterr().out
    assert output.splitlines()[0] == again.splitlines()[0]
    assert "0 already present" in output
    assert "0 new" in again
    assert await show_word("tear", place) == 0
    shown = capsys.readouterr().out
    assert shown.index("tear¹") < shown.index("drop of the clear") < shown.index("tear²") < shown.index("apart")
    assert max(map(len, shown.splitlines())) <= 80


def test_there_is_nothing_to_show(tmp_path: Path) -> None:
    """Without a database, `show` creates none, and the error says how to get one."""
    with pytest.raises(DatabaseError, match=r"No database yet: .*batch-synth import"):
        asyncio.run(show_word("tear", Place(None, "floridify", tmp_path)))
    assert list(tmp_path.iterdir()) == []
