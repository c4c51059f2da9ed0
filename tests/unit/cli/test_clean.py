"""The removal of finished runs: what is listed, what is removed, and what is never removed."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from floridify_batch.cli.clean import remains_of
from floridify_batch.cli.main import app
from floridify_batch.cli.undo import mark_undone
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import ChunkRecord, ChunkState, Ledger
from tests.ledgers import record, run_info

S = ChunkState


def saved(path: Path, *chunks: ChunkRecord, processed: int = 4) -> Checkpoint:
    """A run of four words with a folder of chunk files and a previous copy."""
    checkpoint = Checkpoint(path)
    words = [f"w{number}" for number in range(processed)]
    ledger = Ledger(start_time=0.0, run=run_info(), list_cursor=4, chunks=list(chunks), processed_words=words)
    checkpoint.create_folder()
    (checkpoint.folder / "words.txt").write_text("w0\nw1\nw2\nw3\n")
    (checkpoint.folder / "0001").mkdir()
    (checkpoint.folder / "0001" / "output.jsonl").write_bytes(b"x" * 200_000)
    for _ in range(2):
        checkpoint.save(ledger)
    return checkpoint


def test_a_finished_run_is_removed_whole(tmp_path: Path) -> None:
    """The checkpoint, its folder and its previous copy go; other files of the folder stay."""
    checkpoint = saved(tmp_path / "words.checkpoint.json", record(1, S.DONE, answered=8))
    (tmp_path / "words.txt").write_text("w0\n")
    (tmp_path / "words.report.html").write_text("report")
    result = CliRunner().invoke(app, ["clean", str(checkpoint.path)])
    assert (result.exit_code, checkpoint.path.exists()) == (0, True)
    assert "finished" in result.stdout
    assert "1 finished run (0.2 MB) can be removed; pass --yes" in result.stdout
    result = CliRunner().invoke(app, ["clean", str(tmp_path / "words.txt"), "--yes"])
    assert result.exit_code == 0
    assert "Removed 1 finished run (0.2 MB)." in result.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["words.report.html", "words.txt"]


def test_an_undone_run_is_not_called_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An undone run is listed as such; of the other, the database is named in which its entries stay."""
    monkeypatch.chdir(tmp_path)
    saved(Path("a.checkpoint.json"), record(1, S.DONE, answered=8))
    checkpoint = saved(Path("b.checkpoint.json"), record(1, S.DONE, answered=8))
    mark_undone(checkpoint)
    shown = " ".join(CliRunner().invoke(app, ["clean"]).stdout.split())
    assert shown.count(" finished ") == 2  # one row of the table, and the sentence
    assert "1 finished run and 1 undone run" in shown
    result = CliRunner().invoke(app, ["clean", "a.checkpoint.json", "--yes"])
    database = run_info().settings.database
    assert f"The entries stay in the database {database}" in " ".join(result.stdout.split())
    result = CliRunner().invoke(app, ["clean", "--yes"])
    assert "The database is not changed." in result.stdout


def test_a_run_with_words_to_retry_is_removed_only_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished run with incomplete words is listed as such and kept, unless the user names it."""
    monkeypatch.chdir(tmp_path)
    checkpoint = saved(Path("words.checkpoint.json"), record(1, S.DONE, answered=8), processed=2)
    ledger = checkpoint.load()
    assert ledger is not None
    ledger.incomplete_words, ledger.failed_words = {"w2": "missing 1 of 3"}, {"w3": "no"}
    checkpoint.save(ledger)
    result = CliRunner().invoke(app, ["clean", "--yes"])
    assert "1 incomplete, 1 failed" in " ".join(result.stdout.split())
    assert "nothing to remove" in result.stdout
    assert checkpoint.path.exists()
    result = CliRunner().invoke(app, ["clean", "words.checkpoint.json", "--yes"])
    assert "ended, words: 1 incomplete, 1 failed" in " ".join(result.stdout.split())
    assert not checkpoint.path.exists()


UNFINISHED = [
    (record(1, S.SUBMITTED, batch_id="b"), 0, "unfinished, 1 batch in flight or not stored"),
    (record(1, S.SUBMITTING), 4, "unfinished, 1 batch in flight or not stored"),
    (record(1, S.ANSWERED, batch_id="b"), 4, "unfinished, 1 batch in flight or not stored"),
    (record(1, S.STORED, answered=8), 3, "unfinished"),
    (record(1, S.DONE, answered=8), 3, "unfinished"),
]


@pytest.mark.parametrize(("chunk", "processed", "kept"), UNFINISHED)
def test_an_unfinished_run_is_never_removed(tmp_path: Path, chunk: ChunkRecord, processed: int, kept: str) -> None:
    """A run with batches in flight, with answers that are not stored or with words left stays, also with --yes."""
    checkpoint = saved(tmp_path / "words.checkpoint.json", chunk, processed=processed)
    before = sorted(tmp_path.rglob("*"))
    assert remains_of(checkpoint).kept == kept
    result = CliRunner().invoke(app, ["clean", str(checkpoint.path), "--yes"])
    assert result.exit_code == 0
    assert "nothing to remove" in result.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_in_use_or_unreadable_is_never_removed(tmp_path: Path) -> None:
    """A checkpoint that a process holds, or that cannot be read, is kept."""
    checkpoint = saved(tmp_path / "words.checkpoint.json", record(1, S.DONE, answered=8))
    with checkpoint.locked():
        assert remains_of(checkpoint).kept == "in use"
    checkpoint.path.write_text("{")
    assert remains_of(checkpoint).kept == "not readable"
    assert CliRunner().invoke(app, ["clean", str(checkpoint.path), "--yes"]).exit_code == 0
    assert checkpoint.path.exists()
