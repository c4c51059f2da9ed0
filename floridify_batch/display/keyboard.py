"""Terminal modes under a live frame: typed characters, such as ^C, are not echoed into it.

Ctrl-Z restores the terminal for the shell; continuing the process restores the frame.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any


@contextmanager
def unechoed(terminal: IO[Any]) -> Iterator[Callable[[], None]]:
    """Turn echo off in the terminal of a stream, and restore its settings on exit.

    Yields a function that suspends this process as Ctrl-Z does, with the settings restored meanwhile. Does nothing
    without a terminal, and in the background, where changing it would stop the process.
    """
    before = _settings(terminal)

    def change(settings: list[Any] | None) -> None:
        if settings is not None and _is_foreground(terminal):
            _set(terminal, settings)

    def stop() -> None:
        change(before)
        _stop()
        change(before and _without_echo(before))

    change(before and _without_echo(before))
    try:
        yield stop
    finally:
        change(before)


@contextmanager
def suspensions() -> Iterator[threading.Event]:
    """An event set at each Ctrl-Z instead of stopping the process. Not installed outside the main thread or without a
    shell that could continue the process.
    """
    asked = threading.Event()
    if not _can_suspend():
        yield asked
        return
    before = signal.signal(signal.SIGTSTP, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTSTP, before)


if sys.platform == "win32":  # echoes only while a line is read

    def _settings(_: IO[Any]) -> list[Any] | None:
        return None

    def _without_echo(settings: list[Any]) -> list[Any]:
        return settings

    def _is_foreground(_: IO[Any]) -> bool:
        return False

    def _set(_: IO[Any], __: list[Any]) -> None: ...

    def _can_suspend() -> bool:
        return False

    def _stop() -> None: ...

else:
    import termios

    _LOCAL_MODES = 3  # index of the local flags in termios settings

    def _settings(terminal: IO[Any]) -> list[Any] | None:
        try:
            return termios.tcgetattr(terminal.fileno())
        except (OSError, ValueError, termios.error):  # not a terminal
            return None

    def _without_echo(settings: list[Any]) -> list[Any]:
        modes = settings[_LOCAL_MODES] & ~(termios.ECHO | termios.ECHOCTL)
        return [*settings[:_LOCAL_MODES], modes, *settings[_LOCAL_MODES + 1 :]]

    def _is_foreground(terminal: IO[Any]) -> bool:
        try:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
        except OSError:  # not our controlling terminal, which cannot stop us
            return True

    def _set(terminal: IO[Any], settings: list[Any]) -> None:
        with suppress(OSError, ValueError, termios.error):
            termios.tcsetattr(terminal.fileno(), termios.TCSANOW, settings)

    def _can_suspend() -> bool:
        """Whether a job-control shell started us: each job has its own process group, and SIGTSTP is not ignored."""
        return (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL
            and os.getpgrp() != os.getsid(0)
        )

    def _stop() -> None:
        # To this thread: a signal to the process would arrive later, and the thread would run on for a moment.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
