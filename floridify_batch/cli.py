"""The commands. The only reader of the environment; a command builds the parts, calls one method, returns a code."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from floridify_batch.cli_errors import explained, settle_streams
from floridify_batch.cli_options import (
    AttemptsOption,
    BaseUrlOption,
    BatchSizeOption,
    CheckpointOption,
    ComponentsOption,
    ConfigOption,
    CountOption,
    DatabaseOption,
    DryRunOption,
    ForceOption,
    FrequencyScale,
    ImmediateOption,
    LanguageOption,
    ModelOption,
    MongoOption,
    NoWaitOption,
    PollOption,
    RequiredCheckpointOption,
    SandboxOption,
    ScaleOption,
    StaleOption,
    TemplatesOption,
    WordsArgument,
    YesOption,
)
from floridify_batch.errors import CheckpointError, DatabaseError, ServiceError, UsageError

if TYPE_CHECKING:
    from floridify_batch.assembly import Secrets
    from floridify_batch.checkpoint import Checkpoint
    from floridify_batch.dictionary import Place
    from floridify_batch.floridify import FloridifyConfig

app = typer.Typer(
    name="batch-synth",
    help="Finished dictionary entries from a word list, through OpenAI's Batch API, at half the price.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DEFAULT_DATABASE = "floridify"

STOPPED = 130
"""The exit code of a run that was stopped and can be resumed."""


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="BATCH_SYNTH_DEBUG", help="Show where an error comes from.")
    ] = False,
) -> None:
    """Options before the command's name."""
    _state["debug"] = debug


_state = {"debug": False}


@app.command()
def run(
    words: WordsArgument,
    checkpoint: CheckpointOption = None,
    components: ComponentsOption = "default",
    model: ModelOption = None,
    language: LanguageOption = "en",
    force: ForceOption = False,
    stale: StaleOption = False,
    count: CountOption = None,
    frequency_scale: ScaleOption = FrequencyScale.COMMON_FIRST,
    templates: TemplatesOption = None,
    batch_size: BatchSizeOption = None,
    dry_run: DryRunOption = False,
    immediate: ImmediateOption = False,
    yes: YesOption = False,
    no_wait: NoWaitOption = False,
    max_attempts: AttemptsOption = 3,
    poll_interval: PollOption = None,
    mongo_url: MongoOption = None,
    database: DatabaseOption = None,
    base_url: BaseUrlOption = None,
    sandbox: SandboxOption = False,
    floridify_config: ConfigOption = None,
) -> None:
    """Synthesise what the words of a list are missing."""
    from floridify_batch import commands
    from floridify_batch.assembly import without_password
    from floridify_batch.connector import DEFAULT_MODEL
    from floridify_batch.floridify import read_config
    from floridify_batch.ledger import RunSettings
    from floridify_batch.recipes import components_named, counts_named

    if immediate and no_wait:
        raise UsageError("--immediate asks while it waits; take --no-wait away, or ask in batches.")
    config = read_config(floridify_config)
    mongo_url = mongo_url or config.mongo_url
    settings = RunSettings(
        words_file=str(words),
        components=tuple(components_named(components)),
        model=model or config.model or DEFAULT_MODEL,
        language=language,
        force=force,
        immediate=immediate,
        batch_size=batch_size,
        max_attempts=max_attempts,
        poll_interval=_poll_interval(poll_interval, near=sandbox or immediate),
        database=database or config.database or DEFAULT_DATABASE,
        mongo_url=without_password(mongo_url),
        base_url=None if sandbox else base_url,
        sandbox=sandbox,
        stale=stale,
        counts=counts_named(count or ()),
        templates=str(templates.absolute()) if templates else None,
        frequency_scale=frequency_scale.value,
    )
    place = _checkpoint(checkpoint or Path(f"{words.stem}.checkpoint.json"))
    scene = commands.Scene(place, _secrets(mongo_url, config), _sandbox_seconds(), yes=yes, wait=not no_wait)
    _finish(lambda: asyncio.run(commands.run(settings, scene, dry_run=dry_run)), place)


@app.command()
def resume(
    checkpoint: RequiredCheckpointOption,
    no_wait: NoWaitOption = False,
    poll_interval: PollOption = None,
    mongo_url: MongoOption = None,
    floridify_config: ConfigOption = None,
) -> None:
    """Go on where a run was stopped, from its checkpoint alone."""
    from floridify_batch import commands
    from floridify_batch.floridify import read_config

    config = read_config(floridify_config)
    mongo_url = mongo_url or config.mongo_url
    place = _checkpoint(checkpoint)
    scene = commands.Scene(
        place, _secrets(mongo_url, config), _sandbox_seconds(), yes=True, wait=not no_wait, poll_interval=poll_interval
    )
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
    checkpoint: RequiredCheckpointOption,
) -> None:
    """List the failed words of a checkpoint, with reasons."""
    from floridify_batch import inspection

    raise typer.Exit(inspection.failures(_checkpoint(checkpoint)))


@app.command()
def components() -> None:
    """List what can be synthesised."""
    from floridify_batch import inspection

    raise typer.Exit(inspection.components())


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


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="Definitions: kaikki JSONL (.gz too), or plain JSONL.")],
    language: LanguageOption = "en",
    provider: Annotated[str | None, typer.Option(help="The source's name, where the file has none.")] = None,
    mongo_url: MongoOption = None,
    database: DatabaseOption = None,
    floridify_config: ConfigOption = None,
) -> None:
    """Put the definitions of a file into the database."""
    from floridify_batch.importing import import_file

    place = _place(mongo_url, database, floridify_config)
    raise typer.Exit(asyncio.run(import_file(file, place, language=language, provider=provider)))


@app.command()
def show(
    word: Annotated[str, typer.Argument(help="The word.")],
    language: LanguageOption = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print the documents as JSON.")] = False,
    mongo_url: MongoOption = None,
    database: DatabaseOption = None,
    floridify_config: ConfigOption = None,
) -> None:
    """Print an entry as a dictionary would print it."""
    from floridify_batch.showing import show as show_word

    place = _place(mongo_url, database, floridify_config)
    raise typer.Exit(asyncio.run(show_word(word, place, language=language, as_json=as_json)))


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8787,
    data: Annotated[Path, typer.Option(help="The folder in which it remembers.")] = Path("batch-synth-sandbox"),
    seconds: Annotated[float, typer.Option(min=0.0, help="How long a batch takes.")] = 10.0,
    fault: Annotated[list[str] | None, typer.Option(help="A fault, such as expire=0.1.")] = None,
    seed: Annotated[int, typer.Option(help="Other numbers give other answers and faults.")] = 0,
) -> None:
    """Serve a stand-in for OpenAI's Files, Batches and Chat Completions on this machine."""
    from floridify_batch.sandbox.running import serve
    from floridify_batch.sandbox.settings import SandboxSettings

    settings = SandboxSettings(data=data, port=port, running_seconds=seconds, faults=tuple(fault or ()), seed=seed)
    serve(settings, listening=lambda url: typer.echo(f"Sandbox at {url} (any key will do). Ctrl-C ends it."))


# ── around every command ───────────────────────────────────────────────────────────────────────────────────────────


def main() -> None:
    """The command line's entry point. Errors become a sentence and an exit code, never a traceback."""
    settle_streams()
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    except Exception as error:
        if _state["debug"]:
            raise
        sentence, code = explained(error)
        typer.echo(f"batch-synth: {sentence}", err=True)
        sys.exit(code)


def _finish(command: Callable[[], int], place: "Checkpoint") -> None:
    """Run a command that can be stopped; whoever stops it is told how to go on."""
    go_on = f"Go on with: batch-synth resume --checkpoint {quote(str(place.path))}"
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


def _checkpoint(path: Path) -> "Checkpoint":
    from floridify_batch.checkpoint import Checkpoint

    if not path.name or path.is_dir():
        raise CheckpointError(f"{path} is a folder; name a file for the checkpoint.")
    return Checkpoint(path)


def _secrets(mongo_url: str | None, config: "FloridifyConfig | None" = None) -> "Secrets":
    from floridify_batch.assembly import Secrets

    return Secrets(os.environ.get("OPENAI_API_KEY") or (config.api_key if config else None), mongo_url)


def _place(mongo_url: str | None, database: str | None, config: Path | None) -> "Place":
    """The database that a command looks into which has no checkpoint."""
    from floridify_batch.dictionary import Place
    from floridify_batch.floridify import read_config

    read = read_config(config)
    return Place(mongo_url or read.mongo_url, database or read.database or DEFAULT_DATABASE)


def _poll_interval(asked: float | None, *, near: bool) -> float:
    """A minute, or a second where whoever answers is on this machine and does not mind."""
    return asked if asked is not None else (1.0 if near else 60.0)


def _sandbox_seconds() -> float:
    """How long the sandbox of `--sandbox` takes for a batch."""
    try:
        return float(os.environ.get("BATCH_SYNTH_SANDBOX_SECONDS", "6"))
    except ValueError:
        raise UsageError("BATCH_SYNTH_SANDBOX_SECONDS is no number of seconds.") from None
