"""Stations 9 to 15: a batch that has ended is collected, settled and stored, whatever its end was.

Finished work is paid for in every case, so it is used in every case: what an expired or cancelled batch holds is
stored like that of a completed one, and only the rest is asked again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import IO, Any

from floridify_batch.batches import BatchJob
from floridify_batch.changes import Change
from floridify_batch.chunks import (
    private_file,
    read_expected,
    read_failures,
    sync,
    sync_folder,
    write_failures,
)
from floridify_batch.clusters import clusters_of
from floridify_batch.components import Provenance, SynthesisComponent, Target
from floridify_batch.creation import unanswered
from floridify_batch.errors import UnknownBatch
from floridify_batch.events import ChunkSettled, Noticed
from floridify_batch.failures import Failure, FailureReason
from floridify_batch.languages import language_name
from floridify_batch.ledger import ChunkRecord, ChunkState, Spent, TokenCount
from floridify_batch.planning import Question
from floridify_batch.pricing import Bills, Usage
from floridify_batch.requests import parse_answer, parse_custom_id
from floridify_batch.results import Answered, AnswerIndex, Parse, Unanswered, WordOutcome, indexed_answers, settle
from floridify_batch.run import Run
from floridify_batch.words import Entry, Stamp, derived_id

TOKEN_LIMIT_EXCEEDED = "token_limit_exceeded"  # noqa: S105  the service's code for a full queue
STORE_PAGE_WORDS = 40
"""Words whose answers are in memory together: some 1,200 parsed answers, and what they change."""

SAMPLES = 5
"""Failures of a chunk that are shown as examples."""


async def collect(run: Run, record: ChunkRecord, job: BatchJob) -> ChunkRecord:
    """Bring a SUBMITTED chunk whose batch has ended to its next state; to STORED, wherever there is something."""
    if job.status == "failed" and _queue_was_full(job) and (not record.alone or record.words > 1):
        return _put_back(run, record)
    folder = run.folder(record)
    try:
        await run.batches.answers(job, folder / "output.jsonl", folder / "errors.jsonl")
    except UnknownBatch as error:
        return await lose(run, record, str(error))
    sync_folder(folder)
    rest = unanswered(job)
    record = run.move(
        record,
        ChunkState.ANSWERED,
        completed_at=(job.completed_at or run.clock()).timestamp(),
        absent_reason=rest.reason,
        absent_detail=rest.detail,
    )
    return await store(run, record)


async def lose(run: Run, record: ChunkRecord, why: str) -> ChunkRecord:
    """A batch that the service no longer knows: its requests are failed, and nobody pays for them again unasked."""
    run.observer.notify(Noticed(f"Chunk {record.number} is lost: {why}"))
    detail = f"batch {record.batch_id} is lost: {why}"
    record = run.move(
        record,
        ChunkState.LOST,
        completed_at=run.clock().timestamp(),
        absent_reason=FailureReason.REJECTED,
        absent_detail=detail,
    )
    return await store(run, record)


async def store(run: Run, record: ChunkRecord) -> ChunkRecord:
    """Settle an ANSWERED or LOST chunk and write what it holds. Doing so twice changes nothing."""
    folder = run.folder(record)
    bills = Bills(run.ledger.run.settings.model, batch=bool(run.batches.discount))
    tally = _Tally()

    def paid(identity: str, usage: Usage) -> None:
        bills.add(_component(identity), usage)

    with (
        indexed_answers((folder / "output.jsonl", folder / "errors.jsonl"), paid) as index,
        private_file(folder / "failures.partial") as failures,
    ):
        _copy_carried(folder, failures)
        outcomes = settle(read_expected(folder), index, _parser(run.questions, tally.dropped), _absent(record))
        for page in batched(outcomes, STORE_PAGE_WORDS):
            await _store_page(run, record, page, tally, failures)
        sync(failures)
        _tell_of_odd_lines(run, record, index)
    (folder / "failures.partial").replace(folder / "failures.jsonl")
    sync_folder(folder)
    usage, cost = bills.usage, bills.cost
    run.ledger.spend(_spent(bills, tally))
    record = run.move(
        record,
        ChunkState.STORED,
        answered=tally.answered,
        failures=dict(tally.failures),
        usage=TokenCount.of(usage),
        cost=cost,
        stored_at=run.clock().timestamp(),
    )
    run.observer.notify(
        ChunkSettled(
            record.number,
            record.answered,
            record.failures,
            tuple(tally.samples),
            usage,
            cost,
            tally.dropped.total(),
        )
    )
    return record


def _component(identity: str) -> str:
    parts = parse_custom_id(identity)
    return parts.component if parts else "unknown"


def _spent(bills: Bills, tally: "_Tally") -> dict[str, Spent]:
    names = bills.by_component.keys() | tally.answers.keys() | tally.failed.keys()
    spent = {name: Spent(answered=tally.answers[name], failed=tally.failed[name]) for name in sorted(names)}
    for name, bill in bills.by_component.items():
        spent[name] += Spent(usage=TokenCount.of(bill.usage), cost=bill.cost)
    return spent


def _tell_of_odd_lines(run: Run, record: ChunkRecord, index: AnswerIndex) -> None:
    if index.unreadable or index.repeated:
        run.observer.notify(
            Noticed(
                f"Chunk {record.number}: of {index.lines:,} lines in the answer files, {index.unreadable:,} could not "
                f"be read and {index.repeated:,} answered something a second time."
            )
        )


# ── a page of words ────────────────────────────────────────────────────────────────────────────────────────────────


class _Tally:
    """What became of a chunk's requests, counted."""

    def __init__(self) -> None:
        self.answered = 0
        self.answers: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.samples: list[Failure] = []
        self.dropped: Counter[str] = Counter()

    def count(self, answers: Sequence[Answered], failures: Sequence[Failure]) -> None:
        failed = {failure.custom_id for failure in failures}
        usable = [answer.parts.component for answer in answers if answer.custom_id not in failed]
        self.answered += len(usable)
        self.answers.update(usable)
        self.failed.update(_component(failure.custom_id) for failure in failures)
        self.failures.update(failure.kind for failure in failures)
        self.samples += failures[: SAMPLES - len(self.samples)]


async def _store_page(
    run: Run, record: ChunkRecord, page: Sequence[WordOutcome], tally: _Tally, failures: IO[bytes]
) -> None:
    texts = [run.words[outcome.ordinal] for outcome in page]
    entries = await run.store.entries(texts, run.ledger.run.settings.language)
    changes: list[Change] = []
    for outcome, text in zip(page, texts, strict=True):
        made, orphans = _changes(run, record, outcome, entries[text])
        changes += made
        failed = (*outcome.failures, *orphans)
        tally.count(outcome.answers, failed)
        write_failures(failures, outcome.ordinal, failed)
    if changes:
        await run.store.apply(changes)


def _changes(
    run: Run, record: ChunkRecord, outcome: WordOutcome, entries: Iterable[Entry]
) -> tuple[list[Change], list[Failure]]:
    """What a word's answers change, and the answers to which nothing belongs any more."""
    targets = _targets(entries)
    changes: list[Change] = []
    orphans: list[Failure] = []
    for answered in outcome.answers:
        place = targets.get((answered.parts.document, answered.parts.number))
        if place is None:
            detail = "what it is about is no longer in the database"
            orphans.append(Failure(answered.custom_id, FailureReason.ORPHANED, detail))
            continue
        question = run.questions[answered.parts.component]
        entry, target = place
        if answered.mark and question.request(entry, target).mark != answered.mark:
            detail = "the word's definitions changed while it was asked, and the answer goes by their places"
            orphans.append(Failure(answered.custom_id, FailureReason.ORPHANED, detail))
            continue
        provenance = _provenance(run, record, question, answered, replace=question.replaces(target, run.brief))
        change = question.recipe.change(entry, target, answered.answer, provenance)
        if change is not None:
            changes.append(change)
    return changes, orphans


def _targets(entries: Iterable[Entry]) -> dict[tuple[str, int | None], tuple[Entry, Target]]:
    """What a custom id can name in these entries, by document and number."""
    targets: dict[tuple[str, int | None], tuple[Entry, Target]] = {}
    for entry in entries:
        targets[entry.id, None] = (entry, entry)
        targets.update({(each.id, None): (entry, each) for each in (*entry.sources, *entry.definitions)})
        targets.update({(entry.id, each.number): (entry, each) for each in clusters_of(entry)})
    return targets


def _provenance(run: Run, record: ChunkRecord, question: Question, answered: Answered, *, replace: bool) -> Provenance:
    settings = run.ledger.run.settings
    return Provenance(
        answered.custom_id,
        _stamp(run, record, question),
        _time(record.completed_at),
        answered.usage,
        settings.language,
        language_name(settings.language),
        replace,
        clustering=SynthesisComponent.CLUSTER_DEFINITIONS in run.questions,
        rare_first=settings.frequency_scale == "rare-first",
    )


def _stamp(run: Run, record: ChunkRecord, question: Question) -> Stamp:
    batch_id, component = record.batch_id or "", question.recipe.component
    return Stamp(
        derived_id("stamp", run.ledger.run.id, batch_id, component),
        run.ledger.run.id,
        batch_id,
        _time(record.created_at),
        run.ledger.run.settings.model,
        question.template.fingerprint,
        run.mode,
    )


def _time(epoch: float | None) -> datetime:
    return datetime.fromtimestamp(epoch or 0, UTC)


def _parser(questions: Mapping[str, Question], dropped: Counter[str]) -> Parse:
    def parse(component: str, body: Mapping[str, Any]) -> Any:
        return parse_answer(questions[component].recipe.answer, body, dropped)

    return parse


# ── how a batch ended ──────────────────────────────────────────────────────────────────────────────────────────────


def _absent(record: ChunkRecord) -> Unanswered:
    return Unanswered(FailureReason(record.absent_reason or FailureReason.MISSING), record.absent_detail or "")


def _queue_was_full(job: BatchJob) -> bool:
    return any(error.code == TOKEN_LIMIT_EXCEEDED for error in job.errors)


def _put_back(run: Run, record: ChunkRecord) -> ChunkRecord:
    """A chunk that found the queue full: it waits for its turn, or is cut smaller where none of ours is before it."""
    if not record.alone:
        next_label = record.submission + 1
        return run.move(record, ChunkState.PLANNED, submission=next_label, batch_id=None, created_at=None)
    _keep_attempts(run.folder(record))
    run.ledger.token_limit = max(1, record.input_tokens // 2)
    run.observer.notify(
        Noticed(
            f"Chunk {record.number} alone passes the account's limit of queued tokens; "
            f"it is cut again into chunks of at most {run.ledger.token_limit:,} tokens."
        )
    )
    return run.move(record, ChunkState.SPLIT)


def _keep_attempts(folder: Path) -> None:
    """Note how often each request of a split chunk had been tried before, so that the next chunk counts on."""
    with private_file(folder / "failures.partial") as out:
        _copy_carried(folder, out)
        for expected in read_expected(folder):
            if expected.attempt > 1:
                before = Failure(expected.custom_id, FailureReason.MISSING, "", expected.attempt - 1, expected.boost)
                write_failures(out, expected.ordinal, [before])
        sync(out)
    (folder / "failures.partial").replace(folder / "failures.jsonl")


def _copy_carried(folder: Path, out: IO[bytes]) -> None:
    for ordinal, failure in read_failures(folder / "carried.jsonl"):
        write_failures(out, ordinal, [failure])
