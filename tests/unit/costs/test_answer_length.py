"""Expected lengths of answers: first from the defaults, then from measured answers."""

import pytest
from hypothesis import given, strategies as st

from floridify_batch.components.registry import RECIPES, SynthesisComponent
from floridify_batch.costs.answer_length import Observed, Origin, measured, prior
from floridify_batch.costs.usage import CACHED_FROM
from floridify_batch.pipeline.brief import brief


def test_every_component_has_a_spread() -> None:
    """The expected length of each component lies within its spread."""
    assert all(0 < recipe.spread.low < 1 < recipe.spread.high for recipe in RECIPES.values())


def test_the_table() -> None:
    """Without measured answers, the recipe's length is expected, within its spread."""
    length = prior(100, RECIPES[SynthesisComponent.EXAMPLES].spread)
    assert length.of(10) == (700, 1000, 1400)
    assert length.origin is Origin.PRIOR


@given(st.integers(1, 10**6), st.integers(1, 2000), st.sampled_from(SynthesisComponent))
def test_measured(answers: int, tokens: int, component: SynthesisComponent) -> None:
    """Measured lengths replace the default; more answers narrow the range, but never to a single value."""
    spread = RECIPES[component].spread
    length = measured(Observed(answers, answers * tokens), Origin.RUN, spread)
    more = measured(Observed(answers * 4, answers * 4 * tokens), Origin.RUN, spread)
    assert length.expected == tokens
    assert length.low <= more.low < tokens < more.high <= length.high
    assert tokens * spread.low <= length.low
    assert length.high <= tokens * spread.high


def test_observed_adds_up() -> None:
    """The lengths measured in several batches are merged."""
    assert Observed(2, 50) + Observed(3, 10) == Observed(5, 60)


@pytest.mark.parametrize("component", [each for each, recipe in RECIPES.items() if recipe.count])
def test_more_items_make_longer_answers(component: SynthesisComponent) -> None:
    """The expected answer length grows with the requested number of items."""
    recipe = RECIPES[component]
    counts = {str(component): 2 * recipe.count}
    asked = brief([component], model="gpt-6-luna", language_name="English", counts=counts).by_component()
    assert asked[component].envelope.output_tokens == 2 * recipe.output_tokens


ROOM = 400
"""Tokens that are left for what a request is about: several definitions, or a word's synonyms."""


def test_prompts_stay_below_the_size_of_a_cache_write() -> None:
    """The constant part of a component's requests stays below the size at which cache writes are billed."""
    asked = brief(RECIPES, model="gpt-6-luna", language_name="English").by_component()
    shared = {name: question.envelope.fixed_tokens for name, question in asked.items()}
    assert set(shared) == set(RECIPES)
    assert {name: tokens for name, tokens in shared.items() if tokens + ROOM >= CACHED_FROM} == {}
