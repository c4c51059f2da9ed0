"""Validation of a request body, shared by batch lines and immediate requests."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from floridify_batch.costs.usage import CACHED_FROM
from floridify_batch.sandbox.refusal import Refusal, invalid, missing
from floridify_batch.sandbox.strict_schema import strict_problem

_PARAMETERS = """
    audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages
    metadata modalities model moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key
    prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier
    stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity
    web_search_options
"""
_KNOWN = frozenset(_PARAMETERS.split())
_NOT_HERE = ("audio", "function_call", "functions", "tools", "tool_choice", "web_search_options", "prediction")
_NOT_WHEN_REASONING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs")
_ROLES = frozenset({"system", "developer", "user", "assistant"})
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MODEL = re.compile(r"gpt-|o1|o3|o4")
_GENERATION = re.compile(r"gpt-(\d+)(?:\.(\d+))?")
_FIRST_REASONING = 5
_CACHE_WRITES, _CACHE = (5, 6), "prompt_cache_options"


def knows_model(model: object, *, any_model: bool = False) -> bool:
    """Whether the sandbox accepts a model name; `any_model`: another service answers, whose models it does not know."""
    return isinstance(model, str) and (any_model or _MODEL.match(model) is not None)


def writes_cache(body: Mapping[str, Any], tokens: int) -> bool:
    """Whether a request writes the prompt cache: a long one to gpt-5.6 or later, unless it prevents that."""
    generation = _GENERATION.match(body["model"])
    charged = generation and (int(generation[1]), int(generation[2] or 0)) >= _CACHE_WRITES
    return bool(charged) and tokens >= CACHED_FROM and (body.get(_CACHE) or {}).get("mode") != "explicit"


def is_reasoning(model: str) -> bool:
    """Whether a model is a reasoning model: gpt-5 and later, and the o-series."""
    generation = _GENERATION.match(model)
    return int(generation[1]) >= _FIRST_REASONING if generation else model.startswith("o")


def check_body(body: object, *, any_model: bool = False) -> Refusal | None:
    """Return the refusal of an invalid request body, or None if it is valid."""
    if not isinstance(body, dict):
        return Refusal(400, "The body of the request must be a JSON object.")
    try:
        _check(body, any_model)
    except Refusal as refusal:
        return refusal
    return None


def _check(body: Mapping[str, Any], any_model: bool) -> None:
    if unknown := body.keys() - _KNOWN:
        name = min(unknown)
        raise Refusal(400, f"Unrecognized request argument supplied: {name}", code="unknown_parameter", param=name)
    if not isinstance(model := body.get("model"), str):
        raise missing("model")
    if not knows_model(model, any_model=any_model):
        message = f"The model `{model}` does not exist or you do not have access to it."
        raise Refusal(404, message, code="model_not_found")
    _check_messages(body.get("messages"))
    _check_scope(body)
    _check_caps(body)
    (_check_reasoning if is_reasoning(model) else _check_plain)(body)
    _check_format(body.get("response_format"))


def _check_messages(messages: object) -> None:
    if messages is None:
        raise missing("messages")
    if not isinstance(messages, list) or not messages:
        raise invalid("messages", "expected an array of at least one message.", code="empty_array")
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise invalid(f"messages[{index}].role", f"expected one of {', '.join(sorted(_ROLES))}.")
        content = message.get("content")
        parts = [content] if isinstance(content, str) else content
        if not isinstance(parts, list) or not parts or not all(map(_is_part, parts)):
            raise invalid(f"messages[{index}].content", "expected a string or an array of text parts.")


def _is_part(part: object) -> bool:
    return isinstance(part, str) or (isinstance(part, dict) and isinstance(part.get("text"), str))


def _check_scope(body: Mapping[str, Any]) -> None:
    if body.get("stream"):
        raise invalid("stream", "the sandbox does not stream.", code="unsupported_value")
    if body.get("n") not in (None, 1):
        raise invalid("n", "the sandbox returns one choice only.", code="unsupported_value")
    for name in _NOT_HERE:
        if name in body:
            raise Refusal(400, f"'{name}' is not supported by the sandbox.", code="unsupported_parameter", param=name)


def _check_caps(body: Mapping[str, Any]) -> None:
    caps = [name for name in ("max_tokens", "max_completion_tokens") if body.get(name) is not None]
    if len(caps) > 1:
        raise invalid("max_tokens", "cannot be combined with 'max_completion_tokens'.")
    for name in caps:
        if type(body[name]) is not int or body[name] < 1:
            raise invalid(name, "expected an integer of at least 1.", code="integer_below_min_value")


def _check_reasoning(body: Mapping[str, Any]) -> None:
    if body.get("max_tokens") is not None:
        message = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
        raise Refusal(400, message, code="unsupported_parameter", param="max_tokens")
    for name in _NOT_WHEN_REASONING:
        if body.get(name) is not None:
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            raise Refusal(400, message, code="unsupported_parameter", param=name)
    effort = body.get("reasoning_effort")
    if effort is not None and effort not in _EFFORTS:
        raise invalid("reasoning_effort", f"supported values are {', '.join(_EFFORTS)}.", code="unsupported_value")


def _check_plain(body: Mapping[str, Any]) -> None:
    if body.get("reasoning_effort") is not None:
        message = "Unrecognized request argument supplied: reasoning_effort"
        raise Refusal(400, message, code="unknown_parameter", param="reasoning_effort")
    temperature = body.get("temperature")
    if temperature is not None and not (type(temperature) in (int, float) and 0 <= temperature <= 2):  # noqa: PLR2004
        raise invalid("temperature", "expected a number from 0 to 2.", code="decimal_above_max_value")


def _check_format(wanted: object) -> None:
    if wanted is None:
        return
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind not in ("text", "json_object", "json_schema"):
        raise invalid("response_format.type", "supported values are text, json_object, json_schema.")
    if kind == "json_schema" and isinstance(wanted, dict):
        _check_schema(wanted.get("json_schema"))


def _check_schema(wanted: object) -> None:
    if not isinstance(wanted, dict):
        raise missing("response_format.json_schema")
    name, schema = wanted.get("name"), wanted.get("schema")
    if not isinstance(name, str):
        raise missing("response_format.json_schema.name")
    if not _NAME.fullmatch(name):
        raise invalid("response_format.json_schema.name", "expected 1 to 64 of a-z, A-Z, 0-9, _ and -.")
    if schema is not None and not isinstance(schema, dict):
        raise invalid("response_format.json_schema.schema", "expected an object.")
    if not wanted.get("strict"):
        return
    problem = strict_problem(orjson.dumps(schema))
    if problem:
        raise Refusal(400, f"Invalid schema for response_format '{name}': {problem}", param="response_format")
