"""The sandbox as tests steer and question it: its faults, and what it counted."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox; `url` is what the SDK is given."""

    url: str

    def stats(self) -> dict[str, Any]:
        """What was asked of it so far."""
        return self._ask("stats", None)

    def control(self, **orders: Any) -> None:
        """Set its faults, or let all time pass: `faults=[…]`, `finish=True`."""
        self._ask("control", orders)

    @contextmanager
    def faults(self, *faults: str) -> Iterator[None]:
        """These faults, and none afterwards."""
        self.control(faults=list(faults))
        try:
            yield
        finally:
            self.control(faults=[])

    def batches_of(self, run: str) -> list[dict[str, Any]]:
        """The batches that a run created, in the order of their creation."""
        return [batch for batch in self.stats()["batches"] if (batch["metadata"] or {}).get("run") == run]

    def next_batch(self) -> int:
        """The number under which the next batch is known to a fault's `@N`, which hits those below it."""
        return int(self.stats()["batches_created"])

    def _ask(self, place: str, orders: dict[str, Any] | None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310  an address of this machine
            f"{self.url.removesuffix('/v1')}/sandbox/{place}",
            data=None if orders is None else json.dumps(orders).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
            answer: dict[str, Any] = json.load(reply)
        return answer
