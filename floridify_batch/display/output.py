"""Who shows a run: a live screen for people at a terminal, lines for logs and for programs."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, RenderableType

from floridify_batch.display.json_output import JsonDisplay
from floridify_batch.display.live_region import Frame
from floridify_batch.display.live_screen import render
from floridify_batch.display.log_output import LogDisplay
from floridify_batch.display.text import lines_of, plain
from floridify_batch.display.view import RunView
from floridify_batch.run.event import Event, Noticed
from floridify_batch.timing import Clock


class Output(StrEnum):
    """How a run is shown."""

    AUTO = "auto"
    """A live screen in a terminal, plain lines elsewhere."""
    PLAIN = "plain"
    """A line per event, with its moment in UTC."""
    JSON = "json"
    """A JSON object per event."""
    QUIET = "quiet"
    """Plain lines, only of what went wrong, and the last."""


class LiveDisplay:
    """An observer that keeps a screen up to date while it is entered.

    A run that came to its end leaves no screen behind: its summary says it all. Whatever else ends it does.
    """

    def __init__(self, console: Console, clock: Clock, view: RunView | None = None) -> None:
        self.view = view or RunView()
        self._console = console
        self._clock = clock
        self._frame = Frame(console, self._screen)
        self._drawn: RunView | None = None
        self._drawn_at: object = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.callback(lambda: self._frame.leave(standing=self.view.ended_at is None))
        self._stack.enter_context(self._frame.standing(self._is_new))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def notify(self, event: Event) -> None:
        """Take note of an event; a notice is put above the screen. A terminal that has gone away is no matter."""
        self.view = self.view.apply(event, self._clock())
        if isinstance(event, Noticed):
            lines = lines_of(plain(event.text), self._console.size.width)
            self._frame.above("".join(f"{line}\n" for line in lines))

    def show(self, view: RunView) -> None:
        """Show another view."""
        self.view = view

    def _is_new(self) -> bool:
        """Whether the screen would be another one: ages and deadlines move by the second."""
        view, drawn_at = self.view, (self._console.size, self._clock().replace(microsecond=0))
        changed = view is not self._drawn or drawn_at != self._drawn_at
        self._drawn, self._drawn_at = view, drawn_at
        return changed

    def _screen(self) -> RenderableType:
        size = self._console.size
        return render(self.view, size.width, self._clock(), size.height)


type Display = LiveDisplay | LogDisplay | JsonDisplay


@contextmanager
def talk_aside(output: str, *, asks: bool) -> Iterator[None]:
    """Let everything else that is printed stay out of the way of a display: of JSON, on standard error.

    Where little is wanted, nothing is said beside it, unless a question is asked that needs what stands above it.
    """
    with ExitStack() as stack:
        if output == Output.JSON:
            stack.enter_context(redirect_stdout(sys.stderr))
        elif output == Output.QUIET and not asks:
            nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
            stack.enter_context(redirect_stdout(nowhere))
        yield


@contextmanager
def display_for(output: str, console: Console, stream: TextIO, clock: Clock) -> Iterator[Display]:
    """The display of this name (see `Output`): a screen on the console, lines on the stream. Raises `ValueError`."""
    match Output(output):
        case Output.JSON:
            yield JsonDisplay(stream, clock)
        case Output.QUIET:
            yield LogDisplay(stream, clock, quiet=True)
        case Output.AUTO if console.is_terminal and not console.is_dumb_terminal and not console.legacy_windows:
            with LiveDisplay(console, clock) as live:
                yield live
        case _:
            yield LogDisplay(stream, clock)
