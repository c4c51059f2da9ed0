"""Answers that are whole but not plain JSON, and answers that must not be stored."""

import json
from collections import Counter
from typing import Any

import pytest
from pydantic import BaseModel

from floridify_batch.components.antonyms import AntonymResponse
from floridify_batch.components.examples import ExampleGenerationResponse
from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.components.frequency_band import FrequencyBandResponse
from floridify_batch.components.requests import AnswerError, parse_answer

ANSWER = {"example_sentences": ["A café by the river.", 'She said "no, }".'], "confidence": 0.5}
TEXT = json.dumps(ANSWER)


def parsed[R: BaseModel](content: str, answer: type[R], finish: str = "stop") -> tuple[R, Counter[str]]:
    repairs = Counter[str]()
    body = {"choices": [{"message": {"content": content}, "finish_reason": finish}]}
    return parse_answer(answer, body, repairs), repairs


def failure_of(content: str, finish: str = "stop") -> Failure:
    with pytest.raises(AnswerError) as raised:
        parsed(content, ExampleGenerationResponse, finish)
    return Failure("x", raised.value.reason, str(raised.value))


@pytest.mark.parametrize(
    "content",
    [
        f"```json\n{TEXT}\n```",
        f"```\n{TEXT}```",
        f"Here is the answer:\n\n```json\n{TEXT}\n```\nI hope that it helps.",
        f"\ufeff{TEXT}",
        TEXT + TEXT,
        f"{TEXT}\n\n{json.dumps(ANSWER, indent=2)}",
        f"{TEXT[:-1]},}}",
        TEXT.replace("]", ",\n ]"),
        TEXT.replace("by the", "by\nthe"),
    ],
)
def test_a_whole_object_is_used(content: str) -> None:
    """A whole object is used regardless of the text around it, and is counted as repaired."""
    answer, repairs = parsed(content, ExampleGenerationResponse)
    assert [" ".join(each.split()) for each in answer.example_sentences] == ANSWER["example_sentences"]
    assert repairs == {"repaired": 1}


@pytest.mark.parametrize(
    "content",
    [
        TEXT[:-5],
        f"```json\n{TEXT[:-5]}\n```",
        TEXT + TEXT.replace("river", "lake"),
        TEXT + TEXT[:20],
        "There is no answer.",
        "{}",
        "[" * 5000 + "{" * 5000,
        '{"a":' * 5000,
    ],
)
def test_nothing_is_invented(content: str) -> None:
    """A truncated object, and several objects that differ, are malformed, since the intended one is unknown."""
    assert failure_of(content).reason is FailureReason.MALFORMED


def test_plain_answers_are_not_repaired() -> None:
    """A valid answer is not counted as repaired; a dropped list item is counted once."""
    assert parsed(TEXT, ExampleGenerationResponse)[1] == {}
    item = {"word": "bed", "language": "en", "relevance": 1, "efflorescence": 1, "explanation": ""}
    antonyms = json.dumps({"antonyms": [item, item | {"word": " "}], "confidence": 1})
    assert parsed(antonyms, AntonymResponse)[1] == {"dropped": 1}
    assert parsed(f"```{antonyms}```", AntonymResponse)[1] == {"dropped": 1, "repaired": 1}


@pytest.mark.parametrize(("band", "confidence"), [("3", "0.5"), (" 3 ", 0.5), (3, "0.5"), ("3.0", "+0.50")])
def test_numbers_in_strings(band: Any, confidence: Any) -> None:
    """A number in a string is read as the number."""
    answer, _ = parsed(json.dumps({"reasoning": "", "band": band, "confidence": confidence}), FrequencyBandResponse)
    assert (answer.band, answer.confidence) == (3, 0.5)


@pytest.mark.parametrize("band", ["7", "three", "3 or 4", ""])
def test_numbers_that_are_none(band: str) -> None:
    """A string that holds no number of the range is malformed."""
    with pytest.raises(AnswerError):
        parsed(json.dumps({"reasoning": "", "band": band, "confidence": 1}), FrequencyBandResponse)


def test_a_whole_answer_at_the_cap_is_used() -> None:
    """A whole object that is followed by white space up to the token limit is used."""
    answer, repairs = parsed(TEXT + " \n\t" * 500, ExampleGenerationResponse, "length")
    assert answer.example_sentences == ANSWER["example_sentences"]
    assert repairs == {"repaired": 1}


@pytest.mark.parametrize("content", ["", "\n" * 900, '{"example_sentences": [' + " " * 900])
def test_padding_gets_no_larger_cap(content: str) -> None:
    """A retry of an answer that ended in white space has the same token limit: a larger one would be filled, too."""
    failure = failure_of(content, "length")
    assert failure.next_cap_doublings == (0 if content else 1)
    assert failure.repeatable


@pytest.mark.parametrize(
    "passage", ["bank, ", '"She went to the bank.",\n  ', "A long sentence about the bank. " * 3, "{}. The bank. "]
)
def test_repetition_gets_no_larger_cap(passage: str) -> None:
    """A retry of an answer that repeated one passage up to its token limit has the same limit."""
    content = '{"example_sentences": ["The bank is closed.", ' + "".join(passage.format(n) for n in range(60))
    for end in (0, 1, 7):
        failure = failure_of(content[: len(content) - end], "length")
        assert (failure.reason, failure.next_cap_doublings) == (FailureReason.MALFORMED, 0)
        assert failure.detail == "the answer repeats itself up to its token limit"
        assert failure.repeatable


@pytest.mark.parametrize("content", ['{"example', '{"example_sentences": ["no no no', TEXT[:-3] + "x" * 20])
def test_short_repetition_gets_a_larger_cap(content: str) -> None:
    """A few repeated characters at the end of an answer that was cut are no endless repetition."""
    assert failure_of(content, "length").next_cap_doublings == 1


def test_truncated() -> None:
    """A retry of an answer that was cut in its middle has twice the token limit."""
    assert failure_of(TEXT[:-9], "length").next_cap_doublings == 1


@pytest.mark.parametrize(
    "spoilt", ["caf\\u0000e9", "caf\x00", "caf\\u0019", "caf\\uD800", "caf\\udfff x", "caf\\u001F", "caf\\b", "caf\x1b"]
)
@pytest.mark.parametrize("form", ["{}", "```json\n{}\n```"])
def test_corrupt_texts_are_refused(spoilt: str, form: str) -> None:
    """NUL, other control characters and lone surrogates replace lost letters: the answer is malformed."""
    content = json.dumps(ANSWER, ensure_ascii=False).replace("café", spoilt)
    failure = failure_of(form.format(content) if form != "{}" else content)
    assert (failure.reason, failure.repeatable) == (FailureReason.MALFORMED, True)


@pytest.mark.parametrize("harmless", ["caf\\u00e9", "\\ud83d\\ude00", "a\\\\u0000", "a\\\\b", "tab\\tx", "line\\nx"])
def test_escapes_that_are_harmless(harmless: str) -> None:
    """Escaped letters, surrogate pairs, line breaks and backslashes are not treated as corruption."""
    content = json.dumps(ANSWER, ensure_ascii=False).replace("café", harmless)
    assert parsed(content, ExampleGenerationResponse)[1] == {}
