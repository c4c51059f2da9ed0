"""The search for a label among thousands of batches."""

from datetime import datetime, timedelta

import pytest

from floridify_batch.providers.batch_list import LAG, Listed, Listing, Page
from tests.fakes import NOON

PAGE = 100


class Account:
    """An account's list, the oldest batch first; it counts the pages that were read."""

    def __init__(self, batches: int) -> None:
        self.batches = [listed(number) for number in range(batches)]
        self.pages = 0
        self.turns = True

    async def turn(self, after: str | None) -> Page:
        """The page behind a batch."""
        self.pages += 1
        newest = self.batches[::-1]
        ids = [each.id for each in newest]
        begin = ids.index(after) + 1 if after and self.turns else 0
        return Page(newest[begin : begin + PAGE], begin + PAGE < len(newest))


def listed(number: int) -> Listed:
    """The batch of a number: one is made every minute."""
    return Listed(f"batch_{number}", f"run/{number:04d}/1", created(number))


def created(number: int) -> datetime:
    """When the batch of a number was made."""
    return NOON + timedelta(minutes=number)


def ids(listed: list[Listed]) -> list[str]:
    return [each.id for each in listed]


async def test_far_back() -> None:
    """A label is found behind thousands of newer batches, and a label that is not there is not."""
    listing = Listing(Account(5_000).turn)
    assert ids(await listing.labelled("run/0003/1", NOON)) == ["batch_3"]
    assert ids(await listing.labelled("run/9999/1", NOON)) == []


async def test_a_long_run_reads_little() -> None:
    """Looking before each of a thousand submissions reads the old list once, and a page or two each time after."""
    account = Account(3_000)
    listing = Listing(account.turn)
    await listing.labelled("run/3000/1", NOON)
    before = account.pages
    for number in range(3_000, 4_000):
        assert ids(await listing.labelled(f"run/{number:04d}/1", NOON)) == []
        account.batches.append(listed(number))
        assert ids(await listing.labelled(f"run/{number:04d}/1", NOON)) == [f"batch_{number}"]
    assert account.pages - before == 2_000


async def test_an_account_without_batches() -> None:
    """The first batches of an account are found, though its list was empty when it was first looked at."""
    account = Account(0)
    listing = Listing(account.turn)
    assert ids(await listing.labelled("run/0000/1", NOON)) == []
    for number in range(3):
        account.batches.append(listed(number))
        assert ids(await listing.labelled(f"run/{number:04d}/1", NOON)) == [f"batch_{number}"]


async def test_shown_late() -> None:
    """A batch that shows itself after younger ones is found, and so is a second one of its label, in their order."""
    account = Account(300)
    late = account.batches.pop(290)
    listing = Listing(account.turn)
    assert ids(await listing.labelled("run/0290/1", NOON)) == []
    account.batches.insert(290, late)
    account.batches.append(Listed("batch_again", late.label, created(300)))
    assert ids(await listing.labelled("run/0290/1", NOON)) == ["batch_again", "batch_290"]


async def test_back_by_steps() -> None:
    """A look that goes back further than those before it reads on where they ended, and misses nothing between."""
    account = Account(1_000)
    listing = Listing(account.turn)
    assert ids(await listing.labelled("run/0500/1", created(900))) == []
    account.batches += [listed(number) for number in range(1_000, 1_400)]
    assert ids(await listing.labelled("run/1399/1", created(1_390))) == ["batch_1399"]
    for number in (1_010, 999, 500, 0):
        assert ids(await listing.labelled(f"run/{number:04d}/1", NOON)) == [f"batch_{number}"]
    assert account.pages < 20


async def test_not_before_its_time() -> None:
    """A batch of the same label that is older than the run is another's."""
    listing = Listing(Account(10).turn)
    assert ids(await listing.labelled("run/0003/1", created(4))) == []


async def test_pages_that_do_not_turn() -> None:
    """A service that brings the first page for ever is not asked for ever."""
    account = Account(500)
    account.turns = False
    assert await Listing(account.turn).labelled("run/0001/1", NOON) == []
    assert account.pages == 2


async def test_a_look_that_breaks_off() -> None:
    """A look that an error ends leaves no gap: the next one reads again what this one had not finished."""
    account = Account(400)
    listing = Listing(account.turn)
    await listing.labelled("run/0399/1", NOON)
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
        await listing.labelled("run/0450/1", NOON)
    assert ids(await listing.labelled("run/0450/1", NOON)) == ["batch_450"]
    assert timedelta(minutes=PAGE) > LAG
