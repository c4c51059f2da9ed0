"""Tables in word lists: CSV, TSV, Markdown, spreadsheets; and the choice of the column that holds the words.

A table without a known column is refused with its columns and a sample row: a wrong guess would be paid for, entry by
entry.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple

from floridify_batch.errors import UsageError

SAMPLE_LINES = 1000
"""The number of lines by which a format is recognised."""

MAX_CELL = 100_000

COLUMN_NAMES = (
    *("word", "headword", "lemma", "term", "entry", "lexeme", "expression", "vocab", "vocabulary", "word form"),
    *("words", "headwords", "lemmas", "lemmata", "terms", "entries", "lexemes", "expressions", "wordform"),
    *("wort", "stichwort", "begriff", "vokabel", "ausdruck", "wörter", "mot", "mots", "vedette", "terme", "entrée"),
    *("palabra", "término", "termino", "parola", "termine", "palavra", "termo", "woord", "ord", "uppslagsord"),
    *(
        "слово",
        "лемма",
        "słowo",
        "hasło",
        "slovo",
        "heslo",
        "sana",
        "szó",
        "kelime",
        "单词",
        "單詞",
        "単語",
        "단어",
        "front",
    ),
)
"""Names of the column that holds the words, most specific first."""

_OTHER_NAMES = (
    *("pos", "part of speech", "count", "freq", "frequency", "rank", "id", "definition", "meaning", "translation"),
    *("language", "lang", "example", "notes", "note", "back", "tags", "level", "wortart", "häufigkeit", "definición"),
)

DELIMITERS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "vertical bars"}


class Row(NamedTuple):
    """The text of a word, with the number of its line; `reason` says why a row can't be read."""

    line: int
    text: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The rows of a list, the column that they are from, and notes on how the list was read."""

    rows: Iterable[Row]
    column: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a list with its name; `column` is the one that the user named."""

    name: str
    text: str
    suffix: str = ""
    column: str | None = None


TAB_COUNT = re.compile(r"\t+(\d[\d.,]*)$")
LEADING_COUNT = re.compile(r"(\s*)(\d[\d.,]*)(\s+)(?=\S)")
MARKUP = re.compile(r"\*\*|__|`")


def plain_lines(text: str) -> Iterator[Row]:
    return (Row(number, line.rstrip("\n")) for number, line in enumerate(io.StringIO(text, newline=None), 1))


def read_table(source: Source) -> Listing | None:
    sample = [line for line in islice(plain_lines(source.text), SAMPLE_LINES) if line.text.strip()]
    if not sample:
        return None
    if sample[0].text.lstrip().startswith("|") and len(sample) > 1 and re.fullmatch(r"[\s|:-]+", sample[1].text):
        return read_columns(source, _markdown_rows(source.text))
    delimiter = _delimiter(source, [line.text for line in sample])
    if delimiter is None:
        is_header = source.suffix in (".csv", ".tsv") and sample[0].text.strip().strip('"').casefold() in COLUMN_NAMES
        return read_columns(source, csv_rows(source.text, ",")) if is_header else None
    return read_columns(source, csv_rows(source.text, delimiter))


def _delimiter(source: Source, lines: Sequence[str]) -> str | None:
    """The separator of a table's cells; None for a plain list.

    Commas occur in a plain list, too. So a table has a header with a known name, or by its name is one, or has three
    cells on nine of ten lines; for tabs, which no word contains, two cells are enough.
    """
    for delimiter in DELIMITERS:
        names = _names(next(csv.reader(lines[:1], delimiter=delimiter), []))
        if len(names) > 1 and set(names) & set(COLUMN_NAMES):
            return delimiter
    wanted = 2 if source.suffix in (".csv", ".tsv") or source.column is not None else 3
    for delimiter in DELIMITERS:
        cells = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        enough = 2 if delimiter == "\t" else wanted
        if not cells or sum(count >= enough for count in cells) * 10 < len(cells) * 9:
            continue
        if source.column is not None or not _counted(lines, delimiter):
            return delimiter
    return None


def _counted(lines: Sequence[str], delimiter: str) -> bool:
    """Whether tabs only set off counts, as in a frequency list: a word and its count, in either order."""
    return delimiter == "\t" and all(
        (TAB_COUNT.search(line) or LEADING_COUNT.match(line)) and len(_cells(line)) <= _PAIR for line in lines
    )


def _cells(line: str) -> list[str]:
    return [cell for cell in line.split("\t") if cell.strip()]


_PAIR = 2
_NUMBER = re.compile(r"\s*[\d.,]+\s*")


def csv_rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table with the numbers of their first lines. A quote that is never closed is taken literally."""
    csv.field_size_limit(2**31 - 1)
    reader, start, rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), 1, []
    for row in reader:
        if any(cell.count("\n") + cell.count("\r") > _MAX_CELL_LINES for cell in row):
            return _csv_lines(text, delimiter)
        rows.append((start, row))
        start = reader.line_num + 1
    return iter(rows)


_MAX_CELL_LINES = 200


def _csv_lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    for line in plain_lines(text):
        yield line.line, next(csv.reader([line.text], delimiter=delimiter), [])


def _markdown_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    for line in plain_lines(text):
        cells = line.text.strip().removeprefix("|").removesuffix("|").split("|")
        if not all(re.fullmatch(r"\s*:?-+:?\s*", cell) for cell in cells):
            yield line.line, [MARKUP.sub("", cell).strip() for cell in cells]


def read_columns(source: Source, rows: Iterator[tuple[int, list[str]]]) -> Listing:
    """The words' column of a table: the one that the user names, or one of a known name."""
    kept = (each for each in rows if any(map(str.strip, each[1])) and not each[1][0].lstrip().startswith("#"))
    table = _past_titles(kept, source)
    first = next(table, None)
    if first is None:
        return Listing(())
    place = column_place(first[1], source)
    if place is None:
        sample = next(table, None)
        texts = [name for name in first[1] if name.strip() and not _NUMBER.fullmatch(name)]
        raise unknown_column(source, first[1], sample[1] if sample else first[1], texts)
    names = set(_names(first[1]))
    is_header = bool(names & {*COLUMN_NAMES, *_OTHER_NAMES}) or not (source.column or "").isdecimal()
    name = first[1][place].strip() if is_header else str(place + 1)
    body = table if is_header else chain([first], table)
    return Listing((cell_row(number, row, place) for number, row in body), name)


_TITLE_ROWS = 5
"""Rows above a header that may be titles, each with a single cell."""


def _past_titles(rows: Iterator[tuple[int, list[str]]], source: Source) -> Iterator[tuple[int, list[str]]]:
    """The rows from the header on, where only titles of one cell are above it and it names a known column."""
    head = list(islice(rows, _TITLE_ROWS + 1))
    at = next((at for at, (_, row) in enumerate(head) if sum(map(bool, map(str.strip, row))) > 1), 0)
    known = {*COLUMN_NAMES, *_names([source.column or ""])} & set(_names(head[at][1])) if head else set()
    return chain(head[at if known else 0 :], rows)


def cell_row(number: int, row: Sequence[str], place: int) -> Row:
    if place >= len(row):
        return Row(number, "", "no such column")
    if len(row[place]) > MAX_CELL:
        return Row(number, "", f"a cell of {len(row[place]):,} characters")
    return Row(number, _CELL_BULLET.sub("", row[place], count=1))


_CELL_BULLET = re.compile(r"\s*[•‣◦▪]\s+")


def _names(cells: Iterable[str]) -> list[str]:
    return [" ".join(cell.casefold().replace("_", " ").split()) for cell in cells]


def column_place(names: Sequence[str], source: Source) -> int | None:
    """The position of the words' column; None if it is unknown. Raises `UsageError` if the user's is not there."""
    known, wanted = _names(names), source.column
    if wanted is None:
        found = [each for each in COLUMN_NAMES if each in known]
        return known.index(found[0]) if found else None
    name = _names([wanted])[0]
    if name in known:
        return known.index(name)
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    raise UsageError(f"{source.name} has no column {wanted}; its columns: {quoted(names)}.")


def unknown_column(
    source: Source, names: Sequence[str], sample: Sequence[str], candidates: Sequence[str] = ()
) -> UsageError:
    wanted = (candidates or [name for name in names if name.strip()] or ["1"])[0].strip()
    option = f'"{wanted}"' if " " in wanted else wanted
    row = ", ".join(_brief(" ".join(cell.split())) for cell in sample)
    return UsageError(
        f"{source.name} has columns {quoted(names)} (a row: {row}). Which one holds the words? --column {option}"
    )


_MAX_SHOWN = 40
_MAX_COLUMNS = 12


def _brief(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


def quoted(names: Iterable[str]) -> str:
    shown = [_brief(name.strip()) for name in names]
    return ", ".join(shown[:_MAX_COLUMNS]) + (" …" if len(shown) > _MAX_COLUMNS else "")
