"""The judgement of a sense's texts by another model: the question, the stored scores, and when they no longer count."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from floridify_batch.components.change import Provenance
from floridify_batch.components.judgement import RECIPE, JudgementResponse, share_named
from floridify_batch.components.recipe import is_sampled, sampled_number
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.components.text_judgement import Judgement, judgement_of, score_doubt
from floridify_batch.errors import UsageError
from floridify_batch.pipeline.brief import brief
from floridify_batch.words.entry import JUDGEMENTS, Definition, Entry, Stamp, Word, derived_id

JUDGEMENT = SynthesisComponent.JUDGEMENT
SLOPE, EXAMPLES = "the land beside a river", ["We sat on the bank.", "The bank was steep."]
SENSE = Definition(derived_id("sense"), "noun", SLOPE, example_texts=EXAMPLES)
BANK = Word(derived_id("bank"), "bank", "en")
SCORES = [
    {"number": 3, "reason": "a rare construction", "score": 2},
    {"number": 1, "reason": "exact", "score": 5},
    {"number": 9, "reason": "no such text", "score": 1},
]


def judged(sense: Definition = SENSE, scores: list[dict[str, Any]] = SCORES) -> list[dict[str, Any]]:
    """The stored judgements after an answer."""
    stamp = Stamp(derived_id("s"), "run", "b1", datetime(2026, 11, 20, tzinfo=UTC), "gpt-5-mini", "t", "batch")
    origin = Provenance("x", stamp, stamp.batch_created, None, "en", "English", replace=False)
    answer = JudgementResponse.model_validate({"judgements": scores, "confidence": 1})
    stored: list[dict[str, Any]] = RECIPE.outcome(Entry(BANK, (sense,)), sense, answer, origin).fields[JUDGEMENTS]
    return stored


def document(**changes: Any) -> dict[str, Any]:
    """The document of the judged sense."""
    return {"part_of_speech": "noun", "text": SLOPE, JUDGEMENTS: judged(), **changes}


def test_texts_are_numbered() -> None:
    """The definition is text 1, and its examples are numbered from 2, as the published scale in the prompt says."""
    question = brief([JUDGEMENT], model="gpt-5-mini", language_name="English").by_component()[JUDGEMENT]
    request = question.request(Entry(BANK, (SENSE,)), SENSE)
    assert request.prompt.splitlines() == [
        "Word: bank (noun)",
        f"Definition: <<{SLOPE}>>",
        f"2. <<{EXAMPLES[0]}>>",
        f"3. <<{EXAMPLES[1]}>>",
    ]
    for criterion in ("genus", "differentiae", "typicality", "informativeness", "intelligibility", "1: wrong"):
        assert criterion in request.envelope.instructions


def test_scores_of_no_text() -> None:
    """A score with the number of no text, or a reason without a word, is left out; an answer of these is refused."""
    odd = [{"number": -(10**15), "reason": "wrong", "score": 1}, {"number": 1, "reason": "1,111", "score": 1}]
    assert [each["score"] for each in judged(scores=[*odd, *SCORES])] == [5, None, 2]
    with pytest.raises(ValueError, match="judgements"):
        judged(scores=odd)


def test_scores_belong_to_texts() -> None:
    """Each score is stored for the text of its number; a text without one, and a number without a text, have none."""
    assert judgement_of(document(), "definitions", SLOPE) == Judgement(5, "exact")
    assert judgement_of(document(), "examples", EXAMPLES[1]) == Judgement(2, "a rare construction")
    assert judgement_of(document(), "examples", EXAMPLES[0]) is None
    assert judgement_of(document(), "synonyms", SLOPE) is None


def test_a_changed_text_is_not_judged() -> None:
    """A score ends with a change of the text, and with one of the sense that it was judged in."""
    assert judgement_of(document(), "examples", "The bank was very steep.") is None
    assert judgement_of(document(), "definitions", "the land beside a lake") is None
    for change in ({"text": "the land beside a lake"}, {"part_of_speech": "verb"}):
        assert judgement_of(document(**change), "examples", EXAMPLES[1]) is None


@pytest.mark.parametrize("odd", [7, ["x"], [{"digest": 1}], [{"digest": "x", "score": "5"}], {"digest": "x"}])
def test_odd_values_are_no_judgements(odd: Any) -> None:
    """A field that another program has filled with something else has no scores, and is no error."""
    assert judgement_of(document(**{JUDGEMENTS: odd}), "definitions", SLOPE) is None


def test_outdated_by_a_changed_text() -> None:
    """A judgement is requested again once a text has changed or was added, but not for a removed one."""
    done = replace(SENSE, synthesis_judgements=judged())
    entry = Entry(BANK, (done,))
    assert RECIPE.stored(entry, done)
    assert not RECIPE.is_outdated(entry, done)
    assert RECIPE.stored(entry, replace(done, example_texts=EXAMPLES[1:]))
    for change in (
        {"text": "the land beside a lake"},
        {"example_texts": [*EXAMPLES, "A third."]},
        {"part_of_speech": "verb"},
    ):
        changed = replace(done, **change)
        assert RECIPE.is_outdated(entry, changed)
    assert not RECIPE.is_outdated(entry, SENSE)


def test_few_examples_are_judged() -> None:
    """At most eight examples of a sense are judged, and further ones do not outdate the judgement."""
    many = replace(SENSE, example_texts=[f"Example {number}." for number in range(20)])
    stored = judged(many)
    assert len(stored) == 9
    done = replace(many, synthesis_judgements=stored)
    assert RECIPE.stored(Entry(BANK, (done,)), done)


def test_low_scores_are_doubts() -> None:
    """`check` lists scores up to 3 by severity, with the reason; a good score is no doubt."""
    found = [score_doubt(Judgement(score, "dull"), "examples", "noun 1", "A text.") for score in range(1, 6)]
    assert [each and str(each.severity) for each in found] == ["high", "medium", "low", None, None]
    assert found[1] is not None
    assert found[1].sentence == "has the score 2 of 5: dull"


def test_a_sample_is_stable() -> None:
    """A sample has about its share of the senses, is the same every time, and part of every larger sample."""
    ids = [derived_id("sense", number) for number in range(2000)]
    small, large = ({each for each in ids if is_sampled(each, share)} for share in (0.05, 0.2))
    assert 70 < len(small) < 130
    assert small < large
    assert all(is_sampled(each, 1) for each in ids)
    assert 270 < sum(sampled_number(3, each, 0.05) for each in ids) < 330


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("0.5", 0.5), (" 100% ", 1.0), ("1", 1.0)])
def test_shares(text: str, share: float) -> None:
    """A share is a percentage or a number up to 1."""
    assert share_named(text) == share


@pytest.mark.parametrize("text", ["0", "-5%", "101%", "5", "nan", "some", ""])
def test_no_share(text: str) -> None:
    """Anything else is refused, with an example."""
    with pytest.raises(UsageError, match=r"such as 5% or 0\.05"):
        share_named(text)
