"""Sentences on the terminal: whatever a sentence quotes, it can do nothing there, and lines break between words."""

import json
import shutil
import sys
from collections.abc import Iterable
from typing import Any

import typer

from floridify_batch.display.text import plain, sentence_lines


def say(sentence: str, *, err: bool = False) -> None:
    """Print a sentence: file names, words and services' messages in it lose their control characters.

    In a terminal its lines break between words, and what will be copied stays whole: a long path, an address, the
    command at its end. Elsewhere it is one line.
    """
    stream = sys.stderr if err else sys.stdout
    there = stream is not None and stream.isatty()
    lines = sentence_lines(plain(sentence), shutil.get_terminal_size().columns) if there else [plain(sentence)]
    typer.echo("\n".join(lines), err=err)


def say_aside(sentence: str) -> None:
    """Print a sentence beside the output, such as why there is a wait."""
    say(sentence, err=True)


def say_json(value: Any) -> None:
    """Print a value as JSON: in ASCII, so that nothing in it does anything to a terminal, and never broken."""
    typer.echo(json.dumps(value, indent=2))


def say_lines(text: Iterable[str], *, err: bool = False) -> None:
    """Print lines as they are indented, such as those of a traceback."""
    for line in (line for part in text for line in part.splitlines()):
        indent = line[: len(line) - len(line.lstrip(" "))]
        typer.echo(indent + plain(line), err=err)
