"""Requests answered at once: the seam through which every immediate request leaves.

The limit on requests in flight and the retries live here, never in whoever asks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from pydantic import BaseModel

from floridify_batch.components.failure import FailureReason
from floridify_batch.components.request import AnswerError, CustomId, Envelope, SynthesisRequest
from floridify_batch.errors import ServiceError, ServiceRefused, ServiceUncertain, UnknownBatch, UsageError
from floridify_batch.providers.rate_limit import LONGEST_PAUSE, Throttle

if TYPE_CHECKING:
    from openai import APIError, AsyncOpenAI
    from tenacity import RetryCallState

DEFAULT_MODEL = "gpt-6-luna"
"""The model that is asked where nobody names one."""

CONCURRENCY = 32
"""Requests in flight where they are asked at once, unless told otherwise."""

MAX_RETRIES = 6
"""Tries after the first for an immediate request, and of the SDK for what may be asked twice."""

REQUEST_TIMEOUT = 600.0
"""Seconds that one request may take, an upload or download of 200 MB included."""

_STRUCTURED_CAP = 2000
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_NAME_LENGTH = 64
"""What the service takes as the name of an answer's shape: no brackets, such as generic models have in theirs."""

_ADDRESS = re.compile(r"https?://[^/\s@?#]+(?:/\S*)?")

OURS_TO_SETTLE = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
"""The service's codes for an account that can pay for nothing, so that every further request would fail alike."""
_UNAUTHORISED = frozenset({401, 403})
HTTP_OK = 200
_NOT_FOUND = 404
_TOO_MANY = 429
_PASSING = frozenset({408, 409, _TOO_MANY})
_SERVER_ERROR = 500


class Connector(Protocol):
    """Whoever answers one request, now or later."""

    async def complete[R: BaseModel](self, request: SynthesisRequest[R]) -> R:
        """The answer to a request. Raises `AnswerError` where there is no usable one, `ServiceError` otherwise."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What the endpoint returned: a status and a body, as an answer line holds them."""

    status: int
    request_id: str
    body: Mapping[str, Any]


class OpenAIConnector:
    """Requests to OpenAI, or to any service that speaks its Chat Completions, answered at once."""

    discount = Decimal(0)

    def __init__(
        self,
        api_key: str,
        model_name: str = DEFAULT_MODEL,
        *,
        base_url: str | None = None,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self.model_name = model_name
        self.api_key = api_key
        self.base_url = base_url
        self.concurrency = concurrency
        # Our own retries instead of the SDK's: it would ask an account without money six times more.
        self._client = new_client(api_key, base_url, concurrency).with_options(max_retries=0)
        self._throttle = Throttle()

    async def complete[R: BaseModel](self, request: SynthesisRequest[R]) -> R:
        """The answer to a request. Raises `AnswerError` where there is no usable one, `ServiceError` otherwise."""
        reply = await self.post(request.body)
        if reply.status != HTTP_OK:
            error = reply.body.get("error")
            said = error.get("message") if isinstance(error, dict) else error
            raise AnswerError(FailureReason.HTTP, str(said or f"status {reply.status}"))
        return request.parse(reply.body)

    async def _make_structured_request[T: BaseModel](self, prompt: str, response_model: type[T], **kwargs: Any) -> T:
        """The answer to a prompt of the caller's own in a shape of the caller's own.

        `max_tokens` caps the answer; `component` names it. Other keywords, such as a temperature, belong to requests
        that were made for one model, and are left out. Raises `AnswerError` where there is no usable one, also where
        the shape is one that the service does not take, `ServiceError` otherwise.
        """
        name = _NOT_IN_NAMES.sub("_", str(kwargs.get("component") or response_model.__name__))[:_NAME_LENGTH]
        cap = int(kwargs.get("max_tokens") or _STRUCTURED_CAP)
        envelope = Envelope(name, response_model, self.model_name, "", cap)
        return await self.complete(SynthesisRequest(CustomId(name), envelope, prompt))

    async def post(self, body: Mapping[str, Any]) -> Reply:
        """Send a body to the endpoint. A status other than 200 is a reply, too; one whose body nobody can read has 0.

        Raises `ServiceRefused` where every request would fail alike, `ServiceUncertain` where nobody answers.
        """
        from openai import APIConnectionError, APIStatusError
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

        retrying = AsyncRetrying(
            retry=retry_if_exception(_passes), wait=_pause, stop=stop_after_attempt(1 + MAX_RETRIES), reraise=True
        )
        try:
            response: Any = await retrying(self._post_once, body)
        except APIStatusError as error:
            refuse_if_ours(error)
            return Reply(error.status_code, error.request_id or "", _error_body(error))
        except APIConnectionError as error:
            raise translated(error) from error
        return _reply(response)

    async def _post_once(self, body: Mapping[str, Any]) -> Any:
        from openai import APIStatusError

        try:
            async with self._throttle.turn():
                response = await self._client.chat.completions.with_raw_response.create(**body)
        except APIStatusError as error:
            self._throttle.note(error.response.headers)
            if error.status_code == _TOO_MANY and (seconds := _asked_pause(error)) is not None:
                self._throttle.hold(seconds)
            raise
        self._throttle.note(response.headers)
        return response

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.close()


def get_openai_connector(model_name: str = DEFAULT_MODEL, *, base_url: str | None = None) -> OpenAIConnector:
    """A connector with the key that OPENAI_API_KEY holds, which the SDK reads. Raises `UsageError` without one."""
    from openai import AsyncOpenAI, OpenAIError

    try:
        client = AsyncOpenAI()
    except OpenAIError as error:
        raise UsageError("There is no key: set OPENAI_API_KEY.") from error
    return OpenAIConnector(client.api_key, model_name, base_url=base_url or str(client.base_url))


def _reply(response: Any) -> Reply:
    """A response as a reply. Whatever stands between us and the service may put a page of its own in its place."""
    identity = response.request_id or ""
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        body = None
    if isinstance(body, dict):
        return Reply(response.status_code, identity, body)
    return Reply(0, identity, {"error": {"message": "The service's answer is no JSON object.", "code": None}})


def _passes(error: BaseException) -> bool:
    """Whether an error may be over in a moment."""
    from openai import APIConnectionError, APIStatusError

    if isinstance(error, APIStatusError):
        return isinstance(_from_status(error), ServiceUncertain)
    return isinstance(error, APIConnectionError)


def _pause(state: "RetryCallState") -> float:
    """Seconds before the next try: as many as the service's header asks for, or ever more of them."""
    from openai import APIStatusError
    from tenacity import wait_random_exponential

    error = state.outcome.exception() if state.outcome else None
    asked = _asked_pause(error) if isinstance(error, APIStatusError) else None
    if asked is not None:
        return asked
    return float(wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE)(state))


def _asked_pause(error: Any) -> float | None:
    """The seconds that a refusal's header asks for; None where it asks for nothing."""
    try:
        return min(float(error.response.headers.get("retry-after", "")), LONGEST_PAUSE)
    except ValueError:
        return None


def new_client(api_key: str, base_url: str | None, connections: int) -> "AsyncOpenAI":
    """A client of the service with so many connections at most. Raises `UsageError` for an unusable address."""
    import httpx2
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    if base_url is not None and not _ADDRESS.fullmatch(base_url):
        shown = "What was given" if "@" in base_url else base_url
        raise UsageError(
            f"{shown} is no address of a service; give one such as https://host/v1, without a password, as --base-url."
        )
    return AsyncOpenAI(
        api_key=api_key,
        base_url=base_url,
        max_retries=MAX_RETRIES,
        timeout=REQUEST_TIMEOUT,
        http_client=DefaultAsyncHttpxClient(limits=httpx2.Limits(max_connections=connections)),
    )


def _error_body(error: "APIError") -> Mapping[str, Any]:
    body = error.body
    if isinstance(body, dict):
        return body if "error" in body else {"error": body}
    return {"error": {"message": _message(error), "code": None}}


# ── the service's errors in our words ──────────────────────────────────────────────────────────────────────────────


def translated(error: "APIError") -> ServiceError:
    """The service's error as one of ours, by whose turn it is."""
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    error.args = (_without_key(error, str(error)),)  # whoever asks for a traceback is shown this
    if isinstance(error, APIStatusError):
        return _from_status(error)
    if isinstance(error, APITimeoutError):
        return ServiceUncertain("The service did not answer in time; check the network, then resume.")
    if isinstance(error, APIConnectionError):
        where = error.request.url.host
        cause = error.__cause__ or error
        return ServiceUncertain(
            f"The service at {where} cannot be reached ({cause}); check the address and the network."
        )
    return ServiceUncertain(f"The service's answer could not be read: {error.message}")


def _from_status(error: Any) -> ServiceError:
    status, message = error.status_code, _message(error)
    if status in _UNAUTHORISED or error.code in OURS_TO_SETTLE:
        return ServiceRefused(f"The service refuses this key or account (HTTP {status}): {message}")
    if status == _NOT_FOUND:
        return UnknownBatch(f"The service does not know it: {message}")
    if status in _PASSING or status >= _SERVER_ERROR:
        return ServiceUncertain(f"The service is not able to answer just now (HTTP {status}): {message}")
    return ServiceError(f"The service refused the request (HTTP {status}): {message}")


def _message(error: Any) -> str:
    body = error.body
    inner = body.get("error", body) if isinstance(body, dict) else None
    said = inner.get("message") if isinstance(inner, dict) else None
    return _without_key(error, str(said or error.message))


def _without_key(error: "APIError", text: str) -> str:
    """What the service says, without the key: some services quote the one that they refuse."""
    key = error.request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    return text.replace(key, "***") if key else text


def refuse_if_ours(error: "APIError") -> None:
    """Raise `ServiceRefused` where the error is about the account, so that every further request would fail alike."""
    ours = translated(error)
    if isinstance(ours, ServiceRefused):
        raise ours from error
