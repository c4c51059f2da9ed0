"""Idempotent transfer of a batch: upload, creation and download happen once and completely.

*Creation.* After an ambiguous reply the service's list is searched for the batch, six times over a minute. Only then is
it created again, under the same label, so that a duplicate that appears later is recognised and cancelled. A list that
cannot show the batch bounds the number of creations, each of which may be billed.

*Download.* Answer files decide which requests are retried, and a download may be a gateway's page or truncated, without
any error. Objects that are not one to a line are put on lines first. A file is *foreign* if none of its lines can be an
answer, or none is of the batch's requests: a cache may return the file of another batch. The files are *short* if they
have fewer lines than the service counts, or end within a line. Neither is accepted: they are downloaded again for ten
minutes, and then the caller decides.
"""

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence, Set
from enum import Enum, auto
from itertools import count
from pathlib import Path

from floridify_batch.components.failure import FailureReason, Unanswered
from floridify_batch.components.json_repair import leniently_parsed
from floridify_batch.errors import (
    IncompleteAnswers,
    ServiceBusy,
    ServiceError,
    ServiceRefused,
    ServiceUncertain,
    ShortAnswers,
    UnknownBatch,
    concerns_one_batch,
)
from floridify_batch.providers.batch_identity import is_created_for
from floridify_batch.providers.error import Nameless, Unreadable
from floridify_batch.providers.interface import AnswerSource, BatchError, Batches, BatchJob, Found, Submission
from floridify_batch.providers.json_lines import put_on_lines
from floridify_batch.retry import (
    ACCOUNT_CODES,
    DOUBTFUL_CREATIONS,
    LOOKUP_SECONDS,
    MISSING_BATCH,
    SUBMISSION,
    Backoff,
    lookup_pauses,
    retrying,
)
from floridify_batch.timing import Notify, Sleep, ignore

LIBRARY = "library"
"""Run id of batches that library calls create: these have no database, and find their own batches."""

METADATA_LENGTH = 512
"""Longest metadata value, in characters, that the service accepts."""

_ERRORS_SHOWN = 5


# ── upload and creation ────────────────────────────────────────────────────────────────────────────────────────────


async def look_up(batches: Batches, submission: Submission, sleep: Sleep, seconds: float = LOOKUP_SECONDS) -> Found:
    """Search for the batch of a submission until it is found, or counts as absent."""
    found = Found(None)
    for pause in lookup_pauses(seconds):
        if pause:
            await sleep(pause)
        found = await batches.find(submission)
        if found.job is not None:
            break
    return found


async def upload(
    batches: Batches, requests: Path, sleep: Sleep, notify: Notify = ignore, backoff: Backoff = SUBMISSION
) -> str:
    """Upload a file and retry transient failures: only a batch is billed. Raises `ServiceUncertain`.

    A reply that never names the file ends the retries after a number of attempts.
    """
    nameless = count(1)

    def report(error: str) -> None:
        notify(f"{error} Uploading again.")

    async def call() -> str:
        try:
            return await batches.upload(requests)
        except Nameless as error:
            if next(nameless) >= SUBMISSION.attempts:
                raise ServiceError(f"{error} The file was uploaded {SUBMISSION.attempts} times.") from error
            raise

    return await retrying(call, backoff, ServiceUncertain, report, sleep)


async def create_once(
    batches: Batches, submission: Submission, sleep: Sleep, notify: Notify = ignore, backoff: Backoff = SUBMISSION
) -> tuple[BatchJob, bool]:
    """Create the batch of a submission unless it exists; also return whether a duplicate may still appear.

    Raises `ServiceUncertain` if it is unknown after the last attempt whether there is a batch.
    """
    in_doubt = False
    for attempt in count(1):
        try:
            return created_for(submission, await batches.create(submission)), in_doubt
        except ServiceBusy as error:
            if attempt >= backoff.attempts:
                raise
            notify(f"{error} Retrying.")
            await sleep(backoff.pause(attempt) if error.retry_after is None else error.retry_after)
        except ServiceUncertain as error:
            notify(f"{error} Checking whether the batch was created.")
            found = await look_up(batches, submission, sleep)
            if found.job is not None:
                return found.job, in_doubt
            most = backoff.attempts if found.conclusive else min(backoff.attempts, DOUBTFUL_CREATIONS)
            if attempt >= most:
                raise
            in_doubt = True
    raise AssertionError("unreachable: the last attempt returns or raises")


def created_for(submission: Submission, job: BatchJob) -> BatchJob:
    """Return the batch in the reply to a creation. Raises `Unreadable` for another submission's batch."""
    if is_created_for(submission, job):
        return job
    raise Unreadable(f"The service's reply to the creation is about another batch ({job.id}, {job.label}).")


# ── the end of a batch ─────────────────────────────────────────────────────────────────────────────────────────────


def unanswered(job: BatchJob) -> Unanswered:
    """Return the failure of requests without a line in the answer files, by the end of their batch."""
    if refusal(job):
        return Unanswered(
            FailureReason.EXPIRED, f"the account was refused before this request was answered: {_reasons(job)}"
        )
    if job.status == "failed":
        reasons = _reasons(job)
        return Unanswered(FailureReason.REJECTED, reasons or "the service rejected the batch and gave no reason")
    if job.status == "expired":
        return Unanswered(FailureReason.EXPIRED, "the batch expired before this request was answered")
    if job.status == "cancelled":
        return Unanswered(FailureReason.CANCELLED, "the batch was cancelled before this request was answered")
    return Unanswered(FailureReason.MISSING, "no answer file of the batch contains it")


def refusal(job: BatchJob) -> ServiceRefused | None:
    """Return the error of a batch that failed because of the account, so that every further batch would fail, too."""
    if job.status != "failed" or not any(error.code in ACCOUNT_CODES for error in job.errors):
        return None
    return ServiceRefused(f"The service refuses this account, so that batch {job.id} failed: {_reasons(job)}")


def _reasons(job: BatchJob) -> str:
    return "; ".join(map(_stated, job.errors[:_ERRORS_SHOWN]))


def _stated(error: BatchError) -> str:
    return f"{error} (line {error.line})" if error.line is not None else str(error)


# ── download ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Completeness(Enum):
    """Completeness of downloaded answer files."""

    WHOLE = auto()
    SHORT = auto()
    FOREIGN = auto()


async def download(
    batches: Batches,
    job: BatchJob,
    files: tuple[Path, Path],
    sleep: Sleep,
    *,
    requested: Sequence[str] = (),
    patience: float = MISSING_BATCH.patience,
) -> None:
    """Download a batch's answer files (output, errors), and retry while they are not complete.

    `requested`: the ids of its requests, if known. Raises `UnknownBatch` or `IncompleteAnswers` at the end of the
    patience, in seconds.
    """
    waited = 0.0
    for attempt in count(1):
        try:
            await fetch_answers(batches, job, files, requested)
        except (UnknownBatch, IncompleteAnswers):
            if waited >= patience:
                raise
        else:
            return
        await sleep(MISSING_BATCH.pause(attempt))
        waited += MISSING_BATCH.pause(attempt)
        job = await batches.retrieve(job.id)


async def fetch_answers(
    batches: AnswerSource, job: BatchJob, files: tuple[Path, Path], requested: Iterable[str] = ()
) -> None:
    """Download a batch's answer files (output, errors) once; `requested`: the ids of its requests, if known.

    Files with all these ids are complete, whatever the service counts and although it denies one of them; those of a
    completed batch without counts are complete only then. Raises `UnknownBatch`, `IncompleteAnswers`, also for the
    answers of another batch, or `ShortAnswers`.
    """
    ids = frozenset(map(_comparable, requested))
    if not job.has_answers and (job.status == "completed" or job.done + job.failed):
        raise IncompleteAnswers(f"The service reports batch {job.id} as {job.status}, but no answer file.")
    denied = await _denial(batches, job, files)
    there = [path for path in files if path.exists()]
    for path in there:
        put_on_lines(path)
    others = _hold_others(there, ids)
    problem = denied or (_others_answers(job) if others else _shortfall(job, there, ids))
    if problem is None or _hold_all(there, ids):
        return
    if others:
        for path in there:
            path.unlink()
    elif problem is denied and there and not isinstance(denied, ServiceUncertain):
        raise ShortAnswers(f"The service does not return all answer files of batch {job.id}: {denied}") from denied
    raise problem


async def _denial(batches: AnswerSource, job: BatchJob, files: tuple[Path, Path]) -> ServiceError | None:
    """Download the answer files once; the error of a file that the service does not return. Raises `ServiceRefused`."""
    try:
        await batches.answers(job, *files)
    except ServiceError as error:
        if not concerns_one_batch(error):
            raise
        return error
    return None


def _others_answers(job: BatchJob) -> IncompleteAnswers:
    """Return the error of files with the answers of another batch."""
    return IncompleteAnswers(
        f"The service returned the answers of other requests for batch {job.id}; none of its own is among them."
    )


def _shortfall(job: BatchJob, files: Sequence[Path], ids: Set[str]) -> IncompleteAnswers | None:
    """Return the error of files that are not, or may not be, all of a batch's answers."""
    counted = job.done + job.failed
    match completeness(files, counted):
        case Completeness.FOREIGN:
            return IncompleteAnswers(f"The service returned something other than answers for batch {job.id}.")
        case Completeness.SHORT:
            return ShortAnswers(
                f"The answer files of batch {job.id} are incomplete: the service counts {counted:,} finished requests."
            )
    if ids and job.status == "completed" and not (job.total or counted):
        return ShortAnswers(f"The answer files of batch {job.id} lack requests; the service counts none.")
    return None


def _hold_others(files: Iterable[Path], ids: Set[str]) -> bool:
    return bool(ids) and any(_is_of_others(path, ids) for path in files)


def _is_of_others(path: Path, ids: Set[str]) -> bool:
    """Whether a file names requests, and none of these."""
    named = False
    for identity in _ids_in(path):
        if identity in ids:
            return False
        named = True
    return named


def _hold_all(files: Iterable[Path], ids: Set[str]) -> bool:
    """Whether the whole lines of answer files name all of the requests; False if these are unknown."""
    missing = set(ids)
    for path in files:
        missing.difference_update(_ids_in(path))
    return bool(ids) and not missing


def _ids_in(path: Path) -> Iterator[str]:
    """The ids that the whole lines of an answer file name."""
    for line in _lines(path):
        parsed = leniently_parsed(line)
        identity = parsed.get("custom_id") if isinstance(parsed, dict) else None
        if isinstance(identity, str):
            yield _comparable(identity)


def _comparable(identity: str) -> str:
    """Return an id without the differences that gateways make."""
    return "".join(identity.split()).casefold()


def completeness(paths: Sequence[Path], counted: int) -> Completeness:
    """Check the answer files of a batch that has `counted` finished requests."""
    if any(map(_is_foreign, paths)):
        return Completeness.FOREIGN
    ends = [_end(path) for path in paths]
    if any(_is_within_a_line(last) for _, last in ends) or sum(lines for lines, _ in ends) < counted:
        return Completeness.SHORT
    return Completeness.WHOLE


def _is_foreign(path: Path) -> bool:
    """Whether a file has lines, and none of them is an answer, whole or damaged."""
    first = next(_lines(path), None)
    return first is not None and not any(map(_may_be_an_answer, _lines(path)))


def _may_be_an_answer(line: bytes) -> bool:
    """Whether a line names a request, or is a damaged object, which may have named one. Binary data is neither."""
    parsed = leniently_parsed(line)
    if parsed is None:
        return line.lstrip().startswith(b"{") and b"\0" not in line
    return isinstance(parsed, dict) and "custom_id" in parsed


def _end(path: Path) -> tuple[int, bytes]:
    """Return the number of lines of a file, and its last line."""
    number, last = 0, b"\n"
    for line in _lines(path):
        number, last = number + 1, line
    return number, last


def _is_within_a_line(last: bytes) -> bool:
    """Whether a file with this last line ends before that line does."""
    return not last.endswith(b"\n") and leniently_parsed(last) is None


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from (line.removeprefix(BOM_UTF8) for line in file if line.strip())
