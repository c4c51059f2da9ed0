"""The keyboard during live frames: typed keys are not echoed, and the terminal is restored at the end."""

import os
import pty
import termios
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

import pytest

from floridify_batch.display.keyboard import unechoed

LOCAL_MODES = 3


@pytest.fixture
def terminal() -> Iterator[IO[str]]:
    """A terminal other than the controlling one."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        yield stream
    os.close(ours)


def echoes(stream: IO[str]) -> bool:
    return bool(termios.tcgetattr(stream.fileno())[LOCAL_MODES] & termios.ECHO)


def test_keys_are_not_echoed_while_a_frame_stands(terminal: IO[str]) -> None:
    """In the frame, typed keys are not echoed, while Ctrl-C still interrupts; afterwards the modes are restored."""
    before = termios.tcgetattr(terminal.fileno())
    assert echoes(terminal)
    with unechoed(terminal):
        assert not echoes(terminal)
        assert termios.tcgetattr(terminal.fileno())[LOCAL_MODES] & termios.ISIG
    assert termios.tcgetattr(terminal.fileno()) == before


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_whatever_ends_it_the_terminal_is_set_back(terminal: IO[str], end: type[BaseException]) -> None:
    """Echo is restored after an interrupt or an error."""
    with suppress(end), unechoed(terminal):
        raise end
    assert echoes(terminal)


def test_a_user_who_wants_no_echo_gets_none_back(terminal: IO[str]) -> None:
    """A terminal that did not echo before does not echo afterwards."""
    settings = termios.tcgetattr(terminal.fileno())
    settings[LOCAL_MODES] &= ~termios.ECHO
    termios.tcsetattr(terminal.fileno(), termios.TCSANOW, settings)
    with unechoed(terminal):
        pass
    assert not echoes(terminal)


def test_where_there_is_no_terminal_nothing_is_done() -> None:
    """A pipe and a closed stream are left unchanged."""
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w") as pipe, unechoed(pipe):
        pass
    with unechoed(pipe):
        assert pipe.closed
