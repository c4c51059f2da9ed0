"""Item counts: scaled with part of speech, senses and language."""

import pytest

from floridify_batch.components.recipe import DefinitionRecipe
from floridify_batch.components.registry import RECIPES, SynthesisComponent
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
    """A function word, a word of one sense and another language than English get fewer items, within the bounds."""
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


def test_a_prompt_says_where_fewer_items_are_wanted() -> None:
    """A preposition's prompt names its smaller number of synonyms; a verb's has the usual number only."""
    recipe = RECIPES[SynthesisComponent.SYNONYMS]
    for part_of_speech, fewer in (("verb", 0), ("preposition", 2)):
        entry = entry_of(1, part_of_speech=part_of_speech)
        assert recipe.given(entry, entry.definitions[0])["fewer"] == fewer
