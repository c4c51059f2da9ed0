"""Entries as HTML fragments, with all text escaped."""

from collections.abc import Iterable, Iterator
from html import escape

from floridify_batch.export.detail import Line, labels, lines_of_sense, lines_of_word, spoken
from floridify_batch.export.entry import ExportedEntry, Sense


def entry_html(entry: ExportedEntry) -> str:
    """An entry without its headword: pronunciations, senses by part of speech, and the lines of the word."""
    parts = [f"<div>{escaped(spoken(entry))}</div>"] if entry.pronunciations else []
    parts += senses_html(entry)
    parts += map(line_html, lines_of_word(entry))
    return "".join(parts)


def senses_html(entry: ExportedEntry) -> Iterator[str]:
    """The senses of each part of speech, as a heading and a numbered list."""
    for part_of_speech, senses in entry.by_part_of_speech.items():
        if part_of_speech:
            yield f"<div><i>{escaped(part_of_speech)}</i></div>"
        yield f"<ol>{''.join(map(_sense, senses))}</ol>"


def line_html(line: Line) -> str:
    """A named line."""
    name, text = line
    return f"<div><b>{escaped(name)}:</b> {escaped(text)}</div>"


def _sense(sense: Sense) -> str:
    marks = f"<i>{escaped(' · '.join(labels(sense)))}</i> " if labels(sense) else ""
    examples = "".join(f"<div>“{escaped(each.text)}”</div>" for each in sense.examples)
    return f"<li>{marks}{escaped(sense.text)}{examples}{_lines(lines_of_sense(sense))}</li>"


def _lines(lines: Iterable[Line]) -> str:
    return "".join(map(line_html, lines))


def escaped(text: str) -> str:
    """A text in HTML: markup has no effect, and its lines stay apart."""
    return escape(text).replace("\n", "<br>")
