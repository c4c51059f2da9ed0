"""A live region at the bottom of a terminal, redrawn in place while other output scrolls above it.

Only changed lines are written, against flicker and for slow connections. Other output to standard output or error goes
above the region. A terminal that becomes narrower rewraps the lines; they are counted as rewrapped before redrawing.
"""

import io
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console, RenderableType

from floridify_batch.display.keyboard import suspensions, unechoed

EVERY = 0.25
"""Refresh interval in seconds."""

_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_ERASE_LINE, _ERASE_BELOW = "\x1b[2K", "\x1b[J"
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class Frame:
    """Lines at the bottom of a terminal, rendered by `content` at each redraw."""

    def __init__(self, console: Console, content: Callable[[], RenderableType]) -> None:
        self._console = console
        self._content = content
        self._out = console.file
        self._lines: list[str] = []
        self._columns = console.size.width
        self._lock = threading.RLock()

    @contextmanager
    def standing(self, is_new: Callable[[], bool]) -> Iterator[None]:
        """Keep the frame up to date; `is_new` returns whether the content has changed since its last call."""
        ended = threading.Event()
        with ExitStack() as stack:
            stop = stack.enter_context(unechoed(self._out))
            asked = stack.enter_context(suspensions())
            drawing = threading.Thread(target=self._keep_drawing, args=(ended, is_new, asked, stop), daemon=True)
            self._write(_HIDE)
            stack.callback(self._write, _SHOW)
            stack.enter_context(redirect_stdout(_RedirectedStream(self, sys.stdout)))
            stack.enter_context(redirect_stderr(_RedirectedStream(self, sys.stderr)))
            self.draw()
            drawing.start()
            try:
                yield
            finally:
                ended.set()
                drawing.join()

    def _keep_drawing(
        self, ended: threading.Event, is_new: Callable[[], bool], asked: threading.Event, stop: Callable[[], None]
    ) -> None:
        while not ended.wait(EVERY):
            if asked.is_set():  # here: a signal handler must not write to a stream during a write
                asked.clear()
                self._suspend(stop)
            elif is_new():
                self.draw()

    def _suspend(self, stop: Callable[[], None]) -> None:
        """Give the terminal to the shell until the process is continued; then draw a new frame below the old one."""
        with self._lock:
            self._write("\n" + _SHOW)
            stop()
            self._lines = []
            self._write(_HIDE)
            self.draw()

    def draw(self) -> None:
        """Redraw the changed lines. A closed terminal is ignored."""
        with self._lock:
            lines = self._rendered()
            narrower = self._console.size.width != self._columns
            change = self._erased() + "\n".join(lines) if narrower else _change(self._lines, lines)
            self._lines, self._columns = lines, self._console.size.width
            self._write(change)

    def above(self, text: str) -> None:
        """Print complete lines above the frame."""
        with self._lock:
            self._write(self._erased() + text + "\n".join(self._lines))

    def leave(self, *, standing: bool) -> None:
        """End the frame: keep its last lines, or erase them."""
        with self._lock:
            if standing:
                self.draw()
                self._write("\n")
            else:
                self._write(self._erased())
            self._lines = []

    def _rendered(self) -> list[str]:
        with self._console.capture() as captured:
            self._console.print(self._content(), end="")
        return captured.get().rstrip("\n").split("\n")[: max(1, self._console.size.height - 1)]

    def _erased(self) -> str:
        """Control codes that erase the frame, with its lines as the terminal has rewrapped them."""
        columns = self._console.size.width
        rows = sum(max(1, -(-cell_len(_ESCAPES.sub("", line)) // columns)) for line in self._lines)
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "") + _ERASE_BELOW

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._out.write(text)
            self._out.flush()


def _change(old: Sequence[str], new: Sequence[str]) -> str:
    """Control codes and text that turn the old lines into the new ones; the cursor is at the end before and after."""
    parts = ["\r" + (f"\x1b[{len(old) - 1}A" if len(old) > 1 else "")]
    for number, line in enumerate(new):
        parts.append("\r\n" if number else "")
        if number >= len(old) or old[number] != line:
            parts.append(_ERASE_LINE + line)
    return "".join(parts) + ("\r\n" + _ERASE_BELOW + "\x1b[1A" if len(new) < len(old) else "")


class _RedirectedStream(io.TextIOBase):
    """A standard stream while a frame is displayed: complete lines go above it."""

    def __init__(self, frame: Frame, stream: TextIO) -> None:
        self._frame = frame
        self._stream = stream
        self._rest = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the class in typeshed has an attribute of this name
        """The encoding of the replaced stream."""
        return self._stream.encoding

    def isatty(self) -> bool:
        """Whether the stream is a terminal: it is."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The terminal's file descriptor."""
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write text; an incomplete line is buffered until its end."""
        whole, newline, self._rest = (self._rest + text).rpartition("\n")
        if newline:
            self._frame.above(whole + newline)
        return len(text)
