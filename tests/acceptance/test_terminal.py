"""A run in a real terminal, as users see it and as programs read it."""

import json
import termios
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command import Shell, Terminal, until
from tests.acceptance.test_cli import RESUME, RUN

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"

pytestmark = pytest.mark.usefixtures("refused")  # these go on while commands of the tests below wait


def echoes(terminal: Terminal) -> bool:
    return bool(termios.tcgetattr(terminal.line)[3] & termios.ECHO)


def test_an_interrupt_leaves_the_screen_whole(paused: Shell) -> None:
    """Typed keys are not echoed in the live tables; the first Ctrl-C ends them and restores the terminal."""
    paused.write("happy")
    with paused.terminal(*RUN, rows=24, columns=80) as terminal:
        terminal.wait_for("Waiting for 1 batch")
        assert not echoes(terminal)
        terminal.type("xyz\x03")
        assert terminal.ended() == 130
        assert echoes(terminal)
    assert "^C" not in terminal.text
    assert "xyz" not in terminal.text
    assert "Stopped early" in terminal.text
    assert terminal.text.rstrip().endswith("batch-synth resume --checkpoint words.checkpoint.json")


def test_a_stopped_run_gives_the_terminal_back(paused: Shell) -> None:
    """Ctrl-Z restores the cursor and echo for the shell; when the run continues, the screen is redrawn."""
    paused.write("happy")
    with paused.terminal(*RUN, script='"$0" "$@"; echo "shell: $?"; read -r _; fg') as terminal:
        terminal.wait_for("Waiting for 1 batch")
        assert not echoes(terminal)
        terminal.type("\x1a")
        terminal.wait_for("shell: ")
        assert echoes(terminal)
        assert terminal.raw.rindex(SHOW) > terminal.raw.rindex(HIDE)
        before = terminal.text.count("Waiting for 1 batch")
        terminal.type("on\n")
        until(lambda: terminal.text.count("Waiting for 1 batch") > before)
        assert not echoes(terminal)
        assert terminal.raw.rindex(HIDE) > terminal.raw.rindex(SHOW)
        terminal.type("\x03")
        assert terminal.ended() == 130
        assert echoes(terminal)
    assert terminal.raw.rindex(SHOW) > terminal.raw.rindex(HIDE)


def test_workers_that_are_just_starting_leave_an_interrupt_to_the_driver(paused: Shell) -> None:
    """Workers ignore Ctrl-C, also while they are starting."""
    paused.write("happy")
    with paused.terminal(*RUN, "--workers", "2", installed=True) as terminal:
        until(lambda: are_starting(terminal.process.pid))
        terminal.type("\x03")
        assert terminal.ended() == 130
    assert "Traceback" not in terminal.text
    assert "KeyboardInterrupt" not in terminal.text
    assert "Stopped. Resume with" in terminal.text


def are_starting(driver: int) -> bool:
    """Whether a driver's workers are still importing, before any of our code runs in them."""
    children = Path(f"/proc/{driver}/task/{driver}/children").read_text(encoding="ascii").split()
    workers = [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    return any(b"pydantic_core" in Path(f"/proc/{worker}/maps").read_bytes() for worker in workers)


def test_a_run_is_watched_from_another_shell(paused: Shell) -> None:
    """`status --watch` shows a run's screen from another shell, whether it is running or not, until interrupted."""
    paused.write("happy")
    assert paused.run(*RUN, "--no-wait").code == 0
    (batch,) = paused.batches()
    with paused.terminal("status", "--watch", rows=24, columns=120) as watcher:
        watcher.wait_for("Not running")
        watcher.wait_for(batch["id"])
        with paused.terminal(*RESUME, rows=24, columns=80) as terminal:
            terminal.wait_for("Waiting for 1 batch")
            watcher.wait_for("Waiting for 1 batch")
        watcher.type("\x03")
        assert watcher.ended() == 0
        assert echoes(watcher)


def test_watching_needs_a_terminal(paused: Shell) -> None:
    """`status --watch` is refused outside a terminal."""
    paused.write("happy")
    assert paused.run(*RUN, "--no-wait").code == 0
    watched = paused.run("status", "--watch")
    assert (watched.code, watched.out, "--watch needs a terminal" in watched.err) == (2, "", True)


def test_a_program_reads_lines_of_json(shell: Shell) -> None:
    """Standard output has events only; messages for people go to standard error."""
    shell.write("happy", "sad")
    result = shell.run(*RUN, "--output", "json")
    assert result.code == 0
    events: list[dict[str, Any]] = [json.loads(line) for line in result.out.splitlines()]
    assert (events[0]["event"], events[-1]["event"]) == ("run_started", "run_ended")
    assert {"chunk_moved", "transferred", "batch_polled", "part_stored", "chunk_settled"} <= {
        each["event"] for each in events
    }
    assert events[-1]["totals"]["cost"] == str(shell.ledger.totals().cost)
    assert "Estimate" in result.err


def test_a_quiet_run_has_one_line(shell: Shell) -> None:
    """A successful run with --quiet prints only the summary."""
    shell.write("happy", "sad")
    result = shell.run(*RUN, "--quiet")
    assert (result.code, result.err) == (0, "")
    (line,) = result.out.splitlines()
    assert "Complete: 2 of 2 words processed" in line
