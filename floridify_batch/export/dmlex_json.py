"""DMLex in JSON: one object, whose entries are written one per line."""

from collections.abc import Iterable
from typing import IO, Any

import orjson

from floridify_batch.export.dmlex import Ending, entries_of
from floridify_batch.export.entry import ExportedEntry
from floridify_batch.export.format import Header


class DmlexJson:
    """Writes entries as members of a lexicographic resource."""

    def __init__(self, out: IO[bytes], header: Header) -> None:
        self._out, self._header, self._ending, self._begun = out, header, Ending(), False
        start = orjson.dumps({"title": header.title, "langCode": header.language})
        out.write(start.removesuffix(b"}") + b',"entries":[')

    def write(self, entry: ExportedEntry) -> None:
        """Write the entries of a word."""
        objects = list(entries_of(entry, self._header.language))
        self._ending.take(entry, objects)
        self._list(objects, begun=self._begun)
        self._begun = True

    def finish(self) -> list[str]:
        """Write tags and relations. Returns a note about words without an entry."""
        for name, objects in self._ending.lists():
            self._out.write(b'],"' + name.encode() + b'":[')
            self._list(objects)
        self._out.write(b"]}\n")
        return self._ending.finish()

    def _list(self, objects: Iterable[Any], *, begun: bool = False) -> None:
        for each in objects:
            self._out.write((b",\n" if begun else b"\n") + orjson.dumps(each))
            begun = True
