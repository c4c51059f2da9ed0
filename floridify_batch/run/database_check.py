"""The check that a run resumes on its own database, and the adoption of another one.

A document in the database has the number of answers that the run has stored there. Where it is missing, or smaller than
the ledger's number, the database is another one, or was emptied or restored: going on would pay for answers a second
time. So the user decides.
"""

from collections.abc import Iterator, Sequence
from contextlib import aclosing
from functools import partial
from itertools import batched, chain, islice

from floridify_batch.components.entry_store import EntryStore
from floridify_batch.errors import CheckpointError, OtherDatabase
from floridify_batch.pipeline.chunk import expected_pages, read_ordinals
from floridify_batch.run.chunk_split import split
from floridify_batch.run.event import Notice
from floridify_batch.run.ledger import COMMITTED, SETTLED, ChunkRecord, ChunkState, Ledger
from floridify_batch.run.result_collection import STORE_PAGE_WORDS, bills_of, indexed, settled_pages, store_page
from floridify_batch.run.state import Run
from floridify_batch.words.entry import Entry

_SAMPLE_WORDS = 100
"""Finished words whose entries are searched for answers of a run that has no document."""


async def check_database(
    ledger: Ledger, words: Sequence[str], store: EntryStore, *, place: str = "", elsewhere: bool = False
) -> None:
    """Raise `OtherDatabase` where the database does not hold what the run has stored.

    `elsewhere`: its address is another one than before. A run of an older version, which has no document, is
    recognised by the answers that its words bear.
    """
    if not ledger.chunks:
        return
    stored = await store.stored_answers(ledger.run.id)
    if stored is not None and stored >= ledger.stored_answers:
        return
    if stored is None and not ledger.database_noted:
        own = await _holds_answers(ledger, words, store) if ledger.stored_answers else not elsewhere
        if own:
            return
    raise other_database(ledger, place or store.name, stored)


def other_database(ledger: Ledger, place: str, stored: int | None = None) -> OtherDatabase:
    """Return the error of a database that does not hold what the run has stored; `stored`: what it holds, if known."""
    expected = f"{ledger.stored_answers:,} answers of this run"
    found = f"has no record of the {expected}" if stored is None else f"has {stored:,} of the {expected}"
    return OtherDatabase(
        f"The database {place} {found} that the checkpoint says are stored. It is another database, or it was emptied "
        "or restored, or the checkpoint was moved without the folder of its MongoDB. Nothing was sent or changed. Name "
        "the run's own database with --mongo-url, or pass --accept-database to continue with this one: answers that "
        "are still on disk are stored again, and the others are requested, and paid for, again."
    )


async def _holds_answers(ledger: Ledger, words: Sequence[str], store: EntryStore) -> bool:
    """Whether any of a sample of finished words bears an answer of the run."""
    finished = [*ledger.processed_words, *ledger.incomplete_words] or words
    sample = list(islice(finished, 0, None, max(1, len(finished) // _SAMPLE_WORDS)))
    entries = await store.entries(sample, ledger.run.settings.language)
    return any(ledger.run.id in _runs_of(entry) for found in entries.values() for entry in found)


def _runs_of(entry: Entry) -> Iterator[str]:
    """The runs whose answers an entry bears."""
    for stamps in (entry.stamps, entry.entry_stamps, *(each.stamps for each in entry.definitions)):
        yield from (stamp.run for stamp in stamps.values())


async def adopt_database(run: Run) -> None:
    """Store what is on disk in a database that does not hold it, and plan again every word that is not in flight."""
    await run.store.ensure_indexes()
    for record in list(run.ledger.in_state(*SETTLED)):
        try:
            await run.exclusively(partial(_store_again, run, record))
        except CheckpointError as error:
            run.observer.notify(Notice(f"Batch {record.number} is requested again: {error}"))
    for record in list(run.ledger.in_state(ChunkState.PLANNED)):
        split(run, record)  # its requests are about documents that may not be here
    in_flight = run.ledger.in_state(*COMMITTED, ChunkState.LOST)
    held = {ordinal for record in in_flight for ordinal in read_ordinals(run.folder(record))}
    for page in batched(sorted(held), STORE_PAGE_WORDS):
        await _create_words(run, page)  # without a document, they would count as deleted since their requests
    run.ledger.reopen(held)
    run.save()
    await run.store.note_stored_answers(run.ledger.run.id, run.ledger.stored_answers)


async def _create_words(run: Run, ordinals: Sequence[int]) -> None:
    """Create the documents of words that have none."""
    entries = chain.from_iterable(await run.entries(ordinals))
    await run.store.ensure_words(entry.word for entry in entries if not entry.word.stored)


async def _store_again(run: Run, record: ChunkRecord) -> None:
    """Store the answers of a chunk whose files are on disk; the ledger has them already. Raises `CheckpointError`."""
    folder = run.folder(record)
    paths = [path.absolute() for path in folder.answers if path.exists()]
    if not (paths and folder.expected.exists()):
        return
    for page in expected_pages(folder, STORE_PAGE_WORDS):
        await _create_words(run, page.ordinals)
    index = await indexed(run.pool, paths, bills_of(run, record))
    async with aclosing(settled_pages(run, record, index, paths)) as settled:
        async for given, page_settled in settled:
            _, refusal = await store_page(run, record, given, page_settled)
            if refusal:
                raise refusal
