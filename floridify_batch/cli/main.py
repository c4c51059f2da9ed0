"""The command line: its commands, its entry point, and its error messages."""

import os
import sys
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from io import TextIOWrapper
from traceback import format_exception
from typing import Annotated, Any, Protocol, runtime_checkable

import typer
from typer.main import get_command

from floridify_batch.cli.cancel import cancel
from floridify_batch.cli.check import check
from floridify_batch.cli.clean import clean
from floridify_batch.cli.closed_output import end_on_closed_output, flush_output
from floridify_batch.cli.components import components
from floridify_batch.cli.config import config
from floridify_batch.cli.context import ExitCode, state
from floridify_batch.cli.costs import costs
from floridify_batch.cli.export import export
from floridify_batch.cli.failures import failures
from floridify_batch.cli.help import ALL_OPTIONS, HelpfulCommand, HelpfulGroup
from floridify_batch.cli.import_ import import_
from floridify_batch.cli.mend import mend
from floridify_batch.cli.project_file import PROJECT, ProjectCommand
from floridify_batch.cli.recover import recover
from floridify_batch.cli.report import report
from floridify_batch.cli.resume import resume
from floridify_batch.cli.review import review
from floridify_batch.cli.run import run
from floridify_batch.cli.sandbox import SandboxCommand, sandbox
from floridify_batch.cli.show import show
from floridify_batch.cli.status import status
from floridify_batch.cli.undo import undo
from floridify_batch.errors import BatchSynthError, CheckpointError, UsageError
from floridify_batch.files import PRIVATE_UMASK

app = typer.Typer(
    name="batch-synth",
    cls=HelpfulGroup,
    help="Generate dictionary entries from a word list through OpenAI's Batch API.",
    epilog="batch-synth run words.txt --dry-run",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(requested: bool) -> None:
    """Print the version and exit."""
    if requested:
        from importlib.metadata import version

        from floridify_batch.display.console import say

        say(f"batch-synth {version('batch-synth')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="BATCH_SYNTH_DEBUG", help="Print tracebacks of errors.")
    ] = False,
    version: Annotated[  # noqa: ARG001  its callback has printed it
        bool, typer.Option("--version", "-V", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command's name."""
    state["debug"] = debug
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(UsageError.exit_code)


def _add(
    group: str,
    command: Callable[..., None],
    *examples: str,
    name: str | None = None,
    cls: type[HelpfulCommand] = ProjectCommand,
    **settings: Any,
) -> None:
    """Register a command; its help ends with the examples."""
    lines = "\n".join(f"batch-synth {example}" for example in examples)
    app.command(name, cls=cls, rich_help_panel=group, epilog=lines, context_settings=settings)(command)


@app.command("help", hidden=True, cls=HelpfulCommand)
def print_help(
    context: typer.Context,
    command: Annotated[str | None, typer.Argument(metavar="COMMAND")] = None,
    every: Annotated[bool, typer.Option("--all", help="List advanced options, too.")] = False,
) -> None:
    """Print the help of a command."""
    group: Any = context.parent
    if group is None or command is None:
        context = group or context
        context.meta[ALL_OPTIONS] = every
        typer.echo(context.get_help())
        return
    found = group.command.get_command(group, command)
    if found is None:
        near = get_close_matches(command, group.command.list_commands(group), 1)
        raise UsageError(f"No such command '{command}'.{f' Did you mean {near[0]}?' if near else ''}")
    with type(context)(found, info_name=command, parent=group) as shown:
        shown.meta[ALL_OPTIONS] = every
        typer.echo(shown.get_help())


_ITS = "--checkpoint words.checkpoint.json"

_add("Run", run, "run words.txt --dry-run", "run words.txt --components synonyms,examples --max-cost 20")
_add("Run", resume, f"resume {_ITS}", f"resume {_ITS} --retry-failed")
_add("Run", cancel, f"cancel {_ITS}", "cancel batch_68a1f0")
_add("Run", clean, "clean", "clean words.checkpoint.json --yes")
_add("Inspect", status, "status --watch", "status batch_68a1f0 -c words.checkpoint.json")
_add("Inspect", failures, "failures", f"failures {_ITS} --json")
_add("Inspect", costs, "costs", f"costs {_ITS} --json")
_add("Inspect", report, "report", "report -c words.checkpoint.json --html report.html")
_add("Inspect", config, "config words.txt", "config words.txt --model gpt-5-mini", ignore_unknown_options=True)
_add("Inspect", components, "components", "run words.txt --components all --dry-run")
_add("Repair", recover, "recover", "recover --run 5f0c6a1b2e9d --wait --yes")
_add("Repair", mend, "mend --dry-run", "mend --yes")
_add("Repair", undo, "undo words.checkpoint.json --dry-run", "undo 5f0c6a1b2e9d --yes")
_add("Dictionary", import_, "import kaikki.jsonl.gz", "import own.jsonl --provider oxford", name="import")
_add("Dictionary", show, 'show "en coulisse"', "show café --language fr --json")
_add("Dictionary", export, "export words.txt --out words.jsonl", "export --all --format jsonl --out dictionary.jsonl")
_add("Dictionary", check, "check bank tear", "check --all --json")
_add("Dictionary", review, "review bank tear --out review.csv", "review --in review.csv --dry-run")
_add("Sandbox", sandbox, "sandbox --port 8787", "sandbox --fault expire=0.1 --fault http_500=0.05", cls=SandboxCommand)


@cache
def command_line() -> Any:
    """Build the tree of commands from their functions, once per process."""
    return get_command(app)


def main() -> None:
    """Run the command line; an error is printed as a sentence and becomes an exit code."""
    _prepare_streams()
    os.umask(PRIVATE_UMASK)
    try:
        code = command_line()(standalone_mode=False)
    except KeyboardInterrupt:
        code = ExitCode.STOPPED
    except Exception as error:
        code = report_error(error, debug=state["debug"])
    flush_output()
    sys.exit(code)


# ── errors ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _prepare_streams() -> None:
    """Exit quietly when the output closes; replace characters that a terminal cannot encode instead of failing."""
    end_on_closed_output()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


@runtime_checkable
class _ClickError(Protocol):
    """A usage error that Typer raises; its class has no public name."""

    exit_code: int

    def format_message(self) -> str: ...


def report_error(error: Exception, *, debug: bool) -> int:
    """Print an error, with its traceback under `debug`, and return the exit code."""
    from floridify_batch.display.console import say, say_lines

    if isinstance(error, _ClickError):
        say(f"batch-synth: {_usage_message(error)}", err=True)
        return error.exit_code
    if debug:
        say_lines(format_exception(error), err=True)
    sentence, code = explained(error)
    say(f"batch-synth: {sentence}", err=True)
    return code


_NOISE = "Value error, "
"""Prefix of the messages of Typer's own checks."""


def _usage_message(error: _ClickError) -> str:
    """The error in the options, the closest valid name, and where to look."""
    near = getattr(error, "possibilities", None)
    message = f"{getattr(error, 'message', '')}. Did you mean {near[0]}?" if near else error.format_message()
    message = message.replace(_NOISE, "").rstrip(".") + _origin_of_value(error)
    context = getattr(error, "ctx", None)
    where = f" See: {context.command_path} --help" if context else ""
    return f"{message}{'' if message.endswith('?') else '.'}{where}"


def _origin_of_value(error: _ClickError) -> str:
    """The environment variable or the project file that set an invalid value; empty for one that was typed."""
    param, context = getattr(error, "param", None), getattr(error, "ctx", None)
    source = context.get_parameter_source(param.name) if param is not None and context is not None else None
    if context is None or param is None or source is None:
        return ""
    if source.name == "DEFAULT_MAP":
        return f" (set in {context.meta[PROJECT].origin(param.name)})"
    if source.name != "ENVIRONMENT":
        return ""
    names = [param.envvar] if isinstance(param.envvar, str) else param.envvar
    return f" (set by {' or '.join(names)})"


def explained(error: Exception) -> tuple[str, int]:
    """The sentence and the exit code of an error."""
    if isinstance(error, BatchSynthError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        about = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror or error}{about}. Saved data is intact.", CheckpointError.exit_code
    unexpected = f"unexpected error ({type(error).__name__}: {error}). Saved data is intact; "
    return unexpected + "add --debug before the command's name for a traceback.", 1
