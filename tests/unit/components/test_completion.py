"""Chat completions in the forms of different services."""

from typing import Any

import orjson
import pytest

from floridify_batch.components.cefr_level import CEFRLevelResponse
from floridify_batch.components.failure import FailureReason
from floridify_batch.components.requests import AnswerError, parse_answer

OBJECT = {"reasoning": "Common.", "level": "A1", "confidence": 0.9}
TEXT = orjson.dumps(OBJECT).decode()
EMPTY = {"message": {"content": None}, "finish_reason": "stop"}


def choice(finish: Any = "stop", **message: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", **message}, "finish_reason": finish}


def call(arguments: Any) -> dict[str, Any]:
    return {"id": "1", "type": "function", "function": {"name": "x", "arguments": arguments}}


@pytest.mark.parametrize(
    "choices",
    [
        pytest.param([choice(content=[{"type": "text", "text": TEXT}])], id="one part"),
        pytest.param([choice(content=[{"text": TEXT[:9]}, {"text": TEXT[9:]}])], id="two parts"),
        pytest.param([choice(content=OBJECT)], id="an object"),
        pytest.param([choice(content=orjson.dumps(TEXT).decode())], id="encoded twice"),
        pytest.param([choice(content=None, tool_calls=[call(TEXT)])], id="tool call"),
        pytest.param([choice(content="", tool_calls=[call(OBJECT)])], id="tool call with an object"),
        pytest.param([choice(content=None, parsed=OBJECT)], id="parsed"),
        pytest.param([choice(content=None, reasoning_content=TEXT)], id="reasoning"),
        pytest.param([choice(content=TEXT, refusal="None")], id="the word for no refusal"),
        pytest.param([choice(["stop"], content=TEXT)], id="a list as stop reason"),
        pytest.param([EMPTY, choice(content=TEXT)], id="an empty choice first"),
        pytest.param([choice(content=""), choice(content=TEXT)], id="an empty text first"),
        pytest.param([{"text": TEXT, "finish_reason": "stop"}], id="text instead of a message"),
        pytest.param(choice(content=TEXT), id="a choice without a list"),
    ],
)
def test_answers_in_other_forms(choices: Any) -> None:
    """An answer whose text is in another form or field is used: it has been paid for."""
    assert parse_answer(CEFRLevelResponse, {"choices": choices}).level == "A1"


@pytest.mark.parametrize(
    "choices",
    [
        pytest.param([choice(content=None, tool_calls=[call(TEXT), call(TEXT.replace("A1", "B2"))])], id="two calls"),
        pytest.param([choice(content=None, reasoning_content=f"Perhaps {TEXT}?")], id="reasoning about an object"),
        pytest.param([choice(content=[{"type": "text", "text": TEXT}, {"type": "image"}])], id="a part without text"),
        pytest.param([EMPTY, choice(content=TEXT), choice(content="{}")], id="two answers after an empty choice"),
        pytest.param([choice(content={"level": "\ud800"})], id="a lone surrogate in an object"),
        pytest.param({}, id="no message"),
        pytest.param([None], id="no choice"),
    ],
)
def test_ambiguous_answers(choices: Any) -> None:
    """An answer that may mean two things is malformed, not guessed."""
    with pytest.raises(AnswerError) as failed:
        parse_answer(CEFRLevelResponse, {"choices": choices})
    assert failed.value.reason is FailureReason.MALFORMED


@pytest.mark.parametrize("finish", ["length", "max_tokens", "MAX_TOKENS", "max_output_tokens"])
@pytest.mark.parametrize("message", [{"content": TEXT[:40]}, {"content": None, "reasoning_content": TEXT}])
def test_words_for_a_cut_answer(finish: str, message: dict[str, Any]) -> None:
    """An answer that ended at its token limit is truncated, in each service's word for it."""
    with pytest.raises(AnswerError) as failed:
        parse_answer(CEFRLevelResponse, {"choices": [choice(finish, **message)]})
    assert failed.value.reason is FailureReason.TRUNCATED
