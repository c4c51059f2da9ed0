"""Identity of a batch object: whether it is that of a submission, by its label, its input file and its id.

A cache between us and the service may return another batch's object, and gateways mask labels or translate ids. An
object of another batch is never accepted: its answers would be lost, and its requests paid for twice.
"""

import re
from collections.abc import Sequence
from datetime import timedelta

from floridify_batch.providers.interface import BatchJob, Submission

_RUN_LABEL = re.compile(r"[^\s/]+/\d+/\d+")
_DIGEST_LABEL = re.compile(r"[0-9a-f]{32,}(?:-\d+)?")

_PRECISION = timedelta(seconds=1)
"""The precision of the service's times; a batch is created again later than that."""


def usable_label(label: str | None) -> str | None:
    """Return a label of a form that submissions have; None for one that is empty, masked or another client's."""
    if label and (_RUN_LABEL.fullmatch(label) or _DIGEST_LABEL.fullmatch(label)):
        return label
    return None


def _names_another(label: str | None, submission: Submission) -> bool:
    """Whether a label is that of another submission; one of another form proves nothing."""
    form = _RUN_LABEL if _RUN_LABEL.fullmatch(submission.label) else _DIGEST_LABEL
    return bool(label) and label != submission.label and form.fullmatch(label or "") is not None


def _has_file(file_id: str, submission: Submission) -> bool:
    return file_id != "" and file_id == submission.file_id


def is_listed_as(submission: Submission, identity: str, label: str | None, file_id: str) -> bool:
    """Whether a batch in the list is one of a submission: it has its label, or no usable one and its input file."""
    if identity in submission.taken:
        return False
    if label == submission.label:
        return True
    # The file is compared first: a long account has thousands of labels to parse in each search.
    return (
        _has_file(file_id, submission) and identity not in submission.former and not _names_another(label, submission)
    )


def _is_of_another(identity: str, submission: Submission) -> bool:
    """Whether an id is that of another chunk's batch, or of a former one of this chunk."""
    return identity in submission.taken or identity in submission.former


def is_created_for(submission: Submission, job: BatchJob) -> bool:
    """Whether a batch may be the one that a submission has just created."""
    return not _is_of_another(job.id, submission) and not _names_another(job.label, submission)


def is_polled_as(submission: Submission, batch_id: str, job: BatchJob) -> bool:
    """Whether a reply is about the batch of a submission that was requested by an id.

    Under another id it must have the submission's label, or no usable one and its input file.
    """
    if _names_another(job.label, submission):
        return False
    if job.id == batch_id:
        return True
    if _is_of_another(job.id, submission):
        return False
    return job.label == submission.label or _has_file(job.input_file_id, submission)


def without_alias(kept: BatchJob | None, jobs: Sequence[BatchJob]) -> list[BatchJob]:
    """Leave out of a submission's listed batches the one that is kept, which the list shows under another id.

    Its input file and its time of creation identify it. Without them none counts as a duplicate: to cancel the batch
    that is kept costs its answers, to leave a duplicate only its price.
    """
    if kept is None:
        return []
    aliases = [each for each in jobs if _is_same(kept, each)]
    if len(aliases) > 1:
        return []
    return [each for each in jobs if each not in aliases]


def _is_same(kept: BatchJob, listed: BatchJob) -> bool:
    one_file = kept.input_file_id == listed.input_file_id or not (kept.input_file_id and listed.input_file_id)
    return one_file and abs(kept.created_at - listed.created_at) < _PRECISION
