"""Sure quality checks at settlement: one retry, then the answer is stored without the items that are refused."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from floridify_batch.components.answer_quality import faulty_items, without_items
from floridify_batch.components.examples import ExampleGenerationResponse
from floridify_batch.components.facts import FactGenerationResponse
from floridify_batch.components.failure import FailureReason
from floridify_batch.components.pronunciation import PronunciationResponse
from floridify_batch.components.registry import SynthesisComponent as C, recipe_of
from floridify_batch.components.requests import custom_id, parse_custom_id
from floridify_batch.components.synonyms import LeanSynonymGenerationResponse
from floridify_batch.pipeline.change_derivation import Applied, Origin, applied
from floridify_batch.pipeline.precondition import Precondition
from floridify_batch.pipeline.settlement import Answered, WordOutcome
from floridify_batch.words.entry import Definition, Entry, Word, derived_id
from tests.fakes import brief_of

SENSE = Definition(derived_id("sense"), "noun", "the edge of a river")
ENTRY = Entry(Word(derived_id("bank"), "bank", "en"), (SENSE,))
NOW = datetime(2026, 11, 1, tzinfo=UTC)
REPEATING = ExampleGenerationResponse(example_sentences=["We sat on it.", "we sat on it"], confidence=1)
RESPELLED = PronunciationResponse(phonetic="bangk", ipa="бэнк", confidence=1)


def settled(component: C, answer: BaseModel, *, attempt: int, most: int = 3) -> Applied:
    """The effect of one answer about the sense, or about the word."""
    target: Any = SENSE if component is C.EXAMPLES else ENTRY
    identity = custom_id("bank", target.id, component)
    parts = parse_custom_id(identity)
    assert parts is not None
    precondition = str(Precondition.of(recipe_of(component), ENTRY, target))
    answered = Answered(identity, parts, answer, None, precondition, attempt)
    asked = replace(brief_of((component,)), max_attempts=most)
    origin = Origin("run", "batch", NOW, NOW, "gpt-6-luna", "batch", "en")
    return applied([(WordOutcome(0, (answered,), ()), [ENTRY])], asked, origin)[0]


def test_a_first_answer_is_refused() -> None:
    """A first answer with a repeated example is retried as a malformed one, with the reason."""
    found = settled(C.EXAMPLES, REPEATING, attempt=1)
    assert not found.changes
    (failure,) = found.failures
    assert (failure.reason, failure.attempt, failure.repeatable) == (FailureReason.MALFORMED, 1, True)
    assert failure.detail == "“we sat on it” repeats another one"


def test_a_fact_goes_with_its_category() -> None:
    """A repeated fact is removed together with its category, and the others keep theirs."""
    facts = ["Banks are old.", "Banks are old.", "Banks lend."]
    answer = FactGenerationResponse(facts=facts, categories=["usage", "usage", "cultural"], confidence=1)
    kept = without_items("facts", answer, faulty_items("facts", answer, "bank", "en"))
    assert kept is not None
    assert (kept.facts, kept.categories) == (["Banks are old.", "Banks lend."], ["usage", "cultural"])


@pytest.mark.parametrize(("attempt", "most"), [(2, 3), (1, 1)])
def test_a_later_answer_loses_its_faulty_items(attempt: int, most: int) -> None:
    """The answer to the retry, or to the only attempt, is stored without the faulty example."""
    (change,) = settled(C.EXAMPLES, REPEATING, attempt=attempt, most=most).changes
    assert [each.fields["text"] for each in change.inserts] == ["We sat on it."]


def test_a_value_without_a_good_part_is_refused_again() -> None:
    """A transcription in Cyrillic is not stored after the retry either."""
    found = settled(C.PRONUNCIATION, RESPELLED, attempt=2)
    assert not found.changes
    assert found.failures[0].detail == "“бэнк” is no IPA transcription"


def test_sentences_of_the_instructions_are_no_answer() -> None:
    """An example that repeats a sentence of its request's instructions is refused; one about the word is not."""
    instructions = brief_of((C.EXAMPLES,)).by_component()["examples"].envelope.instructions
    sentence = next(line.removeprefix("- ") for line in instructions.splitlines() if line.startswith("- "))
    found = settled(C.EXAMPLES, ExampleGenerationResponse(example_sentences=[sentence], confidence=1), attempt=2)
    assert not found.changes
    assert found.failures[0].detail == f"“{sentence[:60]}” is a sentence of the instructions"
    varied = ExampleGenerationResponse(example_sentences=[sentence.replace(",", "").replace(";", ",")], confidence=1)
    assert [*faulty_items("examples", varied, "bank", "en", instructions)] == [0]
    own = ExampleGenerationResponse(example_sentences=["We sat on the bank of the broad river."], confidence=1)
    assert faulty_items("examples", own, "bank", "en", f"Such as:\n{own.example_sentences[0]}") == {}


def test_doubts_do_not_refuse_an_answer() -> None:
    """An example without the headword is stored; `check` lists it."""
    answer = ExampleGenerationResponse(example_sentences=["We sat on it."], confidence=1)
    assert settled(C.EXAMPLES, answer, attempt=1).changes


def test_words_of_other_languages_are_no_fault() -> None:
    """Cognates in other scripts are not checked, nor are answers about a headword in another script."""
    answer = LeanSynonymGenerationResponse.model_validate({"synonyms": ["shore"], "cognates": ["жюри был"]})
    assert faulty_items("synonyms", answer, "bank", "en") == {}
    own = LeanSynonymGenerationResponse.model_validate({"synonyms": ["жюри был"], "cognates": []})
    assert list(faulty_items("synonyms", own, "bank", "en")) == [0]
    assert faulty_items("synonyms", own, "банк", "en") == {}
