"""Error responses in the format of OpenAI's API."""

from collections.abc import Mapping
from typing import Any


class Refusal(Exception):
    """An error response: its HTTP status, the four fields of the error object, and headers."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """Return the error object, as in an HTTP response and in a batch line."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


def missing(param: str) -> Refusal:
    """Return the refusal of a missing required field."""
    return Refusal(400, f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param)


def invalid(param: str, why: str, *, code: str = "invalid_value") -> Refusal:
    """Return the refusal of an invalid value."""
    return Refusal(400, f"Invalid value for '{param}': {why}", code=code, param=param)


def not_found(what: str, identity: str) -> Refusal:
    """Return the refusal of an unknown or deleted id."""
    return Refusal(404, f"No such {what} object: {identity}", param="id")


def wrong_key(key: str) -> Refusal:
    """Return the refusal of a missing or invalid API key."""
    if not key:
        return Refusal(401, "You didn't provide an API key. Send it as 'Authorization: Bearer KEY'.")
    return Refusal(401, f"Incorrect API key provided: {key}.", code="invalid_api_key")


def quota_exceeded() -> Refusal:
    """Return the refusal of an account without credit."""
    message = "You exceeded your current quota, please check your plan and billing details."
    return Refusal(429, message, code="insufficient_quota", kind="insufficient_quota")


def unsupported_model(model: str) -> Refusal:
    """Return the refusal of a request whose form a model does not support."""
    message = f"Unsupported parameter: 'response_format' is not supported with the model '{model}'."
    return Refusal(400, message, code="unsupported_parameter", param="response_format")


def by_status(status: int, headers: Mapping[str, str] | None = None) -> Refusal:
    """Return the refusal for an HTTP status that a fault injects."""
    if status == 429:  # noqa: PLR2004 - an HTTP status
        message = "Rate limit reached for requests. Please try again later."
        return Refusal(429, message, code="rate_limit_exceeded", kind="requests", headers=headers)
    if 400 <= status < 500:  # noqa: PLR2004
        return Refusal(status, "The request was refused by a fault of the sandbox.", headers=headers)
    message = "The server had an error while processing your request. Sorry about that!"
    return Refusal(status, message, code="server_error", kind="server_error", headers=headers)
