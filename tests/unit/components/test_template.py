"""Prompt templates: what they are given, and that they take words for words."""

from datetime import UTC, datetime
from typing import Any

import pytest

from floridify_batch.components.registry import RECIPES, SynthesisComponent, recipe_of
from floridify_batch.components.template import Template, load_template
from floridify_batch.errors import UsageError
from floridify_batch.words.entry import Definition, Entry, Stamp, Word, derived_id

SENSE = Definition(
    derived_id("sense"),
    "noun",
    "the land beside a river",
    synonyms=["shore", "side"],
    antonyms=["bed"],
    providers=["own"],
)
WORD = Word(derived_id("bank"), "bank", "en")


def entry_of(sense: Definition) -> Entry:
    """An entry of which every component can be asked."""
    second = Definition(derived_id("other"), "noun", "a house for money", providers=["other"])
    sources = (sense, second)
    stamp = Stamp(derived_id("s"), "run", "batch", datetime(2026, 11, 20, tzinfo=UTC), "model", "template", "batch")
    stamps = {"cluster_definitions": stamp}
    return Entry(WORD, (sense, second), stamps, sources=sources, etymologies=(("own", "from Old Norse"),))


BANK = entry_of(SENSE)


def template(component: str, language: str = "English", count: int = 5) -> Template:
    constants = {"language": language, "language_name": language, "count": count, "previous_words": ()}
    return load_template(recipe_of(component), constants)


def prompt(component: SynthesisComponent, sense: Definition = SENSE) -> str:
    recipe = RECIPES[component]
    entry = entry_of(sense)
    target = next(iter(recipe.targets(entry)))
    return template(component, count=recipe.count).render(recipe.given(entry, target))


@pytest.mark.parametrize("component", SynthesisComponent)
def test_every_template_is_filled_in(component: SynthesisComponent) -> None:
    """Each component's prompt is complete: nothing that its template names is left open."""
    rendered = prompt(component)
    assert rendered
    assert "{" not in rendered
    assert "{" not in template(component).instructions


def marked(value: Any) -> Any:
    """A value of the same form that can be told from any other."""
    if isinstance(value, list):
        return [marked(value[0])]
    if isinstance(value, tuple):
        return tuple(map(marked, value))
    return dict.fromkeys(value, "MARK") if isinstance(value, dict) else "MARK"


@pytest.mark.parametrize("component", SynthesisComponent)
def test_every_variable_is_used(component: SynthesisComponent) -> None:
    """A recipe gives its template nothing that the template does not use: a word changes no prompt in vain."""
    recipe = RECIPES[component]
    given = recipe.given(BANK, next(iter(recipe.targets(BANK))))
    for name in given:
        with_mark = given | {name: marked(given[name])}
        assert "MARK" in template(component).render(with_mark), name


@pytest.mark.parametrize("component", SynthesisComponent)
def test_instructions_name_the_language(component: SynthesisComponent) -> None:
    """The model is told in which language it works."""
    assert "Welsh" in template(component, "Welsh").instructions


@pytest.mark.parametrize("component", [name for name, recipe in RECIPES.items() if recipe.count])
def test_instructions_name_the_count(component: SynthesisComponent) -> None:
    """The model is told how many items are wanted."""
    assert "4711" in template(component, count=4711).instructions


def test_the_parts() -> None:
    """A prompt is about one definition and nothing else; what the entry has already is named so as not to return."""
    assert prompt(SynthesisComponent.SYNONYMS).splitlines() == [
        "Word: bank",
        "Part of speech: noun",
        "Definition: the land beside a river",
        "Already in the entry: shore, side",
    ]


def test_no_empty_rubric() -> None:
    """Where the entry has no synonyms yet, the prompt does not speak of them."""
    assert "Already" not in prompt(SynthesisComponent.SYNONYMS, Definition(derived_id("s"), "noun", "land"))


def test_definitions_are_text() -> None:
    """A definition with braces or angle brackets reaches the model as it stands."""
    text = "an operator such as {{ x }} or {% y %}, <b> & 'c'"
    assert text in prompt(SynthesisComponent.DOMAIN, Definition(derived_id("s"), "noun", text))


def test_a_variable_that_nobody_gives() -> None:
    """A prompt with a hole is never sent."""
    with pytest.raises(UsageError, match=r"domain.md, line 1: the template cannot be rendered: .*definition"):
        template("domain").render({})


def test_fingerprints() -> None:
    """A template's fingerprint changes with its text, its language and its counts, and not from run to run."""
    marks = {
        template("synonyms").fingerprint,
        template("antonyms").fingerprint,
        template("synonyms", "Welsh").fingerprint,
        template("synonyms", count=6).fingerprint,
    }
    assert len(marks) == 4
    assert template("synonyms").fingerprint == template("synonyms").fingerprint
