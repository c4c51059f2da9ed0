"""The table of recipes, and how components are chosen."""

import pytest

from floridify_batch.components.recipe import Scope
from floridify_batch.components.registry import DEFAULT_COMPONENTS, RECIPES, SynthesisComponent, components_named
from floridify_batch.database.document import DEFINITION_FIELDS
from floridify_batch.errors import UsageError
from floridify_batch.words.entry import Definition, Entry, Word, derived_id

C = SynthesisComponent
EVERY = {*C} - {C.JUDGEMENT}
"""The components of `all`: a judgement is requested by name only."""


def test_every_component_has_a_recipe() -> None:
    """Every component has a recipe under its own name, after all components that it needs."""
    assert list(RECIPES) == list(SynthesisComponent)
    for position, (component, recipe) in enumerate(RECIPES.items()):
        assert recipe.component == component
        assert set(recipe.needs) <= set(list(RECIPES)[:position])


@pytest.mark.parametrize("component", [name for name, recipe in RECIPES.items() if recipe.scope is Scope.DEFINITION])
def test_recipes_fill_fields_that_are_read_back(component: SynthesisComponent) -> None:
    """Each recipe's field is read back, so that a stored component is never paid for again."""
    recipe = RECIPES[component]
    assert recipe.field in DEFINITION_FIELDS
    empty = Definition(derived_id("x"), "noun", "land")
    assert not recipe.stored(Entry(Word(derived_id("w"), "bank", "en"), (empty,)), empty)


@pytest.mark.parametrize("component", SynthesisComponent)
def test_caps_leave_room(component: SynthesisComponent) -> None:
    """An answer of the expected length is far below the output cap, at which it would be truncated."""
    recipe = RECIPES[component]
    assert recipe.output_cap >= 4 * recipe.output_tokens


def test_definitions_without_a_text_are_no_targets() -> None:
    """No request is made about a definition without a text."""
    entry = Entry(
        Word(derived_id("w"), "bank", "en"),
        (Definition(derived_id("a"), "noun", "land"), Definition(derived_id("b"), "noun", " \n")),
    )
    assert [target.id for target in RECIPES[C.DOMAIN].targets(entry)] == [derived_id("a")]
    assert list(RECIPES[C.DEFINITIONS].targets(entry)) == [entry]


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("default", DEFAULT_COMPONENTS),
        ("DEFAULT", DEFAULT_COMPONENTS),
        ("all", tuple(EVERY)),
        ("all,judgement", tuple(SynthesisComponent)),
        ("domain, synonyms", (C.SYNONYMS, C.DOMAIN)),
        ("synonyms,synonyms,", (C.SYNONYMS,)),
        ("Word_Forms", (C.WORD_FORMS,)),
    ],
)
def test_components_named(text: str, chosen: tuple[SynthesisComponent, ...]) -> None:
    """Components are accepted in any order and spelling, and requested in one order."""
    assert set(components_named(text)) == set(chosen)
    assert list(components_named(text)) == [component for component in RECIPES if component in chosen]


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("all,-phrases", EVERY - {C.PHRASES}),
        ("all, - phrases ,-facts", EVERY - {C.PHRASES, C.FACTS}),
        ("all,-default", EVERY - set(DEFAULT_COMPONENTS)),
        ("-etymology", set(DEFAULT_COMPONENTS) - {C.ETYMOLOGY}),
        ("synonyms,domain,-domain", {C.SYNONYMS}),
    ],
)
def test_components_removed(text: str, chosen: set[C]) -> None:
    """A name after a minus sign is removed from the set."""
    assert set(components_named(text)) == chosen


def test_default_and_more() -> None:
    """The default set can be added to."""
    assert set(components_named("default,collocations")) == {*DEFAULT_COMPONENTS, C.COLLOCATIONS}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("synonims", "Did you mean synonyms?"),
        ("cefr", r"Did you mean cefr_level\?"),
        ("xyzzy", "Components: definitions, cluster_definitions"),
        ("all,-synonims", "Did you mean synonyms?"),
        ("synonyms,-synonyms", "no component remains"),
        ("", "No components. Pass"),
        (" , ", "No components. Pass"),
    ],
)
def test_components_misnamed(text: str, message: str) -> None:
    """A misspelt component is refused with the closest name, or with all names."""
    with pytest.raises(UsageError, match=message):
        components_named(text)
