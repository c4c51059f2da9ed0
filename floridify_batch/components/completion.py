"""Chat completions: the text of an answer, its refusal and its stop reason, in the forms of different services.

OpenAI's form is read first. Another form is used only if it can mean one thing: a text in several parts, an object in
place of its text, the arguments of a single tool call, a single choice with content among empty ones.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

_CUT = frozenset({"length", "max_tokens", "max_output_tokens", "max_completion_tokens", "model_length"})
_NO_REFUSAL = frozenset({"none", "null", "false", ""})


class Completion(NamedTuple):
    """A choice of a chat completion. `finish` is in OpenAI's words; `content` None: there is none."""

    content: str | None
    refusal: str | None
    finish: str | None

    @property
    def cut(self) -> bool:
        """Whether the answer ended at its token limit."""
        return self.finish == "length"


def completion_of(body: Mapping[str, Any]) -> Completion | None:
    """Return the one choice with content of a chat completion; None for a body that is none."""
    choices = body.get("choices")
    listed = [choices] if isinstance(choices, dict) else choices if isinstance(choices, list) else []
    found = [_choice(each) for each in listed if isinstance(each, dict) and _is_choice(each)]
    if not found:
        return None
    spoken = [each for each in found if each.content or each.refusal]
    first = found[0]
    return spoken[0] if len(spoken) == 1 and not (first.content or first.refusal) else first


def _is_choice(choice: Mapping[str, Any]) -> bool:
    return isinstance(choice.get("message"), dict) or isinstance(choice.get("text"), str)


def _choice(choice: Mapping[str, Any]) -> Completion:
    message = choice.get("message")
    if not isinstance(message, dict):
        message = {"content": choice.get("text")}
    finish = _finish(choice.get("finish_reason"))
    content = message.get("content")
    if not isinstance(content, str) or not content:
        empty = content if isinstance(content, str) else None
        content = _text(content) or _elsewhere(message, cut=finish == "length") or empty
    return Completion(_once_decoded(content), _refusal(message, content), finish)


def _finish(reason: Any) -> str | None:
    if not isinstance(reason, str):
        return None
    lower = reason.lower()
    return "length" if lower in _CUT else lower


def _refusal(message: Mapping[str, Any], content: str | None) -> str | None:
    """Return a refusal; the word for none is not one."""
    refusal = message.get("refusal")
    if not refusal or (isinstance(refusal, str) and refusal.strip().lower() in _NO_REFUSAL):
        return None
    if isinstance(refusal, str) or not content:
        return str(refusal)
    return None


def _once_decoded(content: str | None) -> str | None:
    """Return a text; one that a service has encoded as a JSON string is decoded."""
    if content and content.startswith('"'):
        try:
            decoded = orjson.loads(content)
        except orjson.JSONDecodeError:
            return content
        if isinstance(decoded, str) and decoded.lstrip().startswith("{"):
            return decoded
    return content


def _text(value: Any) -> str | None:
    """Return a content as text: the joined text of its parts, or an object as JSON."""
    if isinstance(value, dict):
        return _as_text(value)
    if not isinstance(value, list):
        return None
    parts = [each if isinstance(each, str) else each.get("text") if isinstance(each, dict) else None for each in value]
    texts = [each for each in parts if isinstance(each, str)]
    return "".join(texts) if len(texts) == len(value) else None


def _elsewhere(message: Mapping[str, Any], *, cut: bool) -> str | None:
    """Return the answer of a message without content: the one whole object in its other fields."""
    found = {text for text in _candidates(message) if text.strip().startswith("{") and text.strip().endswith("}")}
    return found.pop() if len(found) == 1 and not cut else None


def _candidates(message: Mapping[str, Any]) -> Iterator[str]:
    calls = message.get("tool_calls")
    functions = [each.get("function") for each in calls if isinstance(each, dict)] if isinstance(calls, list) else []
    arguments = [each.get("arguments") for each in (*functions, message.get("function_call")) if isinstance(each, dict)]
    for value in (*arguments, message.get("parsed"), message.get("reasoning_content")):
        if text := _as_text(value):
            yield text


def _as_text(value: Any) -> str | None:
    """Return a text, or an object as JSON; None for anything else, and for an object that is no valid JSON."""
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value).decode() if isinstance(value, dict) and value else None
    except TypeError:  # lone surrogates, or too deep
        return None
