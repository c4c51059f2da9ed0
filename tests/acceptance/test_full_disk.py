"""A full disk: the run stops with a clear error, saved data stays intact, and it resumes once there is space."""

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.command import COMMAND, CommandResult, Shell, result_of
from tests.acceptance.command_server import Forked
from tests.acceptance.conftest import ShellFactory
from tests.documents import owned
from tests.sandbox import Sandbox

WORDS = ("moon", "sun", "star", "comet", "planet", "dust")
RUN = ("run", "words.txt", "--yes", "--components", "synonyms,examples,cefr_level", "--batch-size", "3")
RESUME = ("resume", "-c", "words.checkpoint.json")


def limited(shell: Shell, most: int, *arguments: str) -> CommandResult:
    """Run a command with a limit on file sizes, which acts like a full disk."""
    with Forked.piped([COMMAND, *arguments], shell.folder, shell.env, file_size=most) as process:
        return result_of(process)


def assert_stopped_well(shell: Shell, result: CommandResult) -> None:
    """Check for one error message, exit code 3, a readable checkpoint, if there is one, and no partial files."""
    assert result.code == 3, result
    assert result.err.startswith("batch-synth: ")
    assert result.err.count("\n") == 1
    assert "cannot be" in result.err or "Saved data is intact" in result.err
    assert "Saved data" in result.err or "writable" in result.err
    shell.checkpoint.load()
    assert not list(shell.checkpoint.folder.glob("*.partial/*"))


def assert_paid_once_and_finished(shell: Shell) -> None:
    assert sorted(shell.ledger.processed_words) == sorted(WORDS)
    labels = [batch["label"] for batch in shell.batches()]
    assert len(labels) == len(set(labels)) == len(shell.ledger.chunks)
    assert sum(batch["counts"]["total"] for batch in shell.batches()) == sum(
        each.answered for each in shell.ledger.chunks
    )
    generated = owned(shell.database)
    assert len({definition["word_id"] for definition in generated}) == len(WORDS)
    assert all(
        definition["synonyms"] and definition["example_ids"] and "cefr_level" in definition["synthesis"]
        for definition in generated
    )


def test_files_that_cannot_grow(shell: Shell) -> None:
    """A file that cannot grow stops the run with a clear error; with more space, it resumes."""
    shell.write(*WORDS)
    stopped_in = set()
    result = limited(shell, 200, *RUN)
    assert_stopped_well(shell, result)
    most = 400
    while result.code == 3:
        assert most < 10_000_000
        begun = shell.checkpoint.path.exists()
        before = shell.checkpoint.path.read_bytes() if begun else b""
        result = limited(shell, most, *(RESUME if begun else RUN))
        if result.code == 3:
            assert_stopped_well(shell, result)
            stopped_in.add("begun" if begun else "new")
            if begun and shell.checkpoint.path.read_bytes() == before:
                most *= 3
        most = most if begun else most * 3
    assert result.code == 0, result
    assert stopped_in == {"new", "begun"}
    assert_paid_once_and_finished(shell)


@pytest.fixture
def small_disk(make_shell: ShellFactory, quick: Sandbox) -> Iterator[Shell]:
    """A shell on a separate disk of one megabyte."""
    shell = make_shell(quick, "small")
    mounting = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(shell.folder)]
    if os.geteuid() != 0 or subprocess.run(mounting, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield shell
    finally:
        subprocess.run(["umount", str(shell.folder)], check=True)  # noqa: S607


def fill(folder: Path, room: int) -> None:
    """Fill a disk up to a number of free bytes."""
    ballast = folder / "ballast"
    ballast.unlink(missing_ok=True)
    state = os.statvfs(folder)
    with ballast.open("wb") as out:
        out.write(bytes(max(0, state.f_bavail * state.f_frsize - room)))


def test_disk_without_room(small_disk: Shell) -> None:
    """On a full disk a run stops; with more space it resumes, and at the end nothing is missing."""
    shell = small_disk
    shell.write(*WORDS)
    page = resource.getpagesize()
    stopped, result = 0, CommandResult(3, "", "")
    for pages in range(2, 60, 5):
        fill(shell.folder, pages * page)
        result = shell.run(*(RESUME if shell.checkpoint.path.exists() else RUN))
        if result.code == 0:
            break
        assert_stopped_well(shell, result)
        stopped += 1
    assert result.code == 0, result
    assert stopped >= 3
    assert_paid_once_and_finished(shell)
