"""The road of a run up to the gate: words are looked up and planned as a run would, with nothing written or sent."""

from collections.abc import Callable, Mapping, Sequence
from itertools import batched

from floridify_batch.chunks import Limits, group
from floridify_batch.entry_stores import EntryReader
from floridify_batch.estimates import Estimate
from floridify_batch.failures import Failure
from floridify_batch.planning import Brief, planned
from floridify_batch.run import PAGE_WORDS

_NO_FAILURES: Mapping[str, Failure] = {}


async def survey(
    words: Sequence[str],
    store: EntryReader,
    asked: Brief,
    *,
    language: str,
    model: str,
    limits: Limits,
    progress: Callable[[int, int], None],
) -> Estimate:
    """What these words would ask and cost, planned and packed as a run would, with nothing written or sent."""
    estimate = Estimate(model)
    for page in batched(words, PAGE_WORDS):
        entries = await store.entries(page, language)
        for text in page:
            plans = [planned(entry, asked, _NO_FAILURES) for entry in entries[text]]
            packed = group(0, [request for each in plans for request in each.requests], _NO_FAILURES)
            estimate.add_word(entries[text], plans, packed)
            if packed.lines:
                estimate.pack(packed.size, limits)
        progress(estimate.words, len(words))
    return estimate
