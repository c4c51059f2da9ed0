"""The split of a chunk whose batch the service did not accept, and its return to PLANNED while the queue is full.

The account's limit of queued tokens is learned from the service's message. A split chunk keeps the number of attempts
of its requests.
"""

import re
from decimal import Decimal
from typing import IO

from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.files import ChunkFolder, replacing
from floridify_batch.pipeline.chunk import read_expected, read_failures, write_failures
from floridify_batch.run.event import Notice, Waiting
from floridify_batch.run.ledger import ChunkRecord, ChunkState
from floridify_batch.run.state import Run


async def full_queue(run: Run, record: ChunkRecord, message: str, *, alone: bool) -> ChunkRecord | None:
    """Move a chunk that found the account's queue full back to PLANNED, or split it if it is too large for the empty
    queue.

    `alone`: no other batch of this run was in flight. Returns None for a chunk that cannot be split.
    """
    if not alone:
        return plan_again(run, record)
    # The list shows one project's batches, the limit may be for all projects: a word within it fits when they are done.
    # Several words get one more try: a service may have validated a batch first that was created after theirs.
    is_first = not record.former_batches
    within = (record.words == 1 or is_first) and (_named_limit(message) or 0) >= record.input_tokens
    if within or await run.batches.others(run.ledger.run.id):
        reason = "The account's queue is full of other batches. The batch will be submitted later."
        run.observer.notify(Waiting(f"Batch {record.number}: {reason}"))
        return plan_again(run, record)
    return _split_to_fit(run, record, message) if record.words > 1 else None


_NAMED_LIMIT = re.compile(r"[Ll]imit:?\s*(\d[\d,._]*)")

_LIMIT_MARGIN = Decimal("0.95")
"""Share of a named limit that chunks may use: input tokens are estimates."""


def _split_to_fit(run: Run, record: ChunkRecord, message: str) -> ChunkRecord:
    """Split a chunk that does not fit into the empty queue; the smallest limit that was learned is kept."""
    limit = _named_limit(message)
    if limit is None or limit >= record.input_tokens:
        limit = max(1, record.input_tokens // 2)
    run.ledger.token_limit = min(run.ledger.token_limit or limit, limit)
    run.observer.notify(
        Notice(
            f"Batch {record.number} alone exceeds the account's limit of queued tokens; "
            f"it is split into batches of at most {run.ledger.token_limit:,} tokens."
        )
    )
    return split(run, record)


def _named_limit(message: str) -> int | None:
    """Return the limit that a message names, less a margin; None if it names none."""
    named = _NAMED_LIMIT.search(message)
    digits = re.sub(r"\D", "", named[1]) if named else ""
    return max(1, int(int(digits) * _LIMIT_MARGIN)) if digits else None


def split(run: Run, record: ChunkRecord) -> ChunkRecord:
    """Split a chunk of which nothing was stored: its words are planned again, in other chunks."""
    _keep_attempts(run.folder(record))
    return run.move(record, ChunkState.SPLIT)


def plan_again(run: Run, record: ChunkRecord) -> ChunkRecord:
    """Move a chunk without answers back to PLANNED: it is submitted again with a new label, from the present file."""
    return run.move(
        record,
        ChunkState.PLANNED,
        submission=record.submission + 1,
        batch_id=None,
        created_at=None,
        finished=0,
        former_batches=(*record.former_batches, *filter(None, [record.batch_id])),
    )


def _keep_attempts(folder: ChunkFolder) -> None:
    """Keep the number of earlier attempts of each request of a split chunk, so that the next chunk continues
    the count.
    """
    with replacing(folder.failures) as out:
        copy_carried(folder, out)
        for expected in read_expected(folder):
            if expected.attempt > 1:
                before = Failure(
                    expected.custom_id, FailureReason.MISSING, "", expected.attempt - 1, expected.cap_doublings
                )
                write_failures(out, expected.ordinal, [before])


def copy_carried(folder: ChunkFolder, out: IO[bytes]) -> None:
    for ordinal, failure in read_failures(folder.carried):
        write_failures(out, ordinal, [failure])
