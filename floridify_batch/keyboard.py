"""The keyboard of a terminal on which a frame stands: what is typed, ^C above all, does not tear it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any


@contextmanager
def unechoed(terminal: IO[Any]) -> Iterator[None]:
    """Keep the terminal of a stream from showing what is typed, and set it back in the end, however that comes.

    Nothing is done where there is no terminal, and in the background, where setting it would stop the process.
    """
    before = _settings(terminal)
    if before is not None and _in_front(terminal):
        _set(terminal, _without_echo(before))
    try:
        yield
    finally:
        if before is not None and _in_front(terminal):
            _set(terminal, before)


if sys.platform == "win32":  # nothing is echoed there while nobody reads a line

    def _settings(_: IO[Any]) -> list[Any] | None:
        return None

    def _without_echo(settings: list[Any]) -> list[Any]:
        return settings

    def _in_front(_: IO[Any]) -> bool:
        return False

    def _set(_: IO[Any], __: list[Any]) -> None: ...

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
