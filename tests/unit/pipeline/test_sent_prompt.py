"""Prompts that were sent, compared with the present subject."""

from dataclasses import replace
from pathlib import Path

import pytest

from floridify_batch.components.recipe import Target
from floridify_batch.components.registry import RECIPES, SynthesisComponent as C
from floridify_batch.pipeline.brief import Question, brief
from floridify_batch.pipeline.sent_prompt import SentPrompt
from floridify_batch.words.entry import Definition, Entry, Word, derived_id

SLOPE = Definition(derived_id("slope"), "noun", "the sloping land beside water")
MONEY = Definition(derived_id("money"), "noun", "a business that keeps money safe")
BANK = Entry(Word(derived_id("bank"), "bank", "en"), (SLOPE, MONEY), sources=(SLOPE, MONEY))

PLAIN = "Label the sense of {{ word }}.\n\nPart of speech: {{ part_of_speech }}\nDefinition: {{ definition }}\n"
WITH_OTHERS = PLAIN + "Not meant: {{ other_senses | join('; ') }}\n"

DEFINED = [C.SYNONYMS, C.DOMAIN, C.REGISTER, C.CEFR_LEVEL, C.EXAMPLES, C.WORD_FORMS]
OF_WORDS = [C.PRONUNCIATION, C.ETYMOLOGY, C.PHRASES, C.FACTS]


def question_of(component: C, templates: Path | None = None) -> Question:
    """The question of a component."""
    asked = brief([component], model="gpt-4o-mini", language_name="English", templates=templates)
    return asked.by_component()[component]


def sent(component: C, target: Target, templates: Path | None = None) -> SentPrompt:
    """The prompt of a request about a target as it was; a user's template is lost since."""
    request = question_of(component, templates).request(BANK, target)
    return SentPrompt(request.custom_id, request.prompt, users_template=templates is not None)


def with_senses(*senses: Definition) -> Entry:
    """The entry with other senses."""
    return replace(BANK, definitions=senses)


@pytest.mark.parametrize("component", DEFINED)
def test_a_sense(component: C) -> None:
    """A prompt is about a sense only with the same text, part of speech and word; other senses do not matter."""
    prompt, recipe = sent(component, SLOPE), RECIPES[component]
    corrected = replace(SLOPE, text="The sloping land, beside water.")
    swapped = replace(SLOPE, text=MONEY.text)
    shorter, longer = (replace(SLOPE, text=text) for text in ("land", SLOPE.text + " and sand"))
    verb = replace(SLOPE, part_of_speech="verb")
    assert prompt.is_about(recipe, BANK, SLOPE)
    assert prompt.is_about(recipe, with_senses(corrected), corrected)
    for edited in (swapped, shorter, longer, verb):
        assert not prompt.is_about(recipe, with_senses(edited, MONEY), edited)
    for word in ("ban", "banks", "river bank"):
        assert not prompt.is_about(recipe, replace(BANK, word=replace(BANK.word, text=word)), SLOPE)


@pytest.mark.parametrize("component", OF_WORDS)
def test_a_word(component: C) -> None:
    """A prompt about a whole word is about that word only."""
    prompt, recipe = sent(component, BANK), RECIPES[component]
    assert prompt.is_about(recipe, BANK, BANK)
    for text in ("renamed", "ban", "banks"):
        renamed = replace(BANK, word=replace(BANK.word, text=text))
        assert not prompt.is_about(recipe, renamed, renamed)


def test_compared_synonyms() -> None:
    """A prompt that compares synonyms is about a word only while its definitions have these synonyms."""
    slope = replace(SLOPE, synonyms=["incline", "ramp"])
    bank, recipe = with_senses(slope, MONEY), RECIPES[C.SYNONYM_CHOOSER]
    request = question_of(C.SYNONYM_CHOOSER).request(bank, bank)
    prompt = SentPrompt(request.custom_id, request.prompt)
    assert prompt.is_about(recipe, bank, bank)
    for synonyms in (["ramp", "incline"], ["incline", "ramp", "rise"], ["incline", "a ramp"]):
        edited = with_senses(replace(slope, synonyms=synonyms), MONEY)
        assert not prompt.is_about(recipe, edited, edited)


def test_texts_with_delimiters() -> None:
    """A definition with delimiters, line breaks or labels in it is recognised."""
    odd = replace(SLOPE, text="a << b >> c\n\nDefinition: other\nNot meant: it")
    assert sent(C.DOMAIN, odd).is_about(RECIPES[C.DOMAIN], BANK, odd)


def test_judged_texts() -> None:
    """A judgement is about the examples that its prompt numbers, in their order; later ones may have gone since."""
    judged, recipe = replace(SLOPE, example_texts=["We sat there.", "It was steep."]), RECIPES[C.JUDGEMENT]
    prompt = sent(C.JUDGEMENT, judged)
    assert prompt.is_about(recipe, with_senses(judged, MONEY), judged)
    assert prompt.is_about(recipe, with_senses(judged), replace(judged, example_texts=["We sat there."]))
    for texts in (["It was steep."], ["It was steep.", "We sat there."], ["We sat there.", "It is steep."]):
        assert not prompt.is_about(recipe, with_senses(judged), replace(judged, example_texts=texts))
    assert not prompt._replace(users_template=True).is_about(recipe, with_senses(judged), judged)


def test_version_0_1() -> None:
    """Prompts of version 0.1, which did not delimit definitions, are compared line by line."""
    prompt, recipe = SentPrompt("", f"Word: bank\nPart of speech: noun\nDefinition: {SLOPE.text}"), RECIPES[C.SYNONYMS]
    assert prompt.is_about(recipe, BANK, SLOPE)
    assert not prompt.is_about(recipe, BANK, replace(SLOPE, text="the sloping land"))
    assert not prompt.is_about(recipe, BANK, replace(SLOPE, part_of_speech="verb"))


def test_users_templates(tmp_path: Path) -> None:
    """In a user's template, the definition must stand alone, and no other sense may, unless the template is known."""
    (tmp_path / "domain.md").write_text(PLAIN)
    (tmp_path / "definitions.md").write_text("Define {{ word }}.")
    prompt, recipe = sent(C.DOMAIN, SLOPE, tmp_path), RECIPES[C.DOMAIN]
    assert prompt.is_about(recipe, BANK, SLOPE)
    for edited in (
        replace(SLOPE, text=MONEY.text),
        replace(SLOPE, text="land"),
        replace(SLOPE, text="the sloping land"),
        replace(SLOPE, part_of_speech="verb"),
    ):
        assert not prompt.is_about(recipe, with_senses(edited, MONEY), edited)
    (tmp_path / "domain.md").write_text(WITH_OTHERS)
    prompt = sent(C.DOMAIN, SLOPE, tmp_path)
    assert not prompt.is_about(recipe, BANK, SLOPE)
    known = prompt._replace(question=question_of(C.DOMAIN, tmp_path))
    swapped = replace(SLOPE, text=MONEY.text), replace(MONEY, text=SLOPE.text)
    assert known.is_about(recipe, BANK, SLOPE)
    assert not known.is_about(recipe, with_senses(*swapped), swapped[0])
    renamed = replace(BANK, word=replace(BANK.word, text="renamed"))
    assert not sent(C.DOMAIN, SLOPE, tmp_path).is_about(recipe, replace(renamed, definitions=(SLOPE,)), SLOPE)
