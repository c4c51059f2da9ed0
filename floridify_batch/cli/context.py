"""The context of a command: environment, secrets, location of the checkpoint, exit codes.

No other module of `cli` reads environment variables that a user sets.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import typer

from floridify_batch.cli.completion import CHECKPOINTS
from floridify_batch.errors import CheckpointError, DatabaseError, UsageError
from floridify_batch.formatting import counted, to_type, whole_number

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn

    from floridify_batch.cli.floridify_config import FloridifyConfig
    from floridify_batch.database.connection import Place
    from floridify_batch.database.store import MongoStore
    from floridify_batch.run.checkpoint import Checkpoint
    from floridify_batch.run.ledger import Ledger
    from floridify_batch.run.resources import Secrets

DEFAULT_DATABASE = "floridify"

_USUAL_WIDTH, _FILE_WIDTH = 80, 200
"""Columns that Rich assumes for a file, and those that tables get there."""


CHECKPOINT = ".checkpoint.json"
"""The end of a checkpoint's name, beside its word list."""

SANDBOX_CHECKPOINT = f".sandbox{CHECKPOINT}"
"""The end of a sandbox checkpoint's name; a single other checkpoint here is taken before those."""


_START = 100
"""Bytes of a file that show whether it can be JSON."""


class ExitCode(IntEnum):
    """Exit codes of commands that ended without an error; `errors` has the codes of errors."""

    SUCCESS = 0
    SOME_FAILED = 1
    COST_LIMIT = 6
    IN_FLIGHT = 8
    STOPPED = 130


state = {"debug": False}
"""The options before the command's name."""


# ── the checkpoint ─────────────────────────────────────────────────────────────────────────────────────────────────


def checkpoint_at(path: Path) -> "Checkpoint":
    """The checkpoint of a path. Raises `CheckpointError` for a folder."""
    from floridify_batch.run.checkpoint import Checkpoint

    if not path.name or path.is_dir():
        raise CheckpointError(f"{path} is a folder; name a file for the checkpoint.")
    check_name(path)
    return Checkpoint(path)


def unreadable(number: int) -> str:
    """Words that cannot be read, for a sentence."""
    return f"{counted(number, 'word')} of the database, whose text is missing or of a wrong type"


def check_name(path: Path) -> None:
    """Raise `UsageError` for a file name that is not valid UTF-8, which neither JSON nor a message can hold."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = str(path).encode(errors="replace").decode()
        raise UsageError(f"The file name {shown} is not valid UTF-8; rename the file.") from None


def check_file(path: Path) -> None:
    """Raise `UsageError` for a place that cannot have a file: only a complete file gets a name, so none is streamed."""
    check_name(path)
    if path.is_dir() or not path.name:
        raise UsageError(f"{path} is a folder; name a file in --out.")
    if str(path) == "-" or (path.exists() and not path.is_file()):
        raise UsageError(f"{path} is no file, and a file gets its name when it is complete; name a file in --out.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}; create it, or choose another --out.")


def checkpoint_or_only(path: Path | None, *, asks: bool = True) -> "Checkpoint":
    """The existing checkpoint of a path, or the only one in the current folder. Raises `UsageError`.

    The path may be that of a word list. Of several checkpoints, the user picks one, if `asks` and in a terminal.
    """
    if path:
        return _existing_checkpoint(path)
    every = checkpoints_here()
    real = [each for each in every if not each.name.endswith(SANDBOX_CHECKPOINT)]
    found = real if len(real) == 1 else [*real, *(each for each in every if each not in real)]
    if not found:
        raise UsageError("No checkpoint in this folder; pass --checkpoint FILE.")
    if len(found) == 1:
        return checkpoint_at(found[0])
    if asks and in_terminal() and sys.stderr.isatty():
        return checkpoint_at(_picked(found))
    names = ", ".join(quote(str(each)) for each in found)
    raise UsageError(f"Several checkpoints in this folder; pass --checkpoint FILE ({names}).")


def command_for(command: str, checkpoint: Path) -> str:
    """A command line for a checkpoint, which is named only where the command would not find it."""
    try:
        only = checkpoint_or_only(None, asks=False).path
    except (UsageError, CheckpointError):
        only = None
    return f"batch-synth {command}" if only == checkpoint else to_type(command, checkpoint)


def _picked(paths: Sequence[Path]) -> Path:
    """The checkpoint that the user picks, by its number; the latest is the first. Raises `typer.Exit`."""
    from floridify_batch.display.console import say

    latest = sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)
    say("Several checkpoints in this folder:", err=True)
    for number, path in enumerate(latest, 1):
        say(f"  {number}  {path}  {_state_of(path)}", err=True)
    return latest[picked_number(len(latest)) - 1]


def picked_number(most: int) -> int:
    """The number that the user types, from 1 on. Raises `typer.Exit`."""
    from floridify_batch.display.console import say

    while True:
        try:
            number = whole_number(str(typer.prompt(f"Number (1-{most})", err=True)).strip())
        except typer.Abort:  # Ctrl-C or the end of input
            typer.echo(err=True)
            raise typer.Exit(ExitCode.STOPPED) from None
        if number is not None and 0 < number <= most:
            return number
        say(f"Type a number from 1 to {most}, or press Ctrl-C.", err=True)


def _state_of(path: Path) -> str:
    """The progress of a run in a few words."""
    try:
        ledger = checkpoint_at(path).load()
    except CheckpointError:
        return "not readable"
    if ledger is None:
        return "no run"
    totals = ledger.totals()
    if ledger.undone:
        return f"undone, {counted(totals.words, 'word')}"
    if ledger.finished and ledger.missing:
        return f"ended, {missing_words(ledger)} of {counted(totals.words, 'word')}"
    return f"{'finished' if ledger.finished else f'{totals.percent()}% done'}, {counted(totals.words, 'word')}"


def missing_words(ledger: "Ledger") -> str:
    """The words of a run that have not all their answers: "24 incomplete, 2 failed"."""
    numbers = ((len(ledger.incomplete_words), "incomplete"), (len(ledger.failed_words), "failed"))
    return ", ".join(f"{number:,} {outcome}" for number, outcome in numbers if number)


def checkpoints_here() -> list[Path]:
    """The checkpoints in the current folder."""
    return sorted(Path().glob(CHECKPOINTS))


def _existing_checkpoint(path: Path) -> "Checkpoint":
    """The checkpoint of a path, which may be that of its word list. Raises `CheckpointError` for any other file."""
    if path.suffix == ".json":
        return checkpoint_at(path)
    beside = path.with_name(f"{path.stem}{CHECKPOINT}")
    sandbox = path.with_name(f"{path.stem}{SANDBOX_CHECKPOINT}")
    for each in (beside, Path(beside.name), sandbox, Path(sandbox.name)):
        if each.exists():
            return checkpoint_at(each)
    place = checkpoint_at(path)
    if path.exists() and not path.read_bytes()[:_START].lstrip().startswith(b"{"):
        raise CheckpointError(
            f"{path} is not a checkpoint, and there is no {beside.name} or {sandbox.name} beside it. "
            f"Start a run with: batch-synth run {quote(str(path))}"
        )
    return place


def ledger_of(checkpoint: "Checkpoint") -> "Ledger":
    """The ledger of a checkpoint. Raises `CheckpointError` where it has none."""
    if not checkpoint.path.exists():
        raise checkpoint.absent()
    ledger = checkpoint.load()
    if ledger is None:
        raise CheckpointError(f"{checkpoint.path} contains no run.")
    return ledger


# ── service and database ───────────────────────────────────────────────────────────────────────────────────────────


def secrets_of(mongo_url: str | None = None, config: "FloridifyConfig | None" = None) -> "Secrets":
    """API key and database address: from options and environment, else from Floridify's configuration.

    Raises `UsageError` for a key that no service can accept, without showing it.
    """
    from floridify_batch.providers.client import API_KEY, check_environment, checked_key
    from floridify_batch.run.resources import Secrets

    check_environment(os.environ)
    url = config.mongo_url_or(mongo_url) if config else mongo_url
    key = checked_key(os.environ.get(API_KEY) or "")
    if not key and config:
        key = checked_key(config.api_key or "", "The api_key of --floridify-config")
    return Secrets(key or None, url)


def service_secrets(config: Path | None) -> "Secrets":
    """The API key of a command that needs no database."""
    from dataclasses import replace

    return secrets_of(None, replace(config_at(config), unusable=None))


def config_at(path: Path | None) -> "FloridifyConfig":
    """Floridify's configuration as it applies on this machine. Raises `UsageError`."""
    from floridify_batch.cli.floridify_config import Deployment, read_config

    production = os.environ.get("ENVIRONMENT") == "production" or Path("/var/lib/cloud").exists()
    return read_config(path, Deployment(production, docker=Path("/.dockerenv").exists()))


def place_of(
    mongo_url: str | None, database: str | None, config: "FloridifyConfig", *, sandbox: bool = False
) -> "Place":
    """The database of a command that has no checkpoint; with `sandbox`, the sandbox's counterpart."""
    from floridify_batch.components.entry_store import sandbox_database
    from floridify_batch.database.connection import Place

    name = database_named(database, mongo_url, config)
    return Place(config.mongo_url_or(mongo_url), sandbox_database(name) if sandbox else name)


def _run_at(checkpoint: Path | None, mongo_url: str | None, database: str | None) -> "tuple[Place, str] | None":
    """Database and language of a run: of the given checkpoint, or of the only one here if no database is named."""
    from floridify_batch.run.resources import redacted_url

    if checkpoint is None and (database or len(checkpoints_here()) == 0):
        return None
    try:
        place = checkpoint_or_only(checkpoint, asks=False)
        ledger = ledger_of(place)
    except (UsageError, CheckpointError):
        if checkpoint is not None:
            raise
        return None  # several checkpoints, or a damaged one: the database is the usual one
    settings = ledger.run.settings
    if checkpoint is None and mongo_url and redacted_url(mongo_url) != settings.mongo_url:
        return None
    return place_of_run(ledger, place, mongo_url, database), settings.language


def place_of_run(ledger: "Ledger", checkpoint: "Checkpoint", mongo_url: str | None, database: str | None) -> "Place":
    """The database of a run, or another one at the same address."""
    from dataclasses import replace

    from floridify_batch.run.resources import Resources, Secrets

    found = Resources(ledger.run.settings, Secrets(None, mongo_url), checkpoint).place
    return replace(found, database=database or found.database)


def place_and_language(
    checkpoint: Path | None, mongo_url: str | None, database: str | None, config: "FloridifyConfig"
) -> "tuple[Place, str]":
    """Database and language of a run, see `_run_at`; where there is none, the usual database, and English."""
    found = _run_at(checkpoint, config.mongo_url_or(mongo_url), database or config.database)
    return found or (place_of(mongo_url, database, config), "en")


def check_exists(place: "Place") -> None:
    """Raise `DatabaseError` for a local database of which there is no folder."""
    if not place.exists:
        raise DatabaseError(f"No database here: {place.data_folder} does not exist. Pass --mongo-url (MONGODB_URL).")


def database_named(database: str | None, mongo_url: str | None, config: "FloridifyConfig") -> str:
    """The name of the database: of --database, else of the address, else of Floridify's configuration, else its usual
    one.
    """
    from floridify_batch.database.connection import database_in

    names = (database, database_in(mongo_url), config.database)
    return next(filter(None, names), DEFAULT_DATABASE)


def poll_interval_of(given: float | None, *, local: bool) -> float:
    """The poll interval: as given, else a second where the service is local or immediate, else a minute."""
    return given if given is not None else (1.0 if local else 60.0)


def environment_with(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child process, with more variables."""
    return os.environ | variables


def variable_set(names: Iterable[str]) -> str | None:
    """The first of these environment variables that is set."""
    return next((name for name in names if os.environ.get(name)), None)


def sandbox_seconds() -> float:
    """Duration of a batch in the sandbox of `--sandbox`."""
    try:
        return float(os.environ.get("BATCH_SYNTH_SANDBOX_SECONDS", "6"))
    except ValueError:
        raise UsageError("BATCH_SYNTH_SANDBOX_SECONDS must be a number of seconds.") from None


def crash_point() -> str | None:
    """The crash point at which a test makes this process kill itself, see `run.crash_point`."""
    return os.environ.get("BATCH_SYNTH_DIE_AT") or None


def given(**settings: Any) -> dict[str, Any]:
    """The settings that have a value."""
    return {name: value for name, value in settings.items() if value is not None}


# ── output ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def in_terminal() -> bool:
    """Whether standard input is a terminal, so that a prompt is possible."""
    return sys.stdin is not None and sys.stdin.isatty()


def has_colour() -> bool:
    """Whether output may be coloured, see https://no-color.org."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def output_named(name: str, *, quiet: bool) -> str:
    """The `display.Output` of `--output` and `--quiet`. Raises `UsageError`."""
    from difflib import get_close_matches

    from floridify_batch.display.output import Output

    known = [str(each) for each in Output]
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"Did you mean {near[0]}?" if near else f"Choose from {', '.join(known)}."
        raise UsageError(f"Invalid --output {name!r}. {hint}")
    if quiet and name not in (Output.AUTO, Output.QUIET):
        raise UsageError(f"--quiet and --output {name} exclude each other; pass one of them.")
    return str(Output.QUIET) if quiet else name


def check_log_file(path: Path | None) -> None:
    """Check that the file of `--log-file` can be written, before a run begins. Raises `UsageError`."""
    if path is None:
        return
    from floridify_batch.files import appended_text

    check_name(path)
    try:
        appended_text(path).close()
    except OSError as error:
        raise UsageError(f"The log file {path} cannot be written: {error.strerror}.") from None


def name_of_run(checkpoint: "Checkpoint", ledger: "Ledger") -> str:
    """The first line of what is shown about a run: its checkpoint and its ID."""
    return f"{checkpoint.path} · run {ledger.run.id}"


def say_if_invented(place: "Place") -> None:
    """Say that the entries of a sandbox's database are invented."""
    from floridify_batch.components.entry_store import is_sandbox_database
    from floridify_batch.display.console import say_on_stderr

    if is_sandbox_database(place.database):
        say_on_stderr(f"Sandbox: entries of the database {place.database} are invented.")


async def sandbox_hint(store: "MongoStore", database: str) -> str:
    """The sentence that the sandbox's entries are in another database of the server; empty if it has none."""
    from floridify_batch.components.entry_store import sandbox_database

    other = sandbox_database(database)
    if other == database or not await store.has_words_in(other):
        return ""
    return f"Entries of the sandbox are in another database: add --database {other}."


def say_if_sandbox(ledger: "Ledger") -> None:
    """Say that a run's answers are invented, where they are."""
    if ledger.run.settings.in_sandbox:
        from floridify_batch.display.console import say

        say(f"Sandbox: the answers of this run are invented (database {ledger.run.settings.database}).")


@contextmanager
def progress_bar(title: str, amounts: "ProgressColumn") -> "Iterator[Callable[[int, int], None]]":
    """A progress bar in a terminal, with a column of amounts; its function takes what is done and the total."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(title), BarColumn(), TaskProgressColumn(), amounts, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)


def table_console() -> "Console":
    """A console for tables: the terminal, or a file wide enough for what a terminal would cut."""
    from rich.console import Console

    console = Console()
    unset = not console.is_terminal and console.width == _USUAL_WIDTH
    return Console(width=_FILE_WIDTH) if unset else console
