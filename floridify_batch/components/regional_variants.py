"""The component `regional_variants`: the regions to which a sense is confined."""

from typing import Annotated

from floridify_batch.components.answer import Answer, Statement, clip, divided, kept
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.recipe import DEFINED, DefinitionRecipe
from floridify_batch.costs.answer_length import Spread
from floridify_batch.words.entry import Definition, Entry


class RegionalVariantResponse(Answer):
    """The regions that use a sense; none for a sense that is used everywhere."""

    regions: Annotated[list[Statement], kept(Statement), clip(10), divided()]


def outcome(_: Entry, __: Definition, answer: RegionalVariantResponse, ___: Provenance) -> Outcome:
    """The first region: the database has room for one."""
    return Outcome({"region": answer.regions[0] if answer.regions else None})


RECIPE = DefinitionRecipe(
    "regional_variants",
    RegionalVariantResponse,
    field="region",
    variables=("definition",),
    outcome=outcome,
    output_tokens=15,
    spread=Spread(0.8, 1.6),
    output_cap=600,
    needs=DEFINED,
    temperature=0.0,
    floridify_template="assess/regional_variants.md",
)
