"""CSV: one row per sense, for spreadsheets. UTF-8 with a byte order mark, by which Excel recognises the encoding."""

import csv
from collections.abc import Iterable
from io import TextIOWrapper
from typing import IO

from floridify_batch.export.detail import noted
from floridify_batch.export.entry import ExportedEntry, Sense
from floridify_batch.export.format import Header
from floridify_batch.formatting import counted

COLUMNS = (
    *("entry_id", "sense_id", "headword", "homograph", "language", "part_of_speech", "definition"),
    *("ipa", "respelling", "cefr_level", "frequency_band", "register", "domain", "region"),
    *("synonyms", "antonyms", "cognates", "examples", "collocations", "grammar_patterns", "word_forms", "usage_notes"),
    *("etymology", "phrases", "facts", "sources", "models", "dates", "edited", "reviewed"),
)

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""The first characters of a cell that a spreadsheet may run as a formula."""

_EXCEL_CELL = 32_767
"""The most characters of a cell in Excel."""


def cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe is put before one that looks like it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


class Table:
    """Writes the senses of entries as rows."""

    def __init__(self, out: IO[bytes], header: Header) -> None:
        self._text = TextIOWrapper(out, encoding="utf-8-sig", newline="", write_through=False)
        self._rows = csv.DictWriter(self._text, COLUMNS, delimiter=header.delimiter, lineterminator="\r\n")
        self._rows.writeheader()
        self._long = 0

    def write(self, entry: ExportedEntry) -> None:
        """Write a row for each sense; those of the word as a whole are in each of them."""
        shared = _of_word(entry)
        for sense in entry.senses:
            row = {name: cell(text) for name, text in (shared | _of_sense(sense) | _origins(entry, sense)).items()}
            self._long += sum(len(text) > _EXCEL_CELL for text in row.values())
            self._rows.writerow(row)

    def finish(self) -> list[str]:
        """Write what is buffered. Returns a note about cells that are too long for Excel."""
        self._text.flush()
        self._text.detach()
        return [f"Longer than a cell of Excel: {counted(self._long, 'cell')}."] if self._long else []


def _of_word(entry: ExportedEntry) -> dict[str, str]:
    return {
        "entry_id": entry.id,
        "headword": entry.headword,
        "homograph": "" if entry.homograph is None else str(entry.homograph),
        "language": entry.language,
        "ipa": _joined(each.ipa for each in entry.pronunciations),
        "respelling": _joined(each.respelling for each in entry.pronunciations),
        "etymology": entry.etymology.sentence if entry.etymology else "",
        "phrases": _lines(f"{each.text}: {each.meaning}" for each in entry.phrases),
        "facts": _lines(each.text for each in entry.facts),
    }


def _of_sense(sense: Sense) -> dict[str, str]:
    return {
        "sense_id": sense.id,
        "part_of_speech": sense.part_of_speech,
        "definition": sense.text,
        "cefr_level": sense.cefr_level,
        "frequency_band": sense.frequency_band,
        "register": sense.language_register,
        "domain": sense.domain,
        "region": sense.region,
        "synonyms": _joined(sense.synonyms),
        "antonyms": _joined(sense.antonyms),
        "cognates": _joined(sense.cognates),
        "examples": _lines(each.text for each in sense.examples),
        "collocations": _lines(noted(sense.collocations)),
        "grammar_patterns": _lines(noted(sense.grammar_patterns)),
        "word_forms": _lines(noted(sense.word_forms)),
        "usage_notes": _lines(noted(sense.usage_notes)),
        "sources": _joined(sense.sources),
    }


def _origins(entry: ExportedEntry, sense: Sense) -> dict[str, str]:
    """The origins of the values of a row."""
    examples = [("examples", each.origin) for each in sense.examples if each.origin]
    origins = [*sense.provenance.items(), *examples, *entry.provenance.items()]
    return {
        "models": _joined(each.model for _, each in origins),
        "dates": _joined(each.date for _, each in origins),
        "edited": _joined(name for name, each in origins if each.edited),
        "reviewed": _joined(f"{name} ({each.reviewed})" for name, each in origins if each.reviewed),
    }


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(filter(None, texts)))


def _lines(texts: Iterable[str]) -> str:
    return "\n".join(" ".join(text.split()) for text in texts)
