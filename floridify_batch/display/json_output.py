"""Lines for programs: an event is one JSON object on one line. `docs/events.md` says what each holds."""

import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TextIO

from floridify_batch.display.log_output import write_line
from floridify_batch.display.view import RunView
from floridify_batch.formatting import exact
from floridify_batch.pipeline.estimate import Estimated
from floridify_batch.run.event import Event
from floridify_batch.timing import Clock

_INSIDE = re.compile(r"(?<=[a-z])(?=[A-Z])")


class JsonDisplay:
    """An observer that writes every event as a line of JSON, in ASCII."""

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self.view = RunView()
        self._stream = stream
        self._clock = clock

    def notify(self, event: Event) -> None:
        """Write an event; a stream that has gone away is no matter."""
        now = self._clock()
        self.view = self.view.apply(event, now)
        write_event(self._stream, event, now)


def write_event(stream: TextIO, event: Event | Estimated, now: datetime) -> None:
    """Write an event as a line of JSON, in ASCII; a stream that has gone away is no matter."""
    write_line(stream, json.dumps(event_object(event, now)))


def event_object(event: Event | Estimated, now: datetime) -> dict[str, Any]:
    """An event as JSON has it: when it came, which it is, and its fields under their own names."""
    return {"time": _moment(now), "event": event_name(type(event)), **object_of(event)}


def event_name(kind: type) -> str:
    """The name of an event of this class: `ChunkMoved` is "chunk_moved"."""
    return _INSIDE.sub("_", kind.__name__).lower()


def object_of(value: Any) -> dict[str, Any]:
    """The fields of a dataclass as JSON has them."""
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one case for each kind of value
    """A value as JSON has it: money as text, so that no reader rounds it; times in UTC."""
    match value:
        case Decimal():
            return exact(value)
        case datetime():
            return _moment(value)
        case str():
            return str(value)
        case Mapping():
            return {str(name): _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _ if is_dataclass(value):
            return object_of(value)
    return value


def _moment(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
