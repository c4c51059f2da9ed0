"""The table of recipes: every component that can be asked for, in the fields of the Floridify database."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from floridify_batch.components import answer as answers
from floridify_batch.components import definition_outcomes as outcomes
from floridify_batch.components.change import Collection
from floridify_batch.components.recipe import (
    DefinitionRecipe,
    Outcome,
    Provenance,
    Recipe,
    SynthesisComponent,
)
from floridify_batch.components.word_recipes import (
    CLUSTER_DEFINITIONS,
    DEFINED,
    DEFINITION_TEXT,
    DEFINITIONS,
    ETYMOLOGY,
    FACTS,
    PHRASES,
    PRONUNCIATION,
    SYNONYM_CHOOSER,
)
from floridify_batch.errors import UsageError
from floridify_batch.words.entry import Definition, Entry


def _single[R: BaseModel](
    component: SynthesisComponent,
    answer: type[R],
    field: str,
    variables: tuple[str, ...],
    value: Callable[[R], Any],
    *,
    output_tokens: int,
    output_cap: int,
    count: int = 0,
) -> DefinitionRecipe[R]:
    """A recipe whose answer becomes the value of one field."""

    def outcome(_: Entry, __: Definition, answer: R, ___: Provenance) -> Outcome:
        return Outcome({field: value(answer)})

    return DefinitionRecipe(component, answer, field, variables, outcome, output_tokens, output_cap, count, DEFINED)


SYNONYMS = DefinitionRecipe(
    SynthesisComponent.SYNONYMS,
    answers.SynonymGenerationResponse,
    field="synonyms",
    variables=("word", "part_of_speech", "definition", "existing_synonyms"),
    outcome=outcomes.synonyms,
    output_tokens=230,
    output_cap=2000,
    count=5,
    needs=DEFINED,
)
ANTONYMS = DefinitionRecipe(
    SynthesisComponent.ANTONYMS,
    answers.AntonymResponse,
    field="antonyms",
    variables=("word", "part_of_speech", "definition", "existing_antonyms"),
    outcome=outcomes.antonyms,
    output_tokens=120,
    output_cap=2000,
    count=3,
    needs=DEFINED,
)
EXAMPLES = DefinitionRecipe(
    SynthesisComponent.EXAMPLES,
    answers.ExampleGenerationResponse,
    field="example_ids",
    variables=("word", "part_of_speech", "definition"),
    outcome=outcomes.examples,
    output_tokens=55,
    output_cap=1000,
    count=2,
    needs=DEFINED,
    makes=Collection.EXAMPLES,
)
CEFR_LEVEL = _single(
    SynthesisComponent.CEFR_LEVEL,
    answers.CEFRLevelResponse,
    field="cefr_level",
    variables=("word", "definition"),
    value=lambda answer: answer.level,
    output_tokens=45,
    output_cap=600,
)
FREQUENCY_BAND = DefinitionRecipe(
    SynthesisComponent.FREQUENCY_BAND,
    answers.FrequencyBandResponse,
    field="frequency_band",
    variables=("word", "definition"),
    outcome=outcomes.frequency_band,
    output_tokens=45,
    output_cap=600,
    needs=DEFINED,
)
REGISTER = _single(
    SynthesisComponent.REGISTER,
    answers.RegisterClassificationResponse,
    field="language_register",
    variables=("word", "definition"),
    value=lambda answer: answer.register,
    output_tokens=45,
    output_cap=600,
)
DOMAIN = _single(
    SynthesisComponent.DOMAIN,
    answers.DomainIdentificationResponse,
    field="domain",
    variables=("definition",),
    value=lambda answer: answer.domain,
    output_tokens=45,
    output_cap=600,
)
GRAMMAR_PATTERNS = _single(
    SynthesisComponent.GRAMMAR_PATTERNS,
    answers.GrammarPatternResponse,
    field="grammar_patterns",
    variables=("word", "part_of_speech", "definition"),
    value=outcomes.grammar_patterns,
    output_tokens=60,
    output_cap=1000,
    count=2,
)
COLLOCATIONS = _single(
    SynthesisComponent.COLLOCATIONS,
    answers.CollocationResponse,
    field="collocations",
    variables=("word", "part_of_speech", "definition"),
    value=outcomes.collocations,
    output_tokens=110,
    output_cap=1000,
    count=4,
)
USAGE_NOTES = _single(
    SynthesisComponent.USAGE_NOTES,
    answers.UsageNoteResponse,
    field="usage_notes",
    variables=("word", "definition"),
    value=lambda answer: [note.model_dump() for note in answer.notes],
    output_tokens=90,
    output_cap=1000,
    count=2,
)
REGIONAL_VARIANTS = _single(
    SynthesisComponent.REGIONAL_VARIANTS,
    answers.RegionalVariantResponse,
    field="region",
    variables=("definition",),
    value=lambda answer: answer.regions[0] if answer.regions else None,
    output_tokens=15,
    output_cap=600,
)
WORD_FORMS = _single(
    SynthesisComponent.WORD_FORMS,
    answers.WordFormResponse,
    field="word_forms",
    variables=("word", "part_of_speech"),
    value=outcomes.word_forms,
    output_tokens=45,
    output_cap=600,
)

RECIPES: Mapping[SynthesisComponent, Recipe[Any, Any]] = {
    recipe.component: recipe
    for recipe in (
        DEFINITIONS,
        CLUSTER_DEFINITIONS,
        DEFINITION_TEXT,
        PRONUNCIATION,
        ETYMOLOGY,
        PHRASES,
        SYNONYMS,
        ANTONYMS,
        EXAMPLES,
        CEFR_LEVEL,
        FREQUENCY_BAND,
        REGISTER,
        DOMAIN,
        GRAMMAR_PATTERNS,
        COLLOCATIONS,
        USAGE_NOTES,
        REGIONAL_VARIANTS,
        WORD_FORMS,
        FACTS,
        SYNONYM_CHOOSER,
    )
}
"""Every component that can be asked for; each stands behind those that it needs."""

DEFAULT_COMPONENTS = (
    SynthesisComponent.SYNONYMS,
    SynthesisComponent.EXAMPLES,
    SynthesisComponent.ANTONYMS,
    SynthesisComponent.CEFR_LEVEL,
    SynthesisComponent.FREQUENCY_BAND,
    SynthesisComponent.REGISTER,
    SynthesisComponent.DOMAIN,
    SynthesisComponent.REGIONAL_VARIANTS,
    SynthesisComponent.PRONUNCIATION,
    SynthesisComponent.ETYMOLOGY,
)
"""Floridify's default set."""


def components_named(text: str) -> tuple[SynthesisComponent, ...]:
    """The components of `default`, `all` or a comma-separated list, in the table's order. Raises `UsageError`."""
    everything = tuple(RECIPES)
    names = [name.strip().casefold() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError("No component is named; give default, all, or names such as synonyms,examples.")
    sets = {"all": everything, "default": DEFAULT_COMPONENTS}
    if unknown := [name for name in dict.fromkeys(names) if name not in sets and name not in everything]:
        raise UsageError(_no_components(unknown))
    chosen = {component for name in names for component in sets.get(name) or (SynthesisComponent(name),)}
    return tuple(component for component in everything if component in chosen)


def _component(name: str) -> SynthesisComponent:
    try:
        return SynthesisComponent(name)
    except ValueError:
        raise UsageError(_no_components([name])) from None


def _no_components(names: Iterable[str]) -> str:
    """That these are no components, each with its nearest; all there are, where one has none."""
    from difflib import get_close_matches

    said, known = [], ""
    for name in names:
        said.append(f"There is no component {name!r}.")
        if near := get_close_matches(name, list(SynthesisComponent), 1):
            said.append(f"Did you mean {near[0]}?")
        else:
            known = f" Components: {', '.join(SynthesisComponent)}."
    return " ".join(said) + known


def counts_named(texts: Iterable[str]) -> dict[str, int]:
    """How many items are asked for, from texts such as `synonyms=8`. Raises `UsageError`."""
    counts: dict[str, int] = {}
    for text in texts:
        name, _, number = text.partition("=")
        component = _component(name.strip().casefold())
        if not RECIPES[component].count:
            raise UsageError(f"{component} has no count: it is one answer, or as many as there are.")
        if not number.strip().isdecimal() or not 1 <= int(number) <= MAX_COUNT:
            raise UsageError(f"--count {text}: give a number from 1 to {MAX_COUNT}, such as {component}=4.")
        counts[component] = int(number)
    return counts


MAX_COUNT = 30
"""Items that an answer of any component can hold, at the most."""
