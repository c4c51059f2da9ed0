"""What a user is told when something goes wrong: a sentence, an exit code, never a traceback."""

import signal
import sys
from io import TextIOWrapper
from traceback import format_exception
from typing import Any, Protocol, cast, runtime_checkable

from floridify_batch.errors import BatchSynthError, CheckpointError


def settle_streams() -> None:
    """A reader that went away ends us quietly; a terminal that cannot show "…" shows "?" and the run goes on."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


@runtime_checkable
class _Complaint(Protocol):
    """What Typer raises where options make no sense."""

    message: str
    exit_code: int

    def format_message(self) -> str: ...


def told(error: Exception, *, debug: bool) -> int:
    """Tell a user of an error, with `debug` where it comes from, too; the exit code. What it quotes can do nothing."""
    from floridify_batch.frames import plain
    from floridify_batch.telling import say, say_lines

    if isinstance(error, _Complaint):
        from typer.rich_utils import rich_format_error

        error.message = plain(error.message)
        rich_format_error(cast("Any", error))  # Typer's class of them has no public name
        return error.exit_code
    if debug:
        say_lines(format_exception(error), err=True)
    sentence, code = explained(error)
    say(f"batch-synth: {sentence}", err=True)
    return code


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
