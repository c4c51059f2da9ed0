"""The displays of a run: a live screen in a terminal, log lines, or JSON lines."""

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
from floridify_batch.files import appended_text
from floridify_batch.run.event import Event, Notice, Observer
from floridify_batch.timing import Clock


class Output(StrEnum):
    """The format of a run's output."""

    AUTO = "auto"
    """A live screen in a terminal, log lines elsewhere."""
    PLAIN = "plain"
    """Log lines with UTC timestamps."""
    JSON = "json"
    """One JSON object per event."""
    QUIET = "quiet"
    """Log lines for errors and the end only."""


class LiveDisplay:
    """An observer that keeps a live screen up to date; a context manager.

    A run that ended removes its screen, since the summary follows; after an exception, the last screen stays.
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
        """Show an event; a notice is printed above the screen. A closed terminal is ignored."""
        self.view = self.view.apply(event, self._clock())
        if isinstance(event, Notice):
            lines = lines_of(plain(event.text), self._console.size.width)
            self._frame.above("".join(f"{line}\n" for line in lines))

    def show(self, view: RunView) -> None:
        """Replace the view."""
        self.view = view

    def _is_new(self) -> bool:
        """Whether the screen has changed since it was last drawn; ages and deadlines change every second."""
        view, drawn_at = self.view, (self._console.size, self._clock().replace(microsecond=0))
        changed = view is not self._drawn or drawn_at != self._drawn_at
        self._drawn, self._drawn_at = view, drawn_at
        return changed

    def _screen(self) -> RenderableType:
        size = self._console.size
        return render(self.view, size.width, self._clock(), size.height)


type Display = LiveDisplay | LogDisplay | JsonDisplay


class LoggedDisplay:
    """An observer that passes events to a display and to a log."""

    def __init__(self, display: Display, log: LogDisplay) -> None:
        self._observers = (display, log)

    def notify(self, event: Event) -> None:
        """Pass an event on."""
        for observer in self._observers:
            observer.notify(event)


@contextmanager
def logged(display: Display, log_file: Path | None, clock: Clock) -> Iterator[Observer]:
    """The display, with a log that is appended to a file, if there is one; an error that ends the session is logged."""
    if log_file is None:
        yield display
        return
    with appended_text(log_file) as stream:
        log = LogDisplay(stream, clock)
        try:
            yield LoggedDisplay(display, log)
        except Exception as error:
            log.notify(Notice(f"Stopped by an error: {error}"))
            raise


@contextmanager
def redirect_messages(output: str, *, asks: bool) -> Iterator[None]:
    """Redirect other output away from a display: with JSON to standard error.

    With quiet output it is discarded, unless a confirmation follows that needs the text above it.
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
    """The display for an `Output`: a screen on the console, or lines on the stream. Raises `ValueError`."""
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
