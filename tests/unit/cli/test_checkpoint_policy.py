"""The policy for a checkpoint whose file is missing."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from floridify_batch.cli.checkpoint_policy import is_replaced, refuse_to_pay_twice, report_finished, words_of_run
from floridify_batch.cli.main import app
from floridify_batch.cli.undo import checkpoint_of_run, mark_undone
from floridify_batch.errors import CheckpointError, UsageError
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import ChunkState, Ledger
from floridify_batch.words.word_list import digest_of, write_normalised
from tests.ledgers import record, run_info


def left_behind(folder: Path, *states: ChunkState) -> Checkpoint:
    """A run whose checkpoint is missing, with a previous copy that has chunks in these states."""
    checkpoint = Checkpoint(folder / "words.checkpoint.json")
    chunks = [record(number, state) for number, state in enumerate(states, 1)]
    ledger = Ledger(start_time=1.0, run=run_info(), chunks=chunks, list_cursor=4)
    for _ in range(2):
        checkpoint.save(ledger)
    checkpoint.path.unlink()
    return checkpoint


@pytest.mark.parametrize("state", [ChunkState.SUBMITTING, ChunkState.SUBMITTED, ChunkState.ANSWERED])
def test_unstored_batches_are_not_paid_twice(tmp_path: Path, state: ChunkState) -> None:
    """A new run is refused if the previous copy has a batch that is not stored."""
    checkpoint = left_behind(tmp_path, ChunkState.STORED, state)
    with pytest.raises(CheckpointError, match="has 1 batch whose results are not stored") as refused:
        refuse_to_pay_twice(checkpoint)
    assert f"copy it to {checkpoint.path} and resume" in str(refused.value)


@pytest.mark.parametrize("state", [ChunkState.STORED, ChunkState.DONE, ChunkState.PLANNED])
def test_stored_batches_do_not_block_a_new_run(tmp_path: Path, state: ChunkState) -> None:
    """A new run may start beside a previous copy whose batches are all stored, or none submitted."""
    refuse_to_pay_twice(left_behind(tmp_path, state))


def test_an_unreadable_copy_does_not_block_a_new_run(tmp_path: Path) -> None:
    """A copy that cannot be resumed does not block a new run."""
    checkpoint = left_behind(tmp_path, ChunkState.SUBMITTED)
    checkpoint.previous_path.write_bytes(b"{")
    refuse_to_pay_twice(checkpoint)


def test_an_existing_checkpoint_is_decisive(tmp_path: Path) -> None:
    """While the checkpoint exists, its previous copy is ignored."""
    checkpoint = left_behind(tmp_path, ChunkState.SUBMITTED)
    checkpoint.path.write_bytes(b"{}")
    refuse_to_pay_twice(checkpoint)


def ended(*, undone: bool, incomplete: bool = False) -> Ledger:
    """A finished run of four words, all processed or one of them incomplete."""
    words, missing = ["a", "b", "c"], {"d": "missing 1 of 3"} if incomplete else {}
    return Ledger(
        start_time=1.0,
        run=run_info(),
        list_cursor=4,
        chunks=[record(1, ChunkState.DONE, answered=8)],
        processed_words=words if incomplete else [*words, "d"],
        incomplete_words=missing,
        undone=undone,
    )


def test_a_new_run_replaces_one_that_was_undone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After undo, `run` begins a new run with the same settings, and `resume` names the command for it."""
    checkpoint = Checkpoint(tmp_path / "words.checkpoint.json")
    assert not is_replaced(ended(undone=False), run_info(), checkpoint)
    assert is_replaced(ended(undone=True), run_info(), checkpoint)
    assert report_finished(ended(undone=True, incomplete=True), checkpoint) == 0
    shown = capsys.readouterr().out
    assert "removed by undo. Begin a new run with: batch-synth run" in shown
    assert "is finished" not in shown


def test_the_run_of_an_id_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`undo` finds the checkpoint of a run by the beginning of its ID, and notes there that the run was undone."""
    monkeypatch.chdir(tmp_path)
    ledger = ended(undone=False)
    Checkpoint(Path("words.checkpoint.json")).save(ledger)
    Path("other.checkpoint.json").write_text("{")
    found = checkpoint_of_run(ledger.run.id[:5])
    assert found is not None
    assert checkpoint_of_run("zzz") is None
    mark_undone(found)
    loaded = found.load()
    assert loaded is not None
    assert loaded.undone


def test_words_to_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` and `review` without words take those of the only run here; without a run, it says what to pass."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="pass the words, or --all"):
        words_of_run(None)
    checkpoint = Checkpoint(Path("words.checkpoint.json"))
    checkpoint.create_folder()
    words = ["bank", "café"]
    write_normalised(words, checkpoint.words_path)
    checkpoint.save(Ledger(start_time=1.0, run=run_info(list_digest=digest_of(words))))
    assert [*words_of_run(None)] == [*words_of_run(checkpoint.path)] == words


@pytest.mark.parametrize(
    ("ledger", "says", "never"),
    [
        pytest.param(ended(undone=False), "100% of answers done: 4 of 4 words processed", "Ended", id="complete"),
        pytest.param(
            ended(undone=False, incomplete=True),
            "Ended: 3 of 4 words processed, 1 incomplete, 0 failed",
            "100%",
            id="incomplete",
        ),
        pytest.param(
            ended(undone=True),
            "Undone; before: 4 of 4 words processed, 0 incomplete, 0 failed; cost",
            "100%",
            id="undone",
        ),
    ],
)
def test_how_a_run_ended(tmp_path: Path, ledger: Ledger, says: str, never: str) -> None:
    """`status` names the checkpoint and the run first, and says whether it is complete, has ended, or was undone."""
    checkpoint = Checkpoint(tmp_path / "words.checkpoint.json")
    checkpoint.create_folder()
    (checkpoint.folder / "words.txt").write_text("a\nb\nc\nd\n")
    checkpoint.save(ledger)
    for command in ("status", "costs", "failures"):
        result = CliRunner().invoke(app, [command, "-c", str(checkpoint.path)])
        first = "".join(result.stdout.split("Batches")[0].split())
        assert first.startswith(f"{checkpoint.path}·run{ledger.run.id}"), result.output
        if command == "status":
            shown = " ".join(result.stdout.split())
            assert says in shown
            assert never not in shown
            for suggestion in shown.split("batch-synth ")[1:]:  # it ends the text, so that it can be copied
                assert suggestion.endswith((str(checkpoint.path), "--retry-failed"))


def test_the_settings_of_a_run(tmp_path: Path) -> None:
    """`config -c CHECKPOINT` shows the settings that the run has, not those that a new one would have."""
    checkpoint = Checkpoint(tmp_path / "words.checkpoint.json")
    info = run_info()
    settings = info.settings.model_copy(update={"model": "gpt-9-nova", "max_attempts": 7})
    ledger = ended(undone=False)
    ledger.run = info.model_copy(update={"settings": settings})
    checkpoint.save(ledger)
    result = CliRunner().invoke(app, ["config", "-c", str(checkpoint.path)], env={"COLUMNS": "300"})
    assert "gpt-9-nova" in result.output
    rows = [line.split()[:2] for line in result.output.splitlines()]
    assert ["max-attempts", "7"] in rows
