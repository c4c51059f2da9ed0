"""Printing sentences on the terminal: sanitised, wrapped between words, with commands kept whole for copying."""

import shutil
import sys
from collections.abc import Iterable
from typing import Any

from floridify_batch.display.json_output import json_text
from floridify_batch.display.text import plain, sentence_lines


def say(sentence: str, *, err: bool = False) -> None:
    """Print a sanitised sentence: file names, words and service messages in it lose their control characters.

    In a terminal, lines wrap between words, while a long path, an address or the command at the end stays whole.
    Elsewhere the sentence is one line.
    """
    stream = sys.stderr if err else sys.stdout
    interactive = stream is not None and stream.isatty()
    lines = sentence_lines(plain(sentence), shutil.get_terminal_size().columns) if interactive else [plain(sentence)]
    _print("\n".join(lines), err=err)


def say_on_stderr(sentence: str) -> None:
    """Print a sentence on standard error, such as the reason for a wait."""
    say(sentence, err=True)


def say_json(value: Any) -> None:
    """Print a value as indented JSON."""
    _print(json_text(value))


def say_lines(text: Iterable[str], *, err: bool = False) -> None:
    """Print lines with their indentation, such as those of a traceback."""
    for line in (line for part in text for line in part.splitlines()):
        indent = line[: len(line) - len(line.lstrip(" "))]
        _print(indent + plain(line), err=err)


def _print(text: str, *, err: bool = False) -> None:
    """Write a line and flush it; a character that the stream cannot encode is escaped. Without a stream, do nothing."""
    stream = sys.stderr if err else sys.stdout
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()
