"""The search for a label among thousands of batches."""

from datetime import datetime, timedelta
from itertools import count

import pytest

from floridify_batch.errors import ServiceError
from floridify_batch.providers.batch_list import LAG, Listed, Listing
from floridify_batch.providers.batch_object import Page
from floridify_batch.providers.interface import BatchJob, Submission
from tests.fakes import NOON

PAGE = 100


class Account:
    """A list of an account's batches, oldest first; it counts the pages read."""

    def __init__(self, batches: int) -> None:
        self.batches = [listed(number) for number in range(batches)]
        self.pages = 0
        self.turns = True

    async def turn(self, after: str | None) -> Page:
        """Return the page after a batch."""
        self.pages += 1
        newest = self.batches[::-1]
        ids = [each.id for each in newest]
        begin = ids.index(after) + 1 if after and self.turns else 0
        return Page(newest[begin : begin + PAGE], begin + PAGE < len(newest))


def listed(number: int) -> BatchJob:
    """Return the batch of a number: one is created every minute."""
    return BatchJob(f"batch_{number}", "completed", f"run/{number:04d}/1", created(number))


def created(number: int) -> datetime:
    """Return the creation time of the batch with a number."""
    return NOON + timedelta(minutes=number)


def ids(listed: list[Listed]) -> list[str]:
    return [each.id for each in listed]


async def test_far_back() -> None:
    """A label is found behind thousands of newer batches; an unknown label is not."""
    listing = Listing(Account(5_000).turn)
    assert ids(await listing.matching(Submission("run/0003/1"))) == ["batch_3"]
    assert ids(await listing.matching(Submission("run/9999/1"))) == []


async def test_a_long_run_reads_little() -> None:
    """Searches before hundreds of submissions read the old list once, and one or two pages each afterwards."""
    account = Account(3_000)
    listing = Listing(account.turn)
    await listing.matching(Submission("run/3000/1"))
    before = account.pages
    for number in range(3_000, 3_300):
        assert ids(await listing.matching(Submission(f"run/{number:04d}/1"))) == []
        account.batches.append(listed(number))
        assert ids(await listing.matching(Submission(f"run/{number:04d}/1"))) == [f"batch_{number}"]
    assert account.pages - before == 600


async def test_an_account_without_batches() -> None:
    """The first batches of an account are found, although its list was empty at the first search."""
    account = Account(0)
    listing = Listing(account.turn)
    assert ids(await listing.matching(Submission("run/0000/1"))) == []
    for number in range(3):
        account.batches.append(listed(number))
        assert ids(await listing.matching(Submission(f"run/{number:04d}/1"))) == [f"batch_{number}"]


async def test_shown_late() -> None:
    """A batch that appears after younger ones is found, as is a second one of its label, in order."""
    account = Account(300)
    late = account.batches.pop(290)
    listing = Listing(account.turn)
    assert ids(await listing.matching(Submission("run/0290/1"))) == []
    account.batches.insert(290, late)
    account.batches.append(BatchJob("batch_again", "completed", late.label, created(300)))
    assert ids(await listing.matching(Submission("run/0290/1"))) == ["batch_again", "batch_290"]


async def test_back_by_steps() -> None:
    """A search that goes further back than earlier ones misses no batch between."""
    account = Account(1_000)
    listing = Listing(account.turn)
    assert ids(await listing.matching(Submission("run/0500/1", look_back=timedelta(minutes=100)))) == []
    account.batches += [listed(number) for number in range(1_000, 1_400)]
    assert ids(await listing.matching(Submission("run/1399/1"))) == ["batch_1399"]
    for number in (1_010, 999, 500, 0):
        assert ids(await listing.matching(Submission(f"run/{number:04d}/1"))) == [f"batch_{number}"]
    assert account.pages < 30


async def test_not_before_its_time() -> None:
    """A batch that is older than the period of the search is not adopted for a label that recurs."""
    listing = Listing(Account(10).turn)
    for minutes, found in ((5, []), (6, ["batch_3"])):
        sought = Submission("run/0003/1", look_back=timedelta(minutes=minutes), label_recurs=True)
        assert ids(await listing.matching(sought)) == found


async def test_without_labels() -> None:
    """Without labels, a batch is found by its input file, unless an earlier submission used the same file."""
    account = Account(3)
    account.batches += [
        BatchJob(f"batch_{each}", "failed", None, created(each), input_file_id="file-1") for each in (3, 4)
    ]
    submission = Submission("run/0001/2", "file-1", former=frozenset({"batch_3"}))
    assert ids(await Listing(account.turn).matching(submission)) == ["batch_4"]
    assert ids(await Listing(account.turn).matching(Submission("run/0009/1"))) == []


async def test_pages_that_do_not_turn() -> None:
    """A list that returns its first page repeatedly is not read indefinitely."""
    account = Account(500)
    account.turns = False
    assert await Listing(account.turn).matching(Submission("run/0001/1")) == []
    assert account.pages == 2


async def test_a_look_that_breaks_off() -> None:
    """A search that ends with an error leaves no gap: the next one reads the missing pages."""
    account = Account(400)
    listing = Listing(account.turn)
    await listing.matching(Submission("run/0399/1"))
    account.batches += [listed(number) for number in range(400, 800)]
    turn, left = account.turn, 2

    async def breaking(after: str | None) -> Page:
        nonlocal left
        left -= 1
        if not left:
            raise ConnectionError
        return await turn(after)

    listing._fetch = breaking
    with pytest.raises(ConnectionError):
        await listing.matching(Submission("run/0450/1"))
    assert ids(await listing.matching(Submission("run/0450/1"))) == ["batch_450"]
    assert timedelta(minutes=PAGE) > LAG


async def test_a_list_without_an_end() -> None:
    """A list that goes on for ever is an error, and not a search without an end."""
    pages = count()

    async def turn(_: str | None) -> Page:
        return Page([listed(next(pages))], has_more=True)

    with pytest.raises(ServiceError, match="does not end"):
        await Listing(turn).matching(Submission("run/0001/1"))
