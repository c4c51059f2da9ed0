"""The scale of a run's frequency bands: which end is band 1, and a note if the database is ambiguous.

Prompts count from the commonest senses. Today's Floridify stores 5 for the commonest, that of July 2025 stored 1.
"""

from dataclasses import dataclass

from floridify_batch.components.change import SchemaVersion
from floridify_batch.components.entry_store import EntryReader
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.run.run_settings import RunSettings
from floridify_batch.words.entry import FrequencyScale

_BY_SCHEMA = {
    SchemaVersion.TODAY: FrequencyScale.RARE_FIRST,
    SchemaVersion.JULY_2025: FrequencyScale.COMMON_FIRST,
}
"""The scale of each version of Floridify."""

_COMMONEST = {FrequencyScale.RARE_FIRST: 5, FrequencyScale.COMMON_FIRST: 1}


@dataclass(frozen=True, slots=True)
class ResolvedScale:
    """The scale of a run, with a note for the estimate. `contradicts`: stored bands of ours differ from Floridify's."""

    value: FrequencyScale
    note: str = ""
    contradicts: bool = False


async def resolved_scale(settings: RunSettings, store: EntryReader) -> ResolvedScale:
    """The scale that the settings name, or that of the bands which we have stored, or that of Floridify's version."""
    usual = _BY_SCHEMA[store.schema]
    if settings.frequency_scale is not None:
        return ResolvedScale(settings.frequency_scale)
    if SynthesisComponent.FREQUENCY_BAND not in settings.components:
        return ResolvedScale(usual)
    ours = await store.band_scales()
    if len(ours) > 1:
        note = f"Frequency bands are stored on both scales here; new ones are {_described(usual)}, as Floridify's are."
        return ResolvedScale(usual, note)
    scale = next(iter(ours), usual)
    if scale is usual:
        return ResolvedScale(scale)
    note = (
        f"Frequency bands stored by batch-synth are {_described(scale)} here, Floridify's are {_described(usual)}; new "
        f"ones are {_described(scale)}. To choose, pass --frequency-scale {scale} or --frequency-scale {usual}."
    )
    return ResolvedScale(scale, note, contradicts=True)


def _described(scale: FrequencyScale) -> str:
    return f"{scale} ({_COMMONEST[scale]} = commonest)"
