"""How a batch is made once, where the service says nothing and its list lags."""

from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from floridify_batch.errors import ServiceUncertain
from floridify_batch.providers.interface import BatchJob
from floridify_batch.providers.transfer import Submission, create_once
from floridify_batch.retry import LIST_LAG
from tests.fakes import NOON, Service

LABEL = "run/0001/1"
LINE = {"custom_id": "bank", "body": {"model": "gpt-6-luna", "messages": [{"content": "What is a bank?"}]}}


class Lagging(Service):
    """A service that makes its first batch without a word, and whose list shows it only after so many looks."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.creations.append("silent")
        self.looks = looks

    async def create(self, file_id: str, label: str, metadata: Mapping[str, str]) -> BatchJob:
        """Make a batch; of the first one, neither the reply nor the list tells."""
        try:
            return await super().create(file_id, label, metadata)
        except ServiceUncertain:
            self.batches["batch_1"].hidden = self.looks
            raise


@pytest.mark.parametrize(("looks", "made"), [(0, 1), (1, 1), (2, 1), (3, 2)])
async def test_looked_for_before_it_is_made_again(tmp_path: Path, looks: int, made: int) -> None:
    """The list is looked through at once, after its usual lag, and a last time before the batch is made again."""
    service, sleeps = Lagging(looks), list[float]()
    (tmp_path / "requests.jsonl").write_bytes(orjson.dumps(LINE))

    async def nap(seconds: float) -> None:
        sleeps.append(seconds)

    file_id = await service.upload(tmp_path / "requests.jsonl")
    job, again = await create_once(service, file_id, Submission(LABEL, NOON), nap)
    assert (job.label, again) == (LABEL, made > 1)
    assert len(service.batches) == made
    assert sleeps == [LIST_LAG, LIST_LAG][:looks]
