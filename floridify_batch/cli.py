"""The commands. The only reader of the environment; a command builds the parts, calls one method, returns a code."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floridify_batch.errors import BatchSynthError, CheckpointError, DatabaseError, ServiceError, UsageError

if TYPE_CHECKING:
    from floridify_batch.assembly import Secrets
    from floridify_batch.checkpoint import Checkpoint

app = typer.Typer(
    name="batch-synth",
    help="Finished dictionary entries from a word list, through OpenAI's Batch API, at half the price.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

STOPPED = 130
"""The exit code of a run that was stopped and can be resumed."""

_WHAT, _WHERE, _PACE = "What", "Where", "Pace and money"


def _env(name: str, *more: str) -> str | list[str]:
    """The environment twin of an option, and other names that it answers to."""
    own = f"BATCH_SYNTH_{name}"
    return [own, *more] if more else own


_option = partial(typer.Option, show_envvar=False)  # every option has one; listing them would double the help


WordsArgument = Annotated[Path, typer.Argument(help="The word list: a word a line, or CSV with a `word` column.")]
CheckpointOption = Annotated[
    Path | None,
    _option("--checkpoint", "-c", envvar=_env("CHECKPOINT"), help="The checkpoint file.", rich_help_panel=_WHERE),
]
ComponentsOption = Annotated[
    str, _option(envvar=_env("COMPONENTS"), help="default, all, or names: a,b,…", rich_help_panel=_WHAT)
]
ModelOption = Annotated[str, _option(envvar=_env("MODEL"), help="OpenAI's model.", rich_help_panel=_WHAT)]
LanguageOption = Annotated[str, _option(envvar=_env("LANGUAGE"), help="The words' language.", rich_help_panel=_WHAT)]
ForceOption = Annotated[
    bool, _option("--force", envvar=_env("FORCE"), help="Ask again for what is stored.", rich_help_panel=_WHAT)
]
BatchSizeOption = Annotated[
    int | None,
    _option("--batch-size", "-b", min=1, envvar=_env("BATCH_SIZE"), help="Words per batch.", rich_help_panel=_PACE),
]
DryRunOption = Annotated[
    bool,
    _option("--dry-run", envvar=_env("DRY_RUN"), help="Show the cost; send nothing.", rich_help_panel=_PACE),
]
ImmediateOption = Annotated[
    bool,
    _option("--immediate", envvar=_env("IMMEDIATE"), help="Ask at once, at full price.", rich_help_panel=_PACE),
]
YesOption = Annotated[
    bool, _option("--yes", "-y", envvar=_env("YES"), help="Do not ask before spending.", rich_help_panel=_PACE)
]
NoWaitOption = Annotated[
    bool,
    _option("--no-wait", envvar=_env("NO_WAIT"), help="Do what can be done now, leave.", rich_help_panel=_PACE),
]
AttemptsOption = Annotated[
    int,
    _option(min=1, max=20, envvar=_env("MAX_ATTEMPTS"), help="Tries for a request.", rich_help_panel=_PACE),
]
PollOption = Annotated[
    float | None,
    _option(min=0.1, envvar=_env("POLL_INTERVAL"), help="Seconds between polls (60).", rich_help_panel=_PACE),
]
MongoOption = Annotated[
    str | None,
    _option(envvar=_env("MONGO_URL", "MONGODB_URL"), help="Your MongoDB; else a local one.", rich_help_panel=_WHERE),
]
DatabaseOption = Annotated[str, _option(envvar=_env("DATABASE"), help="The database's name.", rich_help_panel=_WHERE)]
BaseUrlOption = Annotated[
    str | None,
    _option(envvar=_env("BASE_URL", "OPENAI_BASE_URL"), help="Another service's address.", rich_help_panel=_WHERE),
]
SandboxOption = Annotated[
    bool,
    _option("--sandbox", envvar=_env("SANDBOX"), help="A local service; invented answers.", rich_help_panel=_WHERE),
]


@app.callback()
def options(
    debug: Annotated[bool, _option("--debug", envvar=_env("DEBUG"), help="Show where an error comes from.")] = False,
) -> None:
    """Options before the command's name."""
    _state["debug"] = debug


_state = {"debug": False}


@app.command()
def run(
    words: WordsArgument,
    checkpoint: CheckpointOption = None,
    components: ComponentsOption = "default",
    model: ModelOption = "gpt-6-luna",
    language: LanguageOption = "en",
    force: ForceOption = False,
    batch_size: BatchSizeOption = None,
    dry_run: DryRunOption = False,
    immediate: ImmediateOption = False,
    yes: YesOption = False,
    no_wait: NoWaitOption = False,
    max_attempts: AttemptsOption = 3,
    poll_interval: PollOption = None,
    mongo_url: MongoOption = None,
    database: DatabaseOption = "floridify",
    base_url: BaseUrlOption = None,
    sandbox: SandboxOption = False,
) -> None:
    """Synthesise what the words of a list are missing."""
    from floridify_batch import commands
    from floridify_batch.assembly import without_password
    from floridify_batch.ledger import RunSettings
    from floridify_batch.recipes import components_named

    settings = RunSettings(
        words_file=str(words),
        components=tuple(components_named(components)),
        model=model,
        language=language,
        force=force,
        immediate=immediate,
        batch_size=batch_size,
        max_attempts=max_attempts,
        poll_interval=_poll_interval(poll_interval, near=sandbox or immediate),
        database=database,
        mongo_url=without_password(mongo_url),
        base_url=None if sandbox else base_url,
        sandbox=sandbox,
    )
    place = _checkpoint(checkpoint or Path(f"{words.stem}.checkpoint.json"))
    scene = commands.Scene(place, _secrets(mongo_url), _sandbox_seconds(), yes=yes, wait=not no_wait)
    _finish(lambda: asyncio.run(commands.run(settings, scene, dry_run=dry_run)), place)


@app.command()
def resume(
    checkpoint: Annotated[Path, _option("--checkpoint", "-c", envvar=_env("CHECKPOINT"), help="The checkpoint file.")],
    no_wait: NoWaitOption = False,
    mongo_url: MongoOption = None,
) -> None:
    """Go on where a run was stopped, from its checkpoint alone."""
    from floridify_batch import commands

    place = _checkpoint(checkpoint)
    scene = commands.Scene(place, _secrets(mongo_url), _sandbox_seconds(), yes=True, wait=not no_wait)
    _finish(lambda: asyncio.run(commands.resume(scene)), place)


@app.command()
def status(
    batch_id: Annotated[str | None, typer.Argument(help="A batch's id; without it, all of a checkpoint.")] = None,
    checkpoint: CheckpointOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Say how a batch, or every batch of a checkpoint, stands."""
    from floridify_batch import inspection

    place = _checkpoint(checkpoint) if checkpoint else None
    asked = inspection.status(batch_id, place, _secrets(None), base_url, _sandbox_seconds())
    raise typer.Exit(asyncio.run(asked))


@app.command()
def failures(
    checkpoint: Annotated[Path, _option("--checkpoint", "-c", envvar=_env("CHECKPOINT"), help="The checkpoint file.")],
) -> None:
    """List the failed words of a checkpoint, with reasons."""
    from floridify_batch import inspection

    raise typer.Exit(inspection.failures(_checkpoint(checkpoint)))


@app.command()
def cancel(
    batch_id: Annotated[str | None, typer.Argument(help="A batch's id; without it, all of a checkpoint.")] = None,
    checkpoint: CheckpointOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Cancel a batch, or every batch of a checkpoint. What is finished stays, and is paid for."""
    from floridify_batch import inspection

    if (batch_id is None) == (checkpoint is None):
        raise UsageError("Name either a batch or a --checkpoint to cancel.")
    place = _checkpoint(checkpoint) if checkpoint else None
    asked = inspection.cancel(batch_id, place, _secrets(None), base_url, _sandbox_seconds())
    raise typer.Exit(asyncio.run(asked))


@app.command()
def sandbox(
    port: Annotated[int, _option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8787,
    data: Annotated[Path, _option(help="The folder in which it remembers.")] = Path("batch-synth-sandbox"),
    seconds: Annotated[float, _option(min=0.0, help="How long a batch takes.")] = 10.0,
    fault: Annotated[list[str] | None, _option(help="A fault, such as expire=0.1.")] = None,
    seed: Annotated[int, _option(help="Other numbers give other answers and faults.")] = 0,
) -> None:
    """Serve a stand-in for OpenAI's Files, Batches and Chat Completions on this machine."""
    from floridify_batch.sandbox.running import serve
    from floridify_batch.sandbox.settings import SandboxSettings

    settings = SandboxSettings(data=data, port=port, running_seconds=seconds, faults=tuple(fault or ()), seed=seed)
    serve(settings, listening=lambda url: typer.echo(f"Sandbox at {url} (any key will do). Ctrl-C ends it."))


# ── around every command ───────────────────────────────────────────────────────────────────────────────────────────


def main() -> None:
    """The command line's entry point. Errors become a sentence and an exit code, never a traceback."""
    _settle_streams()
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    except Exception as error:
        if _state["debug"]:
            raise
        sentence, code = _explained(error)
        typer.echo(f"batch-synth: {sentence}", err=True)
        sys.exit(code)


def _settle_streams() -> None:
    """A reader that went away ends us quietly; a terminal that cannot show "…" shows "?" and the run goes on."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _explained(error: Exception) -> tuple[str, int]:
    """What a user is told of an error, and the exit code."""
    if isinstance(error, BatchSynthError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        about = f" ({error.filename})" if error.filename else ""
        refusal = f"the system refused: {error.strerror or error}{about}. What was saved is intact."
        return refusal, CheckpointError.exit_code
    unforeseen = f"something unforeseen happened ({type(error).__name__}: {error}). What was saved is intact; "
    return unforeseen + "add --debug before the command's name to see where.", 1


def _finish(command: Callable[[], int], place: "Checkpoint") -> None:
    """Run a command that can be stopped; whoever stops it is told how to go on."""
    go_on = f"Go on with: batch-synth resume --checkpoint {_quoted(place.path)}"
    try:
        code = command()
    except KeyboardInterrupt:
        code = STOPPED
    except (ServiceError, DatabaseError) as error:
        if not place.path.exists() or _state["debug"]:
            raise
        raise type(error)(f"{error} {go_on}") from None
    if code == STOPPED and place.path.exists():
        typer.echo(f"Stopped. {go_on}", err=True)
    raise typer.Exit(code)


def _quoted(path: Path) -> str:
    from shlex import quote

    return quote(str(path))


def _checkpoint(path: Path) -> "Checkpoint":
    from floridify_batch.checkpoint import Checkpoint

    return Checkpoint(path)


def _secrets(mongo_url: str | None) -> "Secrets":
    from floridify_batch.assembly import Secrets

    return Secrets(os.environ.get("OPENAI_API_KEY"), mongo_url)


def _poll_interval(asked: float | None, *, near: bool) -> float:
    """A minute, or a second where whoever answers is on this machine and does not mind."""
    return asked if asked is not None else (1.0 if near else 60.0)


def _sandbox_seconds() -> float:
    """How long the sandbox of `--sandbox` takes for a batch."""
    try:
        return float(os.environ.get("BATCH_SYNTH_SANDBOX_SECONDS", "6"))
    except ValueError:
        raise UsageError("BATCH_SYNTH_SANDBOX_SECONDS is no number of seconds.") from None
