"""Templates of the user's own: a folder laid out and named as Floridify's renders unchanged, for every component."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from floridify_batch.components.change import Provenance
from floridify_batch.components.registry import RECIPES, SynthesisComponent, components_named, recipe_of
from floridify_batch.components.template import components_in
from floridify_batch.errors import UsageError
from floridify_batch.pipeline.brief import brief
from floridify_batch.words.entry import Stamp, derived_id
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
    "judgement": ABOUT + "{% for each in examples %} {{ loop.index + 1 }}. {{ each }}{% endfor %}",
}
"""Each with all the variables that Floridify's own template of the component reads."""


def name_of(component: str) -> str:
    """Floridify's name for a component's template, or ours where it has none."""
    return recipe_of(component).floridify_template or f"{component}.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for component, text in TEMPLATES.items():
        path = tmp_path / name_of(component)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def prompt(folder: Path, component: SynthesisComponent) -> str:
    asked = brief(SynthesisComponent, model="gpt-6-luna", language_name="English", templates=folder)
    question = asked.by_component()[component]
    return question.request(BANK, next(iter(RECIPES[component].targets(BANK)))).prompt


@pytest.mark.parametrize("component", SynthesisComponent)
def test_floridifys_layout(folder: Path, component: SynthesisComponent) -> None:
    """A template with Floridify's variables is rendered completely, with the word."""
    rendered = prompt(folder, component)
    assert "{" not in rendered
    about = "the land beside a river" if component in ("domain", "regional_variants") else "bank"
    assert about in rendered


def test_one_message(folder: Path) -> None:
    """A user's template is one message, without our instructions before it."""
    asked = brief(SynthesisComponent, model="gpt-6-luna", language_name="English", templates=folder)
    assert all(question.envelope.instructions == "" for question in asked.questions)


def test_language_by_name_and_by_code(folder: Path) -> None:
    """`language` is the language's name, but in the template of pronunciations it is its code."""
    assert prompt(folder, SynthesisComponent.PHRASES) == "bank English"
    assert prompt(folder, SynthesisComponent.PRONUNCIATION) == "bank en English"


def test_our_names_win(folder: Path) -> None:
    """A file named after the component takes precedence over one of Floridify's layout."""
    (folder / "domain.md").write_text("Which field: {{ definition }}", encoding="utf-8")
    assert prompt(folder, SynthesisComponent.DOMAIN).startswith("Which field: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fine\n{{ nope }}", "line 2: unknown variable 'nope'"),
        ("{% if word %}", "line 1: "),
        ("a\n\n{{ word", "line 3: "),
    ],
)
def test_wrong_templates(folder: Path, text: str, message: str) -> None:
    """An invalid template is reported with file and line before anything is planned."""
    path = folder / recipe_of("domain").floridify_template
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
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
    """A folder needs a template for every requested component and those that it needs, and for no other."""
    together = {SynthesisComponent.DEFINITIONS, component, needed}
    for other in SynthesisComponent:
        if other not in together:
            (folder / name_of(other)).unlink()
    assert brief([component], model="gpt-6-luna", language_name="English", templates=folder)
    (folder / recipe_of(needed).floridify_template).unlink()
    with pytest.raises(UsageError, match=f"No template for {needed} in "):
        brief([component], model="gpt-6-luna", language_name="English", templates=folder)


def test_a_judgement_needs_no_template(folder: Path) -> None:
    """Our own template judges the texts of a folder that has none for it."""
    (folder / "judgement.md").unlink()
    chosen = SynthesisComponent.JUDGEMENT
    asked = brief([chosen], model="gpt-6-luna", language_name="English", templates=folder).by_component()
    assert asked[chosen].template.own
    assert not asked[SynthesisComponent.DEFINITIONS].template.own


def test_missing_templates(folder: Path) -> None:
    """A missing file is reported under both of its names, and a missing folder as a folder."""
    (folder / recipe_of("facts").floridify_template).unlink()
    with pytest.raises(UsageError, match=r"looked for facts\.md and generate/facts\.md"):
        prompt(folder, SynthesisComponent.FACTS)
    with pytest.raises(UsageError, match="Folder not found"):
        prompt(folder / "elsewhere", SynthesisComponent.FACTS)


# ── samples ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x\n{{ definition | shout }}", "line 2: No filter named 'shout'"),
        ("x\n{{ 1 / 0 }}", "line 2: the template cannot be rendered: division by zero"),
        ("x\n{{ 'a' * 300000000 }}", "line 2: .*larger than 1,000,000"),
        ("{{ word * 300000 * 300000 }}", "larger than 1,000,000"),
        ("{{ 9 ** 9 ** 9 }}", "larger than 1,000,000"),
        ("{{ '%999999999d' % 1 }}", "wider than"),
        ("{{ '%999999999d' | format(1) }}", "wider than"),
        ("{{ word | center(999999999) }}", "larger than"),
        ("{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}", "100,000 loop iterations"),
        ("{% for i in range(9000) %}{{ word * 900 }}{% endfor %}", "more than 1,000,000 characters"),
        ("x\n\n{% include 'other.md' %}", "line 3: the template cannot be rendered"),
        ("x\n{{ 1 // 0 }}", "line 2: the template cannot be rendered: integer division or modulo by zero"),
        ("{{ definition.nope }}", "line 1: the template cannot be rendered: .*nope"),
        ("{{ definition() }}", "line 1: the template cannot be rendered"),
    ],
)
def test_templates_are_rendered_with_a_sample(folder: Path, text: str, message: str) -> None:
    """A template that fails on a definition is reported with file and line before anything is planned."""
    path = folder / recipe_of("domain").floridify_template
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        brief([SynthesisComponent.DOMAIN], model="gpt-6-luna", language_name="English", templates=folder)
    assert str(path) in str(caught.value)


def test_definitions_have_every_attribute(folder: Path) -> None:
    """A template may use every attribute that Floridify provides of a definition."""
    text = (
        "{% for d in definitions %}{{ d.text }}|{{ d.definition }}|{{ d.provider }}|{{ d.synonyms | join(', ') }}|"
        "{{ d.examples | length }}|{{ d.cefr_level }}|{{ d.word_forms | length }}\n{% endfor %}"
    )
    (folder / "definition_text.md").write_text(text, encoding="utf-8")
    assert "the land beside a river|the land beside a river|" in prompt(folder, SynthesisComponent.DEFINITION_TEXT)


NUMBERED = "{{ word }}, at most 10 clusters\n{% for p, k, t in definitions %}\nLINE\n{% endfor %}"


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("{{ loop.index }}. ({{ p }}) {{ t }}", 1),
        ("{{ loop.index0 }}: {{ t }}", 0),
        ("[{{ loop.index - 1 }}] {{ k }} {{ t }}", 0),
        ("{{ t }} (no. {{ loop.index }})", 1),
        ("Definition {{ loop.index0 }} of {{ definitions | length }}: {{ t }}", 0),
    ],
)
def test_numbers_are_read_as_the_template_writes_them(folder: Path, line: str, first: int) -> None:
    """An answer's numbers refer to the definitions as the prompt numbers them, from 0 or from 1."""
    (folder / "cluster_definitions.md").write_text(NUMBERED.replace("LINE", line), encoding="utf-8")
    asked = brief(SynthesisComponent, model="gpt-6-luna", language_name="English", templates=folder)
    question = asked.by_component()["cluster_definitions"]
    assert question.template.first_number == first
    cluster = {"cluster_slug": "a", "cluster_description": "a", "relevancy": 1, "definition_indices": [first]}
    answer = question.recipe.answer.model_validate({"clusters": [cluster], "confidence": 1})
    stamp = Stamp(derived_id("s"), "run", "b", datetime(2026, 11, 20, tzinfo=UTC), "m", "t", "batch")
    source = Provenance("x", stamp, stamp.batch_created, None, "en", "English", replace=False, first_number=first)
    outcome = question.recipe.outcome(BANK, BANK, answer, source)
    assert [each.id for each in outcome.updates] == [BANK.sources[0].id]


@pytest.mark.parametrize(
    "line", ["- {{ t }}", "{{ loop.index }}/{{ loop.index0 }} {{ t }}", "{{ loop.index + 1 }} {{ t }}"]
)
def test_unclear_numbers(folder: Path, line: str) -> None:
    """A template with ambiguous numbers is refused: every definition might get a wrong cluster."""
    (folder / "cluster_definitions.md").write_text(NUMBERED.replace("LINE", line), encoding="utf-8")
    with pytest.raises(UsageError, match="no recognisable numbers"):
        brief(SynthesisComponent, model="gpt-6-luna", language_name="English", templates=folder)


def test_components_of_a_folder(folder: Path) -> None:
    """`all` with a folder is what the folder has a template for."""
    (folder / recipe_of("phrases").floridify_template).unlink()
    available = components_in(folder)
    assert set(available) == {*SynthesisComponent} - {"phrases"}
    assert set(components_named("all", available)) == {*SynthesisComponent} - {"phrases", "judgement"}
    assert SynthesisComponent.PHRASES in components_named("all,phrases", available)
