"""The preflight: one request per component is answered at once before the first batch, so that a form that the model
refuses is found for a fraction of a cent, not after a day.

Its requests are an ordinary chunk, whose answers are stored and billed like any other; only the immediate endpoint
carries it, at the standard price.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from floridify_batch.components.failure import reason_in
from floridify_batch.errors import ServiceError
from floridify_batch.files import ChunkFolder, replacing
from floridify_batch.pipeline.chunk import read_expected
from floridify_batch.pipeline.estimate import PREFLIGHT_REQUESTS
from floridify_batch.providers.interface import HTTP_OK, BatchJob
from floridify_batch.retry import is_transient
from floridify_batch.run.budget import cost_limit_of
from floridify_batch.run.chunk_split import split
from floridify_batch.run.event import Notice
from floridify_batch.run.feeder import Feeder
from floridify_batch.run.ledger import ChunkRecord, ChunkState, Ledger
from floridify_batch.run.result_collection import fetch, store
from floridify_batch.run.state import Run
from floridify_batch.run.submission import submission_of

_POLL = 0.5
"""Seconds between two looks at requests that are answered at once."""

_ABSENT = frozenset({404, 405, 501})
"""Statuses of an endpoint that does not exist, or does not have the model."""

_ABSENT_CODES = frozenset({"model_not_found", "DeploymentNotFound"})


def is_due(ledger: Ledger) -> bool:
    """Whether many requests are planned, and the model has answered nothing in this run yet."""
    settings, estimate = ledger.run.settings, ledger.estimate
    if settings.immediate or not settings.preflight or estimate is None or estimate.requests <= PREFLIGHT_REQUESTS:
        return False
    sent = any(record.submission and not record.preflight for record in ledger.chunks)
    return ledger.preflight_model != settings.model and (ledger.preflight_model is not None or not sent)


async def preflight(run: Run, feeder: Feeder) -> None:
    """Bring a preflight to its end, if one is due or was interrupted.

    Raises `ServiceError`, with no batch sent, for a form that the model refuses; usable answers are stored before.
    """
    record = next((each for each in run.ledger.in_state(*_OPEN) if each.preflight), None)
    if record is None and is_due(run.ledger):
        record = await feeder.next_preflight(_unanswered(run))
        if record is None:
            return
    if record is None:
        return
    if record.state is ChunkState.PLANNED and not _may_send(run, record):
        feeder.return_chunk(split(run, record))
        return
    job = await _ended(run, record)
    refused, unanswered = dict(_refused(run.folder(record))), _no_answer(run.folder(record))
    record = run.ledger.chunk(record.number)
    if refused and len(refused) == record.lines:
        feeder.return_chunk(split(run, record))
    else:
        _forget(run, record, refused)
        record = await fetch(run, run.ledger.chunk(record.number), replace(job, done=0, failed=0))  # all of it is here
        feeder.return_chunk(await store(run, record))
    _conclude(run, refused, unanswered)


_OPEN = (ChunkState.PLANNED, ChunkState.SUBMITTING, ChunkState.SUBMITTED)


def _unanswered(run: Run) -> set[str]:
    """The components that have no answer yet."""
    spent = run.ledger.spent
    return {name for name in run.questions if name not in spent or not spent[name].answered}


def _may_send(run: Run, record: ChunkRecord) -> bool:
    limit = cost_limit_of(run.ledger)
    return run.ledger.run.settings.preflight and (limit is None or limit.admits(record))


async def _ended(run: Run, record: ChunkRecord) -> BatchJob:
    """Send the requests, or go on with those of a process that died, and wait for their answers."""
    if record.state is ChunkState.PLANNED:
        run.observer.notify(
            Notice(f"Preflight: one request per component is sent ahead of the first batch ({record.lines}).")
        )
        file_id = run.folder(record).path.name
        record = run.move(record, ChunkState.SUBMITTING, submission=max(1, record.submission), file_id=file_id)
    if record.state is ChunkState.SUBMITTING:
        submission = submission_of(run, record)
        job = (await run.batches.find(submission)).job or await run.batches.create(submission)
        facts = {"batch_id": job.id, "created_at": job.created_at.timestamp()}
        record = run.move(record, ChunkState.SUBMITTED, **facts)
    job = await run.batches.retrieve(record.batch_id or "")
    while not job.terminal:
        await run.sleep(_POLL)
        job = await run.batches.retrieve(job.id)
    return job


# ── refusals ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _refused(folder: ChunkFolder) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The replies that no retry would change, by id."""
    with folder.output.open("rb") as lines:
        for line in map(orjson.loads, lines):
            status = line["response"]["status_code"]
            if status not in (0, HTTP_OK) and not is_transient(status):
                yield line["custom_id"], line["response"]


def _no_answer(folder: ChunkFolder) -> str | None:
    """The reason why the first request has no answer, if none has one: errors of a server, or unreadable replies."""
    with folder.output.open("rb") as lines:
        replies = [orjson.loads(line)["response"] for line in lines]
    if any(reply["status_code"] == HTTP_OK and reply["body"].get("choices") for reply in replies):
        return None
    return next((_message(reply) for reply in replies), None)


def _forget(run: Run, record: ChunkRecord, refused: Mapping[str, object]) -> None:
    """Remove refused requests from a chunk's files: they are not billed, and are planned again."""
    if not refused:
        return
    folder = run.folder(record)
    expected = [each for each in read_expected(folder) if each.line_id not in refused]
    with replacing(folder.expected) as out:
        out.writelines(orjson.dumps([*each]) + b"\n" for each in expected)
    answers = folder.output.read_bytes().splitlines(keepends=True)
    with replacing(folder.output) as out:
        out.writelines(line for line in answers if orjson.loads(line)["custom_id"] not in refused)
    run.record(record, requests=len(expected), shared=len(expected) - len({each.line_id for each in expected}))


def _conclude(run: Run, refused: Mapping[str, Mapping[str, Any]], unanswered: str | None) -> None:
    """Note the end of the preflight. Raises `ServiceError` if the form of a request was refused."""
    model = run.ledger.run.settings.model
    absent = all(map(_is_absent, refused.values()))
    if refused and not absent:
        identity, response = next(each for each in refused.items() if not _is_absent(each[1]))
        raise ServiceError(
            f"Preflight: {model} refused {len(refused)} of the requests (HTTP {response['status_code']}): "
            f"{_message(response).rstrip('.')}. The first is {identity}. No batch was sent. Change the request with "
            "--request-option or another --model, or skip the preflight with --no-preflight."
        )
    run.ledger.preflight_model = model
    run.save()
    if refused:
        stated = _message(next(iter(refused.values()))).rstrip(".")
        run.observer.notify(
            Notice(f"Preflight skipped: the service does not answer {model} at once ({stated}). Batches are sent.")
        )
    elif unanswered:
        stated = unanswered.rstrip(".")
        run.observer.notify(Notice(f"Preflight: {model} gave no usable answer ({stated}). Batches are sent."))
    else:
        run.observer.notify(Notice(f"Preflight: {model} accepts the requests. Batches are sent."))


def _is_absent(response: Mapping[str, Any]) -> bool:
    """Whether a reply says that the endpoint, or the model there, does not exist."""
    error = response["body"].get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return response["status_code"] in _ABSENT or code in _ABSENT_CODES


def _message(response: Mapping[str, Any]) -> str:
    return reason_in(response["body"]) or "no reason given"
