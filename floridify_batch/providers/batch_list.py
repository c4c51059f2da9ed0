"""Cache of the service's list of batches, which has pages, newest first, and no filter by label.

A run searches for a label before each submission, and may have sent thousands of batches before. So what was listed
once is cached, and later searches read only what is newer, and an hour before it: a batch may appear in the list after
younger ones.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

LAG = timedelta(hours=1)
"""How much later than a younger one a batch may appear in the list."""


class Listed(NamedTuple):
    """A batch in the list, as far as the search for a label needs it."""

    id: str
    label: str | None
    created_at: datetime


class Page(NamedTuple):
    """A page of the list, and whether more follow."""

    batches: Sequence[Listed]
    has_more: bool


type FetchPage = Callable[[str | None], Awaitable[Page]]
"""Callback: fetch the page after the batch with an id, or the first page."""


class Listing:
    """Cache of the list. A search that fails changes nothing."""

    def __init__(self, fetch: FetchPage) -> None:
        self._fetch = fetch
        self._known: dict[str, Listed] = {}
        self._whole = False

    async def labelled(self, label: str, since: datetime) -> list[Listed]:
        """Return the batches with a label that were created after a time, newest first."""
        newest = next(iter(self._known.values()), None)
        fresh, whole = await self._read(None, newest.created_at - LAG if newest else since)
        self._known = fresh | self._known
        self._whole = self._whole or whole
        await self._reach(since)
        return [each for each in self._known.values() if each.label == label and each.created_at >= since]

    async def _reach(self, since: datetime) -> None:
        """Read on after the cached part, unless that goes back far enough."""
        oldest = next(reversed(self._known.values()), None)
        if oldest and not self._whole and oldest.created_at >= since:
            older, self._whole = await self._read(oldest.id, since)
            self._known |= older

    async def _read(self, after: str | None, until: datetime) -> tuple[dict[str, Listed], bool]:
        """Read the batches after one, back to a time or to the end of the list; and return whether it is the end."""
        found: dict[str, Listed] = {}
        while True:
            page = await self._fetch(after)
            new = {each.id: each for each in page.batches if each.id not in found}
            found |= new
            if not page.has_more or not new:  # nothing new: a service that ignores `after`
                return found, True
            after = page.batches[-1].id
            if page.batches[-1].created_at < until:
                return found, False
