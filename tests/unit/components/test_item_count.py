"""Item counts: scaled with part of speech, senses and language."""

from typing import Any

import pytest

from floridify_batch.components.recipe import DefinitionRecipe
from floridify_batch.components.registry import RECIPES, SynthesisComponent
from floridify_batch.pipeline.brief import Brief, brief
from floridify_batch.words.entry import Definition, Entry, Word, derived_id


def entry_of(senses: int, language: str = "en", part_of_speech: str = "verb") -> Entry:
    definitions = tuple(Definition(derived_id(number), part_of_speech, "x") for number in range(senses))
    return Entry(Word(derived_id("run"), "run", language), definitions)


@pytest.mark.parametrize(
    ("component", "senses", "language", "part_of_speech", "count"),
    [
        ("synonyms", 1, "en", "verb", 5),
        ("synonyms", 1, "en", "noun", 4),
        ("synonyms", 5, "en-GB", "verb", 8),
        ("synonyms", 1, "en", "preposition", 2),
        ("synonyms", 1, "fr", "verb", 2),
        ("antonyms", 1, "en", "Adjective", 3),
        ("antonyms", 1, "en", "pronoun", 1),
        ("examples", 9, "en", "pronoun", 2),
        ("examples", 1, "de", "verb", 1),
        ("collocations", 4, "en", "verb", 6),
        ("collocations", 1, "en", "", 3),
        ("usage_notes", 1, "it", "verb", 1),
        ("grammar_patterns", 1, "en", "particle", 1),
    ],
)
def test_the_number_of_items(component: str, senses: int, language: str, part_of_speech: str, count: int) -> None:
    """Words of many senses get more items, function words and other languages than English fewer, within the bounds."""
    entry = entry_of(senses, language, part_of_speech)
    recipe = RECIPES[SynthesisComponent(component)]
    assert isinstance(recipe, DefinitionRecipe)
    assert recipe.scale is not None
    assert recipe.scale.count(recipe.count, entry, entry.definitions[0]) == count


SCALED = [each for each, recipe in RECIPES.items() if isinstance(recipe, DefinitionRecipe) and recipe.scale]


@pytest.mark.parametrize("component", SCALED)
def test_an_answer_can_hold_them(component: SynthesisComponent) -> None:
    """No request asks for more items than its answer holds."""
    recipe = RECIPES[component]
    assert isinstance(recipe, DefinitionRecipe)
    assert recipe.scale is not None
    assert recipe.scale.most <= recipe.max_count


@pytest.mark.parametrize("component", SCALED)
def test_a_prompt_states_another_number_than_the_usual(component: SynthesisComponent) -> None:
    """A prompt names the number of items where it is not the usual one, unless the user gave one, even the usual."""
    recipe = RECIPES[component]
    assert isinstance(recipe, DefinitionRecipe)
    assert recipe.scale is not None
    for part_of_speech, senses, language in (("verb", 1, "en"), ("verb", 9, "en"), ("preposition", 1, "fr")):
        entry = entry_of(senses, language, part_of_speech)
        definition = entry.definitions[0]
        number = recipe.scale.count(recipe.count, entry, definition)
        (question,) = (each for each in asked(component).questions if each.recipe is recipe)
        prompt = question.request(entry, definition).prompt
        assert (f"{number}, not {recipe.count}" in prompt) == (number != recipe.count)
    for count in (recipe.count, recipe.count + 1):
        assert ", not " not in counted(component, count)


def asked(component: SynthesisComponent, **options: Any) -> Brief:
    return brief([component], model="gpt-5.4-nano", language_name="English", **options)


def counted(component: SynthesisComponent, count: int) -> str:
    """The end of a prompt about a preposition, where the user gave a number of items."""
    entry = entry_of(1, part_of_speech="preposition")
    questions = asked(component, counts={component: count}).questions
    (question,) = (each for each in questions if each.recipe.component == component)
    return question.request(entry, entry.definitions[0]).prompt.rpartition("Definition:")[2]
