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

_NOT_WORDS = {
    *("class", "type", "kind", "count", "counts", "freq", "frequency", "rank", "id", "no", "nr", "number", "length"),
    *("date", "level", "category", "family", "origin", "definition", "meaning", "translation", "example", "examples"),
    *("note", "notes", "audio", "sound", "pronunciation", "pos", "part", "language", "lang", "per", "status", "source"),
    *("tag", "tags", "art", "frequenz", "anzahl"),
}
"""Words in a column's name by which it has something about the words, as in "Word class"."""

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
        is_header = source.suffix in (".csv", ".tsv") and _exact_places(_names([sample[0].text.strip().strip('"')]))
        return read_columns(source, csv_rows(source.text, ",")) if is_header else None
    return read_columns(source, csv_rows(source.text, delimiter))


def _delimiter(source: Source, lines: Sequence[str]) -> str | None:
    """The separator of a table's cells; None for a plain list.

    Commas occur in a plain list, too. So a table has a header with a known name, or by its name is one, or has three
    cells on nine of ten lines; for tabs, which no word contains, two cells are enough.
    """
    for delimiter in DELIMITERS:
        names = _names(next(csv.reader(lines[:1], delimiter=delimiter), []))
        if len(names) > 1 and _exact_places(names):
            return delimiter
    wanted = 2 if source.suffix in (".csv", ".tsv") or source.column is not None else 3
    for delimiter in DELIMITERS:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
        least = 2 if delimiter == "\t" else wanted
        regular = _mostly(rows, least) or _mostly(_below_titles(rows), 2 if _named(_below_titles(rows)) else least)
        if regular and (source.column is not None or not _counted(lines, delimiter)):
            return delimiter
    return None


def _mostly(rows: Sequence[Sequence[str]], least: int) -> bool:
    """Whether nine of ten rows have so many cells."""
    return bool(rows) and sum(len(row) >= least for row in rows) * 10 >= len(rows) * 9


def _below_titles(rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """The rows below titles of one cell, if there are more rows than titles; else none."""
    at = next((at for at, row in enumerate(rows[: _TITLE_ROWS + 1]) if len(row) > 1), 0)
    return rows[at:] if len(rows) - at > max(at, _PAIR) else ()


def _named(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row is a header with a known name."""
    return bool(rows) and known_place(rows[0], rows[1:]) is not None


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
    table = (each for each in rows if any(map(str.strip, each[1])) and not each[1][0].lstrip().startswith("#"))
    head = list(islice(table, _HEAD_ROWS))
    if not head:
        return Listing(())
    at = _header_at(head, source)
    below = [row for _, row in head[at + 1 :]]
    first = head[at][1]
    place = column_place(first, source, below)
    if place is None:
        raise unknown_column(source, first, below)
    is_header = bool(_exact_places(_names(first)) or {*_names(first)} & {*_OTHER_NAMES})
    is_header = is_header or not (source.column or "").isdecimal()
    name = first[place].strip() if is_header else str(place + 1)
    body = chain(head[at + 1 if is_header else at :], table)
    return Listing((cell_row(number, row, place) for number, row in body), name)


_TITLE_ROWS = 5
"""Rows above a header that may be titles, each with a single cell."""

_HEAD_ROWS = 50
"""Rows by which a header, and the most likely column of words, are recognised."""


def _header_at(head: Sequence[tuple[int, list[str]]], source: Source) -> int:
    """The place of the header: below titles of one cell, unless the user numbers a column of a table without one."""
    rows = [row for _, row in head]
    at = next((at for at, row in enumerate(rows[: _TITLE_ROWS + 1]) if sum(map(bool, map(str.strip, row))) > 1), 0)
    named = source.column is None or _names([source.column])[0] in _names(rows[at])
    return at if named or known_place(rows[at], rows[at + 1 :]) is not None else 0


def cell_row(number: int, row: Sequence[str], place: int) -> Row:
    if place >= len(row):
        return Row(number, "", "no such column")
    if len(row[place]) > MAX_CELL:
        return Row(number, "", f"a cell of {len(row[place]):,} characters")
    return Row(number, _CELL_BULLET.sub("", row[place], count=1))


_CELL_BULLET = re.compile(r"\s*[•‣◦▪]\s+")


def _names(cells: Iterable[str]) -> list[str]:
    return [" ".join(cell.casefold().replace("_", " ").split()) for cell in cells]


def _exact_places(names: Sequence[str]) -> list[int]:
    """The columns with a known name, with or without spaces: the most specific first."""
    joined = ["".join(re.findall(r"\w+", name)) for name in names]
    places = [(names if each in names else joined).index(each) for each in COLUMN_NAMES if each in (*names, *joined)]
    return list(dict.fromkeys(places))


def _likely_places(names: Sequence[str]) -> list[int]:
    """The columns whose name contains a known one as a word: "English word", but not "Word class"."""
    parts = [set(re.findall(r"[^\W\d]+", name)) for name in names]
    return [at for at, words in enumerate(parts) if words & set(COLUMN_NAMES) and not words & _NOT_WORDS]


def known_place(cells: Sequence[str], below: Sequence[Sequence[str]] = ()) -> int | None:
    """The position of the only column with a known name; None if there is none, or the row looks like those below."""
    names = _names(cells)
    exact, likely = _exact_places(names), _likely_places(names)
    if exact:
        return exact[0]
    return likely[0] if len(likely) == 1 and not _is_data(names, below) else None


def _is_data(names: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a row is no header: it has a single column, or a number, or a cell that occurs again in its column."""
    seen = {cell for row in below for cell in enumerate(_names(row)) if cell[1]}
    return len(names) == 1 or any(map(_NUMBER.fullmatch, names)) or any(cell in seen for cell in enumerate(names))


def column_place(names: Sequence[str], source: Source, below: Sequence[Sequence[str]] = ()) -> int | None:
    """The position of the words' column; None if it is unknown. Raises `UsageError` if the user's is not there."""
    known, wanted = _names(names), source.column
    if wanted is None:
        return known_place(names, below)
    name = _names([wanted])[0]
    if name in known:
        return known.index(name)
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    raise UsageError(f"{source.name} has no column {wanted}; its columns: {quoted(names)}.")


def unknown_column(source: Source, names: Sequence[str], below: Sequence[Sequence[str]] = ()) -> UsageError:
    """The refusal of a table without a known column, with a row, and the column that looks most like words."""
    named = [at for at, name in enumerate(names) if name.strip() and not _NUMBER.fullmatch(name)] or [0]
    wanted = names[max(named, key=lambda at: _likeness(names, below, at))].strip() or "1"
    option = f'"{wanted}"' if " " in wanted else wanted
    row = ", ".join(_brief(" ".join(cell.split())) for cell in (below[0] if below else names))
    return UsageError(
        f"{source.name} has columns {quoted(names)} (a row: {row}). Which one holds the words? --column {option}"
    )


def _likeness(names: Sequence[str], below: Sequence[Sequence[str]], at: int) -> tuple[bool, float, float]:
    """Rank of a column by its likeness to words: its name, its entries that look like words, and their variety."""
    cells = [row[at].strip() for row in below if at < len(row)]
    words = [cell for cell in cells if _WORDLIKE.fullmatch(cell)]
    other = bool(set(re.findall(r"\w+", names[at].casefold())) & {*_NOT_WORDS, *_OTHER_NAMES})
    return not other, round(len(words) / max(1, len(cells)), 1), round(len(set(words)) / max(1, len(words)), 1)


_WORDLIKE = re.compile(r"[^\W\d_][^\d_]*?(?:\s[^\s\d]+){0,4}")


_MAX_SHOWN = 40
_MAX_COLUMNS = 12


def _brief(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


def quoted(names: Iterable[str]) -> str:
    shown = [_brief(name.strip()) for name in names]
    return ", ".join(shown[:_MAX_COLUMNS]) + (" …" if len(shown) > _MAX_COLUMNS else "")
