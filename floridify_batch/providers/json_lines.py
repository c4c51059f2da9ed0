"""JSON Lines: rewrites an answer file in another layout so that each object has a line of its own.

Some gateways indent the objects of a file over several lines, put several on one line, or send an array of them. The
checks of a download and the index of answers read lines; here objects are found by their brackets. A line that is one
object stays as it is, and so does text that is none: it counts as an unreadable line. A file that is compressed, since
proxies drop the header that says so, or in UTF-16 is first put in plain UTF-8.
"""

import gzip
import re
import shutil
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from floridify_batch.components.json_repair import leniently_parsed
from floridify_batch.files import replacing

_GZIP = b"\x1f\x8b\x08"
_UTF_16 = {BOM_UTF16_LE: 1, BOM_UTF16_BE: 0}
"""The marks of UTF-16, and which byte of each pair is zero in the ASCII text with which answers begin."""

_START = 40
"""The bytes after a mark that show whether a file is in UTF-16; elsewhere the mark is damage."""


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"?|[{}\[\]]')
_SEVERAL = re.compile(rb'\}\s*,?\s*\{\s*"')
_IDENTITY = b'"custom_id"'
_SEPARATORS = b"[], \t\r\n"
_MOST_BYTES = 1 << 24
"""The size of an object from which on it counts as damaged; one answer has some kilobytes."""

_MOST_STARTS = 8
"""The starts of objects that are remembered within a damaged one."""


def put_on_lines(path: Path) -> None:
    """Rewrite an answer file unless each of its lines is one object."""
    if not _decompress(path):
        return
    _decode(path)
    with path.open("rb") as file:
        if all(map(_is_one_object, file)):
            return
    with path.open("rb") as file, replacing(path) as out:
        out.writelines(on_lines(file))


def _decompress(path: Path) -> bool:
    """Decompress a file in gzip's format; False for a damaged one, which stays as it is."""
    if not _start_of(path).startswith(_GZIP):
        return True
    try:
        with gzip.open(path) as file, replacing(path) as out:
            shutil.copyfileobj(file, out)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return False
    return True


def _decode(path: Path) -> None:
    """Put a file in UTF-16 in UTF-8."""
    start = _start_of(path)
    zero = _UTF_16.get(start[:2])
    if zero is not None and not any(start[2 + zero :: 2]):
        with path.open(encoding="utf-16", errors="replace", newline="") as file, replacing(path) as out:
            out.writelines(line.encode() for line in file)


def _start_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2 + _START)


def on_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the objects of a file, and any other text, each on a line of its own.

    An object that is cut off at the end of the file has no line end.
    """
    reader = _ObjectReader()
    for line in lines:
        if reader.takes_whole(line):
            yield from reader.rest(b"\n")
            yield line
        else:
            yield from reader.read(line)
    yield from reader.rest()


def _is_one_object(line: bytes) -> bool:
    text = _text(line)
    if not text:
        return True
    return (
        text.startswith(b"{")
        and text.endswith(b"}")
        and (not _SEVERAL.search(text) or leniently_parsed(text) is not None)
    )


def _text(line: bytes) -> bytes:
    return line.removeprefix(BOM_UTF8).strip()


class _ObjectReader:
    """Finds the objects in consecutive lines.

    A damaged object never ends. So each later line that begins with a brace may begin the next one: it does if its
    object ends and has an id, as only an answer itself has.
    """

    def __init__(self) -> None:
        self._text = bytearray()
        self._depth = 0
        self._starts: list[tuple[int, int]] = []
        """The places of possible starts in the text, each with the depth before it."""
        self._identity = 0
        """The place behind the latest key of an id."""
        self._breaks: list[int] = []
        """The starts that are not indented, or behind which another id follows: a damaged text is divided there."""
        self._end = b""

    def takes_whole(self, line: bytes) -> bool:
        """Whether a line is an object of its own, also behind a damaged one."""
        if not _is_one_object(line):
            return False
        return not self._depth or (_IDENTITY in line and isinstance(leniently_parsed(_text(line)), dict))

    def read(self, line: bytes) -> Iterator[bytes]:
        """Read a line; yield the objects that end on it."""
        text = line.removeprefix(BOM_UTF8).rstrip(b"\r\n")
        begins = text.lstrip().startswith(b"{")
        if self._depth and begins:
            self._starts = [*self._starts[1 - _MOST_STARTS :], (len(self._text), self._depth)]
            if text.startswith(b"{"):
                self._breaks.append(len(self._text))
        # An indented object that ends within its lines is cut off; a damaged line of its own may be the service's.
        self._end = b"\n" if begins and line.endswith(b"\n") else b""
        place = 0
        for token in _TOKEN.finditer(text):
            if token[0] in b"{[" and not self._depth:
                if token[0] == b"{":
                    yield from _other(text[place : token.start()])
                    place, self._depth = token.start(), 1
            elif token[0] in b"}]":
                if self._closes():
                    self._text += text[place : token.end()]
                    place = token.end()
                    yield from self._ended()
            elif token[0] in b"{[":
                self._depth += 1
            elif token[0] == _IDENTITY:
                self._note_identity(len(self._text) + token.end() - place)
        yield from self._keep(text[place:])

    def _note_identity(self, place: int) -> None:
        start = self._starts[-1][0] if self._starts else 0
        if start >= self._identity > 0 and start not in self._breaks[-1:]:
            self._breaks.append(start)
        self._identity = place

    def _closes(self) -> bool:
        """Whether an object may end with this bracket."""
        if not self._depth:
            return False
        self._depth -= 1
        return not self._depth or self._start() is not None

    def _start(self) -> int | None:
        """The place of a start within a damaged object whose own object, with an id, may end here."""
        found = (place for place, depth in self._starts if depth == self._depth and place < self._identity)
        return next(found, None)

    def _ended(self) -> Iterator[bytes]:
        """Yield the object that ends here, and what is damaged before it."""
        start = self._start() if self._depth else 0
        if start is None or (start and not isinstance(leniently_parsed(bytes(self._text[start:])), dict)):
            return
        yield from self._pieces(0, start, b"\n")
        yield bytes(self._text[start:]) + b"\n"
        self._clear()

    def _keep(self, text: bytes) -> Iterator[bytes]:
        """Keep the beginning of an object for the next line; yield other text."""
        if not self._depth:
            yield from _other(text)
            return
        self._text += text + b" "
        if len(self._text) > _MOST_BYTES:
            yield from self.rest(b"\n")

    def rest(self, end: bytes | None = None) -> Iterator[bytes]:
        """Yield what is left of damaged objects; `end`: the line end of the last one."""
        yield from self._pieces(0, len(self._text), self._end if end is None else end)
        self._clear()

    def _pieces(self, start: int, stop: int, end: bytes) -> Iterator[bytes]:
        """Yield damaged text, each object of it on a line of its own."""
        places = [start, *(each for each in self._breaks if start < each < stop), stop]
        for place, after in pairwise(places):
            *objects, damaged = _divided(bytes(self._text[place:after]).strip())
            yield from (each + b"\n" for each in objects)
            if damaged:
                yield damaged + (end if after == stop else b"\n")

    def _clear(self) -> None:
        self._text.clear()
        self._starts.clear()
        self._breaks.clear()
        self._depth = self._identity = 0


def _divided(text: bytes) -> Iterator[bytes]:
    """Divide a damaged text behind each whole object with which it begins; the last part is the rest.

    A comma at the end of the text does not belong to its last object.
    """
    place, tries = 0, _MOST_STARTS
    for boundary in _SEVERAL.finditer(text):
        end = boundary.start() + 1
        if isinstance(leniently_parsed(text[place:end]), dict):
            yield text[place:end]
            place, tries = text.index(b"{", end), _MOST_STARTS
        elif not (tries := tries - 1):
            break
    rest = text[place:]
    bare = rest.rstrip(b", \t")
    yield bare if bare.endswith(b"}") and _IDENTITY in bare else rest


def _other(text: bytes) -> Iterator[bytes]:
    """Yield text that is no object, unless it only separates objects."""
    if text.strip(_SEPARATORS):
        yield text.strip() + b"\n"
