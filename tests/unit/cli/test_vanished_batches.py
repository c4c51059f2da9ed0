"""Commands that look after several batches: one that the service lost keeps nobody from the others."""

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from floridify_batch.cli.cancel import _cancelled
from floridify_batch.cli.recover import Search, _Recovery
from floridify_batch.cli.status import batches_of
from floridify_batch.errors import UnknownBatch
from floridify_batch.providers.interface import BatchJob
from floridify_batch.run.resources import Secrets
from tests.fakes import NOON, Service

if TYPE_CHECKING:
    from floridify_batch.database.store import MongoStore
    from floridify_batch.providers.openai_batches import OpenAIBatches


class Forgetful:
    """A service that has lost its first batch, and has finished the second without an answer."""

    async def retrieve(self, batch_id: str) -> BatchJob:
        """How a batch stands."""
        if batch_id == "batch_1":
            raise UnknownBatch("No such batch.")
        return BatchJob(batch_id, "expired", None, NOON)


def kept(batch_id: str) -> BatchJob:
    """A batch that was going when it was listed."""
    return BatchJob(batch_id, "in_progress", "run/0001/1", NOON, input_file_id="file-1", metadata={"run": "run"})


async def test_followed_to_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    """Of batches that are followed, one that vanishes is named as not stored, and the others are followed on."""
    recovery = _Recovery(cast("OpenAIBatches", Forgetful()), cast("MongoStore", None), Search(wait=0.01))
    assert await recovery._follow([kept("batch_1"), kept("batch_2")]) == []
    assert recovery._sum.gone == 1
    said = capsys.readouterr().out
    assert "batch_1: not stored: No such batch." in said
    assert "batch_2: expired, and holds no answer" in said


async def test_cancelled_one_by_one() -> None:
    """Of a run's batches that are cancelled, one that vanished has its sentence like any other."""
    assert await _cancelled(Service(), "batch_1") == "No such batch."


async def test_a_wait_is_told() -> None:
    """Whoever asks how a batch stands is told at once why there is a wait."""
    told: list[str] = []
    reason = asyncio.Event()

    def note(sentence: str) -> None:
        told.append(sentence)
        reason.set()

    secrets = Secrets(api_key="any", mongo_url=None)
    async with batches_of(None, None, secrets, "http://127.0.0.1:9/v1", 0.0, note) as batches:
        asking = asyncio.ensure_future(batches.retrieve("batch_1"))
        await reason.wait()
        asking.cancel()
    assert "127.0.0.1 cannot be reached" in told[0]
