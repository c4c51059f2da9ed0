"""Result collection: downloads, settles and stores a batch that has ended, whatever its final status.

Finished answers are billed in every case and used in every case: those of an expired or cancelled batch are stored like
those of a completed one, and only the other requests are retried.
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from floridify_batch.components.change import WriteOutcome
from floridify_batch.components.failure import FailureReason, Unanswered
from floridify_batch.costs.answer_length import BatchLengths, Observed, pack_tokens
from floridify_batch.costs.price import Bills
from floridify_batch.costs.usage import Spent, Usage
from floridify_batch.errors import AnswersOutdated, DatabaseError, EditedMeanwhile, ServiceError, stops_run
from floridify_batch.files import replacing, sync_folder
from floridify_batch.formatting import counted
from floridify_batch.pipeline.change_derivation import Origin, PageToSettle, SettledPage, Tally, settle_words
from floridify_batch.pipeline.chunk import expected_pages, read_expected
from floridify_batch.pipeline.settlement import (
    AnswerIndex,
    BlockToIndex,
    billed,
    blocks_of,
    index_lines,
    refuse_invented,
)
from floridify_batch.providers.interface import BatchJob
from floridify_batch.providers.transfer import fetch_answers, refusal, unanswered
from floridify_batch.retry import QUEUE_FULL
from floridify_batch.run.chunk_split import copy_carried, full_queue, plan_again, split
from floridify_batch.run.event import ChunkSettled, Notice, PartStored
from floridify_batch.run.form_refusal import form_refused, refusal_of
from floridify_batch.run.ledger import ChunkRecord, ChunkState
from floridify_batch.run.state import Run
from floridify_batch.run.worker import WorkerPool, map_in_order
from floridify_batch.timing import ThrottledProgress, whole_milliseconds
from floridify_batch.words.entry import DocId, FrequencyScale

OUTDATED_ANSWERS, OUTDATED_SHARE = 100, 0.05
"""The number and the share of outdated answers of a batch above both of which a run stops instead of repeating their
requests."""

STORE_PAGE_WORDS = 40
"""Words whose answers are in memory at the same time: some 1,200 parsed answers and their changes."""

_PAGE_REQUESTS, _MOST_PAGE_WORDS = 1200, 100
"""Words with fewer requests share larger pages, since each page costs a dozen calls of the database."""


async def fetch(run: Run, record: ChunkRecord, job: BatchJob) -> ChunkRecord:
    """Bring a SUBMITTED chunk whose batch has ended to ANSWERED, or back to PLANNED.

    Raises `ServiceRefused` if the batch failed because of the account and has no answers; `UnknownBatch` or
    `IncompleteAnswers`, changing nothing, if the service denies its answers.
    """
    refused = refusal(job)
    if refused and not job.has_answers:
        plan_again(run, record)
        raise refused
    full = next((error for error in job.errors if error.code == QUEUE_FULL), None)
    if job.status == "failed" and full:
        moved = await full_queue(run, record, full.message, alone=record.queue_was_empty)
        if moved is not None:
            return moved
    folder = run.folder(record)
    await fetch_answers(run.batches, job, folder.answers, (each.line_id for each in read_expected(folder)))
    sync_folder(folder.path)
    rest = unanswered(job)
    return run.move(
        record,
        ChunkState.ANSWERED,
        completed_at=(job.completed_at or run.clock()).timestamp(),
        unanswered_reason=rest.reason,
        unanswered_detail=rest.detail,
        service_usage=job.usage,
    )


async def give_up_batch(run: Run, record: ChunkRecord, job: BatchJob | None) -> ChunkRecord:
    """Give a batch up for the user: store the answers that the service returns; the other requests have failed.

    Failed requests are paid for again only by `resume --retry-failed`.
    """
    if job is not None and job.has_answers:
        with suppress(ServiceError):
            await fetch_answers(run.batches, job, run.folder(record).answers)
    run.observer.notify(Notice(f"Batch {record.number} ({record.batch_id}) was given up."))
    record = run.move(
        record,
        ChunkState.LOST,
        completed_at=run.clock().timestamp(),
        unanswered_reason=FailureReason.REJECTED,
        unanswered_detail=f"batch {record.batch_id} was given up",
    )
    return await store(run, record)


async def store(run: Run, record: ChunkRecord, *, skip_refused: bool = False) -> ChunkRecord:
    """Settle an ANSWERED or LOST chunk and store its answers. Idempotent.

    `skip_refused`: give up answers whose write the database refuses. Raises `FormRefused`, or the first of these
    refusals once everything else is stored; the chunk's state then stays.
    """
    tally = Tally()
    bills = await _settle(run, record, tally, skip_refused=skip_refused)
    if reason := refusal_of(run.ledger, record, tally):
        if not run.ledger.is_outdated(record):
            run.record(record, refused=reason)
            raise form_refused(run.ledger, record, reason)
        return split(run, record)
    await run.store.observe(_observed(run, bills, _origin(run, record)))
    if bills.unmetered:
        _notify_unmetered(run, record, bills.unmetered)
    else:
        _report_usage_difference(run, record, bills.usage)
    # Before the ledger: the database must never seem to hold less than the ledger says.
    await run.store.note_stored_answers(run.ledger.run.id, run.ledger.stored_answers + tally.answered)
    record = _record_totals(run, record, bills, tally)
    _stop_if_outdated(record, tally.failures[FailureReason.OUTDATED])
    return record


async def _settle(run: Run, record: ChunkRecord, tally: Tally, *, skip_refused: bool) -> Bills:
    """Store the answers of a chunk, write its failures, and return its bills."""
    paths = [path.absolute() for path in run.folder(record).answers if path.exists()]
    index, bills = await _indexed_chunk(run, record, paths)
    settled, refused = await run.exclusively(partial(_store_pages, run, record, index, paths, one_by_one=skip_refused))
    tally.add(settled)
    if refused and not skip_refused:
        raise refused
    return bills


async def _store_pages(
    run: Run, record: ChunkRecord, index: AnswerIndex, paths: Sequence[Path], *, one_by_one: bool
) -> tuple[Tally, DatabaseError | None]:
    """Store the answers of a chunk page by page and write its failures; the counts, and the last refusal of a write."""
    folder, tally = run.folder(record), Tally()
    progress = ThrottledProgress(lambda done, total: run.observer.notify(PartStored(record.number, done, total)))
    refused: DatabaseError | None = None
    run.finished[record.number] = set()
    with replacing(folder.failures) as failures:
        copy_carried(folder, failures)
        # A refused write ends those of its page, since later ones name what it makes; so a word's refusal costs itself.
        page_words = 1 if one_by_one else _page_words(record)
        async with aclosing(settled_pages(run, record, index, paths, page_words)) as settled:
            async for given, page in settled:
                stored, refusal = await store_page(run, record, given, page)
                failures.write(stored.failures)
                tally.add(stored.tally)
                refused = refusal or refused
                progress(tally.settled, record.requests)
    return tally, refused


def _page_words(record: ChunkRecord) -> int:
    """The words of a page of a chunk's answers."""
    alike = _PAGE_REQUESTS * record.words // max(1, record.requests)
    return max(STORE_PAGE_WORDS, min(_MOST_PAGE_WORDS, alike))


_EDITS = 5
"""The number of times that a page is settled while somebody edits the documents that it is about to write."""


async def store_page(
    run: Run, record: ChunkRecord, given: PageToSettle, page: SettledPage
) -> tuple[SettledPage, DatabaseError | None]:
    """Apply the writes of a page; settle it once more if a value was edited since it was read.

    Returns the page as it was settled last, and the error if the database refuses one of its writes.
    """
    refusal: DatabaseError | None = None
    for _ in range(_EDITS):
        try:
            if page.writes:
                _note_written(run, record, page, await run.store.apply(page.writes))
        except EditedMeanwhile as error:
            refusal = error
            page = await run.pool.begin(settle_words, await _read_again(run, given))
        except DatabaseError as error:
            if stops_run(error):
                raise
            return page, error
        else:
            return page, None
    return page, refusal


def _note_written(run: Run, record: ChunkRecord, page: SettledPage, outcome: WriteOutcome) -> None:
    """Report edited copies that stay, and note the finished words of a chunk unless a document is gone."""
    if outcome.edited:
        run.observer.notify(Notice(f"Batch {record.number}: {edited_copies(outcome.edited)}"))
    if record.number in run.finished and outcome.updated == len(page.writes.updates):
        run.finished[record.number].update(page.finished)


async def _read_again(run: Run, given: PageToSettle) -> PageToSettle:
    """A page with its words as they are stored now."""
    return given._replace(entries=await run.entries(dict.fromkeys(each.ordinal for each in given.expected)))


_SHOWN_WORDS = 5


def edited_copies(words: Sequence[str]) -> str:
    """A sentence about edited copies that stay in the entries of words."""
    more = f" and {len(words) - _SHOWN_WORDS:,} more" if len(words) > _SHOWN_WORDS else ""
    return (
        f"definitions of {', '.join(words[:_SHOWN_WORDS])}{more} that somebody has edited stay beside the new ones "
        "that were written from them and others; compare both with `batch-synth show`."
    )


async def _indexed_chunk(run: Run, record: ChunkRecord, paths: Sequence[Path]) -> tuple[AnswerIndex, Bills]:
    """Index a chunk's answer files and bill their answers, at the rates of the chunk's model."""
    bills = bills_of(run, record)
    index = await indexed(run.pool, paths, bills)
    requested = (each.line_id for each in read_expected(run.folder(record)))
    # The service may have answered, and billed, each request of a batch that was given up.
    bills, foreign = billed(index, paths, requested, bills, short=record.state is ChunkState.LOST)
    if foreign:
        run.observer.notify(
            Notice(
                f"Batch {record.number}: the answer files hold {len(foreign):,} ids that were not requested, such as "
                f"{min(foreign)}. They are ignored and not billed to this run."
            )
        )
    refuse_invented(index, run.store.name)
    _report_odd_lines(run, record, index)
    return index, bills


def bills_of(run: Run, record: ChunkRecord) -> Bills:
    """Return empty bills at the rates of a chunk's model and mode."""
    ledger = run.ledger
    return Bills(ledger.model_of(record), batch=run.mode_of(record) == "batch", price=ledger.price_of(record))


def _record_totals(run: Run, record: ChunkRecord, bills: Bills, tally: Tally) -> ChunkRecord:
    """Add the usage, the cost and the counts of a stored chunk to the ledger, and notify the observer."""
    usage, cost = bills.usage, bills.cost
    run.ledger.spend(_spent(bills, tally))
    record = run.move(
        record,
        ChunkState.STORED,
        answered=tally.answered,
        billed=bills.requests,
        unmetered=bills.unmetered,
        failures=dict(tally.failures),
        usage=usage,
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
            tally.repairs["dropped"],
            tally.repairs["repaired"],
        )
    )
    return record


def _stop_if_outdated(record: ChunkRecord, outdated: int) -> None:
    if outdated > OUTDATED_ANSWERS and outdated > OUTDATED_SHARE * record.requests:
        raise AnswersOutdated(
            f"Of {record.requests:,} answers of batch {record.number}, {outdated:,} are about definitions that have "
            "changed since the request, and were not stored. To send these requests once more, at their full price: "
            "batch-synth resume"
        )


def _notify_unmetered(run: Run, record: ChunkRecord, answers: int) -> None:
    sentence = f"Batch {record.number}: the usage of {counted(answers, 'answer')} is unknown"
    run.observer.notify(Notice(f"{sentence}, and so is the cost; --max-cost counts the expected cost."))


def _spent(bills: Bills, tally: Tally) -> dict[str, Spent]:
    names = bills.by_component.keys() | tally.answers.keys() | tally.failed.keys()
    spent = {name: Spent(answered=tally.answers[name], failed=tally.failed[name]) for name in sorted(names)}
    for name, bill in bills.by_component.items():
        spent[name] += Spent(billed=bill.requests, unmetered=bill.unmetered, usage=bill.usage, cost=bill.cost)
    return spent


def _observed(run: Run, bills: Bills, origin: Origin) -> dict[DocId, BatchLengths]:
    """Return the lengths of a batch's answers by stamp, for the next estimate with this database."""
    seen = ((run.questions[name], bill) for name, bill in bills.by_component.items() if name in run.questions)
    return {
        origin.stamp(question).id: BatchLengths(
            question.recipe.component,
            question.shape,
            Observed(bill.requests, max(0, bill.usage.output - pack_tokens(bill.packed, bill.packs))),
        )
        for question, bill in seen
        if bill.requests
    }


def _report_usage_difference(run: Run, record: ChunkRecord, usage: Usage) -> None:
    """Report a difference between the usage that the service states for a batch and the sum over its answers."""
    stated = record.service_usage
    if stated and (stated.input, stated.output) != (usage.input, usage.output):
        run.observer.notify(
            Notice(
                f"Batch {record.number}: the service reports {stated.input:,} input and {stated.output:,} output "
                "tokens, "
                f"but its answers add up to {usage.input:,} and {usage.output:,}. The cost is calculated from the "
                "answers."
            )
        )


def _report_odd_lines(run: Run, record: ChunkRecord, index: AnswerIndex) -> None:
    if index.unreadable or index.repeated:
        run.observer.notify(
            Notice(
                f"Batch {record.number}: of {index.lines:,} lines in the answer files, {index.unreadable:,} could not "
                f"be read and {index.repeated:,} were duplicates."
            )
        )


# ── a page of words ────────────────────────────────────────────────────────────────────────────────────────────────


async def indexed(pool: WorkerPool, paths: Sequence[Path], bills: Bills) -> AnswerIndex:
    """Yield the index of the answer files, and add the usage of their answers to the bills."""
    index = AnswerIndex()

    async def blocks() -> AsyncIterator[BlockToIndex]:
        for file, path in enumerate(paths):
            for offset, length in blocks_of(path):
                yield BlockToIndex(file, str(path), offset, length, bills.blank())

    async with aclosing(map_in_order(pool, index_lines, blocks())) as found:
        async for file, block, billed_lines in found:
            index.add(file, block)
            bills.join(billed_lines)
    return index


async def settled_pages(
    run: Run, record: ChunkRecord, index: AnswerIndex, paths: Sequence[Path], page_words: int = STORE_PAGE_WORDS
) -> AsyncGenerator[tuple[PageToSettle, SettledPage]]:
    """A chunk's words, page by page without their entries, with the writes, failures and counts of their answers."""
    given: deque[PageToSettle] = deque()

    async def pages() -> AsyncIterator[PageToSettle]:
        async for page in _pages_to_settle(run, record, index, paths, page_words):
            given.append(page._replace(entries=()))
            yield page

    async with aclosing(map_in_order(run.pool, settle_words, pages())) as settled:
        async for page in settled:
            yield given.popleft(), page


async def _pages_to_settle(
    run: Run, record: ChunkRecord, index: AnswerIndex, paths: Sequence[Path], page_words: int
) -> AsyncIterator[PageToSettle]:
    """A chunk's words, page by page, with the positions of their answer lines and their stored entries."""
    absent, origin = _absent(record), _origin(run, record)
    for page in expected_pages(run.folder(record), page_words):
        entries = await run.entries(page.ordinals)
        yield PageToSettle(
            page.expected,
            [index.places.get(each.line_id) for each in page.expected],
            [str(path) for path in paths],
            entries,
            absent,
            origin,
        )


def _origin(run: Run, record: ChunkRecord) -> Origin:
    """Return the origin of a chunk's answers."""
    settings, form = run.ledger.run.settings, record.form
    return Origin(
        run.ledger.run.id,
        record.batch_id or "",
        _time(record.created_at),
        _time(record.completed_at),
        run.ledger.model_of(record),
        run.mode_of(record),
        settings.language,
        rare_first=settings.frequency_scale is FrequencyScale.RARE_FIRST,
        schema=run.store.schema,
        templates=form.template_digest if form and not form.fingerprints else None,
        fingerprints=form.fingerprints if form else {},
    )


def _time(epoch: float | None) -> datetime:
    # A finer time would differ from the stored one.
    return whole_milliseconds(datetime.fromtimestamp(epoch or 0, UTC))


# ── how a batch ended ──────────────────────────────────────────────────────────────────────────────────────────────


def _absent(record: ChunkRecord) -> Unanswered:
    return Unanswered(FailureReason(record.unanswered_reason or FailureReason.MISSING), record.unanswered_detail or "")
