"""How a batch is made once, and what its end means: shared by runs, with a checkpoint, and by calls, without one.

Whenever it is not certain whether a batch was made, the service's list is looked through for its label: at once, after
its usual lag, and a last time after a longer pause. Only then is it made again, under the same label, so that a batch
that shows itself even later is recognised and cancelled.
"""

from collections.abc import Mapping
from datetime import datetime
from itertools import count
from pathlib import Path

from floridify_batch.components.failure import FailureReason, Unanswered
from floridify_batch.errors import ServiceRefused, ServiceUncertain
from floridify_batch.providers.connector import OURS_TO_SETTLE
from floridify_batch.providers.openai_batches import BatchError, Batches, BatchJob
from floridify_batch.timing import Notify, Sleep, ignore

LIST_LAG = 2.0
"""Seconds after which a new batch is expected to be in the service's list."""

MAX_TRIES = 5
"""How often an upload or a creation that comes to nothing is tried in a row before a caller of the library is told."""

LONGEST_PAUSE = 60.0
"""Seconds between two tries of what comes to nothing time after time."""

LIBRARY = "library"
"""The run that calls of the library name: these have no database, and find their own batches."""

METADATA_LENGTH = 512
"""Characters of one value that the service keeps with a batch."""

_ERRORS_SHOWN = 5


async def look_twice(batches: Batches, label: str, since: datetime, sleep: Sleep) -> BatchJob | None:
    """The batch of a label, if the list shows it now or in a moment."""
    job = await batches.find(label, since)
    if job is None:
        await sleep(LIST_LAG)
        job = await batches.find(label, since)
    return job


def pause_after(tries: int) -> float:
    """Seconds before the next try: twice as many each time, up to the longest pause."""
    return min(LIST_LAG ** min(tries, 6), LONGEST_PAUSE)


async def upload_surely(
    batches: Batches, requests: Path, sleep: Sleep, notify: Notify = ignore, *, max_tries: float = MAX_TRIES
) -> str:
    """Hand a file over. Doing so twice costs nothing: only a batch is paid for. Raises `ServiceUncertain`."""
    for tries in count(1):
        try:
            return await batches.upload(requests)
        except ServiceUncertain as error:
            if tries >= max_tries:
                raise
            notify(f"{error} Uploading again.")
            await sleep(pause_after(tries))
    raise AssertionError("unreachable: the last try returns or raises")


async def create_once(
    batches: Batches,
    file_id: str,
    label: str,
    metadata: Mapping[str, str],
    since: datetime,
    sleep: Sleep,
    notify: Notify = ignore,
    *,
    max_tries: float = MAX_TRIES,
) -> tuple[BatchJob, bool]:
    """The batch of a label, made unless it is there; and whether another one of its label may still show itself.

    Raises `ServiceUncertain` where nobody knows, after all tries, whether there is one.
    """
    for tries in count(1):
        try:
            return await batches.create(file_id, label, metadata), tries > 1
        except ServiceUncertain as error:
            notify(f"{error} Looking whether the batch was made.")
            job = await look_twice(batches, label, since, sleep)
            if job is None and tries < max_tries:
                await sleep(pause_after(tries))
                job = await batches.find(label, since)  # a look costs nothing, and the pause was long
            if job is not None:
                return job, tries > 1
            if tries >= max_tries:
                raise
    raise AssertionError("unreachable: the last try returns or raises")


def unanswered(job: BatchJob) -> Unanswered:
    """What the requests are to be called that a batch of this end holds no line of."""
    if refusal(job):
        return Unanswered(FailureReason.EXPIRED, f"the account was refused before this was answered: {_reasons(job)}")
    if job.status == "failed":
        reasons = _reasons(job)
        return Unanswered(FailureReason.REJECTED, reasons or "the service rejected the batch and gave no reason")
    if job.status in ("expired", "cancelled"):
        return Unanswered(FailureReason(job.status), f"the batch was {job.status} before this request was answered")
    return Unanswered(FailureReason.MISSING, "no answer file of the batch holds it")


def refusal(job: BatchJob) -> ServiceRefused | None:
    """What to stop with where a batch failed for the account's sake: every further one would fail alike."""
    if job.status != "failed" or not any(error.code in OURS_TO_SETTLE for error in job.errors):
        return None
    return ServiceRefused(f"The service refuses this account, and failed batch {job.id} for it: {_reasons(job)}")


def _reasons(job: BatchJob) -> str:
    return "; ".join(map(_stated, job.errors[:_ERRORS_SHOWN]))


def _stated(error: BatchError) -> str:
    return f"{error.code}: {error.message}" + (f" (line {error.line})" if error.line is not None else "")
