"""The registry of components: their names in order, their recipes, and the parsing of `--components` and `--count`."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from importlib import import_module
from typing import Any

from floridify_batch.components.recipe import Recipe
from floridify_batch.errors import UsageError
from floridify_batch.formatting import whole_number


class SynthesisComponent(StrEnum):
    """The name of a component: of its module and prompt, in `--components`, in custom ids and in stamps.

    Each component follows those that it needs; a word's requests are made in this order.
    """

    DEFINITIONS = "definitions"
    CLUSTER_DEFINITIONS = "cluster_definitions"
    DEFINITION_TEXT = "definition_text"
    PRONUNCIATION = "pronunciation"
    ETYMOLOGY = "etymology"
    PHRASES = "phrases"
    SYNONYMS = "synonyms"
    ANTONYMS = "antonyms"
    EXAMPLES = "examples"
    CEFR_LEVEL = "cefr_level"
    FREQUENCY_BAND = "frequency_band"
    REGISTER = "register"
    DOMAIN = "domain"
    GRAMMAR_PATTERNS = "grammar_patterns"
    COLLOCATIONS = "collocations"
    USAGE_NOTES = "usage_notes"
    REGIONAL_VARIANTS = "regional_variants"
    WORD_FORMS = "word_forms"
    FACTS = "facts"
    SYNONYM_CHOOSER = "synonym_chooser"
    JUDGEMENT = "judgement"


def _recipe(component: SynthesisComponent) -> Recipe[Any, Any]:
    recipe: Recipe[Any, Any] = import_module(f"{__package__}.{component}").RECIPE
    return recipe


RECIPES: Mapping[SynthesisComponent, Recipe[Any, Any]] = {each: _recipe(each) for each in SynthesisComponent}
"""The recipe of each component, from the module of its name."""

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


def recipe_of(component: str) -> Recipe[Any, Any]:
    """The recipe of a component by its name. Raises `ValueError` for an unknown one."""
    return RECIPES[SynthesisComponent(component)]


def components_named(text: str, available: Iterable[str] | None = None) -> tuple[SynthesisComponent, ...]:
    """The components of a comma-separated list, in the registry's order: `all,-phrases`. Raises `UsageError`.

    A name behind a minus sign is removed; `all` is every component except those on request, or every `available` one.
    """
    everything = tuple(SynthesisComponent)
    named = [name.strip().casefold() for name in text.split(",") if name.strip()]
    removed = [name[1:].strip() for name in named if name.startswith("-")]
    names = [name for name in named if not name.startswith("-")] or ["default"] * bool(removed)
    if not names:
        raise UsageError("No components. Pass default, all, or names such as synonyms,examples.")
    every = everything if available is None else tuple(map(SynthesisComponent, available))
    every = tuple(each for each in every if not RECIPES[each].on_request)
    sets = {"all": every, "default": DEFAULT_COMPONENTS}
    if unknown := [name for name in dict.fromkeys([*names, *removed]) if name not in {*sets, *everything}]:
        raise UsageError(_unknown_components(unknown))
    chosen, left_out = ({part for name in each for part in sets.get(name, (name,))} for each in (names, removed))
    if not chosen - left_out:
        raise UsageError(f"--components {text}: no component remains.")
    return tuple(component for component in everything if component in chosen - left_out)


def counts_named(texts: Iterable[str]) -> dict[str, int]:
    """Items per answer by component, from texts such as `synonyms=8`. Raises `UsageError`."""
    counts: dict[str, int] = {}
    for text in texts:
        name, _, number = text.partition("=")
        component = _component(name.strip().casefold())
        most = RECIPES[component].max_count
        if not most:
            raise UsageError(f"{component} has no count.")
        count = whole_number(number.strip())
        if count is None or not 1 <= count <= most:
            raise UsageError(f"--count {text}: expected a number from 1 to {most}, such as {component}={most}.")
        counts[component] = count
    return counts


def models_named(texts: Iterable[str]) -> dict[str, str]:
    """The model of each component in texts such as `cefr_level,register=gpt-5-nano`. Raises `UsageError`."""
    models: dict[str, str] = {}
    for text in texts:
        names, _, model = text.partition("=")
        if not model.strip():
            raise UsageError(f"--model-for {text}: expected components and a model, such as register=gpt-5-nano.")
        models |= {component: model.strip() for component in components_named(names)}
    return models


def _component(name: str) -> SynthesisComponent:
    try:
        return SynthesisComponent(name)
    except ValueError:
        raise UsageError(_unknown_components([name])) from None


def _unknown_components(names: Iterable[str]) -> str:
    """The error about unknown names, with the nearest component of each; without one, with all components."""
    from difflib import get_close_matches

    sentences, known = [], ""
    for name in names:
        sentences.append(f"Unknown component {name!r}.")
        begun = [each for each in SynthesisComponent if each.startswith(name)]
        if near := begun or get_close_matches(name, list(SynthesisComponent), 1):
            sentences.append(f"Did you mean {near[0]}?")
        else:
            known = f" Components: {', '.join(SynthesisComponent)}."
    return " ".join(sentences) + known
