"""Sentences on the terminal: whatever a sentence quotes, it can do nothing there."""

from collections.abc import Iterable

import typer

from floridify_batch.frames import plain


def say(sentence: str, *, err: bool = False) -> None:
    """Print a sentence: file names, words and services' messages in it lose their control characters."""
    typer.echo(plain(sentence), err=err)


def say_lines(text: Iterable[str], *, err: bool = False) -> None:
    """Print lines as they are indented, such as those of a traceback."""
    for line in (line for part in text for line in part.splitlines()):
        indent = line[: len(line) - len(line.lstrip(" "))]
        typer.echo(indent + plain(line), err=err)
