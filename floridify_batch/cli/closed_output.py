"""Closed output: a command whose output pipe closes ends quietly, as commands in a pipeline do.

A connection that its server closes raises the same signal, SIGPIPE; it must not end a run. The handler tells the two
apart by the state of the output.
"""

import os
import select
import signal
import stat
import sys
from contextlib import suppress
from types import FrameType

_OUTPUTS = (1, 2)
_CLOSED = select.POLLERR | select.POLLHUP if hasattr(select, "poll") else 0


def end_on_closed_output() -> None:
    """End the process by SIGPIPE when it writes to a closed output, and only then."""
    if hasattr(signal, "SIGPIPE") and _CLOSED:
        signal.signal(signal.SIGPIPE, _end_if_closed)


def flush_output() -> None:
    """Write what is buffered while the handler can still run."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError):
            stream.flush()


def _end_if_closed(number: int, _: FrameType | None) -> None:
    if any(map(_is_closed, _OUTPUTS)):
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _is_closed(descriptor: int) -> bool:
    """Whether a descriptor is a pipe or a socket whose other end is closed."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & _CLOSED for _, events in poll.poll(0))
