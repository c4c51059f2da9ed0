"""Templates of the user's own: a folder laid out and named as Floridify's renders unchanged, for every component."""

from pathlib import Path

import pytest

from floridify_batch.components.registry import RECIPES, SynthesisComponent, recipe_of
from floridify_batch.errors import UsageError
from floridify_batch.pipeline.plan import brief
from tests.unit.components.test_template import BANK

ABOUT = "{{ word }} {{ definition }}"
SOURCES = "{% for each in definitions %}\n{{ loop.index }}. {{ each[0] }} {{ each[1] }} {{ each[2] }}\n{% endfor %}"
CLUSTER = "{% for each in definitions %}\n{{ each.provider }} {{ each.part_of_speech }} {{ each.text }}\n{% endfor %}"
TEMPLATES = {
    "synonyms": ABOUT + " {{ part_of_speech }} {{ count }} {{ language }} {{ existing_synonyms | join(', ') }}",
    "antonyms": ABOUT + " {{ part_of_speech }} {{ count }} {{ language }} {{ existing_antonyms | join(', ') }}",
    "examples": ABOUT + " {{ part_of_speech }} {{ count }}",
    "cefr_level": ABOUT,
    "frequency_band": ABOUT,
    "register": ABOUT,
    "domain": "{{ definition }}",
    "regional_variants": "{{ definition }}",
    "grammar_patterns": ABOUT + " {{ part_of_speech }} {{ count }}",
    "collocations": ABOUT + " {{ part_of_speech }} {{ count }}",
    "usage_notes": ABOUT + " {{ count }}",
    "word_forms": "{{ word }} {{ part_of_speech }}",
    "facts": ABOUT + " {{ count }}{% if previous_words %} not {{ previous_words | join(', ') }}{% endif %}",
    "etymology": "{{ word }}{% for each in provider_data %} {{ each.name }} {{ each.etymology_text }}{% endfor %}",
    "pronunciation": "{{ word }} {{ language }} {{ language_name }}",
    "phrases": "{{ word }} {{ language }}",
    "synonym_chooser": "{{ word }}{% for each in synonyms %} {{ each }}{% endfor %}",
    "cluster_definitions": "{{ word }}\n" + SOURCES,
    "definition_text": "{{ word }} {{ meaning_cluster }}\n" + CLUSTER,
    "definitions": "{{ word }}",
}
"""Each with all the variables that Floridify's own template of the component reads."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for component, text in TEMPLATES.items():
        path = tmp_path / recipe_of(component).floridify_template
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def prompt(folder: Path, component: SynthesisComponent) -> str:
    asked = brief(SynthesisComponent, model="gpt-6-luna", language_name="English", templates=folder)
    question = asked.by_component()[component]
    return question.request(BANK, next(iter(RECIPES[component].targets(BANK)))).prompt


@pytest.mark.parametrize("component", SynthesisComponent)
def test_floridifys_layout(folder: Path, component: SynthesisComponent) -> None:
    """A template that reads what Floridify gives it is filled in: nothing is left open, and the word is in it."""
    rendered = prompt(folder, component)
    assert "{" not in rendered
    about = "the land beside a river" if component in ("domain", "regional_variants") else "bank"
    assert about in rendered


def test_one_message(folder: Path) -> None:
    """A user's template is one message: no instructions of ours are put before it."""
    asked = brief(SynthesisComponent, model="gpt-6-luna", language_name="English", templates=folder)
    assert all(question.envelope.instructions == "" for question in asked.questions)


def test_language_by_name_and_by_code(folder: Path) -> None:
    """`language` is the language's name, but in the template of pronunciations it is its code."""
    assert prompt(folder, SynthesisComponent.PHRASES) == "bank English"
    assert prompt(folder, SynthesisComponent.PRONUNCIATION) == "bank en English"


def test_our_names_win(folder: Path) -> None:
    """A file named after the component is taken before one of Floridify's layout."""
    (folder / "domain.md").write_text("Which field: {{ definition }}", encoding="utf-8")
    assert prompt(folder, SynthesisComponent.DOMAIN).startswith("Which field: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fine\n{{ nope }}", "line 2: there is no variable 'nope'"),
        ("{% if word %}", "line 1: "),
        ("a\n\n{{ word", "line 3: "),
    ],
)
def test_wrong_templates(folder: Path, text: str, said: str) -> None:
    """A template that cannot work is named with file and line before anything is planned."""
    path = folder / recipe_of("domain").floridify_template
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said) as caught:
        prompt(folder, SynthesisComponent.DOMAIN)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("component", "needed"),
    [
        (SynthesisComponent.SYNONYMS, SynthesisComponent.DEFINITIONS),
        (SynthesisComponent.CLUSTER_DEFINITIONS, SynthesisComponent.DEFINITION_TEXT),
        (SynthesisComponent.DEFINITION_TEXT, SynthesisComponent.CLUSTER_DEFINITIONS),
    ],
)
def test_what_a_folder_must_hold(folder: Path, component: SynthesisComponent, needed: SynthesisComponent) -> None:
    """A folder needs a template for every component that is asked for and for what goes with it, and for no other."""
    together = {SynthesisComponent.DEFINITIONS, component, needed}
    for other in SynthesisComponent:
        if other not in together:
            (folder / recipe_of(other).floridify_template).unlink()
    assert brief([component], model="gpt-6-luna", language_name="English", templates=folder)
    (folder / recipe_of(needed).floridify_template).unlink()
    with pytest.raises(UsageError, match=f"There is no template for {needed} in "):
        brief([component], model="gpt-6-luna", language_name="English", templates=folder)


def test_missing_templates(folder: Path) -> None:
    """A missing file is named under both of its names, and a missing folder as such."""
    (folder / recipe_of("facts").floridify_template).unlink()
    with pytest.raises(UsageError, match=r"neither facts\.md nor generate/facts\.md"):
        prompt(folder, SynthesisComponent.FACTS)
    with pytest.raises(UsageError, match="There is no folder"):
        prompt(folder / "elsewhere", SynthesisComponent.FACTS)
