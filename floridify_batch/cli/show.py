"""The `show` command: print a dictionary entry."""

import asyncio
from typing import Annotated

import typer

from floridify_batch.cli.context import place_of
from floridify_batch.cli.options import ConfigOption, DatabaseOption, JsonOption, LanguageOption, MongoOption


def show(
    word: Annotated[str, typer.Argument(metavar="WORD", help="The headword.", rich_help_panel="Content")],
    language: LanguageOption = "en",
    as_json: JsonOption = False,
    mongo_url: MongoOption = None,
    database: DatabaseOption = None,
    floridify_config: ConfigOption = None,
) -> None:
    """Print a dictionary entry."""
    from floridify_batch.cli.floridify_config import read_config
    from floridify_batch.display.entry_page import show as show_entry

    place = place_of(mongo_url, database, read_config(floridify_config))
    raise typer.Exit(asyncio.run(show_entry(word, place, language=language, as_json=as_json)))
