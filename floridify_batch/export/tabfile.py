"""Tabfile: one entry per line, with headword and forms, a tab, and the entry in HTML; pyglossary converts it."""

from typing import IO

from floridify_batch.export.entry import ExportedEntry
from floridify_batch.export.format import FORMATS, Format, Header
from floridify_batch.export.markup import entry_html
from floridify_batch.formatting import counted


class Tabfile:
    """Writes entries as lines; the first lines describe the dictionary."""

    def __init__(self, out: IO[bytes], header: Header) -> None:
        self._out = out
        self._begun = False
        self._waiting: list[bytes] = []
        facts = {"name": header.title, "sourceLang": header.language, "date": header.date}
        lines = "".join(f"##{name}\t{escaped(text)}\n" for name, text in facts.items())
        out.write(b"%s\n%s" % (FORMATS[Format.TABFILE].mark, lines.encode()))

    def write(self, entry: ExportedEntry) -> None:
        """Write an entry. A headword with a leading # waits for another: at the start, it would be a description."""
        terms = dict.fromkeys([entry.headword, *(form.text for form in entry.forms)])
        names = "|".join(escaped(" ".join(term.split())).replace("|", r"\|") for term in terms)
        line = f"{names}\t{escaped(entry_html(entry))}\n".encode()
        if names.startswith("#") and not self._begun:
            self._waiting.append(line)
            return
        self._out.writelines([line, *self._waiting])
        self._begun, self._waiting = True, []

    def finish(self) -> list[str]:
        """Returns a note about headwords with a leading #, if there is no other."""
        if not self._waiting:
            return []
        return [f"Left out: {counted(len(self._waiting), 'headword')} with a leading #, which begins a description."]


def escaped(text: str) -> str:
    """A text in one line without tabs."""
    return text.replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n")
