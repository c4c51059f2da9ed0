"""A batch service with a preflight: a few requests are answered immediately, before the first batch is submitted."""

from collections.abc import Callable
from pathlib import Path

from floridify_batch.providers.immediate import PREFIX, ImmediateBatches
from floridify_batch.providers.interface import Batches, BatchJob, Capabilities, Found, Submission
from floridify_batch.timing import Notify, ignore


class PreflightBatches:
    """A batch service whose preflight goes through the immediate endpoint, which is opened only for one."""

    def __init__(self, batches: Batches, immediate: Callable[[], ImmediateBatches]) -> None:
        self._batches = batches
        self._open = immediate
        self._immediate: ImmediateBatches | None = None
        self.on_request: Notify = ignore
        """Callback before and after each request of the preflight."""

    @property
    def capabilities(self) -> Capabilities:
        """Limits and features of the batch service."""
        return self._batches.capabilities

    async def find(self, submission: Submission, *, keep: str | None = None) -> Found:
        """Search for the batch of a submission."""
        return await self.serving(preflight=submission.preflight).find(submission, keep=keep)

    async def others(self, run: str) -> bool:
        """Whether batches of other runs or clients are unfinished."""
        return await self._batches.others(run)

    async def upload(self, requests: Path) -> str:
        """Upload a file of requests; a preflight's file stays where it is."""
        return await self._batches.upload(requests)

    async def create(self, submission: Submission) -> BatchJob:
        """Create a batch, or start answering the preflight."""
        return await self.serving(preflight=submission.preflight).create(submission)

    async def retrieve(self, batch_id: str) -> BatchJob:
        """Return the state of a batch."""
        return await self._holding(batch_id).retrieve(batch_id)

    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        """Download the answer files of a batch; those of the preflight are in place."""
        await self._holding(job.id).answers(job, output, errors)

    async def cancel(self, batch_id: str) -> BatchJob:
        """Cancel a batch."""
        return await self._holding(batch_id).cancel(batch_id)

    async def close(self) -> None:
        """Close all connections."""
        try:
            if self._immediate is not None:
                await self._immediate.close()
        finally:
            await self._batches.close()

    def _holding(self, batch_id: str) -> Batches:
        return self.serving(preflight=batch_id.startswith(PREFIX))

    def serving(self, *, preflight: bool) -> Batches:
        """The service that answers the preflight, or the one that answers batches."""
        if not preflight:
            return self._batches
        if self._immediate is None:
            self._immediate = self._open()
            self._immediate.on_request = self.on_request
        return self._immediate
