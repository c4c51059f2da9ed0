"""The entry point of the installed command: Ctrl-C ends it with a sentence from its first instant on.

Importing the command line takes some tenths of a second, in which an interrupt would end in a traceback.
"""

import os
import signal
import sys

_INTERRUPTED = 130


def _stop(*_: object) -> None:
    """End the process at once; nothing has begun."""
    sys.stderr.write("Stopped. Nothing was sent.\n")
    sys.stderr.flush()
    os._exit(_INTERRUPTED)


def main() -> None:
    """Import the command line and run it."""
    signal.signal(signal.SIGINT, _stop)
    from floridify_batch.cli.main import main as run

    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:  # between two of its own handlers
        sys.exit(_INTERRUPTED)
