"""The number of senses of the words that a model has defined."""

from floridify_batch.components.change import Collection
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.costs.answer_length import SenseCount
from floridify_batch.database.layout import STAMPS, Layout
from floridify_batch.database.removal import Finder
from floridify_batch.words.entry import SYNTHESIS

WORDS_COUNTED = 2_000
"""The most entries whose definitions are counted: the mean of more hardly differs."""


async def stored_senses(finder: Finder, layout: Layout, model: str) -> SenseCount:
    """The definitions in synthesis entries that a model's answers to `definitions` have made."""
    query = {"model": model, "component": SynthesisComponent.DEFINITIONS, "answers": {"$gt": 0}}
    stamps = [each["_id"] for each in await finder.find(STAMPS, query, ("_id",))]
    if not stamps:
        return SenseCount()
    made = {
        f"{SYNTHESIS}.{SynthesisComponent.DEFINITIONS}": layout.referring_to(stamps),
        "definition_ids.0": {"$exists": True},
    }
    collection = layout.own_collection(Collection.ENTRIES)
    entries = await finder.find(collection, made, ("definition_ids",), limit=WORDS_COUNTED)
    return SenseCount(len(entries), sum(len(each["definition_ids"]) for each in entries))
