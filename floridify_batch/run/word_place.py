"""The place of each word of the list: finished, in a chunk, or not planned yet."""

from array import array
from collections.abc import Iterator
from itertools import batched, chain, groupby

from floridify_batch.files import ChunkFolder
from floridify_batch.pipeline.chunk import read_expected, read_ordinals
from floridify_batch.run.ledger import ChunkRecord, ChunkState
from floridify_batch.run.state import Run

NOWHERE = 0
FINISHED = -1
"""The place of a word that is in no chunk, and of one without further requests; others are numbers of chunks."""

_SOME_WORDS = 150_000


def settled_ids(folder: ChunkFolder, record: ChunkRecord) -> Iterator[tuple[int, frozenset[str]]]:
    """The words of a chunk with the ids that were settled in it; none for a chunk that was split.

    A preflight may hold words without requests, whose packs it has no use for.
    """
    answered = record.state is not ChunkState.SPLIT
    rest = set(read_ordinals(folder, record.words)) if record.preflight else set()
    for ordinal, expected in groupby(read_expected(folder), key=lambda each: each.ordinal):
        rest.discard(ordinal)
        yield ordinal, frozenset(each.custom_id for each in expected) if answered else frozenset()
    yield from ((ordinal, frozenset()) for ordinal in sorted(rest))


def places(run: Run) -> "array[int]":
    """Return the state of each word: finished, the number of its last chunk, or not planned yet."""
    place = array("i", bytes(4 * len(run.words)))
    for record in run.ledger.chunks:
        if record.state is not ChunkState.DONE:
            for ordinal in read_ordinals(run.folder(record), record.words):
                place[ordinal] = record.number
    for ordinal in run.ledger.retrying:
        place[ordinal] = NOWHERE
    # In portions: a set of all finished words would take more memory than the rest of the ledger.
    pages = map(frozenset, batched(run.ledger.processed_words, _SOME_WORDS))
    for finished in chain([run.ledger.missing], pages):
        for ordinal, word in enumerate(run.words if finished else ()):
            if word in finished:
                place[ordinal] = FINISHED
    return place
