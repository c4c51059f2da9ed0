"""What a user is told when something goes wrong: a sentence, an exit code, never a traceback."""

import signal
import sys
from io import TextIOWrapper
from traceback import format_exception
from typing import Protocol, runtime_checkable

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

    exit_code: int

    def format_message(self) -> str: ...


def told(error: Exception, *, debug: bool) -> int:
    """Tell a user of an error, with `debug` where it comes from, too; the exit code. What it quotes can do nothing."""
    from floridify_batch.display.console import say, say_lines

    if isinstance(error, _Complaint):
        say(f"batch-synth: {_complaint(error)}", err=True)
        return error.exit_code
    if debug:
        say_lines(format_exception(error), err=True)
    sentence, code = explained(error)
    say(f"batch-synth: {sentence}", err=True)
    return code


_NOISE = "Value error, "
"""What Typer's own checks put before their sentences."""


def _complaint(error: _Complaint) -> str:
    """What is wrong with the options, what may have been meant, and where to look. Typer's class has no public name."""
    near = getattr(error, "possibilities", None)
    message = f"{getattr(error, 'message', '')}. Did you mean {near[0]}?" if near else error.format_message()
    message = message.replace(_NOISE, "").rstrip(".") + _from_environment(error)
    context = getattr(error, "ctx", None)
    where = f" See: {context.command_path} --help" if context else ""
    return f"{message}{'' if message.endswith('?') else '.'}{where}"


def _from_environment(error: _Complaint) -> str:
    """Who set a value that makes no sense, where nobody typed it."""
    param, context = getattr(error, "param", None), getattr(error, "ctx", None)
    if param is None or context is None:
        return ""
    source = context.get_parameter_source(param.name)
    if source is None or source.name != "ENVIRONMENT":
        return ""
    names = [param.envvar] if isinstance(param.envvar, str) else param.envvar
    return f" (set by {' or '.join(names)})"


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
