"""Commands about several batches: one that the service has lost does not affect the others."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, cast

import pytest

from floridify_batch.cli.recover import Recovery, Search
from floridify_batch.cli.service import opened_batches_of
from floridify_batch.errors import UnknownBatch
from floridify_batch.providers.interface import BatchJob
from floridify_batch.run.resources import Secrets
from tests.fakes import NOON

if TYPE_CHECKING:
    from floridify_batch.database.store import MongoStore
    from floridify_batch.providers.openai_batches import OpenAIBatches


class Forgetful:
    """A service that has lost its first batch, and whose second one expired without results."""

    def __init__(self) -> None:
        self.polls: Counter[str] = Counter()

    async def retrieve(self, batch_id: str) -> BatchJob:
        """The status of a batch."""
        self.polls[batch_id] += 1
        if batch_id == "batch_1":
            raise UnknownBatch("No such batch.")
        return BatchJob(batch_id, "expired", None, NOON)


def kept(batch_id: str) -> BatchJob:
    """A batch that was in progress when it was listed."""
    return BatchJob(batch_id, "in_progress", "run/0001/1", NOON, input_file_id="file-1", metadata={"run": "run"})


async def test_a_lost_batch_does_not_end_the_wait(capsys: pytest.CaptureFixture[str]) -> None:
    """While `recover` waits for batches, a lost one is requested once and reported; the wait for others continues."""
    forgetful = Forgetful()
    recovery = Recovery(cast("OpenAIBatches", forgetful), cast("MongoStore", None), Search(wait=0.01))
    assert await recovery.follow([kept("batch_1"), kept("batch_2")]) == []
    assert (recovery.unreadable, forgetful.polls["batch_1"]) == (1, 1)
    output = capsys.readouterr().out
    assert "batch_1: not stored: No such batch." in output
    assert "batch_2: expired, without results" in output


async def test_a_retry_is_reported() -> None:
    """The reason for a wait is reported immediately."""
    reported: list[str] = []
    reason = asyncio.Event()

    def note(sentence: str) -> None:
        reported.append(sentence)
        reason.set()

    secrets = Secrets(api_key="any", mongo_url=None)
    async with opened_batches_of(None, None, secrets, "http://127.0.0.1:9/v1", 0.0, note) as batches:
        asking = asyncio.ensure_future(batches.retrieve("batch_1"))
        await reason.wait()
        asking.cancel()
    assert "127.0.0.1 cannot be reached" in reported[0]
