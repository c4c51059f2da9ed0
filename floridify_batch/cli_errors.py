"""What a user is told when something goes wrong: a sentence, an exit code, never a traceback."""

import signal
import sys
from io import TextIOWrapper

from floridify_batch.errors import BatchSynthError, CheckpointError


def settle_streams() -> None:
    """A reader that went away ends us quietly; a terminal that cannot show "…" shows "?" and the run goes on."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def explained(error: Exception) -> tuple[str, int]:
    """What a user is told of an error, and the exit code."""
    if isinstance(error, BatchSynthError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        about = f" ({error.filename})" if error.filename else ""
        refusal = f"the system refused: {error.strerror or error}{about}. What was saved is intact."
        return refusal, CheckpointError.exit_code
    unforeseen = f"something unforeseen happened ({type(error).__name__}: {error}). What was saved is intact; "
    return unforeseen + "add --debug before the command's name to see where.", 1
