"""The component `regional_variants`: the regions to which a sense is confined."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import model_validator

from floridify_batch.components.answer import Answer, Item, OptionalText, Statement, clip, divided, kept, requested_as
from floridify_batch.components.answer_shape import CERTAIN, LeanAnswer, completed
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.label import EnglishRegion, OptionalEnglishRegion
from floridify_batch.components.recipe import DEFINED, DefinitionRecipe
from floridify_batch.costs.answer_length import Spread
from floridify_batch.words.entry import Definition, Entry


class RegionalVariantResponse(Answer):
    """The regions that use a sense; none for a sense that is used everywhere."""

    regions: Annotated[list[Statement], kept(Statement), clip(10), divided()]


class EnglishRegionalVariantResponse(RegionalVariantResponse):
    """The regions that use a sense of English, by Floridify's codes."""

    regions: Annotated[list[EnglishRegion], kept(EnglishRegion), clip(10), divided()]


class _Region(Item):
    """The chief region, which is the one that is stored."""

    region: OptionalText


class _EnglishRegion(Item):
    """The chief region of English, by Floridify's codes."""

    region: OptionalEnglishRegion


class LeanRegionalVariantResponse(RegionalVariantResponse):
    """The chief region that uses a sense, if any."""

    @model_validator(mode="before")
    @classmethod
    def _widen(cls, value: Any) -> Any:
        if isinstance(value, dict) and "region" in value and "regions" not in value:
            region = value["region"]
            value = {name: each for name, each in value.items() if name != "region"}
            value["regions"] = [] if region is None else [region]
        return completed(value, confidence=CERTAIN)

    __get_pydantic_json_schema__ = requested_as(_Region)


class LeanEnglishRegionalVariantResponse(LeanRegionalVariantResponse):
    """The chief region that uses a sense of English, if any."""

    __get_pydantic_json_schema__ = requested_as(_EnglishRegion)


CODES: Mapping[str, str] = {
    **dict.fromkeys(("us", "usa", "united states", "united states of america", "america", "north america"), "US"),
    **dict.fromkeys(("uk", "gb", "united kingdom", "great britain", "britain", "england"), "UK"),
    **dict.fromkeys(("au", "aus", "australia"), "AU"),
    **dict.fromkeys(("ca", "canada"), "CA"),
    **dict.fromkeys(("in", "india"), "IN"),
    **dict.fromkeys(("za", "south africa"), "ZA"),
    **dict.fromkeys(("ie", "ireland"), "IE"),
    **dict.fromkeys(("nz", "new zealand"), "NZ"),
}
"""Floridify's codes of regions, by the names that models give them."""


def outcome(_: Entry, __: Definition, answer: RegionalVariantResponse, ___: Provenance) -> Outcome:
    """The first region, as Floridify's code where it has one: the database has room for one region."""
    first = next(iter(answer.regions), None)
    return Outcome({"region": CODES.get(first.casefold(), first) if first else None})


RECIPE = DefinitionRecipe(
    "regional_variants",
    RegionalVariantResponse,
    field="region",
    variables=("word", "part_of_speech", "definition", "other_senses"),
    outcome=outcome,
    english=EnglishRegionalVariantResponse,
    output_tokens=15,
    stored_answer=LeanAnswer(LeanRegionalVariantResponse, 6, LeanEnglishRegionalVariantResponse),
    spread=Spread(0.8, 1.6),
    output_cap=600,
    needs=DEFINED,
    temperature=0.0,
    floridify_template="assess/regional_variants.md",
)
