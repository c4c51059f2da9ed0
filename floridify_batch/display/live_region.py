"""A frame of lines that stays at the bottom of a terminal, drawn over and over, while other lines go by above it.

Only lines that have changed are written, so that nothing flickers and a slow connection carries it. What others print
meanwhile, to standard output or error, is put above the frame. When the terminal becomes narrower, it breaks the lines
that stand: they are counted as broken before they are drawn over.
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
"""Seconds between two looks whether there is something new to draw."""

_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_ERASE_LINE, _ERASE_BELOW = "\x1b[2K", "\x1b[J"
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class Frame:
    """Lines at the bottom of a terminal, made anew by `content` whenever they are drawn."""

    def __init__(self, console: Console, content: Callable[[], RenderableType]) -> None:
        self._console = console
        self._content = content
        self._out = console.file
        self._lines: list[str] = []
        self._columns = console.size.width
        self._lock = threading.RLock()

    @contextmanager
    def standing(self, is_new: Callable[[], bool]) -> Iterator[None]:
        """Keep the frame up to date; `is_new` says whether anything has changed since it was last asked."""
        ended = threading.Event()
        with ExitStack() as stack:
            stop = stack.enter_context(unechoed(self._out))
            asked = stack.enter_context(suspensions())
            drawing = threading.Thread(target=self._keep_drawing, args=(ended, is_new, asked, stop), daemon=True)
            self._write(_HIDE)
            stack.callback(self._write, _SHOW)
            stack.enter_context(redirect_stdout(_Above(self, sys.stdout)))
            stack.enter_context(redirect_stderr(_Above(self, sys.stderr)))
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
            if asked.is_set():  # here, since the handler of a signal may not write to a stream that is being written to
                asked.clear()
                self._step_aside(stop)
            elif is_new():
                self.draw()

    def _step_aside(self, stop: Callable[[], None]) -> None:
        """Leave the terminal to the shell until we are continued; what stood then goes by above a new frame."""
        with self._lock:
            self._write("\n" + _SHOW)
            stop()
            self._lines = []
            self._write(_HIDE)
            self.draw()

    def draw(self) -> None:
        """Bring what stands up to date. A terminal that has gone away is no matter."""
        with self._lock:
            lines = self._rendered()
            narrower = self._console.size.width != self._columns
            change = self._erased() + "\n".join(lines) if narrower else _change(self._lines, lines)
            self._lines, self._columns = lines, self._console.size.width
            self._write(change)

    def above(self, text: str) -> None:
        """Put whole lines above the frame."""
        with self._lock:
            self._write(self._erased() + text + "\n".join(self._lines))

    def leave(self, *, standing: bool) -> None:
        """Let the last lines stand, or take them away."""
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
        """What takes the frame away, with its lines broken as the terminal has broken them by now."""
        columns = self._console.size.width
        rows = sum(max(1, -(-cell_len(_ESCAPES.sub("", line)) // columns)) for line in self._lines)
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "") + _ERASE_BELOW

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._out.write(text)
            self._out.flush()


def _change(old: Sequence[str], new: Sequence[str]) -> str:
    """What turns the old lines into the new ones, from the end of the old ones to the end of the new ones."""
    parts = ["\r" + (f"\x1b[{len(old) - 1}A" if len(old) > 1 else "")]
    for number, line in enumerate(new):
        parts.append("\r\n" if number else "")
        if number >= len(old) or old[number] != line:
            parts.append(_ERASE_LINE + line)
    return "".join(parts) + ("\r\n" + _ERASE_BELOW + "\x1b[1A" if len(new) < len(old) else "")


class _Above(io.TextIOBase):
    """A standard stream while a frame stands: whole lines go above it."""

    def __init__(self, frame: Frame, stream: TextIO) -> None:
        self._frame = frame
        self._stream = stream
        self._rest = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the class in typeshed has an attribute of this name
        """That of the stream in whose place this one is."""
        return self._stream.encoding

    def isatty(self) -> bool:
        """It ends at the terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The terminal's own."""
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Take text; what is not a whole line yet waits for its end."""
        whole, newline, self._rest = (self._rest + text).rpartition("\n")
        if newline:
            self._frame.above(whole + newline)
        return len(text)
