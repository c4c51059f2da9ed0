"""JSON for programs: run events as one object per line, and the objects of `--json`.

`docs/events.md` and `docs/json.md` document the fields.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TextIO

from floridify_batch.display.log_output import write_line
from floridify_batch.display.view import RunView
from floridify_batch.formatting import exact
from floridify_batch.pipeline.quote import Estimated
from floridify_batch.run.bill import BatchCost, ComponentCost, Costs, DuplicateCost
from floridify_batch.run.event import Event
from floridify_batch.timing import Clock

_WORD_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])")
_STEERING = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories that could control a terminal or reorder its text."""


class JsonDisplay:
    """An observer that writes each event as a line of ASCII JSON."""

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self.view = RunView()
        self._stream = stream
        self._clock = clock

    def notify(self, event: Event) -> None:
        """Write an event; a closed stream is ignored."""
        now = self._clock()
        self.view = self.view.apply(event, now)
        write_event(self._stream, event, now, self.view)


def write_event(stream: TextIO, event: Event | Estimated, now: datetime, view: RunView | None = None) -> None:
    """Write an event as a line of ASCII JSON; a closed stream is ignored."""
    write_line(stream, json.dumps(event_object(event, now, view)))


def event_object(event: Event | Estimated, now: datetime, view: RunView | None = None) -> dict[str, Any]:
    """An event as a JSON object: its time, its name, the progress of the run, and its fields."""
    progress: dict[str, Any] = {}
    if view is not None:
        progress = {"percent": view.percent, "expected": view.totals.expected, "wave": view.totals.wave}
    return {"time": _timestamp(now), "event": event_name(type(event)), **progress, **object_of(event)}


def event_name(kind: type) -> str:
    """The name of an event class in JSON: `ChunkMoved` is "chunk_moved"."""
    return _WORD_BOUNDARY.sub("_", kind.__name__).lower()


def object_of(value: Any) -> dict[str, Any]:
    """A dataclass as a JSON object."""
    return {field.name: json_value(getattr(value, field.name)) for field in fields(value)}


def json_value(value: Any) -> Any:  # noqa: PLR0911 - one case for each kind of value
    """A value as JSON has it: money as text, so that no reader rounds it; times in UTC; unknown types as text."""
    match value:
        case None | bool() | int() | float():
            return value
        case Decimal():
            return exact(value)
        case datetime():
            return _timestamp(value)
        case str():
            return str(value)
        case Mapping():
            return {str(name): json_value(each) for name, each in value.items()}
        case list() | tuple():
            return [json_value(each) for each in value]
        case _ if is_dataclass(value):
            return object_of(value)
    return str(value)


def json_text(value: Any) -> str:
    """A value as indented JSON in UTF-8; characters that could control a terminal are escaped, as JSON allows."""
    text = json.dumps(json_value(value), ensure_ascii=False, indent=2)
    return "".join(json.dumps(each)[1:-1] if _steers(each) else each for each in text)


def _steers(character: str) -> bool:
    return character != "\n" and unicodedata.category(character) in _STEERING


def _timestamp(time: datetime) -> str:
    """A time in UTC, ISO 8601 to the millisecond; a naive time, as BSON has it, is UTC."""
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return aware.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# ── the bill ───────────────────────────────────────────────────────────────────────────────────────────────────────


def costs_object(costs: Costs) -> dict[str, Any]:
    """A run's bill as a JSON object; unknown amounts are null."""
    return {
        "model": costs.model,
        "mode": "immediate" if costs.immediate else "batch",
        "finished": costs.finished,
        "cost": json_value(costs.cost),
        "carried_cost": json_value(costs.carried),
        "usage": object_of(costs.usage),
        "unmetered": costs.unmetered,
        "immediate_cost" if costs.discounted else "batch_cost": json_value(costs.other_mode),
        "one_by_one_cost": json_value(costs.one_by_one),
        "in_flight": {"batches": costs.flying, "expected_cost": json_value(costs.in_flight)},
        "max_cost": json_value(costs.max_cost),
        "estimate": json_value(costs.estimate.model_dump()) if costs.estimate else None,
        "components": {each.component: _component_cost(each) for each in costs.components},
        "batches": [_batch_cost(each) for each in costs.batches],
        "duplicates": [_duplicate_cost(each) for each in costs.duplicates],
    }


def _component_cost(each: ComponentCost) -> dict[str, Any]:
    return {name: value for name, value in object_of(each).items() if name != "component"}


def _duplicate_cost(each: DuplicateCost) -> dict[str, Any]:
    usage = None if each.usage is None else json_value(each.usage)
    return {
        "chunk": each.chunk,
        "batch_id": each.batch_id,
        "status": each.status,
        "usage": usage,
        "cost": json_value(each.cost),
    }


def _batch_cost(each: BatchCost) -> dict[str, Any]:
    return {{"billed": "service_usage"}.get(name, name): value for name, value in object_of(each).items()}
