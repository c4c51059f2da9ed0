"""Errors in successful replies: some gateways answer every request with status 200, and state an error in the body.

Such a body is the error that it states, with the status that OpenAI's API would have for it. If it names no kind of
error that is known here, the reply is unreadable.
"""

from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from floridify_batch.components.json_repair import leniently_parsed
from floridify_batch.formatting import whole_number
from floridify_batch.providers.error import Unreadable, reason_in
from floridify_batch.retry import ACCOUNT_CODES, QUEUE_FULL, TOO_MANY_REQUESTS

if TYPE_CHECKING:
    from httpx2 import Response
    from openai import APIStatusError

_ERRORS = range(400, 600)
LONGEST_ERROR = 1 << 16
"""An error has some hundred bytes; a longer body is what was requested."""

_CONTENTS = ("choices", "data", "custom_id", "input_file_id", "filename", "bytes", "request_counts")
"""Fields of completions, lists, answer lines, batches and files: an object with one of them is no error."""

_STATUSES = (
    (QUEUE_FULL, 400),
    ("rate_limit", TOO_MANY_REQUESTS),
    ("ratelimit", TOO_MANY_REQUESTS),
    ("too_many_requests", TOO_MANY_REQUESTS),
    ("throttl", TOO_MANY_REQUESTS),
    ("authentication", 401),
    ("invalid_api_key", 401),
    ("permission", 403),
    ("not_found", 404),
    ("invalid_request", 400),
    ("overloaded", 503),
    ("unavailable", 503),
    ("timeout", 503),
    ("server_error", 500),
)
"""The statuses of errors by a part of their code or type; the first that fits counts."""


class RawReply(Protocol):
    """The part of a successful reply that has its body."""

    @property
    def content(self) -> bytes:
        """The body."""
        ...

    @property
    def http_response(self) -> "Response":
        """The reply as it arrived."""
        ...


def content_of(reply: RawReply) -> bytes:
    """Return the body of a reply. Raises the SDK's `APIStatusError` if it states an error."""
    raise_stated(reply.content, reply.http_response)
    return reply.content


def raise_stated(content: bytes, response: "Response") -> None:
    """Raise the error that a successful reply states in place of the requested object.

    It is the SDK's `APIStatusError`, or `Unreadable` for one of an unknown kind.
    """
    if len(content) > LONGEST_ERROR:
        return
    body = leniently_parsed(content.removeprefix(BOM_UTF8))
    if error := stated_error(body, response):
        raise error
    if _is_error(body):
        raise Unreadable(f"The service's reply states an error: {reason_in(body) or 'it names none'}.")


def stated_error(body: Any, response: "Response") -> "APIStatusError | None":
    """Return the error that the body of a successful reply states; None without one, or for an unknown kind."""
    if not _is_error(body):
        return None
    stated = body.get("error") or body
    if isinstance(stated, dict) and isinstance(stated.get("error"), dict):
        stated = stated["error"]  # a proxy's error around the service's
    detail = stated if isinstance(stated, dict) else body
    status = _status(body, detail)
    if status is None:
        return None
    from httpx2 import Response
    from openai import APIStatusError

    named = next((name for name in _names(detail) if name in ACCOUNT_CODES or name == QUEUE_FULL), detail.get("code"))
    failed = Response(status, headers=response.headers, request=response.request)
    reason = reason_in(body) or "The service's reply states an error without a reason."
    error = APIStatusError(reason, response=failed, body={**detail, "code": named})
    error.body = body
    return error


def _is_error(body: Any) -> bool:
    """Whether a body is an error, and not an object with one: a batch that has failed has an id and a status."""
    if (
        not isinstance(body, dict)
        or any(body.get(name) for name in _CONTENTS)
        or (body.get("id") and isinstance(body.get("status"), str))
    ):
        return False
    return bool(body.get("error")) or body.get("object") == "error" or body.get("type") == "error"


def _status(body: Mapping[str, Any], detail: Mapping[str, Any]) -> int | None:
    """Return the status of an error: the one that it states, or that of its code or type; None for an unknown kind."""
    for stated in (detail.get("code"), detail.get("status"), body.get("code"), body.get("status")):
        number = whole_number(stated) if isinstance(stated, str) else stated
        if isinstance(number, int) and number in _ERRORS:
            return number
    names = list(_names(detail))
    if any(name in ACCOUNT_CODES for name in names):
        return TOO_MANY_REQUESTS
    return next((status for part, status in _STATUSES if any(part in name for name in names)), None)


def _names(detail: Mapping[str, Any]) -> Iterator[str]:
    """The code and the type of an error, in one spelling."""
    for stated in (detail.get("code"), detail.get("type"), detail.get("status")):
        if isinstance(stated, str):
            yield stated.strip().lower().replace("-", "_").replace(" ", "_")
