"""The report's files: what is read for it, and what it may be written over."""

import os
from decimal import Decimal
from pathlib import Path

import pytest

from floridify_batch.cli.report import examples, report, write_report
from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.display.report import Example
from floridify_batch.display.report_page import FIRST_LINE
from floridify_batch.errors import UsageError
from floridify_batch.files import ChunkFolder, private_file
from floridify_batch.pipeline.chunk import write_failures
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import ChunkState, Ledger
from tests.ledgers import record, run_info

WORDS = ["bank", "naïve"]
SYNONYMS, LEVEL = f"bank-{'a' * 24}-synonyms", f"naive-{'b' * 24}-cefr_level"
REFUSED = Failure(SYNONYMS, FailureReason.REFUSED, "No.")
TOO_BUSY = Failure(LEVEL, FailureReason.HTTP, "Too busy.", status=500)


def ledger(*failures: dict[str, int]) -> Ledger:
    facts = {"created_at": 1.0, "completed_at": 2.0, "answered": 1, "cost": Decimal(1)}
    chunks = [record(number, ChunkState.DONE, failures=each, **facts) for number, each in enumerate(failures, 1)]
    return Ledger(start_time=0.0, run=run_info(words=2, components=("synonyms", "cefr_level")), chunks=chunks)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    """The path of a checkpoint, with its list beside it."""
    place = Checkpoint(tmp_path / "words.checkpoint.json")
    place.create_folder()
    place.words_path.write_text("".join(f"{word}\n" for word in WORDS), encoding="utf-8")
    return place


def put(checkpoint: Checkpoint, number: int, *failures: tuple[int, Failure]) -> Path:
    path = ChunkFolder.of(checkpoint.folder, number).failures
    path.parent.mkdir()
    with private_file(path) as out:
        for ordinal, failure in failures:
            write_failures(out, ordinal, [failure])
    return path


def test_examples_are_the_first_of_their_kind(checkpoint: Checkpoint) -> None:
    """The report shows the first failure on disk of every kind, with its word and component."""
    put(checkpoint, 1, (0, REFUSED), (1, Failure(LEVEL, FailureReason.REFUSED, "Later.")))
    put(checkpoint, 2, (0, REFUSED), (1, TOO_BUSY))
    assert examples(ledger({"refused": 2}, {"http 500": 1}), checkpoint) == {
        "refused": Example("bank", "synonyms", "No."),
        "http 500": Example("naïve", "cefr_level", "Too busy."),
    }


def test_a_damaged_file_costs_an_example(checkpoint: Checkpoint) -> None:
    """An invalid line ends the search in its file only."""
    for number, line in enumerate((b"{\n", b"[]\n", b"{}\n", b'{"word": 0, "custom_id": "x", "reason": "bad"}\n'), 1):
        put(checkpoint, number).write_bytes(line)
    put(checkpoint, 5, (1, TOO_BUSY))
    found = examples(ledger(*[{"refused": 1}] * 4, {"http 500": 1}), checkpoint)
    assert found == {"http 500": Example("naïve", "cefr_level", "Too busy.")}


def test_a_checkpoint_without_its_folder(tmp_path: Path) -> None:
    """A checkpoint that was copied without its files has a report, without words for its failures."""
    alone = Checkpoint(tmp_path / "words.checkpoint.json")
    assert examples(ledger({"refused": 1}), alone) == {}
    write_report(ledger({"refused": 1}), alone, tmp_path / "report.html")
    assert "no longer on disk" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_failure_of_a_word_that_the_list_lacks(checkpoint: Checkpoint) -> None:
    """An ordinal beyond the end of the list has no word, and the example is shown without one."""
    put(checkpoint, 1, (99, REFUSED))
    assert examples(ledger({"refused": 1}), checkpoint) == {"refused": Example("", "synonyms", "No.")}


def test_a_report_replaces_a_report(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A new report replaces an earlier one or an empty file as a whole, and leaves no other file."""
    target = tmp_path / "report.html"
    for before in ("", f"{FIRST_LINE}\nan older one"):
        target.write_text(before, encoding="utf-8")
        write_report(ledger(), checkpoint, target)
        assert target.read_text(encoding="utf-8").endswith("</html>")
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "words.checkpoint.files"}


def test_a_report_replaces_nothing_else(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Any file that is not a report stays unchanged: a list, a checkpoint, another page, a folder."""
    for name, content in (("words.txt", b"bank\n"), ("words.checkpoint.json", b"{}"), ("x.html", b"<!doctype html>")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match="not a batch-synth report"):
            write_report(ledger(), checkpoint, tmp_path / name)
        assert (tmp_path / name).read_bytes() == content
    with pytest.raises(UsageError, match="cannot be written"):
        write_report(ledger(), checkpoint, tmp_path)


def test_a_pipe_is_not_replaced(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A pipe, and so a device, is refused: the report would take its place."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is no file, and would be replaced"):
        write_report(ledger(), checkpoint, tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_default_path(checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The default path of a report is beside its checkpoint, and the command prints it."""
    checkpoint.save(ledger())
    report(checkpoint.path)
    assert capsys.readouterr().out == f"Report written to {tmp_path / 'words.report.html'}.\n"
    assert (tmp_path / "words.report.html").exists()
