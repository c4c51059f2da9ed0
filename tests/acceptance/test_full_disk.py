"""A full disk: the run stops with a sentence, what was there stays whole, and with room again it goes on."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.command import COMMAND, Desk, Said, said
from tests.acceptance.conftest import DeskMaker
from tests.acceptance.sandbox import Sandbox

WORDS = ("moon", "sun", "star", "comet", "planet", "dust")
RUN = ("run", "words.txt", "--yes", "--components", "synonyms,examples,cefr_level", "--batch-size", "3")
RESUME = ("resume", "-c", "words.checkpoint.json")

_LIMITED = "import os, resource, sys; n = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_FSIZE, (n, n)); "
_LIMITED += "os.execv(sys.argv[2], sys.argv[2:])"
"""Lets no file of a process grow beyond so many bytes: to the process, the disk is full there."""


def limited(desk: Desk, most: int, *arguments: str) -> Said:
    """Run a command whose files cannot grow."""
    with subprocess.Popen(
        [sys.executable, "-c", _LIMITED, str(most), COMMAND, *arguments],
        cwd=desk.folder,
        env=desk.env | {"PYTHONDONTWRITEBYTECODE": "1"},  # else Python itself would leave halves of its own files
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        return said(process)


def assert_stopped_well(desk: Desk, told: Said) -> None:
    """One sentence, exit code 3, a checkpoint that can be read, if there is one, and nothing half made left behind."""
    assert told.code == 3, told
    assert told.err.startswith("batch-synth: ")
    assert told.err.count("\n") == 1
    assert "cannot be" in told.err or "the system refused" in told.err
    assert "What was saved" in told.err or "writable" in told.err
    desk.checkpoint.load()
    assert not list(desk.checkpoint.folder.glob("*.partial/*"))


def assert_paid_once_and_finished(desk: Desk) -> None:
    assert sorted(desk.ledger.processed_words) == sorted(WORDS)
    labels = [batch["label"] for batch in desk.batches()]
    assert len(labels) == len(set(labels)) == len(desk.ledger.chunks)
    assert sum(batch["counts"]["total"] for batch in desk.batches()) == sum(
        each.answered for each in desk.ledger.chunks
    )
    assert all(
        definition["synonyms"] and definition["example_ids"] and definition["cefr_level"]
        for definition in desk.database.definitions.find()
    )


def test_files_that_cannot_grow(desk: Desk) -> None:
    """Wherever the disk is full, the run stops with a sentence; with more room, it goes a step further from there."""
    desk.write(*WORDS)
    stopped_in = set()
    told = limited(desk, 200, *RUN)
    assert_stopped_well(desk, told)
    most = 400
    while told.code == 3:
        assert most < 10_000_000
        begun = desk.checkpoint.path.exists()
        before = desk.checkpoint.path.read_bytes() if begun else b""
        told = limited(desk, most, *(RESUME if begun else RUN))
        if told.code == 3:
            assert_stopped_well(desk, told)
            stopped_in.add("begun" if begun else "new")
            if begun and desk.checkpoint.path.read_bytes() == before:
                most *= 3
        most = most if begun else most * 3
    assert told.code == 0, told
    assert stopped_in == {"new", "begun"}
    assert_paid_once_and_finished(desk)


@pytest.fixture
def small_disk(desk_at: DeskMaker, quick: Sandbox) -> Iterator[Desk]:
    """A desk on a disk of its own, of one megabyte."""
    desk = desk_at(quick, "small")
    mounting = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(desk.folder)]
    if os.geteuid() != 0 or subprocess.run(mounting, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield desk
    finally:
        subprocess.run(["umount", str(desk.folder)], check=True)  # noqa: S607


def fill(folder: Path, room: int) -> None:
    """Leave so many bytes on a disk, and no more."""
    ballast = folder / "ballast"
    ballast.unlink(missing_ok=True)
    state = os.statvfs(folder)
    with ballast.open("wb") as out:
        out.write(bytes(max(0, state.f_bavail * state.f_frsize - room)))


def test_disk_without_room(small_disk: Desk) -> None:
    """The same on a real full disk: page by page of more room the run goes on, and in the end nothing is missing."""
    desk = small_disk
    desk.write(*WORDS)
    page = resource.getpagesize()
    stopped, told = 0, Said(3, "", "")
    for pages in range(2, 60, 5):
        fill(desk.folder, pages * page)
        told = desk.do(*(RESUME if desk.checkpoint.path.exists() else RUN))
        if told.code == 0:
            break
        assert_stopped_well(desk, told)
        stopped += 1
    assert told.code == 0, told
    assert stopped >= 3
    assert_paid_once_and_finished(desk)
