"""The scales of the stored frequency bands, by the stamps of our answers."""

from typing import Any

from floridify_batch.components.change import Collection
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.database.layout import STAMPS, Layout
from floridify_batch.database.removal import Finder
from floridify_batch.words.entry import SYNTHESIS, FrequencyScale


async def stored_scales(finder: Finder, layout: Layout) -> frozenset[FrequencyScale]:
    """The scales of the bands that we have stored; those of earlier versions are common-first."""
    component = SynthesisComponent.FREQUENCY_BAND
    query = {"$or": [{"component": component}, {"scale": {"$ne": None}}]}
    stamps: dict[FrequencyScale, list[Any]] = {}
    for stamp in await finder.find(STAMPS, query, ("scale",)):
        scale = FrequencyScale(stamp.get("scale") or FrequencyScale.COMMON_FIRST)
        stamps.setdefault(scale, []).append(stamp["_id"])
    place = f"{SYNTHESIS}.{component}"
    found = [
        scale
        for scale, ids in stamps.items()
        if await finder.find(Collection.DEFINITIONS, {place: layout.referring_to(ids)}, ("_id",), limit=1)
    ]
    return frozenset(found)
