"""Idempotent creation of batches, if the reply is lost and the list of batches lags behind."""

from pathlib import Path
from typing import override

import orjson
import pytest

from floridify_batch.errors import ServiceUncertain
from floridify_batch.providers.interface import BatchJob, Found, Submission
from floridify_batch.providers.transfer import create_once
from floridify_batch.retry import DOUBTFUL_CREATIONS
from tests.fakes import Service

LABEL = "run/0001/1"
LINE = {"custom_id": "bank", "body": {"model": "gpt-6-luna", "messages": [{"content": "What is a bank?"}]}}


class Lagging(Service):
    """A service whose first creation has no reply, and whose list shows the batch only after a number of look-ups."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.creations.append("silent")
        self.looks = looks

    async def create(self, submission: Submission) -> BatchJob:
        """Create a batch; the first one appears neither in the reply nor in the list."""
        try:
            return await super().create(submission)
        except ServiceUncertain:
            self.batches["batch_1"].hidden = self.looks
            raise


@pytest.mark.parametrize(("looks", "created"), [(0, 1), (1, 1), (5, 1), (6, 2)])
async def test_found_before_it_is_created_again(tmp_path: Path, looks: int, created: int) -> None:
    """A batch counts as absent after six look-ups over a minute, and only then is it created again."""
    service, pauses = Lagging(looks), list[float]()
    (tmp_path / "requests.jsonl").write_bytes(orjson.dumps(LINE))

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    file_id = await service.upload(tmp_path / "requests.jsonl")
    job, again = await create_once(service, Submission(LABEL, file_id), sleep)
    assert (job.label, again) == (LABEL, created > 1)
    assert len(service.batches) == created
    assert pauses == pytest.approx([2, 4, 9, 15, 30][: min(looks, 5)])


async def test_a_refused_creation_needs_no_search(tmp_path: Path) -> None:
    """A creation refused by a rate limit is retried after the service's Retry-After."""
    service, pauses = Service(), list[float]()
    service.creations.append("busy")
    (tmp_path / "requests.jsonl").write_bytes(orjson.dumps(LINE))

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    file_id = await service.upload(tmp_path / "requests.jsonl")
    _, again = await create_once(service, Submission(LABEL, file_id), sleep)
    assert (len(service.batches), again, pauses) == (1, False, [7.0])


class Unlisted(Service):
    """A service whose list shows no batch at all, and whose creations get no reply."""

    @override
    async def find(self, submission: Submission, *, keep: str | None = None) -> Found:
        """Find nothing, which proves nothing."""
        return Found(None, conclusive=False)


async def test_creations_without_a_list_are_bounded(tmp_path: Path) -> None:
    """Where the list cannot show what was created, a batch is created three times at most."""
    service = Unlisted()
    service.creations.extend(["silent"] * 9)
    (tmp_path / "requests.jsonl").write_bytes(orjson.dumps(LINE))
    file_id = await service.upload(tmp_path / "requests.jsonl")

    async def sleep(_: float) -> None:
        pass

    with pytest.raises(ServiceUncertain):
        await create_once(service, Submission(LABEL, file_id), sleep)
    assert len(service.batches) == DOUBTFUL_CREATIONS
