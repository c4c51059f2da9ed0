"""What the commands share: where they work, what they know of the environment, and how they end."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from floridify_batch.errors import CheckpointError, DatabaseError, ServiceError, UsageError
from floridify_batch.formatting import to_type

if TYPE_CHECKING:
    from floridify_batch.cli.floridify_config import FloridifyConfig
    from floridify_batch.database.connection import Place
    from floridify_batch.run.checkpoint import Checkpoint
    from floridify_batch.run.resources import Secrets

DEFAULT_DATABASE = "floridify"

STOPPED = 130
"""The exit code of a run that was stopped and can be resumed."""

state = {"debug": False}
"""What was said before the command's name."""


def finish(command: Callable[[], int], place: "Checkpoint") -> None:
    """Run a command that can be stopped; whoever stops it is told how to go on."""
    go_on = f"Go on with: {to_type('resume', place.path)}"
    try:
        code = command()
    except KeyboardInterrupt:
        code = STOPPED
    except (ServiceError, DatabaseError) as error:
        if not place.path.exists() or state["debug"]:
            raise
        raise type(error)(f"{error} {go_on}") from None
    if code == STOPPED and place.path.exists():
        from floridify_batch.display.console import say

        say(f"Stopped. {go_on}", err=True)
    raise typer.Exit(code)


def checkpoint_at(path: Path) -> "Checkpoint":
    from floridify_batch.run.checkpoint import Checkpoint

    if not path.name or path.is_dir():
        raise CheckpointError(f"{path} is a folder; name a file for the checkpoint.")
    return Checkpoint(path)


def checkpoint_or_only(path: Path | None) -> "Checkpoint":
    """The checkpoint that was named, or the only one of the current folder."""
    from floridify_batch.cli.status import only_checkpoint

    return checkpoint_at(path) if path else only_checkpoint()


def secrets_of(mongo_url: str | None = None, config: "FloridifyConfig | None" = None) -> "Secrets":
    """The key and the database's address: as they were given, or else as Floridify's own file has them."""
    from floridify_batch.run.resources import Secrets

    key, url = (config.api_key, config.mongo_url) if config else (None, None)
    return Secrets(os.environ.get("OPENAI_API_KEY") or key, mongo_url or url)


def place_of(mongo_url: str | None, database: str | None, config: "FloridifyConfig") -> "Place":
    """The database that a command looks into which has no checkpoint."""
    from floridify_batch.database.connection import Place

    return Place(mongo_url or config.mongo_url, database or config.database or DEFAULT_DATABASE)


def given(**settings: Any) -> dict[str, Any]:
    """The settings that somebody named."""
    return {name: value for name, value in settings.items() if value is not None}


def poll_interval_of(asked: float | None, *, near: bool) -> float:
    """A minute, or a second where whoever answers is on this machine and does not mind."""
    return asked if asked is not None else (1.0 if near else 60.0)


def colourful() -> bool:
    """Whether a terminal may be shown colours, see https://no-color.org."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def output_named(name: str, *, quiet: bool) -> str:
    """The `display.Output` that is asked for. Raises `UsageError`."""
    from difflib import get_close_matches

    from floridify_batch.display.output import Output

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
