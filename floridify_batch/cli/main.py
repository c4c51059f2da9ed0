"""The command line: its commands, and its entry point."""

import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from floridify_batch.cli import dictionary_commands as cli_dictionary
from floridify_batch.cli import look_commands as cli_look
from floridify_batch.cli import mend_commands as cli_mend
from floridify_batch.cli import run_commands as cli_run
from floridify_batch.cli.context import STOPPED, state
from floridify_batch.cli.error import settle_streams, told
from floridify_batch.cli.help import HelpfulCommand, HelpfulGroup
from floridify_batch.files import PRIVATE_UMASK

USAGE = 2
"""The exit code of a command line that names no command."""

app = typer.Typer(
    name="batch-synth",
    cls=HelpfulGroup,
    help="Dictionary entries from a word list, by OpenAI's Batch API, at half the price.",
    epilog="batch-synth run words.txt --dry-run\nbatch-synth run words.txt --sandbox",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    """Say which version this is, and nothing more."""
    if asked:
        from importlib.metadata import version

        from floridify_batch.display.console import say

        say(f"batch-synth {version('batch-synth')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="BATCH_SYNTH_DEBUG", help="Show where an error comes from.")
    ] = False,
    version: Annotated[  # noqa: ARG001  its callback has answered
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options before the command's name."""
    state["debug"] = debug
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(USAGE)


def _add(group: str, command: Callable[..., None], *examples: str, name: str | None = None) -> None:
    """Give the command line a command; its help ends in the examples."""
    lines = "\n".join(f"batch-synth {example}" for example in examples)
    app.command(name, cls=HelpfulCommand, rich_help_panel=group, epilog=lines)(command)


_ITS = "--checkpoint words.checkpoint.json"

_add("Run", cli_run.run, "run words.txt --dry-run", "run words.txt --components synonyms,examples --max-cost 20")
_add("Run", cli_run.resume, f"resume {_ITS}", f"resume {_ITS} --retry-failed")
_add("Look", cli_look.status, "status --watch", "status batch_68a1f0 -c words.checkpoint.json")
_add("Look", cli_look.failures, "failures", f"failures {_ITS} --json")
_add("Look", cli_look.costs, "costs", f"costs {_ITS} --json")
_add("Look", cli_look.report, "report", "report -c words.checkpoint.json --html report.html")
_add("Look", cli_look.components, "components", "run words.txt --components all --dry-run")
_add("Mend", cli_mend.cancel, f"cancel {_ITS}", "cancel batch_68a1f0")
_add("Mend", cli_mend.recover, "recover", "recover --run 5f0c6a1b2e9d --wait --yes")
_add("Entries", cli_dictionary.import_, "import kaikki.jsonl.gz", "import own.jsonl --provider own", name="import")
_add("Entries", cli_dictionary.show, 'show "en coulisse"', "show café --language fr --json")
_add("Try", cli_dictionary.sandbox, "sandbox --port 8787", "sandbox --fault expire=0.1 --fault http_500=0.05")


def main() -> None:
    """The command line's entry point. An error becomes a sentence and an exit code; a traceback is for who asks."""
    settle_streams()
    os.umask(PRIVATE_UMASK)
    try:
        code = app(standalone_mode=False)
    except KeyboardInterrupt:
        code = STOPPED
    except Exception as error:
        code = told(error, debug=state["debug"])
    sys.exit(code)
