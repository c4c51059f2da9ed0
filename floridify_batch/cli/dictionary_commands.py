"""The commands around a dictionary: import and show; and the stand-in service: sandbox."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from floridify_batch.cli.completion import faults
from floridify_batch.cli.context import place_of
from floridify_batch.cli.options import ConfigOption, DatabaseOption, JsonOption, LanguageOption, MongoOption


def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="kaikki JSONL (.gz, too), or plain JSONL.", rich_help_panel="What")
    ],
    language: LanguageOption = "en",
    provider: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The source, where the file names none.", rich_help_panel="What"),
    ] = None,
    mongo_url: MongoOption = None,
    database: DatabaseOption = None,
    floridify_config: ConfigOption = None,
) -> None:
    """Put the definitions of a file into the database."""
    from floridify_batch.cli.floridify_config import read_config
    from floridify_batch.cli.import_ import import_file

    place = place_of(mongo_url, database, read_config(floridify_config))
    raise typer.Exit(asyncio.run(import_file(file, place, language=language, provider=provider)))


def show(
    word: Annotated[str, typer.Argument(metavar="WORD", help="The word.", rich_help_panel="What")],
    language: LanguageOption = "en",
    as_json: JsonOption = False,
    mongo_url: MongoOption = None,
    database: DatabaseOption = None,
    floridify_config: ConfigOption = None,
) -> None:
    """Print an entry as a dictionary would print it."""
    from floridify_batch.cli.floridify_config import read_config
    from floridify_batch.display.entry_page import show as show_word

    place = place_of(mongo_url, database, read_config(floridify_config))
    raise typer.Exit(asyncio.run(show_word(word, place, language=language, as_json=as_json)))


def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Port; 0 picks a free one.")] = 8787,
    data: Annotated[Path, typer.Option(metavar="DIR", help="Data folder: files and batches.")] = Path(
        "batch-synth-sandbox"
    ),
    seconds: Annotated[float, typer.Option(min=0.0, metavar="SECONDS", help="Duration of a batch.")] = 10.0,
    fault: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Inject a fault.", autocompletion=faults)
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of answers and faults.")] = 0,
) -> None:
    """Run a local stand-in for OpenAI's API."""
    from floridify_batch.display.console import say
    from floridify_batch.sandbox.process import serve
    from floridify_batch.sandbox.settings import SandboxSettings

    settings = SandboxSettings(data=data, port=port, running_seconds=seconds, faults=tuple(fault or ()), seed=seed)
    serve(settings, listening=lambda url: say(f"Sandbox at {url} (any API key works). Ctrl-C stops it."))
