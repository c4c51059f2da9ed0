"""A client of the sandbox's control routes: faults and counts."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from floridify_batch.sandbox.process import sandbox_in_thread
from floridify_batch.sandbox.sandbox_settings import SandboxSettings


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox; `url` is the base URL for the SDK."""

    url: str

    def stats(self) -> dict[str, Any]:
        """Return its counts."""
        return self._ask("stats", None)

    def control(self, **orders: Any) -> None:
        """Set its faults, or finish all batches: `faults=[…]`, `finish=True`."""
        self._ask("control", orders)

    @contextmanager
    def faults(self, *faults: str) -> Iterator[None]:
        """Set faults, and clear them afterwards."""
        self.control(faults=list(faults))
        try:
            yield
        finally:
            self.control(faults=[])

    def batches_of(self, run: str) -> list[dict[str, Any]]:
        """Return the batches of a run, oldest first."""
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


@contextmanager
def sandbox_at(folder: Path, seconds: float) -> Iterator[Sandbox]:
    """A sandbox in a thread, which is cheaper than a process; `seconds`: the duration of a batch."""
    with sandbox_in_thread(SandboxSettings(folder, port=0, running_seconds=seconds, validating_seconds=0)) as url:
        yield Sandbox(url)
