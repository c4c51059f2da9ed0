"""Cache of the service's list of batches, which is paged, newest first, without a filter by label.

A run searches for a batch before each submission, and may have sent thousands of batches before. The list is therefore
cached, and later searches read only newer batches, and an hour before it: a batch may appear in the list after younger
ones. All times are the service's; this machine's clock is never compared with them.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from floridify_batch.errors import ServiceError, ServiceUncertain
from floridify_batch.providers.batch_identity import is_listed_as, usable_label
from floridify_batch.providers.batch_object import Page
from floridify_batch.providers.interface import BatchJob, Submission

LAG = timedelta(hours=1)
"""The lag of the list: a batch may appear this much later than a younger one."""

_MOST_PAGES = 2_000
"""Pages after which a list counts as one without an end."""

type FetchPage = Callable[[str | None], Awaitable[Page]]
"""Callback: fetch the page after the batch with an id, or the first page."""


class Listed(NamedTuple):
    """A batch in the list, as far as the search needs it."""

    id: str
    label: str | None
    file_id: str
    created_at: datetime

    @classmethod
    def of(cls, job: BatchJob) -> "Listed":
        """Return the part of a batch that the search needs."""
        return cls(job.id, job.label, job.input_file_id, job.created_at)

    def is_of(self, submission: Submission) -> bool:
        """Whether this is a batch of a submission."""
        return is_listed_as(submission, self.id, self.label, self.file_id)


async def read_pages(fetch: FetchPage, after: str | None = None) -> AsyncIterator[Page]:
    """Read the list page by page; it ends with the last page, or with one that brings nothing new.

    Raises `ServiceError` for a list without an end: batches cannot be looked up in it.
    """
    seen: set[str] = set()
    more: bool | None = True
    for _ in range(_MOST_PAGES):
        try:
            page = await fetch(after)
        except ServiceUncertain:
            raise
        except ServiceError:
            if more:
                raise
            return  # the page before did not state that more follow
        new = [each for each in page.batches if each.id not in seen]
        seen.update(each.id for each in new)
        yield page._replace(batches=new)
        more = page.has_more
        if more is False or not new:  # the end, or a service that ignores `after`
            return
        after = page.batches[-1].id
    raise ServiceError(f"The service's list of batches does not end after {_MOST_PAGES:,} pages.")


async def read_back(fetch: FetchPage, look_back: timedelta) -> list[BatchJob]:
    """Return the batches of a period that ends with the service's present, newest first."""
    found: list[BatchJob] = []
    since: datetime | None = None
    async for page in read_pages(fetch):
        since = since or _present(page, look_back)
        found += [each for each in page.batches if since is None or each.created_at >= since]
        if _is_older(page, since):
            break
    return found


def _present(page: Page, look_back: timedelta) -> datetime | None:
    """Return the beginning of the period, by the service's clock or by its newest batch."""
    newest = max((each.created_at for each in page.batches), default=None)
    known = [each for each in (page.now, newest) if each is not None]
    return max(known) - look_back if known else None


def _is_older(page: Page, since: datetime | None) -> bool:
    """Whether what follows a page is older than a time, in a list that begins with the newest."""
    if since is None or not page.batches:
        return False
    first, last = page.batches[0].created_at, page.batches[-1].created_at
    return last < first and last < since


class Listing:
    """Cache of the list. A search that fails changes nothing."""

    def __init__(self, fetch: FetchPage) -> None:
        self._fetch = fetch
        self._known: dict[str, Listed] = {}
        self._reached: timedelta | None = None
        self._since: datetime | None = None

    @property
    def conclusive(self) -> bool:
        """Whether the list shows any batch with a label or an input file, so that one of ours would be recognised."""
        return any(usable_label(each.label) or each.file_id for each in self._known.values())

    async def matching(self, submission: Submission) -> list[Listed]:
        """Return the batches of a submission, newest first."""
        if self._reached is None or submission.look_back > self._reached:
            await self._read_all(submission.look_back)
        else:
            await self._read_new()
        since = self._since_of(submission.look_back)
        matching = [each for each in self._known.values() if each.is_of(submission)]
        return [each for each in matching if since is None or each.created_at >= since or _is_certain(each, submission)]

    def _since_of(self, look_back: timedelta) -> datetime | None:
        """Return the beginning of a period that is shorter than the cached one."""
        if self._since is None or self._reached is None:
            return None
        return self._since + (self._reached - look_back)

    async def _read_all(self, look_back: timedelta) -> None:
        """Fill the cache with the batches of a period."""
        found: dict[str, Listed] = {}
        since: datetime | None = None
        async for page in read_pages(self._fetch):
            since = since or _present(page, look_back)
            found |= _listed(page)
            if _is_older(page, since):
                break
        self._known, self._since, self._reached = found, since, look_back

    async def _read_new(self) -> None:
        """Add batches that are newer than the cache, or may have appeared late."""
        newest = max((each.created_at for each in self._known.values()), default=None)
        until = newest - LAG if newest else None
        found: dict[str, Listed] = {}
        async for page in read_pages(self._fetch):
            found |= _listed(page)
            if _is_older(page, until):
                break
        self._known = found | self._known


def _is_certain(listed: Listed, submission: Submission) -> bool:
    """Whether a label proves at any date that a batch is of a submission: a service's times may be wrong."""
    return listed.label == submission.label and not submission.label_recurs


def _listed(page: Page) -> Mapping[str, Listed]:
    return {each.id: Listed.of(each) for each in page.batches}
