"""DMLex in XML: the same objects as in JSON, as elements in the order of the schema."""

from collections.abc import Iterator, Mapping
from typing import IO, Any
from xml.sax.saxutils import escape, quoteattr

from floridify_batch.export.dmlex import Ending, Object, entries_of
from floridify_batch.export.entry import ExportedEntry
from floridify_batch.export.format import Header

NAMESPACE = "http://docs.oasis-open.org/lexidma/ns/dmlex-1.0"

_ATTRIBUTES = frozenset(
    {
        *("id", "homographNumber", "tag", "typeTag", "scheme", "sourceIdentity", "sourceElaboration"),
        *("type", "scopeRestriction", "ref", "min", "max", "hint"),
    }
)
"""The fields that are attributes; all others are elements."""

_ELEMENTS: Mapping[str, tuple[str, str]] = {
    "partsOfSpeech": ("partOfSpeech", "tag"),
    "labels": ("label", "tag"),
    "pronunciations": ("pronunciation", ""),
    "transcriptions": ("transcription", ""),
    "inflectedForms": ("inflectedForm", ""),
    "senses": ("sense", ""),
    "definitions": ("definition", ""),
    "examples": ("example", ""),
    "etymologies": ("etymology", ""),
    "members": ("member", ""),
    "memberTypes": ("memberType", ""),
    "inflectedFormTags": ("inflectedFormTag", ""),
    "labelTags": ("labelTag", ""),
    "labelTypeTags": ("labelTypeTag", ""),
    "partOfSpeechTags": ("partOfSpeechTag", ""),
    "sourceIdentityTags": ("sourceIdentityTag", ""),
    "transcriptionSchemeTags": ("transcriptionSchemeTag", ""),
    "relations": ("relation", ""),
    "relationTypes": ("relationType", ""),
}
"""The elements of a list's items; where the items are texts, the attribute that holds them."""


class DmlexXml:
    """Writes entries as elements of a lexicographic resource."""

    def __init__(self, out: IO[bytes], header: Header) -> None:
        self._out, self._header, self._ending = out, header, Ending()
        names = f"title={quoteattr(header.title)} langCode={quoteattr(header.language)}"
        out.write(
            f'<?xml version="1.0" encoding="UTF-8"?>\n<lexicographicResource xmlns="{NAMESPACE}" {names}>\n'.encode()
        )

    def write(self, entry: ExportedEntry) -> None:
        """Write the entries of a word."""
        objects = list(entries_of(entry, self._header.language))
        self._ending.take(entry, objects)
        for each in objects:
            self._out.write(f"{''.join(element('entry', each))}\n".encode())

    def finish(self) -> list[str]:
        """Write tags and relations. Returns a note about words without an entry."""
        for name, objects in self._ending.lists():
            for each in objects:
                self._out.write(f"{''.join(element(_ELEMENTS[name][0], each))}\n".encode())
        self._out.write(b"</lexicographicResource>\n")
        return self._ending.finish()


def element(name: str, fields: Object) -> Iterator[str]:
    """An element with the fields of an object."""
    attributes = "".join(f" {key}={_quoted(value)}" for key, value in fields.items() if key in _ATTRIBUTES)
    yield f"<{name}{attributes}>"
    for key, value in fields.items():
        if key not in _ATTRIBUTES:
            yield from _children(key, value)
    yield f"</{name}>"


def _children(key: str, value: Any) -> Iterator[str]:
    """The elements of a field: of a list's items, or of a text."""
    if not isinstance(value, list):
        yield f"<{key}>{escape(str(value))}</{key}>"
        return
    name, attribute = _ELEMENTS[key]
    for each in value:
        yield from element(name, {attribute: each} if attribute else each)


def _quoted(value: object) -> str:
    return quoteattr(str(value), {"\n": " ", "\t": " "})
