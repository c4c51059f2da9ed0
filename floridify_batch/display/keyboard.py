"""The keyboard of a terminal on which a frame stands: what is typed, ^C above all, does not tear it.

Ctrl-Z gives the terminal back to the shell as it was before, and whoever comes back finds it as it was left.
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
    """Keep the terminal of a stream from showing what is typed, and set it back in the end, however that comes.

    Yields what stops this process as Ctrl-Z does, with the terminal set back until the process is continued. Nothing is
    done where there is no terminal, and in the background, where setting it would stop the process.
    """
    before = _settings(terminal)

    def change(settings: list[Any] | None) -> None:
        if settings is not None and _in_front(terminal):
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
    """What is set at each Ctrl-Z, which is left to whoever looks at it. It is no matter outside the main thread, and
    where no shell could continue us: there it stops nobody.
    """
    asked = threading.Event()
    if not _may_be_stopped():
        yield asked
        return
    before = signal.signal(signal.SIGTSTP, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTSTP, before)


if sys.platform == "win32":  # nothing is echoed there while nobody reads a line

    def _settings(_: IO[Any]) -> list[Any] | None:
        return None

    def _without_echo(settings: list[Any]) -> list[Any]:
        return settings

    def _in_front(_: IO[Any]) -> bool:
        return False

    def _set(_: IO[Any], __: list[Any]) -> None: ...

    def _may_be_stopped() -> bool:
        return False

    def _stop() -> None: ...

else:
    import termios

    _LOCAL_MODES = 3  # the place of these flags among a terminal's settings

    def _settings(terminal: IO[Any]) -> list[Any] | None:
        try:
            return termios.tcgetattr(terminal.fileno())
        except (OSError, ValueError, termios.error):  # no terminal, or a stream of another kind
            return None

    def _without_echo(settings: list[Any]) -> list[Any]:
        modes = settings[_LOCAL_MODES] & ~(termios.ECHO | termios.ECHOCTL)
        return [*settings[:_LOCAL_MODES], modes, *settings[_LOCAL_MODES + 1 :]]

    def _in_front(terminal: IO[Any]) -> bool:
        try:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
        except OSError:  # it does not control us, and so cannot stop us
            return True

    def _set(terminal: IO[Any], settings: list[Any]) -> None:
        with suppress(OSError, ValueError, termios.error):
            termios.tcsetattr(terminal.fileno(), termios.TCSANOW, settings)

    def _may_be_stopped() -> bool:
        """A shell with jobs gives each a group of its own, and does not ignore for it what it stops it with."""
        return (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL
            and os.getpgrp() != os.getsid(0)
        )

    def _stop() -> None:
        # To this very thread: of a signal to the process, it would hear later, and go on for a moment.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
