"""Who shows a run: a live screen for people at a terminal, lines for logs and programs."""

from contextlib import suppress
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from floridify_batch.events import Event, Noticed
from floridify_batch.frames import plain
from floridify_batch.run_view import RunView
from floridify_batch.screens import render
from floridify_batch.seams import Clock


class LiveDisplay:
    """An observer that keeps a screen up to date while it is entered, and leaves the last one standing."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self.view = RunView()
        self._console = console
        self._clock = clock
        self._live = Live(console=console, refresh_per_second=4, vertical_overflow="crop", get_renderable=self._screen)

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError, ValueError):
            self._live.stop()

    def notify(self, event: Event) -> None:
        """Take note of an event; a notice is printed above the screen. A terminal that has gone away is no matter."""
        self.view = self.view.apply(event, self._clock())
        if isinstance(event, Noticed):
            with suppress(OSError, ValueError):
                self._console.print(Text(plain(event.text)))

    def _screen(self) -> RenderableType:
        size = self._console.size
        return render(self.view, size.width, self._clock(), size.height)
