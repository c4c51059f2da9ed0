"""The account's batches as the service lists them: page by page, the newest first, with no way to ask for a label.

A run looks for a label before each submission, and may have sent thousands of batches before. So what was listed once
is remembered, and later looks read only what is newer, with an hour before it: a batch may show itself in the list
after younger ones.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

LAG = timedelta(hours=1)
"""How much later than a younger one a batch may show itself."""


class Listed(NamedTuple):
    """A batch as far as the search for a label needs it."""

    id: str
    label: str | None
    created_at: datetime


class Page(NamedTuple):
    """A part of the list, and whether there is more behind it."""

    batches: Sequence[Listed]
    has_more: bool


type Turn = Callable[[str | None], Awaitable[Page]]
"""Brings the page that begins behind the batch of an id, or the first one."""


class Listing:
    """What is known of the list. A look that breaks off changes nothing."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._known: dict[str, Listed] = {}
        self._whole = False

    async def labelled(self, label: str, since: datetime) -> list[Listed]:
        """A label's batches that were created after a time, the newest first."""
        newest = next(iter(self._known.values()), None)
        fresh, whole = await self._read(None, newest.created_at - LAG if newest else since)
        self._known = fresh | self._known
        self._whole = self._whole or whole
        await self._reach(since)
        return [each for each in self._known.values() if each.label == label and each.created_at >= since]

    async def _reach(self, since: datetime) -> None:
        """Read on behind what is known, unless that goes back far enough."""
        oldest = next(reversed(self._known.values()), None)
        if oldest and not self._whole and oldest.created_at >= since:
            older, self._whole = await self._read(oldest.id, since)
            self._known |= older

    async def _read(self, after: str | None, until: datetime) -> tuple[dict[str, Listed], bool]:
        """The batches behind one, back to a time or to the list's end; and whether the end was reached."""
        found: dict[str, Listed] = {}
        while True:
            page = await self._turn(after)
            new = {each.id: each for each in page.batches if each.id not in found}
            found |= new
            if not page.has_more or not new:  # nothing new: a service that does not turn the page
                return found, True
            after = page.batches[-1].id
            if page.batches[-1].created_at < until:
                return found, False
