"""What the commands share: where they work, what they know of the environment, and how they end."""

import os
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import typer

from floridify_batch.errors import CheckpointError, DatabaseError, ServiceError, UsageError

if TYPE_CHECKING:
    from floridify_batch.assembly import Secrets
    from floridify_batch.checkpoint import Checkpoint
    from floridify_batch.dictionary import Place
    from floridify_batch.floridify import FloridifyConfig

DEFAULT_DATABASE = "floridify"

STOPPED = 130
"""The exit code of a run that was stopped and can be resumed."""

state = {"debug": False}
"""What was said before the command's name."""


def finish(command: Callable[[], int], place: "Checkpoint") -> None:
    """Run a command that can be stopped; whoever stops it is told how to go on."""
    go_on = f"Go on with: batch-synth resume --checkpoint {quote(str(place.path))}"
    try:
        code = command()
    except KeyboardInterrupt:
        code = STOPPED
    except (ServiceError, DatabaseError) as error:
        if not place.path.exists() or state["debug"]:
            raise
        raise type(error)(f"{error} {go_on}") from None
    if code == STOPPED and place.path.exists():
        from floridify_batch.telling import say

        say(f"Stopped. {go_on}", err=True)
    raise typer.Exit(code)


def checkpoint_at(path: Path) -> "Checkpoint":
    from floridify_batch.checkpoint import Checkpoint

    if not path.name or path.is_dir():
        raise CheckpointError(f"{path} is a folder; name a file for the checkpoint.")
    return Checkpoint(path)


def secrets_of(mongo_url: str | None, config: "FloridifyConfig | None" = None) -> "Secrets":
    from floridify_batch.assembly import Secrets

    return Secrets(os.environ.get("OPENAI_API_KEY") or (config.api_key if config else None), mongo_url)


def place_of(mongo_url: str | None, database: str | None, config: Path | None) -> "Place":
    """The database that a command looks into which has no checkpoint."""
    from floridify_batch.dictionary import Place
    from floridify_batch.floridify import read_config

    read = read_config(config)
    return Place(mongo_url or read.mongo_url, database or read.database or DEFAULT_DATABASE)


def colourful() -> bool:
    """Whether a terminal may be shown colours, see https://no-color.org."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def output_named(name: str, *, quiet: bool) -> str:
    """The `display.Output` that is asked for. Raises `UsageError`."""
    from difflib import get_close_matches

    from floridify_batch.display import Output

    known = [str(each) for each in Output]
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"Did you mean {near[0]}?" if near else f"Give one of {', '.join(known)}."
        raise UsageError(f"There is no output {name!r}. {hint}")
    if quiet and name not in (Output.AUTO, Output.QUIET):
        raise UsageError(f"--quiet is an output of its own; leave it out, or --output {name}.")
    return str(Output.QUIET) if quiet else name


def dies_at() -> str | None:
    """Where a test lets this process kill itself, see `fatal`."""
    return os.environ.get("BATCH_SYNTH_DIE_AT") or None


def sandbox_seconds() -> float:
    """How long the sandbox of `--sandbox` takes for a batch."""
    try:
        return float(os.environ.get("BATCH_SYNTH_SANDBOX_SECONDS", "6"))
    except ValueError:
        raise UsageError("BATCH_SYNTH_SANDBOX_SECONDS is no number of seconds.") from None
