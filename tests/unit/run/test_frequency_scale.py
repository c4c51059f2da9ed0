"""The scale of frequency bands: named, stored, or Floridify's."""

import pytest

from floridify_batch.components.change import SchemaVersion
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.run.frequency_scale import resolved_scale
from floridify_batch.words.entry import FrequencyScale
from tests.fakes import MemoryStore
from tests.ledgers import run_info, run_settings

COMMON, RARE = FrequencyScale.COMMON_FIRST, FrequencyScale.RARE_FIRST
TODAY, JULY = SchemaVersion.TODAY, SchemaVersion.JULY_2025


def store_of(schema: SchemaVersion, *scales: FrequencyScale) -> MemoryStore:
    store = MemoryStore()
    store.schema, store.scales = schema, frozenset(scales)
    return store


@pytest.mark.parametrize(
    ("schema", "stored", "named", "scale", "contradicts"),
    [
        (TODAY, (), None, RARE, False),
        (JULY, (), None, COMMON, False),
        (TODAY, (RARE,), None, RARE, False),
        (TODAY, (COMMON,), None, COMMON, True),
        (JULY, (RARE,), None, RARE, True),
        (TODAY, (COMMON, RARE), None, RARE, False),
        (TODAY, (COMMON,), RARE, RARE, False),
        (JULY, (), RARE, RARE, False),
    ],
)
async def test_the_scale_of_a_run(
    schema: SchemaVersion,
    stored: tuple[FrequencyScale, ...],
    named: FrequencyScale | None,
    scale: FrequencyScale,
    contradicts: bool,
) -> None:
    """The option precedes stored bands, and those precede Floridify's version; a contradiction names the option."""
    settings = run_settings(components=(SynthesisComponent.FREQUENCY_BAND,), frequency_scale=named)
    found = await resolved_scale(settings, store_of(schema, *stored))
    assert (found.value, found.contradicts) == (scale, contradicts)
    assert ("--frequency-scale" in found.note) == contradicts
    assert bool(found.note) == (contradicts or len(stored) > 1)


async def test_a_run_without_bands_is_not_asked() -> None:
    """A run without the frequency component has no contradiction."""
    settings = run_settings(components=(SynthesisComponent.SYNONYMS,), frequency_scale=None)
    assert (await resolved_scale(settings, store_of(TODAY, COMMON))).note == ""


def test_an_open_scale_makes_no_other_run() -> None:
    """The same command again continues its run, with the scale of its start."""
    begun, again = run_info(frequency_scale=RARE), run_info(frequency_scale=None)
    assert begun.differences(again) == []
    assert begun.differences(run_info(frequency_scale=COMMON)) != []
