"""The `show` command: print a dictionary entry."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from floridify_batch.cli import completion
from floridify_batch.cli.check import json_of_doubt
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
    from floridify_batch.database.lookup import Headword
    from floridify_batch.database.provenance import Stamps
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
    from floridify_batch.database.provenance import stamps_of
    from floridify_batch.display.console import say_json, say_on_stderr
    from floridify_batch.display.entry_page import page, print_page, remarks
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
        stamps = await stamps_of(store, found)
    if as_json:
        say_json([_object(headword, stamps) for headword in found])
        return FOUND
    console = Console(highlight=False)
    for headword in found:
        print_page([*page(headword, language), *remarks(headword, language, stamps)], console)
    return FOUND


def _object(headword: "Headword", stamps: "Stamps") -> dict[str, Any]:
    """The documents of a headword, with the stamps that they refer to, and the doubts about its values."""
    from floridify_batch.components.quality_check import doubts
    from floridify_batch.database.document import stamps_on
    from floridify_batch.database.entry_text import entry_texts
    from floridify_batch.display.json_output import object_of

    borne = stamps_on([*headword.definitions, *headword.entries])
    return object_of(headword) | {
        "stamps": [stamp for identity, stamp in stamps.items() if identity in borne],
        "doubts": [json_of_doubt(doubt) for texts in entry_texts(headword) for doubt in doubts(texts)],
    }


async def _suggestions(store: "MongoStore", text: str, language: str) -> str:
    from floridify_batch.database.lookup import near_spellings, other_languages
    from floridify_batch.words.language import language_name

    sentences = [f"No entry for “{text}” in {language_name(language)} in the database {store.name}."]
    if languages := await other_languages(store, text):
        sentences.append(f"It exists in other languages: add --language {' or '.join(languages)}.")
    if near := await near_spellings(store, text, language):
        sentences.append(f"Did you mean {', '.join(near[:-1])}{' or ' * bool(near[:-1])}{near[-1]}?")
    return " ".join(sentences)
