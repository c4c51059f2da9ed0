"""Translation of the SDK's exceptions, and of unreadable replies, into the errors of `errors`.

A gateway's page, an empty body or half of one come with status 200, too. The SDK takes them for the requested object
and fails on them later; here they raise `ServiceUncertain`, so that the caller looks up the outcome. An error that such
a reply states is in `stated_error`.
"""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from floridify_batch.components import failure
from floridify_batch.components.json_repair import encodable
from floridify_batch.errors import (
    AccessDenied,
    QueueFull,
    ServiceBusy,
    ServiceError,
    ServiceRefused,
    ServiceUncertain,
    UnknownBatch,
)
from floridify_batch.formatting import span
from floridify_batch.retry import ACCOUNT_CODES, LONG_PAUSE, QUEUE_FULL, TOO_MANY_REQUESTS, is_transient

if TYPE_CHECKING:
    from openai import APIError

_FORBIDDEN = 403
_UNAUTHORISED = frozenset({401, _FORBIDDEN})
_NOT_FOUND = 404
_REDIRECTS = range(300, 400)
_LONGEST_REASON = 500
_TAG = re.compile(r"<(style|script)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_END_MARKS = (".", "!", "?", "…", "。")
_LONGEST_RETRY_AFTER = 3600.0
_LONGEST_STATED = 366 * 86_400.0
_LARGEST_ID = 10**40
_LONGEST_ID = 500
_SHORTEST_SECRET = 8
"""Shorter keys are those of self-hosted servers, which accept any: masking them would mask ordinary text. One that the
service refuses is masked however short it is, where it stands alone.
"""


class Unreadable(ServiceUncertain):
    """A reply that is no answer to the request."""


class Nameless(Unreadable):
    """A reply with an object that has no id."""


async def translating[T](call: Callable[[], Awaitable[T]]) -> T:
    """Call the service and translate its errors. Raises `Unreadable` for a reply of an unexpected form."""
    import httpx2
    from openai import APIError

    try:
        return await call()
    except APIError as error:
        raise translated(error) from error
    except httpx2.HTTPError as error:  # a body that breaks off while it is streamed arrives unwrapped
        raise ServiceUncertain(f"The service's reply was cut off ({error}).") from error
    except (AttributeError, TypeError, ValueError) as error:  # the SDK, or we, relied on a missing field
        raise Unreadable(f"The service's reply has an unexpected form ({error}).") from error


def translated(error: "APIError") -> ServiceError:
    """Return the error of ours for an exception of the SDK."""
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    error.args = (_without_key(error, str(error)),)  # shown by a traceback
    if isinstance(error, APIStatusError):
        return from_status(error)
    if isinstance(error, APITimeoutError):
        return ServiceUncertain("The service did not answer in time; check the network, then resume.")
    if isinstance(error, APIConnectionError):
        where = error.request.url.host
        cause = error.__cause__ or error
        stated = _without_key(error, str(cause))
        sentence = f"The service at {where} cannot be reached ({stated}); check the address and the network."
        return ServiceBusy(sentence) if was_not_sent(error) else ServiceUncertain(sentence)
    return ServiceUncertain(f"The service's reply could not be read: {_sentence(str(error.message))}")


def was_not_sent(error: Exception) -> bool:
    """Whether a connection failed before a request could be sent."""
    import httpx2

    cause = error.__cause__ or error
    return isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.ProxyError)


def from_status(error: Any) -> ServiceError:
    """Return the error of ours for a status other than 200."""
    status, message = error.status_code, _sentence(message_of(error))
    concerns_account = any(isinstance(name, str) and name in ACCOUNT_CODES for name in (error.code, error.type))
    if status == _FORBIDDEN and not concerns_account:
        return AccessDenied(f"The service denies access (HTTP {status}): {message}")
    if status in _UNAUTHORISED or concerns_account:
        return ServiceRefused(f"The service refuses this key or account (HTTP {status}): {message}")
    if status == _NOT_FOUND:
        return UnknownBatch(f"Not found at the service: {message}")
    if error.code == QUEUE_FULL:
        return QueueFull(message)
    if is_transient(status) or status in _REDIRECTS:
        return _transient(error, message)
    return ServiceError(f"The service refused the request (HTTP {status}): {message}")


def _transient(error: Any, message: str) -> ServiceError:
    """Return the error of ours for a status after which the outcome is unknown, or a retry may succeed."""
    status = error.status_code
    if is_transient(status):
        sentence = f"The service is temporarily unavailable (HTTP {status}): {message}{_long_pause(error)}"
        kind = ServiceBusy if status == TOO_MANY_REQUESTS else ServiceUncertain
        return kind(sentence, retry_after(error))
    target = error.response.headers.get("location") or "an address that it does not state"
    return ServiceUncertain(
        f"The service redirects the request (HTTP {status}) to {target}; if that stays so, pass it as --base-url."
    )


def _long_pause(error: Any) -> str:
    """Return a sentence on the pause that a refusal asks for, if it is a long one."""
    seconds = stated_pause(error) or 0.0
    return f" It asks for a pause of {span(timedelta(seconds=seconds))}." if seconds >= LONG_PAUSE else ""


def retry_after(error: Any) -> float | None:
    """Return the seconds of a refusal's Retry-After header, up to an hour; None for a pause that it leaves open."""
    seconds = stated_pause(error)
    return None if seconds is None else min(seconds, _LONGEST_RETRY_AFTER)


def stated_pause(error: Any) -> float | None:
    """Return the seconds in a refusal's Retry-After header, a number or a date; None without a usable one.

    A date is compared with the service's own clock, in its Date header. A pause of 0 or less would retry in a loop.
    """
    headers = error.response.headers
    stated = headers.get("retry-after", "")
    try:
        seconds = float(stated)
    except ValueError:
        then, now = _date(stated), _date(headers.get("date", ""))
        seconds = (then - now).total_seconds() if then and now else nan
    return min(seconds, _LONGEST_STATED) if isfinite(seconds) and seconds > 0 else None


def _date(text: str) -> datetime | None:
    """An HTTP date; None for any other text."""
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def message_of(error: Any) -> str:
    """Return the service's message, without the key."""
    return encodable(_without_key(error, reason_in(error.body) or str(error.message)))


def _sentence(text: str) -> str:
    """Return a text with an end mark: other sentences follow it."""
    text = text.strip()
    return text if text.endswith(_END_MARKS) else f"{text}."


def reason_in(body: Any) -> str:
    """Return the reason in an error body: a text, or the field of an object or a list; empty without one."""
    return failure.reason_in(body, failure.REASONS, _plain_text)


def _plain_text(value: Any) -> str:
    """A text in one line, without a page's tags; empty for another value."""
    return " ".join(_TAG.sub(" ", value).split())[:_LONGEST_REASON] if isinstance(value, str) else ""


def _without_key(error: "APIError", text: str) -> str:
    """Remove the key from a message: some services quote the one that they refuse."""
    key = error.request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if len(key) >= _SHORTEST_SECRET:
        return text.replace(key, "***")
    refused = getattr(error, "status_code", None) in _UNAUTHORISED
    return re.sub(rf"(?<!\w){re.escape(key)}(?!\w)", "***", text) if key and refused else text


def raise_if_refused(error: "APIError") -> None:
    """Raise `ServiceRefused` if the error is about the account, so that every further request would fail, too.

    A 403 may concern one request: gateways block texts with it.
    """
    ours = translated(error)
    if isinstance(ours, ServiceRefused) and not isinstance(ours, AccessDenied):
        raise ours from error


def identity_of(reply: Any) -> str:
    """Return the id in a reply, or in its `data`. Raises `Unreadable` if there is none."""
    nested = getattr(reply, "data", None)
    identity = id_in(getattr(reply, "id", None)) or id_in(nested.get("id") if isinstance(nested, dict) else None)
    if identity is None and (reply is None or isinstance(reply, str)):
        raise Unreadable("The service's reply is not a JSON object.")
    if identity is None:
        raise Nameless("The service's reply contains no id.")
    return identity


def id_in(value: Any) -> str | None:
    """Return an id, which may be a number; None for anything else, such as a text that no address can hold."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 <= value < _LARGEST_ID else None
    identity = value.strip() if isinstance(value, str) else ""
    fits = identity.isprintable() and len(identity) <= _LONGEST_ID and " " not in identity
    return identity if identity and fits else None
