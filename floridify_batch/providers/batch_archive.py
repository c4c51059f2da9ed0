"""What the service itself remembers of our runs: their batches, and the files that these were made of.

A batch carries its run in its metadata, and its input file is the list of what was expected. So nothing that was paid
for depends on a checkpoint.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from floridify_batch.errors import UnknownBatch
from floridify_batch.providers.creation import LIBRARY
from floridify_batch.providers.openai_batches import BatchJob, OpenAIBatches, job_of

_PAGE = 100


@dataclass(frozen=True, slots=True)
class KeptBatch:
    """A batch of a run of ours, as the service remembers it."""

    job: BatchJob
    run: str
    input_file_id: str
    metadata: Mapping[str, str]


class Archive(OpenAIBatches):
    """OpenAI's Batch API, looked through from the present back."""

    async def kept(self, since: datetime, run: str | None = None) -> list[KeptBatch]:
        """Our batches that were created after a time, or those of one run, the oldest first. Raises `ServiceError`."""
        found = await self._repeated(partial(self._listed, since))
        return [each for each in reversed(found) if run in (None, each.run)]

    async def _listed(self, since: datetime) -> list[KeptBatch]:
        found: list[KeptBatch] = []
        async for batch in self._client.batches.list(limit=_PAGE):
            job = job_of(batch)
            if job.created_at < since:
                break
            if (kept := _kept(batch, job)) is not None:
                found.append(kept)
        return found

    async def requests(self, batch: KeptBatch, path: Path) -> None:
        """Bring the file of a batch's requests to this place. Raises `UnknownBatch` where the service lost it."""
        try:
            await self._repeated(partial(self._download, batch.input_file_id, path))
        except UnknownBatch:
            raise UnknownBatch("the service no longer has the file of its requests") from None


def _kept(batch: Any, job: BatchJob) -> KeptBatch | None:
    """A batch of one of our runs; None for any other."""
    metadata = batch.metadata or {}
    run = metadata.get("run")
    if not run or run == LIBRARY or not (job.label or "").startswith(f"{run}/"):
        return None
    return KeptBatch(job, run, batch.input_file_id, metadata)
