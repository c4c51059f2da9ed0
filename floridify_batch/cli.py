"""The command line: its commands, and its entry point."""

import os
import sys
from typing import Annotated

import typer

from floridify_batch import cli_dictionary, cli_look, cli_mend, cli_run
from floridify_batch.cli_errors import settle_streams, told
from floridify_batch.cli_parts import STOPPED, state

app = typer.Typer(
    name="batch-synth",
    help="Finished dictionary entries from a word list, through OpenAI's Batch API, at half the price.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="BATCH_SYNTH_DEBUG", help="Show where an error comes from.")
    ] = False,
) -> None:
    """Options before the command's name."""
    state["debug"] = debug


app.command()(cli_run.run)
app.command()(cli_run.resume)
app.command()(cli_look.status)
app.command()(cli_look.failures)
app.command()(cli_look.costs)
app.command()(cli_look.report)
app.command()(cli_look.components)
app.command()(cli_mend.cancel)
app.command()(cli_mend.recover)
app.command("import")(cli_dictionary.import_)
app.command()(cli_dictionary.show)
app.command()(cli_dictionary.sandbox)


_PRIVATE = 0o077
"""What others may do to the files and folders that the command and its children make: nothing."""


def main() -> None:
    """The command line's entry point. An error becomes a sentence and an exit code; a traceback is for who asks."""
    settle_streams()
    os.umask(_PRIVATE)
    try:
        code = app(standalone_mode=False)
    except KeyboardInterrupt:
        code = STOPPED
    except Exception as error:
        code = told(error, debug=state["debug"])
    sys.exit(code)
