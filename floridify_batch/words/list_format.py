"""Formats of word lists: tables, JSON, Anki exports, hunspell dictionaries, frequency lists, Markdown and plain lists.

A format is recognised by the content and the file's name.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import unescape
from itertools import islice, pairwise
from typing import Any

import orjson

from floridify_batch.errors import UsageError
from floridify_batch.words.list_table import (
    DELIMITERS,
    LEADING_COUNT,
    MARKUP,
    MAX_CELL,
    SAMPLE_LINES,
    TAB_COUNT,
    Listing,
    Row,
    Source,
    cell_row,
    column_place,
    csv_rows,
    plain_lines,
    quoted,
    read_table,
    unknown_column,
)


def parse(source: Source) -> Listing:
    """Recognise a list's format and read its rows. Raises `UsageError` where it is unclear where the words are."""
    for reader in (_json, _anki, _hunspell, read_table):
        listing = reader(source)
        if listing is not None:
            return listing
    if source.column not in (None, "1"):
        raise UsageError(f"{source.name} is not a table; --column {source.column} cannot be used.")
    return _lines(source)


# ── JSON ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _json(source: Source) -> Listing | None:
    start = source.text.lstrip()[:1]
    named = source.suffix in (".json", ".jsonl", ".ndjson")
    if start not in ("{", "[") and not named:
        return None
    try:
        value = orjson.loads(source.text)
    except ValueError:
        return _json_lines(source, named=named)
    if isinstance(value, dict):
        value = _list_in(value, source)
    return _records(source, [(at, each) for at, each in enumerate(value, 1)] if isinstance(value, list) else [])


def _json_lines(source: Source, *, named: bool) -> Listing | None:
    records: list[tuple[int, Any]] = []
    for number, line in enumerate(io.StringIO(source.text, newline=None), 1):
        if line.strip():
            try:
                records.append((number, orjson.loads(line)))
            except ValueError:
                if not records and not named:
                    return None
                records.append((number, _INVALID))
    if not named and not any(isinstance(value, dict | list) for _, value in records[:1]):
        return None
    return _records(source, records)


_INVALID = object()


def _list_in(value: Mapping[str, Any], source: Source) -> Any:
    """The list of an object that holds one, or the keys of one that maps words to counts."""
    if {"processed_words", "failed_words"} <= value.keys():
        raise UsageError(
            f"{source.name} is a checkpoint, not a word list. Did you mean: batch-synth resume -c {source.name}"
        )
    lists = [each for each in value.values() if isinstance(each, list) and each]
    if len(lists) == 1:
        return lists[0]
    numbers = [each for each in value.values() if isinstance(each, int | float) and not isinstance(each, bool)]
    if len(numbers) == len(value) > 1:
        return list(value)
    raise UsageError(
        f"{source.name} is JSON, but not a word list: an object with {quoted(value)}. Pass an array of words."
    )


def _records(source: Source, records: Sequence[tuple[int, Any]]) -> Listing:
    """The rows of JSON values: strings, or objects with a column of words."""
    first = next((each for _, each in records if each is not _INVALID), None)
    if isinstance(first, dict):
        key = _key(source, first)
        return Listing((_json_row(at, each.get(key) if isinstance(each, dict) else each) for at, each in records), key)
    if first is not None and not isinstance(first, str):
        raise UsageError(
            f"{source.name} is JSON, but not a word list: it has {_shown(first)[:40]} where a word is expected."
        )
    return Listing(_json_row(at, each) for at, each in records)


def _json_row(at: int, value: Any) -> Row:
    return Row(at, value) if isinstance(value, str) else Row(at, "", "no word")


def _key(source: Source, record: Mapping[str, Any]) -> str:
    names = list(record)
    place = column_place(names, source)
    if place is None:
        texts = [_shown(value) if isinstance(value, str) else "0" for value in record.values()]
        raise unknown_column(source, names, [texts])
    return names[place]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


# ── Anki and hunspell ──────────────────────────────────────────────────────────────────────────────────────────────

_ANKI = re.compile(
    r"#(separator|html|columns|tags|notetype|deck|guid|tags column|notetype column|deck column|guid column):(.*)"
)
_ANKI_SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " ", "pipe": "|", "colon": ":"}
_TAG = re.compile(r"<[^>]*>")


def _anki(source: Source) -> Listing | None:
    """An Anki export: a header of `#key:value` lines, then the notes' fields."""
    header: dict[str, str] = {}
    for line in plain_lines(source.text):
        match = _ANKI.fullmatch(line.text.rstrip())
        if match is None:
            break
        header[match[1]] = match[2]
    if "separator" not in header and "columns" not in header:
        return None
    stated = header.get("separator", "tab").strip()
    delimiter = _ANKI_SEPARATORS.get(stated.casefold(), stated[:1] or "\t")
    rows = [each for each in csv_rows(source.text, delimiter) if each[1] and not _ANKI.match(each[1][0])]
    names = next(csv.reader([header.get("columns", "")], delimiter=delimiter), [])
    names = names or [str(at) for at in range(1, max((len(row) for _, row in rows), default=1) + 1)]
    place = column_place(names, source)
    place = _first_field(header, len(names)) if place is None else place
    cells = (cell_row(number, row, place) for number, row in rows)
    is_html = header.get("html", "").strip() == "true"
    return Listing(map(_without_html, cells) if is_html else cells, names[place])


def _first_field(header: Mapping[str, str], columns: int) -> int:
    """The position of a note's first field; the header names the columns of tags, decks and the like."""
    reserved = {int(value) for key, value in header.items() if key.endswith("column") and value.strip().isdecimal()}
    return next((at for at in range(columns) if at + 1 not in reserved), 0)


def _without_html(row: Row) -> Row:
    return row._replace(text=unescape(_TAG.sub(" ", row.text)))


_FLAGS = re.compile(r"(?<!\\)/[^\s/]*.*$|\s+[a-z]{2}:\S.*$")


def _hunspell(source: Source) -> Listing | None:
    """A hunspell dictionary: the number of words, then words with `/FLAGS` and morphological fields."""
    lines = (line for line in plain_lines(source.text) if line.text.strip())
    sample = list(islice(lines, SAMPLE_LINES))
    if len(sample) < 2 or not sample[0].text.strip().isdecimal():  # noqa: PLR2004
        return None
    flagged = sum("/" in line.text for line in sample[1:])
    if source.suffix != ".dic" and (flagged * 4 < len(sample) or int(sample[0].text) < len(sample) - 1):
        return None
    rows = (Row(line.line, _FLAGS.sub("", line.text).replace("\\/", "/")) for line in plain_lines(source.text))
    return Listing(
        islice((row for row in rows if row.text.strip()), 1, None),
        notes=("Flags of a hunspell dictionary were dropped.",),
    )


# ── lines ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_COMMENT = re.compile(r"(?:^|\s+)#.*$")  # "C#" is a word, "wind # air" is one with a comment
_COUNT = re.compile(r"\s+(\d[\d.,]*)$")
_BULLET = re.compile(r"\s*(?:[-*+•‣◦·\u2013\u2014]\s+)(?:\[[ xX]\]\s+)?|\s*\[[ xX]\]\s+")
_NUMBERED = re.compile(r"\s*\d{1,6}[.)]\s+(?:\[[ xX]\]\s+)?")
_BOLD = re.compile(r"(\*\*|__|`)(?P<word>.+?)\1(?=$|[\s:\u2013\u2014,(-])")
_EMPHASIS = re.compile(r"^([*_])(?P<word>[^*_]+)\1$")
_GLOSS = re.compile(r"\s+[\u2013\u2014]\s+.*$")

_MIN_COUNTS = 10
_LARGE_COUNT = 1000
_TYPICAL_COUNT = 100


def _lines(source: Source) -> Listing:
    """A plain list: a word per line, with bullets, numbers, counts and comments removed."""

    def rows() -> Iterator[Row]:
        return _content_lines(plain_lines(source.text))

    sample = [row for row in islice(rows(), SAMPLE_LINES) if not row.reason]
    cleaned, notes = _cleaner([row.text for row in sample], source)
    return Listing((row if row.reason else row._replace(text=cleaned(row.text)) for row in rows()), notes=tuple(notes))


def _content_lines(lines: Iterator[Row]) -> Iterator[Row]:
    """The lines that are neither blank nor comments."""
    for row in lines:
        text = row.text
        if len(text) > MAX_CELL:
            yield Row(row.line, "", f"{len(text):,} characters, more than a word can have")
            continue
        if "#" in text:
            text = _COMMENT.sub("", text)
        if text and not text.isspace():
            yield row if text is row.text else Row(row.line, text)


def _cleaner(texts: Sequence[str], source: Source) -> tuple[Callable[[str], str], list[str]]:
    """The function that extracts a word from its line, with notes on what it removes."""
    if _share(_BULLET, texts) or _share(_NUMBERED, texts):
        return _from_bullet, ["Bullets and numbers of a list were removed."]
    if source.column is None:
        if _are_leading_counts(texts):
            return lambda text: LEADING_COUNT.sub("", text, count=1), [
                "Numbers before the words were removed as counts."
            ]
        if _are_counts(texts):
            return _from_count, ["Numbers after the words were removed as counts."]
    return _from_tab, list(_doubts(texts, is_csv=source.suffix == ".csv"))


def _share(pattern: re.Pattern[str], texts: Sequence[str]) -> bool:
    """Whether at least half of the lines match."""
    return bool(texts) and sum(pattern.match(text) is not None for text in texts) * 2 >= len(texts)


def _from_bullet(text: str) -> str:
    text = _NUMBERED.sub("", _BULLET.sub("", text, count=1), count=1).strip()
    bold = _BOLD.match(text) or _EMPHASIS.match(text)
    return bold["word"] if bold else MARKUP.sub("", _GLOSS.sub("", text))


def _from_count(text: str) -> str:
    return _COUNT.sub("", text.rstrip())


def _from_tab(text: str) -> str:
    return TAB_COUNT.sub("", text) if "\t" in text else text


def _are_counts(texts: Sequence[str]) -> bool:
    """Whether every line ends with a number that looks like a count.

    "route 66, catch 22, formula 1" end with numbers, too. Counts follow distinct words, and are sorted with a large one
    among them, or many, or typically of three digits and more.
    """
    found = [_COUNT.search(text.rstrip()) for text in texts]
    if len(texts) < 2 or not all(found):  # noqa: PLR2004
        return False
    if all(TAB_COUNT.search(text) for text in texts):
        return True
    words = {text.rstrip()[: match.start()].strip() for text, match in zip(texts, found, strict=True) if match}
    numbers = [_number(match[1]) for match in found if match]
    return len(words) * 20 >= len(texts) * 19 and _look_like_counts(numbers)


def _look_like_counts(numbers: Sequence[float]) -> bool:
    falling = all(one >= other for one, other in pairwise(numbers))
    if falling and max(numbers) >= _LARGE_COUNT:
        return True
    many = len(numbers) >= _MIN_COUNTS
    return many and (falling or sorted(numbers)[len(numbers) // 2] >= _TYPICAL_COUNT)


def _are_leading_counts(texts: Sequence[str]) -> bool:
    """Whether every line begins with a number: right-aligned as by `uniq -c`, 1, 2, 3 …, or as a count."""
    found = [LEADING_COUNT.match(text) for text in texts]
    if len(texts) < 2 or not all(found):  # noqa: PLR2004
        return False
    numbers = [_number(match[2]) for match in found if match]
    aligned = {match.end(2) for match in found if match}
    if len(aligned) == 1 and all(match[1] for match in found if match):
        return True
    numbered = numbers == [float(number) for number in range(1, len(numbers) + 1)]
    return numbered or _look_like_counts(numbers)


def _number(text: str) -> float:
    """The value of a number with decimal or thousands separators."""
    digits = re.sub(r"[.,](?=\d{3}\b)", "", text).replace(",", ".").strip(".")
    try:
        return float(digits)
    except ValueError:
        return 0.0


def _doubts(texts: Sequence[str], *, is_csv: bool) -> Iterator[str]:
    """Notes on parts of lines that may not belong to the words."""
    numbered = sum(_COUNT.search(text) is not None for text in texts)
    if numbered * 2 >= len(texts) > 1:
        yield (
            f"{numbered:,} of the first {len(texts):,} lines end with a number, which was read as part of the entry. "
            "Put a tab before counts."
        )
    for delimiter, name in DELIMITERS.items():
        parted = sum(delimiter in TAB_COUNT.sub("", text) for text in texts)
        if parted * 2 > len(texts) or (is_csv and parted):
            yield f"Lines contain {name}; each line was read as one entry. Pass --column N to read one column."
