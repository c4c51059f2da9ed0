"""Shapes of answers: a lean request asks for less, and what is stored is the same."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from floridify_batch.components.answer_shape import field_names
from floridify_batch.components.change import Provenance
from floridify_batch.components.registry import RECIPES, SynthesisComponent
from floridify_batch.components.requests import parse_answer
from floridify_batch.costs.answer_length import AnswerShape
from floridify_batch.pipeline.brief import Brief, BriefOptions, Question, brief
from floridify_batch.sandbox.reply import reply
from floridify_batch.sandbox.strict_schema import strict_problem
from floridify_batch.words.entry import Stamp, clusters_of, derived_id
from tests.unit.components.test_template import BANK

LEAN = [component for component, recipe in RECIPES.items() if recipe.lean(AnswerShape.STORED)]
LABELS = ("cefr_level", "frequency_band", "register", "domain")
NEVER_STORED = {"relevance", "efflorescence", "explanation", "relevancy", "source_providers"}
LANGUAGES = ("English", "German")


def question_of(component: str, shape: AnswerShape, language: str = "English") -> Question:
    options = BriefOptions(answers=shape)
    asked = brief([SynthesisComponent(component)], model="m", language_name=language, options=options)
    return asked.by_component()[component]


def outcome_of(component: str, shape: AnswerShape, language: str) -> Any:
    """The effect of the sandbox's answer to a request in this shape."""
    question = question_of(component, shape, language)
    recipe = question.recipe
    target = next(iter(recipe.targets(BANK)), None) or clusters_of(BANK)[0]
    body = question.request(BANK, target).body
    content = reply(body, 10).content
    answer = parse_answer(recipe.readable, {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]})
    stamp = Stamp(derived_id("s"), "run", "b", datetime(2026, 11, 20, tzinfo=UTC), "m", "t", "batch")
    source = Provenance("x", stamp, stamp.batch_created, None, "en" if language == "English" else "de", language, False)
    return recipe.outcome(BANK, target, answer, source)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("component", SynthesisComponent)
def test_every_shape_is_stored_alike(component: SynthesisComponent, language: str) -> None:
    """The same answer changes the same documents, in whatever shape it was requested."""
    whole = outcome_of(component, AnswerShape.FULL, language)
    assert outcome_of(component, AnswerShape.STORED, language) == whole
    assert outcome_of(component, AnswerShape.BARE, language) == whole


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("component", LEAN)
def test_a_lean_request_is_smaller(component: SynthesisComponent, language: str) -> None:
    """A lean schema is valid in strict mode, and asks for no field that is never stored; the answer is shorter."""
    whole = question_of(component, AnswerShape.FULL, language)
    lean = question_of(component, AnswerShape.STORED, language)
    assert strict_problem(orjson.dumps(lean.envelope.response_format["json_schema"]["schema"])) is None
    assert lean.envelope.fixed_tokens < whole.envelope.fixed_tokens
    assert lean.envelope.output_tokens < whole.envelope.output_tokens
    kept = NEVER_STORED - ({"relevancy"} if component == "cluster_definitions" else set())
    assert not kept & field_names(lean.envelope.answer)
    gone = field_names(whole.envelope.answer) - field_names(lean.envelope.answer)
    assert not any(f"`{name}`" in lean.template.instructions for name in gone)


@pytest.mark.parametrize("component", LABELS)
def test_reasons_of_labels(component: str) -> None:
    """A label keeps its reason, unless a bare answer is requested."""
    stored, bare = (question_of(component, shape) for shape in (AnswerShape.STORED, AnswerShape.BARE))
    assert "reasoning" in field_names(stored.envelope.answer)
    assert "`reasoning`" in stored.template.instructions
    assert "reasoning" not in field_names(bare.envelope.answer)
    assert "reasoning" not in bare.template.instructions


@pytest.mark.parametrize("component", SynthesisComponent)
def test_confidence_is_requested_where_it_is_stored(component: SynthesisComponent) -> None:
    """The confidence that a document records as model_info is requested in every shape."""
    stored = {"definitions", "definition_text", "examples", "facts", "pronunciation", "etymology", "synonym_chooser"}
    lean = question_of(component, AnswerShape.BARE)
    assert ("confidence" in field_names(lean.envelope.answer)) == (component in stored)


@pytest.mark.parametrize("component", SynthesisComponent)
def test_no_answer_becomes_stale(component: SynthesisComponent) -> None:
    """The fingerprint of a template is the same in each shape."""
    prints = {question_of(component, shape).template.fingerprint for shape in AnswerShape}
    assert len(prints) == 1


def templated(folder: Path, definitions: str, synonyms: str) -> Brief:
    """A run of synonyms with templates of its own."""
    (folder / "definitions.md").write_text(definitions, encoding="utf-8")
    (folder / "synonyms.md").write_text(synonyms, encoding="utf-8")
    return brief(
        [SynthesisComponent.SYNONYMS],
        model="m",
        language_name="English",
        templates=folder,
        options=BriefOptions(answers=AnswerShape.STORED),
    )


@pytest.mark.parametrize("text", ["Give `relevance` from 0 to 1.", "The explanation is short.", '{"language": "en"}'])
def test_a_template_that_describes_a_field_gets_it(tmp_path: Path, text: str) -> None:
    """A component whose own template describes a field of the whole answer is requested whole; it is named."""
    asked = templated(tmp_path, "{{ word }}", f"{text} {{{{ word }}}} {{{{ language }}}}")
    assert asked.asked_in_full(AnswerShape.STORED) == ["synonyms"]
    assert "relevance" in field_names(asked.by_component()["synonyms"].envelope.answer)


def test_a_template_that_describes_none_is_lean(tmp_path: Path) -> None:
    """Variables and ordinary words of a template are no fields."""
    asked = templated(
        tmp_path,
        "Define the {{ language }} word {{ word }}.",
        "Words of this language: {{ word }}{# relevance #} {{ language }}",
    )
    assert asked.asked_in_full(AnswerShape.STORED) == []
    assert field_names(asked.by_component()["synonyms"].envelope.answer) == {"synonyms", "cognates"}


@pytest.mark.parametrize(
    ("component", "content"),
    [
        ("register", {"reasoning": "It is said everywhere.", "confidence": 1.0}),
        ("synonyms", {"cognates": ["Ufer"]}),
        ("regional_variants", {}),
        ("definition_text", {"definition": "a slope", "confidence": 1.0}),
    ],
)
def test_a_missing_value_is_no_answer(component: str, content: dict[str, Any]) -> None:
    """An answer without the value itself is malformed: only fields that are not stored have defaults."""
    body = {"choices": [{"message": {"content": orjson.dumps(content).decode()}, "finish_reason": "stop"}]}
    with pytest.raises(Exception, match="required"):
        parse_answer(RECIPES[SynthesisComponent(component)].readable, body)
