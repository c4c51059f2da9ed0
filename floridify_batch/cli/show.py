"""The `show` command: print a dictionary entry."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from floridify_batch.cli import completion
from floridify_batch.cli.context import config_at, place_and_language, sandbox_hint, say_if_invented
from floridify_batch.cli.options import (
    ConfigOption,
    DatabaseOption,
    JsonOption,
    MongoOption,
    OnlyCheckpointOption,
    RunLanguageOption,
)

if TYPE_CHECKING:
    from floridify_batch.database.connection import Place
    from floridify_batch.database.store import MongoStore

FOUND, NOT_FOUND = 0, 1


def show(
    word: Annotated[
        list[str],
        typer.Argument(
            metavar="WORD", help="The headword.", rich_help_panel="Content", autocompletion=completion.words
        ),
    ],
    language: RunLanguageOption = None,
    as_json: JsonOption = False,
    checkpoint: OnlyCheckpointOption = None,
    mongo_url: MongoOption = None,
    database: DatabaseOption = None,
    floridify_config: ConfigOption = None,
) -> None:
    """Print a dictionary entry."""
    place, its = place_and_language(checkpoint, mongo_url, database, config_at(floridify_config))
    say_if_invented(place)
    raise typer.Exit(asyncio.run(show_word(" ".join(word), place, language=language or its, as_json=as_json)))


async def show_word(word: str, place: "Place", *, language: str = "en", as_json: bool = False) -> int:
    """Print every homograph of a word, else words that differ in case and diacritics, else suggest others."""
    from rich.console import Console

    from floridify_batch.database.connection import opened
    from floridify_batch.database.lookup import folded_spellings, headwords
    from floridify_batch.display.console import say_json, say_on_stderr
    from floridify_batch.display.entry_page import page, print_page
    from floridify_batch.display.json_output import object_of
    from floridify_batch.errors import DatabaseError
    from floridify_batch.words.entry import clean_word

    if not place.exists:
        raise DatabaseError(
            f"No database yet: {place.data_folder} does not exist. Pass the address of yours with --mongo-url "
            "(MONGODB_URL), or create one with `batch-synth import` or `batch-synth run`."
        )
    text = clean_word(word)[0] or " ".join(word.split())
    async with opened(place, say_on_stderr) as store:
        found = await headwords(store, text, language)
        if not found:
            for spelling in await folded_spellings(store, text, language):
                found += await headwords(store, spelling, language)
        if not found:
            sentences = [await _suggestions(store, text, language), await sandbox_hint(store, place.database)]
            say_on_stderr(" ".join(filter(None, sentences)))
            return NOT_FOUND
    if as_json:
        say_json([object_of(headword) for headword in found])
        return FOUND
    console = Console(highlight=False)
    for headword in found:
        print_page(page(headword, language), console)
    return FOUND


async def _suggestions(store: "MongoStore", text: str, language: str) -> str:
    from floridify_batch.database.lookup import near_spellings, other_languages

    sentences = [f"No entry for {text!r} in language {language} in the database {store.name}."]
    if languages := await other_languages(store, text):
        sentences.append(f"It exists in other languages: add --language {' or '.join(languages)}.")
    if near := await near_spellings(store, text, language):
        sentences.append(f"Did you mean {', '.join(near[:-1])}{' or ' * bool(near[:-1])}{near[-1]}?")
    return " ".join(sentences)
