"""Frequency bands in real databases: on the scale of Floridify's version, or on that of the bands before."""

from typing import Any

import pytest

from floridify_batch.database.layout import TODAY, Layout
from floridify_batch.errors import UsageError
from tests.documents import add_known
from tests.integration.test_layouts import make_older
from tests.workspace import Workspace

SECONDS = 0
WORDS = ["calm", "moon", "tide", "wren", "fern"]
RUN: dict[str, Any] = {"components": "frequency_band", "frequency_scale": None}


def bands(workspace: Workspace) -> dict[str, int]:
    found = workspace.database.definitions.find()
    return {each["text"]: each["frequency_band"] for each in found}


@pytest.mark.parametrize("layout", [TODAY, Layout(split_entries=True)], ids=["today's", "July 2025's"])
async def test_bands_are_on_the_databases_scale(workspace: Workspace, layout: Layout) -> None:
    """The same answers are stored as 6 - band for today's Floridify, and unchanged for that of July 2025."""
    other = workspace.beside("asked")
    for place in (workspace, other):
        add_known(place.database, *WORDS)
    if layout != TODAY:
        workspace.database.create_collection("synthesized_dictionary_entries")
        make_older(workspace.database, layout)
    await workspace.run(WORDS, **RUN)
    await other.run(WORDS, components="frequency_band", frequency_scale="common-first")
    asked = bands(other)
    other.database.client.drop_database(other.database.name)
    stored = {text: 6 - band for text, band in asked.items()} if layout == TODAY else asked
    assert bands(workspace) == stored
    assert len(set(asked.values())) > 1


async def test_bands_of_ours_are_not_turned_around(workspace: Workspace) -> None:
    """If the stored generated bands have the opposite direction, a run with --yes stops before anything is sent."""
    add_known(workspace.database, *WORDS)
    await workspace.run(WORDS[:1], components="frequency_band", frequency_scale="common-first")
    workspace.database.synthesis_stamps.update_many({}, {"$unset": {"scale": 1}})  # as earlier versions left them
    with pytest.raises(UsageError, match="pass --frequency-scale common-first or --frequency-scale rare-first"):
        await workspace.run(WORDS[1:2], name="second", **RUN)
    assert (await workspace.run(WORDS[1:2], name="third", components="frequency_band")).code == 0


async def test_a_mixed_database_is_not_refused(workspace: Workspace) -> None:
    """If bands of both directions are stored, a run reports it and uses Floridify's scale."""
    add_known(workspace.database, *WORDS)
    for name, word, scale in (("first", "calm", "common-first"), ("second", "moon", "rare-first")):
        await workspace.run([word], name=name, components="frequency_band", frequency_scale=scale)
    result = await workspace.run(["tide"], name="third", **RUN)
    assert result.ledger.run.settings.frequency_scale == "rare-first"
